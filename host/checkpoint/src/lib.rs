//! millstream-checkpoint
