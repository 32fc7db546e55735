//! Writing again: after this device finds that it is an older copy of itself,
//! and when the user tries a refused item once more.
use std::collections::HashMap;

use rusqlite::{Connection, params};
use stunity_proto::{ActorId, EntryId, Header, Kind, Signer};

use crate::database::Durability;
use crate::decode::Rewriting;
use crate::documents::{DocumentPlace, Source};
use crate::entries::{self, EntryRow, Sent, State};
use crate::outbox::{self, PendingOp};
use crate::sabotage::sends_twice;
use crate::store::raise_incarnation;
use crate::{Store, StoreError, decode, documents, meta};

impl Store {
    /// Whether the relay showed another continuation of an own chain.
    pub(crate) fn is_forked(&self) -> Result<bool, StoreError> {
        Ok(meta::load::<i64>(&self.conn, meta::FORKED)?.is_some())
    }

    /// The relay knows another continuation of an own chain: a new incarnation
    /// begins, and whatever was not acknowledged is written again in it, save for
    /// what the other copy has sent already. What the relay has from the other copy
    /// stays as it is.
    pub(crate) fn rotate(&mut self) -> Result<(), StoreError> {
        // What waits in the outbox names the old actor too.
        self.seal()?;
        self.incarnation.set(None);
        self.write(Durability::Sealed, |conn| {
            let rows = conn
                .prepare(
                    "SELECT entry FROM entries WHERE send = 0
                     OR (send = 3 AND code IN ('entry.fork', 'entry.replay')) ORDER BY entry",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<Result<Vec<EntryRow>, _>>()?;
            let next = raise_incarnation(conn)?;
            let mut again = Again {
                rewriting: Rewriting::default(),
                incarnation: next,
                sent_elsewhere: match sends_twice() {
                    true => HashMap::new(),
                    false => self.sent_by_other_copies(conn)?,
                },
            };
            for row in rows {
                self.write_again(conn, row, Some(&mut again))?;
            }
            conn.execute("DELETE FROM uploads", [])?;
            conn.execute("DELETE FROM meta WHERE name = ?1", [meta::FORKED])?;
            Ok(())
        })
    }

    /// Tries a refused entry once more: its operations are queued again and the
    /// entry itself stays as it is, with its tombstone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not held, [`StoreError::NotAllowed`] if
    /// it was not refused.
    pub fn retry_refused(&mut self, id: EntryId) -> Result<(), StoreError> {
        let found = entries::find(&self.conn, &id)?.ok_or(StoreError::NotFound("refused entry"))?;
        if found.sent != Some(Sent::Refused) {
            return Err(StoreError::NotAllowed("entry that was not refused"));
        }
        self.write(Durability::Sealed, |conn| {
            self.write_again(conn, found.row, None)
        })?;
        self.process().map(|_| ())
    }

    /// The operations that other copies of this device have sent, and where they
    /// stand. Entries that were made here have items; those of a copy have none.
    fn sent_by_other_copies(
        &self,
        conn: &Connection,
    ) -> Result<HashMap<OpKey, Vec<Place>>, StoreError> {
        let rows = conn
            .prepare(
                "SELECT e.entry FROM entries e JOIN chains c USING (chain)
                 WHERE c.signer = ?1 AND c.signer_kind = ?2 AND e.send = 1
                 AND NOT EXISTS (SELECT 1 FROM items i WHERE i.entry = e.entry)
                 ORDER BY e.entry DESC",
            )?
            .query_map(
                params![
                    &self.owner.device.0,
                    Signer::Device(self.owner.device).kind()
                ],
                |row| row.get(0),
            )?
            .collect::<Result<Vec<EntryRow>, _>>()?;
        let mut places: HashMap<OpKey, Vec<Place>> = HashMap::new();
        for row in rows {
            let entry = entries::load(conn, row)?;
            for (position, (kind, op)) in entry.ops().enumerate() {
                if let Some(bytes) = op {
                    let key = key(entry.header(), kind, bytes);
                    places.entry(key).or_default().push((row, position));
                }
            }
        }
        Ok(places)
    }

    /// Queues the operations of an own entry again; document changes by another
    /// actor if there is a new incarnation.
    fn write_again(
        &self,
        conn: &Connection,
        row: EntryRow,
        mut again: Option<&mut Again>,
    ) -> Result<(), StoreError> {
        let entry = entries::load(conn, row)?;
        let header = entry.header();
        // First out of the document, so that what is made anew replaces it.
        documents::void_changes(conn, row, None)?;
        for (position, (kind, op)) in entry.ops().enumerate() {
            let Some(bytes) = op else { continue };
            let twin = again.as_mut().and_then(|again| {
                let twins = again.sent_elsewhere.get_mut(&key(header, kind, bytes))?;
                twins.pop()
            });
            if let Some(twin) = twin {
                adopt(conn, (row, position), twin, header, (kind, bytes))?;
                continue;
            }
            let bytes = match (kind, &mut again) {
                (Kind::Change { doc, .. }, Some(again)) => {
                    let slot = decode::actor(bytes).map_or(0, |actor| actor.0[15]);
                    let actor = ActorId::new(self.owner.device, again.incarnation, slot);
                    again.rewriting.rewrite(doc, bytes, actor)?
                }
                _ => bytes.to_vec(),
            };
            let op = PendingOp {
                space: header.space,
                lane: header.lane,
                kind,
                bytes,
                object: None,
            };
            let queued = outbox::requeue(conn, &op, row, position)?;
            self.save_provisional(conn, &op, queued)?;
        }
        entries::save_sent(conn, row, Sent::Rewritten, None, None)?;
        entries::save_state(conn, row, State::Received, None)
    }
}

/// An operation of an entry.
type Place = (EntryRow, usize);
/// Lane's space and key, kind, bytes: two copies of a device hold the same.
type OpKey = ([u8; 16], Vec<u8>, Kind, Vec<u8>);

/// What writing again in a new incarnation needs.
struct Again {
    rewriting: Rewriting,
    incarnation: u32,
    /// Each is taken once: what was done twice before the copy was made was sent
    /// twice.
    sent_elsewhere: HashMap<OpKey, Vec<Place>>,
}

fn key(header: &Header, kind: Kind, bytes: &[u8]) -> OpKey {
    (header.space.0, header.lane.to_key(), kind, bytes.to_vec())
}

/// An own operation that another copy has sent: its item follows the copy's entry,
/// and a document takes the change from there.
fn adopt(
    conn: &Connection,
    own: Place,
    twin: Place,
    header: &Header,
    (kind, bytes): (Kind, &[u8]),
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE items SET op = NULL, entry = ?3, position = ?4
         WHERE entry = ?1 AND position = ?2",
    )?
    .execute(params![own.0, own.1 as i64, twin.0, twin.1 as i64])?;
    if let Kind::Change { doc_type, doc } = kind {
        let place = DocumentPlace {
            doc,
            doc_type,
            space: header.space,
            lane: header.lane,
        };
        let hash = decode::hash(bytes).ok_or(StoreError::Damaged("own document change"))?;
        documents::save_change(conn, &place, &hash, Source::Entry(twin.0, twin.1))?;
        // What others wrote upon it waits since it was taken out.
        entries::release(conn, &hash.0)?;
    }
    Ok(())
}
