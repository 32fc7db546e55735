//! The client's side of a session.
//!
//! Frames go in by [`Session::on_frame`], effects come out. Downloads are kept
//! slice by slice and applied flush by flush, each after its receipt verified;
//! uploads stream at once unless an earlier session was cut within them.
mod downloads;
mod flush;
mod leaves;
mod uploads;

use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::frame::{Content, Flight, Frame, FullCursor, capabilities, flags};
use stunity_proto::{BlobId, Lane, PackId, Signature, SpaceId, limits};

use self::downloads::Incoming;
use self::flush::Building;
pub(crate) use self::leaves::{cursor_leaf, entry_leaf};
use self::uploads::Outgoing;
use crate::cursors::{self, Numbered};
use crate::files::Files;
use crate::replica::Applied;
use crate::{Cursor, Replica, SyncError, Target};

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
    /// The relay lacks what own entries are judged by: they go in another session.
    waits_for_others: bool,
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
            waits_for_others: false,
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
                self.settle_fork(replica)?;
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
                self.settle_fork(replica)?;
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
            capabilities: capabilities::COVERED | capabilities::SHORT_NAMES | capabilities::TALKS,
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
        self.settle_fork(replica)?;
        self.send_what_waits(replica, now, effects)?;
        self.tell_if_caught_up(effects);
        Ok(())
    }

    /// What a fork leaves unacknowledged is written again once all of the other copy has
    /// come and nothing is on its way: what has no answer yet may still be taken.
    fn settle_fork(&self, replica: &mut dyn Replica) -> Result<(), SyncError> {
        if self.done && self.outgoing.is_empty() {
            replica.settle_fork()?;
        }
        Ok(())
    }

    fn tell_if_caught_up(&self, effects: &mut Vec<Effect>) {
        if self.is_caught_up() {
            effects.push(Effect::Event(Event::CaughtUp {
                relay_ms: self.relay_ms,
            }));
        }
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
