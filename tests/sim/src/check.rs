//! The invariants.
use std::collections::{BTreeMap, BTreeSet};

use stunity_model::Roles;
use stunity_model::grades::Standing;
use stunity_proto::{Lane, SpaceId};
use stunity_store::ItemState;

use crate::device::Role;
use crate::dump::{Dump, Place, dump};
use crate::failure::{Failure, OrFail};
use crate::truth::{Deed, What, tokens};
use crate::world::{Event, World};

const NO_GRADE: &str = "no grade without a teacher's signature";
const NO_STAFF: &str = "nobody teaches whom no teacher made one";
const NO_DUE: &str = "due dates are the teachers'";
const ONCE: &str = "exactly once";
const CONVERGE: &str = "honest devices converge";
const DURABLE: &str = "acknowledged means durable";
const REVOKED: &str = "revoked means revoked";
const OUT: &str = "who was removed has no say";
const REFUSED: &str = "nothing of a refused item is lost";

impl World {
    /// What holds at any time, on every device whose app runs.
    ///
    /// # Errors
    /// An invariant.
    pub fn check_always(&mut self) -> Result<(), Failure> {
        self.after(6 * 3_600_000, Event::Check);
        self.check_hang()?;
        self.check_authority()
    }

    /// What holds once all came together.
    ///
    /// # Errors
    /// An invariant.
    pub fn check_at_end(&mut self) -> Result<(), Failure> {
        self.check_authority()?;
        if self.config.is_evil() {
            return Ok(());
        }
        let mut dumps = Vec::with_capacity(self.devices.len());
        for index in 0..self.devices.len() {
            let device = &mut self.devices[index];
            let dump = match &mut device.client {
                Some(client) => {
                    // A relay that was restored gives new times, and who has the old
                    // receipts keeps the old ones.
                    let with_times = !self.relay.was_restored();
                    dump(client, &self.truth, with_times).or_fail("the app shows its data")?
                }
                None => {
                    return Err(Failure::new(
                        "opening works after any crash",
                        format!("{} is off", device.name),
                    ));
                }
            };
            dumps.push(dump);
        }
        self.check_items()?;
        self.check_converged(&dumps)?;
        self.check_deeds(&dumps)?;
        self.check_times()?;
        self.check_erased()?;
        self.check_damage()
    }

    /// Grades, staff and due dates are those that teachers made.
    fn check_authority(&mut self) -> Result<(), Failure> {
        let by_token = self.truth.by_token();
        for device in &self.devices {
            // What somebody shows on an own device of own cheating is shown to
            // nobody else.
            if device.role == Role::Cheat || device.revoked_ms.is_some() {
                continue;
            }
            let Some(client) = &device.client else {
                continue;
            };
            let store = client.store();
            for space in &self.truth.courses {
                for member in store
                    .class_list(*space, Roles::STAFF)
                    .or_fail("the app shows its data")?
                {
                    if !self.truth.staff.contains(&(*space, member.account)) {
                        return Err(Failure::new(
                            NO_STAFF,
                            format!(
                                "{} takes {} for staff",
                                device.name,
                                self.truth.name(member.account)
                            ),
                        ));
                    }
                }
                for row in store
                    .grades(*space, None)
                    .or_fail("the app shows its data")?
                {
                    let Standing::Counts(counting) = row.standing else {
                        continue;
                    };
                    let grade = row.grades.iter().find(|grade| grade.grade == counting);
                    let honest = grade.is_some_and(|grade| {
                        by_token.get(grade.feedback.as_str()).is_some_and(|deed| {
                            deed.author == grade.author
                                && matches!(deed.what, What::Grade { points, student, .. }
                                    if points == grade.points && student == row.student)
                        })
                    });
                    if !honest {
                        return Err(Failure::new(
                            NO_GRADE,
                            format!("{} counts {grade:?}", device.name),
                        ));
                    }
                }
                for row in store
                    .releases(*space, None)
                    .or_fail("the app shows its data")?
                {
                    let honest = by_token.get(row.feedback.as_str()).is_some_and(|deed| {
                        matches!(deed.what, What::Grade { points, student, .. }
                            if points == row.points && student == row.student)
                    });
                    if !honest {
                        return Err(Failure::new(
                            NO_GRADE,
                            format!("{} shows as released {row:?}", device.name),
                        ));
                    }
                }
                for row in store
                    .assignments(*space)
                    .or_fail("the app shows its data")?
                {
                    let honest = by_token.get(row.title.as_str()).is_some_and(|deed| {
                        matches!(deed.what, What::Assignment { due_ms } if due_ms == row.due_ms)
                    });
                    if !honest {
                        return Err(Failure::new(
                            NO_DUE,
                            format!("{} shows {} due {:?}", device.name, row.title, row.due_ms),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Every item reached the relay, or is kept with the reason why not.
    fn check_items(&mut self) -> Result<(), Failure> {
        for deed in &mut self.truth.deeds {
            let device = &self.devices[deed.device];
            if device.revoked_ms.is_some() {
                continue;
            }
            let (Some(item), Some(client)) = (deed.item, &device.client) else {
                continue;
            };
            let what = format!("{:?} in {}", deed.what, deed.space);
            let words = |seen: &str| format!("{} {what} of {}: {seen}", deed.token, device.name);
            let state = client
                .store()
                .item_status(item)
                .or_fail("the app shows its data")?
                .map(|item| item.state);
            match state {
                Some(ItemState::Received { .. } | ItemState::Graded { .. }) => {}
                // Who is out says nothing that counts; staff may still accept it.
                Some(ItemState::Pending { .. })
                    if self.truth.left.contains(&(deed.space, deed.author)) =>
                {
                    deed.is_sure = false;
                }
                Some(ItemState::Refused { code }) => {
                    let refused = client.store().refused().or_fail("the app shows its data")?;
                    let kept = refused.iter().any(|entry| {
                        entry.entry.ops().any(|(_, op)| {
                            op.is_some_and(|op| {
                                let word = deed.token.as_bytes();
                                op.windows(word.len()).any(|window| window == word)
                            })
                        })
                    });
                    let has_word = !matches!(deed.what, What::Extension { .. });
                    if has_word && !kept {
                        return Err(Failure::new(REFUSED, words(&code)));
                    }
                    let left = self.truth.left.contains(&(deed.space, deed.author));
                    if !left && device.role != Role::Cheat {
                        return Err(Failure::new("honest work is not refused", words(&code)));
                    }
                    // It is nowhere else, and that is known.
                    deed.is_sure = false;
                }
                other => {
                    return Err(Failure::new(
                        "everything arrives",
                        words(&format!("{other:?}")),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a device reads a lane.
    pub fn reads(&self, device: usize, (space, lane): Place) -> bool {
        let account = self.devices[device].account;
        let teaches = self.truth.staff.contains(&(space, account));
        let learns = self.truth.pupils.contains(&(space, account));
        match lane {
            Lane::All => teaches || learns,
            Lane::One(pupil) => teaches || (learns && pupil == account),
            _ => teaches,
        }
    }

    /// Whether it is the work of somebody who was removed, at a relay that was restored:
    /// it may number what was said after the removal before it, which says nothing to
    /// those who have the old receipt of the removal.
    fn is_out_of_order(&self, deed: &Deed) -> bool {
        self.relay.was_restored() && self.truth.removed == Some((deed.space, deed.author))
    }

    /// Whoever reads a lane shows the same of it.
    fn check_converged(&self, dumps: &[Dump]) -> Result<(), Failure> {
        let mut facts: BTreeMap<&(Place, String), BTreeMap<usize, &String>> = BTreeMap::new();
        for (index, dump) in dumps.iter().enumerate() {
            if self.devices[index].revoked_ms.is_some() || self.devices[index].role == Role::Cheat {
                continue;
            }
            for (fact, value) in dump {
                facts.entry(fact).or_default().insert(index, value);
            }
        }
        let disputed: BTreeSet<&str> = (self.truth.deeds.iter())
            .filter(|deed| deed.is_disputed || self.is_out_of_order(deed))
            .map(|deed| deed.token.as_str())
            .collect();
        for (fact, shown) in facts {
            let (place, name) = fact;
            let mut values: BTreeMap<Option<&String>, Vec<&str>> = BTreeMap::new();
            for index in 0..self.devices.len() {
                let device = &self.devices[index];
                let left = self.truth.left.contains(&(place.0, device.account));
                let out = device.revoked_ms.is_some() || device.role == Role::Cheat || left;
                if out || !self.reads(index, *place) {
                    continue;
                }
                values
                    .entry(shown.get(&index).copied())
                    .or_default()
                    .push(&device.name);
            }
            let is_disputed = (shown.values())
                .flat_map(|value| tokens(value))
                .any(|token| disputed.contains(token.as_str()));
            if values.len() > 1 && !is_disputed {
                return Err(Failure::new(
                    CONVERGE,
                    format!("{name} in {}: {values:#?}", place.1),
                ));
            }
        }
        Ok(())
    }

    /// Every deed is there once, for all who read its lane; no forged word is.
    fn check_deeds(&self, dumps: &[Dump]) -> Result<(), Failure> {
        let beyond = self.words_beyond_removal()?;
        for (index, dump) in dumps.iter().enumerate() {
            let device = &self.devices[index];
            if device.role != Role::Teacher || device.revoked_ms.is_some() {
                continue;
            }
            let counts = self.count_tokens(dump);
            for deed in &self.truth.deeds {
                let place = (deed.space, lane_of(&deed.what));
                if !self.reads(index, place) {
                    continue;
                }
                let count = counts.get(&(deed.space, deed.token.as_str())).copied();
                let count = count.unwrap_or(0);
                let words = || {
                    format!(
                        "{} {:?} of {} is {count} times at {}",
                        deed.token, deed.what, self.devices[deed.device].name, device.name
                    )
                };
                let revoked = self.devices[deed.device].revoked_ms;
                if revoked.is_some_and(|since| deed.at_ms > since) && count > 0 {
                    return Err(Failure::new(REVOKED, words()));
                }
                // A word that is typed over, superseded or replaced is shown no more.
                let is_shown = !matches!(deed.what, What::Extension { .. } | What::Grade { .. });
                if count > 1 {
                    return Err(Failure::new(ONCE, words()));
                }
                if is_shown && deed.is_sure && !self.is_out_of_order(deed) && count == 0 {
                    return Err(Failure::new(DURABLE, words()));
                }
            }
            for (space, token) in &beyond {
                if counts.contains_key(&(*space, token.as_str())) {
                    return Err(Failure::new(OUT, format!("{token} at {}", device.name)));
                }
            }
            for token in &self.truth.forged {
                if counts.keys().any(|(_, word)| word == token) {
                    return Err(Failure::new(
                        "what nobody may do has no effect",
                        format!("{token} at {}", device.name),
                    ));
                }
            }
        }
        Ok(())
    }

    /// How often each word stands in what a device shows, course by course. A grade
    /// and its release are one deed.
    fn count_tokens<'a>(&'a self, dump: &'a Dump) -> BTreeMap<(SpaceId, &'a str), usize> {
        let known: BTreeSet<&str> = self
            .truth
            .deeds
            .iter()
            .map(|deed| deed.token.as_str())
            .chain(self.truth.forged.iter().map(String::as_str))
            .collect();
        let mut counts = BTreeMap::new();
        for (((space, _), name), value) in dump {
            if name.starts_with("release") {
                continue;
            }
            for token in tokens(value) {
                if let Some(word) = known.get(token.as_str()) {
                    *counts.entry((*space, *word)).or_default() += 1;
                }
            }
        }
        counts
    }

    /// No database is damaged, and nothing lies about unsent.
    fn check_damage(&self) -> Result<(), Failure> {
        for device in &self.devices {
            let Some(client) = &device.client else {
                continue;
            };
            let findings = client.store().doctor().or_fail("the doctor looks")?;
            let damage: Vec<&str> = findings
                .iter()
                .map(|finding| finding.code)
                .filter(|code| code.starts_with("database."))
                .collect();
            if !damage.is_empty() {
                return Err(Failure::new(
                    "no crash damages a database",
                    format!("{}: {damage:?}", device.name),
                ));
            }
            if device.revoked_ms.is_none() {
                let unsent = client.store().unsent().or_fail("the app shows its data")?;
                if unsent.waiting > 0 {
                    return Err(Failure::new(
                        "everything arrives",
                        format!("{}: {} items wait", device.name, unsent.waiting),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn lane_of(what: &What) -> Lane {
    match what {
        What::Submission { .. } | What::Assignment { .. } | What::Lesson => Lane::All,
        What::Comment { lane, .. } => *lane,
        What::Grade { .. } | What::Text { .. } => Lane::Staff,
        What::Extension { student, .. } => Lane::One(*student),
    }
}
