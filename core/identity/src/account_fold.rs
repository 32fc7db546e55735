//! The fold of the account log: a pure function of the set of entries and their
//! places in the relay's order. The rules, and why each is as it is, stand in
//! docs/protocol/04-identity.md; they are numbered alike here and there.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{DeviceId, EntryId, Hash, Signature};

use crate::account_log::{AccountDevice, AccountLog, LogEntry};
use crate::entry::verify_id;
use crate::{
    AccountEvent, Certificate, Device, IdentityError, Issuer, Position, RotatedBy, VerifyingKey,
};

/// What follows from the entries held.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub genesis: Option<EntryId>,
    pub roots: Vec<VerifyingKey>,
    pub recoveries: Vec<VerifyingKey>,
    pub devices: BTreeMap<DeviceId, AccountDevice>,
    pub counts: BTreeSet<EntryId>,
    pub waiting: BTreeSet<EntryId>,
    pub heads: Vec<EntryId>,
    pub head: Option<EntryId>,
    pub forks: Vec<(EntryId, EntryId)>,
}

/// Results of signature checks, so that folding again costs none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    /// Signatures over entries; the signer's id in the header binds the key.
    entries: BTreeMap<(EntryId, Signature), bool>,
    /// Signatures inside operations: entry, index of the operation, key.
    operations: BTreeMap<(EntryId, usize, VerifyingKey), bool>,
}

impl Checks {
    fn entry(&mut self, id: EntryId, key: &VerifyingKey, signature: &Signature) -> bool {
        *self
            .entries
            .entry((id, *signature))
            .or_insert_with(|| verify_id(&id, key, signature).is_ok())
    }

    /// A forged signature is not remembered: there is no end of them.
    pub(crate) fn forget(&mut self, id: EntryId, signature: Signature) {
        self.entries.remove(&(id, signature));
    }

    pub(crate) fn operation(
        &mut self,
        entry: EntryId,
        index: usize,
        key: &VerifyingKey,
        verify: impl FnOnce() -> Result<(), IdentityError>,
    ) -> bool {
        *self
            .operations
            .entry((entry, index, *key))
            .or_insert_with(|| verify().is_ok())
    }
}

/// A key of the account's root or recovery, in the order in which they replaced
/// each other.
pub(crate) struct Era {
    pub key: VerifyingKey,
    /// The entry that brought it; none for the first.
    pub brought_by: Option<EntryId>,
    /// Rule 4: what a replaced key has signed counts in these entries only; none
    /// while it is current.
    past: Option<BTreeSet<EntryId>>,
}

impl Era {
    fn first(key: VerifyingKey) -> Self {
        Self {
            key,
            brought_by: None,
            past: None,
        }
    }

    pub(crate) fn speaks_in(&self, entry: &EntryId) -> bool {
        self.past.as_ref().is_none_or(|past| past.contains(entry))
    }
}

pub(crate) struct Fold<'a> {
    pub log: &'a AccountLog,
    pub checks: &'a mut Checks,
    /// Entries whose signature was verified.
    pub signed: BTreeMap<EntryId, &'a LogEntry>,
    pub state: State,
}

/// Folds the log; also returns the signatures that are forged, to be dropped.
pub(crate) fn fold(log: &AccountLog, checks: &mut Checks) -> (State, Vec<(EntryId, Signature)>) {
    let mut fold = Fold {
        log,
        checks,
        signed: BTreeMap::new(),
        state: State::default(),
    };
    let forged = fold.verify_entries();
    fold.find_heads();
    fold.find_forks();
    if let Some((recovery, first)) = fold.find_genesis() {
        let by_roots_alone = fold.find_roots(&[]);
        let recoveries = fold.find_recoveries(recovery, &by_roots_alone);
        let roots = fold.find_roots(&recoveries);
        let brought = roots.iter().chain(&recoveries);
        fold.state
            .counts
            .extend(brought.filter_map(|era| era.brought_by));
        fold.find_devices(first, &roots, &recoveries);
        fold.state.roots = roots.into_iter().map(|era| era.key).collect();
        fold.state.recoveries = recoveries.into_iter().map(|era| era.key).collect();
    }
    (fold.state, forged)
}

/// Earlier in the relay's order first, what has no place last; then by id.
pub(crate) type Rank = (bool, Option<Position>, EntryId);

pub(crate) fn rank(entry: &LogEntry, id: EntryId) -> Rank {
    (entry.position.is_none(), entry.position, id)
}

/// Whether a certificate is of this account and signed by `key`.
pub(crate) fn issued(
    log: &AccountLog,
    checks: &mut Checks,
    (entry, op): (EntryId, usize),
    certificate: &Certificate<Device>,
    key: &VerifyingKey,
) -> bool {
    let body = certificate.body();
    body.school == log.school
        && body.account == log.account
        && checks.operation(entry, op, key, || certificate.verify(key))
}

impl<'a> Fold<'a> {
    /// Certificates that entries carry: containers of keys, not yet believed. The
    /// device id binds the key, so the signature of an entry can be checked.
    fn carried(&self) -> BTreeMap<Hash, &'a Device> {
        self.log
            .entries
            .values()
            .flat_map(|entry| &entry.events)
            .filter_map(|event| match event {
                AccountEvent::Root { device, .. } | AccountEvent::AddDevice(device) => {
                    Some((device.hash(), device.body()))
                }
                _ => None,
            })
            .collect()
    }

    fn verify_entries(&mut self) -> Vec<(EntryId, Signature)> {
        let carried = self.carried();
        let mut forged = Vec::new();
        for (id, entry) in &self.log.entries {
            let Some(device) = carried
                .get(&entry.certificate)
                .filter(|device| device.id() == entry.signer)
            else {
                self.state.waiting.insert(*id);
                continue;
            };
            let key = &device.keys.sign;
            // All are checked: a forged copy is told from the true entry.
            let mut signed = false;
            for signature in &entry.signatures {
                if self.checks.entry(*id, key, signature) {
                    signed = true;
                } else {
                    forged.push((*id, *signature));
                }
            }
            if signed {
                self.signed.insert(*id, entry);
            }
        }
        forged
    }

    fn parents(entry: &LogEntry) -> impl Iterator<Item = EntryId> + use<> {
        entry.previous.into_iter().chain(entry.account_head)
    }

    /// The entries held among `heads` and their past.
    fn past(&self, heads: &[EntryId]) -> BTreeSet<EntryId> {
        let mut past = BTreeSet::new();
        let mut open = heads.to_vec();
        while let Some(id) = open.pop() {
            if let Some(entry) = self.signed.get(&id)
                && past.insert(id)
            {
                open.extend(Self::parents(entry));
            }
        }
        past
    }

    fn find_heads(&mut self) {
        let followed: BTreeSet<EntryId> = self
            .signed
            .values()
            .flat_map(|entry| Self::parents(entry))
            .collect();
        self.state.heads = self
            .signed
            .keys()
            .filter(|id| !followed.contains(id))
            .copied()
            .collect();
        self.state.head = self
            .state
            .heads
            .iter()
            .copied()
            .max_by_key(|id| (self.past(&[*id]).len(), *id));
    }

    fn find_forks(&mut self) {
        let mut places: BTreeMap<(DeviceId, u32, u64), EntryId> = BTreeMap::new();
        for (id, entry) in &self.signed {
            let place = (entry.signer, entry.incarnation, entry.sequence);
            if let Some(other) = places.insert(place, *id) {
                self.state.forks.push((other, *id));
            }
        }
    }

    /// Rule 1: the log begins with the entry of the pinned root, by the device
    /// that it brings; of several with the one at the lowest place.
    fn find_genesis(&mut self) -> Option<(Option<VerifyingKey>, &'a Certificate<Device>)> {
        let root = self.log.first_root;
        let mut best: Option<(Rank, Option<VerifyingKey>, &'a Certificate<Device>)> = None;
        for (id, entry) in &self.signed {
            let Some(AccountEvent::Root {
                root: claimed,
                recovery,
                device,
            }) = entry.events.first()
            else {
                continue;
            };
            if *claimed == root
                && entry.sequence == 1
                && entry.certificate == device.hash()
                && device.body().issuer == Issuer::Root(root)
                && issued(self.log, self.checks, (*id, 0), device, &root)
            {
                let rank = rank(entry, *id);
                if best.as_ref().is_none_or(|(best, ..)| rank < *best) {
                    best = Some((rank, *recovery, device));
                }
            }
        }
        let ((_, _, id), recovery, device) = best?;
        self.state.genesis = Some(id);
        self.state.counts.insert(id);
        Some((recovery, device))
    }

    /// Rule 2: from the first root on, each step is the best rotation away from
    /// the root reached: by a recovery key before by the old root, then by place.
    fn find_roots(&mut self, recoveries: &[Era]) -> Vec<Era> {
        let (school, account) = (self.log.school, self.log.account);
        let mut eras = vec![Era::first(self.log.first_root)];
        loop {
            let current = eras[eras.len() - 1].key;
            let mut best = None;
            for (id, entry) in &self.signed {
                for (op, event) in entry.events.iter().enumerate() {
                    let AccountEvent::RotateRoot(rotation) = event else {
                        continue;
                    };
                    // A root that was left does not come back: no circles.
                    if rotation.old != current || eras.iter().any(|era| era.key == rotation.new) {
                        continue;
                    }
                    let mut check = |key: &VerifyingKey| {
                        self.checks
                            .operation(*id, op, key, || rotation.verify(school, account, key))
                    };
                    let by_root = rotation.by == RotatedBy::OldRoot;
                    let good = if by_root {
                        check(&current)
                    } else {
                        recoveries
                            .iter()
                            .any(|era| era.speaks_in(id) && check(&era.key))
                    };
                    let order = (by_root, rank(entry, *id), op);
                    if good && best.as_ref().is_none_or(|(best, _)| order < *best) {
                        best = Some((order, rotation));
                    }
                }
            }
            let Some(((_, (_, _, id), _), rotation)) = best else {
                return eras;
            };
            let past = self.past(&rotation.known);
            self.replace(&mut eras, rotation.new, id, past);
        }
    }

    fn replace(
        &self,
        eras: &mut Vec<Era>,
        key: VerifyingKey,
        brought_by: EntryId,
        past: BTreeSet<EntryId>,
    ) {
        if let Some(era) = eras.last_mut() {
            era.past = Some(past);
        }
        eras.push(Era {
            key,
            brought_by: Some(brought_by),
            past: None,
        });
    }

    /// Rule 3: a recovery key is replaced by its own signature only; the first
    /// one, where the log began without, is set by a root.
    fn find_recoveries(&mut self, first: Option<VerifyingKey>, roots: &[Era]) -> Vec<Era> {
        let (school, account) = (self.log.school, self.log.account);
        let mut eras: Vec<Era> = first.into_iter().map(Era::first).collect();
        loop {
            let current = eras.last().map(|era| era.key);
            let mut best = None;
            for (id, entry) in &self.signed {
                for (op, event) in entry.events.iter().enumerate() {
                    let AccountEvent::SetRecovery(change) = event else {
                        continue;
                    };
                    if change.old != current || eras.iter().any(|era| era.key == change.new) {
                        continue;
                    }
                    let mut check = |key: &VerifyingKey| {
                        self.checks
                            .operation(*id, op, key, || change.verify(school, account, key))
                    };
                    let good = match &current {
                        Some(key) => check(key),
                        None => roots.iter().any(|era| era.speaks_in(id) && check(&era.key)),
                    };
                    let order = (rank(entry, *id), op);
                    if good && best.as_ref().is_none_or(|(best, _)| order < *best) {
                        best = Some((order, change));
                    }
                }
            }
            let Some((((_, _, id), _), change)) = best else {
                return eras;
            };
            let past = self.past(&change.known);
            self.replace(&mut eras, change.new, id, past);
        }
    }
}
