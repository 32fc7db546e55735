//! Opening an account's store, and what belongs to all of it.
use std::cell::{Cell, RefCell};

use rand_core::{CryptoRng, RngCore};
use rusqlite::Connection;
use stunity_identity::{
    AccountLog, Certificate, ChainPosition, Device, KexSecret, NodeChain, SchoolAnchor, SigningKey,
    VerifyingKey,
};
use stunity_model::metered::Network;
use stunity_proto::{
    AccountId, ActorId, DeviceId, DocId, EntryId, Lane, SchoolId, SpaceId, limits,
};
use stunity_sync::replica::Owner;

use crate::cut_off::Within;
use crate::database::{self, Durability, Level};
use crate::domain::Facts;
use crate::files::{self, Location, OwnerLock};
use crate::trust::Logs;
use crate::trust::Rank;
use crate::{StoreError, fold, maintenance, meta, trust};

/// A source of randomness: the system's in an app, a seeded one in tests.
pub trait Random: RngCore + CryptoRng + Send {}
impl<T: RngCore + CryptoRng + Send> Random for T {}

/// What a new database is made with.
pub struct Setup {
    /// The school, pinned from an invitation.
    pub anchor: SchoolAnchor,
    /// The account.
    pub account: AccountId,
    /// The account's first root.
    pub root: VerifyingKey,
    /// Signs entries.
    pub sign: SigningKey,
    /// Opens what is sealed to this device.
    pub kex: KexSecret,
    /// The device's certificate; none while it still asks to be admitted. It
    /// can write then, and nothing is sealed.
    pub certificate: Option<Certificate<Device>>,
}

/// The database of one account on one device.
pub struct Store {
    pub(crate) conn: Connection,
    pub(crate) location: Location,
    pub(crate) owner: Owner,
    pub(crate) sign: SigningKey,
    pub(crate) kex: KexSecret,
    pub(crate) rng: RefCell<Box<dyn Random>>,
    pub(crate) logs: RefCell<Logs>,
    pub(crate) facts: RefCell<Facts>,
    pub(crate) within: RefCell<Within>,
    /// This installation's incarnation, once read: asked for at every keystroke.
    pub(crate) incarnation: Cell<Option<u32>>,
    /// The document that is being typed, and the last row of its journal.
    pub(crate) typing: Cell<Option<(DocId, i64)>>,
    lacks_space: Cell<bool>,
    /// A sync failed since the WAL was emptied.
    doubts_wal: Cell<bool>,
    level: Level,
    /// After a crash while decoding: one document at a time.
    pub(crate) alone: bool,
    pub(crate) network: Network,
    /// Dropped last: the lock goes when the connection is closed.
    _lock: OwnerLock,
}

const KEY_SIGN: &str = "sign";
const KEY_KEX: &str = "kex";

impl Store {
    /// Whether there is a database.
    #[must_use]
    pub fn exists(location: &Location) -> bool {
        files::exists(location)
    }

    /// Makes the database of an account.
    ///
    /// # Errors
    /// [`StoreError::Setup`] if one is there, [`StoreError::InUse`],
    /// [`StoreError::NoSpace`].
    pub fn create(
        location: Location,
        setup: &Setup,
        rng: Box<dyn Random>,
    ) -> Result<Self, StoreError> {
        let lock = OwnerLock::take(&location)?;
        if files::exists(&location) {
            return Err(StoreError::Setup("there is a database already"));
        }
        let conn = database::open(&location, true)?;
        database::transaction(&conn, |conn| {
            fold::create_projections(conn)?;
            trust::save_root(
                conn,
                setup.account,
                &setup.root,
                Rank::Own,
                &EntryId::ZERO,
                None,
            )?;
            meta::save(conn, meta::SCHOOL_ANCHOR, setup.anchor.encode())?;
            meta::save(conn, meta::ACCOUNT, setup.account.0)?;
            meta::save(conn, meta::INCARNATION, 0)?;
            meta::save(conn, meta::FOLD_VERSION, maintenance::fold_version())?;
            meta::save_key(conn, KEY_SIGN, &setup.sign.to_bytes_secret())?;
            meta::save_key(conn, KEY_KEX, &setup.kex.to_bytes_secret())?;
            if let Some(certificate) = &setup.certificate {
                meta::save(conn, meta::CERTIFICATE, certificate.encode())?;
            }
            Ok(())
        })?;
        Self::start(conn, location, lock, rng)
    }

    /// Opens the database of an account, and finishes what a crash left: raw
    /// entries are applied, a document change that brought the app down is put
    /// into quarantine.
    ///
    /// # Errors
    /// [`StoreError::Setup`] if there is none, [`StoreError::InUse`],
    /// [`StoreError::Newer`], [`StoreError::Damaged`].
    pub fn open(location: Location, rng: Box<dyn Random>) -> Result<Self, StoreError> {
        let lock = OwnerLock::take(&location)?;
        if !files::exists(&location) {
            return Err(StoreError::Setup("there is no database"));
        }
        let conn = database::open(&location, false)?;
        Self::start(conn, location, lock, rng)
    }

    fn start(
        conn: Connection,
        location: Location,
        lock: OwnerLock,
        rng: Box<dyn Random>,
    ) -> Result<Self, StoreError> {
        let key = |name| meta::load_key(&conn, name)?.ok_or(StoreError::Damaged("keys"));
        let sign = SigningKey::from_seed(&key(KEY_SIGN)?);
        let kex = KexSecret::from_seed(&key(KEY_KEX)?);
        let account = meta::load(&conn, meta::ACCOUNT)?.ok_or(StoreError::Damaged("account"))?;
        let anchor = trust::load_anchor(&conn)?;
        let owner = Owner {
            school: anchor.school,
            account: AccountId(account),
            device: sign.device_id(),
        };
        let mut store = Self {
            conn,
            location,
            owner,
            sign,
            kex,
            rng: RefCell::new(rng),
            logs: RefCell::default(),
            facts: RefCell::default(),
            within: RefCell::default(),
            incarnation: Cell::default(),
            typing: Cell::default(),
            lacks_space: Cell::default(),
            doubts_wal: Cell::default(),
            level: Level::new(),
            alone: false,
            network: Network::Free,
            _lock: lock,
        };
        store.recover()?;
        Ok(store)
    }

    /// What opening does after a crash. A full or failing disk does not keep the user from
    /// reading: then it is done later.
    fn recover(&mut self) -> Result<(), StoreError> {
        let done = self
            .quarantine_marked()
            .and_then(|()| self.finish_erasure())
            .and_then(|()| self.refold_if_older())
            .and_then(|()| self.process().map(|_| ()));
        match done {
            Err(StoreError::NoSpace | StoreError::DiskFailed) => Ok(()),
            done => done,
        }
    }

    /// The school.
    #[must_use]
    pub fn school(&self) -> SchoolId {
        self.owner.school
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.owner.account
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.owner.device
    }

    /// The own account's log, as far as it is held.
    ///
    /// # Errors
    /// A database error.
    pub fn account_log(&self) -> Result<Option<AccountLog>, StoreError> {
        let mut logs = self.logs.borrow_mut();
        Ok(logs.get(&self.conn, self.owner.account)?.cloned())
    }

    /// The first root of an account, as what is held here binds it.
    ///
    /// # Errors
    /// A database error.
    pub fn root_of(&self, account: AccountId) -> Result<Option<VerifyingKey>, StoreError> {
        trust::root_of(&self.conn, account)
    }

    /// The last entries held of a device's chains: what a revocation names as good.
    ///
    /// # Errors
    /// A database error.
    pub fn chain_ends(&self, device: DeviceId) -> Result<Vec<ChainPosition>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.space, c.lane, c.incarnation, e.sequence, e.id
             FROM chains c JOIN entries e USING (chain)
             WHERE c.signer = ?1 AND c.signer_kind = 0 AND e.sequence =
                (SELECT max(sequence) FROM entries WHERE chain = c.chain)
             GROUP BY c.chain ORDER BY c.space, c.lane, c.incarnation",
        )?;
        let rows = statement.query_map([&device.0], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, Vec<u8>>(1)?,
                row.get(2)?,
                row.get::<_, i64>(3)?,
                row.get(4)?,
            ))
        })?;
        rows.map(|row| {
            let (space, lane, incarnation, sequence, id) = row?;
            Ok(ChainPosition {
                space: SpaceId(space),
                lane: Lane::from_key(&lane)?,
                incarnation,
                sequence: sequence as u64,
                id: EntryId(id),
            })
        })
        .collect()
    }

    /// The device's signing key.
    #[must_use]
    pub fn signing_key(&self) -> &SigningKey {
        &self.sign
    }

    /// The device's key for what is sealed to it.
    #[must_use]
    pub fn kex_secret(&self) -> &KexSecret {
        &self.kex
    }

    /// The pinned school.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn anchor(&self) -> Result<SchoolAnchor, StoreError> {
        trust::load_anchor(&self.conn)
    }

    /// Pins the school's next root, after [`SchoolAnchor::succeed`] verified it.
    ///
    /// # Errors
    /// An anchor of another school.
    pub fn save_anchor(&mut self, anchor: &SchoolAnchor) -> Result<(), StoreError> {
        if anchor.school != self.owner.school {
            return Err(StoreError::NotAllowed("anchor of another school"));
        }
        self.write(Durability::Sealed, |conn| {
            meta::save(conn, meta::SCHOOL_ANCHOR, anchor.encode())
        })
    }

    /// Keeps a relay node's certificate chain. It is verified whenever it is
    /// used, at the relay time in question.
    ///
    /// # Errors
    /// A database error.
    pub fn save_node(&mut self, chain: &NodeChain) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| trust::save_node(conn, chain))?;
        self.process().map(|_| ())
    }

    /// The relay's base URL, once the relay knows the account.
    ///
    /// # Errors
    /// A database error.
    pub fn relay(&self) -> Result<Option<String>, StoreError> {
        meta::load(&self.conn, meta::RELAY)
    }

    /// Keeps the relay's base URL.
    ///
    /// # Errors
    /// A database error.
    pub fn save_relay(&mut self, url: &str) -> Result<(), StoreError> {
        self.write(Durability::Sealed, |conn| {
            meta::save(conn, meta::RELAY, url)
        })
    }

    /// The device's certificate.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn certificate(&self) -> Result<Option<Certificate<Device>>, StoreError> {
        let bytes: Option<Vec<u8>> = meta::load(&self.conn, meta::CERTIFICATE)?;
        Ok(bytes.map(|bytes| Certificate::decode(&bytes)).transpose()?)
    }

    /// Keeps the device's certificate, once a live device or the root issued it.
    ///
    /// # Errors
    /// A certificate of another device.
    pub fn save_certificate(
        &mut self,
        certificate: &Certificate<Device>,
    ) -> Result<(), StoreError> {
        let body = certificate.body();
        if body.id() != self.owner.device
            || body.account != self.owner.account
            || body.school != self.owner.school
        {
            return Err(StoreError::NotAllowed("certificate of another device"));
        }
        self.write(Durability::Sealed, |conn| {
            meta::save(conn, meta::CERTIFICATE, certificate.encode())
        })
    }

    /// Whether the last write found no room: shells say "not enough space" then, and
    /// never "synced". Reading goes on; the next write that fits ends it.
    #[must_use]
    pub fn lacks_space(&self) -> bool {
        self.lacks_space.get()
    }

    /// This installation's incarnation: rises when it finds that it was
    /// restored from an older copy of itself.
    ///
    /// # Errors
    /// A database error.
    pub fn incarnation(&self) -> Result<u32, StoreError> {
        if let Some(incarnation) = self.incarnation.get() {
            return Ok(incarnation);
        }
        let incarnation = load_incarnation(&self.conn)?;
        self.incarnation.set(Some(incarnation));
        Ok(incarnation)
    }

    /// The Automerge actor for a document handle.
    ///
    /// # Errors
    /// A database error.
    pub fn actor(&self, slot: u8) -> Result<ActorId, StoreError> {
        Ok(ActorId::new(self.owner.device, self.incarnation()?, slot))
    }

    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.renew_wal()?;
        self.level.set(&self.conn, durability)?;
        let result = self.note_space(database::transaction(&self.conn, work));
        if result.is_err() {
            // What was rolled back must not live on in memory.
            self.logs.borrow_mut().clear();
            self.facts.borrow_mut().clear();
            self.typing.set(None);
        }
        result
    }

    /// Runs one statement that is a transaction by itself.
    pub(crate) fn write_one<T>(
        &self,
        durability: Durability,
        statement: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.renew_wal()?;
        self.level.set(&self.conn, durability)?;
        self.note_space(statement(&self.conn))
    }

    /// After a sync that failed, the system may count as written what it has lost of
    /// the WAL, and SQLite reads a WAL only up to its first bad frame: what is synced
    /// behind would be lost with it. So everything goes into the database file first.
    fn renew_wal(&self) -> Result<(), StoreError> {
        if !self.doubts_wal.get() {
            return Ok(());
        }
        self.empty_wal(|conn| {
            // What is there already SQLite would not write.
            let count: i64 = meta::load(conn, meta::RENEWED)?.unwrap_or(0);
            meta::save(conn, meta::RENEWED, count.wrapping_add(1))
        })
    }

    /// Writes the WAL into the database file, cuts it, and begins another with a first
    /// write: only with that on the disk, nothing of the old one can come back.
    pub(crate) fn empty_wal(
        &self,
        first: impl FnOnce(&Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.doubts_wal.set(true);
        let is_busy: bool =
            (self.conn).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            return Err(StoreError::InUse);
        }
        self.level.set(&self.conn, Durability::Sealed)?;
        database::transaction(&self.conn, first)?;
        self.doubts_wal.set(false);
        Ok(())
    }

    fn note_space<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Ok(_) => self.lacks_space.set(false),
            Err(StoreError::NoSpace) => self.lacks_space.set(true),
            Err(StoreError::DiskFailed) => {
                self.doubts_wal.set(true);
                // At once, if the disk lets us; else before the next write.
                let _ = self.renew_wal();
            }
            Err(_) => {}
        }
        result
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.rng.borrow_mut().fill_bytes(&mut out);
        out
    }
}

pub(crate) fn load_incarnation(conn: &Connection) -> Result<u32, StoreError> {
    meta::load(conn, meta::INCARNATION)?.ok_or(StoreError::Damaged("incarnation"))
}

/// The next incarnation; the highest is never left, since none follows it.
pub(crate) fn raise_incarnation(conn: &Connection) -> Result<u32, StoreError> {
    let next = load_incarnation(conn)?
        .saturating_add(1)
        .min(limits::MAX_INCARNATION);
    meta::save(conn, meta::INCARNATION, next)?;
    Ok(next)
}
