//! A phone and a tablet of one person; a phone that was lost.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Client, Link, NewCourse, driver};
use stunity_e2e::School;
use stunity_identity::StaffRoles;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_tablet_joins_its_owners_phone_and_is_revoked() {
    let school = School::new().await;
    let mut phone = school.join("phone", StaffRoles::TEACHER).await;
    school.sync(&mut phone).await;
    let course = NewCourse {
        title: "Physics".into(),
        ..NewCourse::default()
    };
    phone.create_course(course.clone()).unwrap();
    school.sync(&mut phone).await;

    let (folder, relay) = (school.path("tablet"), format!("http://{}", school.address));
    let (at, url) = (folder.clone(), relay.clone());
    let request = blocking(move || Client::ask_to_link(&at, &url))
        .await
        .unwrap();
    let (at, url) = (folder.clone(), relay.clone());
    let again = blocking(move || Client::ask_to_link(&at, &url))
        .await
        .unwrap();
    assert_eq!(request, again, "a request is shown until it is answered");
    let flipped = request.replace("stunity:1:", "stunity:2:");
    assert_eq!(
        phone.admit_device(&flipped).unwrap_err().code(),
        "link.malformed"
    );
    // QR codes are in capitals.
    let answer = phone.admit_device(&request.to_uppercase()).unwrap();
    let mut tablet = Client::finish_link(&folder, &answer).unwrap();
    assert_eq!(tablet.store().account(), phone.store().account());
    school.sync(&mut phone).await;
    school.sync(&mut tablet).await;
    assert_eq!(tablet.store().courses().unwrap().len(), 1);
    assert_eq!(tablet.devices().unwrap().len(), 2);

    tablet.create_course(course.clone()).unwrap();
    school.sync(&mut tablet).await;
    school.sync(&mut phone).await;
    assert_eq!(phone.store().courses().unwrap().len(), 2);

    // Lost: what it made before counts, what it makes later does not reach anybody.
    let lost = tablet.store().device();
    phone.revoke_device(lost, 1).unwrap();
    school.sync(&mut phone).await;
    tablet.create_course(course).unwrap();
    let refused = driver::sync(&mut tablet, &Link::default()).await;
    assert!(
        refused.as_ref().is_err() || !refused.unwrap().rejected.is_empty(),
        "a revoked device was served"
    );
    school.sync(&mut phone).await;
    assert_eq!(phone.store().courses().unwrap().len(), 2);
    let live: Vec<bool> = phone
        .devices()
        .unwrap()
        .iter()
        .map(|row| row.is_live)
        .collect();
    assert_eq!(live.iter().filter(|live| **live).count(), 1);
}
