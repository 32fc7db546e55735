//! Erasure: operations are replaced by their hashes, and nothing of them stays
//! in rows, indices, snapshots, free pages or the WAL.
use rusqlite::{Connection, OptionalExtension, params};
use stunity_model::{Event, Roles, erasure};
use stunity_proto::blob::Manifest;
use stunity_proto::{BlobId, DocId, Entry, EntryId, Kind, Lane, SpaceId};

use crate::blobs;
use crate::database::{Durability, int, uint};
use crate::entries::{self, EntryRow};
use crate::process::{Touched, Work};
use crate::{Store, StoreError, documents, domain, fold, meta};

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
        if self.has_effect(conn, &work.entry, &entry)? {
            erase_ops(conn, found.row, entry, ops)?;
            touched.erased = true;
        }
        Ok(())
    }

    fn has_effect(
        &self,
        conn: &Connection,
        by: &Entry,
        target: &Entry,
    ) -> Result<bool, StoreError> {
        let (by, of) = (by.header(), target.header());
        if by.author == of.author || !domain::is_of_members(target) || by.space != of.space {
            return Ok(erasure::has_effect(by, of, Roles::default()));
        }
        let mut facts = self.facts.borrow_mut();
        let roles = facts
            .course(conn, by.space)?
            .membership
            .roles_at(&by.heads.membership, by.author);
        Ok(erasure::has_effect(by, of, roles))
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
            if self.has_effect(conn, &entries::load(conn, by)?, &work.entry)? {
                ops.push(uint(op));
            }
        }
        if ops.is_empty() {
            return Ok(None);
        }
        touched.erased = true;
        erase_ops(conn, work.row, work.entry.clone(), &ops).map(Some)
    }

    /// Writes the database anew, and the WAL into it, and cuts that: erased bytes are in
    /// old pages and frames until then. Done again when the database is opened, if it was not
    /// finished.
    pub(crate) fn finish_erasure(&self) -> Result<(), StoreError> {
        if meta::load::<i64>(&self.conn, meta::ERASED)?.is_none() {
            return Ok(());
        }
        self.write_one(Durability::Sealed, |conn| {
            // A deleted row's words stay in the index until its segments are merged.
            conn.execute_batch("INSERT INTO search (search) VALUES ('optimize')")?;
            // Where rows have moved between pages, SQLite leaves copies of them in what
            // is then free of a page, for all that it deletes securely: every page is
            // written anew.
            Ok(conn.execute_batch("VACUUM")?)
        })?;
        self.empty_wal(|conn| meta::drop(conn, meta::ERASED))
    }

    /// Where something that was said stands: a submission by its entry, a comment
    /// or post by its id.
    ///
    /// # Errors
    /// A database error.
    pub fn erasable(&self, what: &[u8]) -> Result<Vec<ErasableOps>, StoreError> {
        let sql = match what.len() {
            32 => {
                "SELECT entry, op FROM p_submission WHERE entry = ?1
                 UNION SELECT entry, op FROM p_quiz_step WHERE entry = ?1 ORDER BY entry, op"
            }
            _ => {
                "SELECT entry, op FROM p_comment WHERE comment = ?1
                 UNION SELECT entry, op FROM p_post WHERE post = ?1 ORDER BY entry, op"
            }
        };
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement
            .query_map([what], |row| Ok((EntryId(row.get(0)?), row.get(1)?)))?
            .collect::<Result<Vec<(EntryId, i64)>, _>>()?;
        self.group(rows)
    }

    /// Where a file is mentioned.
    ///
    /// # Errors
    /// A database error.
    pub fn erasable_blob(&self, blob: BlobId) -> Result<Vec<ErasableOps>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT entry FROM blob_uses WHERE blob = ?1 ORDER BY entry")?;
        let entries = statement
            .query_map([&blob.0], |row| row.get(0))?
            .collect::<Result<Vec<EntryRow>, _>>()?;
        let mut rows = Vec::new();
        for row in entries {
            let entry = entries::load(&self.conn, row)?;
            let places = manifests(&entry).filter(|(_, manifest)| manifest.blob == blob);
            rows.extend(places.map(|(place, _)| (entry.id(), place as i64)));
        }
        self.group(rows)
    }

    /// Where the changes of a document stand.
    ///
    /// # Errors
    /// A database error.
    pub fn erasable_document(&self, doc: DocId) -> Result<Vec<ErasableOps>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.id, c.position FROM changes c JOIN entries e USING (entry)
             WHERE c.doc = ?1 AND c.void = 0 ORDER BY e.entry, c.position",
        )?;
        let rows = statement
            .query_map([&doc.0], |row| Ok((EntryId(row.get(0)?), row.get(1)?)))?
            .collect::<Result<Vec<(EntryId, i64)>, _>>()?;
        self.group(rows)
    }

    /// The document that goes on in place of one whose past was erased.
    ///
    /// # Errors
    /// A database error.
    pub fn successor(&self, doc: DocId) -> Result<Option<DocId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT successor FROM p_successor WHERE document = ?1
                 ORDER BY sequence IS NULL DESC, sequence DESC, entry DESC, op DESC LIMIT 1",
            )?
            .query_row([&doc.0], |row| row.get(0).map(DocId))
            .optional()?)
    }

    /// Operations by their entries, which must be sealed.
    fn group(&self, rows: Vec<(EntryId, i64)>) -> Result<Vec<ErasableOps>, StoreError> {
        let mut out: Vec<ErasableOps> = Vec::new();
        for (id, op) in rows {
            match out.last_mut() {
                Some(last) if last.entry == id => last.ops.push(uint(op)),
                _ => {
                    let Some(entry) = entries::load_by_id(&self.conn, &id)? else {
                        continue;
                    };
                    out.push(ErasableOps {
                        space: entry.header().space,
                        lane: entry.header().lane,
                        entry: id,
                        ops: vec![uint(op)],
                    });
                }
            }
        }
        Ok(out)
    }
}

/// Operations of one entry that an erasure names, and where it must be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasableOps {
    /// The space.
    pub space: SpaceId,
    /// The lane.
    pub lane: Lane,
    /// The entry.
    pub entry: EntryId,
    /// Its operations.
    pub ops: Vec<u64>,
}

fn manifests(entry: &Entry) -> impl Iterator<Item = (usize, Manifest)> {
    let ops = entry.ops().enumerate();
    ops.filter_map(|(place, (kind, op))| match (kind, op) {
        (Kind::Manifest, Some(op)) => Some((place, Manifest::decode(op).ok()?)),
        _ => None,
    })
}

/// Erases operations of a stored entry everywhere.
fn erase_ops(
    conn: &Connection,
    row: EntryRow,
    mut entry: Entry,
    ops: &[u64],
) -> Result<Entry, StoreError> {
    let before = entry.clone();
    for place in erasure::erase(&mut entry, ops) {
        let op = before.body().op(place).unwrap_or_default();
        match before.header().kinds[place] {
            Kind::Event(_) => {
                if let Ok(event) = Event::decode(op) {
                    fold::drop_event(conn, &entry.id(), place, &event)?;
                }
            }
            Kind::Change { .. } => documents::void_changes(conn, row, Some(place))?,
            Kind::Manifest => {
                if let Ok(manifest) = Manifest::decode(op)
                    && !manifests(&entry).any(|(_, left)| left.blob == manifest.blob)
                {
                    blobs::drop_use(conn, &manifest.blob, row)?;
                }
            }
            Kind::Handshake => {}
        }
    }
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
