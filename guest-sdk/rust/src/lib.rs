//! millstream-guest
