//! Identifiers (docs/protocol/01-encoding.md).
use core::fmt;

use sha2::{Digest, Sha256};

use crate::DecodeError;

/// Lower-case hexadecimal of `bytes`.
fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

/// Decodes exactly `N` bytes of hexadecimal.
fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], DecodeError> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(DecodeError::Unexpected("length of a hexadecimal id"));
    }
    let mut out = [0u8; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| {
            (c as char)
                .to_digit(16)
                .ok_or(DecodeError::Unexpected("hexadecimal digit"))
        };
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(out)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;
            /// The all-zero value.
            pub const ZERO: Self = Self([0; $len]);

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = DecodeError;
            fn try_from(bytes: &[u8]) -> Result<Self, DecodeError> {
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| DecodeError::Unexpected("length of an id"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                hex(&self.0[..6], f)?;
                f.write_str("…)")
            }
        }

        impl core::str::FromStr for $name {
            type Err = DecodeError;
            fn from_str(text: &str) -> Result<Self, DecodeError> {
                from_hex(text).map(Self)
            }
        }
    };
}

id_type!(
    /// A school: commits to its first root key and to the next one.
    SchoolId, 16
);
id_type!(
    /// A person.
    AccountId, 16
);
id_type!(
    /// An installation; made from its Ed25519 public key.
    DeviceId, 16
);
id_type!(
    /// A relay node; made from its Ed25519 public key like a device's.
    NodeId, 16
);
id_type!(
    /// A space: a school, a course, a conversation or an account.
    SpaceId, 16
);
id_type!(
    /// A group inside a course.
    GroupId, 16
);
id_type!(
    /// An Automerge document.
    DocId, 16
);
id_type!(
    /// What an event is about: an assignment, attempt, grade, post, comment, quiz.
    ObjectId, 16
);
id_type!(
    /// A lane key.
    KeyId, 16
);
id_type!(
    /// An Automerge actor: 12 bytes of the device id, then incarnation and slot.
    ActorId, 16
);
id_type!(
    /// SHA-256.
    Hash, 32
);
id_type!(
    /// The id of an entry: the hash of its header.
    EntryId, 32
);
id_type!(
    /// The name of a pack: the hash of its bytes.
    PackId, 32
);
id_type!(
    /// The id of a blob: the hash of its list of chunk hashes.
    BlobId, 32
);
id_type!(
    /// An Ed25519 signature.
    Signature, 64
);

/// SHA-256 over a label and the parts after it.
#[must_use]
pub(crate) fn hash_labelled(label: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(label.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

fn first16(hash: Hash) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&hash.0[..16]);
    out
}

impl DeviceId {
    /// The id that belongs to an Ed25519 public key.
    #[must_use]
    pub fn of_key(public_key: &[u8; 32]) -> Self {
        Self(first16(hash_labelled(crate::labels::DEVICE, &[public_key])))
    }
}

impl NodeId {
    /// The id that belongs to an Ed25519 public key.
    #[must_use]
    pub fn of_key(public_key: &[u8; 32]) -> Self {
        Self(DeviceId::of_key(public_key).0)
    }
}

impl SchoolId {
    /// The id of the school that begins with this root key and commitment.
    #[must_use]
    pub fn of_root(root_key: &[u8; 32], next_commitment: &Hash) -> Self {
        Self(first16(hash_labelled(
            crate::labels::SCHOOL,
            &[root_key, &next_commitment.0],
        )))
    }

    /// The space of the school: the same bytes.
    #[must_use]
    pub fn space(self) -> SpaceId {
        SpaceId(self.0)
    }
}

impl AccountId {
    /// The account of a person imported from `source` under `foreign_id`:
    /// importing again names the same person.
    #[must_use]
    pub fn imported(school: SchoolId, source: &str, foreign_id: &str) -> Self {
        Self(first16(hash_labelled(
            crate::labels::IMPORT_ACCOUNT,
            &[&school.0, source.as_bytes(), &[0], foreign_id.as_bytes()],
        )))
    }

    /// The space of the account: the same bytes.
    #[must_use]
    pub fn space(self) -> SpaceId {
        SpaceId(self.0)
    }
}

impl SpaceId {
    /// The conversation of two accounts: the same for both, whoever begins it.
    #[must_use]
    pub fn of_direct(school: SchoolId, one: AccountId, other: AccountId) -> Self {
        let (first, second) = (one.min(other), one.max(other));
        Self(first16(hash_labelled(
            crate::labels::DIRECT,
            &[&school.0, &first.0, &second.0],
        )))
    }

    /// The conversation of a group that `starter` begins with a salt of its own:
    /// nobody else can begin it.
    #[must_use]
    pub fn of_group(school: SchoolId, starter: AccountId, salt: u64) -> Self {
        Self(first16(hash_labelled(
            crate::labels::GROUP,
            &[&school.0, &starter.0, &salt.to_be_bytes()],
        )))
    }
}

impl ActorId {
    /// The actor of every genesis change; exempt from ownership checks.
    pub const GENESIS: Self = Self([0; 16]);

    /// The actor of a device. `incarnation` has 24 bits, the rest is ignored.
    #[must_use]
    pub fn new(device: DeviceId, incarnation: u32, slot: u8) -> Self {
        let mut out = [0; 16];
        out[..12].copy_from_slice(&device.0[..12]);
        out[12..15].copy_from_slice(&incarnation.to_be_bytes()[1..]);
        out[15] = slot;
        Self(out)
    }

    /// Whether the actor belongs to `device`.
    #[must_use]
    pub fn belongs_to(&self, device: DeviceId) -> bool {
        self.0[..12] == device.0[..12]
    }
}

impl EntryId {
    /// The id of an entry with these header bytes.
    #[must_use]
    pub fn of_header(header: &[u8]) -> Self {
        Self(hash_labelled(crate::labels::ENTRY, &[header]).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_display() {
        let id = DeviceId::of_key(&[7; 32]);
        assert_eq!(id.to_string().parse::<DeviceId>(), Ok(id));
        assert!("zz".parse::<DeviceId>().is_err());
    }

    #[test]
    fn an_actor_belongs_to_its_device_only() {
        let (a, b) = (DeviceId::of_key(&[1; 32]), DeviceId::of_key(&[2; 32]));
        let actor = ActorId::new(a, 3, 1);
        assert!(actor.belongs_to(a) && !actor.belongs_to(b));
        assert_ne!(actor, ActorId::new(a, 4, 1));
    }
}
