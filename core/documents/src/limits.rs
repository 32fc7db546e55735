//! Limits of documents, each with its reason.
//!
//! They are part of what every device accepts: a device that allowed less than
//! another could not read what the other wrote, so they change only together with
//! the protocol.

/// One change, bytes. An entry with a single operation holds 256 KiB of body
/// (`stunity_proto::limits::MAX_SINGLE_OP_BODY`); 4 KiB are left for its framing.
pub const MAX_CHANGE_BYTES: usize = 252 * 1024;

/// Operations in one change. A column of a few bytes can claim billions, and each
/// is expanded while reading; this many take a weak phone well under a second. A
/// pasted text of this many characters still fits one change.
pub const MAX_CHANGE_OPS: u64 = 65_536;

/// Predecessors that the operations of one change name in all: about one each,
/// and more only where a conflict is overwritten.
pub const MAX_CHANGE_PREDECESSORS: u64 = 2 * MAX_CHANGE_OPS;

/// Changes that one change depends on directly: the heads that its author held.
/// Packs allow no more (`stunity_proto::limits::MAX_CHANGE_DEPS`).
pub const MAX_CHANGE_DEPS: u64 = 256;

/// Other actors that one change names: a class of forty with a few devices each,
/// over many incarnations.
pub const MAX_CHANGE_ACTORS: u64 = 1024;

/// Operations of all the changes that one change refers to: who deletes the whole of
/// a text refers to every change that wrote it. Twice the ten-page paper named at
/// [`MAX_SNAPSHOT_ROWS`]; checking that many takes about 60 MB and a second.
pub const MAX_REFERRED_OPS: u64 = 524_288;

/// Columns of a change or a snapshot. Automerge writes at most 16.
pub const MAX_COLUMNS: u64 = 32;

/// Changes that wait for others, per document. Who sends in causal order never
/// makes one wait; a carrier that lost a few packs stays below.
pub const MAX_WAITING: usize = 64;

/// Bytes of the changes that wait, per document: one change of the largest size.
pub const MAX_WAITING_BYTES: usize = 256 * 1024;

/// Changes of one account that a relay stores though what they follow from is not
/// there, over all documents. Who goes on writing what a colleague gave by parcel
/// sends the first change of each document so until the colleague connects; a class
/// has fewer documents than this.
pub const MAX_WAITING_OF_AUTHOR: usize = 256;

/// A snapshot, bytes, uncompressed: 80 times the size that a document aims for,
/// and what the restored entries of one pack may fill.
pub const MAX_SNAPSHOT_BYTES: usize = 8 * 1024 * 1024;

/// Rows of any column of a snapshot: the operations or changes of a document, or
/// the references between them. A ten-page paper with all its keystrokes has
/// 260,000.
pub const MAX_SNAPSHOT_ROWS: u64 = 2_000_000;

/// A name of a field, bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 256;

/// How deep maps, lists and texts may be nested, the root being at depth 0.
/// Reading is recursive, and the stack of a worker in a browser is small.
pub const MAX_DEPTH: usize = 16;

/// A counter's first value, either way: exact in a JavaScript number.
pub const MAX_COUNTER: i64 = 1 << 53;

/// One step of a counter, either way. With [`MAX_COUNTER`] no number of steps that
/// fits a document can overflow 64 bits.
pub const MAX_INCREMENT: i64 = 1 << 31;

/// What an open burst may cost, in estimated bytes of its change: 4 KiB below
/// [`MAX_CHANGE_BYTES`], so that the estimate may be a little wrong.
pub const MAX_BURST_COST: usize = 248 * 1024;

/// Operation counters stay below this, so that they fit 32 bits whatever is added
/// by one more change.
pub const MAX_OP_COUNTER: u64 = u32::MAX as u64 - MAX_CHANGE_OPS;
