//! Which keys are this account? The account log answers, from whatever entries
//! of it are held (docs/protocol/04-identity.md).
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{
    AccountId, DecodeError, DeviceId, Entry, EntryId, Hash, Kind, Lane, SchoolId, Signature,
    Signer, SpaceId,
};

use crate::account_event::MAX_ACCOUNT_EVENT;
use crate::account_fold::{self, Checks, State};
use crate::{
    AccountEvent, Certificate, Covers, Device, IdentityError, Position, Revocation, VerifyingKey,
};

/// Entries that one log takes: a person adds and loses some devices a year.
pub const MAX_LOG_ENTRIES: usize = 4096;
/// Different signatures kept for one entry until its signer is known.
const MAX_SIGNATURES: usize = 4;

/// An entry of the log as the fold needs it.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub signer: DeviceId,
    pub certificate: Hash,
    pub incarnation: u32,
    pub sequence: u64,
    pub previous: Option<EntryId>,
    pub account_head: Option<EntryId>,
    pub events: Vec<AccountEvent>,
    pub signatures: Vec<Signature>,
    pub position: Option<Position>,
}

/// What an entry of the log does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It counts.
    Counts,
    /// Its signer's certificate has not been seen yet.
    Waiting,
    /// It does not count: its signer may not, or lies beyond a cut-off, or another
    /// branch of a fork was taken.
    None,
}

/// A place in a chain of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPosition {
    /// The chain's space.
    pub space: SpaceId,
    /// The chain's lane.
    pub lane: Lane,
    /// The chain's incarnation.
    pub incarnation: u32,
    /// The place in it.
    pub sequence: u64,
    /// The entry there.
    pub id: EntryId,
}

impl ChainPosition {
    /// The place of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let header = entry.header();
        Self {
            space: header.space,
            lane: header.lane,
            incarnation: header.incarnation,
            sequence: header.sequence,
            id: entry.id(),
        }
    }
}

/// Whether what a device signed counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Good,
    /// The device was revoked, and this lies beyond the cut-off: pending until
    /// staff accept it.
    BeyondCutOff,
    /// The log does not make this device one of the account.
    Unknown,
}

/// The last good places of a revoked device's chains. A chain that is not in it
/// has none.
pub type CutOffs = BTreeMap<(SpaceId, Lane, u32), (u64, EntryId)>;

/// Whether a device of the account may go on signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceStatus {
    /// It may.
    Live,
    /// It may not.
    Revoked {
        /// What counts of it: per chain the lowest of all revocations that count.
        cut_offs: CutOffs,
        /// The reason with the highest number of those given.
        reason: u8,
    },
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDevice {
    /// Its certificates that count, by hash: more than one if several devices
    /// added it at once.
    pub certificates: BTreeMap<Hash, Certificate<Device>>,
    /// The devices that added it; none if a root did.
    pub added_by: BTreeSet<DeviceId>,
    /// Whether it may go on signing.
    pub status: DeviceStatus,
}

impl AccountDevice {
    /// One of its certificates: that with the lowest hash.
    #[must_use]
    pub fn certificate(&self) -> &Certificate<Device> {
        self.certificates
            .values()
            .next()
            .expect("a device is made from a certificate")
    }

    /// Its signing key, the same in all of them.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.certificate().body().keys.sign
    }
}

/// The log of one account: a set of entries, of which what follows is a pure
/// function, whatever the order in which they came.
#[derive(Clone, Debug)]
pub struct AccountLog {
    pub(crate) school: SchoolId,
    pub(crate) account: AccountId,
    pub(crate) first_root: VerifyingKey,
    pub(crate) entries: BTreeMap<EntryId, LogEntry>,
    pub(crate) by_staff: BTreeMap<(EntryId, DeviceId), Revocation>,
    checks: Checks,
    state: State,
}

impl AccountLog {
    /// An empty log of the account whose first root is `first_root`, as a roster
    /// event, a staff admission or the account's own device states it. A log that
    /// begins with another root counts for nothing here.
    #[must_use]
    pub fn new(school: SchoolId, account: AccountId, first_root: VerifyingKey) -> Self {
        Self {
            school,
            account,
            first_root,
            entries: BTreeMap::new(),
            by_staff: BTreeMap::new(),
            checks: Checks::default(),
            state: State::default(),
        }
    }

    /// The root with which an entry begins a log, if it begins one: a claim, not
    /// a fact, until a roster event binds it to the account.
    #[must_use]
    pub fn claimed_root(entry: &Entry) -> Option<VerifyingKey> {
        match AccountEvent::decode(entry.body().op(0)?) {
            Ok(AccountEvent::Root { root, .. }) => Some(root),
            _ => None,
        }
    }

    /// Takes an entry, with its lowest known place in the relay's order. The same
    /// entry may come again, for instance with its place.
    ///
    /// # Errors
    /// What can never count: another school, account, space or lane; a vouched or
    /// sealed entry; an erased or undecodable event; a bad signature; or a log
    /// over [`MAX_LOG_ENTRIES`]. The log is then as before.
    pub fn apply(
        &mut self,
        entry: &Entry,
        position: Option<Position>,
    ) -> Result<Effect, IdentityError> {
        self.insert(entry, position)?;
        self.fold();
        match self.effect(&entry.id()) {
            Some(effect) if self.holds(&entry.id(), &entry.signature) => Ok(effect),
            _ => Err(IdentityError::BadSignature),
        }
    }

    fn holds(&self, id: &EntryId, signature: &Signature) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| entry.signatures.contains(signature))
    }

    /// Takes many entries and folds once. Entries that [`AccountLog::apply`]
    /// would refuse are left out and returned with the reason.
    pub fn extend<'a>(
        &mut self,
        entries: impl IntoIterator<Item = (&'a Entry, Option<Position>)>,
    ) -> Vec<(EntryId, IdentityError)> {
        let mut refused = Vec::new();
        let mut taken = Vec::new();
        for (entry, position) in entries {
            match self.insert(entry, position) {
                Ok(()) => taken.push((entry.id(), entry.signature)),
                Err(error) => refused.push((entry.id(), error)),
            }
        }
        self.fold();
        taken.retain(|(id, signature)| !self.holds(id, signature));
        let forged = taken.into_iter().map(|(id, _)| id);
        refused.extend(forged.map(|id| (id, IdentityError::BadSignature)));
        refused
    }

    /// Takes a revocation that two staff stated in the roster's lanes, under the
    /// entry of the second. Whether they may is judged by the caller.
    pub fn revoke_by_staff(&mut self, entry: EntryId, revocation: Revocation) {
        self.by_staff.insert((entry, revocation.device), revocation);
        self.fold();
    }

    fn insert(&mut self, entry: &Entry, position: Option<Position>) -> Result<(), IdentityError> {
        if let Some(held) = self.entries.get_mut(&entry.id()) {
            held.position = match (held.position, position) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            if !held.signatures.contains(&entry.signature) {
                if held.signatures.len() == MAX_SIGNATURES {
                    return Err(IdentityError::TooLarge("signatures of an entry"));
                }
                held.signatures.push(entry.signature);
            }
            return Ok(());
        }
        if self.entries.len() == MAX_LOG_ENTRIES {
            return Err(IdentityError::TooLarge("account log"));
        }
        let read = self.read(entry, position)?;
        self.entries.insert(entry.id(), read);
        Ok(())
    }

    fn read(&self, entry: &Entry, position: Option<Position>) -> Result<LogEntry, IdentityError> {
        let header = entry.header();
        if header.school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        if header.author != self.account || header.space != self.account.space() {
            return Err(IdentityError::WrongAccount);
        }
        if header.lane != Lane::Keys {
            return Err(IdentityError::NotAllowed("lane of an account log"));
        }
        let Signer::Device(signer) = header.signer else {
            return Err(IdentityError::WrongSigner("vouched account log"));
        };
        if header.seal.is_some() {
            return Err(IdentityError::NotAllowed("sealed account log"));
        }
        let mut events = Vec::new();
        for (kind, op) in entry.ops() {
            let Kind::Event(code @ 1..=MAX_ACCOUNT_EVENT) = kind else {
                return Err(IdentityError::NotAllowed("operation in an account log"));
            };
            let op = op.ok_or(IdentityError::NotAllowed("erased account log"))?;
            match AccountEvent::decode(op) {
                Ok(event) if event.code() == code => events.push(event),
                // A later build's events are kept, and folded after an update.
                Err(IdentityError::Decode(DecodeError::Unknown(_))) if code > 5 => {}
                Err(error) => return Err(error),
                Ok(_) => return Err(IdentityError::NotAllowed("kind of an event")),
            }
        }
        Ok(LogEntry {
            signer,
            certificate: header.certificate,
            incarnation: header.incarnation,
            sequence: header.sequence,
            previous: header.previous,
            account_head: header.heads.account,
            events,
            signatures: vec![entry.signature],
            position,
        })
    }

    fn fold(&mut self) {
        let mut checks = core::mem::take(&mut self.checks);
        let (state, forged) = account_fold::fold(self, &mut checks);
        for (id, signature) in forged {
            checks.forget(id, signature);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.signatures.retain(|held| *held != signature);
                if entry.signatures.is_empty() {
                    self.entries.remove(&id);
                }
            }
        }
        self.checks = checks;
        self.state = state;
    }

    /// The school.
    #[must_use]
    pub fn school(&self) -> SchoolId {
        self.school
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The entry with which the log begins, once it is held.
    #[must_use]
    pub fn genesis(&self) -> Option<EntryId> {
        self.state.genesis
    }

    /// The root that the log begins with: what verifies the rest.
    #[must_use]
    pub fn first_root(&self) -> &VerifyingKey {
        &self.first_root
    }

    /// The current root; the first before the log begins.
    #[must_use]
    pub fn root(&self) -> &VerifyingKey {
        self.state.roots.last().unwrap_or(&self.first_root)
    }

    /// The current recovery key.
    #[must_use]
    pub fn recovery(&self) -> Option<&VerifyingKey> {
        self.state.recoveries.last()
    }

    /// A device of the account.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&AccountDevice> {
        self.state.devices.get(&id)
    }

    /// The devices of the account, live and revoked.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &AccountDevice)> {
        self.state.devices.iter().map(|(id, device)| (*id, device))
    }

    /// What an entry of the log does at present; none if it is not held.
    #[must_use]
    pub fn effect(&self, id: &EntryId) -> Option<Effect> {
        self.entries.contains_key(id).then(|| {
            if self.state.waiting.contains(id) {
                Effect::Waiting
            } else if self.state.counts.contains(id) {
                Effect::Counts
            } else {
                Effect::None
            }
        })
    }

    /// Entries that nothing else in the log follows, sorted: what a change of root
    /// or recovery key should name as known.
    #[must_use]
    pub fn heads(&self) -> &[EntryId] {
        &self.state.heads
    }

    /// The entry that a header should cite as head of the account log: of
    /// [`AccountLog::heads`] the one with the longest past.
    #[must_use]
    pub fn head(&self) -> Option<EntryId> {
        self.state.head
    }

    /// Pairs of entries at one place of one chain: a restored phone, or a copied
    /// key. Both sides are evidence.
    #[must_use]
    pub fn forks(&self) -> &[(EntryId, EntryId)] {
        &self.state.forks
    }

    /// Whether an entry at this place, signed by this device, counts. Places below
    /// a cut-off count: that they lie on the branch that the cut-off names follows
    /// from the chain's hashes, which whoever stores entries checks.
    #[must_use]
    pub fn may_sign(&self, device: DeviceId, place: &ChainPosition) -> Standing {
        let Some(device) = self.state.devices.get(&device) else {
            return Standing::Unknown;
        };
        let DeviceStatus::Revoked { cut_offs, .. } = &device.status else {
            return Standing::Good;
        };
        match cut_offs.get(&(place.space, place.lane, place.incarnation)) {
            Some((last, _)) if place.sequence < *last => Standing::Good,
            Some((last, id)) if place.sequence == *last && place.id == *id => Standing::Good,
            _ => Standing::BeyondCutOff,
        }
    }

    /// Verifies an entry of this account in any lane: signer, certificate,
    /// signature, and how it stands.
    ///
    /// # Errors
    /// Another school or author, a vouched entry (see
    /// [`crate::TrustedNode::verify_vouched`]), a certificate that is not the
    /// signer's, or a bad signature. A signer that the log does not know is no
    /// error but [`Standing::Unknown`], unverified: its log may still come.
    pub fn verify(&self, entry: &Entry) -> Result<Standing, IdentityError> {
        self.verify_covered(entry, &Covers::default())
    }

    /// As [`AccountLog::verify`], of an entry that may have come without its signature.
    ///
    /// # Errors
    /// As [`AccountLog::verify`], and [`IdentityError::Unsigned`] if nothing covers it:
    /// what does may still come.
    pub fn verify_covered(
        &self,
        entry: &Entry,
        covers: &Covers,
    ) -> Result<Standing, IdentityError> {
        let header = entry.header();
        if header.school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        if header.author != self.account {
            return Err(IdentityError::WrongAccount);
        }
        let Signer::Device(id) = header.signer else {
            return Err(IdentityError::WrongSigner("vouched entry"));
        };
        let Some(device) = self.state.devices.get(&id) else {
            return Ok(Standing::Unknown);
        };
        if !device.certificates.contains_key(&header.certificate) {
            return Err(IdentityError::WrongSigner("certificate of an entry"));
        }
        covers.verify(entry, device.key())?;
        Ok(self.may_sign(id, &ChainPosition::of(entry)))
    }
}
