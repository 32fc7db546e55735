//! Erasure: operations are replaced by their hashes, and nothing of them stays
//! in rows, indices, snapshots, free pages or the WAL.
use rusqlite::{Connection, params};
use stunity_model::{Event, Roles};
use stunity_proto::{Entry, EntryId, Kind};

use crate::database::{int, uint};
use crate::entries::{self, Class, EntryRow};
use crate::process::{Touched, Work};
use crate::{Store, StoreError, blobs, documents, domain, fold};

impl Store {
    /// Notes what an erase event names and erases what is held of it.
    pub(crate) fn apply_erasure(
        &self,
        conn: &Connection,
        work: &Work,
        target: &EntryId,
        ops: &[u64],
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        for op in ops {
            conn.prepare_cached(
                "INSERT OR IGNORE INTO erasures (target, op, entry) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![&target.0, int(*op), work.row])?;
        }
        let Some(found) = entries::find(conn, target)? else {
            return Ok(());
        };
        let entry = entries::load(conn, found.row)?;
        if self.may_erase(conn, &work.entry, &entry)? {
            erase_ops(conn, found.row, entry, ops)?;
            touched.erased = true;
        }
        Ok(())
    }

    /// Who wrote something may erase it, and the staff of its course. Keys and
    /// membership are never erased: everything else is judged by them.
    fn may_erase(&self, conn: &Connection, by: &Entry, target: &Entry) -> Result<bool, StoreError> {
        let (by, of) = (by.header(), target.header());
        if by.space != of.space || Class::of(of) != Class::Content {
            return Ok(false);
        }
        if by.author == of.author {
            return Ok(true);
        }
        if !domain::is_of_course(target) {
            return Ok(false);
        }
        let mut facts = self.facts.borrow_mut();
        let roles = facts
            .course(conn, by.space)?
            .membership
            .roles_at(&by.heads.membership, by.author);
        Ok(roles.any(Roles::STAFF))
    }

    /// If an erasure of this entry came before it: the entry without what it
    /// names.
    pub(crate) fn erased_by_earlier(
        &self,
        conn: &Connection,
        work: &Work,
        touched: &mut Touched,
    ) -> Result<Option<Entry>, StoreError> {
        let rows = conn
            .prepare_cached(
                "SELECT x.op, x.entry FROM erasures x JOIN entries by ON by.entry = x.entry
                 WHERE x.target = ?1 AND by.state = 1",
            )?
            .query_map([&work.entry.id().0], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, EntryRow)>, _>>()?;
        let mut ops = Vec::new();
        for (op, by) in rows {
            if self.may_erase(conn, &entries::load(conn, by)?, &work.entry)? {
                ops.push(uint(op));
            }
        }
        if ops.is_empty() {
            return Ok(None);
        }
        touched.erased = true;
        erase_ops(conn, work.row, work.entry.clone(), &ops).map(Some)
    }

    /// Writes the WAL into the database and cuts it: erased bytes are in old
    /// frames until then.
    pub(crate) fn truncate_wal(&self) -> Result<(), StoreError> {
        // A deleted row's words stay in the index until its segments are merged.
        self.conn
            .execute_batch("INSERT INTO search (search) VALUES ('optimize')")?;
        self.conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Erases operations of a stored entry everywhere.
fn erase_ops(
    conn: &Connection,
    row: EntryRow,
    mut entry: Entry,
    ops: &[u64],
) -> Result<Entry, StoreError> {
    let indices: Vec<usize> = ops
        .iter()
        .filter_map(|op| usize::try_from(*op).ok())
        .filter(|index| entry.body().op(*index).is_some())
        .collect();
    for &index in &indices {
        let kind = entry.header().kinds[index];
        let op = entry.body().op(index).unwrap_or_default();
        match kind {
            Kind::Event(_) => {
                if let Ok(event) = Event::decode(op) {
                    fold::drop_event(conn, &entry.id(), index, &event)?;
                }
            }
            Kind::Change { .. } => documents::void_changes(conn, row, Some(index))?,
            Kind::Manifest => blobs::drop_uses(conn, row)?,
            Kind::Handshake => {}
        }
    }
    entry.erase(&indices);
    entries::save_body(conn, row, entry.body())?;
    drop_packs(conn, row)?;
    blobs::drop_unused(conn)?;
    Ok(entry)
}

/// Packs made of the entry before, and half downloads that may hold it.
fn drop_packs(conn: &Connection, row: EntryRow) -> Result<(), StoreError> {
    conn.prepare_cached(
        "DELETE FROM uploads WHERE upload IN
         (SELECT upload FROM upload_entries WHERE entry = ?1)",
    )?
    .execute([row])?;
    crate::transfer::drop_partials(conn)
}
