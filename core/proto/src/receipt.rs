//! The relay's order and its receipts: running hashes, leaves, the Merkle tree
//! and tombstones (docs/protocol/05-receipts.md). Signing is the identity
//! crate's.
use crate::cbor::{Reader, Writer};
use crate::ids::hash_labelled;
use crate::{DecodeError, EntryId, Hash, Lane, NodeId, SchoolId, Signer, SpaceId, labels};

/// The running hash of a lane after one more entry.
#[must_use]
pub fn next_lane_hash(previous: &Hash, sequence: u64, id: &EntryId, received_ms: u64) -> Hash {
    next_hash(labels::LANE, previous, sequence, id, received_ms)
}

/// The running hash of a whole space after one more entry.
#[must_use]
pub fn next_space_hash(previous: &Hash, sequence: u64, id: &EntryId, received_ms: u64) -> Hash {
    next_hash(labels::SPACE, previous, sequence, id, received_ms)
}

fn next_hash(label: &str, previous: &Hash, sequence: u64, id: &EntryId, received: u64) -> Hash {
    hash_labelled(
        label,
        &[
            &previous.0,
            &sequence.to_be_bytes(),
            &id.0,
            &received.to_be_bytes(),
        ],
    )
}

/// The first 8 bytes of the hash of an encoded cursor list.
#[must_use]
pub fn cursor_list_hash(encoded: &[u8]) -> [u8; 8] {
    let hash = hash_labelled(labels::CURSORS, &[encoded]);
    let mut out = [0; 8];
    out.copy_from_slice(&hash.0[..8]);
    out
}

/// One statement under a receipt's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// An entry stands at a place in the relay's order.
    Entry {
        /// The space of the numbering.
        space: SpaceId,
        /// The lane of the numbering.
        lane: Lane,
        /// The relay's epoch.
        epoch: u64,
        /// The sequence in the space.
        sequence: u64,
        /// The entry.
        id: EntryId,
        /// When it was received, milliseconds since 1970.
        received_ms: u64,
    },
    /// The running hash of a lane, or of a whole space, at a sequence.
    Cursor {
        /// The space.
        space: SpaceId,
        /// The lane; none for the whole space.
        lane: Option<Lane>,
        /// The relay's epoch.
        epoch: u64,
        /// The last sequence covered.
        sequence: u64,
        /// The running hash.
        hash: Hash,
    },
    /// The relay's time.
    Time {
        /// The nonce of the session, or zero bytes in a live batch.
        nonce: [u8; 32],
        /// Milliseconds since 1970.
        relay_ms: u64,
    },
    /// A tombstone was issued: the hash of its bytes.
    Tombstone(Hash),
}

impl Leaf {
    /// The bytes that are hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Entry {
                space,
                lane,
                epoch,
                sequence,
                id,
                received_ms,
            } => {
                w.array(7).uint(0).bytes(&space.0);
                lane.encode(&mut w);
                w.uint(*epoch)
                    .uint(*sequence)
                    .bytes(&id.0)
                    .uint(*received_ms);
            }
            Self::Cursor {
                space,
                lane,
                epoch,
                sequence,
                hash,
            } => {
                w.array(6).uint(1).bytes(&space.0);
                w.option(lane.as_ref(), |w, lane| lane.encode(w));
                w.uint(*epoch).uint(*sequence).bytes(&hash.0);
            }
            Self::Time { nonce, relay_ms } => {
                w.array(3).uint(2).bytes(nonce).uint(*relay_ms);
            }
            Self::Tombstone(hash) => {
                w.array(2).uint(3).bytes(&hash.0);
            }
        }
        w.into_bytes()
    }

    /// Reads [`Leaf::encode`].
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let len = r.array()?;
        let leaf = match (r.uint()?, len) {
            (0, 7) => Self::Entry {
                space: SpaceId(r.fixed()?),
                lane: Lane::decode(&mut r)?,
                epoch: r.uint()?,
                sequence: r.uint()?,
                id: EntryId(r.fixed()?),
                received_ms: r.uint()?,
            },
            (1, 6) => Self::Cursor {
                space: SpaceId(r.fixed()?),
                lane: r.option(Lane::decode)?,
                epoch: r.uint()?,
                sequence: r.uint()?,
                hash: Hash(r.fixed()?),
            },
            (2, 3) => Self::Time {
                nonce: r.fixed()?,
                relay_ms: r.uint()?,
            },
            (3, 2) => Self::Tombstone(Hash(r.fixed()?)),
            _ => return Err(DecodeError::Unknown("leaf")),
        };
        r.finish()?;
        Ok(leaf)
    }

    /// The leaf's hash in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash_labelled(labels::RECEIPT_LEAF, &[&self.encode()])
    }

    /// Whether two signed leaves prove that the relay told two stories.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let place = |leaf: &Self| match leaf {
            Self::Entry {
                space,
                epoch,
                sequence,
                ..
            } => Some((*space, None, *epoch, *sequence)),
            Self::Cursor {
                space,
                lane,
                epoch,
                sequence,
                ..
            } => Some((*space, Some(*lane), *epoch, *sequence)),
            Self::Time { .. } | Self::Tombstone(_) => None,
        };
        place(self).is_some() && place(self) == place(other) && self != other
    }
}

fn hash_node(left: &Hash, right: &Hash) -> Hash {
    hash_labelled(labels::RECEIPT_NODE, &[&left.0, &right.0])
}

/// Where RFC 6962 §2.1 splits `len` leaves: the largest power of two below it.
fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}

/// The root over leaf hashes, in the shape of RFC 6962 §2.1. Zero bytes for no
/// leaf at all.
#[must_use]
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            hash_node(&merkle_root(left), &merkle_root(right))
        }
    }
}

/// The audit path of leaf `index`, from the leaf upwards; none out of range.
#[must_use]
pub fn merkle_path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut rest, mut index) = (leaves, index);
    let mut path = Vec::new();
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if index < left.len() {
            path.push(merkle_root(right));
            rest = left;
        } else {
            path.push(merkle_root(left));
            index -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(path)
}

/// The root that a leaf hash at `index` of `len` and its path lead to; none if
/// the path has not the length that the place asks for.
#[must_use]
pub fn root_of_path(leaf: &Hash, index: u64, len: u64, path: &[Hash]) -> Option<Hash> {
    // Walk down first: at each split note on which side the leaf lies.
    let mut sides = Vec::new();
    let (mut index, mut len) = (index, len);
    if index >= len {
        return None;
    }
    while len > 1 {
        let left = len.checked_next_power_of_two()? / 2;
        let on_the_right = index >= left;
        sides.push(on_the_right);
        (index, len) = if on_the_right {
            (index - left, len - left)
        } else {
            (index, left)
        };
    }
    if sides.len() != path.len() {
        return None;
    }
    Some(
        sides
            .iter()
            .rev()
            .zip(path)
            .fold(*leaf, |hash, (on_the_right, other)| {
                if *on_the_right {
                    hash_node(other, &hash)
                } else {
                    hash_node(&hash, other)
                }
            }),
    )
}

/// What a refused entry leaves in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The school.
    pub school: SchoolId,
    /// The refused entry.
    pub entry: EntryId,
    /// Its signer.
    pub signer: Signer,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its space.
    pub space: SpaceId,
    /// Its lane.
    pub lane: Lane,
    /// Its sequence in the chain.
    pub sequence: u64,
    /// Why it was refused, a stable code of at most 64 bytes.
    pub code: String,
    /// When it was received, milliseconds since 1970.
    pub received_ms: u64,
    /// The node that refused it.
    pub node: NodeId,
}

impl Tombstone {
    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(12)
            .uint(1)
            .bytes(&self.school.0)
            .bytes(&self.entry.0)
            .uint(u64::from(self.signer.kind()))
            .bytes(&self.signer.id())
            .uint(u64::from(self.incarnation))
            .bytes(&self.space.0);
        self.lane.encode(&mut w);
        w.uint(self.sequence)
            .text(&self.code)
            .uint(self.received_ms)
            .bytes(&self.node.0);
        w.into_bytes()
    }

    /// Reads [`Tombstone::encode`].
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        r.array_of(12)?;
        if r.uint()? != 1 {
            return Err(DecodeError::Unknown("tombstone format"));
        }
        let tombstone = Self {
            school: SchoolId(r.fixed()?),
            entry: EntryId(r.fixed()?),
            signer: Signer::from_parts(r.u8()?, r.fixed()?)?,
            incarnation: r.u32()?,
            space: SpaceId(r.fixed()?),
            lane: Lane::decode(&mut r)?,
            sequence: r.uint()?,
            code: r.text()?.to_owned(),
            received_ms: r.uint()?,
            node: NodeId(r.fixed()?),
        };
        r.finish()?;
        if tombstone.code.len() > 64 {
            return Err(DecodeError::TooLarge("code of a tombstone"));
        }
        Ok(tombstone)
    }
}

/// SHA-256 of encoded bytes, as tombstone leaves and certificates use it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    hash_labelled("", &[bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_the_root_and_to_no_other_place() {
        for len in 1..40u64 {
            let leaves: Vec<Hash> = (0..len).map(|i| Hash([i as u8; 32])).collect();
            let root = merkle_root(&leaves);
            for index in 0..len {
                let path = merkle_path(&leaves, index as usize).unwrap();
                let leaf = &leaves[index as usize];
                assert_eq!(root_of_path(leaf, index, len, &path), Some(root));
                for other in (0..len).filter(|other| *other != index) {
                    assert_ne!(root_of_path(leaf, other, len, &path), Some(root));
                }
                assert_eq!(
                    root_of_path(leaf, index, len, &path[..0]).is_some(),
                    len == 1
                );
            }
        }
    }

    #[test]
    fn seven_leaves_have_the_tree_of_the_rfc() {
        // RFC 6962 §2.1.3: leaves a to g under leaf hashes d0 to d6 there.
        let d: Vec<Hash> = (0..7).map(|i| Hash([i; 32])).collect();
        let node = hash_node;
        let (g, h, i, j) = (
            node(&d[0], &d[1]),
            node(&d[2], &d[3]),
            node(&d[4], &d[5]),
            d[6],
        );
        let (k, l) = (node(&g, &h), node(&i, &j));
        assert_eq!(merkle_root(&d), node(&k, &l));
        assert_eq!(merkle_root(&d[..3]), node(&g, &d[2]));
        assert_eq!(merkle_root(&d[..4]), k);
        assert_eq!(merkle_root(&d[..6]), node(&k, &i));
        assert_eq!(merkle_path(&d, 0), Some(vec![d[1], h, l]));
        assert_eq!(merkle_path(&d, 3), Some(vec![d[2], g, l]));
        assert_eq!(merkle_path(&d, 4), Some(vec![d[5], j, k]));
        assert_eq!(merkle_path(&d, 6), Some(vec![i, k]));
    }

    #[test]
    fn two_stories_about_one_place_contradict_each_other() {
        let leaf = |id: u8| Leaf::Entry {
            space: SpaceId([1; 16]),
            lane: Lane::All,
            epoch: 1,
            sequence: 9,
            id: EntryId([id; 32]),
            received_ms: 5,
        };
        assert!(leaf(1).contradicts(&leaf(2)));
        assert!(!leaf(1).contradicts(&leaf(1)));
        assert_eq!(Leaf::decode(&leaf(1).encode()), Ok(leaf(1)));
    }
}
