//! Making entries of what waits, and packs of entries.
use rusqlite::{Connection, params};
use stunity_identity::{SigningKey, sign_entry};
use stunity_proto::pack::{ChainKey, Effort, Item, PackWriter};
use stunity_proto::{
    Body, Entry, EntryId, Hash, Header, Heads, Lane, PackId, Signer, SpaceId, frame, limits,
};
use stunity_sync::replica::{Owner, Upload};

use crate::context::UploadContext;
use crate::database::{Durability, int, uint};
use crate::entries::{self, EntryRow, Sent, State};
use crate::store::load_incarnation;
use crate::{Store, StoreError, lost, meta, outbox, transfer};

/// Entries read at once when packs are made; more do not fit into one.
const PACK_BATCH: usize = 256;

impl Store {
    /// Makes entries of everything in the outbox: one for each dirty lane, more
    /// where the limits ask for it. Gives how many. Nothing happens while the
    /// device has no certificate.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`]: then everything is as before.
    pub fn seal(&mut self) -> Result<usize, StoreError> {
        let Some(certificate) = self.certificate()? else {
            return Ok(0);
        };
        let certificate = certificate.hash();
        let sealed = self.write(Durability::Sealed, |conn| {
            let mut sealed = 0;
            for (space, lane) in outbox::dirty_lanes(conn)? {
                loop {
                    let batch = outbox::take_batch(conn, space, lane)?;
                    if batch.is_empty() {
                        break;
                    }
                    self.seal_batch(conn, space, lane, certificate, &batch)?;
                    sealed += 1;
                }
            }
            Ok(sealed)
        })?;
        if sealed > 0 {
            self.process()?;
        }
        Ok(sealed)
    }

    fn seal_batch(
        &self,
        conn: &Connection,
        space: SpaceId,
        lane: Lane,
        certificate: Hash,
        batch: &[outbox::QueuedOp],
    ) -> Result<(), StoreError> {
        let key = ChainKey {
            signer: Signer::Device(self.owner.device),
            incarnation: load_incarnation(conn)?,
            space,
            lane,
        };
        let ops = batch.iter().map(|queued| queued.bytes.clone()).collect();
        let body = Body::new(self.random(), ops);
        let kinds = batch.iter().map(|queued| queued.kind).collect();
        let heads = Heads {
            account: self.account_head(conn)?,
            membership: self.membership_heads(conn, space, lane)?,
        };
        let entry = sign_next(
            conn,
            &self.owner,
            &self.sign,
            &key,
            certificate,
            heads,
            kinds,
            body,
        )?;
        let row = entries::insert(conn, &entry, State::Received, Some(Sent::Unacknowledged))?;
        self.note_sealed(conn, row, &entry)?;
        outbox::mark_sealed(conn, batch, row, &entry.id())
    }

    /// The next pack to send, apart from those in flight: see
    /// [`stunity_sync::Replica::next_upload`].
    pub(crate) fn make_upload(
        &mut self,
        in_flight: &[PackId],
        explicit: bool,
    ) -> Result<Option<Upload>, StoreError> {
        // What the other copy sent must be known first, so that nothing goes twice.
        if self.is_forked()? || lost::is_waiting(&self.conn)? {
            return Ok(None);
        }
        self.seal()?;
        self.write(Durability::Sealed, |conn| {
            transfer::drop_settled_uploads(conn)?;
            while let Some((upload, was_explicit)) = transfer::take_upload(conn, in_flight)? {
                if was_explicit || !explicit {
                    return Ok(Some(upload));
                }
                // Asked for explicitly: what leans on the receiver is made again.
                transfer::drop_upload(conn, upload.pack)?;
            }
            if self.pack_waiting(conn, explicit)?.is_none() {
                return Ok(None);
            }
            Ok(transfer::take_upload(conn, in_flight)?.map(|(upload, _)| upload))
        })
    }

    /// Makes and keeps one pack of what no pack carries yet; none if nothing does.
    pub(crate) fn pack_waiting(
        &self,
        conn: &Connection,
        explicit: bool,
    ) -> Result<Option<PackId>, StoreError> {
        let mut waiting = transfer::unpacked(conn, PACK_BATCH)?;
        let mut explicit = explicit;
        if waiting.is_empty() {
            // Of others' chains the relay knows nothing that a pack could lean on.
            waiting = lost::unpacked_of_others(conn, PACK_BATCH)?;
            explicit = true;
        }
        if waiting.is_empty() {
            return Ok(None);
        }
        let (rows, bytes) = self.fill_pack(conn, waiting, explicit)?;
        let pack = frame::pack_id(&bytes);
        transfer::save_upload(conn, pack, &bytes, &rows, explicit)?;
        Ok(Some(pack))
    }

    /// As many entries as a pack should hold, at least one.
    fn fill_pack(
        &self,
        conn: &Connection,
        waiting: Vec<(EntryRow, Entry)>,
        explicit: bool,
    ) -> Result<(Vec<EntryRow>, Vec<u8>), StoreError> {
        let context = UploadContext {
            conn,
            school: self.owner.school,
            device: self.owner.device,
            certificate: accepted_certificate(conn)?,
        };
        let items: Vec<Item> = waiting
            .iter()
            .map(|(_, entry)| Item {
                entry: entry.clone(),
                place: None,
            })
            .collect();
        let mut most = items.len();
        loop {
            let mut writer = PackWriter::new(&context, explicit, false, Effort::Full);
            let mut count = 0;
            for item in &items[..most] {
                let full = writer.estimate() + item.entry.len() / 2 > limits::PACK_TARGET
                    || writer.columns_len() + item.entry.len() > limits::MAX_PACK_COLUMNS;
                if count > 0 && full {
                    break;
                }
                writer.push(item);
                count += 1;
            }
            let bytes = writer.finish();
            if bytes.len() <= limits::PACK_TARGET || count == 1 {
                let rows = waiting[..count].iter().map(|(row, _)| *row).collect();
                return Ok((rows, bytes));
            }
            // The estimate was too hopeful.
            most = count / 2;
        }
    }
}

/// Signs the next entry of an own chain and moves its head.
#[expect(clippy::too_many_arguments, reason = "the fields of a header")]
fn sign_next(
    conn: &Connection,
    owner: &Owner,
    key: &SigningKey,
    chain: &ChainKey,
    certificate: Hash,
    heads: Heads,
    kinds: Vec<stunity_proto::Kind>,
    body: Body,
) -> Result<Entry, StoreError> {
    let row = entries::chain_row(conn, chain)?;
    let (sequence, previous): (i64, Option<[u8; 32]>) = conn
        .prepare_cached("SELECT head_sequence, head_id FROM chains WHERE chain = ?1")?
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let header = Header {
        school: owner.school,
        space: chain.space,
        lane: chain.lane,
        author: owner.account,
        signer: chain.signer,
        certificate,
        incarnation: chain.incarnation,
        sequence: uint(sequence) + 1,
        previous: previous.map(EntryId),
        heads,
        kinds,
        seal: None,
        body_root: body.root()?,
    };
    let entry = sign_entry(&header, body, key)?;
    save_head(conn, row, header.sequence, &entry.id())?;
    Ok(entry)
}

fn save_head(conn: &Connection, chain: i64, sequence: u64, id: &EntryId) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE chains SET head_sequence = ?2, head_id = ?3 WHERE chain = ?1")?
        .execute(params![chain, int(sequence), &id.0])?;
    Ok(())
}

/// The own certificate, if the relay has accepted something under it.
fn accepted_certificate(conn: &Connection) -> Result<Option<Hash>, StoreError> {
    let accepted: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entries WHERE send IN (1, 2))")?
        .query_row([], |row| row.get(0))?;
    if !accepted {
        return Ok(None);
    }
    let bytes: Option<Vec<u8>> = meta::load(conn, meta::CERTIFICATE)?;
    Ok(bytes
        .map(|bytes| stunity_identity::Certificate::<stunity_identity::Device>::decode(&bytes))
        .transpose()?
        .map(|certificate| certificate.hash()))
}
