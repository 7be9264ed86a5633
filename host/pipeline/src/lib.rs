//! millstream-pipeline
