//! Projections are made again: by a relay of an earlier version when it starts, by a
//! device that was damaged when it is asked to.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::collections::BTreeMap;

use stunity_client::{Client, NewAssignment, NewCourse, NewQuestion, NewQuiz};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::rows::TABLES;
use stunity_server::Log;
use stunity_server::db::{Connection, Dialect, Source, sql};

async fn counts(db: &mut Connection) -> BTreeMap<&'static str, i64> {
    let mut out = BTreeMap::new();
    for table in TABLES {
        let count = sql(format!("SELECT COUNT(*) FROM p_{}", table.name));
        let count = count.one(&mut *db).await.unwrap().get(0).unwrap();
        out.insert(table.name, count);
    }
    out
}

#[tokio::test]
async fn projections_of_another_version_are_made_again() {
    let school = School::new().await;
    // Opened a second time, a database elsewhere would have to be named.
    if school.log.database().dialect() != Dialect::Sqlite {
        return;
    }
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let pupil = school.join("pupil", StaffRoles::default()).await;
    school.sync(&mut teacher).await;
    let course = teacher.create_course(NewCourse::default()).unwrap();
    let essay = NewAssignment::default();
    teacher.publish_assignment(course, essay).unwrap();
    let question = NewQuestion {
        text: "Why?".into(),
        options: vec!["a".into(), "b".into()],
        points: 100,
        right: vec![1],
        ..NewQuestion::default()
    };
    let quiz = NewQuiz {
        questions: vec![question],
        ..NewQuiz::default()
    };
    teacher.publish_quiz(course, quiz).unwrap();
    teacher.enrol(course, pupil.store().account()).unwrap();
    school.sync(&mut teacher).await;

    let folder = school.path("relay");
    let source = Source::new(&folder, None).unwrap();
    let mut db = source.connect().await.unwrap();
    let before = counts(&mut db).await;
    assert_eq!((before["assignment"], before["question"]), (2, 1));
    for statement in [
        "DROP TABLE p_question",
        "DELETE FROM p_assignment",
        "UPDATE fold SET version = 1",
    ] {
        sql(statement).execute(&mut db).await.unwrap();
    }
    let again = Log::open_at(&folder, &source).await.unwrap();
    assert_eq!(counts(&mut db).await, before);
    drop(again);
}

#[tokio::test]
async fn a_device_repairs_its_lists_and_its_search_from_its_entries() {
    let school = School::new().await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let course = teacher.create_course(NewCourse::default()).unwrap();
    let lesson = |teacher: &mut Client, title| {
        let made = teacher.publish_lesson(course, 1, title, None, "words");
        made.unwrap();
    };
    lesson(&mut teacher, "Forces");
    school.sync(&mut teacher).await;
    lesson(&mut teacher, "Waves");
    drop(teacher);
    let folder = school.path("teacher");
    let db = rusqlite::Connection::open(folder.join("account.db")).unwrap();
    for statement in ["DELETE FROM p_lesson", "DELETE FROM findable"] {
        db.execute(statement, []).unwrap();
    }
    drop(db);
    let mut teacher = Client::open(&folder).unwrap();
    let found = |teacher: &Client| {
        let store = teacher.store();
        let titles = ["Forces", "Waves"];
        let hits = titles.map(|title| store.search(title, 9).unwrap().len());
        (store.lessons(course).unwrap().len(), hits)
    };
    assert_eq!(found(&teacher), (0, [0, 0]));
    let made = teacher.store_mut().repair().unwrap();
    assert_eq!(found(&teacher), (2, [1, 1]));
    assert!(made.entries > 0 && made.texts >= 2, "{made:?}");
    assert_eq!(teacher.store().doctor().unwrap(), []);
    // What waits to be sent still goes.
    school.sync(&mut teacher).await;
    assert_eq!(teacher.store().unsent().unwrap().waiting, 0);
}
