//! The world of one seed: devices, the relay, what is between them, and the queue of
//! what happens next.
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::config::Config;
use crate::device::Device;
use crate::dice::Dice;
use crate::evil::Evil;
use crate::failure::Failure;
use crate::link::Links;
use crate::platform::Clock;
use crate::relay::Relay;
use crate::session::Connection;
use crate::trace::Trace;
use crate::truth::Truth;

/// What happens at its time.
#[derive(Clone, Debug)]
pub enum Event {
    /// A user does something.
    Act(usize),
    /// A user goes online, for so long.
    Wake(usize),
    /// A user goes offline.
    Sleep(usize),
    /// A device connects, if it is online and not connected.
    Connect(usize),
    /// An app starts.
    Start(usize),
    /// A user closes what is open.
    Close(usize),
    /// Something bad happens to a device.
    Harm(usize),
    /// A full disk has space again.
    Repair(usize),
    /// The relay's disk works again.
    RelayRepair,
    /// The relay sees a new connection.
    Accept(u64),
    /// A message arrives at the relay.
    ToRelay(u64, Vec<u8>),
    /// A message arrives at the device.
    ToDevice(u64, Vec<u8>),
    /// The relay writes what sessions left.
    RelayFlush,
    /// Somebody brings a parcel to the relay.
    ParcelToRelay(Rc<[u8]>),
    /// Somebody brings a parcel to a device.
    ParcelToDevice(usize, Rc<[u8]>),
    /// The relay goes on with a connection.
    Pump(u64),
    /// A second without messages on a live connection.
    Quiet(u64),
    /// A device notices that its connection is over.
    DeviceGone(u64),
    /// The relay notices.
    RelayGone(u64),
    /// Something bad happens to the relay.
    RelayHarm,
    /// The relay starts.
    RelayStart,
    /// The operator of a relay that lies does something.
    Evil,
    /// The invariants that hold at any time are checked.
    Check,
}

/// Far more than anything that ends takes: a run of two days has about a tenth.
const MOST_EVENTS: u64 = 200_000;

/// What a run has cost and seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Connections that were opened.
    pub connections: u64,
    /// Bytes that crossed links.
    pub bytes: u64,
    /// Events of the queue.
    pub events: u64,
}

/// The world.
pub struct World {
    /// The run's parameters.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// Dice of the world: links and accidents.
    pub dice: Dice,
    /// The devices.
    pub devices: Vec<Device>,
    /// The relay.
    pub relay: Relay,
    /// Connections, by number.
    pub connections: BTreeMap<u64, Connection>,
    /// Connections so far.
    pub next_connection: u64,
    /// The links.
    pub links: Links,
    /// What people did.
    pub truth: Truth,
    /// What happened.
    pub trace: Trace,
    /// What it cost.
    pub figures: Figures,
    /// When people began.
    pub begun_ms: u64,
    /// Whether all comes together: nobody acts and nothing fails.
    pub is_finale: bool,
    /// The operator, in a world whose relay lies.
    pub evil: Option<Evil>,
    /// Whether the relay is about to write what sessions left.
    pub is_flush_planned: bool,
    /// The folder of everything; dropped last.
    pub folder: tempfile::TempDir,
}

impl World {
    /// A world without devices.
    pub fn new(
        config: Config,
        clock: Clock,
        relay: Relay,
        folder: tempfile::TempDir,
        seed: u64,
    ) -> Self {
        let trace = Trace::new(clock.now_ms(), config.events);
        let links = Links::new(config.profile, config.data.as_deref());
        Self {
            config,
            clock,
            queue: BTreeMap::new(),
            sequence: 0,
            dice: Dice::new(seed, "world"),
            devices: Vec::new(),
            relay,
            connections: BTreeMap::new(),
            next_connection: 0,
            links,
            truth: Truth::default(),
            trace,
            figures: Figures::default(),
            begun_ms: 0,
            is_finale: false,
            evil: None,
            is_flush_planned: false,
            folder,
        }
    }

    /// The time, milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Something happens in so many milliseconds.
    pub fn after(&mut self, ms: u64, event: Event) {
        let at = self.now_ms() + ms;
        self.at(at, event);
    }

    /// Something happens at a time.
    pub fn at(&mut self, at_ms: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at_ms, self.sequence), event);
    }

    /// Notes what happened.
    pub fn note(&mut self, words: String) {
        self.trace.note(self.clock.now_ms(), words);
    }

    /// Forgets what users would do and what would go wrong.
    pub fn calm(&mut self) {
        self.queue.retain(|_, event| {
            !matches!(
                event,
                Event::Act(_)
                    | Event::Wake(_)
                    | Event::Sleep(_)
                    | Event::Connect(_)
                    | Event::Harm(_)
                    | Event::RelayHarm
                    | Event::Evil
                    | Event::Check
            )
        });
    }

    /// Lets everything happen until a time, or until nothing is left to happen.
    ///
    /// # Errors
    /// An invariant that does not hold.
    pub fn run_until(&mut self, end_ms: u64) -> Result<(), Failure> {
        while let Some((&(at_ms, sequence), _)) = self.queue.first_key_value() {
            if at_ms > end_ms {
                break;
            }
            let Some(event) = self.queue.remove(&(at_ms, sequence)) else {
                break;
            };
            self.clock.set(at_ms.max(self.now_ms()));
            self.figures.events += 1;
            if self.figures.events > MOST_EVENTS {
                return Err(Failure::new("no storm", "something never comes to an end"));
            }
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Act(device) => self.act(device),
            Event::Wake(device) => self.wake(device),
            Event::Sleep(device) => self.sleep(device),
            Event::Connect(device) => self.connect(device),
            Event::Start(device) => self.start(device),
            Event::Close(device) => self.close(device),
            Event::Harm(device) => self.harm(device),
            Event::Repair(device) => {
                self.devices[device].disk.repair();
                Ok(())
            }
            Event::RelayRepair => {
                self.relay.disk.repair();
                Ok(())
            }
            Event::Accept(connection) => self.accept(connection),
            Event::ToRelay(connection, bytes) => self.arrive_at_relay(connection, &bytes),
            Event::ToDevice(connection, bytes) => self.arrive_at_device(connection, &bytes),
            Event::RelayFlush => self.flush_relay(),
            Event::ParcelToRelay(file) => self.bring_to_relay(&file),
            Event::ParcelToDevice(device, file) => self.bring_to_device(device, &file),
            Event::Pump(connection) => self.pump(connection),
            Event::Quiet(connection) => self.quiet(connection),
            Event::DeviceGone(connection) => {
                self.device_gone(connection);
                Ok(())
            }
            Event::RelayGone(connection) => {
                self.relay_gone(connection);
                Ok(())
            }
            Event::RelayHarm => self.harm_relay(),
            Event::RelayStart => self.start_relay(),
            Event::Evil => self.do_evil(),
            Event::Check => self.check_always(),
        }
    }
}
