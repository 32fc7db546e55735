//! Entries that came without their signature: what covers them, here or in the same
//! batch, and what wakes those that nothing covers yet.
use std::cmp::Reverse;
use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use stunity_identity::{Covers, sign_entry};
use stunity_proto::{Entry, EntryId, Signer};

use crate::entries::{self, EntryRow};
use crate::process::Work;
use crate::trust::Signed;
use crate::{Store, StoreError, database};

/// What such an entry waits for: the one that follows it, of which only this is known.
pub(crate) fn wanted(id: &EntryId) -> Vec<u8> {
    [WANTED, &id.0].concat()
}

const WANTED: &[u8] = b"cover of ";
/// The first name after all that begin so.
const AFTER_WANTED: &[u8] = b"cover of!";

/// What speaks for the entries of a batch.
pub(crate) fn of_batch(conn: &Connection, batch: &[Work]) -> Result<Covers, StoreError> {
    let mut covers = Covers::default();
    if batch.iter().all(|work| work.entry.is_signed()) {
        return Ok(covers);
    }
    let previous = |work: &Work| work.entry.header().previous;
    let followed: BTreeSet<EntryId> = batch.iter().filter_map(previous).collect();
    let mut works: Vec<&Work> = batch.iter().collect();
    works.sort_by_key(|work| Reverse(work.entry.header().sequence));
    for Work { row, entry, .. } in works {
        // Whatever follows it in the batch was noted.
        if !entry.is_signed() && !followed.contains(&entry.id()) {
            for next in following(conn, *row, entry)?.iter().rev() {
                covers.note(next);
            }
        }
        covers.note(entry);
    }
    Ok(covers)
}

/// The entries held that follow one in its chain, up to the first that is signed.
fn following(conn: &Connection, row: EntryRow, entry: &Entry) -> Result<Vec<Entry>, StoreError> {
    let mut run: Vec<Entry> = Vec::new();
    while run.last().is_none_or(|last| !last.is_signed()) {
        let Some((_, next)) = next(conn, row, run.last().unwrap_or(entry))? else {
            break;
        };
        run.push(next);
    }
    Ok(run)
}

/// The entry held that names this one, of the chain of `row`, as the one before it.
fn next(
    conn: &Connection,
    row: EntryRow,
    entry: &Entry,
) -> Result<Option<(EntryRow, Entry)>, StoreError> {
    let sequence = entry.header().sequence.saturating_add(1);
    // Several where the chain is forked.
    let rows = conn
        .prepare_cached(
            "SELECT entry FROM entries WHERE sequence = ?2
             AND chain = (SELECT chain FROM entries WHERE entry = ?1) ORDER BY entry",
        )?
        .query_map(params![row, database::int(sequence)], |row| row.get(0))?
        .collect::<Result<Vec<EntryRow>, _>>()?;
    for row in rows {
        let held = entries::load(conn, row)?;
        if held.header().previous == Some(entry.id()) {
            return Ok(Some((row, held)));
        }
    }
    Ok(None)
}

/// These entries, and after them those that cover them.
pub(crate) fn with_covers(
    conn: &Connection,
    rows: Vec<EntryRow>,
) -> Result<Vec<EntryRow>, StoreError> {
    let mut unsigned =
        conn.prepare_cached("SELECT signature = zeroblob(64) FROM entries WHERE entry = ?1")?;
    let mut chosen: BTreeSet<EntryRow> = rows.iter().copied().collect();
    let mut with = rows;
    let mut at = 0;
    while let Some(row) = with.get(at).copied() {
        at += 1;
        if !unsigned.query_row([row], |row| row.get(0))? {
            continue;
        }
        let cover = next(conn, row, &entries::load(conn, row)?)?;
        with.extend(cover.map(|(row, _)| row).filter(|row| chosen.insert(*row)));
    }
    Ok(with)
}

/// Entries without a signature that waited for these are judged again.
pub(crate) fn release(
    conn: &Connection,
    batch: &[Work],
    signed: &[Signed],
) -> Result<(), StoreError> {
    let waits: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM held WHERE wants > ?1 AND wants < ?2)")?
        .query_row(params![WANTED, AFTER_WANTED], |row| row.get(0))?;
    if !waits {
        return Ok(());
    }
    for (work, signed) in batch.iter().zip(signed) {
        if let (Signed::ByDevice | Signed::BeyondCutOff, Some(previous)) =
            (signed, work.entry.header().previous)
        {
            entries::release(conn, &wanted(&previous))?;
        }
    }
    Ok(())
}

impl Store {
    /// An own entry came back without its signature and is covered: this device signed
    /// it, and holds it as signed again, so that it can offer it to a restored relay.
    pub(crate) fn sign_again(&self, conn: &Connection, work: &Work) -> Result<(), StoreError> {
        let entry = &work.entry;
        let is_own = entry.header().signer == Signer::Device(self.owner.device);
        if !is_own || entry.is_signed() {
            return Ok(());
        }
        let signed = sign_entry(entry.header(), entry.body().clone(), &self.sign)?;
        entries::save_signature(conn, work.row, &signed.signature)
    }
}
