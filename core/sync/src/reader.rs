//! What a reader of the log holds, as far as the items to send ask for it.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{
    Body, DocId, EntryId, Hash, Heads, Kind, SchoolId, Signer, SpaceId,
    pack::{ChainEntry, ChainKey, IdRole, PackContext, Strings},
};

use crate::sabotage::goes_by_what_is_lacking;
use crate::{Cursor, certificates::certificates_in, relay_store::LogItem};

/// A reader takes a target in order, so that it holds what stands before: the entry
/// before in the chain, and the changes that a change follows, as documents do not
/// leave their lane. Where it does not (it could not apply an entry, or a change came
/// to the relay before one that it follows) it asks for the explicit form.
pub(crate) struct Reader {
    school: SchoolId,
    before: BTreeMap<(ChainKey, u64), ChainEntry>,
    certificates: BTreeMap<Signer, Hash>,
    /// Signers whose certificate comes in this very pack.
    brought: BTreeSet<Signer>,
    sequences: BTreeMap<(SpaceId, EntryId), u64>,
    /// Ids and changes that it has met before these items.
    met: BTreeSet<(IdRole, [u8; 16])>,
    changes: BTreeSet<(DocId, Hash)>,
    /// Entries, chains and changes of these items.
    entries: BTreeSet<EntryId>,
    chains: BTreeSet<ChainKey>,
    coming: BTreeSet<(DocId, Hash)>,
    /// How far it holds the school's own space.
    of_school: Vec<Cursor>,
    held: BTreeMap<EntryId, u64>,
    /// Whether it reads short names, and what entries tell that items name, or that
    /// stand beside them, by item and string.
    short_names: bool,
    strings: BTreeMap<EntryId, Strings>,
    tellers: BTreeMap<(EntryId, [u8; 16]), EntryId>,
}

impl Reader {
    /// A reader that has read something of these spaces.
    pub(crate) fn new(school: SchoolId, spaces: impl IntoIterator<Item = SpaceId>) -> Self {
        Self {
            school,
            before: BTreeMap::new(),
            certificates: BTreeMap::new(),
            brought: BTreeSet::new(),
            sequences: BTreeMap::new(),
            met: spaces
                .into_iter()
                .map(|space| (IdRole::Space, space.0))
                .collect(),
            changes: BTreeSet::new(),
            entries: BTreeSet::new(),
            chains: BTreeSet::new(),
            coming: BTreeSet::new(),
            of_school: Vec::new(),
            held: BTreeMap::new(),
            short_names: false,
            strings: BTreeMap::new(),
            tellers: BTreeMap::new(),
        }
    }

    /// It holds the school's own space so far.
    pub(crate) fn with_school(mut self, cursors: Vec<Cursor>) -> Self {
        self.of_school = cursors;
        self
    }

    /// It reads short names.
    pub(crate) fn with_short_names(mut self, short_names: bool) -> Self {
        self.short_names = short_names;
        self
    }

    pub(crate) fn note(&mut self, item: &LogItem) {
        let header = item.entry.header();
        self.entries.insert(item.entry.id());
        let brought = certificates_in(&header.kinds, item.entry.body());
        self.brought
            .extend(brought.iter().map(|(signer, _)| *signer));
        // An entry numbered elsewhere comes without its chain.
        let at_home = item.position.space == header.space && item.position.lane == header.lane;
        for named in item.named.iter().filter(|_| at_home) {
            (self.sequences).insert((header.space, named.id), named.sequence);
            if self.short_names {
                self.strings.insert(named.id, named.strings.clone());
            }
        }
        for (string, teller) in item.beside.iter().filter(|_| at_home && self.short_names) {
            (self.tellers).insert((item.entry.id(), *string), *teller);
        }
        if !at_home {
            let holds = |sequence: &u64| {
                self.of_school.iter().any(|cursor| {
                    cursor.target.lane.is_none_or(|lane| lane == header.lane)
                        && cursor.at.sequence >= *sequence
                })
            };
            if let Some(sequence) = item.in_school.filter(holds) {
                self.held.insert(item.entry.id(), sequence);
            }
            return;
        }
        // Their numbers are those at home.
        for (id, sequence) in &item.head_sequences {
            self.sequences.insert((item.position.space, *id), *sequence);
        }
        // A reader may hold another certificate chain of a node.
        if !header.signer.is_vouched() {
            self.certificates.insert(header.signer, header.certificate);
        }
        for change in &item.changes {
            for hash in &change.follows {
                if !self.coming.contains(&(change.doc, *hash)) {
                    self.met.insert((IdRole::Document, change.doc.0));
                    self.changes.insert((change.doc, *hash));
                }
            }
            self.coming.insert((change.doc, change.hash));
        }
        let is_first = self.chains.insert(ChainKey::of(&item.entry));
        let Some(previous) =
            (header.previous).filter(|_| item.follows || goes_by_what_is_lacking())
        else {
            return;
        };
        // A node signs for many authors: of who comes now nothing is known.
        if is_first && !header.signer.is_vouched() {
            self.met.insert((IdRole::Author, header.author.0));
            self.met.insert((IdRole::Signer, header.signer.id()));
        }
        let heads = if item.same_heads {
            header.heads.clone()
        } else {
            // Other heads, whichever: only that they differ is used. No entry cites
            // itself; in an account's log each cites the one before.
            Heads {
                account: Some(item.entry.id()),
                membership: Vec::new(),
            }
        };
        self.before.insert(
            (ChainKey::of(&item.entry), header.sequence - 1),
            ChainEntry {
                id: previous,
                heads,
            },
        );
    }
}

impl PackContext for Reader {
    fn school(&self) -> SchoolId {
        self.school
    }
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        self.before.get(&(*chain, sequence)).cloned()
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        self.certificates
            .get(&signer)
            .filter(|_| !self.brought.contains(&signer))
            .copied()
    }
    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }
    fn sequence_of(&self, space: SpaceId, id: &EntryId) -> Option<u64> {
        // What comes with this pack has no number yet for those who read it: a pupil's
        // work may stand behind its grade, where a relay was restored.
        if self.entries.contains(id) {
            return None;
        }
        self.sequences.get(&(space, *id)).copied()
    }
    fn holds(&self, id: &EntryId) -> Option<(SpaceId, u64)> {
        let sequence = self.held.get(id)?;
        Some((self.school.space(), *sequence))
    }
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
    fn reads_short_names(&self) -> bool {
        self.short_names
    }
    fn strings(&self, id: &EntryId) -> Option<Strings> {
        self.strings.get(id).cloned()
    }
    fn teller(&self, entry: &EntryId, string: &[u8; 16]) -> Option<EntryId> {
        self.tellers.get(&(*entry, *string)).copied()
    }
    fn expands_id(&self, role: IdRole, id: &[u8; 16]) -> bool {
        self.met.contains(&(role, *id))
    }
    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        self.changes.contains(&(doc, Hash(*hash)))
    }
}

#[cfg(test)]
mod tests {
    use stunity_proto::{
        AccountId, DeviceId, Entry, Header, Lane, NodeId, Op, Salts, Signature, Signer,
    };

    use super::*;
    use crate::{Position, relay_store::Named};

    const AUTHOR: AccountId = AccountId([3; 16]);

    /// The second entry of a chain, whose reader has the first.
    fn item(signer: Signer) -> LogItem {
        let body = Body {
            salts: Salts::Master([0; 16]),
            ops: vec![Op::Present(vec![0])],
        };
        let header = Header {
            school: SchoolId([1; 16]),
            space: SpaceId([2; 16]),
            lane: Lane::Staff,
            author: AUTHOR,
            signer,
            certificate: Hash([4; 32]),
            incarnation: 0,
            sequence: 2,
            previous: Some(EntryId([5; 32])),
            heads: Heads::default(),
            kinds: vec![Kind::Event(22)],
            seal: None,
            body_root: body.root().unwrap(),
        };
        let entry = Entry::from_parts(header.encode(), Signature::ZERO, body).unwrap();
        let position = Position {
            space: SpaceId([2; 16]),
            lane: Lane::Staff,
            epoch: 1,
            sequence: 9,
            received_ms: 0,
        };
        LogItem {
            entry,
            position,
            lane_hash: Hash::ZERO,
            space_hash: Hash::ZERO,
            follows: true,
            same_heads: true,
            head_sequences: Vec::new(),
            changes: Vec::new(),
            named: Vec::new(),
            beside: Vec::new(),
            in_school: Some(7),
        }
    }

    fn knows_author(signer: Signer) -> bool {
        let mut reader = Reader::new(SchoolId([1; 16]), []);
        reader.note(&item(signer));
        reader.expands_id(IdRole::Author, &AUTHOR.0)
    }

    #[test]
    fn what_comes_later_in_a_pack_is_not_named_by_its_number() {
        let named = item(Signer::Device(DeviceId([6; 16])));
        let (space, id) = (named.position.space, named.entry.id());
        let mut names = item(Signer::Device(DeviceId([7; 16])));
        names.named = vec![Named {
            id,
            sequence: named.position.sequence,
            strings: Strings::default(),
        }];
        let mut reader = Reader::new(SchoolId([1; 16]), []);
        reader.note(&names);
        assert_eq!(reader.sequence_of(space, &id), Some(9));
        reader.note(&named);
        assert_eq!(reader.sequence_of(space, &id), None);
    }

    #[test]
    fn heads_that_changed_are_never_taken_for_those_of_the_entry_before() {
        let mut item = item(Signer::Device(DeviceId([6; 16])));
        let mut header = item.entry.header().clone();
        header.lane = Lane::Keys;
        header.heads.account = header.previous;
        let (bytes, body) = (header.encode(), item.entry.body().clone());
        item.entry = Entry::from_parts(bytes, Signature::ZERO, body).unwrap();
        item.position.lane = Lane::Keys;
        item.same_heads = false;
        let mut reader = Reader::new(SchoolId([1; 16]), []);
        reader.note(&item);
        let before = reader.chain_entry(&ChainKey::of(&item.entry), 1).unwrap();
        assert_eq!(Some(before.id), header.previous);
        assert_ne!(before.heads, header.heads);
    }

    #[test]
    fn what_was_refused_is_not_taken_to_be_held() {
        for follows in [true, false] {
            let mut item = item(Signer::Device(DeviceId([6; 16])));
            item.follows = follows;
            let mut reader = Reader::new(SchoolId([1; 16]), []);
            reader.note(&item);
            let before = reader.chain_entry(&ChainKey::of(&item.entry), 1);
            assert_eq!(before.is_some(), follows);
        }
    }

    #[test]
    fn who_wrote_what_stands_before_is_known_unless_a_node_signs_for_many() {
        assert!(knows_author(Signer::Device(DeviceId([6; 16]))));
        assert!(!knows_author(Signer::Node(NodeId([6; 16]))));
    }
}
