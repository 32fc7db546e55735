//! A relay of an earlier version makes its projections again when it starts.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::collections::BTreeMap;

use stunity_client::{NewAssignment, NewCourse, NewQuestion, NewQuiz};
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
