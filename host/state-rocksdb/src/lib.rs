//! millstream-state-rocksdb
