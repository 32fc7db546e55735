//! The devices part of the fold of the account log: from the roots down, level by
//! level, so that nobody's standing depends on somebody whom it added
//! (docs/protocol/04-identity.md, rules 5 to 9).
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{DeviceId, EntryId, Lane};

use crate::account_fold::{Era, Fold, issued, rank};
use crate::account_log::{AccountDevice, CutOffs, DeviceStatus, LogEntry};
use crate::{AccountEvent, Certificate, Device, Issuer, Revocation, sabotage};

/// Revocations of a device: who states them (a device that may have added it;
/// none for a recovery key or staff), where, and what.
type Revocations<'a> = BTreeMap<DeviceId, Vec<(Option<DeviceId>, EntryId, &'a Revocation)>>;

/// Devices of one level, with the entries that add them.
type Level = BTreeMap<DeviceId, (AccountDevice, Vec<EntryId>)>;

fn add(
    level: &mut Level,
    certificate: &Certificate<Device>,
    by: Option<DeviceId>,
    entry: Option<EntryId>,
) {
    let (device, entries) = level.entry(certificate.body().id()).or_insert_with(|| {
        let device = AccountDevice {
            certificates: BTreeMap::new(),
            added_by: BTreeSet::new(),
            status: DeviceStatus::Live,
        };
        (device, Vec::new())
    });
    entries.extend(entry);
    device
        .certificates
        .insert(certificate.hash(), certificate.clone());
    device.added_by.extend(by);
}

/// Rule 8: what several revocations leave is what all of them leave.
fn revoke(status: &mut DeviceStatus, revocation: &Revocation) {
    if sabotage::ignores_revocations() {
        return;
    }
    let stated: CutOffs = revocation
        .cut_offs
        .iter()
        .map(|cut| (cut.chain(), (cut.sequence, cut.id)))
        .collect();
    *status = match status {
        DeviceStatus::Live => DeviceStatus::Revoked {
            cut_offs: stated,
            reason: revocation.reason,
        },
        DeviceStatus::Revoked { cut_offs, reason } => DeviceStatus::Revoked {
            cut_offs: cut_offs
                .iter()
                .filter_map(|(chain, place)| Some((*chain, *place.min(stated.get(chain)?))))
                .collect(),
            reason: revocation.reason.max(*reason),
        },
    };
}

impl<'a> Fold<'a> {
    pub(crate) fn find_devices(
        &mut self,
        first: &Certificate<Device>,
        roots: &[Era],
        recoveries: &[Era],
    ) {
        let from_above = self.find_revocations_from_above(recoveries);
        let mut level = self.find_first_level(first, roots);
        let mut by_adders = Revocations::new();
        while !level.is_empty() {
            let mut next = Level::new();
            let mut by_these = Revocations::new();
            for (id, (mut device, entries)) in level {
                self.state.counts.extend(entries);
                let above = from_above.get(&id).into_iter().flatten();
                let adders = by_adders.get(&id).into_iter().flatten();
                for (by, entry, revocation) in above.chain(adders) {
                    if by.is_none_or(|by| device.added_by.contains(&by)) {
                        revoke(&mut device.status, revocation);
                        self.state.counts.insert(*entry);
                    }
                }
                self.apply_own_revocations(id, &mut device);
                self.apply_additions(id, &device, &mut next);
                self.collect_revocations(id, &device, &mut by_these);
                self.state.devices.insert(id, device);
            }
            // Rule 7: who is a device already is not added again from below.
            next.retain(|id, _| !self.state.devices.contains_key(id));
            level = next;
            by_adders = by_these;
        }
    }

    /// Rule 5: what a root has signed stands by itself, whoever's entry carries it.
    fn find_first_level(&mut self, first: &Certificate<Device>, roots: &[Era]) -> Level {
        let mut level = Level::new();
        add(&mut level, first, None, None);
        for (id, entry) in &self.signed {
            for (op, event) in entry.events.iter().enumerate() {
                let AccountEvent::AddDevice(certificate) = event else {
                    continue;
                };
                let Issuer::Root(root) = certificate.body().issuer else {
                    continue;
                };
                let speaks = roots.iter().any(|era| era.key == root && era.speaks_in(id));
                if speaks && issued(self.log, self.checks, (*id, op), certificate, &root) {
                    add(&mut level, certificate, None, Some(*id));
                }
            }
        }
        level
    }

    /// Rule 6: recovery keys and two staff revoke any device.
    fn find_revocations_from_above(&mut self, recoveries: &[Era]) -> Revocations<'a> {
        let (school, account) = (self.log.school, self.log.account);
        let mut found = Revocations::new();
        for ((id, _), revocation) in &self.log.by_staff {
            found
                .entry(revocation.device)
                .or_default()
                .push((None, *id, revocation));
        }
        for (id, entry) in &self.signed {
            for (op, event) in entry.events.iter().enumerate() {
                let AccountEvent::RevokeDevice(revocation, Some(signature)) = event else {
                    continue;
                };
                let good = recoveries.iter().any(|era| {
                    era.speaks_in(id)
                        && self.checks.operation(*id, op, &era.key, || {
                            revocation.verify(school, account, &era.key, signature)
                        })
                });
                if good {
                    found
                        .entry(revocation.device)
                        .or_default()
                        .push((None, *id, revocation));
                }
            }
        }
        found
    }

    /// A device may revoke itself, as long as nobody above it has.
    fn apply_own_revocations(&mut self, id: DeviceId, device: &mut AccountDevice) {
        let mut own = Vec::new();
        for (entry, log_entry) in self.speaking(id, device) {
            for event in &log_entry.events {
                if let AccountEvent::RevokeDevice(revocation, None) = event
                    && revocation.device == id
                {
                    own.push((entry, revocation));
                }
            }
        }
        for (entry, revocation) in own {
            revoke(&mut device.status, revocation);
            self.state.counts.insert(entry);
        }
    }

    /// What a device adds counts on the taken branch of its chain only.
    fn apply_additions(&mut self, id: DeviceId, device: &AccountDevice, next: &mut Level) {
        for (entry, log_entry) in self.taken(id, device) {
            // Nothing but events of a later build: kept without complaint.
            if log_entry.events.is_empty() {
                self.state.counts.insert(entry);
            }
            for (op, event) in log_entry.events.iter().enumerate() {
                if let AccountEvent::AddDevice(certificate) = event
                    && certificate.body().issuer == Issuer::Device(id)
                    && issued(
                        self.log,
                        self.checks,
                        (entry, op),
                        certificate,
                        device.key(),
                    )
                {
                    add(next, certificate, Some(id), Some(entry));
                }
            }
        }
    }

    fn collect_revocations(
        &self,
        id: DeviceId,
        device: &AccountDevice,
        by_these: &mut Revocations<'a>,
    ) {
        for (entry, log_entry) in self.speaking(id, device) {
            for event in &log_entry.events {
                if let AccountEvent::RevokeDevice(revocation, None) = event
                    && revocation.device != id
                {
                    by_these.entry(revocation.device).or_default().push((
                        Some(id),
                        entry,
                        revocation,
                    ));
                }
            }
        }
    }

    /// Entries in which the device may revoke. Rule 9: a live device's on every
    /// branch of a fork, since an undone revocation is worse than one too many; a
    /// revoked device's up to the cut-offs.
    fn speaking(&self, id: DeviceId, device: &AccountDevice) -> Vec<(EntryId, &'a LogEntry)> {
        match device.status {
            DeviceStatus::Live => self.of_device(id, device).collect(),
            DeviceStatus::Revoked { .. } => self.taken(id, device),
        }
    }

    fn of_device<'b>(
        &'b self,
        id: DeviceId,
        device: &'b AccountDevice,
    ) -> impl Iterator<Item = (EntryId, &'a LogEntry)> + use<'a, 'b> {
        self.signed
            .iter()
            .filter(move |(_, entry)| {
                entry.signer == id && device.certificates.contains_key(&entry.certificate)
            })
            .map(|(id, entry)| (*id, *entry))
    }

    /// The entries of the device's chains in this log, up to the cut-offs; where a
    /// chain forks, of the branch that the cut-off names, else of the one earlier
    /// in the relay's order.
    fn taken(&self, id: DeviceId, device: &AccountDevice) -> Vec<(EntryId, &'a LogEntry)> {
        let mut places: BTreeMap<(u32, u64), Vec<(EntryId, &'a LogEntry)>> = BTreeMap::new();
        for (entry, log_entry) in self.of_device(id, device) {
            places
                .entry((log_entry.incarnation, log_entry.sequence))
                .or_default()
                .push((entry, log_entry));
        }
        let mut taken: Vec<(EntryId, &'a LogEntry)> = Vec::new();
        let mut named = BTreeSet::new();
        let mut chain = None;
        for ((incarnation, sequence), candidates) in places {
            let cut = match &device.status {
                DeviceStatus::Live => None,
                DeviceStatus::Revoked { cut_offs, .. } => {
                    let chain = (self.log.account.space(), Lane::Keys, incarnation);
                    match cut_offs.get(&chain) {
                        Some(cut) if sequence <= cut.0 => Some(*cut),
                        _ => continue,
                    }
                }
            };
            if chain != Some(incarnation) {
                chain = Some(incarnation);
                named = cut.map(|(_, id)| self.branch(id)).unwrap_or_default();
            }
            let before = taken
                .last()
                .filter(|(_, last)| {
                    last.incarnation == incarnation && last.sequence + 1 == sequence
                })
                .map(|(id, _)| *id);
            let best = candidates
                .into_iter()
                .filter(|(id, entry)| match (before, entry.previous) {
                    (Some(before), previous) => previous == Some(before),
                    // A place before it is not held: the relay refused that entry.
                    (None, Some(previous)) => !self.signed.contains_key(&previous),
                    (None, None) => true,
                } && cut.is_none_or(|(last, last_id)| sequence < last || *id == last_id))
                .min_by_key(|(id, entry)| (!named.contains(id), rank(entry, *id)));
            taken.extend(best);
        }
        taken
    }

    /// An entry and what precedes it in its chain, as far as held.
    fn branch(&self, from: EntryId) -> BTreeSet<EntryId> {
        let mut branch = BTreeSet::new();
        let mut next = Some(from);
        while let Some(id) = next {
            if !branch.insert(id) {
                break;
            }
            next = self.signed.get(&id).and_then(|entry| entry.previous);
        }
        branch
    }
}
