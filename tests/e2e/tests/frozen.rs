//! Databases of earlier versions open, say what they said, and go on.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::Client;
use stunity_e2e::{School, frozen};
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::grades::Standing;
use stunity_proto::SpaceId;

fn only_course(client: &Client) -> SpaceId {
    let courses = client.store().courses().unwrap();
    assert_eq!(courses.len(), 1);
    assert_eq!(courses[0].title_km.as_deref(), Some("រូបវិទ្យា"));
    courses[0].space
}

fn texts(client: &Client, course: SpaceId) -> Vec<String> {
    let work = client.store().submissions(course, None).unwrap();
    work.into_iter().map(|piece| piece.text).collect()
}

/// What the device says on its own.
fn reads_the_teachers_device(teacher: &mut Client) {
    let course = only_course(teacher);
    let store = teacher.store();
    assert_eq!(store.doctor().unwrap(), []);
    let class = store.class_list(course, Roles::STUDENT).unwrap();
    assert_eq!(class[0].name_km.as_deref(), Some("ចាន់ សុខា"));
    assert_eq!(store.lessons(course).unwrap().len(), 2);
    assert_eq!(texts(teacher, course), [frozen::HANDED_IN]);
    let grades = store.grades(course, None).unwrap();
    assert!(
        matches!(grades[0].standing, Standing::Counts(_)),
        "{grades:?}"
    );
    assert!(!store.search("gathers", 10).unwrap().is_empty());
    assert_eq!(store.unsent().unwrap().waiting, 1);
    let photo =
        stunity_proto::blob::Manifest::of(&frozen::PHOTO, "image/jpeg", Some("lens.jpg")).unwrap();
    let held = store.blob_bytes(photo.blob).unwrap();
    assert!(held.is_some_and(|bytes| bytes == frozen::PHOTO));
    let documents = store.documents(course, None).unwrap();
    let view = teacher.document_view(documents[0].doc).unwrap();
    assert_eq!(view.text("body"), Some(frozen::LESSON));
}

fn reads_the_pupils_device(pupil: &mut Client) {
    let course = only_course(pupil);
    let store = pupil.store();
    assert_eq!(store.doctor().unwrap(), []);
    assert_eq!(texts(pupil, course), [frozen::HANDED_IN, frozen::WAITING]);
    assert_eq!(store.releases(course, None).unwrap()[0].points, 850);
    // The second attempt, and the burst that was being typed.
    assert_eq!(store.unsent().unwrap().waiting, 2);
    let drafts = pupil.drafts().unwrap();
    assert_eq!(drafts.len(), 1);
    assert_eq!(drafts[0].text, frozen::TYPED);
}

async fn goes_on(school: &School, teacher: &mut Client, pupil: &mut Client) {
    let course = only_course(teacher);
    let mut tablet = school.join("tablet", StaffRoles::TEACHER).await;
    let account = tablet.store().account();
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    school.sync(pupil).await;
    school.sync(teacher).await;
    school.sync(&mut tablet).await;
    school.sync(pupil).await;
    for device in [&*teacher, &tablet] {
        let store = device.store();
        assert_eq!(texts(device, course), [frozen::HANDED_IN, frozen::WAITING]);
        assert_eq!(store.doctor().unwrap(), []);
        assert_eq!(store.grades(course, None).unwrap().len(), 1);
    }
    assert_eq!(pupil.store().lessons(course).unwrap().len(), 2);
    assert_eq!(pupil.store().unsent().unwrap().waiting, 0);
}

#[tokio::test]
async fn every_frozen_school_opens_and_goes_on() {
    let files = std::fs::read_dir(frozen::folder()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        let (school, mut teacher, mut pupil) = frozen::thaw(&file).await.unwrap();
        reads_the_teachers_device(&mut teacher);
        reads_the_pupils_device(&mut pupil);
        goes_on(&school, &mut teacher, &mut pupil).await;
    }
}
