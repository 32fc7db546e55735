//! Bytes and round trips, exact: sessions in lock step.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_bench::wire::account::in_one_piece;
use stunity_bench::wire::class::{CHANGED, Class, DOCUMENTS, saves, student};
use stunity_bench::wire::course::Course;
use stunity_bench::wire::cut::through_cuts;
use stunity_bench::wire::exchange::{Carries, exchange, exchange_over};
use stunity_bench::wire::{
    CUT, CUT_COST, CUT_SHORT, NOTHING_NEW, RECONNECT, first_sync_budget, joining_budget,
};
use stunity_e2e::School;

#[tokio::test]
async fn a_first_sync_and_a_reconnect_are_one_round_trip_each() {
    let mut class = Class::new(3, DOCUMENTS, 1).await.unwrap();
    class.school.sync(&mut class.here).await;
    // Its packs were made for a session that was cut before anything came.
    let device = &mut class.there[0];
    let lost = exchange_over(&class.school, device, Carries::HelloAndUp).await;
    assert!(lost.unwrap().is_cut);
    assert_eq!(class.packs_shared(), 0);
    let first = exchange(&class.school, &mut class.there[0]).await.unwrap();
    assert_eq!(first.round_trips, 1);
    assert!(class.packs_shared() >= 6, "{}", class.packs_shared());
    let pieces = in_one_piece(&saves(&class.there[0], &class.documents).unwrap()).unwrap();
    let budget = first_sync_budget(pieces);
    assert!(first.bytes() <= budget, "{} > {budget}", first.bytes());

    let (ours, theirs) = class.edit_apart().unwrap();
    class.school.sync(&mut class.there[0]).await;
    let again = exchange(&class.school, &mut class.here).await.unwrap();
    assert_eq!(again.round_trips, 1);
    assert_eq!(again.new_entries as usize, CHANGED);
    assert!(again.bytes() <= RECONNECT, "{} bytes", again.bytes());
    class.school.sync(&mut class.there[0]).await;
    for doc in ours.iter().chain(&theirs) {
        let read = |client: &mut stunity_client::Client| client.document_view(*doc).unwrap();
        assert_eq!(read(&mut class.here), read(&mut class.there[0]));
    }

    let nothing = exchange(&class.school, &mut class.here).await.unwrap();
    assert_eq!((nothing.round_trips, nothing.new_entries), (1, 0));
    assert!(nothing.bytes() <= NOTHING_NEW, "{} bytes", nothing.bytes());
}

#[tokio::test]
async fn a_first_sync_that_is_cut_every_20_kb_costs_less_than_a_fifth_more() {
    let mut class = Class::new(4, DOCUMENTS, 3).await.unwrap();
    class.school.sync(&mut class.here).await;
    let [uncut, cut, short] = &mut class.there[..] else {
        panic!("three readers");
    };
    let whole = through_cuts(&class.school, uncut, None).await.unwrap();
    let carried = through_cuts(&class.school, cut, Some(CUT)).await.unwrap();
    assert!(carried.connections > 10, "{carried:?}");
    let most = whole.bytes as f64 * CUT_COST;
    assert!(carried.bytes as f64 <= most, "{carried:?} after {whole:?}");
    // Links so short still bring everything.
    let carried = through_cuts(&class.school, short, Some(CUT_SHORT))
        .await
        .unwrap();
    assert!(carried.connections > 50, "{carried:?}");
    for device in [&class.there[1], &class.there[2]] {
        assert_eq!(
            saves(device, &class.documents).unwrap(),
            saves(&class.there[0], &class.documents).unwrap()
        );
    }
}

#[tokio::test]
async fn joining_a_course_takes_less_than_the_signatures_and_salts_of_its_entries() {
    let mut course = Course::new(5, 3, 60).await.unwrap();
    let [reader, cut] = &mut course.readers;
    let joined = exchange(&course.school, reader).await.unwrap();
    assert_eq!(joined.round_trips, 1);
    assert!(joined.new_entries > 180, "{}", joined.new_entries);
    let budget = joining_budget(joined.new_entries as usize);
    assert!(joined.bytes() <= budget, "{} > {budget}", joined.bytes());
    // And over links that break within a few slices.
    let carried = through_cuts(&course.school, cut, Some(CUT_SHORT)).await;
    let carried = carried.unwrap();
    assert!(carried.connections > 3, "{carried:?}");
    let read = |device| saves(device, &course.lessons).unwrap();
    for device in [&*reader, cut] {
        assert!(read(device) == read(&course.author));
    }
}

#[tokio::test]
async fn nothing_new_for_a_student_is_one_round_trip_of_few_bytes() {
    let school = School::new().await;
    let mut device = student(&school).await.unwrap();
    let nothing = exchange(&school, &mut device).await.unwrap();
    assert_eq!((nothing.round_trips, nothing.new_entries), (1, 0));
    assert!(nothing.bytes() <= NOTHING_NEW, "{} bytes", nothing.bytes());
}
