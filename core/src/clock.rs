//! What this device can say about time. The wall clock is whatever somebody set;
//! within one boot the time since a signed relay time is known.
use stunity_model::events::Evidence;
use stunity_store::ClockAnchor;

use crate::{Client, ClientError};

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
        if let Some(boot) = self.platform.boot() {
            self.store.save_clock_anchor(ClockAnchor {
                relay_ms,
                boot: boot.id,
                monotonic_ms: boot.monotonic_ms,
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
        let now = self.platform.boot();
        let since = now.zip(anchor).and_then(|(now, anchor)| {
            (now.id == anchor.boot).then(|| now.monotonic_ms.checked_sub(anchor.monotonic_ms))?
        });
        Ok(Evidence {
            wall_ms: self.wall_ms(),
            boot: now.map_or(0, |boot| boot.id),
            since_relay_ms: since,
            relay_ms,
        })
    }
}
