//! A guardian reads a child's work and grades, while the child or the school
//! allows it, and nothing else.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{NewAssignment, NewCourse, NewGrade, Work};
use stunity_e2e::School;
use stunity_identity::StaffRoles;

const FOREVER: u64 = 1 << 50;

#[tokio::test]
async fn a_guardian_reads_released_work_until_it_is_suspended() {
    let school = School::new().await;
    let offices = StaffRoles::TEACHER.and(StaffRoles::REGISTRAR);
    let mut teacher = school.join("teacher", offices).await;
    let mut child = school.join("child", StaffRoles::default()).await;
    let mut mother = school.join("mother", StaffRoles::default()).await;
    let (me, parent) = (child.store().account(), mother.store().account());
    school.sync(&mut teacher).await;
    let course = NewCourse {
        title: "Physics".into(),
        ..NewCourse::default()
    };
    let course = teacher.create_course(course).unwrap();
    let essay = NewAssignment {
        title: "Essay".into(),
        max_points: 1000,
        ..NewAssignment::default()
    };
    let assignment = teacher.publish_assignment(course, essay).unwrap();
    teacher.enrol(course, me).unwrap();
    teacher.name_guardian(parent, me, FOREVER).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut child).await;
    let mut draft = child.create_draft(course, assignment).unwrap();
    child
        .set_text(&mut draft, "body", "a secret draft")
        .unwrap();
    child.close_document(draft).unwrap();
    let work = Work {
        course,
        assignment,
        attempt: 1,
        text: "my essay".into(),
        blobs: vec![],
    };
    child.submit(work).unwrap();
    school.sync(&mut child).await;
    school.sync(&mut teacher).await;

    // The child sees it; nobody has consented yet.
    let known = child.store().guardianships().unwrap();
    assert_eq!((known.len(), known[0].access.code()), (1, "awaits-consent"));
    school.sync(&mut mother).await;
    assert!(mother.store().courses().unwrap().is_empty());
    assert!(mother.store().child_work(me).is_err());

    child.set_guardian_access(parent, me, true).unwrap();
    school.sync(&mut child).await;
    let grade = NewGrade {
        course,
        assignment,
        student: me,
        attempt: Some(teacher.store().submissions(course, None).unwrap()[0].entry),
        points: 850,
        feedback: "good".into(),
        supersedes: vec![],
    };
    teacher.grade(grade).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut mother).await;
    let rows = mother.store().child_work(me).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].1.status(), rows[0].1.points),
        ("GRADED", Some(850))
    );
    assert_eq!(mother.store().search("essay", 9).unwrap().len(), 2);
    assert!(mother.store().search("secret", 9).unwrap().is_empty());
    assert!(mother.store().grades(course, None).unwrap().is_empty());
    assert_eq!(mother.store().doctor().unwrap(), vec![]);

    // The school suspends it: what comes later does not reach her.
    teacher.set_guardian_access(parent, me, false).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut child).await;
    let known = child.store().guardianships().unwrap();
    assert_eq!(known[0].access.code(), "suspended");
    let later = Work {
        course,
        assignment,
        attempt: 2,
        text: "a later version".into(),
        blobs: vec![],
    };
    child.submit(later).unwrap();
    school.sync(&mut child).await;
    school.sync(&mut mother).await;
    assert!(mother.store().search("version", 9).unwrap().is_empty());
}

#[tokio::test]
async fn nobody_names_a_guardian_but_the_school() {
    let school = School::new().await;
    let mut child = school.join("child", StaffRoles::default()).await;
    let mut stranger = school.join("stranger", StaffRoles::default()).await;
    let (me, other) = (child.store().account(), stranger.store().account());
    stranger.name_guardian(other, me, FOREVER).unwrap();
    stranger.set_guardian_access(other, me, true).unwrap();
    school.sync(&mut stranger).await;
    let refused = stranger.store().refused().unwrap();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|entry| entry.code == "role.missing"));
    school.sync(&mut child).await;
    assert!(child.store().guardianships().unwrap().is_empty());
}
