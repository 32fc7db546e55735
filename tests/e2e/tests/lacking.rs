//! A pack names nothing that its reader lacks: a session in which it does is worth
//! nothing, and all of it comes once more in full.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
use stunity_e2e::Class;
use stunity_proto::Lane;
use stunity_sync::sabotage::{Sabotage, Step};

/// Whether a teacher, who holds the beginning of a pupil's chain, needs all in full
/// after the relay refused an entry in it.
async fn after_a_refusal() -> bool {
    let Class {
        school,
        mut teacher,
        mut pupil,
        course,
        assignment,
    } = Class::new().await;
    pupil
        .comment(course, Lane::All, assignment, "before")
        .unwrap();
    school.sync(&mut pupil).await;
    school.sync(&mut teacher).await;
    // Which a pupil may not.
    pupil
        .moderate(Some(course), assignment, true, "unkind")
        .unwrap();
    school.sync(&mut pupil).await;
    assert_eq!(pupil.store().refused().unwrap().len(), 1);
    pupil
        .comment(course, Lane::All, assignment, "after")
        .unwrap();
    school.sync(&mut pupil).await;
    let report = school.sync(&mut teacher).await;
    assert_eq!(teacher.store().comments(assignment).unwrap().len(), 2);
    report.explicit
}

#[tokio::test]
async fn a_chain_goes_on_over_a_refused_entry_for_its_readers_too() {
    assert!(!after_a_refusal().await);
}

/// Whether a pupil needs all in full whose work arrived, was graded and its grade
/// released before she heard so.
async fn after_a_lost_answer() -> bool {
    let mut class = Class::new().await;
    let item = class.pupil.submit(class.essay("an essay")).unwrap();
    class.pupil.store_mut().seal().unwrap();
    let store = class.pupil.store();
    let attempt = store.item_status(item).unwrap().unwrap().entry.unwrap();
    let work = store.entry(attempt).unwrap().unwrap();
    (class.school.log)
        .append_entries(None, vec![work])
        .await
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    let mut grade = class.mark(900);
    grade.attempt = Some(attempt);
    class.teacher.grade(grade).unwrap();
    class.school.sync(&mut class.teacher).await;
    let report = class.school.sync(&mut class.pupil).await;
    let releases = class.pupil.store().releases(class.course, None).unwrap();
    assert_eq!(releases.len(), 1);
    report.explicit
}

#[tokio::test]
async fn what_a_device_learns_the_number_of_only_now_goes_by_its_id() {
    assert!(!after_a_lost_answer().await);
}

#[tokio::test]
async fn naming_what_is_lacking_is_noticed() {
    let _broken = Sabotage::skip(Step::Lacking);
    assert!(after_a_refusal().await);
    assert!(after_a_lost_answer().await);
}
