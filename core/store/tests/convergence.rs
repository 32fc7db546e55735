//! What comes, in whatever order, gives the same; what was written survives.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use proptest::prelude::*;
use stunity_model::Roles;
use stunity_model::timeliness::Timeliness;
use stunity_proto::*;
use stunity_store::*;
use support::*;

#[test]
fn a_course_reaches_its_pupil_and_work_comes_back() {
    let (mut class, mut desk, mut phone) = Class::new();
    let course = phone.course(class.space).unwrap().unwrap();
    assert_eq!(course.title, "Physics");
    assert_eq!(course.roles, Roles::STUDENT);
    assert_eq!(course.students, 1);
    assert_eq!(phone.assignments(class.space).unwrap().len(), 1);

    let lane = Lane::One(class.pupil.account);
    let item = phone
        .enqueue(
            &[event(class.space, lane, submit(object(9), 1, "My essay"))],
            NOW,
        )
        .unwrap()[0];
    let provisional = phone.submissions(class.space, None).unwrap();
    assert_eq!(provisional.len(), 1);
    assert!(provisional[0].provisional);
    assert_eq!(
        phone.item_status(item).unwrap().unwrap().state,
        ItemState::Queued
    );
    assert_eq!(phone.unsent().unwrap().waiting, 1);

    class.relay.take(&mut phone);
    let status = phone.item_status(item).unwrap().unwrap();
    assert!(
        matches!(status.state, ItemState::Received { .. }),
        "{status:?}"
    );
    assert_eq!(phone.unsent().unwrap(), Unsent::default());
    let sent = phone.submissions(class.space, None).unwrap();
    assert_eq!(sent.len(), 1, "the provisional row is replaced");
    assert_eq!(sent[0].timeliness, Timeliness::OnTime);

    class.relay.give(&mut desk);
    let seen = desk.submissions(class.space, None).unwrap();
    assert_eq!(seen, sent);

    // Uploaded here and delivered there: both hold evidence that stands alone.
    let node = class
        .school
        .anchor
        .verify_node(&class.school.chain, NOW)
        .unwrap();
    for store in [&phone, &desk] {
        let mut receipt = store.receipt(status.entry.unwrap()).unwrap().unwrap();
        receipt.verify(&node, NOW).unwrap();
        receipt.index ^= 1;
        assert!(receipt.verify(&node, NOW).is_err());
    }
}

/// Everything that screens show of a course.
fn picture(store: &Store, space: SpaceId) -> String {
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        store.course(space).unwrap().map(|mut course| {
            course.roles = Roles::default();
            course
        }),
        store.class_list(space, Roles(15)).unwrap(),
        store.assignments(space).unwrap(),
        store.submissions(space, None).unwrap(),
        store.grades(space, None).unwrap(),
        store.releases(space, None).unwrap(),
    )
}

/// A log with work, grades and a change of membership.
fn busy_class() -> Class {
    use stunity_model::events::*;
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    phone
        .enqueue(
            &[event(class.space, lane, submit(object(9), 1, "One"))],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    let attempt = desk.submissions(class.space, None).unwrap()[0].entry;
    let grade = |n: u8, points| Grade {
        grade: object(n),
        assignment: object(9),
        student: class.pupil.account,
        attempt: Some(attempt),
        points,
        feedback: "Good".into(),
        supersedes: vec![],
    };
    desk.enqueue(
        &[
            event(class.space, Lane::Staff, grade(20, 7000)),
            event(class.space, Lane::Staff, grade(21, 8000)),
        ],
        NOW,
    )
    .unwrap();
    class.relay.take(&mut desk);
    phone
        .enqueue(
            &[event(class.space, lane, submit(object(9), 2, "Two"))],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);
    desk.enqueue(
        &[event(
            class.space,
            lane,
            Release {
                grade: object(20),
                entry: EntryId([1; 32]),
                header: None,
                assignment: object(9),
                attempt: Some(attempt),
                points: 7000,
                feedback: "Good".into(),
            },
        )],
        NOW,
    )
    .unwrap();
    class.relay.take(&mut desk);
    class
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter(seed in any::<u64>(), cut in 1usize..6) {
        let class = busy_class();
        let reader = class.school.person(3);
        let mut straight = reader.create(&class.path("straight.db"));
        class.relay.give(&mut straight);
        let mut other = reader.create(&class.path("other.db"));
        for part in class.relay.shuffled(seed).chunks(cut) {
            stunity_sync::Replica::apply(&mut other, class.relay.flush(part)).unwrap();
        }
        prop_assert_eq!(picture(&straight, class.space), picture(&other, class.space));
        prop_assert!(straight.grades(class.space, None).unwrap().len() == 1);
        drop(other);
        let mut again = open(&class.path("other.db"));
        prop_assert_eq!(picture(&straight, class.space), picture(&again, class.space));
        again.refold().unwrap();
        prop_assert_eq!(picture(&straight, class.space), picture(&again, class.space));
    }
}

#[test]
fn two_grades_that_do_not_know_each_other_conflict() {
    let class = busy_class();
    let mut reader = class.school.person(3).create(&class.path("reader.db"));
    class.relay.give(&mut reader);
    let grades = reader.grades(class.space, None).unwrap();
    assert_eq!(
        grades[0].standing,
        stunity_model::grades::Standing::Conflict(vec![object(20), object(21)])
    );
    assert_eq!(reader.releases(class.space, None).unwrap()[0].points, 7000);
    assert_eq!(reader.doctor().unwrap(), vec![]);
}

#[test]
fn entries_of_unknown_keys_wait_for_them() {
    let class = busy_class();
    let mut reader = class.school.person(3).create(&class.path("reader.db"));
    let (keys, rest): (Vec<_>, Vec<_>) = class
        .relay
        .log
        .iter()
        .cloned()
        .partition(|(entry, _)| entry.header().lane == Lane::Keys);
    let applied = stunity_sync::Replica::apply(&mut reader, class.relay.flush(&rest)).unwrap();
    assert!(!applied.held.is_empty() && applied.rejected.is_empty());
    assert!(reader.course(class.space).unwrap().is_none());
    stunity_sync::Replica::apply(&mut reader, class.relay.flush(&keys)).unwrap();
    assert!(reader.course(class.space).unwrap().is_some());
    assert_eq!(reader.doctor().unwrap(), vec![]);
}

#[test]
fn a_second_process_is_told_that_the_account_is_open() {
    let (class, _desk, _phone) = Class::new();
    let error = Store::open(Location::File(class.path("teacher.db")), rng(1))
        .err()
        .unwrap();
    assert_eq!(error.code(), "store.in-use");
}

#[test]
fn resync_keeps_own_work_and_reads_the_rest_again() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    phone
        .enqueue(
            &[event(class.space, lane, submit(object(9), 1, "One"))],
            NOW,
        )
        .unwrap();
    phone.resync().unwrap();
    assert_eq!(phone.unsent().unwrap().waiting, 1);
    assert!(phone.course(class.space).unwrap().is_none());
    assert!(stunity_sync::Replica::cursors(&phone).unwrap().is_empty());
    class.relay.give(&mut phone);
    assert!(phone.course(class.space).unwrap().is_some());
    assert!(phone.submissions(class.space, None).unwrap()[0].provisional);
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    assert_eq!(desk.submissions(class.space, None).unwrap().len(), 1);
}

#[test]
fn an_update_that_folds_otherwise_builds_projections_again() {
    let (class, _desk, phone) = Class::new();
    let before = picture(&phone, class.space);
    drop(phone);
    let raw = rusqlite::Connection::open(class.path("pupil.db")).unwrap();
    raw.execute_batch(
        "UPDATE meta SET value = 1 WHERE name = 'fold-version';
         DELETE FROM p_course; DROP TABLE p_lesson;",
    )
    .unwrap();
    drop(raw);
    let phone = open(&class.path("pupil.db"));
    assert_eq!(picture(&phone, class.space), before);
    assert!(phone.lessons(class.space).unwrap().is_empty());
}
