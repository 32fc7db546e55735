//! What is half-way: downloads by slices, uploads by packs.
use rusqlite::{Connection, OptionalExtension, params};
use stunity_proto::{Entry, EntryId, Lane, PackId, SpaceId, limits};
use stunity_sync::replica::{Partial, Upload};

use crate::StoreError;
use crate::database::uint;
use crate::entries::{self, EntryRow, Sent};

/// The unfinished downloads, the newest first: the relay most likely still has
/// their packs.
pub(crate) fn load_partials(conn: &Connection) -> Result<Vec<Partial>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT pack, total, held FROM partials WHERE held > 0 ORDER BY begun DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([limits::MAX_PARTIALS as i64], |row| {
        Ok(Partial {
            pack: PackId(row.get(0)?),
            total: row.get(1)?,
            held: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn save_slice(
    conn: &Connection,
    pack: PackId,
    total: u32,
    offset: u32,
    bytes: &[u8],
) -> Result<(), StoreError> {
    if total as usize > limits::MAX_PACK.max(limits::CHUNK) {
        return Err(StoreError::TooLarge("pack"));
    }
    let held: Option<(u32, u32)> = conn
        .prepare_cached("SELECT total, held FROM partials WHERE pack = ?1")?
        .query_row([&pack.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let held = match held {
        Some((known, held)) if known == total => held,
        Some(_) => return Err(StoreError::NotAllowed("another length of a pack")),
        None => {
            conn.prepare_cached(
                "INSERT INTO partials (pack, begun, total, held)
                 VALUES (?1, (SELECT coalesce(max(begun), 0) + 1 FROM partials), ?2, 0)",
            )?
            .execute(params![&pack.0, total])?;
            0
        }
    };
    let end = u32::try_from(bytes.len())
        .ok()
        .and_then(|len| offset.checked_add(len))
        .filter(|end| *end <= total)
        .ok_or(StoreError::NotAllowed("slice beyond its pack"))?;
    if end <= held {
        return Ok(());
    }
    if offset != held {
        return Err(StoreError::NotAllowed("slice that does not continue"));
    }
    conn.prepare_cached("INSERT INTO partial_slices (pack, start, bytes) VALUES (?1, ?2, ?3)")?
        .execute(params![&pack.0, offset, bytes])?;
    conn.prepare_cached("UPDATE partials SET held = ?2 WHERE pack = ?1")?
        .execute(params![&pack.0, end])?;
    Ok(())
}

pub(crate) fn load_partial(conn: &Connection, pack: PackId) -> Result<Vec<u8>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT bytes FROM partial_slices WHERE pack = ?1 ORDER BY start")?;
    let rows = statement.query_map([&pack.0], |row| row.get::<_, Vec<u8>>(0))?;
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(&row?);
    }
    Ok(bytes)
}

pub(crate) fn drop_partial(conn: &Connection, pack: PackId) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM partials WHERE pack = ?1")?
        .execute([&pack.0])?;
    Ok(())
}

pub(crate) fn drop_partials(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("DELETE FROM partials", [])?;
    Ok(())
}

/// The oldest upload that is not in flight, marked as begun.
pub(crate) fn take_upload(
    conn: &Connection,
    in_flight: &[PackId],
) -> Result<Option<(Upload, bool)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT upload, pack, acknowledged, begun, explicit FROM uploads ORDER BY upload",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            PackId(row.get(1)?),
            row.get(2)?,
            row.get(3)?,
            row.get::<_, bool>(4)?,
        ))
    })?;
    for row in rows {
        let (upload, pack, acknowledged, begun, explicit) = row?;
        if in_flight.contains(&pack) {
            continue;
        }
        let bytes = conn
            .prepare_cached("SELECT bytes FROM uploads WHERE upload = ?1")?
            .query_row([upload], |row| row.get(0))?;
        let entries = entries_of(conn, upload)?;
        conn.prepare_cached("UPDATE uploads SET begun = 1 WHERE upload = ?1 AND begun = 0")?
            .execute([upload])?;
        return Ok(Some((
            Upload {
                pack,
                bytes,
                entries: entries
                    .into_iter()
                    .map(|sent| (sent.id, sent.space, sent.lane))
                    .collect(),
                acknowledged,
                begun,
            },
            explicit,
        )));
    }
    Ok(None)
}

/// An entry in an upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentEntry {
    pub row: EntryRow,
    pub id: EntryId,
    pub space: SpaceId,
    pub lane: Lane,
    pub own: bool,
}

fn entries_of(conn: &Connection, upload: i64) -> Result<Vec<SentEntry>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT e.entry, e.id, c.space, c.lane, e.send IS NOT NULL FROM upload_entries u
         JOIN entries e USING (entry) JOIN chains c USING (chain)
         WHERE u.upload = ?1 ORDER BY u.position",
    )?;
    let rows = statement.query_map([upload], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get::<_, Vec<u8>>(3)?,
            row.get(4)?,
        ))
    })?;
    rows.map(|row| {
        let (row, id, space, lane, own) = row?;
        Ok(SentEntry {
            row,
            id: EntryId(id),
            space: SpaceId(space),
            lane: Lane::from_key(&lane)?,
            own,
        })
    })
    .collect()
}

/// The entries of an upload by its pack's name; none if it is not known.
pub(crate) fn upload_entries(
    conn: &Connection,
    pack: PackId,
) -> Result<Option<Vec<SentEntry>>, StoreError> {
    let upload: Option<i64> = conn
        .prepare_cached("SELECT upload FROM uploads WHERE pack = ?1")?
        .query_row([&pack.0], |row| row.get(0))
        .optional()?;
    upload.map(|upload| entries_of(conn, upload)).transpose()
}

pub(crate) fn save_upload(
    conn: &Connection,
    pack: PackId,
    bytes: &[u8],
    entries: &[EntryRow],
    explicit: bool,
) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO uploads (pack, bytes, explicit) VALUES (?1, ?2, ?3)")?
        .execute(params![&pack.0, bytes, explicit])?;
    let upload = conn.last_insert_rowid();
    let mut insert = conn.prepare_cached(
        "INSERT INTO upload_entries (upload, position, entry) VALUES (?1, ?2, ?3)",
    )?;
    for (position, entry) in entries.iter().enumerate() {
        insert.execute(params![upload, position as i64, entry])?;
    }
    Ok(())
}

pub(crate) fn save_upload_offset(
    conn: &Connection,
    pack: PackId,
    offset: u32,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE uploads SET acknowledged = ?2 WHERE pack = ?1")?
        .execute(params![&pack.0, offset])?;
    Ok(())
}

pub(crate) fn drop_upload(conn: &Connection, pack: PackId) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM uploads WHERE pack = ?1")?
        .execute([&pack.0])?;
    Ok(())
}

/// Forgets uploads that lean on what the relay holds: they are packed anew.
pub(crate) fn drop_leaning_uploads(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("DELETE FROM uploads WHERE explicit = 0", [])?;
    Ok(())
}

/// Every upload, given to a carrier whole: its bytes and how many entries are in
/// it. The next session only asks for its results.
pub(crate) fn hand_over_uploads(conn: &Connection) -> Result<Vec<(Vec<u8>, u64)>, StoreError> {
    conn.execute(
        "UPDATE uploads SET acknowledged = length(bytes), begun = 1",
        [],
    )?;
    let mut statement = conn.prepare_cached(
        "SELECT bytes, (SELECT count(*) FROM upload_entries e WHERE e.upload = uploads.upload)
         FROM uploads ORDER BY upload",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, uint(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets uploads of which an entry does not wait any more; their other entries are
/// packed anew.
pub(crate) fn drop_settled_uploads(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(
        "DELETE FROM uploads WHERE upload IN
         (SELECT upload FROM upload_entries JOIN entries e USING (entry) WHERE e.send <> ?1
          OR (e.send IS NULL AND NOT EXISTS (SELECT 1 FROM doubted d WHERE d.entry = e.entry)))",
    )?
    .execute([Sent::Unacknowledged.code()])?;
    Ok(())
}

/// Sealed entries without an answer that no pack carries yet, in chain order.
/// What others wait for goes first: keys and membership, then the rest as sealed.
pub(crate) fn unpacked(
    conn: &Connection,
    limit: usize,
) -> Result<Vec<(EntryRow, Entry)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT entry FROM entries WHERE send = 0
         AND NOT EXISTS (SELECT 1 FROM upload_entries u WHERE u.entry = entries.entry)
         ORDER BY entry LIMIT ?1",
    )?;
    let rows = statement
        .query_map([limit as i64], |row| row.get::<_, EntryRow>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    rows.into_iter()
        .map(|row| Ok((row, entries::load(conn, row)?)))
        .collect()
}
