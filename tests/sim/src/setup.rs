//! How a world begins: a school with its relay, teachers with phone and tablet, a
//! second teacher, pupils; two courses; everybody in step.
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use stunity_client::{Client, NewCourse, School};
use stunity_documents::DocType;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_proto::pack::{Explicit, decode_pack};
use stunity_proto::{AccountId, Lane};
use stunity_server::log::{Join, Proof};
use stunity_test_support::disk::Disk;

use crate::config::Config;
use crate::device::{Device, Role};
use crate::dice::Dice;
use crate::evil::Evil;
use crate::failure::{Failure, OrFail};
use crate::platform::{Clock, Machine};
use crate::relay::{Relay, URL};
use crate::sabotage::Sabotage;
use crate::world::{Event, World};

/// When worlds begin: 1 September 2026, 8:00 in Phnom Penh.
const BEGIN_MS: u64 = 1_788_224_400_000;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

/// Makes the world of a seed.
///
/// # Errors
/// A step that must work does not.
pub fn make(config: Config, seed: u64) -> Result<World, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("stunity-sim-")
        .tempdir_in(fast_folder())
        .or_fail("harness")?;
    let clock = Clock::default();
    clock.set(BEGIN_MS);
    let chance = if config.sabotage.is_some_and(Sabotage::is_unseeded) {
        RandomState::new().hash_one(seed)
    } else {
        seed
    };
    let machine = Machine::new(clock.clone(), Dice::new(chance, "relay"), 0);
    let mut relay = Relay::new(&folder.path().join("relay"), machine)?;
    relay.start()?;
    let mut world = World::new(config, clock, relay, folder, seed);
    let devices = world.config.devices.max(3);
    add(&mut world, seed, "ann", "phone", Role::Teacher, None)?;
    let mut account = 1;
    while world.devices.len() < devices {
        let index = world.devices.len();
        let (who, what, role, owner) = match index {
            1 => ("ann".to_owned(), "tablet", Role::Teacher, Some(0)),
            2 => ("bob".to_owned(), "phone", Role::Teacher, None),
            // The first pupil has two devices.
            4 => ("pupil1".to_owned(), "tablet", Role::Pupil, Some(3)),
            _ => {
                let name = format!("pupil{account}");
                account += 1;
                let cheats = world.config.is_hostile() || world.config.is_evil();
                let role = if index == 5 && cheats {
                    Role::Cheat
                } else {
                    Role::Pupil
                };
                (name, "phone", role, None)
            }
        };
        add(&mut world, seed, &who, what, role, owner)?;
    }
    courses(&mut world)?;
    // Everybody begins in step.
    world.come_together(3)?;
    begin(&mut world);
    Ok(world)
}

/// In memory where the system has such a folder: a run writes much and keeps nothing.
fn fast_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// The wrong clocks of a hostile world.
fn skew(world: &mut World) -> i64 {
    if !world.config.is_hostile() {
        return world.dice.below(120_000) as i64 - 60_000;
    }
    match world.dice.below(6) {
        0 => DAY_MS,
        1 => -DAY_MS,
        2 => 5 * 365 * DAY_MS,
        3 => -5 * 365 * DAY_MS,
        _ => 0,
    }
}

fn add(
    world: &mut World,
    seed: u64,
    who: &str,
    what: &str,
    role: Role,
    owner: Option<usize>,
) -> Result<(), Failure> {
    let name = format!("{who}'s {what}");
    let skew = skew(world);
    let machine = Machine::new(world.clock.clone(), Dice::new(seed, &name), skew);
    let folder = world
        .folder
        .path()
        .join(format!("device{}", world.devices.len()));
    std::fs::create_dir_all(&folder).or_fail("harness")?;
    let disk = Disk::mount(&folder);
    let client = match owner {
        None => first_device(world, &folder, machine.clone(), role)?,
        Some(owner) => further_device(world, &folder, machine.clone(), owner)?,
    };
    let account = client.store().account();
    world.truth.names.entry(account).or_insert(who.to_owned());
    world.devices.push(Device {
        id: client.store().device(),
        dice: Dice::new(seed, &format!("user of {name}")),
        name,
        folder,
        disk,
        machine,
        client: Some(client),
        editing: None,
        account,
        role,
        connection: None,
        is_online: false,
        is_explicit: false,
        tries: 0,
        revoked_ms: None,
        copy: None,
        enrolled_deeds: None,
        revoking_deeds: None,
        durable_deeds: 0,
        last_sync: None,
        is_clone: false,
    });
    Ok(())
}

/// An account's first device joins by an invitation, as over HTTP.
fn first_device(
    world: &World,
    folder: &std::path::Path,
    machine: Arc<Machine>,
    role: Role,
) -> Result<Client, Failure> {
    let log = world
        .relay
        .log()
        .ok_or_else(|| Failure::new("harness", "the relay is down"))?;
    let offices = if role == Role::Teacher {
        StaffRoles::TEACHER
    } else {
        StaffRoles::default()
    };
    let code = world
        .relay
        .wait(log.invite(offices, None))
        .or_fail("harness")?;
    let school = school(world)?;
    let mut id = [0; 16];
    stunity_client::Platform::fill_random(&*machine, &mut id);
    let (mut client, pack) =
        Client::begin(folder, URL, &school, AccountId(id), machine).or_fail("a device joins")?;
    let items = decode_pack(&pack, &Explicit(school.anchor.school)).or_fail("a device joins")?;
    let genesis = items
        .into_iter()
        .next()
        .ok_or_else(|| Failure::new("a device joins", "no first entry"))?
        .entry;
    let proof = Proof::Code(code);
    world
        .relay
        .wait(log.join(Join { proof, genesis }))
        .or_fail("a device joins")?;
    client.joined(folder).or_fail("a device joins")?;
    Ok(client)
}

fn school(world: &World) -> Result<School, Failure> {
    let log = world
        .relay
        .log()
        .ok_or_else(|| Failure::new("harness", "the relay is down"))?;
    Ok(School {
        anchor: log.keys().anchor.clone(),
        node: log.keys().chain.clone(),
    })
}

/// A further device shows its code to the first, which admits it.
fn further_device(
    world: &mut World,
    folder: &std::path::Path,
    machine: Arc<Machine>,
    owner: usize,
) -> Result<Client, Failure> {
    let school = school(world)?;
    let request = Client::ask_to_link_with(folder, URL, school, machine.clone())
        .or_fail("a device is linked")?;
    let first = world.devices[owner]
        .client
        .as_mut()
        .ok_or_else(|| Failure::new("harness", "the first device is off"))?;
    let answer = first.admit_device(&request).or_fail("a device is linked")?;
    Client::finish_link_with(folder, &answer, machine).or_fail("a device is linked")
}

/// Ann's course with Bob in it, pupils enrolled by her; Bob's open course.
fn courses(world: &mut World) -> Result<(), Failure> {
    // Who teaches must be known before courses are made.
    world.come_together(2)?;
    let pupils: Vec<AccountId> = world
        .devices
        .iter()
        .filter(|device| device.role != Role::Teacher)
        .map(|device| device.account)
        .collect();
    let (ann, bob) = (world.devices[0].account, world.devices[2].account);
    let is_staff = world.devices[2].role == Role::Teacher;
    let client = |world: &mut World, index: usize| -> Result<Client, Failure> {
        world.devices[index]
            .client
            .take()
            .ok_or_else(|| Failure::new("harness", "a device is off"))
    };
    let mut anns = client(world, 0)?;
    let physics = anns
        .create_course(NewCourse {
            title: "Physics".into(),
            counts_attested: true,
            ..NewCourse::default()
        })
        .or_fail("a course is made")?;
    anns.add_staff(physics, bob, Roles::TEACHER)
        .or_fail("a course is made")?;
    for pupil in &pupils {
        anns.enrol(physics, *pupil).or_fail("a course is made")?;
        world.truth.pupils.insert((physics, *pupil));
    }
    let mut editing = anns
        .create_document(DocType::Lesson, physics, Lane::Staff)
        .or_fail("a lesson is begun")?;
    world.truth.lesson = Some(editing.place().doc);
    anns.set_text(&mut editing, "body", "Light.")
        .or_fail("a lesson is begun")?;
    anns.close_document(editing).or_fail("a lesson is begun")?;
    world.devices[0].client = Some(anns);
    world.truth.courses.push(physics);
    world.truth.staff.insert((physics, ann));
    if is_staff {
        world.truth.staff.insert((physics, bob));
        let mut bobs = client(world, 2)?;
        let art = bobs
            .create_course(NewCourse {
                title: "Art".into(),
                open: true,
                ..NewCourse::default()
            })
            .or_fail("a course is made")?;
        world.devices[2].client = Some(bobs);
        world.truth.courses.push(art);
        world.truth.staff.insert((art, bob));
    }
    Ok(())
}

impl World {
    /// Plans the day of a user, and what goes wrong with the device.
    pub fn plan_day(&mut self, device: usize) {
        let act = self.devices[device].dice.wait(2 * HOUR_MS);
        let wake = self.devices[device].dice.wait(3 * HOUR_MS);
        self.after(act, Event::Act(device));
        self.after(wake, Event::Wake(device));
        if self.config.is_hostile() {
            let harm = self.dice.wait(16 * HOUR_MS);
            self.after(harm, Event::Harm(device));
        }
    }
}

/// Plans the days of all users, and what goes wrong.
fn begin(world: &mut World) {
    world.begun_ms = world.now_ms();
    for index in 0..world.devices.len() {
        world.plan_day(index);
    }
    if world.config.is_evil() {
        world.evil = Some(Evil::begin());
        world.after(HOUR_MS, Event::Evil);
    } else {
        let harm = world.dice.wait(16 * HOUR_MS);
        world.after(harm, Event::RelayHarm);
    }
    world.after(6 * HOUR_MS, Event::Check);
}
