//! Connections: the real sessions of both sides, and the line between them.
use std::collections::BTreeMap;

use stunity_client::ClientError;
use stunity_proto::PackId;
use stunity_sync::SyncError;
use stunity_sync::client::{Effect, Event as Told, Session};

use crate::failure::Failure;
use crate::link::{Line, Links};
use crate::relay::{Answer, RelaySide};
use crate::world::{Event, World};

/// The device's side of one connection.
struct ClientSide {
    session: Session,
    is_live: bool,
    is_explicit: bool,
    is_quiet_planned: bool,
}

/// One connection.
pub struct Connection {
    device: usize,
    line: Line,
    is_broken: bool,
    client: Option<ClientSide>,
    relay: Option<RelaySide>,
    /// Bytes of messages that crossed.
    pub bytes: u64,
    /// Packs that the device offered.
    pub offers: u64,
    /// How often each was.
    offered: BTreeMap<PackId, u32>,
    /// Entries that were new to the device.
    pub new_entries: u64,
    /// Whether everything went and came.
    pub is_caught_up: bool,
    /// When something last crossed it.
    pub active_ms: u64,
}

impl Connection {
    /// Whether nothing has crossed it for long though both sides are there and the
    /// device waits for something.
    #[must_use]
    pub fn hangs(&self, now_ms: u64) -> bool {
        let waits = (self.client.as_ref()).is_some_and(|side| !(side.is_live && self.is_caught_up));
        waits && !self.is_broken && now_ms > self.active_ms + PATIENCE_MS
    }

    /// Whose it is.
    #[must_use]
    pub fn device(&self) -> usize {
        self.device
    }

    /// The device's side is gone, with the app.
    pub fn forget_client(&mut self) {
        self.client = None;
        self.is_broken = true;
    }

    /// The relay's side is gone, with the relay.
    pub fn forget_relay(&mut self) {
        self.relay = None;
        self.is_broken = true;
    }
}

/// Connections that a device needs on a good link to be up to date: one, a second in
/// full, and some for what its disk still has to say.
const MOST_TRIES: u32 = 10;

/// How often a device offers one pack in a session: once, and again when what it lacks
/// at the relay may have come from others.
const MOST_OFFERS: u32 = 8;

/// How long the slowest link takes for the most that may be on its way.
const PATIENCE_MS: u64 = 1_800_000;

/// How long what sessions leave waits in the relay's memory.
const FLUSH_MS: u64 = 2_000;

/// Ends of sessions that no correct peers have: a bug on either side.
const NEVER: [&str; 2] = ["sync.protocol", "sync.not-authentic"];

impl World {
    /// A user goes online.
    pub fn wake(&mut self, device: usize) -> Result<(), Failure> {
        let d = &mut self.devices[device];
        d.is_online = true;
        let stays = d.dice.between(60_000, 1_800_000);
        let away = d.dice.wait(6 * 3_600_000);
        self.after(stays, Event::Sleep(device));
        self.after(stays + away, Event::Wake(device));
        self.connect(device)
    }

    /// A user goes offline.
    pub fn sleep(&mut self, device: usize) -> Result<(), Failure> {
        self.devices[device].is_online = false;
        if let Some(connection) = self.devices[device].connection {
            self.hang_up(connection, false);
        }
        Ok(())
    }

    /// A device connects.
    pub fn connect(&mut self, device: usize) -> Result<(), Failure> {
        let d = &mut self.devices[device];
        let (Some(client), None, true) = (&d.client, d.connection, d.is_online) else {
            return Ok(());
        };
        d.tries += 1;
        if self.is_finale && !self.config.is_evil() && d.tries > MOST_TRIES {
            return Err(Failure::new(
                "no storm",
                format!("{} connects again and again", d.name),
            ));
        }
        let is_live = !self.is_finale && d.dice.chance(50);
        let is_explicit = std::mem::take(&mut d.is_explicit);
        let session = client.begin_session(is_live, is_explicit);
        let links = if self.is_finale {
            Links::good()
        } else {
            self.links.clone()
        };
        let line = links.connect(&mut self.dice);
        let id = self.next_connection;
        self.next_connection += 1;
        self.figures.connections += 1;
        d.connection = Some(id);
        let name = d.name.clone();
        let opening = line.opening_ms();
        self.connections.insert(
            id,
            Connection {
                device,
                line,
                is_broken: false,
                client: Some(ClientSide {
                    session,
                    is_live,
                    is_explicit,
                    is_quiet_planned: false,
                }),
                relay: None,
                bytes: 0,
                offers: 0,
                offered: BTreeMap::new(),
                new_entries: 0,
                is_caught_up: false,
                active_ms: self.clock.now_ms(),
            },
        );
        self.note(format!(
            "{name} connects ({id}{})",
            if is_live { ", live" } else { "" }
        ));
        self.after(opening, Event::Accept(id));
        Ok(())
    }

    /// The relay sees a connection.
    pub fn accept(&mut self, id: u64) -> Result<(), Failure> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        match self.relay.accept() {
            Some((side, hello)) if connection.client.is_some() => {
                connection.relay = Some(side);
                self.send(id, false, hello);
            }
            _ => self.after(0, Event::DeviceGone(id)),
        }
        Ok(())
    }

    /// A message goes out, or the line breaks within it.
    fn send(&mut self, id: u64, is_up: bool, bytes: Vec<u8>) {
        let bytes = if is_up { bytes } else { self.twist(bytes) };
        let now_ms = self.now_ms();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.is_broken {
            return;
        }
        match connection.line.send(is_up, now_ms, bytes.len()) {
            Some(at_ms) => {
                connection.active_ms = at_ms;
                connection.bytes += bytes.len() as u64;
                self.figures.bytes += bytes.len() as u64;
                let event = if is_up {
                    Event::ToRelay(id, bytes)
                } else {
                    Event::ToDevice(id, bytes)
                };
                self.at(at_ms, event);
            }
            None => self.break_line(id),
        }
    }

    /// The line is cut. Each side notices in its own time; what it sent before may
    /// still arrive.
    pub fn break_line(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.is_broken = true;
        self.note(format!("line {id} breaks"));
        let device = self.dice.below(3_000);
        // A relay may take a dead phone for a silent one for long.
        let relay = if self.dice.chance(30) {
            self.dice.between(20_000, 90_000)
        } else {
            self.dice.below(3_000)
        };
        self.after(device, Event::DeviceGone(id));
        self.after(relay, Event::RelayGone(id));
    }

    /// The device ends the connection; whether it comes back is its user's affair.
    fn hang_up(&mut self, id: u64, comes_back: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let device = connection.device;
        connection.client = None;
        let delay = connection.line.delay_ms();
        self.devices[device].connection = None;
        self.after(delay, Event::RelayGone(id));
        // A revoked device is told so, and its app does not try again by itself.
        if comes_back && self.devices[device].revoked_ms.is_none() {
            // A relay that never makes sense is left alone for longer.
            let most = if self.config.is_evil() {
                900_000
            } else {
                30_000
            };
            let wait = self.devices[device].dice.between(1_000, most);
            self.after(wait, Event::Connect(device));
        }
    }

    /// A device notices that its connection is over.
    pub fn device_gone(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.client.is_some() {
            self.hang_up(id, true);
        }
    }

    /// The relay notices.
    pub fn relay_gone(&mut self, id: u64) {
        let Some(mut connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(side) = &mut connection.relay {
            side.close(&self.relay);
        }
        connection.relay = None;
        if connection.client.is_some() {
            self.connections.insert(id, connection);
        }
    }

    /// A message arrives at the relay.
    pub fn arrive_at_relay(&mut self, id: u64, bytes: &[u8]) -> Result<(), Failure> {
        let Some(mut side) = self.relay_side(id) else {
            return Ok(());
        };
        self.trace.bytes(bytes);
        let answer = side.on_frame(&self.relay, bytes);
        self.answered(id, side, answer)?;
        self.spread()?;
        self.after_write()
    }

    /// What follows when the relay has written something.
    fn after_write(&mut self) -> Result<(), Failure> {
        if self.relay.disk.is_dead() {
            return self.crash_relay(true);
        }
        if !self.is_flush_planned {
            self.is_flush_planned = true;
            self.after(FLUSH_MS, Event::RelayFlush);
        }
        Ok(())
    }

    /// The relay writes what sessions left.
    pub fn flush_relay(&mut self) -> Result<(), Failure> {
        self.is_flush_planned = false;
        self.relay.flush();
        if self.relay.disk.is_dead() {
            return self.crash_relay(true);
        }
        Ok(())
    }

    /// A parcel comes to the relay; answers go back to its authors.
    pub fn bring_to_relay(&mut self, file: &[u8]) -> Result<(), Failure> {
        let answers = self.relay.take_parcel(file);
        self.note(format!(
            "a parcel comes to the relay: {} answers",
            answers.len()
        ));
        self.spread()?;
        for answer in answers {
            let device = self.dice.below(self.devices.len() as u64) as usize;
            self.post(device, answer.into());
        }
        self.after_write()
    }

    /// The relay goes on with a connection.
    pub fn pump(&mut self, id: u64) -> Result<(), Failure> {
        let Some(mut side) = self.relay_side(id) else {
            return Ok(());
        };
        let answer = side.pump(&self.relay);
        self.answered(id, side, answer)
    }

    fn relay_side(&mut self, id: u64) -> Option<RelaySide> {
        self.connections.get_mut(&id)?.relay.take()
    }

    fn answered(&mut self, id: u64, side: RelaySide, answer: Answer) -> Result<(), Failure> {
        let pumps_in_ms = side.pumps_in_ms();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.relay = Some(side);
        }
        match answer {
            Answer::Send(messages) => {
                for bytes in messages {
                    self.send(id, false, bytes);
                }
                if let Some(wait) = pumps_in_ms {
                    // What arrives in the meantime is heard first.
                    self.after(wait, Event::Pump(id));
                }
            }
            Answer::End(messages, reason) => {
                if let Some(reason) = reason {
                    self.note(format!("relay ends {id}: {reason}"));
                }
                for bytes in messages {
                    self.send(id, false, bytes);
                }
                self.relay_gone(id);
                self.after(100, Event::DeviceGone(id));
            }
        }
        Ok(())
    }

    /// Live sessions hear of what was just stored.
    fn spread(&mut self) -> Result<(), Failure> {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            while let Some(mut side) = self.relay_side(id) {
                match side.hear() {
                    Some(answer) => self.answered(id, side, answer)?,
                    None => {
                        if let Some(connection) = self.connections.get_mut(&id) {
                            connection.relay = Some(side);
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// A message arrives at the device.
    pub fn arrive_at_device(&mut self, id: u64, bytes: &[u8]) -> Result<(), Failure> {
        let Some((device, mut side)) = self.client_side(id) else {
            return Ok(());
        };
        self.trace.bytes(bytes);
        let result = match &mut self.devices[device].client {
            Some(client) => client.on_frame(&mut side.session, bytes),
            None => return Ok(()),
        };
        self.told(id, device, side, result)
    }

    /// A second without messages.
    pub fn quiet(&mut self, id: u64) -> Result<(), Failure> {
        let Some((device, mut side)) = self.client_side(id) else {
            return Ok(());
        };
        side.is_quiet_planned = false;
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let mut effects = side.session.on_quiet();
        let result = client.on_local_change(&mut side.session).map(|more| {
            effects.extend(more);
            effects
        });
        if matches!(&result, Ok(effects) if effects.is_empty()) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.client = Some(side);
            }
            return Ok(());
        }
        self.told(id, device, side, result)
    }

    fn client_side(&mut self, id: u64) -> Option<(usize, ClientSide)> {
        let connection = self.connections.get_mut(&id)?;
        Some((connection.device, connection.client.take()?))
    }

    fn told(
        &mut self,
        id: u64,
        device: usize,
        side: ClientSide,
        result: Result<Vec<Effect>, ClientError>,
    ) -> Result<(), Failure> {
        let (is_live, is_explicit) = (side.is_live, side.is_explicit);
        let is_done = side.session.is_caught_up();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.client = Some(side);
        }
        let effects = match result {
            Ok(effects) => effects,
            Err(error) => return self.session_failed(id, device, is_explicit, &error),
        };
        for effect in effects {
            match effect {
                Effect::Send(bytes) => {
                    self.count_offer(id, &bytes)?;
                    self.send(id, true, bytes);
                }
                Effect::Event(Told::Applied(applied)) => self.applied(id, device, &applied)?,
                Effect::Event(Told::CaughtUp { .. }) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.is_caught_up = true;
                    }
                }
                Effect::Event(_) => {}
                Effect::Close => {
                    self.hang_up(id, true);
                    return Ok(());
                }
            }
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        if connection.is_caught_up && is_done && !is_live {
            self.caught_up(id, device);
        } else if is_live {
            self.plan_quiet(id);
        }
        Ok(())
    }

    fn count_offer(&mut self, id: u64, bytes: &[u8]) -> Result<(), Failure> {
        use stunity_proto::frame::{Content, Frame};
        let part = match Frame::decode(bytes) {
            Ok(Frame::Offer {
                content: Content::Entries,
                part,
                ..
            }) => Some(part),
            Ok(Frame::Flight(flight)) => flight.outbox,
            _ => None,
        };
        let (Some(part), Some(connection)) = (part, self.connections.get_mut(&id)) else {
            return Ok(());
        };
        connection.offers += 1;
        let times = connection.offered.entry(part.pack).or_default();
        *times += 1;
        if *times > MOST_OFFERS && !self.config.is_evil() {
            let name = &self.devices[connection.device].name;
            return Err(Failure::new(
                "what was answered is not sent again",
                format!("{name} offers {:?} again and again", part.pack),
            ));
        }
        Ok(())
    }

    fn applied(
        &mut self,
        id: u64,
        device: usize,
        applied: &stunity_sync::replica::Applied,
    ) -> Result<(), Failure> {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.new_entries += u64::from(applied.new_entries);
        }
        if !applied.held.is_empty() {
            let codes: Vec<&str> = applied.held.iter().map(|(_, code)| *code).collect();
            self.note(format!("{} holds {codes:?}", self.devices[device].name));
        }
        let may_be_rejected = self.config.is_evil() || self.config.is_hostile();
        if !applied.rejected.is_empty() {
            let codes: Vec<&str> = applied.rejected.iter().map(|(_, code)| *code).collect();
            let words = format!("{} rejects {codes:?}", self.devices[device].name);
            if !may_be_rejected {
                return Err(Failure::new(
                    "what the relay took is valid everywhere",
                    words,
                ));
            }
            self.note(words);
        }
        Ok(())
    }

    fn caught_up(&mut self, id: u64, device: usize) {
        if let Some(connection) = self.connections.get(&id) {
            let words = format!(
                "{} is up to date ({id}): {} new, {} bytes",
                self.devices[device].name, connection.new_entries, connection.bytes
            );
            let quiet = connection.new_entries == 0 && connection.offers == 0;
            let bytes = connection.bytes;
            self.note(words);
            self.devices[device].note_sync(quiet, bytes);
        }
        self.hang_up(id, false);
    }

    /// A live session is asked in a second whether something waits.
    pub fn plan_quiet(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(side) = &mut connection.client else {
            return;
        };
        if !side.is_quiet_planned {
            side.is_quiet_planned = true;
            self.after(1_000, Event::Quiet(id));
        }
    }

    fn session_failed(
        &mut self,
        id: u64,
        device: usize,
        was_explicit: bool,
        error: &ClientError,
    ) -> Result<(), Failure> {
        let code = error.code();
        let name = self.devices[device].name.clone();
        self.note(format!("{name} ends {id}: {code} ({error})"));
        if self.devices[device].disk.is_dead() {
            return self.crash(device);
        }
        if let ClientError::Sync(SyncError::Refused { .. }) = error {
            self.hang_up(id, true);
            return Ok(());
        }
        match code.as_str() {
            "decode.missing-context" => {
                if was_explicit && !self.config.is_evil() {
                    return Err(Failure::new(
                        "an explicit session lacks nothing",
                        format!("{name}: {error}"),
                    ));
                }
                self.devices[device].is_explicit = true;
            }
            "store.no-space" => self.after(600_000, Event::Repair(device)),
            // The app goes on, or is closed by its user.
            "store.disk-failed" if self.dice.chance(50) => {}
            "store.disk-failed" | "store.failed" => return self.crash(device),
            code if NEVER.contains(&code) && !self.config.is_evil() => {
                return Err(Failure::new(
                    "honest peers understand each other",
                    format!("{name}: {error}"),
                ));
            }
            _ => {}
        }
        self.hang_up(id, true);
        Ok(())
    }
}
