//! What a relay may have lost: after it was restored from a backup its epoch is
//! higher, and own entries that it had numbered wait again until it is clear whether
//! it still has them.
use rusqlite::{Connection, params};
use stunity_sync::Target;

use crate::entries::{EntryRow, Sent};
use crate::{StoreError, meta, order};

/// The relay's order of a target is not the one known here. Own entries that stood in
/// it, and that the relay has not numbered under `epoch`, are not acknowledged any
/// more: those that the relay still has come anew, with the rest of the target.
pub(crate) fn doubt_target(
    conn: &Connection,
    target: &Target,
    epoch: i64,
) -> Result<(), StoreError> {
    let doubted = conn
        .prepare_cached(
            "UPDATE entries SET send = ?1, code = NULL WHERE send IN (?2, ?3)
             AND entry IN (SELECT entry FROM numbering WHERE space = ?4 AND ?5 IN (lane, x''))
             AND NOT EXISTS (SELECT 1 FROM numbering n
                             WHERE n.entry = entries.entry AND n.epoch >= ?6)",
        )?
        .execute(params![
            Sent::Unacknowledged.code(),
            Sent::Accepted.code(),
            Sent::Pending.code(),
            &target.space.0,
            order::lane_key(target.lane),
            epoch,
        ])?;
    wait_if(conn, doubted > 0)
}

/// The relay lacks what stands before an own entry in its chain. True if that has no
/// answer yet, or none under `epoch`: then the entry goes again, after it.
pub(crate) fn doubt_before(
    conn: &Connection,
    entry: EntryRow,
    epoch: i64,
) -> Result<bool, StoreError> {
    conn.prepare_cached(
        "UPDATE entries SET send = ?1, code = NULL WHERE send IN (?2, ?3)
         AND chain = (SELECT chain FROM entries WHERE entry = ?4)
         AND sequence < (SELECT sequence FROM entries WHERE entry = ?4)
         AND NOT EXISTS (SELECT 1 FROM numbering n
                         WHERE n.entry = entries.entry AND n.epoch >= ?5)",
    )?
    .execute(params![
        Sent::Unacknowledged.code(),
        Sent::Accepted.code(),
        Sent::Pending.code(),
        entry,
        epoch,
    ])?;
    let lacks = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM entries e JOIN entries this ON this.entry = ?1
             WHERE e.chain = this.chain AND e.sequence < this.sequence AND e.send = ?2)",
        )?
        .query_row(params![entry, Sent::Unacknowledged.code()], |row| {
            row.get(0)
        })?;
    wait_if(conn, lacks)?;
    Ok(lacks)
}

fn wait_if(conn: &Connection, something_is_lost: bool) -> Result<(), StoreError> {
    if something_is_lost {
        meta::save(conn, meta::LOST, 1)?;
    }
    Ok(())
}

/// Whether nothing is to be sent until the relay has sent what it holds.
pub(crate) fn is_waiting(conn: &Connection) -> Result<bool, StoreError> {
    Ok(meta::load::<i64>(conn, meta::LOST)?.is_some())
}
