//! What this device can say about time. The wall clock is whatever somebody set;
//! within one boot the time since a signed relay time is known.
use std::time::{SystemTime, UNIX_EPOCH};

use stunity_model::events::Evidence;
use stunity_store::ClockAnchor;

use crate::{Client, ClientError};

/// The wall clock, milliseconds since 1970. It decides nothing in sync; it is
/// shown, and stated as evidence. `STUNITY_CLOCK_OFFSET_S`, whole seconds, moves it:
/// for demonstrations of wrong clocks.
#[must_use]
pub(crate) fn wall_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64);
    let offset: i64 = std::env::var("STUNITY_CLOCK_OFFSET_S")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0);
    now.saturating_add_signed(offset.saturating_mul(1000))
}

/// This boot, and how long it lasts, sleep included, in milliseconds; none where the
/// system does not say.
fn boot() -> Option<(u32, u64)> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let boot = u32::from_str_radix(id.get(..8)?, 16).ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = uptime.split(' ').next()?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let hundredths: u64 = hundredths.parse().ok()?;
    Some((boot, seconds * 1000 + hundredths * 10))
}

impl Client {
    /// Notes when, by the clock of this boot, a relay time came that was not known.
    pub(crate) fn note_relay_time(&mut self) -> Result<(), ClientError> {
        let Some(relay_ms) = self.store.last_relay_ms()? else {
            return Ok(());
        };
        let known = self.store.clock_anchor()?;
        if known.is_some_and(|anchor| anchor.relay_ms == relay_ms) {
            return Ok(());
        }
        if let Some((boot, monotonic_ms)) = boot() {
            self.store.save_clock_anchor(ClockAnchor {
                relay_ms,
                boot,
                monotonic_ms,
            })?;
        }
        Ok(())
    }

    /// The evidence that this device can give for now.
    pub(crate) fn evidence(&self) -> Result<Evidence, ClientError> {
        let relay_ms = self.store.last_relay_ms()?;
        let anchor = self
            .store
            .clock_anchor()?
            .filter(|anchor| Some(anchor.relay_ms) == relay_ms);
        let now = boot();
        let since = now.zip(anchor).and_then(|((boot, now), anchor)| {
            (boot == anchor.boot).then(|| now.checked_sub(anchor.monotonic_ms))?
        });
        Ok(Evidence {
            wall_ms: wall_ms(),
            boot: now.map_or(0, |(boot, _)| boot),
            since_relay_ms: since,
            relay_ms,
        })
    }
}
