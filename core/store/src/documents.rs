//! Documents: their changes, the journal of what is being typed, and what is
//! computed of them. Decoding is `stunity-documents`'.
use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use stunity_documents::{ChangeHash, DocType, change_links, genesis_hash};
use stunity_proto::{DocId, Entry, Hash, Kind, Lane, SpaceId};

use crate::entries::EntryRow;
use crate::{StoreError, entries};

/// Where a document belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentPlace {
    /// The document.
    pub doc: DocId,
    /// Its type, see `stunity-documents`.
    pub doc_type: u16,
    /// The space.
    pub space: SpaceId,
    /// The lane.
    pub lane: Lane,
}

/// Where a change's bytes lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Entry(EntryRow, usize),
    Outbox(i64),
}

/// Notes a change; false if it was held before.
pub(crate) fn save_change(
    conn: &Connection,
    place: &DocumentPlace,
    hash: &Hash,
    source: Source,
) -> Result<bool, StoreError> {
    conn.prepare_cached(
        "INSERT INTO documents (doc, type, space, lane) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET stale = 1 WHERE stale = 0",
    )?
    .execute(params![
        &place.doc.0,
        place.doc_type,
        &place.space.0,
        place.lane.to_key()
    ])?;
    let (entry, position, op) = match source {
        Source::Entry(entry, position) => (Some(entry), Some(position as i64), None),
        Source::Outbox(op) => (None, None, Some(op)),
    };
    let inserted = conn
        .prepare_cached(
            "INSERT INTO changes (doc, hash, entry, position, op) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET entry = excluded.entry, position = excluded.position,
                op = excluded.op, void = 0
             WHERE void = 1 OR (entry IS NULL AND excluded.entry IS NOT NULL)",
        )?
        .execute(params![&place.doc.0, &hash.0, entry, position, op])?;
    Ok(inserted > 0)
}

/// The changes that those of an entry follow from and that are not held.
pub(crate) fn lacking(conn: &Connection, entry: &Entry) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut held = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM changes WHERE doc = ?1 AND hash = ?2 AND void = 0)",
    )?;
    let mut within = BTreeSet::new();
    let mut lacking = BTreeSet::new();
    for (kind, op) in entry.ops() {
        let (Kind::Change { doc, .. }, Some(op)) = (kind, op) else {
            continue;
        };
        let Some((hash, deps)) = change_links(op) else {
            continue;
        };
        for dep in deps {
            let known = within.contains(&(doc, dep))
                || is_genesis(&dep)
                || held.query_row(params![&doc.0, &dep.0], |row| row.get(0))?;
            if !known {
                lacking.insert(dep.0.to_vec());
            }
        }
        within.insert((doc, hash));
    }
    Ok(lacking.into_iter().collect())
}

fn is_genesis(hash: &ChangeHash) -> bool {
    DocType::ALL
        .into_iter()
        .any(|doc_type| genesis_hash(doc_type) == *hash)
}

/// The changes of the outbox that an entry now carries.
pub(crate) fn move_to_entry(
    conn: &Connection,
    op: i64,
    entry: EntryRow,
    position: usize,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE changes SET entry = ?2, position = ?3, op = NULL WHERE op = ?1")?
        .execute(params![op, entry, position as i64])?;
    Ok(())
}

/// Takes the changes of an entry out of their documents, all or one of them. What
/// others wrote after them is looked at again.
pub(crate) fn void_changes(
    conn: &Connection,
    entry: EntryRow,
    position: Option<usize>,
) -> Result<(), StoreError> {
    let position = position.map(|position| position as i64);
    conn.prepare_cached(
        "UPDATE documents SET stale = 1, snapshot = NULL, view = NULL WHERE doc IN
         (SELECT doc FROM changes WHERE entry = ?1 AND (?2 IS NULL OR position = ?2))",
    )?
    .execute(params![entry, position])?;
    let voided = conn
        .prepare_cached(
            "UPDATE changes SET void = 1 WHERE entry = ?1 AND (?2 IS NULL OR position = ?2)",
        )?
        .execute(params![entry, position])?;
    if voided > 0 {
        conn.prepare_cached(
            "UPDATE entries SET state = 0 WHERE state = 1 AND send IS NULL AND entry IN
             (SELECT o.entry FROM changes v JOIN changes o USING (doc)
              WHERE v.entry = ?1 AND o.entry <> ?1 AND o.void = 0)",
        )?
        .execute([entry])?;
    }
    Ok(())
}

/// Where a document belongs, if any change of it is held.
pub(crate) fn place_of(conn: &Connection, doc: DocId) -> Result<Option<DocumentPlace>, StoreError> {
    conn.prepare_cached("SELECT type, space, lane FROM documents WHERE doc = ?1")?
        .query_row([&doc.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?
        .map(|(doc_type, space, lane)| {
            Ok(DocumentPlace {
                doc,
                doc_type,
                space: SpaceId(space),
                lane: Lane::from_key(&lane)?,
            })
        })
        .transpose()
}

/// The bytes of all changes of a document that count, each once.
pub(crate) fn load_changes(conn: &Connection, doc: DocId) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut changes = Vec::new();
    let mut waiting = conn.prepare_cached(
        "SELECT o.bytes FROM changes c JOIN outbox o USING (op)
         WHERE c.doc = ?1 AND c.void = 0 AND c.entry IS NULL ORDER BY op",
    )?;
    let mut sealed = conn.prepare_cached(
        "SELECT entry, position FROM changes
         WHERE doc = ?1 AND void = 0 AND entry IS NOT NULL ORDER BY entry, position",
    )?;
    let rows = sealed
        .query_map([&doc.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?
        .collect::<Result<Vec<(EntryRow, i64)>, _>>()?;
    // Changes of one entry stand together: it is decoded once.
    let mut held: Option<(EntryRow, Entry)> = None;
    for (row, position) in rows {
        if held.as_ref().is_none_or(|(known, _)| *known != row) {
            held = Some((row, entries::load(conn, row)?));
        }
        let op = held
            .as_ref()
            .and_then(|(_, entry)| entry.body().op(usize::try_from(position).ok()?));
        changes.extend(op.map(<[u8]>::to_vec));
    }
    for bytes in waiting.query_map([&doc.0], |row| row.get(0))? {
        changes.push(bytes?);
    }
    Ok(changes)
}

/// What was computed of a document from all its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentCache {
    /// The document, saved.
    pub snapshot: Vec<u8>,
    /// What screens read.
    pub view: Vec<u8>,
}

pub(crate) fn load_cached(
    conn: &Connection,
    doc: DocId,
) -> Result<Option<DocumentCache>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT snapshot, view FROM documents WHERE doc = ?1 AND stale = 0
             AND snapshot IS NOT NULL AND view IS NOT NULL",
        )?
        .query_row([&doc.0], |row| {
            Ok(DocumentCache {
                snapshot: row.get(0)?,
                view: row.get(1)?,
            })
        })
        .optional()?)
}

pub(crate) fn save_cached(
    conn: &Connection,
    doc: DocId,
    snapshot: &[u8],
    view: &[u8],
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE documents SET snapshot = ?2, view = ?3, stale = 0 WHERE doc = ?1")?
        .execute(params![&doc.0, snapshot, view])?;
    Ok(())
}

/// The changes that a cached snapshot lacks are unknown, so a stale document is
/// read from all changes; dropping the caches frees their space.
pub(crate) fn drop_caches(conn: &Connection) -> Result<usize, StoreError> {
    Ok(conn.execute(
        "UPDATE documents SET snapshot = NULL, view = NULL, stale = 1 WHERE snapshot IS NOT NULL",
        [],
    )?)
}

/// Documents of a lane, without those whose every change was taken out.
pub(crate) fn list(
    conn: &Connection,
    space: SpaceId,
    lane: Option<Lane>,
) -> Result<Vec<DocumentPlace>, StoreError> {
    let key = lane.map(|lane| lane.to_key());
    let mut statement = conn.prepare_cached(
        "SELECT doc, type, lane FROM documents d WHERE space = ?1 AND (?2 IS NULL OR lane = ?2)
         AND EXISTS (SELECT 1 FROM changes c WHERE c.doc = d.doc AND c.void = 0)
         ORDER BY doc",
    )?;
    let rows = statement.query_map(params![&space.0, key], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    rows.map(|row| {
        let (doc, doc_type, lane) = row?;
        Ok(DocumentPlace {
            doc: DocId(doc),
            doc_type,
            space,
            lane: Lane::from_key(&lane)?,
        })
    })
    .collect()
}

/// The step of the last row of a journal; none if it is empty.
pub(crate) fn last_step(conn: &Connection, doc: DocId) -> Result<Option<i64>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT max(step) FROM journal WHERE doc = ?1")?
        .query_row([&doc.0], |row| row.get(0))?)
}

pub(crate) fn append_journal(
    conn: &Connection,
    doc: DocId,
    step: i64,
    row: &[u8],
) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO journal (doc, step, action) VALUES (?1, ?2, ?3)")?
        .execute(params![&doc.0, step, row])?;
    Ok(())
}

pub(crate) fn load_journal(conn: &Connection, doc: DocId) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT action FROM journal WHERE doc = ?1 ORDER BY step")?;
    let rows = statement.query_map([&doc.0], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn open_journals(conn: &Connection) -> Result<Vec<DocId>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT DISTINCT doc FROM journal ORDER BY doc")?;
    let rows = statement.query_map([], |row| Ok(DocId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn clear_journal(conn: &Connection, doc: DocId) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM journal WHERE doc = ?1")?
        .execute([&doc.0])?;
    Ok(())
}
