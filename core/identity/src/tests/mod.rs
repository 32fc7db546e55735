//! Tests over several subjects of this crate, and what they share.
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use stunity_proto::{
    AccountId, Body, Entry, EntryId, Hash, Header, Heads, Kind, Lane, SchoolId, Signer,
};

use crate::*;

mod account_log;
mod certificates;
mod convergence;
mod covers;
mod derivations;
mod parcels;
mod receipts;
mod sabotage;
pub(crate) mod transplants;
mod vectors;

/// Bytes of hexadecimal.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// As many cases as `PROPTEST_CASES` says, else `quick`.
pub(crate) fn cases(quick: u32) -> proptest::test_runner::Config {
    let mut config = proptest::test_runner::Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = quick;
    }
    config
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The signing key of 32 equal bytes.
pub(crate) fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32])
}

pub(crate) fn kex(byte: u8) -> KexSecret {
    KexSecret::from_seed(&[byte; 32])
}

pub(crate) const ACCOUNT: AccountId = AccountId([0xaa; 16]);
pub(crate) const NOW: u64 = 1_500;

/// A school: root 1, next root 2, operator 3, node 4 (parcel key 5).
pub(crate) struct School {
    pub anchor: SchoolAnchor,
    pub chain: NodeChain,
}

pub(crate) fn school() -> School {
    let next = root_commitment(&key(2).verifying_key());
    let anchor = SchoolAnchor::genesis(key(1).verifying_key(), next);
    let operator = Certificate::sign(
        Operator {
            school: anchor.school,
            key: key(3).verifying_key(),
            not_before: 1000,
            not_after: 2000,
            serial: 1,
        },
        &key(1),
    );
    let node = Certificate::sign(
        Node {
            school: anchor.school,
            key: key(4).verifying_key(),
            parcel: kex(5).public(),
            operator: operator.hash(),
            not_before: 1100,
            not_after: 1900,
            serial: 1,
        },
        &key(3),
    );
    School {
        anchor,
        chain: NodeChain { operator, node },
    }
}

impl School {
    pub fn id(&self) -> SchoolId {
        self.anchor.school
    }

    pub fn node(&self) -> TrustedNode {
        self.anchor.verify_node(&self.chain, NOW).unwrap()
    }
}

/// The certificate of the device with key `device`, by `issuer`'s key.
pub(crate) fn certify(device: u8, issuer: Issuer, by: u8) -> Certificate<Device> {
    let body = Device {
        school: school().id(),
        account: ACCOUNT,
        keys: DeviceKeys {
            sign: key(device).verifying_key(),
            kex: kex(device + 1).public(),
            leaf: None,
        },
        issuer,
        serial: 1,
    };
    Certificate::sign(body, &key(by))
}

/// The certificate of a device by the account root with key `root`.
pub(crate) fn by_root(device: u8, root: u8) -> Certificate<Device> {
    certify(device, Issuer::Root(key(root).verifying_key()), root)
}

/// The certificate of a device by the device with key `issuer`.
pub(crate) fn by_device(device: u8, issuer: u8) -> Certificate<Device> {
    certify(device, Issuer::Device(key(issuer).device_id()), issuer)
}

/// A chain of a device in the account log.
pub(crate) struct Chain {
    pub key: SigningKey,
    pub certificate: Hash,
    pub incarnation: u32,
    pub last: Option<(u64, EntryId)>,
}

impl Chain {
    pub fn new(device: u8, certificate: &Certificate<Device>) -> Self {
        Self {
            key: key(device),
            certificate: certificate.hash(),
            incarnation: 0,
            last: None,
        }
    }

    pub fn header(&self, lane: Lane, account_head: Option<EntryId>) -> Header {
        Header {
            school: school().id(),
            space: ACCOUNT.space(),
            lane,
            author: ACCOUNT,
            signer: Signer::Device(self.key.device_id()),
            certificate: self.certificate,
            incarnation: self.incarnation,
            sequence: self.last.map_or(1, |(sequence, _)| sequence + 1),
            previous: self.last.map(|(_, id)| id),
            heads: Heads {
                account: account_head,
                membership: Vec::new(),
            },
            kinds: Vec::new(),
            seal: None,
            body_root: Hash::ZERO,
        }
    }

    /// The next entry of this chain, citing a head of the log.
    pub fn write(&mut self, head: Option<EntryId>, events: &[AccountEvent]) -> Entry {
        let entry = self.draft(head, events);
        self.last = Some((entry.header().sequence, entry.id()));
        entry
    }

    /// As `write`, without going on in the chain: the next one forks it.
    pub fn draft(&self, head: Option<EntryId>, events: &[AccountEvent]) -> Entry {
        let body = Body::new([9; 16], events.iter().map(AccountEvent::encode).collect());
        let mut header = self.header(Lane::Keys, head);
        header.kinds = events.iter().map(|e| Kind::Event(e.code())).collect();
        header.body_root = body.root().unwrap();
        sign_entry(&header, body, &self.key).unwrap()
    }

    /// The cut-off after what the chain holds in the account log.
    pub fn cut_off(&self) -> CutOff {
        let (sequence, id) = self.last.unwrap();
        CutOff {
            space: ACCOUNT.space(),
            lane: Lane::Keys,
            incarnation: self.incarnation,
            sequence,
            id,
        }
    }
}

pub(crate) fn add(certificate: Certificate<Device>) -> AccountEvent {
    AccountEvent::AddDevice(Box::new(certificate))
}

pub(crate) fn revoke(device: u8, cut_offs: Vec<CutOff>) -> AccountEvent {
    let revocation = Revocation::new(key(device).device_id(), cut_offs, 2).unwrap();
    AccountEvent::RevokeDevice(revocation, None)
}

/// As `revoke`, with the signature of a recovery key.
pub(crate) fn revoke_by_code(device: u8, cut_offs: Vec<CutOff>, code: u8) -> AccountEvent {
    let revocation = Revocation::new(key(device).device_id(), cut_offs, 1).unwrap();
    let signature = revocation.sign(school().id(), ACCOUNT, &key(code));
    AccountEvent::RevokeDevice(revocation, Some(signature))
}

pub(crate) fn rotate(
    old: u8,
    new: u8,
    by: RotatedBy,
    signer: u8,
    known: &[EntryId],
) -> AccountEvent {
    let rotation = RootRotation::sign(
        school().id(),
        ACCOUNT,
        key(old).verifying_key(),
        key(new).verifying_key(),
        by,
        known.to_vec(),
        &key(signer),
    );
    AccountEvent::RotateRoot(rotation.unwrap())
}

pub(crate) fn set_recovery(
    old: Option<u8>,
    new: u8,
    signer: u8,
    known: &[EntryId],
) -> AccountEvent {
    let change = RecoveryChange::sign(
        school().id(),
        ACCOUNT,
        old.map(|old| key(old).verifying_key()),
        key(new).verifying_key(),
        known.to_vec(),
        &key(signer),
    );
    AccountEvent::SetRecovery(change.unwrap())
}

/// An account with root 6 and recovery key 11, whose first device has key 20.
pub(crate) fn begin(recovery: Option<u8>) -> (AccountLog, Chain, Entry) {
    let certificate = by_root(20, 6);
    let mut first = Chain::new(20, &certificate);
    let event = AccountEvent::Root {
        root: key(6).verifying_key(),
        recovery: recovery.map(|code| key(code).verifying_key()),
        device: Box::new(certificate),
    };
    let entry = first.write(None, &[event]);
    let mut log = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
    assert_eq!(log.apply(&entry, None), Ok(Effect::Counts));
    (log, first, entry)
}
