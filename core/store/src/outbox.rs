//! Sealed late: what the user did waits as operations, until a carrier is
//! ready for entries.
use rusqlite::{Connection, params};
use stunity_model::erasure::is_authority;
use stunity_model::events::Submit;
use stunity_model::judge::begins;
use stunity_proto::{DocId, EntryId, Kind, Lane, ObjectId, SpaceId, limits};

use crate::database::int;
use crate::{StoreError, documents, fold};

/// One operation that waits to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOp {
    /// The space.
    pub space: SpaceId,
    /// The lane.
    pub lane: Lane,
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is about, for [`crate::Store::item_status`]: a submission, a
    /// grade, a document.
    pub object: Option<ObjectId>,
}

/// An own item, from the moment it is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub i64);

/// A row of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct QueuedOp {
    pub op: i64,
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

/// The order in which lanes are sealed and sent: membership, grades, messages,
/// documents, blobs.
fn priority(kind: Kind) -> i64 {
    match kind {
        Kind::Event(code) if code <= stunity_identity::MAX_ACCOUNT_EVENT => 0,
        Kind::Event(code) if is_authority(code) => 1,
        Kind::Event(_) => 2,
        Kind::Handshake => 3,
        Kind::Change { .. } => 4,
        Kind::Manifest => 5,
    }
}

fn kind_columns(kind: Kind) -> (i64, u16, Option<[u8; 16]>) {
    match kind {
        Kind::Change { doc_type, doc } => (0, doc_type, Some(doc.0)),
        Kind::Event(code) => (1, code, None),
        Kind::Manifest => (2, 0, None),
        Kind::Handshake => (3, 0, None),
    }
}

fn kind_of_columns(kind: i64, code: u16, doc: Option<[u8; 16]>) -> Result<Kind, StoreError> {
    Ok(match (kind, doc) {
        (0, Some(doc)) => Kind::Change {
            doc_type: code,
            doc: DocId(doc),
        },
        (1, None) => Kind::Event(code),
        (2, None) => Kind::Manifest,
        (3, None) => Kind::Handshake,
        _ => return Err(StoreError::Damaged("kind of an operation")),
    })
}

fn insert_op(conn: &Connection, op: &PendingOp) -> Result<i64, StoreError> {
    // What one entry could never carry is refused here, while the user can act.
    if op.bytes.len() > limits::MAX_SINGLE_OP_BODY - BODY_OVERHEAD {
        return Err(StoreError::TooLarge("operation"));
    }
    let (kind, code, doc) = kind_columns(op.kind);
    conn.prepare_cached(
        "INSERT INTO outbox (space, lane, kind, type, doc, bytes, priority)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        &op.space.0,
        op.lane.to_key(),
        kind,
        code,
        doc,
        op.bytes,
        priority(op.kind)
    ])?;
    Ok(conn.last_insert_rowid())
}

/// What a body needs besides its operations: arrays, salt, length heads.
pub(crate) const BODY_OVERHEAD: usize = 64;

/// Queues an operation; the caller's transaction holds its provisional rows.
/// Gives the item and the outbox row.
pub(crate) fn enqueue(
    conn: &Connection,
    op: &PendingOp,
    now_ms: u64,
) -> Result<(ItemId, i64), StoreError> {
    let row = insert_op(conn, op)?;
    let (kind, code, doc) = kind_columns(op.kind);
    conn.prepare_cached(
        "INSERT INTO items (object, space, lane, kind, type, queued_ms, op)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        op.object.map(|object| object.0).or(doc),
        &op.space.0,
        op.lane.to_key(),
        kind,
        code,
        int(now_ms),
        row
    ])?;
    Ok((ItemId(conn.last_insert_rowid()), row))
}

/// Queues an operation of an entry again; its item follows it. Gives the outbox
/// row.
pub(crate) fn requeue(
    conn: &Connection,
    op: &PendingOp,
    entry: i64,
    position: usize,
) -> Result<i64, StoreError> {
    let row = insert_op(conn, op)?;
    conn.prepare_cached(
        "UPDATE items SET op = ?3, entry = NULL, position = NULL
         WHERE entry = ?1 AND position = ?2",
    )?
    .execute(params![entry, position as i64, row])?;
    Ok(row)
}

/// Everything that waits.
pub(crate) fn load_all(conn: &Connection) -> Result<Vec<(i64, PendingOp)>, StoreError> {
    let mut statement = conn
        .prepare_cached("SELECT op, space, lane, kind, type, doc, bytes FROM outbox ORDER BY op")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let op = PendingOp {
            space: SpaceId(row.get(1)?),
            lane: Lane::from_key(&row.get::<_, Vec<u8>>(2)?)?,
            kind: kind_of_columns(row.get(3)?, row.get(4)?, row.get(5)?)?,
            bytes: row.get(6)?,
            object: None,
        };
        all.push((row.get(0)?, op));
    }
    Ok(all)
}

/// Lanes with something to seal, the most urgent first.
pub(crate) fn dirty_lanes(conn: &Connection) -> Result<Vec<(SpaceId, Lane)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT space, lane FROM outbox GROUP BY space, lane ORDER BY min(priority), min(op)",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    rows.map(|row| {
        let (space, lane) = row?;
        Ok((SpaceId(space), Lane::from_key(&lane)?))
    })
    .collect()
}

/// The operations for the next entry of a lane: as many as an entry holds.
pub(crate) fn take_batch(
    conn: &Connection,
    space: SpaceId,
    lane: Lane,
) -> Result<Vec<QueuedOp>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT op, kind, type, doc, bytes FROM outbox WHERE space = ?1 AND lane = ?2
         ORDER BY op LIMIT ?3",
    )?;
    let mut rows = statement.query(params![&space.0, lane.to_key(), limits::MAX_OPS as i64])?;
    let mut batch = Vec::new();
    let mut length = BODY_OVERHEAD;
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(4)?;
        // Five bytes: the longest head of a byte string below 4 GiB.
        length += bytes.len() + 5;
        if length > limits::MAX_BODY && !batch.is_empty() {
            break;
        }
        let kind = kind_of_columns(row.get(1)?, row.get(2)?, row.get(3)?)?;
        if needs_own_entry(&batch, kind) {
            break;
        }
        batch.push(QueuedOp {
            op: row.get(0)?,
            kind,
            bytes,
        });
    }
    Ok(batch)
}

/// Roles are judged at the heads that an entry cites, so what follows from a
/// membership statement cannot stand in its entry; a genesis speaks for all of
/// its own. A submission is known by its entry, to who grades or erases it: there is
/// one in each. Others hold an entry until they have all that its changes follow from:
/// what is stated waits for no document.
fn needs_own_entry(batch: &[QueuedOp], next: Kind) -> bool {
    let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
        return false;
    };
    let submission = Kind::Event(Submit::CODE);
    if next == submission && batch.iter().any(|queued| queued.kind == submission) {
        return true;
    }
    let is_change = |kind| matches!(kind, Kind::Change { .. });
    if is_change(last.kind) != is_change(next) {
        return true;
    }
    // A beginning stands first.
    if begins(next) {
        return true;
    }
    let genesis = begins(first.kind);
    let membership = |kind| matches!(kind, Kind::Event(code) if is_authority(code));
    !genesis && membership(last.kind) != membership(next)
}

/// Operations that left the outbox for an entry.
pub(crate) fn mark_sealed(
    conn: &Connection,
    batch: &[QueuedOp],
    entry: i64,
    id: &EntryId,
) -> Result<(), StoreError> {
    let mut item =
        conn.prepare_cached("UPDATE items SET op = NULL, entry = ?2, position = ?3 WHERE op = ?1")?;
    let mut delete = conn.prepare_cached("DELETE FROM outbox WHERE op = ?1")?;
    for (position, queued) in batch.iter().enumerate() {
        item.execute(params![queued.op, entry, position as i64])?;
        documents::move_to_entry(conn, queued.op, entry, position)?;
        fold::settle_provisional(conn, queued.op, queued.kind, &queued.bytes, (id, position))?;
        delete.execute([queued.op])?;
    }
    Ok(())
}
