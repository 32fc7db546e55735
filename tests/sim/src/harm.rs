//! What goes wrong with machines.
use stunity_store::ItemState;
use stunity_test_support::disk::Fault;

use crate::device::{Device, Role};
use crate::failure::Failure;
use crate::platform::Machine;
use crate::truth::What;
use crate::world::{Event, World};

const HOUR_MS: u64 = 3_600_000;

impl World {
    /// The app of a device is gone; it starts again by and by.
    pub fn crash(&mut self, device: usize) -> Result<(), Failure> {
        // A disk that died in the middle of a write died with the machine.
        let is_cut = self.devices[device].disk.is_dead() || self.dice.chance(40);
        self.crash_with(device, is_cut)?;
        let wait = self.dice.between(1_000, 600_000);
        self.after(wait, Event::Start(device));
        Ok(())
    }

    fn crash_with(&mut self, device: usize, is_cut: bool) -> Result<(), Failure> {
        let name = self.devices[device].name.clone();
        let how = if is_cut { "loses power" } else { "is killed" };
        self.note(format!("{name} {how}"));
        if let Some(id) = self.devices[device].connection.take() {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.forget_client();
            }
            let wait = self.dice.below(60_000);
            self.after(wait, Event::RelayGone(id));
        }
        if is_cut {
            let durable = self.devices[device].durable_deeds;
            for deed in self.truth.deeds.iter_mut().skip(durable) {
                // What is typed is synced with the next thing that is promised.
                if deed.device == device && matches!(deed.what, What::Text { .. }) {
                    deed.is_sure = false;
                }
            }
            let skew = self.next_skew(device);
            self.devices[device].machine.reboot(skew);
        }
        let dice = is_cut.then_some(&mut self.dice);
        self.devices[device].crash(dice)
    }

    /// After a reboot the clock may be what somebody set.
    fn next_skew(&mut self, device: usize) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        let keeps = !self.config.is_hostile() || !self.dice.chance(30);
        if keeps {
            return self.devices[device].machine.skew_ms();
        }
        [0, DAY_MS, -DAY_MS, 5 * 365 * DAY_MS, -5 * 365 * DAY_MS][self.dice.below(5) as usize]
    }

    /// An app starts.
    pub fn start(&mut self, device: usize) -> Result<(), Failure> {
        if self.devices[device].is_running() {
            return Ok(());
        }
        match self.devices[device].start() {
            Ok(()) => {
                self.note(format!("{} starts", self.devices[device].name));
                self.connect(device)
            }
            Err(error) => {
                let words = format!("{} does not start: {error}", self.devices[device].name);
                self.note(words.clone());
                // A planned fault may hit the start itself; once it is over it starts.
                if self.is_finale || !self.config.is_hostile() {
                    return Err(Failure::new("opening works after any crash", words));
                }
                self.devices[device].disk.repair();
                self.crash(device)
            }
        }
    }

    /// Something goes wrong with a device.
    pub fn harm(&mut self, device: usize) -> Result<(), Failure> {
        let next = self.dice.wait(16 * HOUR_MS);
        self.after(next, Event::Harm(device));
        if !self.devices[device].is_running() {
            return Ok(());
        }
        let writes = self.dice.below(60);
        match self.dice.below(11) {
            0..2 => self.crash(device),
            2..4 => {
                self.note(format!("{}: full in {writes}", self.devices[device].name));
                self.devices[device].disk.plan(writes, Fault::Full);
                self.after(HOUR_MS, Event::Repair(device));
                Ok(())
            }
            4..6 => {
                self.note(format!("{}: torn in {writes}", self.devices[device].name));
                self.devices[device].disk.plan(writes, Fault::Torn);
                Ok(())
            }
            6..8 => {
                self.note(format!("{}: sync fails", self.devices[device].name));
                self.devices[device].disk.plan(writes / 10, Fault::Sync);
                Ok(())
            }
            8..10 => self.copy_or_restore(device),
            _ => self.clone_phone(device),
        }
    }

    /// A user makes a copy of a phone, or puts an older one back.
    fn copy_or_restore(&mut self, device: usize) -> Result<(), Failure> {
        let before = match self.devices[device].copy.take() {
            Some((copy, deeds)) => {
                self.forget_since(device, deeds);
                Some(copy)
            }
            None => None,
        };
        self.crash_with(device, false)?;
        let folder = self.devices[device].folder.clone();
        match before {
            Some(copy) => {
                self.note(format!("{} is restored", self.devices[device].name));
                Device::copy_folder(&copy, &folder)?;
            }
            None => {
                self.note(format!("{} is copied", self.devices[device].name));
                let copy = self.folder.path().join(format!("copy{device}"));
                Device::copy_folder(&folder, &copy)?;
                self.devices[device].copy = Some((copy, self.truth.deeds.len()));
            }
        }
        self.start(device)
    }

    /// Somebody copies a phone to a second one, and both go on as the same device.
    fn clone_phone(&mut self, device: usize) -> Result<(), Failure> {
        let is_enough = self.devices.iter().any(|device| device.is_clone);
        if is_enough || self.devices[device].role == Role::Cheat {
            return Ok(());
        }
        self.crash_with(device, false)?;
        let index = self.devices.len();
        let folder = self.folder.path().join(format!("device{index}"));
        Device::copy_folder(&self.devices[device].folder, &folder)?;
        let name = format!("the copy of {}", self.devices[device].name);
        self.note(format!("{name} begins"));
        let skew = self.devices[device].machine.skew_ms();
        let dice = self.dice.part(&name);
        let machine = Machine::new(self.clock.clone(), dice, skew);
        let dice = self.dice.part(&format!("user of {name}"));
        let copy = self.devices[device].copy_as(name, folder, machine, dice);
        self.devices.push(copy);
        self.plan_day(index);
        self.start(device)?;
        self.start(index)
    }

    /// The copy knows nothing of what was done later; what the relay has is there.
    fn forget_since(&mut self, device: usize, deeds: usize) {
        self.forget_revocation(device, deeds);
        let Some(client) = &self.devices[device].client else {
            return;
        };
        // Nobody knows whether the relay heard of that.
        let has_enrolled = (self.devices[device].enrolled_deeds).is_some_and(|at| at >= deeds);
        if let Some(open) = self.truth.courses.get(1).filter(|_| has_enrolled) {
            self.truth
                .left
                .insert((*open, self.devices[device].account));
        }
        // A relay that was restored may itself have forgotten.
        let is_there = !self.relay.was_restored();
        for (index, deed) in self.truth.deeds.iter_mut().enumerate() {
            if deed.erased_by == Some(device) {
                deed.erased_by = None;
            }
            if deed.device != device || index < deeds {
                continue;
            }
            let state = deed
                .item
                .take()
                .and_then(|item| client.store().item_status(item).ok().flatten())
                .map(|item| item.state);
            deed.is_sure &= is_there
                && matches!(
                    state,
                    Some(ItemState::Received { .. } | ItemState::Graded { .. })
                );
            // Whoever has it by parcel holds what nobody else will get.
            deed.is_disputed |= !deed.is_sure;
        }
    }

    /// A phone that revoked another device since the copy, and had told the relay nothing
    /// of it, has never revoked it: of that device nothing is expected any more.
    fn forget_revocation(&mut self, device: usize, deeds: usize) {
        let since_copy = (self.devices[device].revoking_deeds).is_some_and(|at| at >= deeds);
        if !since_copy {
            return;
        }
        let account = self.devices[device].account;
        let revoked = (self.devices.iter())
            .find(|other| other.account == account && other.revoked_ms.is_some())
            .map(|other| other.id);
        if let Some(id) = revoked
            && !self.relay.holds_revocation(id)
        {
            self.lose(id, u64::MAX);
        }
    }

    /// Something goes wrong with the relay.
    pub fn harm_relay(&mut self) -> Result<(), Failure> {
        let next = self.dice.wait(16 * HOUR_MS);
        self.after(next, Event::RelayHarm);
        if self.relay.log().is_none() {
            return Ok(());
        }
        if self.config.is_hostile() && self.dice.chance(30) {
            let writes = self.dice.below(40);
            let fault = [Fault::Torn, Fault::Sync, Fault::Full][self.dice.below(3) as usize];
            self.note(format!("the relay's disk: {fault:?} in {writes}"));
            self.relay.disk.plan(writes, fault);
            self.after(HOUR_MS, Event::RelayRepair);
            return Ok(());
        }
        if self.config.is_hostile() && self.dice.chance(40) {
            return self.back_up_or_restore_relay();
        }
        let is_cut = self.dice.chance(50);
        self.crash_relay(is_cut)
    }

    /// The operator makes a backup, or puts the last one back: what came since is
    /// gone there.
    fn back_up_or_restore_relay(&mut self) -> Result<(), Failure> {
        if !self.relay.has_backup() {
            self.note("the relay is backed up".into());
            return self.relay.back_up();
        }
        self.crash_relay(false)?;
        self.note("the relay's backup is restored".into());
        self.relay.restore()?;
        for deed in &mut self.truth.deeds {
            // What its own device has forgotten, nobody offers again.
            deed.is_sure &= deed.item.is_some() || matches!(deed.what, What::Text { .. });
        }
        Ok(())
    }

    /// The relay is gone; it starts again by and by.
    pub fn crash_relay(&mut self, is_cut: bool) -> Result<(), Failure> {
        let how = if is_cut { "loses power" } else { "is killed" };
        self.note(format!("the relay {how}"));
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.forget_relay();
            }
            let wait = self.dice.below(30_000);
            self.after(wait, Event::DeviceGone(id));
        }
        let dice = is_cut.then_some(&mut self.dice);
        self.relay.crash(dice)?;
        let wait = self.dice.between(1_000, 900_000);
        self.after(wait, Event::RelayStart);
        Ok(())
    }

    /// The relay starts.
    pub fn start_relay(&mut self) -> Result<(), Failure> {
        if self.relay.log().is_none() {
            self.relay.start()?;
            self.note("the relay starts".into());
        }
        Ok(())
    }
}
