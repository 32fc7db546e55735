//! What a pupil's own, certified device tries that a pupil may not.
use stunity_model::Roles;
use stunity_model::events::{
    AssignmentPublish, ChooseGrade, Event, Extension, Grade, MemberAdd, Release,
};
use stunity_proto::{EntryId, Lane, ObjectId};

use crate::failure::Failure;
use crate::world::World;

impl World {
    /// One attempt; its word must never stand where it counts.
    pub fn cheat(&mut self, device: usize) -> Result<(), Failure> {
        let me = self.devices[device].account;
        let space = self.truth.courses[0];
        let token = self.truth.token();
        self.truth.forged.insert(token.clone());
        let mut id = [0; 16];
        rand_core::RngCore::fill_bytes(&mut self.devices[device].dice, &mut id);
        let object = ObjectId(id);
        let dice = &mut self.devices[device].dice;
        let choice = dice.below(6);
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let assignments = client.store().assignments(space).unwrap_or_default();
        let Some(known) = assignments.first() else {
            return Ok(());
        };
        let assignment = known.assignment;
        let (lane, event): (Lane, Event) = match choice {
            0 => (
                Lane::Staff,
                Grade {
                    grade: object,
                    assignment,
                    student: me,
                    attempt: None,
                    points: 9_999,
                    feedback: token.clone(),
                    supersedes: Vec::new(),
                }
                .into(),
            ),
            1 => (
                Lane::One(me),
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
                Lane::One(me),
                Extension {
                    assignment,
                    due_ms: u64::from(u32::MAX) * 1_000,
                }
                .into(),
            ),
            3 => (
                Lane::All,
                MemberAdd {
                    account: me,
                    roles: Roles::TEACHER.0,
                }
                .into(),
            ),
            4 => (
                Lane::All,
                AssignmentPublish {
                    assignment,
                    kind: known.kind,
                    title: token.clone(),
                    title_km: None,
                    text: String::new(),
                    max_points: 1,
                    due_ms: Some(u64::from(u32::MAX) * 1_000),
                    grace_ms: 0,
                    attempts: 0,
                    timed_minutes: None,
                    questions: Vec::new(),
                    published: true,
                }
                .into(),
            ),
            _ => (
                Lane::Staff,
                ChooseGrade {
                    assignment,
                    student: me,
                    grade: object,
                    over: Vec::new(),
                }
                .into(),
            ),
        };
        let done = client.state(space, lane, event);
        let words = format!("{}: cheats {choice} {token}", self.devices[device].name);
        self.note(words);
        done.or_else(|error| self.app_failed(device, &error))
    }
}
