//! What this crate asks of single document changes; documents themselves are
//! `stunity-documents`'.
use std::collections::BTreeMap;

use automerge::legacy::{ElementId, Key, ObjectId, OpId};
use automerge::{ActorId as AutomergeActor, Change, ChangeHash, ExpandedChange};
use sha2::{Digest, Sha256};
use stunity_proto::{ActorId, DocId, Hash};

use crate::StoreError;

/// Who made a change; none if the bytes are not one uncompressed change.
pub(crate) fn actor(change: &[u8]) -> Option<ActorId> {
    stunity_documents::change_actor(change)
}

/// Where a chunk's type begins, after magic and checksum.
const TYPE: usize = 8;

/// The hash by which documents know a change: SHA-256 of the chunk without
/// magic and checksum.
pub(crate) fn hash(change: &[u8]) -> Option<Hash> {
    actor(change)?;
    Some(Hash(Sha256::digest(change.get(TYPE..)?).into()))
}

/// Gives changes that were not acknowledged to another actor: the same edits,
/// counters and order, so what they say stays the same; their hashes change, and
/// with them what depends on them.
///
/// Needed when another copy of this device has used the old actor's sequence
/// numbers for other changes: two changes of one actor and number destroy a
/// document.
#[derive(Default)]
pub(crate) struct Rewriting {
    docs: BTreeMap<DocId, Rewritten>,
}

#[derive(Default)]
struct Rewritten {
    /// Old actor → new actor, the first counter that moved, how many changes.
    actors: BTreeMap<Vec<u8>, (AutomergeActor, u64, u64)>,
    hashes: BTreeMap<ChangeHash, ChangeHash>,
}

impl Rewriting {
    /// One change, with `actor` in place of its own. Changes of a document must
    /// come in the order in which they were made.
    pub fn rewrite(
        &mut self,
        doc: DocId,
        change: &[u8],
        actor: ActorId,
    ) -> Result<Vec<u8>, StoreError> {
        let damaged = StoreError::Damaged("own document change");
        let Some(old) = self::actor(change) else {
            return Err(damaged);
        };
        // A genesis is the same for everybody.
        if old == ActorId::GENESIS {
            return Ok(change.to_vec());
        }
        let change = Change::from_bytes(change.to_vec()).map_err(|_| damaged)?;
        let state = self.docs.entry(doc).or_default();
        let mut expanded = change.decode();
        let slot = state
            .actors
            .entry(old.0.to_vec())
            .or_insert_with(|| (actor.0.to_vec().into(), expanded.start_op.get(), 0));
        slot.2 += 1;
        expanded.seq = slot.2;
        expanded.actor_id = slot.0.clone();
        for dep in &mut expanded.deps {
            if let Some(new) = state.hashes.get(dep) {
                *dep = *new;
            }
        }
        expanded.deps.sort_unstable();
        state.move_ids(&mut expanded);
        let mut rewritten = Change::from(expanded);
        state.hashes.insert(change.hash(), rewritten.hash());
        Ok(rewritten.bytes_uncompressed())
    }
}

impl Rewritten {
    fn moved(&self, id: &OpId) -> OpId {
        match self.actors.get(id.actor().to_bytes()) {
            Some((actor, first, _)) if id.counter() >= *first => OpId::new(id.counter(), actor),
            _ => id.clone(),
        }
    }

    fn move_ids(&self, change: &mut ExpandedChange) {
        for op in &mut change.operations {
            if let ObjectId::Id(id) = &op.obj {
                op.obj = ObjectId::Id(self.moved(id));
            }
            if let Key::Seq(ElementId::Id(id)) = &op.key {
                op.key = Key::Seq(ElementId::Id(self.moved(id)));
            }
            op.pred = op.pred.iter().map(|id| self.moved(id)).collect();
        }
    }
}

trait Uncompressed {
    fn bytes_uncompressed(&mut self) -> Vec<u8>;
}

impl Uncompressed for Change {
    /// The change chunk as entries carry it; `bytes` would compress long ones.
    fn bytes_uncompressed(&mut self) -> Vec<u8> {
        self.raw_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{AutoCommit, ObjType, ReadDoc};
    use stunity_proto::DeviceId;

    use super::*;

    #[test]
    fn the_hash_is_automerges() {
        let mut doc = AutoCommit::new();
        doc.put(automerge::ROOT, "a", 1).unwrap();
        let change = doc.get_last_local_change().unwrap();
        // Not one of this platform's actors: only the hash is of interest.
        let raw = change.raw_bytes();
        assert_eq!(Sha256::digest(&raw[TYPE..])[..], change.hash().0);
    }

    #[test]
    fn what_another_actor_says_again_is_the_same_text() {
        let device = DeviceId([5; 16]);
        let (old, new) = (ActorId::new(device, 0, 0), ActorId::new(device, 1, 0));
        let mut base =
            AutoCommit::new().with_actor(ActorId::new(DeviceId([9; 16]), 0, 0).0[..].into());
        let text = base
            .put_object(automerge::ROOT, "text", ObjType::Text)
            .unwrap();
        base.splice_text(&text, 0, 0, "hello").unwrap();
        let before = base.save();

        let mut edited = AutoCommit::load(&before)
            .unwrap()
            .with_actor(old.0[..].into());
        let heads = edited.get_heads();
        edited.splice_text(&text, 5, 0, " world").unwrap();
        edited.commit();
        let list = edited
            .put_object(automerge::ROOT, "list", ObjType::List)
            .unwrap();
        edited.insert(&list, 0, 7).unwrap();
        edited.delete(&text, 0).unwrap();
        edited.commit();
        let own: Vec<Vec<u8>> = edited
            .get_changes(&heads)
            .iter()
            .map(|change| change.raw_bytes().to_vec())
            .collect();
        assert_eq!(own.len(), 2);

        // The other copy of the device has used the same actor for something else.
        let mut relay = AutoCommit::load(&before)
            .unwrap()
            .with_actor(old.0[..].into());
        relay.splice_text(&text, 0, 0, ">").unwrap();
        relay.commit();

        let mut rewriting = Rewriting::default();
        for change in &own {
            let rewritten = rewriting.rewrite(DocId([1; 16]), change, new).unwrap();
            assert_eq!(actor(&rewritten), Some(new));
            relay
                .apply_changes([Change::from_bytes(rewritten).unwrap()])
                .unwrap();
        }
        assert_eq!(relay.text(&text).unwrap(), ">ello world");
        let (_, list) = relay.get(automerge::ROOT, "list").unwrap().unwrap();
        assert_eq!(relay.get(&list, 0).unwrap().unwrap().0.as_i64(), Some(7));
    }
}
