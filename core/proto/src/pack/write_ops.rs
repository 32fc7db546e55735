//! Writing kinds and bodies.
use super::columns::{CONTROL, KINDS, NUMBERS, OPS, put_varint};
use super::write_names::{Found, IN_OPERATION};
use super::{IdRole, PackWriter, actor, change, reference};
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

/// Bytes of an operation that are not written.
pub(super) struct Hole {
    pub begin: usize,
    pub len: usize,
    pub what: What,
}

/// What stands there.
pub(super) enum What {
    /// The id of an entry.
    Entry(Found),
    /// By source and number.
    String(u64, u64),
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
                        _ => self.other(entry, bytes),
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
    /// look up are cut out, and with short names what such entries tell.
    fn other(&mut self, entry: &Entry, bytes: &[u8]) {
        let (beside, holes) = match self.short {
            true => self.short_holes(entry, bytes),
            false => (Vec::new(), self.holes(entry.header().space, bytes)),
        };
        let mut kept = Vec::with_capacity(bytes.len());
        let mut numbers = Vec::with_capacity(holes.len());
        let mut at = 0;
        for hole in &holes {
            let before = &bytes[at..hole.begin];
            kept.extend_from_slice(before);
            numbers.push(before.len() as u64);
            at = hole.begin + hole.len;
        }
        kept.extend_from_slice(&bytes[at..]);
        self.op(&kept, !holes.is_empty());
        if holes.is_empty() {
            return;
        }
        self.number(holes.len() as u64);
        if self.short {
            self.number(beside.len() as u64);
            beside
                .into_iter()
                .for_each(|found| self.found(IN_OPERATION, found));
        }
        for (since, hole) in numbers.into_iter().zip(holes) {
            self.number(since);
            match hole.what {
                What::Entry(found) => self.found(IN_OPERATION, found),
                What::String(source, number) => {
                    self.number(reference::STRING + source);
                    self.number(number);
                }
            }
        }
    }

    /// The ids of entries in an operation.
    fn holes(&self, space: SpaceId, bytes: &[u8]) -> Vec<Hole> {
        let (mut holes, mut at) = (Vec::new(), 0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let id = rest.strip_prefix(&HEAD_OF_32);
            let id = id.and_then(|rest| rest.first_chunk::<32>());
            let found = id.and_then(|id| self.find(space, &EntryId(*id)));
            let Some(found) = found else {
                at += 1;
                continue;
            };
            let begin = at + HEAD_OF_32.len();
            holes.push(Hole {
                begin,
                len: 32,
                what: What::Entry(found),
            });
            at = begin + 32;
        }
        holes
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
            self.id_from(actor::IDS, NUMBERS, IdRole::Actor, &actor.0, None);
        }
    }
}
