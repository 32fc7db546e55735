//! Splitting entries into packs.
use std::collections::BTreeMap;

use super::{
    ChainEntry, ChainKey, ChainPosition, Effort, IdRole, Item, PackContext, PackWriter, Strings,
};
use crate::{Body, DocId, EntryId, Hash, Kind, SchoolId, Signer, SpaceId, limits};

/// What the packs before this one have brought.
#[derive(Default)]
struct Sent {
    chains: BTreeMap<ChainKey, ChainPosition>,
    certificates: BTreeMap<Signer, Hash>,
    /// What was numbered in its own space.
    numbers: BTreeMap<(SpaceId, EntryId), u64>,
    /// What those tell, for short names.
    strings: BTreeMap<EntryId, Strings>,
}

/// What the receiver holds once it has the packs before.
struct Context<'a> {
    held: &'a dyn PackContext,
    sent: &'a Sent,
}

impl PackContext for Context<'_> {
    fn school(&self) -> SchoolId {
        self.held.school()
    }
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        match self.sent.chains.get(chain) {
            Some(sent) if sent.sequence == sequence => Some(sent.entry.clone()),
            _ => self.held.chain_entry(chain, sequence),
        }
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        let sent = self.sent.certificates.get(&signer).copied();
        sent.or_else(|| self.held.certificate(signer))
    }
    fn sequence_of(&self, space: SpaceId, id: &EntryId) -> Option<u64> {
        let sent = self.sent.numbers.get(&(space, *id)).copied();
        sent.or_else(|| self.held.sequence_of(space, id))
    }
    fn continues_at(&self, space: SpaceId, previous: &EntryId) -> Option<u64> {
        let sent = self.sent.numbers.get(&(space, *previous)).copied();
        sent.or_else(|| self.held.continues_at(space, previous))
    }
    // Only a reader asks for these two.
    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }
    fn position_at(&self, _: SpaceId, _: u64) -> Option<ChainPosition> {
        None
    }
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        self.held.certificates_in(kinds, body)
    }
    fn reads_short_names(&self) -> bool {
        self.held.reads_short_names()
    }
    fn strings(&self, id: &EntryId) -> Option<Strings> {
        let sent = self.sent.strings.get(id).cloned();
        sent.or_else(|| self.held.strings(id))
    }
    fn expands_id(&self, role: IdRole, id: &[u8; 16]) -> bool {
        self.held.expands_id(role, id)
    }
    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        self.held.expands_change(doc, hash)
    }
}

impl Sent {
    fn note(&mut self, context: &dyn PackContext, item: &Item) {
        let header = item.entry.header();
        let brought = context.certificates_in(&header.kinds, item.entry.body());
        self.certificates.extend(brought);
        self.certificates.insert(header.signer, header.certificate);
        let position = ChainPosition::of(&item.entry);
        if let Some(place) = item.place.filter(|place| place.space == header.space) {
            self.numbers
                .insert((place.space, position.entry.id), place.sequence);
            if context.reads_short_names() {
                let strings = Strings::of(&item.entry);
                self.strings.insert(position.entry.id, strings);
            }
        }
        self.chains.insert(position.chain, position);
    }
}

/// How entries are written into packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackOptions {
    /// Nothing of the receiver's context is used: each pack stands for itself.
    /// Otherwise a pack may refer to those before it: the receiver stores them
    /// in order and answers [`PackContext::position_at`] from what it stored.
    pub explicit: bool,
    /// The items have places.
    pub places: bool,
    /// How much work to spend.
    pub effort: Effort,
    /// Aim for a pack's length, bytes, at most [`limits::PACK_TARGET`].
    pub target: usize,
}

/// Splits entries into packs of at most the target, or of one larger entry. The
/// same entries give the same packs.
#[must_use]
pub fn encode_packs(
    items: &[Item],
    context: &dyn PackContext,
    options: PackOptions,
) -> Vec<Vec<u8>> {
    let mut packs = Vec::new();
    let mut sent = Sent::default();
    // Compressed bytes for 1,024 bytes of columns, as the last pack had it.
    let mut ratio = 512;
    let mut rest = items;
    while !rest.is_empty() {
        let view = Context {
            held: context,
            sent: &sent,
        };
        let (pack, count) = first_pack(rest, &view, options, &mut ratio);
        packs.push(pack);
        let (taken, after) = rest.split_at(count);
        if !options.explicit {
            taken.iter().for_each(|item| sent.note(context, item));
        }
        rest = after;
    }
    packs
}

/// The pack that `items` begin with, and how many of them it holds: an estimate
/// by the ratio first, then exact lengths.
fn first_pack(
    items: &[Item],
    context: &dyn PackContext,
    options: PackOptions,
    ratio: &mut usize,
) -> (Vec<u8>, usize) {
    let target = options.target.min(limits::PACK_TARGET);
    let mut writer = new_writer(context, options);
    let mut best: Option<(Vec<u8>, usize)> = None;
    let mut count = 0;
    loop {
        while count < items.len()
            && (count == 0
                || writer.raw_len() + writer.columns_len() * *ratio / 1024 < target
                    && within_limits(&writer, &items[count]))
        {
            writer.push(&items[count]);
            count += 1;
        }
        let pack = writer.encode();
        let columns = pack.len().saturating_sub(writer.raw_len());
        *ratio = (columns * 1024 / writer.columns_len().max(1)).max(1);
        if pack.len() > target && count > 1 {
            return shorter_pack(&items[..count], context, options, pack.len(), best);
        }
        let full = pack.len() > target - target / 8;
        if full || count == items.len() || !within_limits(&writer, &items[count]) {
            return (pack, count);
        }
        best = Some((pack, count));
        // The estimate was too high: the new ratio lets more in; and if it does
        // not, one entry does.
        writer.push(&items[count]);
        count += 1;
    }
}

/// The longest pack found that `items`, which give `len` bytes, begin with.
fn shorter_pack(
    items: &[Item],
    context: &dyn PackContext,
    options: PackOptions,
    mut len: usize,
    best: Option<(Vec<u8>, usize)>,
) -> (Vec<u8>, usize) {
    let target = options.target.min(limits::PACK_TARGET);
    let mut count = items.len();
    loop {
        // By one at least, so that it ends.
        count = (count * target / len).clamp(1, count - 1);
        if let Some(best) = best.as_ref().filter(|(_, fits)| *fits >= count) {
            return best.clone();
        }
        let mut writer = new_writer(context, options);
        items[..count].iter().for_each(|item| writer.push(item));
        let pack = writer.encode();
        if pack.len() <= target || count == 1 {
            return (pack, count);
        }
        len = pack.len();
    }
}

fn new_writer(context: &dyn PackContext, options: PackOptions) -> PackWriter<'_> {
    PackWriter::new(context, options.explicit, options.places, options.effort)
}

/// Whether one more entry is within what a receiver takes.
fn within_limits(writer: &PackWriter<'_>, next: &Item) -> bool {
    writer.count() < limits::MAX_PACK_ENTRIES as u64
        && writer.ops() + next.entry.header().kinds.len() <= limits::MAX_PACK_OPS
        && writer.restored_len() + next.entry.len() <= limits::MAX_PACK_RESTORED
        && writer.columns_len() + next.entry.len() <= limits::MAX_PACK_COLUMNS / 2
}
