//! What a device asks of the system that it runs on: time and randomness. Nothing
//! else in this crate reads a clock or makes a random byte, so that a browser, a test
//! of wrong clocks and the simulator can give their own.
use std::sync::Arc;

use rand_core::{CryptoRng, Error, RngCore};

/// A boot of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Another number after every start of the device.
    pub id: u32,
    /// How long it lasts, sleep included, milliseconds. Never goes back.
    pub monotonic_ms: u64,
}

/// Clocks and randomness of a device.
pub trait Platform: Send + Sync {
    /// The wall clock, milliseconds since 1970. It is whatever somebody set: it
    /// decides nothing in sync; it is shown, and stated as evidence.
    fn wall_ms(&self) -> u64;

    /// This boot; none where the system does not say.
    fn boot(&self) -> Option<Boot>;

    /// Fills `bytes` from a cryptographic source.
    fn fill_random(&self, bytes: &mut [u8]);
}

/// The system's own clocks and randomness.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

#[cfg(not(target_family = "wasm"))]
impl System {
    /// To be shared by what belongs to a device.
    #[must_use]
    pub fn shared() -> Arc<dyn Platform> {
        Arc::new(Self)
    }
}

#[cfg(not(target_family = "wasm"))]
impl Platform for System {
    /// `STUNITY_CLOCK_OFFSET_S`, whole seconds, moves it: for demonstrations of
    /// wrong clocks.
    fn wall_ms(&self) -> u64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let offset: i64 = std::env::var("STUNITY_CLOCK_OFFSET_S")
            .ok()
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(0);
        now.saturating_add_signed(offset.saturating_mul(1000))
    }

    fn boot(&self) -> Option<Boot> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let id = u32::from_str_radix(id.get(..8)?, 16).ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let (seconds, hundredths) = uptime.split(' ').next()?.split_once('.')?;
        let seconds: u64 = seconds.parse().ok()?;
        let hundredths: u64 = hundredths.parse().ok()?;
        Some(Boot {
            id,
            monotonic_ms: seconds * 1000 + hundredths * 10,
        })
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        rand_core::OsRng.fill_bytes(bytes);
    }
}

/// A platform's randomness, for what takes a generator.
pub(crate) struct Randomness(pub Arc<dyn Platform>);

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

/// A random id.
pub(crate) fn random_id(platform: &dyn Platform) -> [u8; 16] {
    let mut id = [0; 16];
    platform.fill_random(&mut id);
    id
}
