//! What users do.
use stunity_client::{Client, ClientError, NewAssignment, NewGrade, Work};
use stunity_documents::{Action, Path};
use stunity_model::Roles;
use stunity_model::events::{Leave, MemberRemove};
use stunity_model::grades::Standing;
use stunity_proto::{AccountId, DeviceId, Lane, ObjectId, SpaceId};
use stunity_store::{ItemId, SubmissionRow};

use crate::device::Role;
use crate::failure::Failure;
use crate::truth::{Deed, What};
use crate::world::{Event, World};

const BODY: Path<'static> = Path::field("body");
const HOUR_MS: u64 = 3_600_000;

/// What a deed came to: its item, if the app gave it one.
type Done = Result<Option<ItemId>, ClientError>;

/// Does a deed with its word in it.
type Run = dyn FnOnce(&mut Client, &str) -> Result<(), ClientError>;

/// A deed that is about to be done.
struct Plan {
    space: SpaceId,
    what: What,
    run: Box<Run>,
}

impl World {
    /// A user does one thing, and has a next one in mind.
    pub fn act(&mut self, device: usize) -> Result<(), Failure> {
        let next = self.devices[device].dice.wait(3 * HOUR_MS);
        self.after(next, Event::Act(device));
        if !self.devices[device].is_running() {
            return Ok(());
        }
        let course = match self.devices[device].dice.pick(&self.truth.courses) {
            Some(course) => *course,
            None => return Ok(()),
        };
        if self.devices[device].role == Role::Teacher {
            self.teach(device, course)?;
        } else {
            self.learn(device, course)?;
        }
        if let Some(connection) = self.devices[device].connection {
            self.plan_quiet(connection);
        }
        Ok(())
    }

    fn teach(&mut self, device: usize, course: SpaceId) -> Result<(), Failure> {
        let account = self.devices[device].account;
        // Who does not teach here does it elsewhere.
        let course = if self.truth.staff.contains(&(course, account)) {
            course
        } else {
            self.truth.courses[0]
        };
        match self.devices[device].dice.below(23) {
            20 => self.erase(device),
            21..23 => self.send_parcel(device, course),
            0..3 => self.publish_assignment(device, course),
            3..5 => self.publish_lesson(device, course),
            5..10 => self.grade(device, course),
            10 => self.choose(device, course),
            11 => self.extend(device, course),
            12..14 => self.comment(device, course),
            14 => self.remove_pupil(device),
            15 if device == 0 => self.revoke_tablet(),
            _ => self.type_text(device),
        }
    }

    fn learn(&mut self, device: usize, course: SpaceId) -> Result<(), Failure> {
        match self.devices[device].dice.below(24) {
            20 => self.erase(device),
            21..24 => self.send_parcel(device, course),
            0..10 => self.submit(device, course),
            10..15 => self.comment(device, course),
            15..17 => self.enrol_or_leave(device),
            _ if self.devices[device].role == Role::Cheat => self.cheat(device),
            _ => self.submit(device, course),
        }
    }

    /// Does it, and keeps what is true of it from then on.
    fn perform(&mut self, device: usize, plan: Plan) -> Result<(), Failure> {
        let token = self.truth.token();
        let (at_ms, name) = (self.now_ms(), self.devices[device].name.clone());
        self.note(format!("{name}: {token} {:?}", plan.what));
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let run = plan.run;
        let done: Done = run(client, &token).map(|()| newest_item(client));
        let is_text = matches!(plan.what, What::Text { .. });
        let revoked = self.devices[device].revoked_ms.is_some();
        let lost = self
            .devices
            .iter()
            .any(|device| device.revoked_ms.is_some());
        self.truth.deeds.push(Deed {
            token,
            device,
            author: self.devices[device].account,
            at_ms,
            space: plan.space,
            what: plan.what,
            item: done.as_ref().ok().copied().flatten().filter(|_| !is_text),
            is_sure: done.is_ok() && !(revoked || is_text && lost),
            erased_by: None,
            is_disputed: false,
        });
        match done {
            Ok(_) => {
                if !is_text {
                    self.devices[device].durable_deeds = self.truth.deeds.len();
                }
                Ok(())
            }
            Err(error) => self.app_failed(device, &error),
        }
    }

    /// A command failed: with a bad disk it may; then the app says so or starts again.
    pub fn app_failed(&mut self, device: usize, error: &ClientError) -> Result<(), Failure> {
        let code = error.code();
        let words = format!("{}: {code} ({error})", self.devices[device].name);
        self.note(words.clone());
        if !self.config.is_hostile() {
            return Err(Failure::new("commands work offline", words));
        }
        let disk = &self.devices[device].disk;
        match code.as_str() {
            "store.no-space" if !disk.is_dead() => {
                self.after(600_000, Event::Repair(device));
                Ok(())
            }
            // The app goes on, or is closed by its user.
            "store.disk-failed" if !disk.is_dead() && self.dice.chance(50) => Ok(()),
            _ => self.crash(device),
        }
    }

    fn publish_assignment(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        let dice = &mut self.devices[device].dice;
        let due_ms = dice
            .chance(70)
            .then(|| dice.between(HOUR_MS, 40 * HOUR_MS))
            .map(|in_ms| self.clock.now_ms() + in_ms);
        let run = move |client: &mut Client, token: &str| {
            let new = NewAssignment {
                title: token.to_owned(),
                text: "Write.".into(),
                max_points: 10_000,
                due_ms,
                ..NewAssignment::default()
            };
            client.publish_assignment(space, new).map(|_| ())
        };
        self.perform(
            device,
            Plan {
                space,
                what: What::Assignment { due_ms },
                run: Box::new(run),
            },
        )
    }

    fn publish_lesson(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        let order = self.devices[device].dice.below(9);
        let run = move |client: &mut Client, token: &str| {
            client
                .publish_lesson(space, order, token, None, "A lesson. ភាសាខ្មែរ")
                .map(|_| ())
        };
        self.perform(
            device,
            Plan {
                space,
                what: What::Lesson,
                run: Box::new(run),
            },
        )
    }

    /// An assignment of a course as a device knows it.
    fn any_assignment(&mut self, device: usize, space: SpaceId) -> Option<ObjectId> {
        let d = &mut self.devices[device];
        let known = d.client.as_ref()?.store().assignments(space).ok()?;
        d.dice.pick(&known).map(|row| row.assignment)
    }

    fn submit(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        if !self.knows_it_learns(device, space) {
            return Ok(());
        }
        let Some(assignment) = self.any_assignment(device, space) else {
            return Ok(());
        };
        let dice = &mut self.devices[device].dice;
        let (long, is_draft) = (dice.chance(20), dice.chance(20));
        let noise = dice.between(50, 4_000);
        let run = move |client: &mut Client, token: &str| {
            let attempts = client
                .store()
                .submissions(space, Some(client.store().account()))?;
            let attempt = 1 + attempts
                .iter()
                .filter(|row| row.assignment == assignment)
                .count() as u64;
            let text = if long {
                format!("{token} {}", words(token, noise))
            } else {
                format!("{token} done")
            };
            if is_draft {
                let mut editing = client.create_draft(space, assignment)?;
                client.edit(&mut editing, &Action::splice(BODY, 0, 0, &text))?;
                client.submit_draft(&mut editing, attempt)?;
                return client.close_document(editing).map(|_| ());
            }
            client
                .submit(Work {
                    course: space,
                    assignment,
                    attempt,
                    text,
                    blobs: Vec::new(),
                })
                .map(|_| ())
        };
        self.perform(
            device,
            Plan {
                space,
                what: What::Submission {
                    assignment,
                    is_draft,
                },
                run: Box::new(run),
            },
        )
    }

    /// Whether the app shows its user as a pupil of the course: it offers no work
    /// elsewhere.
    fn knows_it_learns(&self, device: usize, space: SpaceId) -> bool {
        let client = self.devices[device].client.as_ref();
        client
            .and_then(|client| client.store().course(space).ok().flatten())
            .is_some_and(|course| course.roles.any(Roles::STUDENT))
    }

    fn comment(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        let me = self.devices[device].account;
        let teaches = self.truth.staff.contains(&(space, me));
        if !teaches && !self.knows_it_learns(device, space) {
            return Ok(());
        }
        let pupil = if teaches {
            let pupils: Vec<AccountId> = self
                .truth
                .pupils
                .iter()
                .filter(|(course, _)| *course == space)
                .map(|(_, pupil)| *pupil)
                .collect();
            self.devices[device].dice.pick(&pupils).copied()
        } else {
            Some(me)
        };
        let to_all = self.devices[device].dice.chance(50);
        let (lane, about) = match (to_all, pupil) {
            (false, Some(pupil)) => (Lane::One(pupil), ObjectId(pupil.0)),
            _ => (Lane::All, ObjectId(space.0)),
        };
        let run = move |client: &mut Client, token: &str| {
            client.comment(space, lane, about, token).map(|_| ())
        };
        self.perform(
            device,
            Plan {
                space,
                what: What::Comment { about, lane },
                run: Box::new(run),
            },
        )
    }

    fn any_submission(&mut self, device: usize, space: SpaceId) -> Option<SubmissionRow> {
        let d = &mut self.devices[device];
        let mut known = d.client.as_ref()?.store().submissions(space, None).ok()?;
        known.retain(|row| !row.provisional);
        d.dice.pick(&known).cloned()
    }

    fn grade(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        let Some(work) = self.any_submission(device, space) else {
            return Ok(());
        };
        let points = self.devices[device].dice.below(10_001);
        let what = What::Grade {
            assignment: work.assignment,
            student: work.student,
            points,
        };
        let run = move |client: &mut Client, token: &str| {
            let supersedes = client
                .store()
                .grades(space, Some(work.student))?
                .into_iter()
                .filter(|row| row.assignment == work.assignment)
                .flat_map(|row| row.grades.into_iter().map(|grade| grade.grade))
                .collect();
            client
                .grade(NewGrade {
                    course: space,
                    assignment: work.assignment,
                    student: work.student,
                    attempt: Some(work.entry),
                    points,
                    feedback: token.to_owned(),
                    supersedes,
                })
                .map(|_| ())
        };
        self.perform(
            device,
            Plan {
                space,
                what,
                run: Box::new(run),
            },
        )
    }

    /// Of grades that do not know each other a teacher takes the first.
    fn choose(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let conflict = client.store().grades(space, None).ok().and_then(|rows| {
            rows.into_iter().find_map(|row| match row.standing {
                Standing::Conflict(grades) => Some((row.assignment, row.student, grades)),
                _ => None,
            })
        });
        let Some((assignment, student, grades)) = conflict else {
            return Ok(());
        };
        let chosen =
            client.choose_grade(space, assignment, student, grades[0], grades[1..].to_vec());
        let words = format!("{}: chooses a grade", self.devices[device].name);
        self.note(words);
        chosen.or_else(|error| self.app_failed(device, &error))
    }

    fn extend(&mut self, device: usize, space: SpaceId) -> Result<(), Failure> {
        let Some(work) = self.any_submission(device, space) else {
            return Ok(());
        };
        let due_ms = self.now_ms() + self.devices[device].dice.wait(24 * HOUR_MS);
        let (assignment, student) = (work.assignment, work.student);
        let run =
            move |client: &mut Client, _: &str| client.extend(space, assignment, student, due_ms);
        self.perform(
            device,
            Plan {
                space,
                what: What::Extension {
                    assignment,
                    student,
                    due_ms,
                },
                run: Box::new(run),
            },
        )
    }

    /// A teacher removes a pupil from the open course, once.
    fn remove_pupil(&mut self, device: usize) -> Result<(), Failure> {
        let Some(space) = self.truth.courses.get(1).copied() else {
            return Ok(());
        };
        let pupils: Vec<AccountId> = (self.truth.pupils.iter())
            .filter(|(course, _)| *course == space)
            .map(|(_, pupil)| *pupil)
            .collect();
        let d = &mut self.devices[device];
        let pupil = d.dice.pick(&pupils).copied();
        let teaches = self.truth.staff.contains(&(space, d.account));
        let (Some(client), Some(pupil), true) = (&mut d.client, pupil, teaches) else {
            return Ok(());
        };
        if self.truth.removed.is_some() {
            return Ok(());
        }
        self.truth.removed = Some((space, pupil));
        self.truth.left.insert((space, pupil));
        self.truth.pupils.remove(&(space, pupil));
        let done = client.state(space, Lane::All, MemberRemove { account: pupil });
        let words = format!(
            "{} removes {}",
            self.devices[device].name,
            self.truth.name(pupil)
        );
        self.note(words);
        done.or_else(|error| self.app_failed(device, &error))
    }

    /// A pupil enrols in the open course, or leaves it.
    fn enrol_or_leave(&mut self, device: usize) -> Result<(), Failure> {
        let (Some(space), me) = (
            self.truth.courses.get(1).copied(),
            self.devices[device].account,
        ) else {
            return Ok(());
        };
        let enrols = self.truth.pupils.insert((space, me));
        if !enrols {
            self.truth.left.insert((space, me));
            self.truth.pupils.remove(&(space, me));
        }
        self.devices[device].enrolled_deeds = Some(self.truth.deeds.len());
        let name = self.devices[device].name.clone();
        self.note(format!(
            "{name}: {}",
            if enrols { "enrols" } else { "leaves" }
        ));
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let done = if enrols {
            client.enrol(space, me)
        } else {
            client.state(space, Lane::One(me), Leave { account: me })
        };
        done.or_else(|error| {
            // Nobody knows whether it was done.
            self.truth.left.insert((space, me));
            self.app_failed(device, &error)
        })
    }

    /// The teachers write one lesson; some keep it open.
    fn type_text(&mut self, device: usize) -> Result<(), Failure> {
        let Some(doc) = self.truth.lesson else {
            return Ok(());
        };
        let space = self.truth.courses[0];
        let d = &mut self.devices[device];
        let (at_end, closes) = (d.dice.chance(60), d.dice.chance(70));
        let Some(client) = &mut d.client else {
            return Ok(());
        };
        let held = client.store().document(doc);
        if !matches!(held, Ok(Some(_))) {
            return Ok(());
        }
        let opened = match d.editing.take() {
            Some(editing) => Ok(editing),
            None => client.open_document(doc),
        };
        let mut editing = match opened {
            Ok(editing) => editing,
            Err(error) => return self.app_failed(device, &error),
        };
        // The handle goes through the closure and comes back by this cell: also with a step
        // that failed, as an app keeps it.
        let kept = std::rc::Rc::new(std::cell::RefCell::new(None));
        let back = kept.clone();
        let run = move |client: &mut Client, token: &str| {
            let mut type_it = || {
                client.take_up(&mut editing)?;
                let at = if at_end {
                    editing
                        .view()
                        .text("body")
                        .map_or(0, |text| text.chars().count())
                } else {
                    0
                };
                client.edit(&mut editing, &Action::splice(BODY, at, 0, token))
            };
            let typed = type_it();
            if closes && typed.is_ok() {
                client.close_document(editing)?;
            } else {
                back.replace(Some(editing));
            }
            typed
        };
        let result = self.perform(
            device,
            Plan {
                space,
                what: What::Text { doc },
                run: Box::new(run),
            },
        );
        if self.devices[device].is_running() {
            self.devices[device].editing = kept.take();
        }
        result
    }

    /// Ann has lost her tablet. Whoever has it goes on.
    fn revoke_tablet(&mut self) -> Result<(), Failure> {
        let is_late = self.now_ms() > self.begun_ms + self.config.hours * HOUR_MS / 2;
        let lost = !(self.config.is_hostile() || self.config.is_evil())
            || !is_late
            || self.devices.len() < 2
            || self.devices[1].revoked_ms.is_some();
        if lost || !self.devices[0].dice.chance(50) {
            return Ok(());
        }
        let (id, now_ms) = (self.devices[1].id, self.now_ms());
        let Some(client) = &mut self.devices[0].client else {
            return Ok(());
        };
        match client.revoke_device(id, 1) {
            Ok(()) => {
                self.note("ann's phone revokes ann's tablet".into());
                self.devices[0].revoking_deeds = Some(self.truth.deeds.len());
                self.lose(id, now_ms);
                Ok(())
            }
            Err(error) => {
                // Done or not: nothing is expected of the tablet any more.
                self.lose(id, u64::MAX);
                self.app_failed(0, &error)
            }
        }
    }

    /// What the phone did not hold of the tablet, and of copies of it, waits for staff,
    /// and so does what others typed upon it.
    pub fn lose(&mut self, id: DeviceId, since_ms: u64) {
        for device in self.devices.iter_mut().filter(|device| device.id == id) {
            device.revoked_ms = Some(since_ms);
        }
        let lost = |device: usize| self.devices[device].id == id;
        for deed in &mut self.truth.deeds {
            if lost(deed.device) || matches!(deed.what, What::Text { .. }) {
                deed.is_sure = false;
                deed.item = None;
            }
            deed.is_disputed |= deed.erased_by.is_some_and(lost);
            deed.erased_by = deed.erased_by.filter(|device| !lost(*device));
        }
    }
}

fn newest_item(client: &Client) -> Option<ItemId> {
    client.store().items(1).ok()?.first().map(|item| item.item)
}

/// So many letters that do not compress to nothing.
fn words(token: &str, letters: u64) -> String {
    let mut dice = crate::dice::Dice::new(letters, token);
    (0..letters)
        .map(|_| match dice.below(27) {
            26 => ' ',
            letter => char::from(b'a' + letter as u8),
        })
        .collect()
}
