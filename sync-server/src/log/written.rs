//! What was numbered, told after each commit to other parts of this process: they look
//! up what it says, where it has effect.
use std::sync::Arc;

use stunity_proto::{AccountId, Kind, Lane, SpaceId};
use tokio::sync::broadcast;

use super::Log;
use super::write::Numbered;

/// Batches that a slow part may leave waiting before it loses the oldest.
const BACKLOG: usize = 256;

/// An entry that has its number and is durable.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its space.
    pub space: SpaceId,
    /// Its lane.
    pub lane: Lane,
    /// Its number in the space.
    pub sequence: u64,
    /// Who wrote it.
    pub author: AccountId,
    /// What it holds.
    pub kinds: Vec<Kind>,
}

/// Tells who listens.
#[derive(Debug)]
pub(super) struct Teller(broadcast::Sender<Arc<[Written]>>);

impl Default for Teller {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Teller {
    /// Tells of what a commit numbered, in its order; keys that stand beside what they
    /// sign are left out.
    pub(super) fn tell(&self, numbered: &[Numbered]) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let own = numbered.iter().filter(|(item, _)| {
            let header = item.entry.header();
            (header.space, header.lane) == (item.position.space, item.position.lane)
        });
        let written: Arc<[Written]> = own
            .map(|(item, _)| Written {
                space: item.position.space,
                lane: item.position.lane,
                sequence: item.position.sequence,
                author: item.entry.header().author,
                kinds: item.entry.header().kinds.clone(),
            })
            .collect();
        if !written.is_empty() {
            // Whoever listened may have gone since.
            let _ = self.0.send(written);
        }
    }
}

impl Log {
    /// What this process numbers from now on, a batch at a time. A receiver that is too
    /// slow is told that it missed something.
    #[must_use]
    pub fn written(&self) -> broadcast::Receiver<Arc<[Written]>> {
        self.inner.teller.0.subscribe()
    }
}
