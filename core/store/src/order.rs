//! The relay's order as this device received it: numbering, cursors, receipts.
use rusqlite::{Connection, OptionalExtension, params};
use stunity_identity::Receipt;
use stunity_proto::receipt::{Leaf, merkle_path};
use stunity_proto::{Entry, EntryId, Hash, Lane, NodeId, Signature, SpaceId};
use stunity_sync::replica::FlushReceipt;
use stunity_sync::{Cursor, Position, Running, Target};

use crate::StoreError;
use crate::database::{int, uint};
use crate::entries::{self, EntryRow};

pub(crate) fn lane_key(lane: Option<Lane>) -> Vec<u8> {
    lane.map(|lane| lane.to_key()).unwrap_or_default()
}

fn lane_of_key(key: &[u8]) -> Result<Option<Lane>, StoreError> {
    if key.is_empty() {
        return Ok(None);
    }
    Ok(Some(Lane::from_key(key)?))
}

/// Keeps a flush's signature; gives its row.
pub(crate) fn save_flush(conn: &Connection, receipt: &FlushReceipt) -> Result<i64, StoreError> {
    let leaves: Vec<u8> = receipt.leaves.iter().flat_map(|leaf| leaf.0).collect();
    conn.prepare_cached(
        "INSERT INTO flushes (node, signature, leaves, relay_ms) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        &receipt.node.0,
        &receipt.signature.0,
        leaves,
        int(receipt.relay_ms)
    ])?;
    Ok(conn.last_insert_rowid())
}

/// Keeps where an entry stands. The first receipt for a place stays; another
/// entry at the same place is evidence against the relay.
pub(crate) fn save_position(
    conn: &Connection,
    row: EntryRow,
    id: &EntryId,
    position: &Position,
    flush: Option<i64>,
    leaf: Option<u32>,
) -> Result<(), StoreError> {
    let inserted = conn
        .prepare_cached(
            "INSERT INTO numbering
             (space, epoch, sequence, lane, entry, received_ms, flush, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            &position.space.0,
            int(position.epoch),
            int(position.sequence),
            position.lane.to_key(),
            row,
            int(position.received_ms),
            flush,
            leaf,
        ])?;
    if inserted == 0 {
        let held: [u8; 32] = conn
            .prepare_cached(
                "SELECT id FROM entries JOIN numbering USING (entry)
                 WHERE numbering.space = ?1 AND epoch = ?2 AND numbering.sequence = ?3",
            )?
            .query_row(
                params![
                    &position.space.0,
                    int(position.epoch),
                    int(position.sequence)
                ],
                |row| row.get(0),
            )?;
        if held != id.0 {
            entries::save_evidence(conn, "relay.equivocation", &held, &id.0)?;
        } else if flush.is_some() {
            // A parcel brought the place without a receipt; now there is one.
            conn.prepare_cached(
                "UPDATE numbering SET flush = ?4, leaf = ?5 WHERE flush IS NULL
                 AND space = ?1 AND epoch = ?2 AND sequence = ?3",
            )?
            .execute(params![
                &position.space.0,
                int(position.epoch),
                int(position.sequence),
                flush,
                leaf
            ])?;
        }
    }
    Ok(())
}

/// Where an entry stands, by the place that counts: the lowest (epoch,
/// sequence) in its own space, else in any.
pub(crate) fn position_of(
    conn: &Connection,
    row: EntryRow,
    own_space: SpaceId,
) -> Result<Option<Position>, StoreError> {
    Ok(places_of(conn, row, own_space)?.map(|(position, _)| position))
}

/// Where an entry stands as [`position_of`] says, and its number in the relay's
/// present order: after a restore that of the highest epoch, which all who hold the
/// entry know.
pub(crate) fn places_of(
    conn: &Connection,
    row: EntryRow,
    own_space: SpaceId,
) -> Result<Option<(Position, u64)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT space, lane, epoch, sequence, received_ms FROM numbering WHERE entry = ?1
         ORDER BY space <> ?2, epoch, sequence",
    )?;
    let mut rows = statement.query(params![row, &own_space.0])?;
    let mut found: Option<(Position, u64)> = None;
    while let Some(row) = rows.next()? {
        let position = Position {
            space: SpaceId(row.get(0)?),
            lane: Lane::from_key(&row.get::<_, Vec<u8>>(1)?)?,
            epoch: uint(row.get(2)?),
            sequence: uint(row.get(3)?),
            received_ms: uint(row.get(4)?),
        };
        match &mut found {
            Some((first, _)) if first.space != position.space => break,
            Some((_, now)) => *now = position.sequence,
            None => found = Some((position, position.sequence)),
        }
    }
    Ok(found)
}

/// Whether the relay numbered one of `removals` before an entry at `place`. Of two
/// that it has not numbered, a removal counts as first.
pub(crate) fn any_before(
    conn: &Connection,
    removals: &[EntryId],
    entry: &Entry,
    place: Option<&Position>,
) -> Result<bool, StoreError> {
    for id in removals.iter().filter(|id| **id != entry.id()) {
        let Some(found) = entries::find(conn, id)? else {
            continue;
        };
        let removal = position_of(conn, found.row, entry.header().space)?;
        let is_before = match (removal, place) {
            (Some(removal), Some(place)) => {
                (removal.epoch, removal.sequence) < (place.epoch, place.sequence)
            }
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if is_before {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The receipt for an entry, or none if the relay's order reached this device
/// without one.
pub(crate) fn load_receipt(conn: &Connection, id: &EntryId) -> Result<Option<Receipt>, StoreError> {
    let found = conn
        .prepare_cached(
            "SELECT n.space, n.lane, n.epoch, n.sequence, n.received_ms, n.leaf,
                    f.node, f.signature, f.leaves
             FROM entries e JOIN numbering n ON n.entry = e.entry JOIN flushes f USING (flush)
             WHERE e.id = ?1 AND n.leaf IS NOT NULL ORDER BY n.epoch, n.sequence LIMIT 1",
        )?
        .query_row([&id.0], |row| {
            Ok((
                Place {
                    space: row.get(0)?,
                    lane: row.get(1)?,
                    epoch: row.get(2)?,
                    sequence: row.get(3)?,
                    received_ms: row.get(4)?,
                },
                row.get::<_, u32>(5)?,
                row.get::<_, [u8; 16]>(6)?,
                row.get::<_, [u8; 64]>(7)?,
                row.get::<_, Vec<u8>>(8)?,
            ))
        })
        .optional()?;
    let Some((place, index, node, signature, leaves)) = found else {
        return crate::parcels::kept_receipt(conn, id);
    };
    let leaf = Leaf::Entry {
        space: SpaceId(place.space),
        lane: Lane::from_key(&place.lane)?,
        epoch: uint(place.epoch),
        sequence: uint(place.sequence),
        id: *id,
        received_ms: uint(place.received_ms),
    };
    let leaves: Vec<Hash> = leaves
        .chunks_exact(32)
        .map(|chunk| Hash::try_from(chunk).unwrap_or(Hash::ZERO))
        .collect();
    let path = merkle_path(&leaves, index as usize).ok_or(StoreError::Damaged("receipt"))?;
    if leaves[index as usize] != leaf.hash() {
        return Err(StoreError::Damaged("receipt"));
    }
    Ok(Some(Receipt {
        leaf,
        index: u64::from(index),
        count: leaves.len() as u64,
        path,
        node: NodeId(node),
        signature: Signature(signature),
    }))
}

struct Place {
    space: [u8; 16],
    lane: Vec<u8>,
    epoch: i64,
    sequence: i64,
    received_ms: i64,
}

/// The entry that the relay numbered so; after a restore of the relay the
/// higher epoch counts.
pub(crate) fn entry_at(
    conn: &Connection,
    space: SpaceId,
    sequence: u64,
) -> Result<Option<EntryId>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT e.id FROM numbering n JOIN entries e USING (entry)
             WHERE n.space = ?1 AND n.sequence = ?2 ORDER BY n.epoch DESC LIMIT 1",
        )?
        .query_row(params![&space.0, int(sequence)], |row| row.get(0))
        .optional()?
        .map(EntryId))
}

/// The entry that [`entry_at`] finds, whole.
pub(crate) fn load_at(
    conn: &Connection,
    space: SpaceId,
    sequence: u64,
) -> Result<Option<Entry>, StoreError> {
    conn.prepare_cached(
        "SELECT e.header, e.signature, e.body FROM numbering n JOIN entries e USING (entry)
         WHERE n.space = ?1 AND n.sequence = ?2 ORDER BY n.epoch DESC LIMIT 1",
    )?
    .query_row(params![&space.0, int(sequence)], entries::read)
    .optional()?
    .map(entries::assemble)
    .transpose()
}

/// The relay's number of an entry in a space.
pub(crate) fn sequence_of(
    conn: &Connection,
    space: SpaceId,
    id: &EntryId,
) -> Result<Option<u64>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT n.sequence FROM entries e JOIN numbering n USING (entry)
             WHERE e.id = ?2 AND n.space = ?1 ORDER BY n.epoch DESC LIMIT 1",
        )?
        .query_row(params![&space.0, &id.0], |row| row.get(0))
        .optional()?
        .map(uint))
}

type RunningRow = (i64, i64, [u8; 32]);

fn running((epoch, sequence, hash): RunningRow) -> Running {
    Running {
        epoch: uint(epoch),
        sequence: uint(sequence),
        hash: Hash(hash),
    }
}

pub(crate) fn load_cursors(conn: &Connection) -> Result<Vec<Cursor>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT space, lane, epoch, sequence, hash FROM cursors WHERE sequence > 0",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, [u8; 16]>(0)?,
            row.get::<_, Vec<u8>>(1)?,
            (row.get(2)?, row.get(3)?, row.get(4)?),
        ))
    })?;
    let mut cursors = Vec::new();
    for row in rows {
        let (space, lane, at) = row?;
        cursors.push(Cursor {
            target: Target {
                space: SpaceId(space),
                lane: lane_of_key(&lane)?,
            },
            at: running(at),
        });
    }
    cursors.sort_by_key(|cursor| cursor.target);
    Ok(cursors)
}

pub(crate) fn save_cursor(conn: &Connection, cursor: &Cursor) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO cursors (space, lane, epoch, sequence, hash)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        &cursor.target.space.0,
        lane_key(cursor.target.lane),
        int(cursor.at.epoch),
        int(cursor.at.sequence),
        &cursor.at.hash.0
    ])?;
    Ok(())
}

pub(crate) fn drop_cursor(conn: &Connection, target: &Target) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM cursors WHERE space = ?1 AND lane = ?2")?
        .execute(params![&target.space.0, lane_key(target.lane)])?;
    Ok(())
}
