//! The relay's side of a session.
//!
//! [`Session::on_frame`] takes a message; [`Session::pump`] makes the next
//! flush, one pack at most, so that what waits for a slow reader stays bounded:
//! the driver sends one flush before it asks for the next.
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use stunity_identity::Session as AuthSession;
use stunity_proto::{
    AccountId, DeviceId, EntryId, Hash, PackId, SpaceId,
    frame::{Content, Flight, Frame, FullCursor, Part, ResultItem, SignedRoot, flags, pack_id},
    limits,
    pack::{Effort, Item, PackWriter, Place},
    receipt::{Leaf, merkle_root, sha256},
};

use crate::{
    Cursor, RelayStore, Running, SyncError, Target,
    client::{cursor_leaf, entry_leaf},
    cursors,
    reader::Reader,
    relay_files::Files,
    relay_store::{CursorLog, Download, LogItem},
    replica::Outcome,
    uploader,
};

/// Versions of the session that the relay speaks.
const MIN_VERSION: u16 = 1;
/// How much of a target is read at a time, uncompressed bytes.
const READ_BYTES: usize = 128 * 1024;

/// What the session asks of its driver.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a message.
    Send(Vec<u8>),
    /// Send a message that other sessions send too.
    SendShared(Arc<[u8]>),
    /// From now on, give live batches of these targets to the session.
    Subscribe(Vec<Target>),
    /// Give presence to the other readers of the lane.
    Ephemeral(SpaceId, stunity_proto::Lane, Vec<u8>),
    /// End the connection after what was sent.
    Close,
}

/// A batch for all readers of one target, encoded once.
#[derive(Clone, Debug)]
pub struct LiveBatch {
    /// The target.
    pub target: Target,
    /// Where a reader must be to take it.
    pub from: u64,
    /// Where it then is.
    pub to: Running,
    /// The message.
    pub frame: Arc<[u8]>,
}

#[derive(Debug)]
struct Upload {
    stream: u32,
    pack: PackId,
    total: u32,
    held: u32,
    whole: Option<Vec<u8>>,
}

/// Who speaks, once the flight's signature was checked.
#[derive(Clone, Copy, Debug)]
struct Peer {
    device: DeviceId,
    account: AccountId,
}

/// One connection's session.
#[derive(Debug)]
pub struct Session {
    host: String,
    nonce: [u8; 32],
    peer: Option<Peer>,
    explicit: bool,
    live: bool,
    upload_only: bool,
    /// Flight one, kept while the cursor list is asked for.
    waiting: Option<Flight>,
    log: CursorLog,
    /// The cursors after everything sent.
    list: Vec<Cursor>,
    /// Targets that may have more than was sent.
    todo: VecDeque<Target>,
    uploads: Vec<Upload>,
    results: Vec<(PackId, Vec<ResultItem>)>,
    /// Own entries with results in this session: not sent back.
    own: BTreeSet<(SpaceId, u64)>,
    result_leaves: Vec<Hash>,
    removed: Vec<Target>,
    resumed: Option<(Download, u32)>,
    next_stream: u32,
    files: Files,
    flying: bool,
    done_sent: bool,
}

impl Session {
    /// A session on a fresh connection. `host` is what clients address;
    /// `nonce` must be random. The first message is in the effects.
    #[must_use]
    pub fn open(host: String, nonce: [u8; 32]) -> (Self, Effect) {
        let hello = Frame::Hello {
            nonce,
            min_version: MIN_VERSION,
            max_version: stunity_proto::frame::VERSION,
        };
        let session = Self {
            host,
            nonce,
            peer: None,
            explicit: false,
            live: false,
            upload_only: false,
            waiting: None,
            log: CursorLog::default(),
            list: Vec::new(),
            todo: VecDeque::new(),
            uploads: Vec::new(),
            results: Vec::new(),
            own: BTreeSet::new(),
            result_leaves: Vec::new(),
            removed: Vec::new(),
            resumed: None,
            next_stream: 1,
            files: Files::default(),
            flying: false,
            done_sent: false,
        };
        (session, Effect::Send(hello.encode()))
    }

    /// The device, once it has proved itself.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.peer.map(|peer| peer.device)
    }

    /// Whether [`Session::pump`] has something to send.
    #[must_use]
    pub fn wants_pump(&self) -> bool {
        self.wants_flush() || (self.done_sent && self.files.wants_pump())
    }

    fn wants_flush(&self) -> bool {
        self.flying
            && (!self.results.is_empty()
                || !self.todo.is_empty()
                || self.resumed.is_some()
                || !self.removed.is_empty()
                || (!self.done_sent && self.uploads.is_empty()))
    }

    /// Whether a pack has begun to come that is not whole.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        !self.uploads.is_empty()
    }

    /// Takes one message from the client.
    ///
    /// # Errors
    /// The session is over; the driver sends [`error_frame`] and closes.
    pub async fn on_frame<S: RelayStore>(
        &mut self,
        store: &S,
        bytes: &[u8],
    ) -> Result<Vec<Effect>, SyncError> {
        let frame = Frame::decode(bytes)?;
        let mut effects = Vec::new();
        match (self.peer, frame) {
            (None, Frame::Flight(flight)) => self.flight(store, flight, &mut effects).await?,
            (None, _) => return Err(SyncError::Protocol("frame before flight one")),
            (Some(peer), Frame::CursorList(list)) => {
                self.cursor_list(store, peer, list, &mut effects).await?;
            }
            (
                Some(peer),
                Frame::Offer {
                    stream,
                    content: Content::Entries,
                    part,
                },
            ) => self.upload(store, peer, stream, part, &mut effects).await?,
            (
                Some(peer),
                Frame::Offer {
                    stream,
                    content: Content::Chunk,
                    part,
                },
            ) => {
                self.check_stream(stream)?;
                let from = (peer.device, peer.account);
                self.files
                    .offer(store, from, stream, part, &mut effects)
                    .await?;
            }
            (Some(_), Frame::BlobWanted { blob, chunks, held }) => {
                self.files.want(blob, &chunks, held)?;
            }
            (
                Some(peer),
                Frame::Slice {
                    stream,
                    offset,
                    bytes,
                },
            ) if self.files.receives(stream) => {
                let from = (peer.device, peer.account);
                self.files
                    .slice(store, from, stream, offset, &bytes, &mut effects)
                    .await?;
            }
            (
                Some(peer),
                Frame::Slice {
                    stream,
                    offset,
                    bytes,
                },
            ) => {
                self.slice(store, peer, stream, offset, bytes, &mut effects)
                    .await?;
            }
            (Some(peer), Frame::Acknowledge(hash)) if self.log.acknowledge(hash) => {
                store.save_cursor_log(peer.device, self.log.clone()).await?;
            }
            (Some(_), Frame::Ephemeral { space, lane, bytes }) => {
                effects.push(Effect::Ephemeral(space, lane, bytes));
            }
            (Some(_), Frame::Goodbye) => effects.push(Effect::Close),
            // Types of later versions, and those that only a client takes.
            _ => {}
        }
        Ok(effects)
    }

    async fn flight<S: RelayStore>(
        &mut self,
        store: &S,
        flight: Flight,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let device = store
            .device(flight.device)
            .await?
            .ok_or_else(|| refused("device.unknown"))?;
        AuthSession {
            school: store.school(),
            host: &self.host,
            nonce: self.nonce,
        }
        .verify_flight(&flight, &device.key)
        .map_err(|_| SyncError::NotAuthentic("flight one"))?;
        if device.revoked {
            return Err(refused("device.revoked"));
        }
        let peer = Peer {
            device: flight.device,
            account: device.account,
        };
        self.peer = Some(peer);
        self.live = flight.flags & flags::LIVE != 0;
        self.explicit = flight.flags & flags::EXPLICIT != 0;
        self.upload_only = flight.flags & flags::UPLOAD_ONLY != 0;
        self.log = store.cursor_log(peer.device).await?;
        if let Some(part) = flight.outbox.clone() {
            self.upload(store, peer, 0, part, effects).await?;
        }
        if self.log.settle(flight.cursors) {
            self.start(store, peer, &flight, effects).await
        } else {
            self.waiting = Some(flight);
            effects.push(send(&Frame::NeedCursors));
            Ok(())
        }
    }

    /// The client's own list: each cursor counts only if its running hash is
    /// this log's.
    async fn cursor_list<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        list: Vec<FullCursor>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let Some(flight) = self.waiting.take() else {
            return Err(SyncError::Protocol("cursor list not asked for"));
        };
        let mut known = Vec::new();
        for cursor in list {
            let target = Target {
                space: cursor.space,
                lane: cursor.lane,
            };
            let hash = store.running_at(target, cursor.sequence).await?;
            let at = Running {
                epoch: cursor.epoch,
                sequence: cursor.sequence,
                hash: hash.unwrap_or(Hash::ZERO),
            };
            if hash.is_some() && at.hash8() == cursor.hash {
                known.push(Cursor { target, at });
            } else {
                // Not this log's history: from the start, and told so.
                self.removed.push(target);
            }
        }
        known.sort_by_key(|cursor| cursor.target);
        known.dedup_by_key(|cursor| cursor.target);
        self.log = CursorLog {
            acknowledged: known,
            sent: Vec::new(),
        };
        self.start(store, peer, &flight, effects).await
    }

    /// Both sides know where the client stands: what it reads and lacks.
    async fn start<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        flight: &Flight,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.list = self.log.acknowledged.clone();
        self.flying = true;
        if self.upload_only {
            return Ok(());
        }
        let base = cursors::list_hash(&self.list);
        // What is to be explicit is made anew.
        let partials = flight.partials.iter().filter(|_| !self.explicit);
        for (pack, held) in partials {
            let kept = store.load_download(peer.device, *pack).await?;
            if let Some(download) =
                kept.filter(|d| d.base == base && *held as usize <= d.bytes.len())
            {
                self.resumed = Some((download, *held));
                break;
            }
        }
        let view = self.look(store, peer).await?;
        if self.live {
            effects.push(Effect::Subscribe(view));
        }
        Ok(())
    }

    /// Reads what the account may read now and how far each target goes.
    async fn look<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
    ) -> Result<Vec<Target>, SyncError> {
        let view = store.view(peer.account).await?;
        let ends = store.ends(&view).await?;
        self.todo = view
            .iter()
            .zip(&ends)
            .filter(|(target, end)| end.sequence > cursors::position(&self.list, **target).sequence)
            .map(|(target, _)| *target)
            .collect();
        // Who is of the staff stands in the school's own space, and courses are judged
        // by it: what comes before it would be looked at twice.
        let school = store.school().space();
        (self.todo.make_contiguous()).sort_by_key(|target| target.space != school);
        for cursor in &self.list {
            if !view.contains(&cursor.target) && !self.removed.contains(&cursor.target) {
                self.removed.push(cursor.target);
            }
        }
        Ok(view)
    }

    fn check_stream(&self, stream: u32) -> Result<(), SyncError> {
        let is_used = self.uploads.iter().any(|upload| upload.stream == stream);
        if stream % 2 == 1 || is_used || self.files.receives(stream) {
            return Err(SyncError::Protocol("stream of an offer"));
        }
        Ok(())
    }

    async fn upload<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        stream: u32,
        part: Part,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.check_stream(stream)?;
        if self.uploads.len() >= limits::MAX_OPEN_UPLOADS {
            return Err(SyncError::Protocol("too many open uploads"));
        }
        let mut upload = Upload {
            stream,
            pack: part.pack,
            total: part.total,
            held: 0,
            whole: None,
        };
        if part.offset == 0 && part.bytes.len() == part.total as usize {
            upload.held = part.total;
            upload.whole = Some(part.bytes);
            return self.complete(store, peer, upload, effects).await;
        }
        upload.held = store.upload_held(peer.device, part.pack).await?;
        if upload.held == upload.total {
            // Everything came, but its results were cut off: they are the same.
            return self.complete(store, peer, upload, effects).await;
        }
        self.uploads.push(upload);
        // A part beyond what is held is dropped: the client believes that more is here
        // than is.
        self.slice(store, peer, stream, part.offset, part.bytes, effects)
            .await?;
        // A client that was cut off waits for this, also when nothing had arrived.
        if let Some(upload) = self.uploads.iter().find(|u| u.stream == stream) {
            store.keep_upload(peer.device, upload.pack).await?;
            effects.push(send(&Frame::Stored {
                stream,
                offset: upload.held,
            }));
        }
        Ok(())
    }

    async fn slice<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        stream: u32,
        offset: u32,
        bytes: Vec<u8>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let index = self
            .uploads
            .iter()
            .position(|u| u.stream == stream)
            .ok_or(SyncError::Protocol("slice of no stream"))?;
        let upload = &mut self.uploads[index];
        let end = offset + bytes.len() as u32;
        if end > upload.total {
            return Err(SyncError::Protocol("slice beyond its pack"));
        }
        // What is held came before a cut and crosses again; what lies beyond a
        // gap was sent before the client heard where to continue.
        if offset <= upload.held && end > upload.held {
            let new = bytes[(upload.held - offset) as usize..].to_vec();
            let (pack, total, held) = (upload.pack, upload.total, upload.held);
            upload.held = end;
            store
                .save_upload_slice(peer.device, pack, total, held, new)
                .await?;
        }
        if self.uploads[index].held == self.uploads[index].total {
            let upload = self.uploads.remove(index);
            self.complete(store, peer, upload, effects).await?;
        }
        Ok(())
    }

    /// A whole pack is here: stores its entries and notes their results.
    async fn complete<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        upload: Upload,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let bytes = match upload.whole {
            Some(bytes) => bytes,
            None => store.load_upload(peer.device, upload.pack).await?,
        };
        if pack_id(&bytes) != upload.pack {
            return Err(SyncError::NotAuthentic("name of a pack"));
        }
        let restored = uploader::restore(store, peer.device, peer.account, &bytes).await?;
        let Some(items) = restored else {
            effects.push(send(&Frame::ResendExplicit(upload.pack)));
            return Ok(());
        };
        let entries: Vec<_> = items.into_iter().map(|item| item.entry).collect();
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id()).collect();
        let outcomes = store.append(peer.device, entries).await?;
        let mut results = Vec::with_capacity(outcomes.len());
        for (outcome, id) in outcomes.into_iter().zip(ids) {
            let (result, leaf) = match outcome {
                Outcome::Accepted(position) => {
                    self.own.insert((position.space, position.sequence));
                    let result = ResultItem::Accepted {
                        sequence: position.sequence,
                        received_ms: position.received_ms,
                    };
                    (result, entry_leaf(&position, id))
                }
                Outcome::Pending { position, code } => {
                    self.own.insert((position.space, position.sequence));
                    let result = ResultItem::Pending {
                        sequence: position.sequence,
                        received_ms: position.received_ms,
                        code,
                    };
                    (result, entry_leaf(&position, id))
                }
                Outcome::Refused { code, tombstone } => {
                    let leaf = Leaf::Tombstone(sha256(&tombstone));
                    (ResultItem::Refused { code, tombstone }, leaf)
                }
            };
            results.push(result);
            self.result_leaves.push(leaf.hash());
        }
        self.results.push((upload.pack, results));
        // The new entries move the device's own cursors, and may have changed
        // what it reads.
        if self.flying && !self.upload_only {
            let view = self.look(store, peer).await?;
            if self.live {
                effects.push(Effect::Subscribe(view));
            }
        }
        Ok(())
    }

    /// Makes the next flush: results, one pack at most, cursors, receipt, and
    /// `done` when nothing is left.
    ///
    /// # Errors
    /// As [`Session::on_frame`].
    pub async fn pump<S: RelayStore>(&mut self, store: &S) -> Result<Vec<Effect>, SyncError> {
        let Some(peer) = self.peer.filter(|_| self.wants_pump()) else {
            return Ok(Vec::new());
        };
        if !self.wants_flush() {
            let stream = &mut self.next_stream;
            return self.files.pump(store, peer.account, stream).await;
        }
        let mut effects = Vec::new();
        let mut leaves = std::mem::take(&mut self.result_leaves);
        for (pack, items) in std::mem::take(&mut self.results) {
            let mut name = [0; 8];
            name.copy_from_slice(&pack.0[..8]);
            effects.push(send(&Frame::Results { pack: name, items }));
        }
        let base = cursors::list_hash(&self.list);
        let resumed = self.resumed.take();
        let left_out = match &resumed {
            Some((download, _)) => self.left_out(store, download).await?,
            None => Vec::new(),
        };
        let (download, held) = match resumed {
            Some(resumed) => resumed,
            None => (self.next_download(store, base).await?, 0),
        };
        if !download.bytes.is_empty() {
            leaves.extend_from_slice(&download.leaves);
            self.send_pack(&download, held, &mut effects);
            if !left_out.is_empty() {
                leaves.extend(item_leaves(&left_out));
                self.send_pack(&self.pack_of(store, &left_out), 0, &mut effects);
            }
            if download.bytes.len() > limits::SLICE && held == 0 {
                store.save_download(peer.device, download.clone()).await?;
            }
        }
        let removed = std::mem::take(&mut self.removed);
        if !removed.is_empty() {
            let targets = removed.iter().map(|t| (t.space, t.lane)).collect();
            effects.push(send(&Frame::Removed(targets)));
        }
        if !download.cursors.is_empty() {
            let moved = download
                .cursors
                .iter()
                .map(|cursor| {
                    let name = cursors::reference(&self.list, &removed, cursor.target);
                    (name, cursor.at.sequence)
                })
                .collect();
            effects.push(send(&Frame::Cursors(moved)));
            leaves.extend(download.cursors.iter().map(|c| cursor_leaf(c).hash()));
        }
        let relay_ms = store.now_ms();
        leaves.push(
            Leaf::Time {
                nonce: self.nonce,
                relay_ms,
            }
            .hash(),
        );
        effects.push(send(&Frame::Receipt(signed_root(store, &leaves, relay_ms))));
        cursors::update(&mut self.list, &download.cursors, &removed);
        self.own.retain(|(space, sequence)| {
            let whole = Target {
                space: *space,
                lane: None,
            };
            cursors::position(&self.list, whole).sequence < *sequence
        });
        if !download.cursors.is_empty() || !removed.is_empty() {
            self.log.sent.push((download.cursors, removed));
            store.save_cursor_log(peer.device, self.log.clone()).await?;
        }
        if !self.done_sent && self.todo.is_empty() && self.uploads.is_empty() {
            self.done_sent = true;
            effects.push(send(&Frame::Done));
        }
        Ok(effects)
    }

    /// Reads past the cursors until a pack is full. An empty pack may still
    /// move cursors: over the device's own entries.
    async fn next_download<S: RelayStore>(
        &mut self,
        store: &S,
        base: [u8; 8],
    ) -> Result<Download, SyncError> {
        let mut context = self.reader(store);
        let mut chosen: Vec<LogItem> = Vec::new();
        let mut moved: Vec<Cursor> = Vec::new();
        let mut size = 0;
        // Uncompressed entries are about half of a header that the pack leaves
        // out; the writer's own estimate below decides.
        while let Some(target) = self.todo.front().copied() {
            if size >= READ_BYTES || chosen.len() >= limits::MAX_PACK_ENTRIES / 2 {
                break;
            }
            let mut at = cursors::position(&self.list, target);
            if let Some(cursor) = moved.iter().find(|c| c.target == target) {
                at = cursor.at;
            }
            let page = store.read(target, at.sequence, READ_BYTES - size).await?;
            for item in page.items {
                at = Running {
                    epoch: item.position.epoch,
                    sequence: item.position.sequence,
                    hash: if target.lane.is_some() {
                        item.lane_hash
                    } else {
                        item.space_hash
                    },
                };
                if !self
                    .own
                    .contains(&(item.position.space, item.position.sequence))
                {
                    size += item.entry.len();
                    context.note(&item);
                    chosen.push(item);
                }
            }
            if at.sequence > cursors::position(&self.list, target).sequence {
                moved.retain(|cursor| cursor.target != target);
                moved.push(Cursor { target, at });
            }
            if !page.more {
                self.todo.pop_front();
            }
        }
        moved.sort_by_key(|cursor| cursor.target);
        if chosen.is_empty() {
            return Ok(Download {
                pack: PackId::ZERO,
                bytes: Vec::new(),
                leaves: Vec::new(),
                cursors: moved,
                base,
            });
        }
        let bytes = encode(&context, &chosen, self.explicit, Effort::Full);
        Ok(Download {
            pack: pack_id(&bytes),
            leaves: item_leaves(&chosen),
            bytes,
            cursors: moved,
            base,
        })
    }

    /// The client as a reader: of a target that it reads it holds the space's id at least.
    fn reader<S: RelayStore>(&self, store: &S) -> Reader {
        let spaces = self.list.iter().map(|cursor| cursor.target.space);
        Reader::new(store.school(), spaces)
    }

    /// What a resumed pack leaves out, though its cursors pass over it: own entries
    /// whose results went with the pack before the cut, and were lost with its
    /// receipt.
    async fn left_out<S: RelayStore>(
        &self,
        store: &S,
        download: &Download,
    ) -> Result<Vec<LogItem>, SyncError> {
        let known: BTreeSet<&Hash> = download.leaves.iter().collect();
        let mut left_out = Vec::new();
        for cursor in &download.cursors {
            let mut at = cursors::position(&self.list, cursor.target).sequence;
            while at < cursor.at.sequence {
                let page = store.read(cursor.target, at, READ_BYTES).await?;
                for item in page.items {
                    at = item.position.sequence;
                    let leaf = entry_leaf(&item.position, item.entry.id()).hash();
                    let has_result = self.own.contains(&(item.position.space, at));
                    if at <= cursor.at.sequence && !has_result && !known.contains(&leaf) {
                        left_out.push(item);
                    }
                }
                if !page.more {
                    break;
                }
            }
        }
        Ok(left_out)
    }

    /// A pack of these items, which moves no cursor.
    fn pack_of<S: RelayStore>(&self, store: &S, items: &[LogItem]) -> Download {
        let mut context = self.reader(store);
        items.iter().for_each(|item| context.note(item));
        let bytes = encode(&context, items, self.explicit, Effort::Full);
        Download {
            pack: pack_id(&bytes),
            bytes,
            leaves: Vec::new(),
            cursors: Vec::new(),
            base: [0; 8],
        }
    }

    fn send_pack(&mut self, download: &Download, held: u32, effects: &mut Vec<Effect>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        // Whole or not, at least the last slice crosses again.
        let held = (held as usize).min(download.bytes.len().saturating_sub(1));
        let start = held - held % limits::SLICE;
        let mut slices = download.bytes[start..].chunks(limits::SLICE);
        let mut offset = start as u32;
        if let Some(first) = slices.next() {
            effects.push(send(&Frame::Offer {
                stream,
                content: Content::Entries,
                part: Part {
                    pack: download.pack,
                    total: download.bytes.len() as u32,
                    offset,
                    bytes: first.to_vec(),
                },
            }));
            offset += first.len() as u32;
        }
        for bytes in slices {
            effects.push(send(&Frame::Slice {
                stream,
                offset,
                bytes: bytes.to_vec(),
            }));
            offset += bytes.len() as u32;
        }
    }

    /// Takes a live batch: passes it on if it follows the cursor, ignores what
    /// was sent already, and else reads what lies between.
    pub fn on_live(&mut self, batch: &LiveBatch) -> Vec<Effect> {
        if !self.flying || !self.done_sent {
            return Vec::new();
        }
        let at = cursors::position(&self.list, batch.target);
        if at.sequence >= batch.to.sequence {
            return Vec::new();
        }
        let busy = self.todo.contains(&batch.target) || !self.own.is_empty();
        if busy || at.sequence != batch.from {
            if !self.todo.contains(&batch.target) {
                self.todo.push_back(batch.target);
            }
            return Vec::new();
        }
        let cursor = Cursor {
            target: batch.target,
            at: batch.to,
        };
        cursors::update(&mut self.list, &[cursor], &[]);
        self.log.sent.push((vec![cursor], Vec::new()));
        // Without acknowledgements the states in between are worth less than
        // their memory: a device cut now is asked for its list.
        if self.log.sent.len() > 64 {
            self.log.sent.remove(0);
        }
        vec![Effect::SendShared(batch.frame.clone())]
    }

    /// What the account reads has changed: looks again.
    ///
    /// # Errors
    /// As [`Session::on_frame`].
    pub async fn on_rights_changed<S: RelayStore>(
        &mut self,
        store: &S,
    ) -> Result<Vec<Effect>, SyncError> {
        match self.peer {
            Some(peer) if self.flying && !self.upload_only => {
                let view = self.look(store, peer).await?;
                Ok(if self.live {
                    vec![Effect::Subscribe(view)]
                } else {
                    Vec::new()
                })
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The connection ends: keeps what is known of the device's cursors, and what came
    /// of its files.
    ///
    /// # Errors
    /// As [`Session::on_frame`].
    pub async fn close<S: RelayStore>(&mut self, store: &S) -> Result<(), SyncError> {
        let Some(peer) = self.peer else {
            return Ok(());
        };
        self.files.close(store, peer.device).await?;
        if self.flying {
            store.save_cursor_log(peer.device, self.log.clone()).await?;
        }
        Ok(())
    }
}

/// Encodes one append for all live readers of a target. `items` are those that
/// lie in the target, in order; `from` is where the target stood before.
pub fn encode_live<S: RelayStore>(
    store: &S,
    target: Target,
    from: u64,
    items: &[LogItem],
) -> Option<LiveBatch> {
    let last = items.last()?;
    let to = Running {
        epoch: last.position.epoch,
        sequence: last.position.sequence,
        hash: if target.lane.is_some() {
            last.lane_hash
        } else {
            last.space_hash
        },
    };
    let known = (from > 0).then_some(target.space);
    let mut context = Reader::new(store.school(), known);
    for item in items {
        context.note(item);
    }
    let pack = encode(&context, items, false, Effort::Live);
    let mut leaves = item_leaves(items);
    leaves.push(cursor_leaf(&Cursor { target, at: to }).hash());
    let relay_ms = store.now_ms();
    leaves.push(
        Leaf::Time {
            nonce: [0; 32],
            relay_ms,
        }
        .hash(),
    );
    let frame = Frame::Live {
        space: target.space,
        lane: target.lane,
        from,
        to: to.sequence,
        pack,
        root: signed_root(store, &leaves, relay_ms),
    };
    Some(LiveBatch {
        target,
        from,
        to,
        frame: frame.encode().into(),
    })
}

/// The message that tells a client why its session ends.
#[must_use]
pub fn error_frame(error: &SyncError) -> Vec<u8> {
    let retry_after_ms = match error {
        SyncError::Refused { retry_after_ms, .. } => *retry_after_ms,
        SyncError::NoSpace | SyncError::Store(_) => Some(30_000),
        _ => None,
    };
    Frame::Error {
        code: error.code().to_owned(),
        retry_after_ms,
    }
    .encode()
}

fn refused(code: &str) -> SyncError {
    SyncError::Refused {
        code: code.to_owned(),
        retry_after_ms: None,
    }
}

fn send(frame: &Frame) -> Effect {
    Effect::Send(frame.encode())
}

fn signed_root<S: RelayStore>(store: &S, leaves: &[Hash], relay_ms: u64) -> SignedRoot {
    SignedRoot {
        node: store.node(),
        epoch: store.epoch(),
        relay_ms,
        signature: store.sign_receipt(&merkle_root(leaves)),
    }
}

fn item_leaves(items: &[LogItem]) -> Vec<Hash> {
    items
        .iter()
        .map(|item| entry_leaf(&item.position, item.entry.id()).hash())
        .collect()
}

fn encode(context: &Reader, items: &[LogItem], explicit: bool, effort: Effort) -> Vec<u8> {
    let mut writer = PackWriter::new(context, explicit, true, effort);
    for item in items {
        writer.push(&Item {
            entry: item.entry.clone(),
            place: Some(Place {
                space: item.position.space,
                lane: item.position.lane,
                sequence: item.position.sequence,
                received_ms: item.position.received_ms,
            }),
        });
    }
    writer.finish()
}
