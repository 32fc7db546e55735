//! Looks at the bytes of a change or a snapshot before Automerge does.
//!
//! Automerge's readers trust what columns claim: a run of 2⁶⁰ operations, an actor
//! that is not listed, a chunk that inflates to gigabytes. What passes here is
//! bounded by [`crate::limits`].
use crate::Error;
use crate::actor::ACTOR_BYTES;
use crate::columns::{Column, ColumnKind, Reader, count, read_columns};
use crate::limits::{
    MAX_CHANGE_ACTORS, MAX_CHANGE_BYTES, MAX_CHANGE_DEPS, MAX_CHANGE_OPS, MAX_CHANGE_PREDECESSORS,
    MAX_KEY_BYTES, MAX_OP_COUNTER, MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_ROWS,
};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;
const BUNDLE: u8 = 3;
const HASH_BYTES: u64 = 32;

/// Columns of operations: the key's name, and what an operation does.
const KEY_COLUMN: u32 = 1;
const ACTION_COLUMN: u32 = 4;

/// The data of the one chunk that `bytes` are, which is of type `wanted`.
fn open(bytes: &[u8], wanted: u8) -> Result<Reader<'_>, Error> {
    let mut reader = Reader::new(bytes);
    let magic: [u8; 4] = reader.array()?;
    let _checksum: [u8; 4] = reader.array()?;
    let [chunk_type] = reader.array()?;
    if magic != MAGIC {
        return Err(Error::Malformed("magic"));
    }
    match chunk_type {
        found if found == wanted => {}
        COMPRESSED => return Err(Error::Unsupported("compressed chunk")),
        BUNDLE => return Err(Error::Unsupported("bundle")),
        DOCUMENT | CHANGE => return Err(Error::Malformed("another type of chunk")),
        _ => return Err(Error::Unsupported("unknown chunk")),
    }
    let len = reader.unsigned()?;
    let data = reader.take(len)?;
    if !reader.is_empty() {
        return Err(Error::Malformed("more than one chunk"));
    }
    Ok(Reader::new(data))
}

fn actor(reader: &mut Reader<'_>) -> Result<[u8; ACTOR_BYTES], Error> {
    if reader.unsigned()? != ACTOR_BYTES as u64 {
        return Err(Error::Malformed("actor"));
    }
    reader.array()
}

fn actors(reader: &mut Reader<'_>, max: u64) -> Result<u64, Error> {
    let count = reader.unsigned()?;
    if count > max {
        return Err(Error::TooLarge("actors"));
    }
    for _ in 0..count {
        actor(reader)?;
    }
    Ok(count)
}

fn hashes(reader: &mut Reader<'_>, max: u64) -> Result<u64, Error> {
    let count = reader.unsigned()?;
    if count > max {
        return Err(Error::TooLarge("dependencies"));
    }
    reader.take(count * HASH_BYTES)?;
    Ok(count)
}

/// Checks that a change is within the limits, and returns its actor.
///
/// Accepted is one uncompressed change chunk and nothing after it, without message
/// and without extra bytes, of which this platform writes neither.
pub(crate) fn scan_change(bytes: &[u8]) -> Result<[u8; ACTOR_BYTES], Error> {
    if bytes.len() > MAX_CHANGE_BYTES {
        return Err(Error::TooLarge("change"));
    }
    let mut reader = open(bytes, CHANGE)?;
    hashes(&mut reader, MAX_CHANGE_DEPS)?;
    let author = actor(&mut reader)?;
    let sequence = reader.unsigned()?;
    let start = reader.unsigned()?;
    if sequence == 0 || sequence > u64::from(u32::MAX) || start == 0 || start > MAX_OP_COUNTER {
        return Err(Error::Malformed("counters"));
    }
    let _time = reader.signed()?;
    if reader.unsigned()? != 0 {
        return Err(Error::Unsupported("message"));
    }
    let actors = 1 + actors(&mut reader, MAX_CHANGE_ACTORS)?;
    let columns = read_columns(&mut reader)?;
    let mut ops = 0;
    for column in columns {
        let data = reader.take(column.len)?;
        let max = if column.id == 7 {
            MAX_CHANGE_PREDECESSORS
        } else {
            MAX_CHANGE_OPS
        };
        let claim = scan_column(column, data, max, actors)?;
        if (column.id, column.kind) == (ACTION_COLUMN, ColumnKind::Integer) {
            ops = claim;
        }
    }
    if !reader.is_empty() {
        return Err(Error::Unsupported("extra bytes"));
    }
    if ops == 0 {
        return Err(Error::Malformed("no operations"));
    }
    Ok(author)
}

/// Checks that a snapshot is one document chunk within the limits, no column of
/// which is deflated: packs compress it better, and inflating has no bound.
pub(crate) fn scan_snapshot(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MAX_SNAPSHOT_BYTES {
        return Err(Error::TooLarge("snapshot"));
    }
    let mut reader = open(bytes, DOCUMENT)?;
    let actors = actors(&mut reader, MAX_SNAPSHOT_ROWS)?;
    let heads = hashes(&mut reader, MAX_SNAPSHOT_ROWS)?;
    let mut columns = read_columns(&mut reader)?;
    columns.extend(read_columns(&mut reader)?);
    for column in columns {
        let data = reader.take(column.len)?;
        scan_column(column, data, MAX_SNAPSHOT_ROWS, actors)?;
    }
    // Where each head stands among the changes.
    for _ in 0..heads {
        reader.unsigned()?;
    }
    if !reader.is_empty() {
        return Err(Error::DamagedSnapshot);
    }
    Ok(())
}

/// The rows of a column, if they, the actors and the names in it are in bounds.
fn scan_column(column: Column, data: &[u8], max: u64, actors: u64) -> Result<u64, Error> {
    let claim = count(column, data, max)?;
    match column.kind {
        ColumnKind::Group if claim.sum > max => Err(Error::TooLarge("rows")),
        ColumnKind::Actor if claim.rows > 0 && claim.largest >= actors => {
            Err(Error::Malformed("unlisted actor"))
        }
        ColumnKind::String if column.id == KEY_COLUMN && claim.largest > MAX_KEY_BYTES as u64 => {
            Err(Error::TooLarge("key"))
        }
        _ => Ok(claim.rows),
    }
}
