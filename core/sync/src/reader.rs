//! What a reader of the log holds, as far as the items to send ask for it.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{
    Body, DocId, EntryId, Hash, Heads, Kind, SchoolId, Signer, SpaceId,
    pack::{ChainEntry, ChainKey, IdRole, PackContext},
};

use crate::{certificates::certificates_in, relay_store::LogItem};

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
    /// Chains and changes of these items.
    chains: BTreeSet<ChainKey>,
    coming: BTreeSet<(DocId, Hash)>,
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
            chains: BTreeSet::new(),
            coming: BTreeSet::new(),
        }
    }

    pub(crate) fn note(&mut self, item: &LogItem) {
        let header = item.entry.header();
        for (id, sequence) in &item.head_sequences {
            self.sequences.insert((item.position.space, *id), *sequence);
        }
        let brought = certificates_in(&header.kinds, item.entry.body());
        self.brought
            .extend(brought.iter().map(|(signer, _)| *signer));
        // An entry numbered elsewhere comes without its chain.
        let at_home = item.position.space == header.space && item.position.lane == header.lane;
        if !at_home {
            return;
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
        let Some(previous) = header.previous else {
            return;
        };
        if is_first {
            self.met.insert((IdRole::Author, header.author.0));
            self.met.insert((IdRole::Signer, header.signer.id()));
        }
        let heads = if item.same_heads {
            header.heads.clone()
        } else {
            // Other heads, whichever: only that they differ is used.
            Heads {
                account: Some(previous),
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
        self.sequences.get(&(space, *id)).copied()
    }
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
    fn expands_id(&self, role: IdRole, id: &[u8; 16]) -> bool {
        self.met.contains(&(role, *id))
    }
    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        self.changes.contains(&(doc, Hash(*hash)))
    }
}
