//! Writing kinds and bodies.
use super::columns::{CONTROL, KINDS, NUMBERS, OPS, put_varint};
use super::write_names::IN_OPERATION;
use super::{IdRole, PackWriter, actor, change};
use crate::{ActorId, DeviceId, DocId, Entry, EntryId, Kind, Op, Salts, SpaceId};

/// How an id of 32 bytes begins in an event: the head of a byte string of 32.
const HEAD_OF_32: [u8; 2] = [0x58, 32];

/// What an event may name as entries: every byte string of 32 in it, most of which
/// are entries.
pub fn entries_named(event: &[u8]) -> impl Iterator<Item = EntryId> {
    event.windows(34).filter_map(|window| {
        let id = window.strip_prefix(&HEAD_OF_32)?.try_into().ok()?;
        Some(EntryId(id))
    })
}

impl PackWriter<'_> {
    pub(super) fn kinds(&mut self, kinds: &[Kind]) {
        put_varint(&mut self.streams[KINDS], kinds.len() as u64);
        for kind in kinds {
            match kind {
                Kind::Change { doc_type, doc } => {
                    put_varint(&mut self.streams[KINDS], 0);
                    put_varint(&mut self.streams[KINDS], u64::from(*doc_type));
                    self.id(KINDS, IdRole::Document, &doc.0);
                }
                Kind::Manifest => put_varint(&mut self.streams[KINDS], 1),
                Kind::Handshake => put_varint(&mut self.streams[KINDS], 2),
                Kind::Event(event) => {
                    put_varint(&mut self.streams[KINDS], u64::from(*event) + 3);
                }
            }
        }
    }

    pub(super) fn body(&mut self, entry: &Entry) {
        let body = entry.body();
        if let Salts::Master(salt) = &body.salts {
            self.raw.extend_from_slice(salt);
        }
        for (index, op) in body.ops.iter().enumerate() {
            match op {
                Op::Present(bytes) => {
                    if let Salts::Each(salts) = &body.salts {
                        self.streams[CONTROL].push(1);
                        self.raw
                            .extend_from_slice(&salts[index].unwrap_or_default());
                    }
                    match entry.header().kinds[index] {
                        Kind::Change { doc, .. } => self.change(entry, doc, bytes),
                        _ => self.other(entry.header().space, bytes),
                    }
                }
                Op::Erased(hash) => {
                    self.streams[CONTROL].push(0);
                    self.raw.extend_from_slice(&hash.0);
                }
            }
        }
    }

    /// The bytes of an operation, with whether they are to be completed.
    fn op(&mut self, bytes: &[u8], folded: bool) {
        put_varint(
            &mut self.streams[OPS],
            (bytes.len() as u64) << 1 | u64::from(folded),
        );
        self.streams[OPS].extend_from_slice(bytes);
    }

    /// An operation other than a change: ids of entries that the receiver can
    /// look up are cut out.
    fn other(&mut self, space: SpaceId, bytes: &[u8]) {
        let (mut kept, mut holes) = (Vec::with_capacity(bytes.len()), Vec::new());
        let (mut rest, mut since) = (bytes, 0);
        while let Some((first, after)) = rest.split_first() {
            kept.push(*first);
            since += 1;
            rest = after;
            if !kept.ends_with(&HEAD_OF_32) {
                continue;
            }
            let Some((id, after)) = rest.split_first_chunk::<32>() else {
                continue;
            };
            let id = EntryId(*id);
            if let Some(found) = self.find(space, &id) {
                holes.push((since, found));
                since = 0;
                rest = after;
            }
        }
        self.op(&kept, !holes.is_empty());
        if holes.is_empty() {
            return;
        }
        self.number(holes.len() as u64);
        for (since, found) in holes {
            self.number(since);
            self.found(IN_OPERATION, found);
        }
    }

    fn change(&mut self, entry: &Entry, doc: DocId, bytes: &[u8]) {
        let Some((parts, hash)) = change::split(bytes) else {
            self.op(bytes, false);
            return;
        };
        if let Some(columns) = change::split_columns(&parts.rest) {
            self.op(&[], true);
            self.apart.push(&columns);
        } else {
            self.op(&parts.rest, true);
        }
        self.number(parts.deps.len() as u64);
        for dep in &parts.deps {
            self.hash(Some(doc), dep);
        }
        self.actor(entry, &parts.actor);
        self.number(parts.others.len() as u64);
        for other in &parts.others {
            self.actor(entry, other);
        }
        let next = self.hashes.len() as u64;
        self.hashes.entry(hash).or_insert(next);
    }

    fn actor(&mut self, entry: &Entry, actor: &ActorId) {
        let header = entry.header();
        let slot = actor.0[15];
        if *actor == ActorId::GENESIS {
            self.number(actor::GENESIS);
        } else if *actor == ActorId::new(DeviceId(header.signer.id()), header.incarnation, slot) {
            self.number(actor::SIGNER);
            self.number(u64::from(slot));
        } else {
            self.id_from(actor::IDS, NUMBERS, IdRole::Actor, &actor.0);
        }
    }
}
