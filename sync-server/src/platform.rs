//! What the relay asks of the system that it runs on: time and randomness. Tests of
//! wrong clocks and the simulator give their own.
use std::sync::Arc;
use std::time::Duration;

use rand_core::{CryptoRng, Error, OsRng, RngCore};

/// A node's clock and randomness.
pub trait Platform: Send + Sync {
    /// The clock, milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Fills `bytes` from a cryptographic source.
    fn fill_random(&self, bytes: &mut [u8]);

    /// How long what sessions leave waits in memory at most. A live session moves
    /// its cursors with every batch; written each time, that would cost more than
    /// the entries.
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// The system's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Platform for System {
    fn now_ms(&self) -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        OsRng.fill_bytes(bytes);
    }
}

/// A platform's randomness, for what takes a generator.
pub struct Randomness(pub Arc<dyn Platform>);

impl RngCore for Randomness {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.fill_random(bytes);
        Ok(())
    }
}

impl CryptoRng for Randomness {}
