//! The school's log.
//!
//! One writer task appends: it verifies, judges, numbers and projects what waits
//! in its queue within one transaction, so that many devices share one sync to
//! disk, and answers after the commit. Readers use a pool of their own.

mod authority;
mod backup;
mod bus;
mod changes;
mod codec;
mod files;
mod inbox;
mod judging;
mod keep;
mod page;
mod read;
mod refold;
mod shared;
mod waiting;
mod write;
mod written;

use std::path::Path;
use std::sync::Arc;

use stunity_identity::{Certificate, StaffAdmission};
use stunity_model::events::Event;
use stunity_proto::{AccountId, DeviceId, Entry, EntryId, Lane, PackId, SpaceId};
use stunity_sync::relay_store::Appended;
use stunity_sync::replica::Outcome;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use backup::restore;
pub use bus::{Bus, Subscriber};
pub use inbox::{Inbox, Message};
pub use waiting::Waiting;
pub use written::Written;

use crate::blobs::Blobs;
use crate::db::{Database, Source, Statement, migrate, sql};
use crate::error::ServerError;
use crate::keys::SchoolKeys;
use crate::metrics::Metrics;
use crate::platform::{Platform, Randomness, System};
use keep::Keep;
use shared::SharedPacks;
use written::Teller;

/// Appends that wait for the writer: beyond that, uploads wait in their sockets.
const QUEUE: usize = 1024;

/// A request to the writer.
pub(crate) enum Request {
    /// Entries of a device.
    Append {
        from: Option<DeviceId>,
        entries: Vec<Entry>,
        pack: Option<WholePack>,
        answer: oneshot::Sender<Result<Appended, ServerError>>,
    },
    /// An account joins: its root is bound, then its first entries are stored.
    Join {
        join: Box<Join>,
        answer: oneshot::Sender<Result<(), ServerError>>,
    },
    /// The school root's admission of an account to the staff.
    Admit {
        admission: Box<Certificate<StaffAdmission>>,
        answer: oneshot::Sender<Result<(), ServerError>>,
    },
    /// A statement of the relay's own; answers how many rows it changed.
    Run {
        statement: Box<Statement>,
        answer: oneshot::Sender<Result<u64, ServerError>>,
    },
    /// This node signs for an account.
    Vouch {
        vouch: Box<Vouch>,
        answer: oneshot::Sender<Result<(EntryId, Outcome), ServerError>>,
    },
    /// What sessions left is to be written now.
    Flush {
        answer: oneshot::Sender<Result<(), ServerError>>,
    },
}

/// What an account that signed in without a device of its own states.
#[derive(Debug)]
pub struct Vouch {
    /// The account.
    pub author: AccountId,
    /// Where.
    pub space: SpaceId,
    /// In which lane.
    pub lane: Lane,
    /// What, in one entry.
    pub events: Vec<Event>,
    /// A name of this statement: under the same name nothing is stated again.
    pub once: Option<[u8; 32]>,
}

/// A pack that came otherwise than from the device that made it.
pub(crate) struct WholePack {
    pub device: DeviceId,
    pub name: PackId,
    pub bytes: Vec<u8>,
}

/// How an account gets its first root.
#[derive(Debug)]
pub struct Join {
    /// Proves the right to join.
    pub proof: Proof,
    /// The first entry of the account's log.
    pub genesis: Entry,
}

/// What lets an account join.
#[derive(Debug)]
pub enum Proof {
    /// An invitation's code.
    Code([u8; 16]),
    /// A login whose password was verified, with the account that it names.
    Login(String, AccountId),
}

struct Inner {
    keys: SchoolKeys,
    readers: Database,
    requests: mpsc::Sender<Request>,
    keep: Arc<Keep>,
    shared: SharedPacks,
    metrics: Metrics,
    bus: Bus,
    teller: Teller,
    epoch: u64,
    blobs: Blobs,
    platform: Arc<dyn Platform>,
}

/// The log; cheap to clone.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

impl Log {
    /// Opens the log in `folder`, making the school's keys and the database where
    /// they are missing.
    ///
    /// # Errors
    /// Keys or a database that cannot be opened.
    pub async fn open(folder: &Path) -> Result<Self, ServerError> {
        Self::open_at(folder, &Source::new(folder, None)?).await
    }

    /// As [`Log::open`], with the database elsewhere.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub async fn open_at(folder: &Path, source: &Source) -> Result<Self, ServerError> {
        Self::open_with(folder, source, Arc::new(System)).await
    }

    /// As [`Log::open_at`], with another clock and other randomness: tests and the
    /// simulator.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub async fn open_with(
        folder: &Path,
        source: &Source,
        platform: Arc<dyn Platform>,
    ) -> Result<Self, ServerError> {
        let blobs = Blobs::in_folder(&folder.join("blobs"))?;
        Self::open_beside(folder, source, platform, blobs).await
    }

    /// As [`Log::open_with`], with chunks of files elsewhere.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub async fn open_beside(
        folder: &Path,
        source: &Source,
        platform: Arc<dyn Platform>,
        blobs: Blobs,
    ) -> Result<Self, ServerError> {
        let keys = SchoolKeys::open(&folder.join("keys"), &platform)?;
        let mut writer = source.connect().await?;
        migrate(&mut writer).await?;
        refold::refold_if_older(&mut writer).await?;
        // What an erasure left in the WAL before the process ended.
        write::finish_erasure(&mut writer, true).await?;
        let epoch = sql("SELECT epoch FROM relay")
            .one(&mut writer)
            .await?
            .get(0)?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let log = Self {
            inner: Arc::new(Inner {
                keys,
                readers: source.pool()?,
                requests,
                keep: Arc::default(),
                shared: SharedPacks::default(),
                metrics: Metrics::default(),
                bus: Bus::default(),
                teller: Teller::default(),
                epoch,
                blobs,
                platform,
            }),
        };
        // The writer holds the log weakly: it ends when the last handle goes.
        let keep = log.inner.keep.clone();
        tokio::spawn(write::run(
            Arc::downgrade(&log.inner),
            source.clone(),
            writer,
            queue,
            keep,
        ));
        Ok(log)
    }

    /// The school's keys.
    #[must_use]
    pub fn keys(&self) -> &SchoolKeys {
        &self.inner.keys
    }

    /// Where chunks of files lie.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Who is connected to what.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.inner.bus
    }

    /// What the relay counts of itself.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Bytes of packs that are kept for other readers.
    #[must_use]
    pub fn shared_bytes(&self) -> u64 {
        self.inner.shared.size()
    }

    /// Requests that wait for the writer.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inner.requests.max_capacity() - self.inner.requests.capacity()
    }

    /// The node's randomness.
    #[must_use]
    pub fn random(&self) -> Randomness {
        Randomness(self.inner.platform.clone())
    }

    /// The database, for reading.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.inner.readers
    }

    /// Runs a statement that changes the relay's own tables, through the one
    /// writer; answers how many rows it changed, after the commit.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn run(&self, statement: Statement) -> Result<u64, ServerError> {
        let (answer, wait) = oneshot::channel();
        let statement = Box::new(statement);
        self.ask(Request::Run { statement, answer }, wait).await
    }

    /// Notes that a device has connected; for people, decides nothing.
    pub fn saw_device(&self, device: DeviceId) {
        self.inner.keep.seen(device, self.inner.platform.now_ms());
    }

    /// Writes what sessions left: before the process ends.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn flush(&self) -> Result<(), ServerError> {
        let (answer, wait) = oneshot::channel();
        self.ask(Request::Flush { answer }, wait).await
    }

    /// Stores entries in order, see [`stunity_sync::RelayStore::append`]. Without
    /// a device they come from the relay itself or from a parcel.
    ///
    /// # Errors
    /// A database that fails: then nothing of the batch was stored.
    pub async fn append_entries(
        &self,
        from: Option<DeviceId>,
        entries: Vec<Entry>,
    ) -> Result<Vec<Outcome>, ServerError> {
        Ok(self.append_from(from, entries, None).await?.outcomes)
    }

    /// Stores the entries of a pack out of a parcel. If they are all here, it is kept
    /// in the place of what its device sent of it, save where something in it was erased:
    /// its author will ask for it by name before sending it again.
    pub(crate) async fn append_pack(
        &self,
        entries: Vec<Entry>,
        pack: Option<WholePack>,
    ) -> Result<Vec<Outcome>, ServerError> {
        Ok(self.append_from(None, entries, pack).await?.outcomes)
    }

    /// As [`Log::append_entries`], and whether the author's rights changed.
    async fn append_from(
        &self,
        from: Option<DeviceId>,
        entries: Vec<Entry>,
        pack: Option<WholePack>,
    ) -> Result<Appended, ServerError> {
        let (answer, wait) = oneshot::channel();
        let request = Request::Append {
            from,
            entries,
            pack,
            answer,
        };
        self.ask(request, wait).await
    }

    /// Binds an account's first root and stores the first entry of its log.
    ///
    /// # Errors
    /// A stable code why not, or a database that fails.
    pub async fn join(&self, join: Join) -> Result<(), ServerError> {
        let (answer, wait) = oneshot::channel();
        let join = Box::new(join);
        self.ask(Request::Join { join, answer }, wait).await
    }

    /// Takes an account into the staff by what the school root has signed, here or
    /// elsewhere.
    ///
    /// # Errors
    /// `staff.invalid` for another root's signature, `root.other` for an account
    /// that is bound to another root than the one admitted.
    pub async fn admit(&self, admission: Certificate<StaffAdmission>) -> Result<(), ServerError> {
        self.keys()
            .anchor
            .verify_staff(&admission)
            .map_err(|_| ServerError::Refused("staff.invalid"))?;
        let (answer, wait) = oneshot::channel();
        let admission = Box::new(admission);
        self.ask(Request::Admit { admission, answer }, wait).await
    }

    /// Signs events for an account by this node's key and stores them, judged by the
    /// same table as what devices sign; the entry and what became of it.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn vouch(&self, vouch: Vouch) -> Result<(EntryId, Outcome), ServerError> {
        let (answer, wait) = oneshot::channel();
        let vouch = Box::new(vouch);
        self.ask(Request::Vouch { vouch, answer }, wait).await
    }

    async fn ask<T>(
        &self,
        request: Request,
        wait: oneshot::Receiver<Result<T, ServerError>>,
    ) -> Result<T, ServerError> {
        let begin = Instant::now();
        self.inner
            .requests
            .send(request)
            .await
            .map_err(|_| ServerError::Stopping)?;
        let answer = wait.await.map_err(|_| ServerError::Stopping)?;
        self.inner.metrics.append.observe(begin.elapsed());
        answer
    }
}
