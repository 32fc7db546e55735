//! What this crate asks of document changes: all else is `stunity-documents`'.
use stunity_proto::{ActorId, Hash};

use crate::StoreError;

/// Who made a change; none if the bytes are not one change.
pub(crate) fn actor(_change: &[u8]) -> Option<ActorId> {
    None
}

/// The hash by which documents know a change.
pub(crate) fn hash(_change: &[u8]) -> Option<Hash> {
    None
}

/// The same edit by another actor, on top of a document's other changes.
pub(crate) fn write_again(
    _base: &[Vec<u8>],
    change: &[u8],
    _actor: ActorId,
) -> Result<Vec<u8>, StoreError> {
    Ok(change.to_vec())
}
