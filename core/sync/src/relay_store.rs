//! What a relay session needs of the relay's log. The methods are
//! asynchronous because the log is a database; the session itself does no IO.
use std::{collections::BTreeMap, future::Future, sync::Arc};

use stunity_identity::VerifyingKey;
use stunity_proto::{
    AccountId, BlobId, DeviceId, DocId, Entry, EntryId, Hash, NodeId, PackId, SchoolId, Signature,
    pack::{ChainEntry, ChainKey, Strings},
};

use crate::{Cursor, Position, Running, SyncError, Target, replica::Outcome};

/// A device that may open sessions.
#[derive(Clone, Debug)]
pub struct DeviceRecord {
    /// Its account.
    pub account: AccountId,
    /// Its key.
    pub key: VerifyingKey,
    /// Whether it was revoked: its sessions are refused.
    pub revoked: bool,
}

/// An entry in the order of one target.
#[derive(Clone, Debug)]
pub struct LogItem {
    /// The entry.
    pub entry: Entry,
    /// Where it stands.
    pub position: Position,
    /// The running hash of its lane after it.
    pub lane_hash: Hash,
    /// The running hash of its space after it.
    pub space_hash: Hash,
    /// Whether the entry before it in its chain is known to stand before it in the log:
    /// a chain goes on over an entry that was refused.
    pub follows: bool,
    /// Whether it cites the same heads as its predecessor in the chain.
    pub same_heads: bool,
    /// For each cited head, the account's first: its sequence in the space of
    /// `position`, where it is numbered there.
    pub head_sequences: Vec<(EntryId, u64)>,
    /// Its changes of documents.
    pub changes: Vec<ChangeNames>,
    /// Entries that its operations name, and those that tell strings of them.
    pub named: Vec<Named>,
    /// Which of these tells a string of its operations without being named by them.
    pub beside: Vec<([u8; 16], EntryId)>,
    /// Its number in the school's own space, where it belongs there and stands here
    /// once more.
    pub in_school: Option<u64>,
}

impl LogItem {
    /// Where a reader of a target stands after it.
    pub(crate) fn running(&self, target: Target) -> Running {
        Running {
            epoch: self.position.epoch,
            sequence: self.position.sequence,
            hash: match target.lane {
                Some(_) => self.lane_hash,
                None => self.space_hash,
            },
        }
    }
}

/// An entry that others name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The entry.
    pub id: EntryId,
    /// Its number in the space of who names it: lower than theirs, and who reads the
    /// target has read it.
    pub sequence: u64,
    /// What it tells.
    pub strings: Strings,
}

/// A change by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeNames {
    /// The document.
    pub doc: DocId,
    /// The change.
    pub hash: Hash,
    /// The changes that it follows, save the genesis.
    pub follows: Vec<Hash>,
}

/// A run of entries past a position.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The entries, in order.
    pub items: Vec<LogItem>,
    /// Whether more follow.
    pub more: bool,
}

/// What the relay knows of a device's cursor list (docs/protocol/06-session.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CursorLog {
    /// The last list whose hash the relay has seen from the device.
    pub acknowledged: Vec<Cursor>,
    /// What was sent since: one element a flush, each the cursors it changed
    /// and the targets it removed.
    pub sent: Vec<(Vec<Cursor>, Vec<Target>)>,
}

/// States of a device's cursors that are kept at most without an acknowledgement.
const MOST_SENT: usize = 64;

impl CursorLog {
    /// Notes what a flush or a live batch changes. Unacknowledged, the earlier states are
    /// worth less than their memory: a device that was cut so long ago is asked for its
    /// list.
    pub(crate) fn note(&mut self, changed: Vec<Cursor>, removed: Vec<Target>) {
        if self.sent.len() >= MOST_SENT {
            self.sent.remove(0);
        }
        self.sent.push((changed, removed));
    }
}

/// What a device is known to hold of its own when it uploads.
#[derive(Clone, Debug, Default)]
pub struct UploadContext {
    /// The last entry of each of its chains.
    pub chains: BTreeMap<ChainKey, (u64, ChainEntry)>,
    /// Its certificate, unless this is its first upload.
    pub certificate: Option<Hash>,
}

/// What became of entries that were to be stored.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    /// In their order.
    pub outcomes: Vec<Outcome>,
    /// Whether what their author reads may have changed.
    pub rights_changed: bool,
    /// Targets in which nothing but these entries came, from their first to their last.
    pub advances: Vec<Advance>,
}

/// A run of entries just stored, as a target has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The target.
    pub target: Target,
    /// Where it stood before.
    pub from: u64,
    /// Where it stands now.
    pub to: Running,
}

/// The relay's log, as a session sees it. What a call answers is durable.
pub trait RelayStore: Send + Sync {
    /// The school.
    fn school(&self) -> SchoolId;

    /// This node.
    fn node(&self) -> NodeId;

    /// The epoch of the order, from 1.
    fn epoch(&self) -> u64;

    /// The relay's clock, milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Signs the root of a receipt with the node's key.
    fn sign_receipt(&self, root: &Hash) -> Signature;

    /// A device, unless it is unknown.
    fn device(
        &self,
        device: DeviceId,
    ) -> impl Future<Output = Result<Option<DeviceRecord>, SyncError>> + Send;

    /// A device has proved itself: answers once an older session of it, whose
    /// connection may be gone, has stored what it received. Where no session outlives
    /// its connection there is nothing to wait for.
    fn take_over(&self, _device: DeviceId) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What an account reads: whole spaces and lanes, sorted, no lane of a
    /// space beside the whole of it.
    fn view(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<Target>, SyncError>> + Send;

    /// How far each target goes, in the order asked.
    fn ends(
        &self,
        targets: &[Target],
    ) -> impl Future<Output = Result<Vec<Running>, SyncError>> + Send;

    /// The running hash of a target after `sequence`; none if the target has
    /// no entry with it.
    fn running_at(
        &self,
        target: Target,
        sequence: u64,
    ) -> impl Future<Output = Result<Option<Hash>, SyncError>> + Send;

    /// Entries of a target after `sequence`, at most about `max_bytes`
    /// uncompressed, but one at least if there is one.
    fn read(
        &self,
        target: Target,
        after: u64,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Page, SyncError>> + Send;

    /// What the relay knows of the device's cursors.
    fn cursor_log(
        &self,
        device: DeviceId,
    ) -> impl Future<Output = Result<CursorLog, SyncError>> + Send;

    /// Keeps what the relay knows of the device's cursors. May be lazy: a lost
    /// write costs the device one round trip.
    fn save_cursor_log(
        &self,
        device: DeviceId,
        log: CursorLog,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// What the decoder of a device's uploads may look up: the heads of the
    /// device's own chains and its certificate.
    fn upload_context(
        &self,
        device: DeviceId,
    ) -> impl Future<Output = Result<UploadContext, SyncError>> + Send;

    /// For the first bytes of ids, each: the only document stored that begins so.
    fn expand_documents(
        &self,
        prefixes: &[[u8; 4]],
    ) -> impl Future<Output = Result<Vec<Option<DocId>>, SyncError>> + Send;

    /// For the first bytes of hashes, each: the only change of the document stored that
    /// begins so.
    fn expand_changes(
        &self,
        names: &[(DocId, [u8; 4])],
    ) -> impl Future<Output = Result<Vec<Option<Hash>>, SyncError>> + Send;

    /// How much of an unfinished upload is held, from its start.
    fn upload_held(
        &self,
        device: DeviceId,
        pack: PackId,
    ) -> impl Future<Output = Result<u32, SyncError>> + Send;

    /// Keeps a slice of an upload. May be lazy: what is lost crosses again, unless
    /// [`RelayStore::keep_upload`] was called.
    fn save_upload_slice(
        &self,
        device: DeviceId,
        pack: PackId,
        total: u32,
        offset: u32,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// Makes what is held of an upload durable, before the device is told of it.
    fn keep_upload(
        &self,
        device: DeviceId,
        pack: PackId,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// The bytes held of an upload. It is kept for a while: its results may be
    /// cut off, and are then asked for by naming the pack again.
    fn load_upload(
        &self,
        device: DeviceId,
        pack: PackId,
    ) -> impl Future<Output = Result<Vec<u8>, SyncError>> + Send;

    /// Verifies, judges and stores entries in order and numbers them, in one
    /// durable transaction; an entry stored before answers its old position.
    /// One refused entry stops no other but its chain's own rules.
    fn append(
        &self,
        from: DeviceId,
        entries: Vec<Entry>,
    ) -> impl Future<Output = Result<Appended, SyncError>> + Send;

    /// Keeps a download for a device that may be cut. May be lazy.
    fn save_download(
        &self,
        device: DeviceId,
        download: Download,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// A download kept before.
    fn load_download(
        &self,
        device: DeviceId,
        pack: PackId,
    ) -> impl Future<Output = Result<Option<Download>, SyncError>> + Send;

    /// How much of a chunk of `total` bytes the device has brought, from its start;
    /// all of it once it was finished. What others brought tells it nothing.
    fn chunk_held(
        &self,
        device: DeviceId,
        chunk: Hash,
        total: u32,
    ) -> impl Future<Output = Result<u32, SyncError>> + Send;

    /// Keeps a slice that continues a chunk where it stood.
    fn save_chunk_slice(
        &self,
        device: DeviceId,
        chunk: Hash,
        offset: u32,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// A chunk is whole: durable when this answers. It is dropped if its hash is
    /// another, or if no manifest that the account may read names it.
    fn finish_chunk(
        &self,
        device: DeviceId,
        account: AccountId,
        chunk: Hash,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// A chunk of a blob of which the account may read a manifest; none if it may
    /// not, or the chunk is not here.
    fn blob_chunk(
        &self,
        account: AccountId,
        blob: BlobId,
        index: u32,
    ) -> impl Future<Output = Result<Option<(Hash, Vec<u8>)>, SyncError>> + Send;

    /// A pack kept under this name.
    fn find_shared(&self, name: &Hash) -> Option<Arc<SharedPack>>;

    /// How often something was erased since the log was opened.
    fn erasures(&self) -> u64;

    /// Keeps a pack for other readers, in memory and for as long as it likes. It is
    /// dropped if more was erased than `erasures`, which was asked before its entries
    /// were read; and every pack that is kept is dropped with the next erasure.
    fn keep_shared(&self, name: Hash, erasures: u64, pack: Arc<SharedPack>);

    /// Account logs, for readers who lack the keys of an author.
    fn account_logs(
        &self,
        accounts: &[AccountId],
    ) -> impl Future<Output = Result<Vec<Entry>, SyncError>> + Send;
}

/// A pack made for a device, with what its receipt covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Its name.
    pub pack: PackId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The leaf hashes of its entries, in order.
    pub leaves: Vec<Hash>,
    /// The cursors that it moves.
    pub cursors: Vec<Cursor>,
    /// Hash of the cursor list that it follows.
    pub base: [u8; 8],
}

/// A pack that is the same for all who begin where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPack {
    /// The pack; which list it follows is another for each reader.
    pub download: Download,
    /// The targets of which nothing was left after it.
    pub finished: Vec<Target>,
}

impl SharedPack {
    /// About the memory that it takes, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.download.bytes.len()
            + size_of_val(&self.download.leaves[..])
            + size_of_val(&self.download.cursors[..])
            + size_of_val(&self.finished[..])
    }
}
