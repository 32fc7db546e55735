//! Writing again: after this device finds that it is an older copy of itself,
//! and when the user tries a refused item once more.
use rusqlite::Connection;
use stunity_proto::{ActorId, EntryId, Kind};

use crate::database::Durability;
use crate::decode::Rewriting;
use crate::entries::{self, EntryRow, Sent, State};
use crate::outbox::{self, PendingOp};
use crate::store::raise_incarnation;
use crate::{Store, StoreError, decode, documents};

impl Store {
    /// The relay knows another continuation of an own chain: a new incarnation
    /// begins, and whatever was not acknowledged is written again in it. What
    /// the relay has from the other copy stays as it is.
    pub(crate) fn rotate(&mut self) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| {
            let rows = conn
                .prepare(
                    "SELECT entry FROM entries WHERE send = 0
                     OR (send = 3 AND code IN ('entry.fork', 'entry.replay')) ORDER BY entry",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<Result<Vec<EntryRow>, _>>()?;
            let next = raise_incarnation(conn)?;
            let mut rewriting = Rewriting::default();
            for row in rows {
                self.write_again(conn, row, Some((&mut rewriting, next)))?;
            }
            conn.execute("DELETE FROM uploads", [])?;
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

    /// Queues the operations of an own entry again; document changes by another
    /// actor if there is a new incarnation.
    fn write_again(
        &self,
        conn: &Connection,
        row: EntryRow,
        mut rewriting: Option<(&mut Rewriting, u32)>,
    ) -> Result<(), StoreError> {
        let entry = entries::load(conn, row)?;
        let header = entry.header();
        // First out of the document, so that what is made anew replaces it.
        documents::void_changes(conn, row, None)?;
        for (position, (kind, op)) in entry.ops().enumerate() {
            let Some(bytes) = op else { continue };
            let bytes = match (kind, &mut rewriting) {
                (Kind::Change { doc, .. }, Some((rewriting, incarnation))) => {
                    let slot = decode::actor(bytes).map_or(0, |actor| actor.0[15]);
                    let actor = ActorId::new(self.owner.device, *incarnation, slot);
                    rewriting.rewrite(doc, bytes, actor)?
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
