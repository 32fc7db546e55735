//! Looking after the database: checking it, building replica and projections
//! again, making room.
use stunity_model::rows::FOLD_VERSION;

use crate::database::Durability;
use crate::{Store, StoreError, blobs, documents, fold, meta, transfer};

/// Something that `doctor` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable code.
    pub code: &'static str,
    /// How many.
    pub count: u64,
}

/// What a repair made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadeAgain {
    /// Entries whose rows stand in projections.
    pub entries: u64,
    /// Texts that can be found.
    pub texts: u64,
    /// Documents whose caches are made again when they are opened.
    pub documents: u64,
}

/// What making room freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Bytes of file chunks that can be fetched again.
    pub chunk_bytes: u64,
    /// Documents whose caches were dropped.
    pub documents: u64,
}

/// What is counted, with its code.
const CHECKS: &[(&str, &str)] = &[
    (
        "entries.held",
        "SELECT count(*) FROM entries WHERE state = 2",
    ),
    (
        "entries.rejected",
        "SELECT count(*) FROM entries WHERE state = 3 AND send IS NULL",
    ),
    (
        "entries.quarantined",
        "SELECT count(*) FROM entries WHERE state = 4",
    ),
    (
        "entries.refused",
        "SELECT count(*) FROM entries WHERE send = 3",
    ),
    (
        "entry.fork",
        "SELECT count(*) FROM evidence WHERE code = 'entry.fork'",
    ),
    (
        "relay.equivocation",
        "SELECT count(*) FROM evidence WHERE code = 'relay.equivocation'",
    ),
    (
        "chains.head",
        "SELECT count(*) FROM chains c WHERE head_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.id = c.head_id)",
    ),
    (
        "items.lost",
        "SELECT count(*) FROM items WHERE op IS NULL AND entry IS NULL",
    ),
];

impl Store {
    /// Checks the database file and what it holds; empty if all is well. The
    /// codes beginning with `database.` mean damage.
    ///
    /// # Errors
    /// A database error.
    pub fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        let answers = self
            .conn
            .prepare("PRAGMA integrity_check(10)")?
            .query_map([], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let damaged = answers.iter().filter(|answer| *answer != "ok").count();
        let broken = self
            .conn
            .prepare("PRAGMA foreign_key_check")?
            .query_map([], |_| Ok(()))?
            .count();
        let mut note = |code, count| {
            if count > 0 {
                findings.push(Finding { code, count });
            }
        };
        note("database.integrity", damaged as u64);
        note("database.references", broken as u64);
        for (code, sql) in CHECKS {
            let count: i64 = self.conn.query_row(sql, [], |row| row.get(0))?;
            note(code, crate::database::uint(count));
        }
        Ok(findings)
    }

    /// Forgets everything that a relay can send again: cursors and entries of
    /// others. Own work, keys, drafts and the outbox stay.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`]: then nothing changed.
    pub fn resync(&mut self) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| {
            conn.execute_batch(
                "DELETE FROM cursors;
                 DELETE FROM partials;
                 DELETE FROM entries WHERE send IS NULL;
                 DELETE FROM changes WHERE entry IS NULL AND op IS NULL;
                 DELETE FROM evidence;
                 DELETE FROM roots WHERE rank > 1;
                 DELETE FROM held;
                 DELETE FROM documents WHERE doc NOT IN (SELECT doc FROM changes)
                    AND doc NOT IN (SELECT doc FROM journal);
                 UPDATE documents SET snapshot = NULL, view = NULL, stale = 1;",
            )?;
            refold(conn)?;
            self.restore_provisional(conn)
        })?;
        self.logs.borrow_mut().clear();
        self.facts.borrow_mut().clear();
        self.process().map(|_| ())
    }

    /// Builds projections and search again from the entries held.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`]: then they are as before.
    pub fn refold(&mut self) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| {
            refold(conn)?;
            self.restore_provisional(conn)
        })?;
        self.facts.borrow_mut().clear();
        self.process().map(|_| ())
    }

    /// Makes again what follows from the entries held: indexes, projections, search,
    /// caches of documents. Entries, keys and what waits to be sent stay as they are.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`]: then all is as before.
    pub fn repair(&mut self) -> Result<MadeAgain, StoreError> {
        let documents = self.write(Durability::Sealed, |conn| {
            conn.execute_batch("REINDEX")?;
            documents::drop_caches(conn)
        })?;
        self.refold()?;
        let count = |sql: &str| -> Result<u64, StoreError> {
            let count: i64 = self.conn.query_row(sql, [], |row| row.get(0))?;
            Ok(crate::database::uint(count))
        };
        Ok(MadeAgain {
            entries: count("SELECT count(*) FROM entries WHERE folded = 1")?,
            texts: count("SELECT count(*) FROM findable")?,
            documents: documents as u64,
        })
    }

    /// After an update that folds or indexes otherwise than before.
    pub(crate) fn refold_if_older(&mut self) -> Result<(), StoreError> {
        let version: i64 = meta::load(&self.conn, meta::FOLD_VERSION)?.unwrap_or(0);
        if version != fold_version() {
            self.refold()?;
        }
        Ok(())
    }

    /// Caps the database file, for a device that shares its space among several
    /// accounts; none lifts the cap. What does not fit gives
    /// [`StoreError::NoSpace`], as on a full disk.
    ///
    /// # Errors
    /// A database error.
    pub fn set_quota(&mut self, bytes: Option<u64>) -> Result<(), StoreError> {
        let page: i64 = self
            .conn
            .query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let pages = bytes.map_or(i64::from(u32::MAX - 1), |bytes| {
            (crate::database::int(bytes) / page).max(1)
        });
        self.conn
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Bytes that the database has allocated, free pages included.
    ///
    /// # Errors
    /// A database error.
    pub fn allocated(&self) -> Result<u64, StoreError> {
        let pages: i64 = self
            .conn
            .query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let size: i64 = self
            .conn
            .query_row("PRAGMA page_size", [], |row| row.get(0))?;
        Ok(crate::database::uint(pages * size))
    }

    /// Makes room by dropping what can be fetched or computed again: chunks of
    /// files, caches of documents, half downloads. Own work is never touched.
    ///
    /// # Errors
    /// A database error.
    pub fn evict(&mut self, bytes: u64) -> Result<Evicted, StoreError> {
        let evicted = self.write(Durability::Draft, |conn| {
            let chunk_bytes = blobs::evict(conn, bytes)?;
            let mut evicted = Evicted {
                chunk_bytes,
                documents: 0,
            };
            if chunk_bytes < bytes {
                evicted.documents = documents::drop_caches(conn)? as u64;
                transfer::drop_partials(conn)?;
                conn.execute("DELETE FROM chunk_slices", [])?;
            }
            Ok(evicted)
        })?;
        Ok(evicted)
    }
}

/// The versions of rows and of search keys in one number.
pub(crate) fn fold_version() -> i64 {
    i64::from(FOLD_VERSION) << 32 | i64::from(stunity_text::INDEX_VERSION)
}

fn refold(conn: &rusqlite::Connection) -> Result<(), StoreError> {
    fold::drop_projections(conn)?;
    fold::create_projections(conn)?;
    // Of account logs nothing is folded; they stay as they are.
    conn.execute(
        "UPDATE entries SET state = 0, folded = 0 WHERE class > 0 AND state IN (1, 2)",
        [],
    )?;
    meta::save(conn, meta::FOLD_VERSION, fold_version())
}
