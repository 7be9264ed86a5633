//! WASI's clocks and randomness, as the batch has them.

use std::{future, pin::Pin};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{
    DynPollable, Pollable,
    bindings::{
        clocks::{
            monotonic_clock,
            wall_clock::{self, Datetime},
        },
        random::{insecure, insecure_seed, random},
    },
    subscribe,
};

use crate::guest::GuestData;

/// The most random bytes of one call.
const RANDOM_BYTES: u64 = 1 << 20;

impl wall_clock::Host for GuestData {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        let now_ms = self.now_ms.max(0).unsigned_abs();
        Ok(Datetime { seconds: now_ms / 1000, nanoseconds: (now_ms % 1000) as u32 * 1_000_000 })
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl monotonic_clock::Host for GuestData {
    fn now(&mut self) -> wasmtime::Result<u64> {
        // At 0, which it is until the first batch, Go's runtime takes the clock for broken.
        Ok(self.now_ms.max(0).unsigned_abs().saturating_mul(1_000_000).max(1))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, _when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }

    fn subscribe_duration(&mut self, _duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }
}

/// A time to wait for. It has always come, since time stands still within a batch.
struct Now;

impl Pollable for Now {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(future::ready(()))
    }
}

impl GuestData {
    fn at_once(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.table.push(Now)?;
        subscribe(&mut self.table, now)
    }

    fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_BYTES {
            return Err(wasmtime::Error::msg(format!("{len} random bytes asked for where {RANDOM_BYTES} are given")));
        }
        Ok(self.random.bytes(len as usize))
    }
}

impl random::Host for GuestData {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.next_u64())
    }
}

impl insecure::Host for GuestData {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.next_u64())
    }
}

impl insecure_seed::Host for GuestData {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random.next_u64(), self.random.next_u64()))
    }
}
