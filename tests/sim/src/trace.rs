//! What happened: a hash of all of it, and the last of it in words.
use std::collections::VecDeque;

use sha2::{Digest, Sha256};

/// The trace of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Sha256,
    last: VecDeque<String>,
    started_ms: u64,
    kept: usize,
}

impl Trace {
    /// A trace whose words count time from `started_ms`, and of which so many last
    /// events are kept in words.
    #[must_use]
    pub fn new(started_ms: u64, kept: usize) -> Self {
        Self {
            started_ms,
            kept,
            ..Self::default()
        }
    }

    /// Something happened.
    pub fn note(&mut self, now_ms: u64, words: String) {
        self.hash.update(now_ms.to_be_bytes());
        self.hash.update(words.as_bytes());
        let since = now_ms.saturating_sub(self.started_ms);
        if self.last.len() >= self.kept.max(1) {
            self.last.pop_front();
        }
        self.last
            .push_back(format!("{:>12.3}s {words}", since as f64 / 1000.0));
    }

    /// Bytes crossed a link.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// The last events in words.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
