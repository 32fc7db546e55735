//! Two entries at one place of a chain. The relay's numbering decides, since it
//! refuses the second; what it has not numbered, a parcel's, counts while it stands
//! alone.
use rusqlite::{Connection, OptionalExtension, params};
use stunity_proto::{Entry, EntryId};

use crate::StoreError;
use crate::database::int;
use crate::entries::{self, EntryRow};

/// Notes that an entry takes a place: if another is there, the pair is evidence.
pub(crate) fn note(
    conn: &Connection,
    chain: i64,
    sequence: i64,
    id: &EntryId,
) -> Result<(), StoreError> {
    let other: Option<[u8; 32]> = conn
        .prepare_cached("SELECT id FROM entries WHERE chain = ?1 AND sequence = ?2 LIMIT 1")?
        .query_row(params![chain, sequence], |row| row.get(0))
        .optional()?;
    match other {
        Some(other) => entries::save_evidence(conn, "entry.fork", &other, &id.0),
        None => Ok(()),
    }
}

/// The relay has numbered an entry: what stands at its place without a number, with
/// what follows that, is judged again.
pub(crate) fn displace(conn: &Connection, row: EntryRow, entry: &Entry) -> Result<(), StoreError> {
    let is_forked: bool = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM evidence
             WHERE code = 'entry.fork' AND ?1 IN (first, second))",
        )?
        .query_row([&entry.id().0], |row| row.get(0))?;
    if !is_forked {
        return Ok(());
    }
    conn.prepare_cached(
        "UPDATE entries SET state = 0 WHERE state = 1 AND send IS NULL AND entry <> ?1
         AND chain = (SELECT chain FROM entries WHERE entry = ?1) AND sequence >= ?2
         AND NOT EXISTS (SELECT 1 FROM numbering n WHERE n.entry = entries.entry)",
    )?
    .execute(params![row, int(entry.header().sequence)])?;
    Ok(())
}

/// The rival of an entry that the relay has not numbered, or of one before it in
/// its chain: another entry at the same place, whose signature is good. None if the
/// chain is single, or if the relay has numbered this branch.
pub(crate) fn rival(
    conn: &Connection,
    row: EntryRow,
    entry: &Entry,
) -> Result<Option<EntryId>, StoreError> {
    let forked: Option<(i64, i64)> = conn
        .prepare_cached(
            "SELECT e.chain, (SELECT a.sequence FROM entries a WHERE a.chain = e.chain
                AND a.sequence <= e.sequence GROUP BY a.sequence HAVING count(*) > 1
                ORDER BY a.sequence LIMIT 1)
             FROM entries e WHERE e.entry = ?1
             AND EXISTS (SELECT 1 FROM evidence WHERE code = 'entry.fork')",
        )?
        .query_row([row], |row| {
            Ok(row.get::<_, Option<i64>>(1)?.zip(row.get(0)?))
        })
        .optional()?
        .flatten();
    let Some((first, chain)) = forked else {
        return Ok(None);
    };
    let mut id = entry.id();
    loop {
        let here: Option<(i64, bool, Vec<u8>)> = conn
            .prepare_cached(
                "SELECT sequence, EXISTS (SELECT 1 FROM numbering n WHERE n.entry = e.entry),
                    header FROM entries e WHERE id = ?1",
            )?
            .query_row([&id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((sequence, false, header)) = here else {
            return Ok(None);
        };
        // Who merely names the chain's signer takes no place in it.
        let other: Option<[u8; 32]> = conn
            .prepare_cached(
                "SELECT id FROM entries WHERE chain = ?1 AND sequence = ?2 AND id <> ?3
                 AND (state = 1 OR (state = 2 AND code NOT IN
                    ('keys.unknown', 'account.unbound', 'identity.wrong-signer')))
                 ORDER BY id LIMIT 1",
            )?
            .query_row(params![chain, sequence, &id.0], |row| row.get(0))
            .optional()?;
        if let Some(other) = other {
            // What was applied while it stood alone, with what follows it.
            conn.prepare_cached(
                "UPDATE entries SET state = 0
                 WHERE chain = ?1 AND sequence >= ?2 AND entry <> ?3 AND state = 1
                 AND NOT EXISTS (SELECT 1 FROM numbering n WHERE n.entry = entries.entry)",
            )?
            .execute(params![chain, sequence, row])?;
            return Ok(Some(EntryId(other)));
        }
        match stunity_proto::Header::decode(&header)?.previous {
            Some(previous) if sequence > first => id = previous,
            _ => return Ok(None),
        }
    }
}
