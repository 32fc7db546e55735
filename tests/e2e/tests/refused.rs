//! What a device wrote and the relay refuses, through the app's own outbox: it stays
//! with its author, and holds nothing up.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::Client;
use stunity_e2e::{Class, CutLink, noise};
use stunity_model::Roles;
use stunity_proto::{Lane, ObjectId};
use stunity_store::ItemState;

/// What this device shows of the comments on something.
fn comments(client: &Client, about: ObjectId) -> Vec<String> {
    let rows = client.store().comments(about).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

#[tokio::test]
async fn the_third_of_five_entries_is_refused_and_the_others_come_through_over_cuts() {
    let class = Class::new().await;
    let (school, course, assignment) = (class.school, class.course, class.assignment);
    let (mut teacher, mut pupil) = (class.teacher, class.pupil);
    let account = pupil.store().account();

    // Five entries of one chain; a pupil may not hide anything.
    let mut said = Vec::new();
    for n in 1..=5 {
        if n == 3 {
            pupil
                .moderate(Some(course), assignment, true, "unkind")
                .unwrap();
        } else {
            said.push(noise(n, 230));
            let text = &said[said.len() - 1];
            pupil.comment(course, Lane::All, assignment, text).unwrap();
        }
        assert_eq!(pupil.store_mut().seal().unwrap(), 1);
    }
    let link = CutLink::new(school.address, 4_096).await;
    link.sync(&mut pupil, |_| {}).await;
    assert!(link.connections() > 2, "cut more than once within the five");

    // As after a kill.
    drop(pupil);
    let mut pupil = Client::open(&school.path("pupil")).unwrap();

    // All but the third are everywhere; the third is with its author alone, explained.
    school.sync(&mut teacher).await;
    assert_eq!(comments(&teacher, assignment).len(), 4);
    let mut shown = comments(&pupil, assignment);
    shown.sort();
    said.sort();
    assert_eq!(shown, said);
    let refused = pupil.store().refused().unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].code, "role.missing");
    assert!(!refused[0].tombstone.is_empty());
    let items = pupil.store().items(20).unwrap();
    let states = items.iter().map(|item| &item.state);
    let refused_items = states.filter(|state| matches!(state, ItemState::Refused { .. }));
    assert_eq!(refused_items.count(), 1);

    // The chain goes on, and nothing is sent twice.
    pupil
        .comment(course, Lane::All, assignment, "a sixth")
        .unwrap();
    let report = school.sync(&mut pupil).await;
    assert!(report.caught_up && report.rejected.is_empty());
    school.sync(&mut teacher).await;
    assert_eq!(comments(&teacher, assignment).len(), 5);

    // Once the author may, what was refused can be sent again.
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    school.sync(&mut teacher).await;
    school.sync(&mut pupil).await;
    let id = refused[0].entry.id();
    pupil.store_mut().retry_refused(id).unwrap();
    let report = school.sync(&mut pupil).await;
    assert!(report.rejected.is_empty(), "{:?}", report.rejected);
    assert!(pupil.store().refused().unwrap().is_empty());
    for device in [&pupil, &teacher] {
        assert!(device.store().doctor().unwrap().is_empty());
    }
}
