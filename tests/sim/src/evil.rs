//! A relay whose operator holds every key of it but the school's root, and lies: it
//! takes whatever it is given, vouches for what nobody wrote, claims to be teachers'
//! devices, shows old histories, and changes what it sends.
use std::collections::BTreeMap;

use stunity_identity::sign_entry;
use stunity_model::Roles;
use stunity_model::events::{
    AssignmentPublish, ChooseGrade, Event as Stated, Extension, Grade, MemberAdd, Release,
};
use stunity_proto::{
    AccountId, Body, DeviceId, Entry, EntryId, Header, Heads, Kind, Lane, ObjectId, Signature,
    Signer, SpaceId,
};
use stunity_server::Log;
use stunity_server::sabotage::Sabotage;
use stunity_sync::{RelayStore, Target};

use crate::device::Device;
use crate::failure::{Failure, OrFail};
use crate::world::{Event, World};

const HOUR_MS: u64 = 3_600_000;
/// Of chains that it claims a device to have: no device gets so far.
const FORGED: u32 = 77;

/// The operator.
pub struct Evil {
    /// Ends of the node's own chains, by space and lane.
    chains: BTreeMap<(SpaceId, Lane), (u64, EntryId)>,
    /// Frames that it saw, to be sent again where they do not belong.
    seen: Vec<Vec<u8>>,
    /// Whether an older state of the relay is kept to be shown again.
    is_kept: bool,
    _judges_nothing: Sabotage,
}

impl Evil {
    /// From now on the relay of this thread's world lies.
    pub fn begin() -> Self {
        Self {
            chains: BTreeMap::new(),
            seen: Vec::new(),
            is_kept: false,
            _judges_nothing: Sabotage::judge_nothing(),
        }
    }
}

impl World {
    /// The operator does something.
    pub fn do_evil(&mut self) -> Result<(), Failure> {
        let next = self.dice.wait(2 * HOUR_MS);
        self.after(next, Event::Evil);
        if self.relay.log().is_none() {
            return Ok(());
        }
        if self.dice.chance(10) {
            return self.show_old_history();
        }
        self.forge()
    }

    /// Stops, and goes on from an older copy of itself under the same epoch; or makes
    /// the copy.
    fn show_old_history(&mut self) -> Result<(), Failure> {
        let (folder, copy) = (
            self.folder.path().join("relay"),
            self.folder.path().join("old-relay"),
        );
        self.crash_relay(false)?;
        let Some(evil) = &mut self.evil else {
            return Ok(());
        };
        let goes_back = evil.is_kept;
        evil.is_kept = true;
        if goes_back {
            self.note("the relay shows an old history".into());
            Device::copy_files(&copy, &folder)
        } else {
            Device::copy_files(&folder, &copy)
        }
    }

    /// An entry that nobody wrote.
    fn forge(&mut self) -> Result<(), Failure> {
        let space = self.truth.courses[0];
        let (teacher, teachers_device) = (self.devices[0].account, self.devices[0].id);
        let pupils: Vec<AccountId> = self
            .truth
            .pupils
            .iter()
            .filter(|(course, _)| *course == space)
            .map(|(_, pupil)| *pupil)
            .collect();
        let Some(pupil) = self.dice.pick(&pupils).copied() else {
            return Ok(());
        };
        let token = self.truth.token();
        self.truth.forged.insert(token.clone());
        let mut id = [0; 16];
        rand_core::RngCore::fill_bytes(&mut self.dice, &mut id);
        let choice = self.dice.below(6);
        let claims_device = self.dice.chance(30);
        let Some(client) = self.devices[0].client.as_ref() else {
            return Ok(());
        };
        let assignments = client.store().assignments(space).unwrap_or_default();
        let Some(known) = self.dice.pick(&assignments) else {
            return Ok(());
        };
        let (assignment, object) = (known.assignment, ObjectId(id));
        let far_ms = u64::from(u32::MAX) * 1_000;
        let (lane, event): (Lane, Stated) = match choice {
            0 => (
                Lane::Staff,
                Grade {
                    grade: object,
                    assignment,
                    student: pupil,
                    attempt: None,
                    points: 9_999,
                    feedback: token.clone(),
                    supersedes: Vec::new(),
                }
                .into(),
            ),
            1 => (
                Lane::One(pupil),
                Release {
                    grade: object,
                    entry: EntryId::ZERO,
                    header: None,
                    assignment,
                    attempt: None,
                    points: 9_999,
                    feedback: token.clone(),
                }
                .into(),
            ),
            2 => (
                Lane::One(pupil),
                Extension {
                    assignment,
                    due_ms: far_ms,
                }
                .into(),
            ),
            3 => (
                Lane::All,
                MemberAdd {
                    account: pupil,
                    roles: Roles::TEACHER.0,
                }
                .into(),
            ),
            4 => (
                Lane::All,
                AssignmentPublish {
                    assignment,
                    kind: known.kind,
                    title: known.title.clone(),
                    title_km: None,
                    text: String::new(),
                    max_points: known.max_points,
                    due_ms: Some(far_ms),
                    grace_ms: 0,
                    attempts: 0,
                    timed_minutes: None,
                    questions: Vec::new(),
                    published: true,
                }
                .into(),
            ),
            _ => {
                let rows = client.store().grades(space, None).unwrap_or_default();
                let Some(row) = rows.first() else {
                    return Ok(());
                };
                let ids: Vec<ObjectId> = row.grades.iter().map(|grade| grade.grade).collect();
                (
                    Lane::Staff,
                    ChooseGrade {
                        assignment: row.assignment,
                        student: row.student,
                        grade: ids[0],
                        over: ids[1..].to_vec(),
                    }
                    .into(),
                )
            }
        };
        self.note(format!(
            "the operator forges {choice} {token}{}",
            if claims_device { " as ann's phone" } else { "" }
        ));
        let Some(log) = self.relay.log().cloned() else {
            return Ok(());
        };
        let signer = if claims_device {
            Signer::Device(teachers_device)
        } else {
            Signer::Node(log.keys().node.node_id())
        };
        let last = self.relay.wait(last_of(&log, space, teachers_device));
        self.publish_forged(&log, (space, lane), teacher, signer, last, &event)
    }

    fn publish_forged(
        &mut self,
        log: &Log,
        (space, lane): (SpaceId, Lane),
        author: AccountId,
        signer: Signer,
        last: Option<Header>,
        event: &Stated,
    ) -> Result<(), Failure> {
        let Some(evil) = &mut self.evil else {
            return Ok(());
        };
        // Having no key of the device, it gives any signature, or none, as covered entries
        // have: such a chain it begins by itself, under the device's certificate.
        let is_unsigned = !signer.is_vouched() && self.dice.chance(50);
        let head = evil.chains.get(&(space, lane)).copied();
        let head = head.filter(|_| !is_unsigned);
        let of_device = last.as_ref().map(|last| last.certificate);
        let of_device = of_device.filter(|_| is_unsigned);
        let body = Body::new([7; 16], vec![event.encode()]);
        let header = Header {
            school: log.keys().school(),
            space,
            lane,
            author,
            signer,
            certificate: of_device.unwrap_or_else(|| log.keys().chain.node.hash()),
            incarnation: if is_unsigned { FORGED } else { 0 },
            sequence: head.map_or(1, |(sequence, _)| sequence + 1),
            previous: head.map(|(_, id)| id),
            heads: last.map_or_else(Heads::default, |last| last.heads),
            kinds: vec![Kind::Event(event.code())],
            seal: None,
            body_root: body.root().or_fail("harness")?,
        };
        let entry = if signer.is_vouched() {
            let entry = sign_entry(&header, body, &log.keys().node).or_fail("harness")?;
            evil.chains
                .insert((space, lane), (header.sequence, entry.id()));
            entry
        } else {
            let signature = match is_unsigned {
                true => Signature::ZERO,
                false => Signature([7; 64]),
            };
            Entry::from_parts(header.encode(), signature, body).or_fail("harness")?
        };
        // What becomes of it here is the operator's own affair.
        let _ = self.relay.wait(log.append_entries(None, vec![entry]));
        Ok(())
    }

    /// What the operator makes of a message on its way to a device.
    pub fn twist(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let Some(evil) = &mut self.evil else {
            return bytes;
        };
        if evil.seen.len() < 64 {
            evil.seen.push(bytes.clone());
        }
        match self.dice.below(200) {
            0 => {
                let at = self.dice.below(bytes.len() as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.dice.below(8);
                }
            }
            1 => bytes.truncate(self.dice.below(bytes.len() as u64 + 1) as usize),
            2 => {
                if let Some(other) = self.dice.pick(&evil.seen) {
                    bytes = other.clone();
                }
            }
            _ => {}
        }
        bytes
    }
}

/// The header of a device's last entry in a course.
async fn last_of(log: &Log, space: SpaceId, device: DeviceId) -> Option<Header> {
    let whole = Target { space, lane: None };
    let page = log.read(whole, 0, 4 * 1024 * 1024).await.ok()?;
    let mut headers = page.items.iter().rev().map(|item| item.entry.header());
    let found = headers.find(|header| header.signer == Signer::Device(device));
    found.cloned()
}
