//! Drafts survive crashes; what two people type into one text comes together.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Client, NewAssignment, NewCourse};
use stunity_documents::{Action, DocType, Path};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_proto::{DocId, Lane, ObjectId, SpaceId};
use stunity_test_support::disk::{Disk, Fault};

const BODY: Path<'static> = Path::field("body");

async fn course(school: &School, teacher: &mut Client) -> (SpaceId, ObjectId) {
    let course = teacher
        .create_course(NewCourse {
            title: "Physics".into(),
            ..NewCourse::default()
        })
        .unwrap();
    let assignment = teacher
        .publish_assignment(
            course,
            NewAssignment {
                title: "Essay".into(),
                max_points: 1000,
                ..NewAssignment::default()
            },
        )
        .unwrap();
    school.sync(teacher).await;
    (course, assignment)
}

fn body(client: &mut Client, doc: DocId) -> String {
    let view = client.document_view(doc).unwrap();
    view.text("body").unwrap().to_owned()
}

#[tokio::test]
async fn a_draft_outlives_a_crash_and_is_handed_in() {
    let school = School::new().await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let mut pupil = school.join("pupil", StaffRoles::default()).await;
    school.sync(&mut teacher).await;
    let (course, assignment) = course(&school, &mut teacher).await;
    teacher.enrol(course, pupil.store().account()).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut pupil).await;

    let mut editing = pupil.create_draft(course, assignment).unwrap();
    let doc = editing.place().doc;
    for (at, letter) in "សួស្តី".chars().enumerate() {
        let text = letter.to_string();
        let action = Action::splice(BODY, at, 0, &text);
        pupil.edit_joined(&mut editing, &action).unwrap();
    }
    // The process dies: nothing is committed, nothing closed.
    drop(editing);
    drop(pupil);
    let mut pupil = Client::open(&school.path("pupil")).unwrap();
    let drafts = pupil.drafts().unwrap();
    assert_eq!(drafts.len(), 1);
    assert_eq!(drafts[0].text, "សួស្តី");
    assert_eq!(drafts[0].assignment, Some(assignment));

    let mut editing = pupil.open_document(doc).unwrap();
    pupil.set_text(&mut editing, "body", "សួស្តី!").unwrap();
    assert!(pupil.undo(&mut editing).unwrap());
    assert_eq!(editing.view().text("body"), Some("សួស្តី"));
    assert!(pupil.redo(&mut editing).unwrap());
    pupil.submit_draft(&mut editing, 1).unwrap();
    pupil
        .set_text(&mut editing, "body", "changed later")
        .unwrap();
    pupil.close_document(editing).unwrap();
    school.sync(&mut pupil).await;
    school.sync(&mut teacher).await;
    let rows = teacher.store().submissions(course, None).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text, "សួស្តី!");
    // The draft itself is nobody else's.
    assert_eq!(teacher.store().document(doc).unwrap(), None);
}

#[tokio::test]
async fn a_crash_after_others_wrote_keeps_both() {
    let school = School::new().await;
    let mut ann = school.join("ann", StaffRoles::TEACHER).await;
    let mut bob = school.join("bob", StaffRoles::TEACHER).await;
    school.sync(&mut ann).await;
    let (course, _) = course(&school, &mut ann).await;
    let bobs = bob.store().account();
    ann.add_staff(course, bobs, Roles::TEACHER).unwrap();
    let mut editing = ann
        .create_document(DocType::Lesson, course, Lane::Staff)
        .unwrap();
    let doc = editing.place().doc;
    ann.set_text(&mut editing, "body", "one two three").unwrap();
    ann.close_document(editing).unwrap();
    school.sync(&mut ann).await;
    school.sync(&mut bob).await;

    // Both type offline; Ann's steps are still in the journal when Bob's change comes
    // and the process dies.
    let mut at_bob = bob.open_document(doc).unwrap();
    bob.set_text(&mut at_bob, "body", "one two three four")
        .unwrap();
    bob.close_document(at_bob).unwrap();
    school.sync(&mut bob).await;
    let mut at_ann = ann.open_document(doc).unwrap();
    assert_eq!(
        ann.open_document(doc).unwrap_err().code(),
        "document.open",
        "two handles would number changes alike"
    );
    ann.set_text(&mut at_ann, "body", "zero one two three")
        .unwrap();
    ann.set_text(&mut at_ann, "title", "Numbers").unwrap();
    school.sync(&mut ann).await;
    drop(at_ann);
    drop(ann);
    let mut ann = Client::open(&school.path("ann")).unwrap();
    assert_eq!(body(&mut ann, doc), "zero one two three four");
    school.sync(&mut ann).await;
    school.sync(&mut bob).await;
    assert_eq!(body(&mut bob, doc), "zero one two three four");
    assert_eq!(
        bob.document_view(doc).unwrap().text("title"),
        Some("Numbers")
    );
}

#[tokio::test]
async fn what_others_write_comes_in_while_somebody_types() {
    let school = School::new().await;
    let mut ann = school.join("ann", StaffRoles::TEACHER).await;
    let mut bob = school.join("bob", StaffRoles::TEACHER).await;
    school.sync(&mut ann).await;
    let (course, _) = course(&school, &mut ann).await;
    let bobs = bob.store().account();
    ann.add_staff(course, bobs, Roles::TEACHER).unwrap();
    let mut at_ann = ann
        .create_document(DocType::Lesson, course, Lane::Staff)
        .unwrap();
    let doc = at_ann.place().doc;
    ann.set_text(&mut at_ann, "body", "ab").unwrap();
    ann.commit(&mut at_ann).unwrap().unwrap();
    school.sync(&mut ann).await;
    school.sync(&mut bob).await;
    let mut at_bob = bob.open_document(doc).unwrap();
    bob.set_text(&mut at_bob, "body", "abc").unwrap();
    bob.close_document(at_bob).unwrap();
    school.sync(&mut bob).await;
    ann.set_text(&mut at_ann, "body", "xab").unwrap();
    school.sync(&mut ann).await;
    assert!(ann.take_up(&mut at_ann).unwrap());
    assert!(!ann.take_up(&mut at_ann).unwrap());
    assert_eq!(at_ann.view().text("body"), Some("xabc"));
    ann.close_document(at_ann).unwrap();
    school.sync(&mut ann).await;
    school.sync(&mut bob).await;
    assert_eq!(body(&mut bob, doc), "xabc");
}

/// Copies an account's folder, as a backup of the phone does.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_restored_phone_doubles_nothing() {
    let school = School::new().await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let mut pupil = school.join("pupil", StaffRoles::default()).await;
    school.sync(&mut teacher).await;
    let (course, assignment) = course(&school, &mut teacher).await;
    teacher.enrol(course, pupil.store().account()).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut pupil).await;
    let mut editing = pupil.create_draft(course, assignment).unwrap();
    let doc = editing.place().doc;
    pupil.set_text(&mut editing, "body", "typed once").unwrap();
    pupil.submit_draft(&mut editing, 1).unwrap();
    pupil.close_document(editing).unwrap();
    drop(pupil);
    let (home, backup) = (school.path("pupil"), school.path("backup"));
    copy(&home, &backup);

    // The phone sends, goes on, and is lost; its backup goes on from the same place.
    let mut pupil = Client::open(&home).unwrap();
    let mut editing = pupil.open_document(doc).unwrap();
    pupil
        .set_text(&mut editing, "body", "typed once, then")
        .unwrap();
    pupil.close_document(editing).unwrap();
    school.sync(&mut pupil).await;
    drop(pupil);
    copy(&backup, &home);
    let mut pupil = Client::open(&home).unwrap();
    let mut editing = pupil.open_document(doc).unwrap();
    pupil
        .set_text(&mut editing, "body", "now typed once")
        .unwrap();
    pupil.commit(&mut editing).unwrap();
    pupil
        .set_text(&mut editing, "body", "now typed once.")
        .unwrap();
    // The open handle lives through the change of its actor.
    school.sync(&mut pupil).await;
    pupil.take_up(&mut editing).unwrap();
    let text = editing.view().text("body").unwrap().to_owned();
    for piece in ["now ", "typed once", ", then", "."] {
        assert_eq!(text.matches(piece).count(), 1, "{piece:?} in {text:?}");
    }
    pupil.close_document(editing).unwrap();
    school.sync(&mut pupil).await;
    school.sync(&mut teacher).await;
    assert_eq!(body(&mut pupil, doc), text);
    let rows = teacher.store().submissions(course, None).unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(pupil.store().unsent().unwrap().waiting, 0);
}

#[tokio::test]
async fn what_a_full_disk_refused_is_saved_once_there_is_space() {
    let school = School::new().await;
    let mut ann = school.join("ann", StaffRoles::TEACHER).await;
    let (course, _) = course(&school, &mut ann).await;
    let create = ann.create_document(DocType::Lesson, course, Lane::Staff);
    let mut editing = create.unwrap();
    let doc = editing.place().doc;
    ann.set_text(&mut editing, "body", "one").unwrap();
    ann.close_document(editing).unwrap();
    drop(ann);
    let disk = Disk::mount(&school.path("ann"));
    let mut ann = Client::open(&school.path("ann")).unwrap();
    let mut editing = ann.open_document(doc).unwrap();
    ann.set_text(&mut editing, "body", "one two").unwrap();
    disk.plan(0, Fault::Full);
    let refused = ann.commit(&mut editing).unwrap_err();
    assert_eq!(refused.code(), "store.no-space");
    let refused = ann.set_text(&mut editing, "body", "one two lost");
    assert_eq!(refused.unwrap_err().code(), "store.no-space");
    disk.repair();
    ann.set_text(&mut editing, "title", "Numbers").unwrap();
    assert!(ann.commit(&mut editing).unwrap().is_some());
    drop(editing);
    drop(ann);
    let mut ann = Client::open(&school.path("ann")).unwrap();
    assert_eq!(body(&mut ann, doc), "one two");
    let view = ann.document_view(doc).unwrap();
    assert_eq!(view.text("title"), Some("Numbers"));
}
