//! What a device that uploads is known to hold, and what the relay expands of what it
//! abbreviates.
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{
    AccountId, Body, DecodeError, DeviceId, DocId, Entry, EntryId, Hash, Kind, SchoolId, Signer,
    SpaceId,
    pack::{ChainEntry, ChainKey, IdRole, Item, PackContext, decode_pack},
};

use crate::{RelayStore, SyncError, certificates::certificates_in, relay_store::UploadContext};

/// The first bytes of an id or hash.
type Prefix = [u8; 4];

/// Names that one pack may abbreviate: as many as its entries have operations at most.
const MAX_NAMES: usize = 1024;

/// Chains that a session remembers at most, some 200 bytes each: more than a pupil's. Of
/// who writes to hundreds of pupils it remembers the last; any other is looked up when
/// it is named.
const MOST_CHAINS: usize = 64;

/// What a session remembers of its device from upload to upload.
#[derive(Debug)]
pub(crate) struct Known {
    /// The last entries of its chains; of some of them.
    chains: BTreeMap<ChainKey, (u64, ChainEntry)>,
    /// The spaces of all of them: an abbreviated one must not be taken for another.
    spaces: BTreeSet<SpaceId>,
    certificate: Option<Hash>,
}

impl From<UploadContext> for Known {
    fn from(context: UploadContext) -> Self {
        Self {
            spaces: context.chains.keys().map(|chain| chain.space).collect(),
            chains: context.chains,
            certificate: context.certificate,
        }
    }
}

impl Known {
    /// What the device holds when these entries were stored; none if that is to be
    /// looked up.
    pub(crate) fn after(mut self, entries: &[Entry]) -> Option<Self> {
        for entry in entries {
            let header = entry.header();
            self.spaces.insert(header.space);
            let head = ChainEntry {
                id: entry.id(),
                heads: header.heads.clone(),
            };
            let last = (self.chains.entry(ChainKey::of(entry)))
                .or_insert_with(|| (header.sequence, head.clone()));
            if last.0 < header.sequence {
                *last = (header.sequence, head);
            }
        }
        if self.chains.len() > MOST_CHAINS {
            let written: BTreeSet<ChainKey> = (entries.iter().rev())
                .map(ChainKey::of)
                .take(MOST_CHAINS)
                .collect();
            self.chains.retain(|chain, _| written.contains(chain));
        }
        (self.certificate.is_some() && self.spaces.len() <= MOST_CHAINS).then_some(self)
    }
}

/// What a device that uploads is known to hold.
struct Uploader {
    school: SchoolId,
    device: DeviceId,
    account: AccountId,
    known: Known,
    documents: BTreeMap<Prefix, Option<DocId>>,
    changes: BTreeMap<(DocId, Prefix), Option<Hash>>,
    /// What was asked for and is not looked up yet. Such a name is taken to end in
    /// zeros, so that one reading finds them all; its entries are thrown away.
    wanted: RefCell<Wanted>,
}

#[derive(Default)]
struct Wanted {
    documents: BTreeSet<Prefix>,
    changes: BTreeSet<(DocId, Prefix)>,
}

impl Wanted {
    fn len(&self) -> usize {
        self.documents.len() + self.changes.len()
    }
}

/// Restores the entries of an upload; none if they are to be sent again in explicit
/// form. The names of documents are looked up after a first reading, those of changes,
/// which stand by document, after a second.
///
/// `known` is what the device is known to hold, if it was looked up before.
pub(crate) async fn restore<S: RelayStore>(
    store: &S,
    from: (DeviceId, AccountId),
    bytes: &[u8],
    known: &mut Option<Known>,
) -> Result<Option<Vec<Item>>, SyncError> {
    // The device may have written by another way since.
    if let Some(before) = known.take()
        && let Some((items, before)) = restore_by(store, from, bytes, before).await?
    {
        *known = Some(before);
        return Ok(Some(items));
    }
    let now = store.upload_context(from.0).await?.into();
    let restored = restore_by(store, from, bytes, now).await?;
    Ok(restored.map(|(items, now)| {
        *known = Some(now);
        items
    }))
}

async fn restore_by<S: RelayStore>(
    store: &S,
    (device, account): (DeviceId, AccountId),
    bytes: &[u8],
    known: Known,
) -> Result<Option<(Vec<Item>, Known)>, SyncError> {
    let mut uploader = Uploader {
        school: store.school(),
        device,
        account,
        known,
        documents: BTreeMap::new(),
        changes: BTreeMap::new(),
        wanted: RefCell::default(),
    };
    for _ in 0..3 {
        let restored = decode_pack(bytes, &uploader);
        let wanted = uploader.wanted.take();
        match restored {
            Ok(items) if wanted.len() == 0 => return Ok(Some((items, uploader.known))),
            Ok(_) if wanted.len() <= MAX_NAMES => {}
            Ok(_) | Err(DecodeError::MissingContext(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let prefixes: Vec<Prefix> = wanted.documents.into_iter().collect();
        let documents = store.expand_documents(&prefixes).await?;
        let names: Vec<(DocId, Prefix)> = wanted.changes.into_iter().collect();
        let changes = store.expand_changes(&names).await?;
        uploader
            .documents
            .extend(prefixes.into_iter().zip(documents));
        uploader.changes.extend(names.into_iter().zip(changes));
    }
    Ok(None)
}

impl PackContext for Uploader {
    fn school(&self) -> SchoolId {
        self.school
    }
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        self.known
            .chains
            .get(chain)
            .filter(|(at, _)| *at == sequence)
            .map(|(_, entry)| entry.clone())
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        self.known
            .certificate
            .filter(|_| signer == Signer::Device(self.device))
    }
    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }
    fn sequence_of(&self, _: SpaceId, _: &EntryId) -> Option<u64> {
        None
    }
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
    fn expand_id(&self, role: IdRole, prefix: Prefix) -> Option<[u8; 16]> {
        match role {
            IdRole::Signer => Some(self.device.0),
            IdRole::Author => Some(self.account.0),
            IdRole::Space => {
                let begins = |space: &&SpaceId| space.0.starts_with(&prefix);
                let mut spaces = self.known.spaces.iter().filter(begins);
                let first = spaces.next();
                first.filter(|_| spaces.next().is_none()).map(|s| s.0)
            }
            IdRole::Document => match self.documents.get(&prefix) {
                Some(found) => found.map(|doc| doc.0),
                None => {
                    self.wanted.borrow_mut().documents.insert(prefix);
                    let mut id = [0; 16];
                    id[..4].copy_from_slice(&prefix);
                    Some(id)
                }
            },
            IdRole::Lane | IdRole::Key | IdRole::Actor => None,
        }
    }
    fn expand_change(&self, doc: DocId, prefix: Prefix) -> Option<[u8; 32]> {
        match self.changes.get(&(doc, prefix)) {
            Some(found) => found.map(|hash| hash.0),
            None => {
                self.wanted.borrow_mut().changes.insert((doc, prefix));
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&prefix);
                Some(hash)
            }
        }
    }
}
