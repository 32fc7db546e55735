//! A school as an earlier version of the code left it: the relay's database with its
//! keys, a teacher's device, a pupil's device, in one file. Every version opens every
//! file; a shipped one is never edited.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_core::{OsRng, RngCore};
use stunity_client::{Client, NewAssignment, NewCourse, NewGrade, Work};
use stunity_documents::{Action, DocType, Path as Field};
use stunity_identity::StaffRoles;
use stunity_proto::{Lane, ObjectId, SpaceId};
use stunity_server::platform::Platform;

use crate::School;

/// The relay's time in a frozen school, milliseconds since 1970: its certificates
/// hold then, whenever the file is opened.
pub const THEN_MS: u64 = 1_800_000_000_000;
/// What the pupil had handed in, and what still waits in her outbox.
pub const HANDED_IN: &str = "The sky scatters blue light.";
/// The second attempt, made offline.
pub const WAITING: &str = "The sky scatters short waves more than long ones.";
/// What was typed and in no change yet.
pub const TYPED: &str = "រូបវិទ្យា is";
/// What the staff's document says.
pub const LESSON: &str = "Lenses gather light.";
/// A file of the teacher's, of two chunks.
pub static PHOTO: [u8; 70_000] = [7; 70_000];

type Failed = Box<dyn std::error::Error>;

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct Stopped(pub u64);

impl Platform for Stopped {
    fn now_ms(&self) -> u64 {
        self.0
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        OsRng.fill_bytes(bytes);
    }
}

/// Where the frozen files lie.
#[must_use]
pub fn folder() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../compat/databases").into()
}

/// A school with a course, work handed in and graded, and on each device something
/// that is not sent yet.
async fn make() -> Result<School, Failed> {
    let folder = tempfile::tempdir()?;
    let school = School::open(folder, Arc::new(Stopped(THEN_MS))).await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let mut pupil = school.join("pupil", StaffRoles::default()).await;
    let account = pupil.store().account();
    let course = teacher.create_course(NewCourse {
        title: "Physics".into(),
        title_km: Some("រូបវិទ្យា".into()),
        ..NewCourse::default()
    })?;
    teacher.publish_lesson(course, 1, "Light", None, "Light is a wave.")?;
    let assignment = teacher.publish_assignment(
        course,
        NewAssignment {
            title: "Essay".into(),
            max_points: 1000,
            due_ms: Some(THEN_MS + 1),
            ..NewAssignment::default()
        },
    )?;
    teacher.enrol(course, account)?;
    let mut lesson = teacher.create_document(DocType::Lesson, course, Lane::Staff)?;
    teacher.set_text(&mut lesson, "body", LESSON)?;
    teacher.close_document(lesson)?;
    school.sync(&mut teacher).await;

    school.sync(&mut pupil).await;
    pupil.show_name(course, Lane::One(account), "Sokha", "Chan", Some("ចាន់ សុខា"))?;
    pupil.submit(work(course, assignment, 1, HANDED_IN))?;
    school.sync(&mut pupil).await;
    school.sync(&mut teacher).await;
    let attempt = teacher.store().submissions(course, None)?[0].entry;
    teacher.grade(NewGrade {
        course,
        assignment,
        student: account,
        attempt: Some(attempt),
        points: 850,
        feedback: "Good".into(),
        supersedes: Vec::new(),
    })?;
    school.sync(&mut teacher).await;
    school.sync(&mut pupil).await;

    pupil.submit(work(course, assignment, 2, WAITING))?;
    let mut draft = pupil.create_draft(course, assignment)?;
    pupil.edit(
        &mut draft,
        &Action::splice(Field::field("body"), 0, 0, TYPED),
    )?;
    teacher
        .store_mut()
        .save_blob(&PHOTO, "image/jpeg", Some("lens.jpg"), THEN_MS)?;
    teacher.publish_lesson(course, 2, "Lenses", None, "A lens gathers light.")?;
    Ok(school)
}

fn work(course: SpaceId, assignment: ObjectId, attempt: u64, text: &str) -> Work {
    Work {
        course,
        assignment,
        attempt,
        text: text.into(),
        blobs: Vec::new(),
    }
}

const DEVICES: [&str; 2] = ["teacher", "pupil"];

/// Makes a school and freezes it.
///
/// # Errors
/// What could not be made or read.
pub async fn freeze() -> Result<Vec<u8>, Failed> {
    let school = make().await?;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let copy = school.path("copy.db");
    school.log.backup(&copy).await?;
    files.insert("relay/relay.db".into(), std::fs::read(copy)?);
    for file in std::fs::read_dir(school.path("relay/keys"))? {
        let file = file?;
        let name = file
            .file_name()
            .into_string()
            .map_err(|_| "a file's name")?;
        files.insert(format!("relay/keys/{name}"), std::fs::read(file.path())?);
    }
    for device in DEVICES {
        // Closed, so the log is in the database.
        let database = format!("{device}/account.db");
        files.insert(database.clone(), std::fs::read(school.path(&database))?);
    }
    let json = serde_json::to_vec(&files)?;
    Ok(zstd::bulk::compress(&json, 19)?)
}

/// Thaws a school: its relay runs, and its devices can be opened.
///
/// # Errors
/// A file that is none of [`freeze`]'s.
pub async fn thaw(frozen: &Path) -> Result<(School, Client, Client), Failed> {
    let json = zstd::stream::decode_all(std::fs::File::open(frozen)?)?;
    let files: BTreeMap<String, Vec<u8>> = serde_json::from_slice(&json)?;
    let folder = tempfile::tempdir()?;
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().ok_or("a file in no folder")?)?;
        std::fs::write(path, bytes)?;
    }
    let school = School::open(folder, Arc::new(Stopped(THEN_MS + 1000))).await;
    let open = |device: &str| -> Result<Client, Failed> {
        let folder = school.path(device);
        std::fs::write(folder.join("relay"), format!("http://{}", school.address))?;
        Ok(Client::open(&folder)?)
    };
    let (teacher, pupil) = (open("teacher")?, open("pupil")?);
    Ok((school, teacher, pupil))
}
