//! Work travels by whoever passes by.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Client, ClientError, HandedOver, NewGrade, Taken};
use stunity_e2e::{Class, noise};
use stunity_proto::SpaceId;
use stunity_store::{ItemState, ParcelImport, ParcelTo, Span, StoreError};

fn export(client: &mut Client, span: Span, to: &[ParcelTo]) -> Vec<u8> {
    let mut file = Vec::new();
    client.export_parcel(span, to, &mut file).unwrap();
    file
}

fn opened(client: &mut Client, mut file: &[u8]) -> (ParcelImport, bool) {
    match client.take_parcel(&mut file).unwrap() {
        Taken::Opened { import, is_whole } => (import, is_whole),
        Taken::Carried(_) => panic!("the file is for this device"),
    }
}

/// Hands over what a device carries. The call blocks: the relay runs on another
/// thread.
fn hand_over(carrier: &mut Client) -> Vec<HandedOver> {
    tokio::task::block_in_place(|| carrier.hand_over_parcels()).unwrap()
}

fn submissions(class: &Class) -> Vec<String> {
    let rows = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

fn held_of(course: SpaceId) -> Span {
    Span::Held {
        space: course,
        lane: None,
        after: 0,
        to: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_without_a_network_is_handed_in_through_a_classmates_phone() {
    let mut class = Class::new().await;
    let mut classmate = class.classmate("classmate").await;
    let text = noise(1, 1000);
    let essay = class.essay(&text);
    let item = class.pupil.submit(essay).unwrap();
    let file = export(&mut class.pupil, Span::Waiting, &[ParcelTo::Relay]);
    let state = |client: &Client| client.store().item_status(item).unwrap().unwrap().state;
    assert_eq!(state(&class.pupil), ItemState::Carried);

    let taken = classmate.take_parcel(&mut &file[..]).unwrap();
    assert!(matches!(taken, Taken::Carried(_)));
    let answers = hand_over(&mut classmate).remove(0).answers;
    assert_eq!(classmate.store().carried().unwrap(), Vec::new());
    class.school.sync(&mut class.teacher).await;
    assert_eq!(submissions(&class), std::slice::from_ref(&text));

    // The carrier's own sync brings it nothing of what it carried.
    let report = class.school.sync(&mut classmate).await;
    assert_eq!(report.new_entries, 0);

    // The author asks for the results and sends nothing again.
    let report = class.school.sync(&mut class.pupil).await;
    assert!(matches!(state(&class.pupil), ItemState::Received { .. }));
    assert!(report.sent < 600, "{} bytes sent", report.sent);
    assert!(report.received < 800, "{} bytes received", report.received);
    assert_eq!(class.pupil.store().unsent().unwrap().waiting, 0);

    // The answer says the same again, to its author alone.
    assert_eq!(answers.len(), 1);
    let (import, is_whole) = opened(&mut class.pupil, &answers[0]);
    assert!(is_whole);
    assert_eq!((import.receipts, import.left_out), (0, 0), "known by now");
    let refused = classmate.take_parcel(&mut &answers[0][..]);
    assert_eq!(refused.unwrap_err().code(), "store.not-allowed");

    // A second carrier comes later with the same file.
    classmate.take_parcel(&mut &file[..]).unwrap();
    hand_over(&mut classmate);
    class.school.sync(&mut class.teacher).await;
    assert_eq!(submissions(&class), [text]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_and_refusals_come_back_by_file() {
    let mut class = Class::new().await;
    let mut classmate = class.classmate("classmate").await;
    let essay = class.essay("an essay");
    let item = class.pupil.submit(essay).unwrap();
    let forged = NewGrade {
        course: class.course,
        assignment: class.assignment,
        student: class.pupil.store().account(),
        attempt: None,
        points: 1000,
        feedback: String::new(),
        supersedes: Vec::new(),
    };
    class.pupil.grade(forged).unwrap();
    let file = export(&mut class.pupil, Span::Waiting, &[ParcelTo::Relay]);
    classmate.take_parcel(&mut &file[..]).unwrap();
    let answer = hand_over(&mut classmate).remove(0).answers.remove(0);

    let (import, _) = opened(&mut class.pupil, &answer);
    assert!(import.refused > 0);
    let store = class.pupil.store();
    assert_eq!(store.refused().unwrap()[0].code, "role.missing");
    let state = store.item_status(item).unwrap().unwrap().state;
    assert!(
        !matches!(state, ItemState::Queued | ItemState::Carried),
        "{state:?}"
    );
    let again = opened(&mut class.pupil, &answer).0;
    assert_eq!((again.receipts, again.refused), (0, 0));
    let report = class.school.sync(&mut class.pupil).await;
    assert!(report.sent < 500, "{} bytes sent", report.sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_that_never_arrives_costs_one_question() {
    let mut class = Class::new().await;
    let text = noise(2, 1000);
    let essay = class.essay(&text);
    class.pupil.submit(essay).unwrap();
    export(&mut class.pupil, Span::Waiting, &[ParcelTo::Relay]);
    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    assert_eq!(submissions(&class), [text]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_parcels_do_not_block_the_next_session() {
    let mut class = Class::new().await;
    for attempt in 1..=12 {
        let mut essay = class.essay("short");
        essay.attempt = attempt;
        class.pupil.submit(essay).unwrap();
        export(&mut class.pupil, Span::Waiting, &[ParcelTo::Relay]);
    }
    class.school.sync(&mut class.pupil).await;
    assert_eq!(class.pupil.store().unsent().unwrap().waiting, 0);
    class.school.sync(&mut class.teacher).await;
    assert_eq!(submissions(&class).len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_course_passes_from_device_to_device_with_its_receipts() {
    let mut class = Class::new().await;
    let mut classmate = class.classmate("classmate").await;
    class.pupil.submit(class.essay("mine alone")).unwrap();
    class.school.sync(&mut class.pupil).await;
    class
        .teacher
        .publish_lesson(class.course, 1, "Forces", None, "F = ma")
        .unwrap();
    class.school.sync(&mut class.teacher).await;

    let account = classmate.store().account();
    let file = export(
        &mut class.teacher,
        held_of(class.course),
        &[ParcelTo::Account(account)],
    );
    let (import, is_whole) = opened(&mut classmate, &file);
    assert!(is_whole);
    assert_eq!((import.new_entries, import.receipts), (1, 1), "{import:?}");
    let store = classmate.store();
    assert_eq!(store.lessons(class.course).unwrap().len(), 1);
    // Neither the other's work nor what the staff alone read.
    assert_eq!(store.submissions(class.course, None).unwrap().len(), 0);

    let (again, _) = opened(&mut classmate, &file);
    assert_eq!((again.new_entries, again.receipts), (0, 0));
    let report = class.school.sync(&mut classmate).await;
    assert_eq!(report.new_entries, 0, "held already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_file_gives_its_good_parts_and_the_whole_one_the_rest() {
    let mut class = Class::new().await;
    for lesson in 0..12 {
        let text = noise(lesson + 3, 1200);
        class
            .teacher
            .publish_lesson(class.course, lesson, "Lesson", None, &text)
            .unwrap();
    }
    class.school.sync(&mut class.teacher).await;
    let device = class.pupil.store().device();
    let file = export(
        &mut class.teacher,
        held_of(class.course),
        &[ParcelTo::Device(device)],
    );
    let (import, is_whole) = opened(&mut class.pupil, &file[..file.len() * 2 / 3]);
    assert!(!is_whole);
    let some = class.pupil.store().lessons(class.course).unwrap().len();
    assert!((1..12).contains(&some), "{some} lessons: {import:?}");
    let (_, is_whole) = opened(&mut class.pupil, &file);
    assert!(is_whole);
    assert_eq!(class.pupil.store().lessons(class.course).unwrap().len(), 12);

    let mut damaged = file.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let (_, is_whole) = opened(&mut class.pupil, &damaged);
    assert!(!is_whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_recipient_may_not_read_is_not_exported_to_it() {
    let mut class = Class::new().await;
    let classmate = class.classmate("classmate").await;
    class.pupil.submit(class.essay("mine alone")).unwrap();
    class.school.sync(&mut class.pupil).await;
    let me = class.pupil.store().account();
    let span = Span::Held {
        space: class.course,
        lane: Some(stunity_proto::Lane::One(me)),
        after: 0,
        to: None,
    };
    let to = ParcelTo::Account(classmate.store().account());
    // Its devices are not even known here before they are needed.
    let refused = class.pupil.export_parcel(span, &[to], &mut Vec::new());
    assert!(matches!(
        refused,
        Err(ClientError::Store(StoreError::NotFound(_)))
    ));
    let to = ParcelTo::Account(class.teacher.store().account());
    let file = export(&mut class.pupil, span, &[to]);
    let (import, _) = opened(&mut class.teacher, &file);
    assert!(import.new_entries >= 1, "{import:?}");
    assert_eq!(submissions(&class), ["mine alone"]);
    let rows = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    assert_eq!(rows[0].timeliness.code(), "on-time", "by the receipt");
}
