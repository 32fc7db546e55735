//! What a client session needs of the client's store. One call, one
//! transaction; what a call returns is durable.
use stunity_proto::{
    AccountId, BlobId, DeviceId, Entry, EntryId, Hash, Lane, NodeId, PackId, SchoolId, Signature,
    SpaceId, frame::Flight, pack::PackContext,
};

use crate::{Cursor, Position, SyncError, Target};

/// Whose replica it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The school.
    pub school: SchoolId,
    /// The account.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
}

/// An unfinished download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The pack.
    pub pack: PackId,
    /// Its length in bytes.
    pub total: u32,
    /// How many bytes from its start are held.
    pub held: u32,
}

/// A pack of own signed entries, durable, waiting for its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The pack's name.
    pub pack: PackId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The entries in it, in order, each with where it belongs.
    pub entries: Vec<(EntryId, SpaceId, Lane)>,
    /// The last offset that the relay acknowledged in an earlier session.
    pub acknowledged: u32,
    /// Whether an earlier session began to send it.
    pub begun: bool,
}

/// A chunk of an own file that a relay lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkUpload {
    /// Its hash.
    pub chunk: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether an earlier session began to send it.
    pub begun: bool,
    /// The file.
    pub blob: BlobId,
    /// Bytes of the file that went before it.
    pub before: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// A chunk that is wanted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedChunk {
    /// Its hash.
    pub chunk: Hash,
    /// Its length, bytes.
    pub len: u32,
    /// How many bytes from its start are held.
    pub held: u32,
    /// The file.
    pub blob: BlobId,
    /// Its place in the file.
    pub index: u32,
    /// Bytes of the file that are held whole.
    pub before: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// What became of one uploaded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored and numbered.
    Accepted(Position),
    /// Stored and numbered, but without effect until staff accept it.
    Pending {
        /// Where it stands.
        position: Position,
        /// Why, as a stable code.
        code: String,
    },
    /// Not stored: the content stays with its author.
    Refused {
        /// Why, as a stable code.
        code: String,
        /// The relay's signed tombstone, as on page 5: bytes ‖ signature.
        tombstone: Vec<u8>,
    },
}

/// One entry that came down, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The entry; its signature is not verified yet.
    pub entry: Entry,
    /// Where the relay numbered it; none in a parcel that carries no receipts.
    pub position: Option<Position>,
}

/// A receipt over everything in a flush; a leaf of it is portable evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushReceipt {
    /// The node.
    pub node: NodeId,
    /// The relay's epoch.
    pub epoch: u64,
    /// Its signature over the root.
    pub signature: Signature,
    /// All leaf hashes, in order.
    pub leaves: Vec<Hash>,
    /// For each leaf that is an entry's: the leaf's index and the entry.
    pub entries: Vec<(u32, EntryId)>,
    /// The relay's time, milliseconds since 1970.
    pub relay_ms: u64,
}

/// What the relay sent between two receipts; verified against the receipt,
/// not yet entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Flush {
    /// Results of uploaded packs, in the order of the pack's entries.
    pub results: Vec<(PackId, Vec<Outcome>)>,
    /// Entries, in the order sent.
    pub delivered: Vec<Delivered>,
    /// Download packs that are complete with this flush and can be forgotten.
    pub finished: Vec<PackId>,
    /// Cursors after this flush, with full running hashes.
    pub cursors: Vec<Cursor>,
    /// Targets that the account reads no longer.
    pub removed: Vec<Target>,
    /// The receipt; none in a parcel.
    pub receipt: Option<FlushReceipt>,
}

/// What applying a flush did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries that are new here.
    pub new_entries: u32,
    /// Entries that were held before.
    pub known: u32,
    /// Entries stored but not applied yet, with the code of the reason.
    pub held: Vec<(EntryId, &'static str)>,
    /// Entries that are invalid: kept aside as evidence, never applied.
    pub rejected: Vec<(EntryId, &'static str)>,
}

/// The client's store, as its session sees it.
pub trait Replica {
    /// Whose it is.
    fn owner(&self) -> Owner;

    /// The cursors, sorted by target; none at sequence 0.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn cursors(&self) -> Result<Vec<Cursor>, SyncError>;

    /// Unfinished downloads, at most [`stunity_proto::limits::MAX_PARTIALS`].
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn partials(&self) -> Result<Vec<Partial>, SyncError>;

    /// Keeps a slice that continues a download where it stood.
    ///
    /// # Errors
    /// [`SyncError::NoSpace`], [`SyncError::Store`].
    fn save_slice(
        &mut self,
        pack: PackId,
        total: u32,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), SyncError>;

    /// The bytes held of a download.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn load_partial(&self, pack: PackId) -> Result<Vec<u8>, SyncError>;

    /// Forgets a download: it is complete, or the relay has it no longer.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn drop_partial(&mut self, pack: PackId) -> Result<(), SyncError>;

    /// The next pack to send, apart from those `in_flight`. Seals dirty lanes
    /// first (late: only now are entries made). `explicit` names nothing by
    /// what the receiver is thought to hold.
    ///
    /// # Errors
    /// [`SyncError::NoSpace`], [`SyncError::Store`].
    fn next_upload(
        &mut self,
        in_flight: &[PackId],
        explicit: bool,
        now_ms: u64,
    ) -> Result<Option<Upload>, SyncError>;

    /// The relay holds a pack up to `offset`.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn save_upload_offset(&mut self, pack: PackId, offset: u32) -> Result<(), SyncError>;

    /// Forgets how a pack was encoded: it will be made again from its entries.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn drop_upload(&mut self, pack: PackId) -> Result<(), SyncError>;

    /// The next chunk of an own file whose manifest the relay has, apart from those
    /// `in_flight`, as far as the network in use is meant for it.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn next_chunk(&mut self, in_flight: &[Hash]) -> Result<Option<ChunkUpload>, SyncError>;

    /// The relay holds a chunk.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn chunk_stored(&mut self, chunk: Hash) -> Result<(), SyncError>;

    /// The next chunks of files that are wanted here, at most `limit`, apart from
    /// those asked for and those of blobs that the relay lacks.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn wanted_chunks(
        &self,
        asked: &[Hash],
        absent: &[BlobId],
        limit: usize,
    ) -> Result<Vec<WantedChunk>, SyncError>;

    /// Keeps a slice that continues a chunk where it stood.
    ///
    /// # Errors
    /// [`SyncError::NoSpace`], [`SyncError::Store`].
    fn save_chunk_slice(&mut self, chunk: Hash, offset: u32, bytes: &[u8])
    -> Result<(), SyncError>;

    /// All slices of a chunk are here: it is kept if its hash is right, else
    /// forgotten.
    ///
    /// # Errors
    /// [`SyncError::NotAuthentic`], [`SyncError::NoSpace`], [`SyncError::Store`].
    fn finish_chunk(&mut self, chunk: Hash) -> Result<(), SyncError>;

    /// Whether a relay node, certified from the pinned school root at
    /// `relay_ms`, signed the root of a receipt.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn verify_receipt(
        &self,
        node: NodeId,
        relay_ms: u64,
        root: &Hash,
        signature: &Signature,
    ) -> Result<bool, SyncError>;

    /// Signs flight one with the device's key, for one relay and nonce.
    ///
    /// # Errors
    /// [`SyncError::Store`].
    fn sign_flight(
        &self,
        flight: &mut Flight,
        host: &str,
        nonce: &[u8; 32],
    ) -> Result<(), SyncError>;

    /// What the pack decoder may look up.
    fn pack_context(&self) -> &dyn PackContext;

    /// Everything that the relay held has come, and nothing is on its way to it. If it showed that another copy of
    /// this device went on writing, the new incarnation begins now: what the other
    /// copy sent is known and is not sent again. If it was restored from a backup, own
    /// entries that it had acknowledged and that did not come are sent again. Until
    /// this is called, [`Replica::next_upload`] gives nothing.
    ///
    /// # Errors
    /// The replica's.
    fn settle_fork(&mut self) -> Result<(), SyncError>;

    /// Stores the entries raw with results, cursors and receipt in one durable
    /// transaction, then verifies and applies them. Entries of unknown types
    /// are kept. Nothing of a refused own entry is deleted.
    ///
    /// # Errors
    /// [`SyncError::NoSpace`], [`SyncError::Store`]: then nothing was kept.
    fn apply(&mut self, flush: Flush) -> Result<Applied, SyncError>;
}
