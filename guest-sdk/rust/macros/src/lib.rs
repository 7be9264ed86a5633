//! millstream-guest-macros
