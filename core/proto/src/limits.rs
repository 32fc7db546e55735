//! Limits of the formats, each with its reason.

/// A header: 1,024 kinds of 40 bytes, with room.
pub const MAX_HEADER: usize = 64 * 1024;
/// Operations in an entry: a flush of a busy week stays below.
pub const MAX_OPS: usize = 1024;
/// Membership heads that an entry cites.
pub const MAX_MEMBERSHIP_HEADS: usize = 4;
/// A body is sealed when it reaches this.
pub const MAX_BODY: usize = 64 * 1024;
/// A body with one operation: a large paste into a document.
pub const MAX_SINGLE_OP_BODY: usize = 256 * 1024;
/// Incarnations are the upper 24 bits of an actor's last four bytes.
pub const MAX_INCARNATION: u32 = (1 << 24) - 1;
/// A pack's aim: at 50 kbit/s it takes five seconds.
pub const PACK_TARGET: usize = 32 * 1024;
/// Decompressed columns of a pack: what a weak phone can hold.
pub const MAX_PACK_COLUMNS: usize = 1024 * 1024;
/// A pack in all.
pub const MAX_PACK: usize = 512 * 1024;
/// Entries in a pack.
pub const MAX_PACK_ENTRIES: usize = 8192;
/// Operations in a pack: each costs a hash and a derivation of its salt.
pub const MAX_PACK_OPS: usize = 32 * 1024;
/// Entries restored from a pack, bytes: references are shorter than what they
/// stand for, so the columns alone bound nothing.
pub const MAX_PACK_RESTORED: usize = 8 * 1024 * 1024;
/// Dependencies, and other actors, of a change that a pack takes apart.
pub const MAX_CHANGE_DEPS: usize = 256;
/// A slice: one packet of a bad link.
pub const SLICE: usize = 1024;
/// A chunk of a blob.
pub const CHUNK: usize = 64 * 1024;
/// Chunks of a blob: 1 GiB.
pub const MAX_CHUNKS: usize = 16 * 1024;
/// Bytes sent and not yet acknowledged by the relay.
pub const MAX_UNACKNOWLEDGED: usize = 256 * 1024;
/// Packs and chunks of one sender under way at once: eight full packs are
/// [`MAX_UNACKNOWLEDGED`].
pub const MAX_OPEN_UPLOADS: usize = 8;
/// Partial packs named in flight one.
pub const MAX_PARTIALS: usize = 4;
/// A frame: a slice with its head, or a live batch of one pack.
pub const MAX_FRAME: usize = MAX_PACK + 1024;
/// A tombstone with its signature: ids, a lane and a code of 64 bytes.
pub const MAX_TOMBSTONE: usize = 512;
