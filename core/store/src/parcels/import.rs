//! Taking parcels: the same raw storage, verification and folds as of what a
//! relay sends. A relay vouches for what it sends with its receipt; here nobody
//! does, so what cannot be authenticated is taken out again.
use rusqlite::{OptionalExtension, params};
use stunity_identity::{Effect, NodeChain, Receipt, TrustedNode};
use stunity_proto::pack::{Explicit, decode_pack};
use stunity_proto::parcel::Part;
use stunity_proto::receipt::{Leaf, Tombstone, sha256};
use stunity_proto::{AccountId, Entry, EntryId, Signer};
use stunity_sync::Position;

use crate::database::Durability;
use crate::entries::{self, EntryRow, Sent, State};
use crate::{Store, StoreError, order, trust};

/// What was taken from a parcel so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParcelImport {
    /// Entries that are new here and stay.
    pub new_entries: u32,
    /// Entries that were held before.
    pub known: u32,
    /// Receipts that are new here.
    pub receipts: u32,
    /// Own entries of which a relay's refusal came.
    pub refused: u32,
    /// Chunks of files.
    pub chunks: u32,
    /// What could not be placed or authenticated. Sending it again after what it
    /// needs is harmless.
    pub left_out: u32,
    /// New entries that wait for something, with the codes of the reasons.
    pub held: Vec<(EntryId, &'static str)>,
    /// Entries that were invalid, with the codes of the reasons.
    pub rejected: Vec<(EntryId, &'static str)>,
    /// The last entry before the parcel.
    after: Option<EntryRow>,
}

impl Store {
    /// Takes one part, in one durable transaction. [`Store::finish_import`] must
    /// follow the last one.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`] or a database error: the part was not kept, those
    /// before it stay.
    pub fn import_part(
        &mut self,
        part: &Part,
        now_ms: u64,
        report: &mut ParcelImport,
    ) -> Result<(), StoreError> {
        if report.after.is_none() {
            let last = self
                .conn
                .prepare_cached("SELECT coalesce(max(entry), 0) FROM entries")?
                .query_row([], |row| row.get(0))?;
            report.after = Some(last);
        }
        match part {
            Part::Pack(bytes) => self.import_pack(bytes, report),
            Part::Chunk(bytes) => self.import_chunk(bytes, now_ms, report),
            Part::Receipt(bytes) => self.import_receipt(bytes, report),
            Part::Tombstone(bytes) => self.import_tombstone(bytes, report),
            Part::Node(bytes) => self.import_node(bytes, report),
            Part::Unknown(_) => Ok(()),
        }
    }

    /// Verifies, judges and applies what came.
    ///
    /// # Errors
    /// A database error: then opening the store again does the rest.
    pub fn finish_import(&mut self, report: &mut ParcelImport) -> Result<(), StoreError> {
        self.process_import(report)?;
        let after = report.after.unwrap_or(EntryRow::MAX);
        let dropped = self.drop_unauthentic(after)?;
        report.left_out += dropped.len() as u32;
        report.new_entries -= dropped.len() as u32;
        report.held = self.still(std::mem::take(&mut report.held), State::Held)?;
        report.rejected = self.still(std::mem::take(&mut report.rejected), State::Rejected)?;
        Ok(())
    }

    fn process_import(&mut self, report: &mut ParcelImport) -> Result<(), StoreError> {
        let settled = self.process()?;
        report.held.extend(settled.held);
        report.rejected.extend(settled.rejected);
        Ok(())
    }

    /// Those of `entries` that are still here in a state.
    fn still(
        &self,
        entries: Vec<(EntryId, &'static str)>,
        state: State,
    ) -> Result<Vec<(EntryId, &'static str)>, StoreError> {
        let mut kept = Vec::new();
        for (id, code) in entries {
            let found = entries::find(&self.conn, &id)?;
            if found.is_some_and(|found| found.state == state) {
                kept.push((id, code));
            }
        }
        Ok(kept)
    }

    /// A chunk is wanted if a manifest names it, so entries before it count first.
    fn import_chunk(
        &mut self,
        bytes: &[u8],
        now_ms: u64,
        report: &mut ParcelImport,
    ) -> Result<(), StoreError> {
        if report.chunks == 0 {
            self.process_import(report)?;
        }
        match self.save_chunk(sha256(bytes), bytes, now_ms) {
            Ok(()) => {
                report.chunks += 1;
                Ok(())
            }
            Err(StoreError::NotAllowed(_)) => left_out(report),
            Err(error) => Err(error),
        }
    }

    fn import_pack(&mut self, bytes: &[u8], report: &mut ParcelImport) -> Result<(), StoreError> {
        let Ok(items) = decode_pack(bytes, &Explicit(self.owner.school)) else {
            return left_out(report);
        };
        let (known, left, new) = self.write(Durability::Sealed, |conn| {
            let (mut known, mut left, mut new) = (0, 0, 0);
            for item in &items {
                let entry = &item.entry;
                if let Some(found) = entries::find(conn, &entry.id())? {
                    known += 1;
                    if found.sent.is_none() {
                        entries::take_copy(conn, found.row, entry, false)?;
                    }
                } else if self.may_come(entry) {
                    entries::insert(conn, entry, State::Received, None)?;
                    new += 1;
                } else {
                    left += 1;
                }
            }
            Ok((known, left, new))
        })?;
        report.known += known;
        report.left_out += left;
        report.new_entries += new;
        Ok(())
    }

    /// What this device itself wrote and does not hold tells of an older copy of
    /// it: only the relay's order can settle that, so it comes from there.
    fn may_come(&self, entry: &Entry) -> bool {
        let header = entry.header();
        header.school == self.owner.school && header.signer != Signer::Device(self.owner.device)
    }

    fn import_receipt(
        &mut self,
        bytes: &[u8],
        report: &mut ParcelImport,
    ) -> Result<(), StoreError> {
        let Some((receipt, id, position)) = Receipt::decode(bytes).ok().and_then(placed) else {
            return left_out(report);
        };
        let verified = trust::load_trusted(&self.conn, receipt.node)?
            .iter()
            .any(|node: &TrustedNode| receipt.verify(node, position.received_ms).is_ok());
        let Some(found) = entries::find(&self.conn, &id)?.filter(|_| verified) else {
            return left_out(report);
        };
        let entry = entries::load(&self.conn, found.row)?;
        let header = entry.header();
        if (header.space, header.lane) != (position.space, position.lane) {
            return left_out(report);
        }
        // Of several the lowest place counts.
        let held = order::load_receipt(&self.conn, &id)?.and_then(|held| held.position());
        if held.is_some_and(|held| Some(held) <= receipt.position()) {
            return Ok(());
        }
        self.write(Durability::Sealed, |conn| {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO receipts (entry, receipt) VALUES (?1, ?2)",
            )?
            .execute(params![found.row, bytes])?;
            order::save_position(conn, found.row, &id, &position, None, None)?;
            if found.sent == Some(Sent::Unacknowledged) {
                entries::save_sent(conn, found.row, Sent::Accepted, None, None)?;
            }
            // What depends on the relay's order is computed again.
            if matches!(found.state, State::Applied | State::Held) {
                entries::save_state(conn, found.row, State::Received, None)?;
            }
            Ok(())
        })?;
        report.receipts += 1;
        Ok(())
    }

    /// Only a refusal of an own entry tells this device something: what others
    /// were refused stays with them.
    fn import_tombstone(
        &mut self,
        bytes: &[u8],
        report: &mut ParcelImport,
    ) -> Result<(), StoreError> {
        let tombstone = Part::split_tombstone(bytes)
            .and_then(|(tombstone, signature)| Ok((Tombstone::decode(tombstone)?, signature)));
        let Ok((tombstone, signature)) = tombstone else {
            return left_out(report);
        };
        let verified = trust::load_trusted(&self.conn, tombstone.node)?
            .iter()
            .any(|node| {
                node.verify_tombstone(&tombstone, &signature, tombstone.received_ms)
                    .is_ok()
            });
        let found = entries::find(&self.conn, &tombstone.entry)?
            .filter(|found| verified && found.sent == Some(Sent::Unacknowledged));
        let Some(found) = found else {
            return left_out(report);
        };
        self.write(Durability::Sealed, |conn| {
            let code = Some(tombstone.code.as_str());
            entries::save_sent(conn, found.row, Sent::Refused, code, Some(bytes))?;
            entries::reconsider(conn, found.row)
        })?;
        report.refused += 1;
        Ok(())
    }

    fn import_node(&mut self, bytes: &[u8], report: &mut ParcelImport) -> Result<(), StoreError> {
        let Ok(chain) = NodeChain::decode(bytes) else {
            return left_out(report);
        };
        let begin = (chain.operator.body().not_before).max(chain.node.body().not_before);
        if self.anchor()?.verify_node(&chain, begin).is_err() {
            return left_out(report);
        }
        self.write(Durability::Sealed, |conn| trust::save_node(conn, &chain))
    }

    /// Takes out new entries whose signature counts for nobody known: whoever
    /// made the parcel could fill the device with them. Invalid entries of known
    /// devices stay as evidence.
    fn drop_unauthentic(&mut self, after: EntryRow) -> Result<Vec<EntryId>, StoreError> {
        const UNAUTHENTIC: &str = "SELECT id FROM entries WHERE entry > ?1 AND send IS NULL
            AND ((state = 2 AND code IN ('keys.unknown', 'account.unbound'))
              OR (state IN (2, 3) AND code LIKE 'identity.%'))";
        let ids = self
            .conn
            .prepare_cached(UNAUTHENTIC)?
            .query_map([after], |row| Ok(EntryId(row.get(0)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        let ids = [ids, self.idle_in_logs(after)?].concat();
        self.write(Durability::Sealed, |conn| {
            for id in &ids {
                conn.prepare_cached("DELETE FROM entries WHERE id = ?1")?
                    .execute([&id.0])?;
                // A place in a chain that only a forger claimed proves nothing.
                conn.prepare_cached("DELETE FROM evidence WHERE first = ?1 OR second = ?1")?
                    .execute([&id.0])?;
            }
            Ok(())
        })?;
        Ok(ids)
    }

    /// New entries of account logs that do not count there: a log has a limit, and
    /// whoever made the parcel could fill it.
    fn idle_in_logs(&mut self, after: EntryRow) -> Result<Vec<EntryId>, StoreError> {
        let new = self
            .conn
            .prepare_cached(
                "SELECT author, id FROM entries
                 WHERE entry > ?1 AND class = 0 AND state = 1 AND send IS NULL",
            )?
            .query_map([after], |row| {
                Ok((AccountId(row.get(0)?), EntryId(row.get(1)?)))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut logs = self.logs.borrow_mut();
        let mut idle = Vec::new();
        for (account, id) in new {
            let log = logs.get(&self.conn, account)?;
            if log.and_then(|log| log.effect(&id)) != Some(Effect::Counts) {
                idle.push((account, id));
            }
        }
        for (account, _) in &idle {
            logs.forget(*account);
        }
        Ok(idle.into_iter().map(|(_, id)| id).collect())
    }
}

fn left_out(report: &mut ParcelImport) -> Result<(), StoreError> {
    report.left_out += 1;
    Ok(())
}

/// The entry of a receipt and where it stands.
fn placed(receipt: Receipt) -> Option<(Receipt, EntryId, Position)> {
    let Leaf::Entry {
        space,
        lane,
        epoch,
        sequence,
        id,
        received_ms,
    } = receipt.leaf
    else {
        return None;
    };
    let position = Position {
        space,
        lane,
        epoch,
        sequence,
        received_ms,
    };
    Some((receipt, id, position))
}

/// The receipt that a parcel brought.
pub(crate) fn kept_receipt(
    conn: &rusqlite::Connection,
    id: &EntryId,
) -> Result<Option<Receipt>, StoreError> {
    let bytes: Option<Vec<u8>> = conn
        .prepare_cached("SELECT receipt FROM receipts JOIN entries USING (entry) WHERE id = ?1")?
        .query_row([&id.0], |row| row.get(0))
        .optional()?;
    Ok(bytes.map(|bytes| Receipt::decode(&bytes)).transpose()?)
}
