//! What is erased on request is nowhere any more: not in databases, WALs, search
//! indices, files or new backups, on the relay and on devices, also those that
//! were offline meanwhile.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::path::{Path, PathBuf};

use stunity_client::{Client, NewAssignment, NewCourse, Place, Work};
use stunity_documents::DocType;
use stunity_e2e::{CutLink, School, noise, tables_with};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::sabotage::{Check, Sabotage};
use stunity_proto::{BlobId, DocId, EntryId, Kind, Lane, ObjectId, SpaceId};
use stunity_server::db::Dialect;
use stunity_store::{ParcelTo, PendingOp, Span};

/// An index keeps words without what they share with the word before: its end is
/// what is looked for.
const CANARY: &str = "zqkanarienvogel";
const TAIL: &str = "narienvogel";

struct Class {
    school: School,
    teacher: Client,
    second: Client,
    pupil: Client,
    course: SpaceId,
    submission: EntryId,
    comment: ObjectId,
    file: BlobId,
    draft: DocId,
}

/// The files below a folder that hold the canary, as UTF-8 or UTF-16.
fn holders(folder: &Path) -> Vec<PathBuf> {
    let utf16: Vec<u16> = TAIL.encode_utf16().collect();
    let forms: [Vec<u8>; 3] = [
        TAIL.as_bytes().to_vec(),
        utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    ];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path)
                && forms
                    .iter()
                    .any(|form| bytes.windows(form.len()).any(|part| part == form))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A link is cut after so many bytes: packs are left in part.
const PART: i64 = 8 * 1024;

fn nowhere() -> Vec<PathBuf> {
    Vec::new()
}

/// Whether the relay holds the canary: in its folder, also in what sessions left
/// of packs, or in any row of a database elsewhere.
async fn relay_holds(school: &School) -> bool {
    school.log.flush().await.unwrap();
    let tables = tables_with(&school.log, TAIL).await;
    !tables.is_empty() || !holders(&school.path("relay")).is_empty()
}

/// A class in which the canary was handed in, said, attached and typed, and every
/// device holds it.
async fn class() -> Class {
    // Packs as they are, so that the canary would be seen in them.
    let _readable = stunity_proto::sabotage::Sabotage::skip_compression();
    let school = School::new().await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let mut second = school.join("second", StaffRoles::TEACHER).await;
    let mut pupil = school.join("pupil", StaffRoles::default()).await;
    school.sync(&mut teacher).await;
    let course = teacher.create_course(NewCourse::default()).unwrap();
    let assignment = NewAssignment {
        title: "Essay".into(),
        ..NewAssignment::default()
    };
    let assignment = teacher.publish_assignment(course, assignment).unwrap();
    let (me, other) = (pupil.store().account(), second.store().account());
    teacher.enrol(course, me).unwrap();
    teacher.add_staff(course, other, Roles::TEACHER).unwrap();
    let mut lesson = teacher
        .create_document(DocType::Lesson, course, Lane::Staff)
        .unwrap();
    teacher.set_text(&mut lesson, "title", "Birds").unwrap();
    teacher.set_text(&mut lesson, "body", CANARY).unwrap();
    let draft = lesson.place().doc;
    teacher.close_document(lesson).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut pupil).await;

    let bytes = format!("a file of a {CANARY}");
    let manifest = pupil
        .store_mut()
        .save_blob(bytes.as_bytes(), "text/plain", Some("bird.txt"), 0)
        .unwrap();
    let mention = PendingOp {
        space: course,
        lane: Lane::One(me),
        kind: Kind::Manifest,
        bytes: manifest.encode(),
        object: None,
    };
    pupil.store_mut().enqueue(&[mention], 0).unwrap();
    pupil
        .submit(Work {
            course,
            assignment,
            attempt: 1,
            text: format!("my {CANARY} {}", noise(0, 1500)),
            blobs: vec![manifest.blob],
        })
        .unwrap();
    let place = Place::Course(course);
    let comment = pupil.reply(place, assignment, None, CANARY).unwrap();
    pupil.reply(place, assignment, None, "this stays").unwrap();
    CutLink::new(school.address, PART)
        .await
        .sync(&mut pupil, |_| {})
        .await;
    CutLink::new(school.address, PART)
        .await
        .sync(&mut second, |_| {})
        .await;
    CutLink::new(school.address, PART)
        .await
        .sync(&mut teacher, |_| {})
        .await;
    let submission = teacher.store().submissions(course, None).unwrap()[0].entry;
    assert_eq!(
        second.document_view(draft).unwrap().text("body"),
        Some(CANARY)
    );
    assert!(relay_holds(&school).await);
    for name in ["teacher", "second", "pupil"] {
        assert_ne!(holders(&school.path(name)), nowhere(), "{name}");
    }
    assert!(!teacher.store().search(CANARY, 9).unwrap().is_empty());
    Class {
        school,
        teacher,
        second,
        pupil,
        course,
        submission,
        comment,
        file: manifest.blob,
        draft,
    }
}

/// Everything is erased by who may, and all but the second teacher sync.
async fn erase(class: &mut Class) -> DocId {
    class.pupil.erase(&class.submission.0, "request").unwrap();
    class.pupil.erase(&class.comment.0, "request").unwrap();
    class.pupil.erase_file(class.file, "request").unwrap();
    let mut lesson = class.teacher.open_document(class.draft).unwrap();
    let text = "All about finches.";
    class.teacher.set_text(&mut lesson, "body", text).unwrap();
    class.teacher.close_document(lesson).unwrap();
    let successor = class.teacher.erase_history(class.draft, "request").unwrap();
    for _ in 0..2 {
        class.school.sync(&mut class.pupil).await;
        class.school.sync(&mut class.teacher).await;
    }
    successor
}

#[tokio::test]
async fn what_is_erased_is_nowhere_any_more() {
    let mut class = class().await;
    let successor = erase(&mut class).await;
    assert!(!relay_holds(&class.school).await);
    for name in ["teacher", "pupil"] {
        assert_eq!(holders(&class.school.path(name)), nowhere(), "{name}");
    }
    if class.school.log.database().dialect() == Dialect::Sqlite {
        let backup = class.school.path("backup");
        std::fs::create_dir(&backup).unwrap();
        let file = backup.join("relay.db");
        class.school.log.backup(&file).await.unwrap();
        assert_eq!(holders(&backup), nowhere());
    }

    // A device that was offline meanwhile.
    assert_ne!(holders(&class.school.path("second")), nowhere());
    let report = class.school.sync(&mut class.second).await;
    assert_eq!(report.held, Vec::<String>::new());
    assert_eq!(holders(&class.school.path("second")), nowhere());

    // A device that comes later: chains verify, and what stays is there.
    let mut third = class.school.join("third", StaffRoles::TEACHER).await;
    let account = third.store().account();
    class
        .teacher
        .add_staff(class.course, account, Roles::TEACHER)
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    let report = class.school.sync(&mut third).await;
    assert_eq!(report.held, Vec::<String>::new());
    assert_eq!(holders(&class.school.path("third")), nowhere());
    for client in [&class.teacher, &class.second, &class.pupil, &third] {
        let store = client.store();
        assert_eq!(store.doctor().unwrap(), vec![]);
        assert!(store.search(CANARY, 9).unwrap().is_empty());
        assert_eq!(store.search("stays", 9).unwrap().len(), 1);
        assert!(store.submissions(class.course, None).unwrap().is_empty());
        assert_eq!(store.blob(class.file).unwrap(), None);
        let entry = store.entry(class.submission).unwrap().unwrap();
        assert_eq!(entry.id(), class.submission);
    }
    for client in [&mut class.teacher, &mut class.second, &mut third] {
        let view = client.document_view(successor).unwrap();
        assert_eq!(view.text("body"), Some("All about finches."));
        assert_eq!(view.text("title"), Some("Birds"));
        assert_eq!(
            client.store().successor(class.draft).unwrap(),
            Some(successor)
        );
        let again = client.open_document(class.draft).map(|_| ());
        assert_eq!(again.unwrap_err().code(), "document.succeeded");
    }

    // The log is as it was: the devices have nothing to send or fetch.
    let report = class.school.sync(&mut third).await;
    assert_eq!(report.new_entries, 0);
}

#[tokio::test]
async fn an_erasure_that_leaves_bytes_behind_is_noticed() {
    let mut class = class().await;
    let broken = Sabotage::skip(Check::Erasure);
    erase(&mut class).await;
    assert!(relay_holds(&class.school).await);
    for name in ["teacher", "pupil"] {
        assert_ne!(holders(&class.school.path(name)), nowhere(), "{name}");
    }
    drop(broken);
}

#[tokio::test]
async fn a_classmate_erases_nothing_and_a_teacher_does() {
    let mut class = class().await;
    let mut classmate = class.school.join("classmate", StaffRoles::default()).await;
    let account = classmate.store().account();
    class.teacher.enrol(class.course, account).unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut classmate).await;
    assert_eq!(classmate.store().search(CANARY, 9).unwrap().len(), 1);
    classmate.erase(&class.comment.0, "spite").unwrap();
    class.school.sync(&mut classmate).await;
    class.school.sync(&mut class.pupil).await;
    assert!(!class.pupil.store().search(CANARY, 9).unwrap().is_empty());
    assert!(relay_holds(&class.school).await);

    class.teacher.erase(&class.comment.0, "rude").unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut classmate).await;
    assert_eq!(holders(&class.school.path("classmate")), nowhere());
}

#[tokio::test]
async fn an_erasure_waits_at_the_relay_for_what_it_erases() {
    let mut class = class().await;
    let said = format!("{CANARY} again");
    let place = Place::Course(class.course);
    let comment = (class.pupil)
        .reply(place, class.comment, None, &said)
        .unwrap();
    // The teacher has it by a file, erases it, and is online first.
    let teacher = ParcelTo::Account(class.teacher.store().account());
    let mut file = Vec::new();
    class
        .pupil
        .export_parcel(Span::Waiting, &[teacher], &mut file)
        .unwrap();
    class.teacher.take_parcel(&mut &file[..]).unwrap();
    let held = class.teacher.store().comments(class.comment).unwrap();
    assert_eq!(held.len(), 1);
    class.teacher.erase(&comment.0, "request").unwrap();
    class.school.sync(&mut class.teacher).await;
    erase(&mut class).await;
    assert!(!relay_holds(&class.school).await);
    class.school.sync(&mut class.second).await;
    for name in ["teacher", "pupil", "second"] {
        assert_eq!(holders(&class.school.path(name)), nowhere(), "{name}");
    }
}
