//! The client's side of a session.
//!
//! Frames go in by [`Session::on_frame`], effects come out. Downloads are kept
//! slice by slice and applied flush by flush, each after its receipt verified;
//! uploads stream at once unless an earlier session was cut within them.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{
    BlobId, EntryId, Hash, Lane, PackId, Signature, SpaceId,
    frame::{Content, CursorRef, Flight, Frame, FullCursor, Part, ResultItem, SignedRoot, flags},
    limits,
    pack::{Item, decode_pack},
    receipt::{Leaf, merkle_root, sha256},
};

use crate::{
    Cursor, Position, Replica, Running, SyncError, Target,
    cursors::{self, Numbered},
    files::Files,
    replica::{Applied, Delivered, Flush, FlushReceipt, Outcome, Upload},
};

/// How a session is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The relay's host as the client addressed it; signed, so that a flight
    /// is worth nothing at another relay.
    pub host: String,
    /// Whether to stay for live batches.
    pub live: bool,
    /// Whether only to upload: the relay said that this build is too old to
    /// read.
    pub upload_only: bool,
    /// Whether packs must name nothing by what this replica is thought to hold:
    /// after a session that ended with `decode.missing-context`.
    pub explicit: bool,
}

/// What the session asks of its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message.
    Send(Vec<u8>),
    /// Tell the app.
    Event(Event),
    /// End the connection.
    Close,
}

/// What the session tells the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes of an upload that were handed to the connection, of its total.
    Sending {
        /// The pack.
        pack: PackId,
        /// Bytes sent.
        sent: u32,
        /// Bytes in all.
        total: u32,
    },
    /// Bytes of a download that are held, of its total.
    Receiving {
        /// The pack.
        pack: PackId,
        /// Bytes held.
        held: u32,
        /// Bytes in all.
        total: u32,
    },
    /// Bytes of a file that are at the relay, or here.
    File {
        /// The file.
        blob: BlobId,
        /// Whether it goes up.
        is_upload: bool,
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A flush was applied.
    Applied(Applied),
    /// Everything that was there is here, and all that was waiting is there; files
    /// as far as they are wanted and the network is meant for them.
    CaughtUp {
        /// The relay's time, milliseconds since 1970.
        relay_ms: u64,
    },
    /// Presence or typing.
    Ephemeral {
        /// The space.
        space: SpaceId,
        /// The lane.
        lane: Lane,
        /// What it says.
        bytes: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitHello,
    Flying,
    Live,
    Closed,
}

#[derive(Debug)]
struct Incoming {
    pack: PackId,
    total: u32,
    held: u32,
    /// The bytes, if the pack came in one slice and needs no keeping.
    whole: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Outgoing {
    upload: Upload,
    sent: u32,
    /// Waiting for the relay to say from where to continue.
    waiting: bool,
}

/// What came since the last receipt.
#[derive(Debug, Default)]
struct Building {
    results: Vec<(Upload, Vec<ResultItem>)>,
    packs: Vec<Incoming>,
    moved: Vec<(CursorRef, u64)>,
    removed: Vec<Target>,
}

/// One connection's session.
#[derive(Debug)]
pub struct Session {
    options: Options,
    phase: Phase,
    nonce: [u8; 32],
    cursors: Vec<Cursor>,
    incoming: BTreeMap<u32, Incoming>,
    /// Streams that are whole: slices of them may cross again.
    whole: BTreeSet<u32>,
    outgoing: BTreeMap<u32, Outgoing>,
    next_stream: u32,
    files: Files,
    flush: Building,
    /// Own entries that were numbered in this session and that no cursor has
    /// passed yet.
    own: Vec<Numbered>,
    /// Cursors moved since the relay last heard the list's hash.
    unacknowledged: bool,
    relay_ms: u64,
    done: bool,
    explicit: bool,
}

/// Times of the driver that a session needs.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The device's wall clock, milliseconds since 1970; decides nothing here.
    pub wall_ms: u64,
}

impl Session {
    /// A session on a fresh connection.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            phase: Phase::AwaitHello,
            nonce: [0; 32],
            cursors: Vec::new(),
            incoming: BTreeMap::new(),
            whole: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            next_stream: 0,
            files: Files::default(),
            flush: Building::default(),
            own: Vec::new(),
            unacknowledged: false,
            relay_ms: 0,
            done: false,
            explicit: false,
        }
    }

    /// Whether flight two is complete and nothing sent waits for its result.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.done && self.outgoing.is_empty() && self.files.is_idle()
    }

    /// Takes one message from the relay.
    ///
    /// # Errors
    /// The session is over: whatever the error, everything stored stays valid
    /// and the next session continues from it.
    pub fn on_frame(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        bytes: &[u8],
    ) -> Result<Vec<Effect>, SyncError> {
        let mut effects = Vec::new();
        let result = self.take(replica, now, bytes, &mut effects);
        if let Err(error) = result {
            self.phase = Phase::Closed;
            return Err(error);
        }
        Ok(effects)
    }

    /// Own entries may be waiting: sends them if the session is live.
    ///
    /// # Errors
    /// As [`Session::on_frame`].
    pub fn on_local_change(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
    ) -> Result<Vec<Effect>, SyncError> {
        let mut effects = Vec::new();
        if self.phase == Phase::Live {
            self.send_what_waits(replica, now, &mut effects)?;
        }
        Ok(effects)
    }

    /// The connection has been quiet for a second: says how far the replica is.
    #[must_use]
    pub fn on_quiet(&mut self) -> Vec<Effect> {
        if self.phase != Phase::Live || !std::mem::take(&mut self.unacknowledged) {
            return Vec::new();
        }
        vec![send(&Frame::Acknowledge(cursors::list_hash(&self.cursors)))]
    }

    /// Presence or typing, to be sent if the session is live, else dropped.
    #[must_use]
    pub fn ephemeral(&self, space: SpaceId, lane: Lane, bytes: Vec<u8>) -> Vec<Effect> {
        if self.phase == Phase::Live {
            vec![send(&Frame::Ephemeral { space, lane, bytes })]
        } else {
            Vec::new()
        }
    }

    fn take(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let frame = Frame::decode(bytes)?;
        match (self.phase, frame) {
            (Phase::Closed, _) => {}
            (
                Phase::AwaitHello,
                Frame::Hello {
                    nonce, min_version, ..
                },
            ) => {
                self.nonce = nonce;
                let too_old = min_version > stunity_proto::frame::VERSION;
                self.options.upload_only |= too_old;
                self.fly(replica, now, effects)?;
            }
            (
                _,
                Frame::Error {
                    code,
                    retry_after_ms,
                },
            ) => {
                return Err(SyncError::Refused {
                    code,
                    retry_after_ms,
                });
            }
            (Phase::AwaitHello, _) => return Err(SyncError::Protocol("frame before hello")),
            (_, Frame::Goodbye) => {
                self.phase = Phase::Closed;
                effects.push(Effect::Close);
            }
            (
                _,
                Frame::Offer {
                    stream,
                    content: Content::Entries,
                    part,
                },
            ) => self.begin(replica, stream, part, effects)?,
            (
                _,
                Frame::Offer {
                    stream,
                    content: Content::Chunk,
                    part,
                },
            ) => {
                self.check_stream(stream)?;
                self.files.begin(replica, stream, &part, effects)?;
                self.go_on(replica, now, effects)?;
            }
            (
                _,
                Frame::Slice {
                    stream,
                    offset,
                    bytes,
                },
            ) if self.files.receives(stream) => {
                self.files.slice(replica, stream, offset, &bytes, effects)?;
                if !self.files.receives(stream) {
                    self.go_on(replica, now, effects)?;
                }
            }
            (
                _,
                Frame::Slice {
                    stream,
                    offset,
                    bytes,
                },
            ) => self.slice(replica, stream, offset, &bytes, effects)?,
            (_, Frame::Stored { stream, offset }) if self.files.sends(stream) => {
                self.files.stored(replica, stream, offset, effects)?;
                self.go_on(replica, now, effects)?;
            }
            (_, Frame::Stored { stream, offset }) => {
                self.stored(replica, stream, offset, effects)?;
            }
            (_, Frame::BlobAbsent { blob, chunks }) => {
                self.files.absent(blob, &chunks);
                self.go_on(replica, now, effects)?;
            }
            (_, Frame::Results { pack, items }) => self.results(pack, items)?,
            (_, Frame::Cursors(moved)) => self.flush.moved.extend(moved),
            (_, Frame::Removed(targets)) => self.flush.removed.extend(
                targets
                    .into_iter()
                    .map(|(space, lane)| Target { space, lane }),
            ),
            (_, Frame::Receipt(root)) => {
                let nonce = self.nonce;
                self.end_flush(replica, root, &nonce, effects)?;
                if self.done {
                    replica.settle_fork()?;
                }
                // Results make room for what still waits.
                if self.outgoing.values().all(|out| !out.waiting) {
                    self.send_what_waits(replica, now, effects)?;
                }
                self.tell_if_caught_up(effects);
            }
            (
                _,
                Frame::Live {
                    space,
                    lane,
                    from,
                    to,
                    pack,
                    root,
                },
            ) => {
                let target = Target { space, lane };
                self.live(replica, target, (from, to), pack, root, effects)?;
                self.tell_if_caught_up(effects);
            }
            (_, Frame::NeedCursors) => effects.push(send(&Frame::CursorList(
                self.cursors.iter().map(full_cursor).collect(),
            ))),
            (_, Frame::Done) => self.finish(replica, now, effects)?,
            (_, Frame::ResendExplicit(pack)) => self.resend(replica, now, pack, effects)?,
            (_, Frame::Ephemeral { space, lane, bytes }) => {
                effects.push(Effect::Event(Event::Ephemeral { space, lane, bytes }));
            }
            // Types of later versions, and those that only a relay takes.
            _ => {}
        }
        Ok(())
    }

    /// Flight one: says where this replica stands and sends what waits.
    fn fly(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.phase = Phase::Flying;
        self.cursors = replica.cursors()?;
        let partials = replica.partials()?;
        let upload = replica.next_upload(&[], self.explicit, now.wall_ms)?;
        let mut flight = Flight {
            version: stunity_proto::frame::VERSION,
            device: replica.owner().device,
            capabilities: 0,
            cursors: cursors::list_hash(&self.cursors),
            partials: partials
                .iter()
                .take(limits::MAX_PARTIALS)
                .map(|partial| (partial.pack, partial.held))
                .collect(),
            outbox: None,
            flags: u64::from(self.options.live) * flags::LIVE
                + u64::from(self.options.upload_only) * flags::UPLOAD_ONLY
                + u64::from(self.options.explicit) * flags::EXPLICIT,
            signature: Signature::ZERO,
        };
        let stream = self.take_stream();
        if let Some(upload) = upload {
            flight.outbox = Some(self.open(stream, upload));
        }
        replica.sign_flight(&mut flight, &self.options.host, &self.nonce)?;
        effects.push(send(&Frame::Flight(flight)));
        self.continue_uploads(effects);
        if self.outgoing.values().all(|out| !out.waiting) {
            self.send_outbox(replica, now, effects)?;
        }
        Ok(())
    }

    /// Stream 0 is flight one's; the client's further streams are even, the
    /// relay's odd.
    fn take_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Begins to send a pack; gives its first part.
    fn open(&mut self, stream: u32, upload: Upload) -> Part {
        let total = upload.bytes.len() as u32;
        let part = if upload.acknowledged == total {
            // A carrier has it: the relay is only asked whether it came.
            Part {
                bytes: Vec::new(),
                ..part_at(&upload, 0)
            }
        } else {
            part_at(&upload, slice_start(upload.acknowledged))
        };
        let sent = part.offset + part.bytes.len() as u32;
        // After a cut nobody knows how much arrived: ask before sending more. The
        // last slice asks too: a relay may have lost those before it.
        let waiting = upload.begun && (part.offset > 0 || sent < total);
        self.outgoing.insert(
            stream,
            Outgoing {
                upload,
                sent,
                waiting,
            },
        );
        part
    }

    /// Sends the rest of every pack that has begun and need not wait.
    fn continue_uploads(&mut self, effects: &mut Vec<Effect>) {
        for (stream, out) in &mut self.outgoing {
            let total = out.upload.bytes.len() as u32;
            while !out.waiting && out.sent < total {
                let part = part_at(&out.upload, out.sent);
                out.sent += part.bytes.len() as u32;
                effects.push(send(&Frame::Slice {
                    stream: *stream,
                    offset: part.offset,
                    bytes: part.bytes,
                }));
                effects.push(Effect::Event(Event::Sending {
                    pack: out.upload.pack,
                    sent: out.sent,
                    total,
                }));
            }
        }
    }

    /// Sends further packs while less is unacknowledged than allowed.
    fn send_outbox(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        loop {
            let in_flight: Vec<PackId> = self.outgoing.values().map(|o| o.upload.pack).collect();
            let bytes: usize = self.outgoing.values().map(|o| o.upload.bytes.len()).sum();
            if bytes >= limits::MAX_UNACKNOWLEDGED || in_flight.len() >= limits::MAX_OPEN_UPLOADS {
                return Ok(());
            }
            let Some(upload) = replica.next_upload(&in_flight, self.explicit, now.wall_ms)? else {
                return Ok(());
            };
            let stream = self.take_stream();
            let part = self.open(stream, upload);
            effects.push(send(&Frame::Offer {
                stream,
                content: Content::Entries,
                part,
            }));
            self.continue_uploads(effects);
        }
    }

    /// Entries first; files once the replica is caught up with them.
    fn send_what_waits(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.send_outbox(replica, now, effects)?;
        if self.phase == Phase::Live && self.outgoing.is_empty() {
            let next = &mut self.next_stream;
            let mut stream = || {
                let stream = *next;
                *next += 2;
                stream
            };
            self.files.go(replica, &mut stream, effects)?;
        }
        Ok(())
    }

    /// Something of a file came through: what comes next may be text.
    fn go_on(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.send_what_waits(replica, now, effects)?;
        self.tell_if_caught_up(effects);
        Ok(())
    }

    fn check_stream(&self, stream: u32) -> Result<(), SyncError> {
        if stream.is_multiple_of(2) || self.incoming.contains_key(&stream) {
            return Err(SyncError::Protocol("stream of an offer"));
        }
        Ok(())
    }

    fn begin(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        part: Part,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.check_stream(stream)?;
        let mut incoming = Incoming {
            pack: part.pack,
            total: part.total,
            held: 0,
            whole: None,
        };
        if part.offset == 0 && part.bytes.len() == part.total as usize {
            incoming.held = part.total;
            incoming.whole = Some(part.bytes);
            self.flush.packs.push(incoming);
            return Ok(());
        }
        incoming.held = replica
            .partials()?
            .iter()
            .find(|partial| partial.pack == part.pack)
            .map_or(0, |partial| partial.held);
        if part.offset > incoming.held {
            return Err(SyncError::Protocol("offer beyond what is held"));
        }
        self.incoming.insert(stream, incoming);
        self.slice(replica, stream, part.offset, &part.bytes, effects)
    }

    fn slice(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        offset: u32,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        if self.whole.contains(&stream) {
            return Ok(());
        }
        let incoming = self
            .incoming
            .get_mut(&stream)
            .ok_or(SyncError::Protocol("slice of no stream"))?;
        let end = offset + bytes.len() as u32;
        if offset > incoming.held || end > incoming.total {
            return Err(SyncError::Protocol("offset of a slice"));
        }
        // A slice that is held already crosses the link again after a resume
        // from an earlier offset; it changes nothing.
        if end > incoming.held {
            if offset != incoming.held {
                return Err(SyncError::Protocol("offset of a slice"));
            }
            replica.save_slice(incoming.pack, incoming.total, offset, bytes)?;
            incoming.held = end;
        }
        effects.push(Effect::Event(Event::Receiving {
            pack: incoming.pack,
            held: incoming.held,
            total: incoming.total,
        }));
        if incoming.held == incoming.total
            && let Some(incoming) = self.incoming.remove(&stream)
        {
            self.whole.insert(stream);
            self.flush.packs.push(incoming);
        }
        Ok(())
    }

    fn stored(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        offset: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let Some(out) = self.outgoing.get_mut(&stream) else {
            return Ok(());
        };
        let total = out.upload.bytes.len() as u32;
        if offset > total {
            return Err(SyncError::Protocol("stored beyond the pack"));
        }
        replica.save_upload_offset(out.upload.pack, offset)?;
        if out.waiting {
            out.waiting = false;
            out.sent = slice_start(offset);
        }
        self.continue_uploads(effects);
        Ok(())
    }

    fn results(&mut self, pack: [u8; 8], items: Vec<ResultItem>) -> Result<(), SyncError> {
        let stream = self
            .outgoing
            .iter()
            .find(|(_, out)| out.upload.pack.0[..8] == pack)
            .map(|(stream, _)| *stream)
            .ok_or(SyncError::Protocol("results of no upload"))?;
        let Some(out) = self.outgoing.remove(&stream) else {
            return Ok(());
        };
        if out.upload.entries.len() != items.len() {
            return Err(SyncError::Protocol("number of results"));
        }
        self.flush.results.push((out.upload, items));
        Ok(())
    }

    fn finish(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        // What the relay did not resume it holds no longer.
        let open: Vec<PackId> = self.incoming.values().map(|i| i.pack).collect();
        for partial in replica.partials()? {
            if !open.contains(&partial.pack) {
                replica.drop_partial(partial.pack)?;
            }
        }
        self.phase = Phase::Live;
        self.done = true;
        replica.settle_fork()?;
        self.send_what_waits(replica, now, effects)?;
        self.tell_if_caught_up(effects);
        Ok(())
    }

    /// The relay could not restore a pack: its entries go again, in full.
    fn resend(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        pack: PackId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.outgoing.retain(|_, out| out.upload.pack != pack);
        replica.drop_upload(pack)?;
        self.explicit = true;
        self.send_outbox(replica, now, effects)
    }

    fn end_flush(
        &mut self,
        replica: &mut dyn Replica,
        root: SignedRoot,
        nonce: &[u8; 32],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let flush = std::mem::take(&mut self.flush);
        let mut packs = Vec::new();
        for incoming in &flush.packs {
            let bytes = match &incoming.whole {
                Some(bytes) => bytes.clone(),
                None => replica.load_partial(incoming.pack)?,
            };
            if stunity_proto::frame::pack_id(&bytes) != incoming.pack {
                replica.drop_partial(incoming.pack)?;
                return Err(SyncError::NotAuthentic("name of a pack"));
            }
            packs.push(decode_pack(&bytes, replica.pack_context())?);
        }
        self.apply(replica, flush, packs, root, nonce, effects)
    }

    fn live(
        &mut self,
        replica: &mut dyn Replica,
        target: Target,
        (from, to): (u64, u64),
        pack: Vec<u8>,
        root: SignedRoot,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        if cursors::position(&self.cursors, target).sequence != from {
            return Err(SyncError::Protocol("live batch after a gap"));
        }
        let items = decode_pack(&pack, replica.pack_context())?;
        let flush = Building {
            moved: vec![(self.cursor_ref(target), to)],
            ..Building::default()
        };
        self.apply(replica, flush, vec![items], root, &[0; 32], effects)
    }

    fn cursor_ref(&self, target: Target) -> CursorRef {
        match self.cursors.binary_search_by_key(&target, |c| c.target) {
            Ok(index) => CursorRef::Known(index as u32),
            Err(_) => CursorRef::New(target.space, target.lane),
        }
    }

    /// Rebuilds the leaves, verifies the receipt and hands the flush over.
    fn apply(
        &mut self,
        replica: &mut dyn Replica,
        building: Building,
        packs: Vec<Vec<Item>>,
        root: SignedRoot,
        nonce: &[u8; 32],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let mut leaves = Leaves::new(root.epoch);
        let mut results = Vec::new();
        for (upload, items) in building.results {
            let mut outcomes = Vec::with_capacity(items.len());
            for (item, (id, space, lane)) in items.into_iter().zip(&upload.entries) {
                outcomes.push(leaves.result(item, *id, *space, *lane));
            }
            results.push((upload.pack, outcomes));
        }
        let mut delivered = Vec::new();
        let mut own = std::mem::take(&mut self.own);
        own.append(&mut leaves.own);
        let mut numbered = own.clone();
        for item in packs.into_iter().flatten() {
            let place = item
                .place
                .ok_or(SyncError::Protocol("download without places"))?;
            let position = Position {
                space: place.space,
                lane: place.lane,
                epoch: root.epoch,
                sequence: place.sequence,
                received_ms: place.received_ms,
            };
            leaves.entry(&position, item.entry.id());
            numbered.push(Numbered::new(&position, item.entry.id()));
            delivered.push(Delivered {
                entry: item.entry,
                position: Some(position),
            });
        }
        numbered.sort_by_key(|entry| (entry.space, entry.sequence));
        numbered.dedup();
        let moved = self.moved(&building.moved, root.epoch, &numbered)?;
        for cursor in &moved {
            leaves.push(&cursor_leaf(cursor));
        }
        leaves.push(&Leaf::Time {
            nonce: *nonce,
            relay_ms: root.relay_ms,
        });
        let tree = merkle_root(&leaves.hashes);
        if !replica.verify_receipt(root.node, root.relay_ms, &tree, &root.signature)? {
            return Err(SyncError::NotAuthentic("receipt"));
        }
        cursors::update(&mut self.cursors, &moved, &building.removed);
        own.retain(|entry| !self.is_passed(entry));
        self.own = own;
        self.relay_ms = root.relay_ms;
        self.unacknowledged |= !moved.is_empty();
        let applied = replica.apply(Flush {
            results,
            delivered,
            finished: building.packs.iter().map(|pack| pack.pack).collect(),
            cursors: moved,
            removed: building.removed,
            receipt: Some(FlushReceipt {
                node: root.node,
                epoch: root.epoch,
                signature: root.signature,
                leaves: leaves.hashes,
                entries: leaves.entries,
                relay_ms: root.relay_ms,
            }),
        })?;
        effects.push(Effect::Event(Event::Applied(applied)));
        Ok(())
    }

    fn tell_if_caught_up(&self, effects: &mut Vec<Effect>) {
        if self.is_caught_up() {
            effects.push(Effect::Event(Event::CaughtUp {
                relay_ms: self.relay_ms,
            }));
        }
    }

    /// The cursors after a flush, with running hashes computed here.
    fn moved(
        &self,
        moved: &[(CursorRef, u64)],
        epoch: u64,
        numbered: &[Numbered],
    ) -> Result<Vec<Cursor>, SyncError> {
        moved
            .iter()
            .map(|(cursor, to)| {
                let (target, from) = match cursor {
                    CursorRef::Known(index) => {
                        let known = self
                            .cursors
                            .get(*index as usize)
                            .ok_or(SyncError::Protocol("index of a cursor"))?;
                        (known.target, known.at)
                    }
                    CursorRef::New(space, lane) => (
                        Target {
                            space: *space,
                            lane: *lane,
                        },
                        Running::START,
                    ),
                };
                let at = cursors::advance(target, from, *to, epoch, numbered)
                    .ok_or(SyncError::NotAuthentic("gap in the relay's order"))?;
                Ok(Cursor { target, at })
            })
            .collect()
    }

    fn is_passed(&self, entry: &Numbered) -> bool {
        [None, Some(entry.lane)].into_iter().any(|lane| {
            let target = Target {
                space: entry.space,
                lane,
            };
            cursors::position(&self.cursors, target).sequence >= entry.sequence
        })
    }
}

/// The leaves of a receipt, in order.
struct Leaves {
    epoch: u64,
    hashes: Vec<Hash>,
    entries: Vec<(u32, EntryId)>,
    own: Vec<Numbered>,
}

impl Leaves {
    fn new(epoch: u64) -> Self {
        Self {
            epoch,
            hashes: Vec::new(),
            entries: Vec::new(),
            own: Vec::new(),
        }
    }

    fn push(&mut self, leaf: &Leaf) {
        self.hashes.push(leaf.hash());
    }

    fn entry(&mut self, position: &Position, id: EntryId) {
        self.entries.push((self.hashes.len() as u32, id));
        self.push(&entry_leaf(position, id));
    }

    fn result(&mut self, item: ResultItem, id: EntryId, space: SpaceId, lane: Lane) -> Outcome {
        let mut accepted = |sequence, received_ms| {
            let position = Position {
                space,
                lane,
                epoch: self.epoch,
                sequence,
                received_ms,
            };
            self.entry(&position, id);
            self.own.push(Numbered::new(&position, id));
            position
        };
        match item {
            ResultItem::Accepted {
                sequence,
                received_ms,
            } => Outcome::Accepted(accepted(sequence, received_ms)),
            ResultItem::Pending {
                sequence,
                received_ms,
                code,
            } => Outcome::Pending {
                position: accepted(sequence, received_ms),
                code,
            },
            ResultItem::Refused { code, tombstone } => {
                self.push(&Leaf::Tombstone(sha256(&tombstone)));
                Outcome::Refused { code, tombstone }
            }
        }
    }
}

/// The leaf of an entry at a position.
pub(crate) fn entry_leaf(position: &Position, id: EntryId) -> Leaf {
    Leaf::Entry {
        space: position.space,
        lane: position.lane,
        epoch: position.epoch,
        sequence: position.sequence,
        id,
        received_ms: position.received_ms,
    }
}

/// The leaf of a cursor.
pub(crate) fn cursor_leaf(cursor: &Cursor) -> Leaf {
    Leaf::Cursor {
        space: cursor.target.space,
        lane: cursor.target.lane,
        epoch: cursor.at.epoch,
        sequence: cursor.at.sequence,
        hash: cursor.at.hash,
    }
}

fn full_cursor(cursor: &Cursor) -> FullCursor {
    FullCursor {
        space: cursor.target.space,
        lane: cursor.target.lane,
        epoch: cursor.at.epoch,
        sequence: cursor.at.sequence,
        hash: cursor.at.hash8(),
    }
}

fn send(frame: &Frame) -> Effect {
    Effect::Send(frame.encode())
}

fn slice_start(offset: u32) -> u32 {
    offset - offset % limits::SLICE as u32
}

fn part_at(upload: &Upload, offset: u32) -> Part {
    let start = offset as usize;
    let end = (start + limits::SLICE).min(upload.bytes.len());
    Part {
        pack: upload.pack,
        total: upload.bytes.len() as u32,
        offset,
        bytes: upload.bytes[start..end].to_vec(),
    }
}
