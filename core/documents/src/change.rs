//! Changes of others, read strictly.
use automerge::Change;
use stunity_proto::ActorId;

/// The actor of one uncompressed change, or none if the bytes are anything else.
/// `Change::from_bytes` reads one change and nothing more; bundles and document
/// chunks are refused by their type, the ninth byte.
#[must_use]
pub fn change_actor(bytes: &[u8]) -> Option<ActorId> {
    const CHANGE: u8 = 1;
    if bytes.get(8) != Some(&CHANGE) {
        return None;
    }
    let change = Change::from_bytes(bytes.to_vec()).ok()?;
    ActorId::try_from(change.actor_id().to_bytes()).ok()
}
