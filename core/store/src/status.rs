//! What shells show: the state of own items, what waits, what was refused, what
//! it costs.
use rusqlite::{Connection, OptionalExtension, Row, params};
use stunity_proto::{Body, Entry, EntryId, Lane, ObjectId, SpaceId};

use crate::database::{Durability, uint};
use crate::entries::{self, Sent};
use crate::outbox::ItemId;
use crate::{Store, StoreError, files, meta, process};

/// How far an own item came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// On this phone, in the outbox or sealed.
    Queued,
    /// On its way.
    Sending {
        /// Of its pack, 0–99.
        percent: u8,
    },
    /// In a parcel that was made for a relay; whether it got there is not known.
    Carried,
    /// The relay has it.
    Received {
        /// The relay's time, milliseconds since 1970.
        received_ms: u64,
    },
    /// The relay has it, but staff must accept it first.
    Pending {
        /// Why, as a stable code.
        code: String,
    },
    /// A submission was graded and the grade released.
    Graded {
        /// When the release was received, if a receipt says so.
        released_ms: Option<u64>,
    },
    /// Needs attention: refused by the relay, kept here.
    Refused {
        /// Why, as a stable code.
        code: String,
    },
}

/// An own item with its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The item.
    pub item: ItemId,
    /// What it is about, if it has an id.
    pub object: Option<ObjectId>,
    /// Where.
    pub space: SpaceId,
    /// The lane.
    pub lane: Lane,
    /// The event type, or none for a document change or file.
    pub event: Option<u16>,
    /// When it was queued, by this device's clock.
    pub queued_ms: u64,
    /// The entry that carries it, once sealed.
    pub entry: Option<EntryId>,
    /// How far it came.
    pub state: ItemState,
}

/// When a relay time came, by the clock of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAnchor {
    /// The relay time, milliseconds since 1970.
    pub relay_ms: u64,
    /// The boot.
    pub boot: u32,
    /// Milliseconds since that boot when it came.
    pub monotonic_ms: u64,
}

/// What has not reached the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Items that no relay has yet.
    pub waiting: u64,
    /// Items that were refused and are kept.
    pub refused: u64,
}

/// A refused entry: kept, explained, exportable.
#[derive(Clone, Debug)]
pub struct RefusedEntry {
    /// The entry with its content.
    pub entry: Entry,
    /// Why, as a stable code.
    pub code: String,
    /// The relay's signed tombstone.
    pub tombstone: Vec<u8>,
}

/// What a space takes on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataUse {
    /// The space.
    pub space: SpaceId,
    /// Entries held.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of files mentioned there and held.
    pub blob_bytes: u64,
}

const ITEM: &str = "SELECT i.item, i.object, i.space, i.lane, i.kind, i.type, i.queued_ms,
    e.id, e.send, e.code, u.acknowledged, length(u.bytes), u.begun, e.entry, i.entry
    FROM items i LEFT JOIN entries e ON e.entry = i.entry
    LEFT JOIN upload_entries ue ON ue.entry = i.entry LEFT JOIN uploads u ON u.upload = ue.upload";

struct Raw {
    item: i64,
    object: Option<Vec<u8>>,
    space: [u8; 16],
    lane: Vec<u8>,
    kind: i64,
    event: u16,
    queued_ms: i64,
    entry: Option<[u8; 32]>,
    sent: Option<i64>,
    code: Option<String>,
    acknowledged: Option<i64>,
    length: Option<i64>,
    begun: Option<bool>,
    row: Option<i64>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        item: row.get(0)?,
        object: row.get(1)?,
        space: row.get(2)?,
        lane: row.get(3)?,
        kind: row.get(4)?,
        event: row.get(5)?,
        queued_ms: row.get(6)?,
        entry: row.get(7)?,
        sent: row.get(8)?,
        code: row.get(9)?,
        acknowledged: row.get(10)?,
        length: row.get(11)?,
        begun: row.get(12)?,
        row: row.get(13)?,
    })
}

fn state_of(conn: &Connection, raw: &Raw) -> Result<ItemState, StoreError> {
    let code = || raw.code.clone().unwrap_or_default();
    Ok(match raw.sent.map(Sent::from_code) {
        None | Some(Sent::Rewritten) => ItemState::Queued,
        Some(Sent::Unacknowledged) => match (raw.begun, raw.acknowledged, raw.length) {
            // A relay's word is never the whole of a pack: that is its results.
            (Some(true), Some(done), Some(length)) if done == length => ItemState::Carried,
            (Some(true), Some(done), Some(length)) if length > 0 => ItemState::Sending {
                percent: u8::try_from(done * 100 / length).unwrap_or(99).min(99),
            },
            _ => ItemState::Queued,
        },
        Some(Sent::Pending) => ItemState::Pending { code: code() },
        Some(Sent::Refused) => ItemState::Refused { code: code() },
        Some(Sent::Accepted) => accepted_state(conn, raw)?,
    })
}

fn accepted_state(conn: &Connection, raw: &Raw) -> Result<ItemState, StoreError> {
    let released: Option<Option<i64>> = conn
        .prepare_cached(
            "SELECT received_ms FROM p_release WHERE space = ?1 AND attempt = ?2 LIMIT 1",
        )?
        .query_row(params![&raw.space, raw.entry], |row| row.get(0))
        .optional()?;
    if let Some(released) = released {
        return Ok(ItemState::Graded {
            released_ms: released.map(uint),
        });
    }
    let received: Option<i64> = conn
        .prepare_cached("SELECT min(received_ms) FROM numbering WHERE entry = ?1")?
        .query_row([raw.row], |row| row.get(0))?;
    Ok(ItemState::Received {
        received_ms: received.map_or(0, uint),
    })
}

fn finish(conn: &Connection, raw: Raw) -> Result<Item, StoreError> {
    Ok(Item {
        state: state_of(conn, &raw)?,
        item: ItemId(raw.item),
        object: raw
            .object
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
            .map(ObjectId),
        space: SpaceId(raw.space),
        lane: Lane::from_key(&raw.lane)?,
        event: (raw.kind == 1).then_some(raw.event),
        queued_ms: uint(raw.queued_ms),
        entry: raw.entry.map(EntryId),
    })
}

impl Store {
    /// How far an own item came; none if it is not known.
    ///
    /// # Errors
    /// A database error.
    pub fn item_status(&self, item: ItemId) -> Result<Option<Item>, StoreError> {
        self.conn
            .prepare_cached(&format!("{ITEM} WHERE i.item = ?1"))?
            .query_row([item.0], read)
            .optional()?
            .map(|raw| finish(&self.conn, raw))
            .transpose()
    }

    /// The own items about an object (a submission's assignment, a grade, a
    /// document), the newest first.
    ///
    /// # Errors
    /// A database error.
    pub fn items_about(&self, object: ObjectId) -> Result<Vec<Item>, StoreError> {
        let raw = self
            .conn
            .prepare_cached(&format!("{ITEM} WHERE i.object = ?1 ORDER BY i.item DESC"))?
            .query_map([&object.0], read)?
            .collect::<Result<Vec<_>, _>>()?;
        raw.into_iter().map(|raw| finish(&self.conn, raw)).collect()
    }

    /// The newest own items.
    ///
    /// # Errors
    /// A database error.
    pub fn items(&self, limit: usize) -> Result<Vec<Item>, StoreError> {
        let raw = self
            .conn
            .prepare_cached(&format!("{ITEM} ORDER BY i.item DESC LIMIT ?1"))?
            .query_map([limit as i64], read)?
            .collect::<Result<Vec<_>, _>>()?;
        raw.into_iter().map(|raw| finish(&self.conn, raw)).collect()
    }

    /// "3 items not yet sent".
    ///
    /// # Errors
    /// A database error.
    pub fn unsent(&self) -> Result<Unsent, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT (SELECT count(*) FROM outbox)
                      + (SELECT count(*) FROM entries JOIN items USING (entry) WHERE send = 0),
                        (SELECT count(*) FROM entries JOIN items USING (entry) WHERE send = 3)",
            )?
            .query_row([], |row| {
                Ok(Unsent {
                    waiting: uint(row.get(0)?),
                    refused: uint(row.get(1)?),
                })
            })?)
    }

    /// Refused entries with their content, the newest first.
    ///
    /// # Errors
    /// A database error.
    pub fn refused(&self) -> Result<Vec<RefusedEntry>, StoreError> {
        let rows = self
            .conn
            .prepare_cached(
                "SELECT header, signature, body, code, tombstone FROM entries
                 WHERE send = 3 ORDER BY entry DESC",
            )?
            .query_map([], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                    row.get::<_, Option<String>>(3)?,
                    row.get::<_, Option<Vec<u8>>>(4)?,
                ))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        rows.into_iter()
            .map(|(header, signature, body, code, tombstone)| {
                Ok(RefusedEntry {
                    entry: Entry::from_parts(
                        header,
                        stunity_proto::Signature(signature),
                        Body::decode(&body)?,
                    )?,
                    code: code.unwrap_or_default(),
                    tombstone: tombstone.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// An entry as held, for export and for carrying to others.
    ///
    /// # Errors
    /// A database error.
    pub fn entry(&self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        entries::load_by_id(&self.conn, &id)
    }

    /// The portable receipt of an entry; none if no relay's reached this device.
    ///
    /// # Errors
    /// A database error.
    pub fn receipt(&self, id: EntryId) -> Result<Option<stunity_identity::Receipt>, StoreError> {
        crate::order::load_receipt(&self.conn, &id)
    }

    /// When the last relay time came, as far as [`Store::save_clock_anchor`] says.
    ///
    /// # Errors
    /// A database error.
    pub fn clock_anchor(&self) -> Result<Option<ClockAnchor>, StoreError> {
        let Some(bytes) = meta::load::<Vec<u8>>(&self.conn, meta::CLOCK_ANCHOR)? else {
            return Ok(None);
        };
        let bytes: [u8; 20] = bytes
            .try_into()
            .map_err(|_| StoreError::Damaged("clock anchor"))?;
        let number = |at: usize| {
            let mut out = [0; 8];
            out.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(out)
        };
        Ok(Some(ClockAnchor {
            relay_ms: number(0),
            monotonic_ms: number(8),
            boot: u32::from_be_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]),
        }))
    }

    /// Notes when the last relay time came.
    ///
    /// # Errors
    /// A database error.
    pub fn save_clock_anchor(&mut self, anchor: ClockAnchor) -> Result<(), StoreError> {
        let mut bytes = anchor.relay_ms.to_be_bytes().to_vec();
        bytes.extend_from_slice(&anchor.monotonic_ms.to_be_bytes());
        bytes.extend_from_slice(&anchor.boot.to_be_bytes());
        self.write(Durability::Draft, |conn| {
            meta::save(conn, meta::CLOCK_ANCHOR, &bytes)
        })
    }

    /// The relay's time at the last sync: "last sync" on the banner.
    ///
    /// # Errors
    /// A database error.
    pub fn last_relay_ms(&self) -> Result<Option<u64>, StoreError> {
        process::last_relay_ms(&self.conn)
    }

    /// What each space takes on this device, the largest first.
    ///
    /// # Errors
    /// A database error.
    pub fn data_use(&self) -> Result<Vec<DataUse>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.space, count(*), sum(length(e.header) + length(e.body) + 64),
                (SELECT coalesce(sum(length(k.bytes)), 0) FROM chunks k WHERE k.chunk IN (
                    SELECT bc.chunk FROM blob_chunks bc JOIN blob_uses bu USING (blob)
                    JOIN entries be ON be.entry = bu.entry
                    JOIN chains bch ON bch.chain = be.chain WHERE bch.space = c.space))
             FROM entries e JOIN chains c USING (chain) GROUP BY c.space ORDER BY 3 DESC",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(DataUse {
                space: SpaceId(row.get(0)?),
                entries: uint(row.get(1)?),
                bytes: uint(row.get(2)?),
                blob_bytes: uint(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Bytes of the database file and its log.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        files::size(&self.location, &self.conn)
    }
}
