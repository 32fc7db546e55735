//! Who makes changes.
use automerge::ActorId;

/// Bytes of an actor.
pub const ACTOR_BYTES: usize = 16;
/// Bytes of an actor that name the device.
pub const DEVICE_PREFIX_BYTES: usize = 12;

/// The actor of all genesis changes. It belongs to no device.
pub const GENESIS_ACTOR: [u8; ACTOR_BYTES] = [0; ACTOR_BYTES];

/// An Automerge actor by its parts: 12 bytes of the device, then incarnation and
/// slot, so that ownership is a comparison of prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorParts {
    /// The first bytes of the device's id.
    pub device_prefix: [u8; DEVICE_PREFIX_BYTES],
    /// The incarnation in the upper 24 bits, the slot in the lower 8.
    pub incarnation_slot: u32,
}

impl ActorParts {
    /// The actor's bytes: the prefix, then incarnation and slot, big endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ACTOR_BYTES] {
        let mut out = [0; ACTOR_BYTES];
        out[..DEVICE_PREFIX_BYTES].copy_from_slice(&self.device_prefix);
        out[DEVICE_PREFIX_BYTES..].copy_from_slice(&self.incarnation_slot.to_be_bytes());
        out
    }

    /// The parts of an actor's bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ACTOR_BYTES]) -> Self {
        let [p @ .., a, b, c, d] = bytes;
        Self {
            device_prefix: p,
            incarnation_slot: u32::from_be_bytes([a, b, c, d]),
        }
    }

    pub(crate) fn to_automerge(self) -> ActorId {
        ActorId::from(self.to_bytes())
    }
}

/// An actor's bytes, if it has as many as all of this platform's actors.
pub(crate) fn actor_bytes(actor: &ActorId) -> Option<[u8; ACTOR_BYTES]> {
    actor.to_bytes().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_from_its_bytes() {
        let parts = ActorParts {
            device_prefix: *b"twelve bytes",
            incarnation_slot: 0x0102_0304,
        };
        assert_eq!(parts.to_bytes()[12..], [1, 2, 3, 4]);
        assert_eq!(ActorParts::from_bytes(parts.to_bytes()), parts);
    }
}
