//! The relay's side of a session.
//!
//! [`Session::on_frame`] takes a message; [`Session::pump`] makes the next
//! flush, one pack at most, so that what waits for a slow reader stays bounded:
//! the driver sends one flush before it asks for the next.
mod downloads;
mod flush;
mod live;
mod outlook;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use stunity_identity::Session as AuthSession;
use stunity_proto::frame::{Content, Flight, Frame, FullCursor, ResultItem, capabilities, flags};
use stunity_proto::pack::has_short_names;
use stunity_proto::{AccountId, DeviceId, Hash, Lane, PackId, SpaceId};

pub use self::live::{LiveBatch, encode_live};
use self::outlook::Outlook;
use self::uploads::Upload;
use crate::relay_files::Files;
use crate::relay_store::{CursorLog, Download};
use crate::sabotage::believes_cursors;
use crate::uploader::Known;
use crate::{Cursor, RelayStore, Running, SyncError, Target, cursors};

/// Versions of the session that the relay speaks.
const MIN_VERSION: u16 = 1;
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
    Ephemeral(SpaceId, Lane, Vec<u8>),
    /// End the connection after what was sent.
    Close,
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
    /// The client takes entries whose signatures others cover.
    takes_covered: bool,
    /// The client reads packs with short names.
    short_names: bool,
    /// The client knows the lanes of conversations.
    talks: bool,
    live: bool,
    upload_only: bool,
    /// Flight one, kept while the cursor list is asked for.
    waiting: Option<Flight>,
    log: CursorLog,
    /// The cursors after everything sent.
    list: Vec<Cursor>,
    /// What the account reads, sorted.
    view: Vec<Target>,
    outlook: Outlook,
    /// Cursors that own entries alone have moved, for the next flush.
    advanced: Vec<Cursor>,
    /// Targets that may have more than was sent.
    todo: VecDeque<Target>,
    /// Those of them whose packs are as for any other reader there.
    shared: BTreeSet<Target>,
    /// Those of them at whose start the client is, or far behind.
    far: BTreeSet<Target>,
    uploads: Vec<Upload>,
    /// What the device is known to hold of its own, from upload to upload.
    uploader: Option<Known>,
    results: Vec<(PackId, Vec<ResultItem>)>,
    /// Own entries with results in this session, and their lanes: not sent back.
    own: BTreeMap<(SpaceId, u64), Lane>,
    result_leaves: Vec<Hash>,
    removed: Vec<Target>,
    resumed: Option<(Download, u32)>,
    /// Packs of which the client holds so many bytes: made again, they go on there.
    partials: Vec<(PackId, u32)>,
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
            takes_covered: false,
            short_names: false,
            talks: false,
            live: false,
            upload_only: false,
            waiting: None,
            log: CursorLog::default(),
            list: Vec::new(),
            view: Vec::new(),
            outlook: Outlook::Known,
            advanced: Vec::new(),
            todo: VecDeque::new(),
            shared: BTreeSet::new(),
            far: BTreeSet::new(),
            uploads: Vec::new(),
            uploader: None,
            results: Vec::new(),
            own: BTreeMap::new(),
            result_leaves: Vec::new(),
            removed: Vec::new(),
            resumed: None,
            partials: Vec::new(),
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
                || self.outlook != Outlook::Known
                || !self.advanced.is_empty()
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
                self.cursor_list(store, peer, list).await?;
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
        store.take_over(flight.device).await;
        let peer = Peer {
            device: flight.device,
            account: device.account,
        };
        self.peer = Some(peer);
        self.takes_covered = flight.capabilities & capabilities::COVERED != 0;
        self.short_names = flight.capabilities & capabilities::SHORT_NAMES != 0;
        self.talks = flight.capabilities & capabilities::TALKS != 0;
        self.live = flight.flags & flags::LIVE != 0;
        self.explicit = flight.flags & flags::EXPLICIT != 0;
        self.upload_only = flight.flags & flags::UPLOAD_ONLY != 0;
        self.log = store.cursor_log(peer.device).await?;
        if let Some(part) = flight.outbox.clone() {
            self.upload(store, peer, 0, part, effects).await?;
        }
        if self.log.settle(flight.cursors) {
            self.start(store, peer, &flight).await
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
            let is_ours = hash.is_some() && at.hash8() == cursor.hash;
            if is_ours || believes_cursors() {
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
        self.start(store, peer, &flight).await
    }

    /// Both sides know where the client stands: what it reads and lacks.
    async fn start<S: RelayStore>(
        &mut self,
        store: &S,
        peer: Peer,
        flight: &Flight,
    ) -> Result<(), SyncError> {
        self.list = self.log.acknowledged.clone();
        self.flying = true;
        if self.upload_only {
            return Ok(());
        }
        let base = cursors::list_hash(&self.list);
        // What is to be explicit is made anew.
        if !self.explicit {
            self.partials.clone_from(&flight.partials);
        }
        for (pack, held) in &self.partials {
            let kept = store.load_download(peer.device, *pack).await?;
            let fits = |download: &Download| {
                download.base == base
                    && *held as usize <= download.bytes.len()
                    && (self.short_names || !has_short_names(&download.bytes))
            };
            if let Some(download) = kept.filter(fits) {
                self.resumed = Some((download, *held));
                break;
            }
        }
        self.outlook = Outlook::Unknown;
        Ok(())
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

/// The message that tells a client why its session ends.
#[must_use]
pub fn error_frame(error: &SyncError) -> Vec<u8> {
    let retry_after_ms = match error {
        SyncError::Refused { retry_after_ms, .. } => *retry_after_ms,
        SyncError::NoSpace | SyncError::DiskFailed | SyncError::Store(_) => Some(30_000),
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
