//! A phone and a tablet of one person; a phone that was lost.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Accounts, Client, Joining, Link, NewCourse, driver};
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

#[tokio::test]
async fn a_family_shares_a_phone() {
    let school = School::new().await;
    let accounts = Accounts::at(&school.path("phone"));
    assert_eq!(accounts.list().unwrap(), Vec::<String>::new());
    assert_eq!(accounts.current().unwrap(), None);
    for name in ["", ".", "a/b", "ភូមិ"] {
        assert_eq!(accounts.folder(name).unwrap_err().code(), "account.name");
    }

    let mut phones = Vec::new();
    for name in ["sokha", "dara"] {
        let folder = accounts.folder(name).unwrap();
        let code = school.log.invite(StaffRoles::TEACHER, None).await.unwrap();
        let code = code.iter().map(|byte| format!("{byte:02x}")).collect();
        let relay = format!("http://{}", school.address);
        let joining = Joining::Invitation(code);
        let joined = blocking(move || Client::join(&folder, &relay, &joining, None)).await;
        phones.push(joined.unwrap());
        accounts.switch(name).unwrap();
    }
    assert_eq!(accounts.list().unwrap(), ["dara", "sokha"]);
    assert_eq!(accounts.current().unwrap().as_deref(), Some("dara"));
    assert_ne!(phones[0].store().account(), phones[1].store().account());

    // What waits in one account's outbox waits there, whoever has the phone.
    let course = NewCourse {
        title: "Physics".into(),
        ..NewCourse::default()
    };
    phones[0].create_course(course).unwrap();
    drop(phones);
    accounts.switch("sokha").unwrap();
    let current = accounts.current().unwrap().unwrap();
    let mut phone = Client::open(&accounts.folder(&current).unwrap()).unwrap();
    assert!(phone.store().unsent().unwrap().waiting > 0);
    school.sync(&mut phone).await;
    let other = Client::open(&accounts.folder("dara").unwrap()).unwrap();
    assert_eq!(phone.store().courses().unwrap().len(), 1);
    assert!(other.store().courses().unwrap().is_empty());

    let unknown = accounts.switch("vanna").unwrap_err();
    assert_eq!(unknown.code(), "account.unknown");
    drop(phone);
    std::fs::remove_dir_all(accounts.folder("sokha").unwrap()).unwrap();
    assert_eq!(accounts.current().unwrap(), None);
}
