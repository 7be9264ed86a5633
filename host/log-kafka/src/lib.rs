//! millstream-log-kafka
