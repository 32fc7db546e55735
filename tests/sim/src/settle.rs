//! The finale: everything is repaired, everybody comes together.
use crate::failure::{Failure, OrFail};
use crate::world::{Event, World};

/// Bytes both ways after the upgrade of a reconnect with nothing new. The budget of
/// one round trip is 600; a device whose last session was cut says its cursors again.
const QUIET_BYTES: u64 = 1_500;
/// Rounds in which all must have come together.
const ROUNDS: usize = 10;

const NO_HANG: &str = "no session hangs";

impl World {
    /// A session that has begun goes on, ends, or has nothing left to do.
    ///
    /// # Errors
    /// One that waits for what never comes.
    pub fn check_hang(&self) -> Result<(), Failure> {
        let now_ms = self.now_ms();
        let hangs = self.connections.iter().find(|(_, c)| c.hangs(now_ms));
        match hangs {
            Some((id, connection)) if !self.config.is_evil() => Err(Failure::new(
                NO_HANG,
                format!("{id} of {}", self.devices[connection.device()].name),
            )),
            _ => Ok(()),
        }
    }

    /// Ends what users and accidents have begun, and brings everybody together.
    ///
    /// # Errors
    /// An invariant.
    pub fn finale(&mut self) -> Result<(), Failure> {
        self.note("everybody comes together".into());
        self.is_finale = true;
        self.calm();
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.after(0, Event::DeviceGone(id));
            self.after(1, Event::RelayGone(id));
        }
        self.relay.disk.repair();
        for device in 0..self.devices.len() {
            self.devices[device].disk.repair();
            self.devices[device].is_online = false;
            self.after(10, Event::Start(device));
            // What was open is closed, as its user leaves it.
            self.after(20_000, Event::Close(device));
        }
        self.after(10, Event::RelayStart);
        self.run_until(u64::MAX)?;
        let before = self.figures;
        if self.config.is_evil() {
            // Nobody can be made to converge by such a relay; it may not be believed.
            return self.meet_once();
        }
        self.come_together(ROUNDS)?;
        self.check_storm(before)
    }

    /// Every device syncs, in turn, until one round brings nothing new to anybody.
    ///
    /// # Errors
    /// More than so many rounds.
    pub fn come_together(&mut self, rounds: usize) -> Result<(), Failure> {
        let was = std::mem::replace(&mut self.is_finale, true);
        for round in 0..=rounds {
            for device in 0..self.devices.len() {
                self.devices[device].last_sync = None;
                self.devices[device].tries = 0;
                self.devices[device].is_online = true;
                self.connect(device)?;
                self.run_until(u64::MAX)?;
                if self.devices[device].connection.is_some() {
                    return Err(Failure::new(
                        NO_HANG,
                        format!("{} waits for ever", self.devices[device].name),
                    ));
                }
                self.devices[device].is_online = false;
            }
            let loud: Vec<&str> = self
                .devices
                .iter()
                .filter(|device| device.revoked_ms.is_none())
                .filter(|device| !device.last_sync.is_some_and(|sync| sync.was_quiet))
                .map(|device| device.name.as_str())
                .collect();
            if loud.is_empty() {
                self.is_finale = was;
                return self.check_quiet();
            }
            if round == rounds {
                return Err(Failure::new(
                    "all comes together",
                    format!("after {rounds} rounds still: {loud:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Every device connects twice, whatever comes of it.
    fn meet_once(&mut self) -> Result<(), Failure> {
        for device in (0..self.devices.len()).chain(0..self.devices.len()) {
            self.devices[device].is_online = true;
            self.connect(device)?;
            let end_ms = self.now_ms() + 120_000;
            self.run_until(end_ms)?;
            self.sleep(device)?;
        }
        Ok(())
    }

    /// A reconnect with nothing new costs next to nothing.
    fn check_quiet(&mut self) -> Result<(), Failure> {
        for device in &self.devices {
            if let Some(sync) = device.last_sync
                && sync.bytes > QUIET_BYTES
            {
                return Err(Failure::new(
                    "a fresh comparison is empty",
                    format!("{}: {} bytes", device.name, sync.bytes),
                ));
            }
        }
        Ok(())
    }

    /// Coming together took a bounded number of sessions.
    fn check_storm(&mut self, before: crate::world::Figures) -> Result<(), Failure> {
        let sessions = self.figures.connections - before.connections;
        let most = (self.devices.len() * (ROUNDS + 2)) as u64;
        if sessions > most {
            return Err(Failure::new(
                "no storm",
                format!("{sessions} sessions to come together"),
            ));
        }
        Ok(())
    }

    /// A user closes what is open, and what once could not be closed for want of space.
    pub fn close(&mut self, device: usize) -> Result<(), Failure> {
        let lesson = self.truth.lesson;
        let d = &mut self.devices[device];
        let (editing, Some(client)) = (d.editing.take(), &mut d.client) else {
            return Ok(());
        };
        let journals = client.store().open_journals();
        let left = journals.or_fail("the app shows its data")?;
        let editing = match (editing, lesson) {
            (Some(editing), _) => Ok(editing),
            (None, Some(lesson)) if left.contains(&lesson) => client.open_document(lesson),
            _ => return Ok(()),
        };
        editing
            .and_then(|editing| client.close_document(editing))
            .map(|_| ())
            .or_fail("a document closes")
    }
}
