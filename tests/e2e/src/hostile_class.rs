//! A class in which not everybody plays by the rules, and what nobody may achieve.
use std::path::Path;

use stunity_client::{Client, NewAssignment, NewCourse, NewGrade, Work};
use stunity_identity::StaffRoles;
use stunity_model::events::{Event, MemberAdd, MemberRemove};
use stunity_model::judge::facts;
use stunity_model::{Membership, Roles};
use stunity_proto::pack::{Effort, Explicit, Item, PackWriter};
use stunity_proto::parcel::Part;
use stunity_proto::{Entry, EntryId, Kind, Lane, ObjectId, SpaceId};
use stunity_store::{ItemState, ParcelImport, PendingOp};
use stunity_sync::replica::Outcome;
use stunity_sync::{RelayStore, Replica, Target};

use crate::{Hand, School};

/// A due time, milliseconds since 1970: 2100.
pub const DUE: u64 = 4_102_444_800_000;

/// A teacher and a pupil with real clients; a pupil and a teacher by hand.
pub struct HostileClass {
    /// The school.
    pub school: School,
    /// Owns the course.
    pub teacher: Client,
    /// Learns.
    pub pupil: Client,
    /// Learns, and tries things.
    pub mallory: Hand,
    /// Teaches beside the owner, and can be removed.
    pub colleague: Hand,
    /// The course.
    pub course: SpaceId,
    /// Its only assignment, due at [`DUE`].
    pub assignment: ObjectId,
}

/// Queues an event as an app does.
pub fn say(client: &mut Client, space: SpaceId, lane: Lane, event: impl Into<Event>) {
    let event = event.into();
    let op = PendingOp {
        space,
        lane,
        kind: Kind::Event(event.code()),
        bytes: event.encode(),
        object: None,
    };
    client
        .store_mut()
        .enqueue(&[op], DUE)
        .expect("there is space");
}

impl HostileClass {
    /// Everybody in the class and in sync.
    pub async fn new() -> Self {
        let school = School::new().await;
        let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
        let mut pupil = school.join("pupil", StaffRoles::default()).await;
        let mallory = Hand::join(&school, 50, StaffRoles::default()).await;
        let colleague = Hand::join(&school, 60, StaffRoles::TEACHER).await;
        school.sync(&mut teacher).await;
        let course = teacher
            .create_course(NewCourse {
                title: "Physics".into(),
                ..NewCourse::default()
            })
            .expect("there is space");
        let assignment = teacher
            .publish_assignment(
                course,
                NewAssignment {
                    title: "Essay".into(),
                    max_points: 1000,
                    due_ms: Some(DUE),
                    ..NewAssignment::default()
                },
            )
            .expect("there is space");
        let added = MemberAdd {
            account: colleague.account,
            roles: Roles::TEACHER.0,
        };
        say(&mut teacher, course, Lane::All, added);
        for account in [pupil.store().account(), mallory.account] {
            teacher.enrol(course, account).expect("there is space");
        }
        school.sync(&mut teacher).await;
        school.sync(&mut pupil).await;
        Self {
            school,
            teacher,
            pupil,
            mallory,
            colleague,
            course,
            assignment,
        }
    }

    /// Everything that the relay holds of the course, in order.
    pub async fn log(&self) -> Vec<Entry> {
        let target = Target {
            space: self.course,
            lane: None,
        };
        let page = self.school.log.read(target, 0, 8 << 20).await;
        let items = page.expect("the log can be read").items;
        items.into_iter().map(|item| item.entry).collect()
    }

    /// The membership heads that an honest entry of a lane would cite: its own
    /// pupil's in a `one:`, else staff's.
    pub async fn heads(&self, lane: Lane) -> Vec<EntryId> {
        let author = match lane {
            Lane::One(whose) => whose,
            _ => self.colleague.account,
        };
        let mut membership = Membership::default();
        for entry in self.log().await {
            if entry.header().space == self.course {
                facts(&entry)
                    .into_iter()
                    .for_each(|fact| membership.insert(fact));
            }
        }
        membership.heads_for(lane, author)
    }

    /// The owner removes the colleague.
    pub async fn remove_colleague(&mut self) {
        let account = self.colleague.account;
        let removed = MemberRemove { account };
        say(&mut self.teacher, self.course, Lane::All, removed);
        self.school.sync(&mut self.teacher).await;
    }

    /// The owner removes the colleague as an app does: what counts of hers is what
    /// the owner's device holds.
    pub async fn cut_off_colleague(&mut self) {
        let account = self.colleague.account;
        let removed = self.teacher.remove_member(self.course, account);
        removed.expect("she is a member");
        self.school.sync(&mut self.teacher).await;
    }

    /// The texts that the teacher's device shows below the assignment.
    ///
    /// # Panics
    /// If the database does not answer.
    pub fn comments(&self) -> Vec<String> {
        let rows = self.teacher.store().comments(self.assignment);
        let rows = rows.expect("a query");
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Uploads entries; what became of each.
    pub async fn upload(&self, entries: &[Entry]) -> Vec<Outcome> {
        let appended = self.school.log.append_entries(None, entries.to_vec()).await;
        appended.expect("the relay goes on")
    }

    /// Hands entries to the teacher's device in a parcel.
    pub fn carry(&mut self, entries: &[Entry]) -> ParcelImport {
        carry(&mut self.teacher, entries)
    }

    /// The code with which a parcel's entry was held or rejected; `left out` if it
    /// did not stay, empty if it was applied.
    pub fn judged(report: &ParcelImport, entry: &Entry) -> &'static str {
        let left_out = if report.left_out > 0 { "left out" } else { "" };
        (report.held.iter().chain(&report.rejected))
            .find(|(id, _)| *id == entry.id())
            .map_or(left_out, |(_, code)| *code)
    }

    /// Nobody has a grade, a new role or another due date, and the honest go on:
    /// work is handed in, graded, released and read.
    pub async fn is_unharmed_and_usable(&mut self) {
        let me = self.pupil.store().account();
        self.school.sync(&mut self.teacher).await;
        self.school.sync(&mut self.pupil).await;
        for device in [&self.teacher, &self.pupil] {
            let store = device.store();
            assert_eq!(store.grades(self.course, None).expect("a query"), []);
            assert_eq!(store.releases(self.course, None).expect("a query"), []);
            let assignments = store.assignments(self.course).expect("a query");
            assert_eq!(assignments.len(), 1);
            assert_eq!(assignments[0].due_ms, Some(DUE));
            let staff = store
                .class_list(self.course, Roles::STAFF)
                .expect("a query");
            assert!(staff.len() <= 2, "{staff:?}");
            assert!(staff.iter().all(|row| row.account != self.mallory.account));
        }
        let item = self
            .pupil
            .submit(Work {
                course: self.course,
                assignment: self.assignment,
                attempt: 1,
                text: "honest work".into(),
                blobs: Vec::new(),
            })
            .expect("there is space");
        self.school.sync(&mut self.pupil).await;
        let status = self.pupil.store().item_status(item).expect("a query");
        assert!(matches!(
            status.expect("an item").state,
            ItemState::Received { .. }
        ));
        self.school.sync(&mut self.teacher).await;
        let handed_in = self.teacher.store().submissions(self.course, None);
        let attempt = handed_in.expect("a query").first().map(|row| row.entry);
        assert!(attempt.is_some(), "the honest work did not come through");
        self.teacher
            .grade(NewGrade {
                course: self.course,
                assignment: self.assignment,
                student: me,
                attempt,
                points: 900,
                feedback: String::new(),
                supersedes: Vec::new(),
            })
            .expect("there is space");
        self.school.sync(&mut self.teacher).await;
        self.school.sync(&mut self.pupil).await;
        let released = self.pupil.store().releases(self.course, Some(me));
        assert_eq!(released.expect("a query")[0].points, 900);
    }

    /// Closes the devices and looks for entries in every projection, index and list
    /// of theirs and of the relay.
    pub async fn leaves_no_trace_of(self, entries: &[EntryId]) {
        let ids: Vec<EntryId> = entries.to_vec();
        let Self {
            school,
            teacher,
            pupil,
            ..
        } = self;
        drop((teacher, pupil));
        for device in ["teacher", "pupil"] {
            let path = school.path(device).join("account.db");
            assert_eq!(traces(&path, &ids), Vec::<String>::new());
        }
        let of_relay = crate::relay_traces(&school.log, &ids).await;
        assert_eq!(of_relay, Vec::<String>::new());
    }
}

/// Hands entries to a device in a parcel, without receipts.
pub fn carry(client: &mut Client, entries: &[Entry]) -> ParcelImport {
    let context = Explicit(client.store().owner().school);
    let mut writer = PackWriter::new(&context, true, false, Effort::Live);
    for entry in entries {
        writer.push(&Item {
            entry: entry.clone(),
            place: None,
        });
    }
    let part = Part::Pack(writer.finish());
    let mut report = ParcelImport::default();
    let store = client.store_mut();
    store
        .import_part(&part, DUE, &mut report)
        .expect("there is space");
    store.finish_import(&mut report).expect("there is space");
    report
}

/// Tables of a device's database in which something stands that came from these
/// entries.
#[must_use]
pub fn traces(path: &Path, ids: &[EntryId]) -> Vec<String> {
    use rusqlite::{Connection, OpenFlags};
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(path, flags).expect("a database");
    let mut tables: Vec<String> = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'p_*'")
        .expect("a schema")
        .query_map([], |row| row.get(0))
        .expect("a schema")
        .collect::<Result<_, _>>()
        .expect("names");
    tables.push("findable".into());
    let mut found = Vec::new();
    for id in ids {
        for table in &tables {
            let sql = format!("SELECT count(*) FROM {table} WHERE entry = ?1");
            let count: i64 = db
                .query_row(&sql, [&id.0], |row| row.get(0))
                .expect("a count");
            if count > 0 {
                found.push(format!("{table} of {}", path.display()));
            }
        }
    }
    found
}
