//! Files that people carry: lost, late, twice, in any order.
use std::rc::Rc;

use stunity_proto::SpaceId;
use stunity_store::{ParcelTo, Span};

use crate::failure::Failure;
use crate::world::{Event, World};

const HOUR_MS: u64 = 3_600_000;

impl World {
    /// A user puts what waits into a file for the relay, or what is held of a course
    /// into one for another account.
    pub fn send_parcel(&mut self, device: usize, course: SpaceId) -> Result<(), Failure> {
        let to_relay = self.devices[device].dice.chance(50);
        let other = self.dice.below(self.devices.len() as u64) as usize;
        let (span, to) = if to_relay {
            (Span::Waiting, ParcelTo::Relay)
        } else {
            let held = Span::Held {
                space: course,
                lane: None,
                after: 0,
                to: None,
            };
            (held, ParcelTo::Account(self.devices[other].account))
        };
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let mut file = Vec::new();
        match client.export_parcel(span, &[to], &mut file) {
            Ok(_) => {}
            Err(error) if error.code() == "store.not-found" => return Ok(()),
            // What may be an older copy of itself exports nothing before it has synced.
            Err(error) if error.code() == "store.not-allowed" => return Ok(()),
            Err(error) => return self.app_failed(device, &error),
        }
        let name = self.devices[device].name.clone();
        self.note(format!("{name} writes a parcel, {} bytes", file.len()));
        let file: Rc<[u8]> = file.into();
        if to_relay {
            self.pass_on(|| Event::ParcelToRelay(file.clone()));
        } else {
            self.post(other, file);
        }
        Ok(())
    }

    /// A file is on its way to a device.
    pub fn post(&mut self, device: usize, file: Rc<[u8]>) {
        self.pass_on(|| Event::ParcelToDevice(device, file.clone()));
    }

    /// It comes once, twice or never.
    fn pass_on(&mut self, arrival: impl Fn() -> Event) {
        let times = [0, 1, 1, 2][self.dice.below(4) as usize];
        for _ in 0..times {
            let wait = self.dice.wait(6 * HOUR_MS);
            self.after(wait, arrival());
        }
    }

    /// A user opens a file that somebody brought.
    pub fn bring_to_device(&mut self, device: usize, file: &[u8]) -> Result<(), Failure> {
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let taken = client.take_parcel(&mut &*file);
        let name = self.devices[device].name.clone();
        match taken {
            Ok(_) => {
                self.note(format!("{name} takes a parcel"));
                Ok(())
            }
            // Sealed to another device.
            Err(error) if error.code() == "store.not-allowed" => Ok(()),
            Err(error) => self.app_failed(device, &error),
        }
    }
}
