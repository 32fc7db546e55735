//! The store as a sync session sees it: [`stunity_sync::Replica`].
use rusqlite::Connection;
use stunity_identity::Session;
use stunity_proto::frame::Flight;
use stunity_proto::pack::PackContext;
use stunity_proto::{BlobId, Entry, Hash, NodeId, PackId, Signature, Signer};
use stunity_sync::replica::{
    Applied, ChunkUpload, Delivered, Flush, FlushReceipt, Outcome, Owner, Partial, Upload,
    WantedChunk,
};
use stunity_sync::{Cursor, Position, Replica, SyncError};

use crate::database::{Durability, int};
use crate::entries::{self, EntryRow, Found, Sent, State};
use crate::sabotage::{drops_refused, hears_no_results};
use crate::{Store, StoreError, lost, meta, order, process, transfer, trust};

impl Replica for Store {
    fn owner(&self) -> Owner {
        self.owner
    }

    fn cursors(&self) -> Result<Vec<Cursor>, SyncError> {
        Ok(order::load_cursors(&self.conn)?)
    }

    fn partials(&self) -> Result<Vec<Partial>, SyncError> {
        Ok(transfer::load_partials(&self.conn)?)
    }

    // A slice lost with the power is asked for again, by the offset that the
    // database then has: no need to wait for the disk.
    fn save_slice(
        &mut self,
        pack: PackId,
        total: u32,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), SyncError> {
        Ok(self.write(Durability::Draft, |conn| {
            transfer::save_slice(conn, pack, total, offset, bytes)
        })?)
    }

    fn load_partial(&self, pack: PackId) -> Result<Vec<u8>, SyncError> {
        Ok(transfer::load_partial(&self.conn, pack)?)
    }

    fn drop_partial(&mut self, pack: PackId) -> Result<(), SyncError> {
        Ok(self.write(Durability::Draft, |conn| transfer::drop_partial(conn, pack))?)
    }

    fn next_upload(
        &mut self,
        in_flight: &[PackId],
        explicit: bool,
        now_ms: u64,
    ) -> Result<Option<Upload>, SyncError> {
        let _ = now_ms;
        Ok(self.make_upload(in_flight, explicit)?)
    }

    fn save_upload_offset(&mut self, pack: PackId, offset: u32) -> Result<(), SyncError> {
        Ok(self.write(Durability::Draft, |conn| {
            transfer::save_upload_offset(conn, pack, offset)
        })?)
    }

    fn drop_upload(&mut self, pack: PackId) -> Result<(), SyncError> {
        Ok(self.write(Durability::Sealed, |conn| transfer::drop_upload(conn, pack))?)
    }

    fn next_chunk(&mut self, in_flight: &[Hash]) -> Result<Option<ChunkUpload>, SyncError> {
        Ok(self.load_next_chunk(in_flight)?)
    }

    fn chunk_stored(&mut self, chunk: Hash) -> Result<(), SyncError> {
        Ok(self.save_chunk_stored(chunk)?)
    }

    fn wanted_chunks(
        &self,
        asked: &[Hash],
        absent: &[BlobId],
        limit: usize,
    ) -> Result<Vec<WantedChunk>, SyncError> {
        Ok(self.load_wanted_chunks(asked, absent, limit)?)
    }

    fn save_chunk_slice(
        &mut self,
        chunk: Hash,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), SyncError> {
        Ok(self.save_slice_of_chunk(chunk, offset, bytes)?)
    }

    fn finish_chunk(&mut self, chunk: Hash) -> Result<(), SyncError> {
        let now_ms = process::last_relay_ms(&self.conn)?.unwrap_or(0);
        match self.save_whole_chunk(chunk, now_ms)? {
            true => Ok(()),
            false => Err(SyncError::NotAuthentic("hash of a chunk")),
        }
    }

    fn verify_receipt(
        &self,
        node: NodeId,
        relay_ms: u64,
        root: &Hash,
        signature: &Signature,
    ) -> Result<bool, SyncError> {
        Ok(trust::verify_receipt(
            &self.conn, node, relay_ms, root, signature,
        )?)
    }

    fn sign_flight(
        &self,
        flight: &mut Flight,
        host: &str,
        nonce: &[u8; 32],
    ) -> Result<(), SyncError> {
        let session = Session {
            school: self.owner.school,
            host,
            nonce: *nonce,
        };
        Ok(session
            .sign_flight(flight, &self.sign)
            .map_err(StoreError::from)?)
    }

    fn pack_context(&self) -> &dyn PackContext {
        self
    }

    fn settle_fork(&mut self) -> Result<(), SyncError> {
        if self.is_forked()? {
            self.rotate()?;
            self.process()?;
        }
        if lost::is_waiting(&self.conn)? {
            self.write(Durability::Sealed, |conn| meta::drop(conn, meta::LOST))?;
        }
        Ok(())
    }

    fn apply(&mut self, flush: Flush) -> Result<Applied, SyncError> {
        let mut stored = self.write(Durability::Sealed, |conn| {
            let stored = self.store_flush(conn, &flush)?;
            if stored.forked {
                meta::save(conn, meta::FORKED, 1)?;
            }
            Ok(stored)
        })?;
        let settled = self.process()?;
        stored.applied.held = settled.held.into_iter().collect();
        stored.applied.rejected = settled.rejected.into_iter().collect();
        Ok(stored.applied)
    }
}

#[derive(Default)]
struct Stored {
    applied: Applied,
    /// The relay knows another continuation of an own chain.
    forked: bool,
}

/// Where the leaves of a receipt stand, taken in order: an entry numbered in
/// two spaces has two.
struct Leaves<'a> {
    receipt: Option<(&'a FlushReceipt, i64)>,
    next: usize,
}

impl Leaves<'_> {
    /// The relay's epoch; without a receipt none that lost anything.
    fn epoch(&self) -> i64 {
        self.receipt.map_or(0, |(receipt, _)| int(receipt.epoch))
    }

    /// The flush and leaf of the next entry, which must be `id`'s.
    fn take(&mut self, id: &stunity_proto::EntryId) -> (Option<i64>, Option<u32>) {
        let Some((receipt, flush)) = self.receipt else {
            return (None, None);
        };
        let rest = &receipt.entries[self.next.min(receipt.entries.len())..];
        match rest.iter().position(|(_, entry)| entry == id) {
            Some(skipped) => {
                let leaf = rest[skipped].0;
                self.next += skipped + 1;
                (Some(flush), Some(leaf))
            }
            None => (Some(flush), None),
        }
    }
}

impl Store {
    fn store_flush(&self, conn: &Connection, flush: &Flush) -> Result<Stored, StoreError> {
        let mut stored = Stored::default();
        let row = match &flush.receipt {
            Some(receipt) => {
                crate::process::save_relay_ms(conn, receipt.relay_ms)?;
                Some(order::save_flush(conn, receipt)?)
            }
            None => None,
        };
        let mut leaves = Leaves {
            receipt: flush.receipt.as_ref().zip(row),
            next: 0,
        };
        // Before what comes: what the relay still has is acknowledged by it.
        if let Some(receipt) = &flush.receipt {
            lost::note_epoch(conn, int(receipt.epoch))?;
            for target in &flush.removed {
                lost::doubt_target(conn, target, int(receipt.epoch))?;
            }
        }
        for (pack, outcomes) in &flush.results {
            store_results(conn, *pack, outcomes, &mut leaves, &mut stored)?;
        }
        for delivered in &flush.delivered {
            self.store_delivered(conn, delivered, &mut leaves, &mut stored)?;
        }
        for pack in &flush.finished {
            transfer::drop_partial(conn, *pack)?;
        }
        // A target that begins anew is removed and moved at once.
        for target in &flush.removed {
            order::drop_cursor(conn, target)?;
        }
        for cursor in &flush.cursors {
            order::save_cursor(conn, cursor)?;
        }
        Ok(stored)
    }

    fn store_delivered(
        &self,
        conn: &Connection,
        delivered: &Delivered,
        leaves: &mut Leaves<'_>,
        stored: &mut Stored,
    ) -> Result<(), StoreError> {
        let entry = &delivered.entry;
        let header = entry.header();
        let own = header.signer == Signer::Device(self.owner.device);
        let found = entries::find(conn, &entry.id())?;
        // A place counts only with its receipt; both begin with 1.
        let position = delivered
            .position
            .filter(|at| leaves.receipt.is_some() && at.epoch > 0 && at.sequence > 0);
        let is_placed = position.is_some();
        let row = match found {
            Some(found) => {
                stored.applied.known += 1;
                if own && is_placed {
                    accept_own(conn, &found, entry)?;
                }
                if !own {
                    entries::take_copy(conn, found.row, entry, is_placed)?;
                }
                found.row
            }
            None => {
                stored.applied.new_entries += 1;
                // An own entry that is not held: this is an older copy of the
                // phone than the one that wrote it. Without the relay's word
                // anybody could say so.
                if own && is_placed && header.incarnation == crate::store::load_incarnation(conn)? {
                    stored.forked = true;
                }
                let sent = own.then_some(Sent::Accepted);
                entries::insert(conn, entry, State::Received, sent)?
            }
        };
        // Also of what a parcel brought before: the relay leaves out what came by it.
        trust::save_certificate(conn, header.signer, &header.certificate, false)?;
        for (signer, hash) in stunity_sync::certificates_in(&header.kinds, entry.body()) {
            trust::save_certificate(conn, signer, &hash, false)?;
        }
        if let Some(position) = &position {
            let (flush, leaf) = leaves.take(&entry.id());
            order::save_position(conn, row, &entry.id(), position, flush, leaf)?;
            note_place(conn, row, found)?;
        }
        Ok(())
    }
}

/// An entry held before has got its place: what depends on the relay's order
/// is computed again.
fn note_place(conn: &Connection, row: EntryRow, found: Option<Found>) -> Result<(), StoreError> {
    let waits = |state| matches!(state, State::Applied | State::Held);
    if found.is_some_and(|found| waits(found.state)) {
        entries::save_state(conn, row, State::Received, None)?;
    }
    Ok(())
}

fn accept_own(conn: &Connection, found: &Found, copy: &Entry) -> Result<(), StoreError> {
    match found.sent {
        // Written again, but a parcel had taken it along: it counts everywhere.
        Some(Sent::Rewritten) => {
            entries::save_body(conn, found.row, copy.body())?;
            entries::save_sent(conn, found.row, Sent::Accepted, None, None)?;
            entries::save_state(conn, found.row, State::Received, None)
        }
        Some(Sent::Unacknowledged) | None => {
            entries::save_sent(conn, found.row, Sent::Accepted, None, None)
        }
        _ => Ok(()),
    }
}

fn store_results(
    conn: &Connection,
    pack: PackId,
    outcomes: &[Outcome],
    leaves: &mut Leaves<'_>,
    stored: &mut Stored,
) -> Result<(), StoreError> {
    if hears_no_results() {
        return Ok(());
    }
    // A pack that was made anew in the meantime: its entries come back by
    // themselves, as delivered or as known.
    let Some(sent) = transfer::upload_entries(conn, pack)? else {
        return Ok(());
    };
    if sent.len() != outcomes.len() {
        return Err(StoreError::NotAllowed("results of another pack"));
    }
    for (entry, outcome) in sent.iter().zip(outcomes) {
        if !entry.own {
            if let Outcome::Accepted(position) | Outcome::Pending { position, .. } = outcome {
                place(conn, entry, position, leaves)?;
            }
            lost::settle_of_others(conn, entry.row)?;
            continue;
        }
        match outcome {
            Outcome::Accepted(position) => {
                accept(conn, entry, position, leaves, Sent::Accepted, None)?;
            }
            Outcome::Pending { position, code } => {
                accept(conn, entry, position, leaves, Sent::Pending, Some(code))?;
            }
            // What stands before it goes again, or is written again with it.
            Outcome::Refused { code, .. }
                if code == "chain.gap"
                    && (stored.forked
                        || meta::load::<i64>(conn, meta::FORKED)?.is_some()
                        || lost::doubt_before(conn, entry.row, leaves.epoch())?) => {}
            // The relay lacks what it is judged by, and others may still bring that: it
            // waits for another session.
            Outcome::Refused { code, tombstone }
                if tombstone.is_empty() && stunity_sync::may_come_later(code) => {}
            Outcome::Refused { code, tombstone } => {
                entries::save_sent(conn, entry.row, Sent::Refused, Some(code), Some(tombstone))?;
                if drops_refused() {
                    let mut refused = entries::load(conn, entry.row)?;
                    let all: Vec<usize> = (0..refused.header().kinds.len()).collect();
                    refused.erase(&all);
                    entries::save_body(conn, entry.row, refused.body())?;
                }
                entries::reconsider(conn, entry.row)?;
                stored.forked |= matches!(code.as_str(), "entry.fork" | "entry.replay");
            }
        }
    }
    transfer::drop_upload(conn, pack)
}

fn accept(
    conn: &Connection,
    entry: &transfer::SentEntry,
    position: &Position,
    leaves: &mut Leaves<'_>,
    sent: Sent,
    code: Option<&str>,
) -> Result<(), StoreError> {
    entries::save_sent(conn, entry.row, sent, code, None)?;
    place(conn, entry, position, leaves)?;
    // Refused before, and offered again to a relay that was restored.
    if entries::find(conn, &entry.id)?.is_some_and(|found| found.state == State::Rejected) {
        entries::save_state(conn, entry.row, State::Received, None)?;
    }
    Ok(())
}

fn place(
    conn: &Connection,
    entry: &transfer::SentEntry,
    position: &Position,
    leaves: &mut Leaves<'_>,
) -> Result<(), StoreError> {
    let (flush, leaf) = leaves.take(&entry.id);
    order::save_position(conn, entry.row, &entry.id, position, flush, leaf)?;
    entries::reconsider(conn, entry.row)
}
