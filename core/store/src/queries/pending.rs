//! What waits for staff: entries that are valid and have no effect of their own.
use rusqlite::params;
use stunity_proto::{AccountId, Entry, EntryId, Kind, Lane, SpaceId};

use crate::database::uint;
use crate::{Store, StoreError, entries};

/// An entry that staff may give effect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// The entry.
    pub entry: EntryId,
    /// Its course.
    pub course: SpaceId,
    /// Its lane.
    pub lane: Lane,
    /// Who wrote it.
    pub author: AccountId,
    /// Why it waits: a stable code (docs/protocol/07-events.md).
    pub code: String,
    /// Its operations.
    pub kinds: Vec<Kind>,
    /// A relay signed it for the author.
    pub vouched: bool,
    /// When the relay received it, milliseconds since 1970, if it has.
    pub received_ms: Option<u64>,
}

impl Store {
    /// What waits for staff in a course, or in all, in the order of arrival.
    ///
    /// # Errors
    /// A database error.
    pub fn pending(&self, course: Option<SpaceId>) -> Result<Vec<PendingRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.entry, e.code,
                    (SELECT min(received_ms) FROM numbering n WHERE n.entry = e.entry)
             FROM entries e JOIN chains c USING (chain)
             WHERE e.state = 2
             AND e.code IN ('device.cut-off', 'member.cut-off', 'vouched.proposal')
             AND (?1 IS NULL OR c.space = ?1) ORDER BY e.entry",
        )?;
        let rows = statement.query_map(params![course.map(|course| course.0)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?))
        })?;
        rows.map(|row| {
            let (row, code, received) = row?;
            let entry = entries::load(&self.conn, row)?;
            Ok(pending_row(&entry, code, received.map(uint)))
        })
        .collect()
    }
}

fn pending_row(entry: &Entry, code: String, received_ms: Option<u64>) -> PendingRow {
    let header = entry.header();
    PendingRow {
        entry: entry.id(),
        course: header.space,
        lane: header.lane,
        author: header.author,
        code,
        kinds: header.kinds.clone(),
        vouched: header.signer.is_vouched(),
        received_ms,
    }
}
