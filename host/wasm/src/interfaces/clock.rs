//! `clock`: the batch's time and randomness. Outside a batch the time is 0 and the seed too.

use crate::{generated::millstream::operator::clock::Host, guest::GuestData};

impl Host for GuestData {
    fn now_ms(&mut self) -> wasmtime::Result<i64> {
        Ok(self.now_ms)
    }

    fn random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.next_u64())
    }
}
