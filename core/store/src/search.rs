//! Full-text search over what is held.
use rusqlite::{Connection, params};
use stunity_proto::{EntryId, SpaceId};

use crate::fold::Origin;
use crate::{Store, StoreError};

/// The longest title kept beside a hit, in characters.
const TITLE: usize = 120;

pub(crate) fn save(
    conn: &Connection,
    origin: &Origin,
    op: usize,
    kind: u16,
    object: &[u8],
    text: &str,
) -> Result<(), StoreError> {
    // What an operation says never changes; only its place becomes known.
    let sequence = origin.number.map(crate::database::int);
    let known = conn
        .prepare_cached("UPDATE findable SET sequence = ?3 WHERE entry = ?1 AND op = ?2")?
        .execute(params![&origin.entry.0, op as i64, sequence])?;
    if known > 0 {
        return Ok(());
    }
    let title: String = text
        .lines()
        .next()
        .unwrap_or("")
        .chars()
        .take(TITLE)
        .collect();
    conn.prepare_cached(
        "INSERT INTO findable (object, kind, space, entry, op, sequence, title, words)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        object,
        kind,
        &origin.space.0,
        &origin.entry.0,
        op as i64,
        sequence,
        title,
        crate::words::index(text),
    ])?;
    Ok(())
}

/// An operation of the outbox is now in an entry.
pub(crate) fn move_op(
    conn: &Connection,
    from: &EntryId,
    entry: &EntryId,
    op: usize,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE findable SET entry = ?2, op = ?3 WHERE entry = ?1")?
        .execute(params![&from.0, &entry.0, op as i64])?;
    Ok(())
}

pub(crate) fn drop_op(conn: &Connection, entry: &EntryId, op: usize) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM findable WHERE entry = ?1 AND op = ?2")?
        .execute(params![&entry.0, op as i64])?;
    Ok(())
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is: the id of a lesson, assignment, post, comment, course or
    /// account (16 bytes), or the entry of a submission (32 bytes).
    pub object: Vec<u8>,
    /// The event type that it came from.
    pub kind: u16,
    /// Where.
    pub space: SpaceId,
    /// Its first line.
    pub title: String,
}

impl Store {
    /// Finds text in courses, lessons, assignments, posts, comments, own
    /// submissions and names, the best first. Of an object that was published
    /// more than once only the newest version is found.
    ///
    /// # Errors
    /// A database error.
    pub fn search(&self, query: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
        let Some(query) = crate::words::query(query) else {
            return Ok(Vec::new());
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT f.object, f.kind, f.space, f.title FROM search s
             JOIN findable f ON f.row = s.rowid
             WHERE s.words MATCH ?1 AND NOT (length(f.object) = 16 AND EXISTS (
                SELECT 1 FROM findable newer WHERE newer.object = f.object
                AND newer.kind = f.kind
                AND (coalesce(newer.sequence, 1 << 62), newer.entry, newer.op)
                  > (coalesce(f.sequence, 1 << 62), f.entry, f.op)))
             ORDER BY s.rank LIMIT ?2",
        )?;
        let rows = statement.query_map(params![query, limit as i64], |row| {
            Ok(Hit {
                object: row.get(0)?,
                kind: row.get(1)?,
                space: SpaceId(row.get(2)?),
                title: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
