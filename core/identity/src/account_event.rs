//! Events of the account log: types 1–19 belong to this crate
//! (docs/protocol/04-identity.md). Deciding which of them count is
//! [`crate::AccountLog`]'s.
use sha2::{Digest, Sha256};
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{
    AccountId, Body, DecodeError, DeviceId, EntryId, Hash, Kind, Lane, SchoolId, Signature, Signer,
    SpaceId,
};

use crate::certificate::read_key;
use crate::{Certificate, Device, IdentityError, SigningKey, VerifyingKey, labels};

/// Chains that one revocation may name: a device of years in a dozen courses has
/// some hundreds.
pub const MAX_CUT_OFFS: usize = 1024;
/// Heads that a change of root or recovery key may name: forks of one person's
/// own devices.
pub const MAX_KNOWN_HEADS: usize = 16;
/// Event types of the account log end here; those without a meaning yet are kept
/// and skipped.
pub const MAX_ACCOUNT_EVENT: u16 = 19;

/// How far a chain of a revoked device counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutOff {
    /// The chain's space.
    pub space: SpaceId,
    /// The chain's lane.
    pub lane: Lane,
    /// The chain's incarnation.
    pub incarnation: u32,
    /// The last good sequence, from 1.
    pub sequence: u64,
    /// The entry there.
    pub id: EntryId,
}

impl CutOff {
    pub(crate) fn chain(&self) -> (SpaceId, Lane, u32) {
        (self.space, self.lane, self.incarnation)
    }

    fn write(&self, w: &mut Writer) {
        w.array(6)
            .bytes(&self.space.0)
            .uint(u64::from(self.lane.kind()))
            .option(self.lane.id(), |w, id| {
                w.bytes(&id);
            })
            .uint(u64::from(self.incarnation))
            .uint(self.sequence)
            .bytes(&self.id.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.array_of(6)?;
        let cut = Self {
            space: SpaceId(r.fixed()?),
            lane: Lane::from_parts(r.u8()?, r.option(Reader::fixed)?)?,
            incarnation: r.u32()?,
            sequence: r.uint()?,
            id: EntryId(r.fixed()?),
        };
        if cut.sequence == 0 {
            return Err(DecodeError::Unexpected("sequence of a cut-off"));
        }
        Ok(cut)
    }
}

/// Which device may no longer sign, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The device.
    pub device: DeviceId,
    /// Sorted, one a chain. Nothing counts in a chain that is not named.
    pub cut_offs: Vec<CutOff>,
    /// 0 unsaid, 1 lost, 2 stolen, 3 replaced, 4 signed out; others are shown as 0.
    pub reason: u8,
}

/// Who signed a change of the account root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotatedBy {
    /// The old root.
    OldRoot,
    /// The recovery key: outranks the old root.
    Recovery,
}

/// A change of the account root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRotation {
    /// The root before.
    pub old: VerifyingKey,
    /// The root after.
    pub new: VerifyingKey,
    /// Who signed.
    pub by: RotatedBy,
    /// Heads of the log as the signer knew it, sorted: what the old root has
    /// signed counts where these or their past carry it, and nowhere else.
    pub known: Vec<EntryId>,
    /// Over school, account, and all of the above.
    pub signature: Signature,
}

/// A first or another recovery key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryChange {
    /// The key before; none if there was none.
    pub old: Option<VerifyingKey>,
    /// The key after.
    pub new: VerifyingKey,
    /// As [`RootRotation::known`], for the old recovery key.
    pub known: Vec<EntryId>,
    /// By the old key; by the account root where there was none.
    pub signature: Signature,
}

/// An event of an account log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountEvent {
    /// 1: the log begins.
    Root {
        /// The first account root.
        root: VerifyingKey,
        /// The first recovery key, if the account has one.
        recovery: Option<VerifyingKey>,
        /// The first device, issued by the root.
        device: Box<Certificate<Device>>,
    },
    /// 2: a device is added.
    AddDevice(Box<Certificate<Device>>),
    /// 3: a device is revoked: by itself, by a device that added it, or with the
    /// recovery key's signature.
    RevokeDevice(Revocation, Option<Signature>),
    /// 4: another account root.
    RotateRoot(RootRotation),
    /// 5: another recovery key.
    SetRecovery(RecoveryChange),
}

fn write_ids(w: &mut Writer, ids: &[EntryId]) {
    w.array(ids.len());
    for id in ids {
        w.bytes(&id.0);
    }
}

fn read_known(r: &mut Reader<'_>) -> Result<Vec<EntryId>, DecodeError> {
    let len = r.array()?;
    if len > MAX_KNOWN_HEADS {
        return Err(DecodeError::TooLarge("known heads"));
    }
    let ids: Vec<EntryId> = (0..len)
        .map(|_| r.fixed().map(EntryId))
        .collect::<Result<_, _>>()?;
    check_sorted(&ids)?;
    Ok(ids)
}

fn check_sorted<T: Ord>(items: &[T]) -> Result<(), DecodeError> {
    if items.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(())
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// What a statement of a root or recovery key is made over: SHA-256 of
/// [school, account, …].
fn statement(
    school: SchoolId,
    account: AccountId,
    fields: usize,
    write: impl FnOnce(&mut Writer),
) -> [u8; 32] {
    let mut w = Writer::new();
    w.array(2 + fields).bytes(&school.0).bytes(&account.0);
    write(&mut w);
    Sha256::digest(w.into_bytes()).into()
}

impl Revocation {
    /// A revocation; sorts the cut-offs.
    ///
    /// # Errors
    /// Two cut-offs of one chain, or more than [`MAX_CUT_OFFS`].
    pub fn new(
        device: DeviceId,
        mut cut_offs: Vec<CutOff>,
        reason: u8,
    ) -> Result<Self, IdentityError> {
        cut_offs.sort_unstable();
        let revocation = Self {
            device,
            cut_offs,
            reason,
        };
        revocation.check()?;
        Ok(revocation)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.cut_offs.len() > MAX_CUT_OFFS {
            return Err(DecodeError::TooLarge("cut-offs"));
        }
        let chains: Vec<_> = self.cut_offs.iter().map(CutOff::chain).collect();
        check_sorted(&chains)
    }

    fn write(&self, w: &mut Writer) {
        w.bytes(&self.device.0).array(self.cut_offs.len());
        for cut in &self.cut_offs {
            cut.write(w);
        }
        w.uint(u64::from(self.reason));
    }

    fn digest(&self, school: SchoolId, account: AccountId) -> [u8; 32] {
        statement(school, account, 3, |w| self.write(w))
    }

    /// The recovery key's signature, which revokes any device of the account.
    #[must_use]
    pub fn sign(&self, school: SchoolId, account: AccountId, recovery: &SigningKey) -> Signature {
        recovery.sign(labels::SIGN_ACCOUNT_REVOKE, &self.digest(school, account))
    }

    pub(crate) fn verify(
        &self,
        school: SchoolId,
        account: AccountId,
        recovery: &VerifyingKey,
        signature: &Signature,
    ) -> Result<(), IdentityError> {
        let digest = self.digest(school, account);
        recovery.verify(labels::SIGN_ACCOUNT_REVOKE, &digest, signature)
    }
}

impl RootRotation {
    /// A rotation signed by the old root, or by the recovery key.
    ///
    /// # Errors
    /// More than [`MAX_KNOWN_HEADS`], or a new root that is the old.
    pub fn sign(
        school: SchoolId,
        account: AccountId,
        old: VerifyingKey,
        new: VerifyingKey,
        by: RotatedBy,
        mut known: Vec<EntryId>,
        key: &SigningKey,
    ) -> Result<Self, IdentityError> {
        known.sort_unstable();
        known.dedup();
        if known.len() > MAX_KNOWN_HEADS {
            return Err(IdentityError::TooLarge("known heads"));
        }
        if old == new {
            return Err(IdentityError::NotAllowed("a root after itself"));
        }
        let mut rotation = Self {
            old,
            new,
            by,
            known,
            signature: Signature::ZERO,
        };
        rotation.signature = key.sign(labels::SIGN_ACCOUNT_ROOT, &rotation.digest(school, account));
        Ok(rotation)
    }

    fn write(&self, w: &mut Writer) {
        w.bytes(self.old.as_bytes())
            .bytes(self.new.as_bytes())
            .uint(match self.by {
                RotatedBy::OldRoot => 0,
                RotatedBy::Recovery => 1,
            });
        write_ids(w, &self.known);
    }

    fn digest(&self, school: SchoolId, account: AccountId) -> [u8; 32] {
        statement(school, account, 4, |w| self.write(w))
    }

    pub(crate) fn verify(
        &self,
        school: SchoolId,
        account: AccountId,
        key: &VerifyingKey,
    ) -> Result<(), IdentityError> {
        let digest = self.digest(school, account);
        key.verify(labels::SIGN_ACCOUNT_ROOT, &digest, &self.signature)
    }
}

impl RecoveryChange {
    /// A change signed by the old recovery key, or by the root where there was
    /// none.
    ///
    /// # Errors
    /// More than [`MAX_KNOWN_HEADS`], or a new key that is the old.
    pub fn sign(
        school: SchoolId,
        account: AccountId,
        old: Option<VerifyingKey>,
        new: VerifyingKey,
        mut known: Vec<EntryId>,
        key: &SigningKey,
    ) -> Result<Self, IdentityError> {
        known.sort_unstable();
        known.dedup();
        if known.len() > MAX_KNOWN_HEADS {
            return Err(IdentityError::TooLarge("known heads"));
        }
        if old == Some(new) {
            return Err(IdentityError::NotAllowed("a recovery key after itself"));
        }
        let mut change = Self {
            old,
            new,
            known,
            signature: Signature::ZERO,
        };
        change.signature = key.sign(
            labels::SIGN_ACCOUNT_RECOVERY,
            &change.digest(school, account),
        );
        Ok(change)
    }

    fn write(&self, w: &mut Writer) {
        w.option(self.old.as_ref(), |w, old| {
            w.bytes(old.as_bytes());
        })
        .bytes(self.new.as_bytes());
        write_ids(w, &self.known);
    }

    fn digest(&self, school: SchoolId, account: AccountId) -> [u8; 32] {
        statement(school, account, 3, |w| self.write(w))
    }

    pub(crate) fn verify(
        &self,
        school: SchoolId,
        account: AccountId,
        key: &VerifyingKey,
    ) -> Result<(), IdentityError> {
        let digest = self.digest(school, account);
        key.verify(labels::SIGN_ACCOUNT_RECOVERY, &digest, &self.signature)
    }
}

impl AccountEvent {
    /// The event types of account logs and their names.
    pub const TYPES: &[(u16, &str)] = &[
        (1, "Root"),
        (2, "AddDevice"),
        (3, "RevokeDevice"),
        (4, "RotateRoot"),
        (5, "SetRecovery"),
    ];

    /// The event type, as in the header's kinds.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Root { .. } => 1,
            Self::AddDevice(_) => 2,
            Self::RevokeDevice(..) => 3,
            Self::RotateRoot(_) => 4,
            Self::SetRecovery(_) => 5,
        }
    }

    /// The bytes of the operation.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let code = u64::from(self.code());
        match self {
            Self::Root {
                root,
                recovery,
                device,
            } => {
                w.array(4)
                    .uint(code)
                    .bytes(root.as_bytes())
                    .option(recovery.as_ref(), |w, key| {
                        w.bytes(key.as_bytes());
                    });
                device.write(&mut w);
            }
            Self::AddDevice(device) => {
                w.array(2).uint(code);
                device.write(&mut w);
            }
            Self::RevokeDevice(revocation, signature) => {
                w.array(5).uint(code);
                revocation.write(&mut w);
                w.option(signature.as_ref(), |w, signature| {
                    w.bytes(&signature.0);
                });
            }
            Self::RotateRoot(rotation) => {
                w.array(6).uint(code);
                rotation.write(&mut w);
                w.bytes(&rotation.signature.0);
            }
            Self::SetRecovery(change) => {
                w.array(5).uint(code);
                change.write(&mut w);
                w.bytes(&change.signature.0);
            }
        }
        w.into_bytes()
    }

    /// Reads [`AccountEvent::encode`]. Verifies nothing.
    ///
    /// # Errors
    /// Any other bytes, among them an event type this build does not know
    /// ([`DecodeError::Unknown`]).
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut r = Reader::new(bytes);
        let len = r.array()?;
        let event = match (r.u16()?, len) {
            (1, 4) => Self::Root {
                root: read_key(&mut r)?,
                recovery: read_optional_key(&mut r)?,
                device: Box::new(Certificate::read(&mut r)?),
            },
            (2, 2) => Self::AddDevice(Box::new(Certificate::read(&mut r)?)),
            (3, 5) => {
                let device = DeviceId(r.fixed()?);
                let count = r.array()?;
                if count > MAX_CUT_OFFS {
                    return Err(DecodeError::TooLarge("cut-offs").into());
                }
                let cut_offs = (0..count)
                    .map(|_| CutOff::read(&mut r))
                    .collect::<Result<_, _>>()?;
                let revocation = Revocation {
                    device,
                    cut_offs,
                    reason: r.u8()?,
                };
                revocation.check()?;
                Self::RevokeDevice(revocation, r.option(|r| r.fixed().map(Signature))?)
            }
            (4, 6) => Self::RotateRoot(RootRotation {
                old: read_key(&mut r)?,
                new: read_key(&mut r)?,
                by: match r.uint()? {
                    0 => RotatedBy::OldRoot,
                    1 => RotatedBy::Recovery,
                    _ => return Err(DecodeError::Unknown("signer of a root").into()),
                },
                known: read_known(&mut r)?,
                signature: Signature(r.fixed()?),
            }),
            (5, 5) => Self::SetRecovery(RecoveryChange {
                old: read_optional_key(&mut r)?,
                new: read_key(&mut r)?,
                known: read_known(&mut r)?,
                signature: Signature(r.fixed()?),
            }),
            _ => return Err(DecodeError::Unknown("event of the account log").into()),
        };
        r.finish()?;
        Ok(event)
    }
}

/// The device certificates that an entry's operations carry, as headers name
/// them: for restoring headers of entries that come in the same pack. Nothing is
/// verified; what does not decode is passed over.
#[must_use]
pub fn certificates_in(kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
    let certificate = |(index, kind): (usize, &Kind)| {
        if !matches!(kind, Kind::Event(1 | 2)) {
            return None;
        }
        match AccountEvent::decode(body.op(index)?).ok()? {
            AccountEvent::Root { device, .. } | AccountEvent::AddDevice(device) => {
                Some((Signer::Device(device.body().id()), device.hash()))
            }
            _ => None,
        }
    };
    kinds.iter().enumerate().filter_map(certificate).collect()
}

fn read_optional_key(r: &mut Reader<'_>) -> Result<Option<VerifyingKey>, IdentityError> {
    r.option(Reader::fixed)?
        .map(|bytes| VerifyingKey::from_bytes(&bytes))
        .transpose()
}
