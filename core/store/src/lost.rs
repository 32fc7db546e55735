//! What a relay may have lost: after it was restored from a backup its epoch is
//! higher, and entries that it had numbered wait again until it is clear whether it
//! still has them. Those of others are offered as own ones are, since their authors
//! may never come back.
use rusqlite::{Connection, params};
use stunity_proto::Entry;
use stunity_sync::Target;

use crate::entries::{EntryRow, Sent};
use crate::{StoreError, blobs, entries, meta, order};

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
    if doubted > 0 {
        blobs::doubt_sent(conn)?;
    }
    let of_others = conn
        .prepare_cached(
            "INSERT OR REPLACE INTO doubted (entry, epoch)
             SELECT entry, ?3 FROM entries WHERE send IS NULL AND state IN (1, 2)
             AND signature <> zeroblob(64)
             AND entry IN (SELECT entry FROM numbering WHERE space = ?1 AND ?2 IN (lane, x''))
             AND NOT EXISTS (SELECT 1 FROM numbering n
                             WHERE n.entry = entries.entry AND n.epoch >= ?3)",
        )?
        .execute(params![
            &target.space.0,
            order::lane_key(target.lane),
            epoch
        ])?;
    wait_if(conn, doubted + of_others > 0)
}

/// Entries of others that the relay lacks and no pack carries yet, in the order in
/// which it had them, keys first.
pub(crate) fn unpacked_of_others(
    conn: &Connection,
    limit: usize,
) -> Result<Vec<(EntryRow, Entry)>, StoreError> {
    conn.prepare_cached(
        "DELETE FROM doubted WHERE EXISTS (SELECT 1 FROM numbering n
         WHERE n.entry = doubted.entry AND n.epoch >= doubted.epoch)",
    )?
    .execute([])?;
    let rows = conn
        .prepare_cached(
            "SELECT d.entry FROM doubted d JOIN entries e USING (entry)
             WHERE NOT EXISTS (SELECT 1 FROM upload_entries u WHERE u.entry = d.entry)
             ORDER BY e.class <> 0, (SELECT min(n.sequence) FROM numbering n
                                     WHERE n.entry = d.entry), d.entry LIMIT ?1",
        )?
        .query_map([limit as i64], |row| row.get(0))?
        .collect::<Result<Vec<EntryRow>, _>>()?;
    rows.into_iter()
        .map(|row| Ok((row, entries::load(conn, row)?)))
        .collect()
}

/// The relay has answered for an entry of somebody else.
pub(crate) fn settle_of_others(conn: &Connection, entry: EntryRow) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM doubted WHERE entry = ?1")?
        .execute([entry])?;
    Ok(())
}

/// A relay that speaks under a higher epoch than before was restored. Own entries of
/// lanes that are not read here any more come back by no cursor: they are offered
/// again. So is what was refused: the relay may have lost the tombstones, over which
/// chains go on and which are cited.
pub(crate) fn note_epoch(conn: &Connection, epoch: i64) -> Result<(), StoreError> {
    let known: i64 = meta::load(conn, meta::EPOCH)?.unwrap_or(1);
    if epoch <= known {
        return Ok(());
    }
    meta::save(conn, meta::EPOCH, epoch)?;
    let doubted = conn
        .prepare_cached(
            "UPDATE entries SET send = ?1, code = NULL WHERE send IN (?2, ?3)
             AND NOT EXISTS (SELECT 1 FROM numbering n JOIN cursors c USING (space)
                             WHERE n.entry = entries.entry AND c.lane IN (n.lane, x''))
             AND NOT EXISTS (SELECT 1 FROM numbering n
                             WHERE n.entry = entries.entry AND n.epoch >= ?4)",
        )?
        .execute(params![
            Sent::Unacknowledged.code(),
            Sent::Accepted.code(),
            Sent::Pending.code(),
            epoch,
        ])?;
    let refused = conn
        .prepare_cached(
            "UPDATE entries SET send = ?1, code = NULL WHERE send = ?2 AND length(tombstone) > 0",
        )?
        .execute(params![Sent::Unacknowledged.code(), Sent::Refused.code()])?;
    wait_if(conn, doubted + refused > 0)
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
