//! Changes of others, read strictly.
use automerge::{Change, ChangeHash};
use stunity_proto::ActorId;

use crate::actor::{ACTOR_BYTES, DEVICE_PREFIX_BYTES, GENESIS_ACTOR};
use crate::genesis::genesis_hash;
use crate::scan::scan_change;
use crate::{DocType, Error};

/// Where a chunk's checksum stands, after the magic bytes: the first four of the
/// change's hash.
const CHECKSUM: std::ops::Range<usize> = 4..8;

/// The actor of one uncompressed change, or none if the bytes are anything else.
/// Bundles, compressed and document chunks are refused by their type, the ninth
/// byte; what remains is read within [`crate::limits`].
#[must_use]
pub fn change_actor(bytes: &[u8]) -> Option<ActorId> {
    let (_, actor) = read_change(bytes).ok()?;
    Some(ActorId(actor))
}

/// The hash of one uncompressed change and the hashes that it follows from; none if
/// the bytes are anything else.
#[must_use]
pub fn change_links(bytes: &[u8]) -> Option<(ChangeHash, Vec<ChangeHash>)> {
    let (change, _) = read_change(bytes).ok()?;
    Some((change.hash(), change.deps().to_vec()))
}

/// One change of anybody, and its actor.
pub(crate) fn read_change(bytes: &[u8]) -> Result<(Change, [u8; ACTOR_BYTES]), Error> {
    let actor = scan_change(bytes)?;
    let change = Change::from_bytes(bytes.to_vec()).map_err(|_| Error::Malformed("columns"))?;
    // Automerge does not look at the checksum of a single change; it would be a part
    // of the bytes that the hash does not cover.
    if bytes.get(CHECKSUM) != Some(&change.hash().0[..CHECKSUM.len()]) {
        return Err(Error::Malformed("checksum"));
    }
    // Nobody signs as the genesis but the bytes that everybody has.
    if actor == GENESIS_ACTOR
        && !DocType::ALL
            .into_iter()
            .any(|doc_type| genesis_hash(doc_type) == change.hash())
    {
        return Err(Error::ForeignActor);
    }
    Ok((change, actor))
}

/// Whether `actor` is one of the device whose id begins with `device`.
pub(crate) fn is_of_device(actor: &[u8; ACTOR_BYTES], device: &[u8; DEVICE_PREFIX_BYTES]) -> bool {
    actor.starts_with(device)
}

/// A change of this device, ready to be sealed into an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedChange {
    /// Its hash, by which others depend on it.
    pub hash: ChangeHash,
    /// The uncompressed chunk: entries and packs compress better.
    pub bytes: Vec<u8>,
    /// The heads that it follows from.
    pub deps: Vec<ChangeHash>,
}

impl CommittedChange {
    pub(crate) fn of(change: &Change) -> Self {
        Self {
            hash: change.hash(),
            bytes: change.raw_bytes().to_vec(),
            deps: change.deps().to_vec(),
        }
    }
}
