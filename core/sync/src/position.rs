//! Where entries stand in the relay's order (docs/protocol/05-receipts.md).
use stunity_proto::{Hash, Lane, SpaceId};

/// What a cursor counts: a whole space, or one lane of it. Sorts by space,
/// the whole space before its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The space.
    pub space: SpaceId,
    /// The lane; none for the whole space.
    pub lane: Option<Lane>,
}

/// A position with its running hash. At the start, sequence 0 and zero bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The relay's epoch.
    pub epoch: u64,
    /// The last sequence covered.
    pub sequence: u64,
    /// The running hash after it.
    pub hash: Hash,
}

impl Running {
    /// Before the first entry.
    pub const START: Self = Self {
        epoch: 1,
        sequence: 0,
        hash: Hash::ZERO,
    };

    /// The first 8 bytes of the hash, as a cursor carries it.
    #[must_use]
    pub fn hash8(&self) -> [u8; 8] {
        let mut out = [0; 8];
        out.copy_from_slice(&self.hash.0[..8]);
        out
    }
}

/// How far a reader is in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What it counts.
    pub target: Target,
    /// How far.
    pub at: Running,
}

/// Where the relay numbered one entry. A roster or account-log entry is
/// numbered in other spaces than its header's too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The space of the numbering.
    pub space: SpaceId,
    /// The lane of the numbering.
    pub lane: Lane,
    /// The relay's epoch.
    pub epoch: u64,
    /// The sequence in the space, from 1.
    pub sequence: u64,
    /// When the relay received it, milliseconds since 1970 by its clock.
    pub received_ms: u64,
}
