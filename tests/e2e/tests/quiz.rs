//! A quiz taken offline is marked by the teacher's device; no pupil's device ever
//! holds an answer.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use futures_util::{SinkExt, StreamExt};
use stunity_client::{Client, NewQuestion, NewQuiz, System};
use stunity_e2e::Class;
use stunity_ffi::{Account, Step, SyncReport, begin_sync};
use stunity_model::events::Answer;
use stunity_model::work::Workflow;
use stunity_proto::{ObjectId, SpaceId};
use stunity_store::WorkRow;
use tokio_tungstenite::tungstenite::Message;

const SECRET: &str = "photosynthesis-is-the-answer";

fn question(options: &[&str], right: &[u64], answer: Option<&str>) -> NewQuestion {
    NewQuestion {
        text: "What do plants do?".into(),
        options: options.iter().map(|text| (*text).into()).collect(),
        points: 100,
        right: right.to_vec(),
        answer: answer.map(Into::into),
        ..NewQuestion::default()
    }
}

fn chosen(question: u64, options: &[u64]) -> Answer {
    Answer {
        question,
        options: options.to_vec(),
        text: None,
    }
}

async fn publish(class: &mut Class, attempts: u64, questions: Vec<NewQuestion>) -> ObjectId {
    let quiz = NewQuiz {
        title: "Plants".into(),
        attempts,
        timed_minutes: Some(30),
        questions,
        ..NewQuiz::default()
    };
    let quiz = class.teacher.publish_quiz(class.course, quiz).unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    quiz
}

/// How the pupil's device shows her quiz.
fn of_quiz(pupil: &Client, course: SpaceId, quiz: ObjectId) -> WorkRow {
    let store = pupil.store();
    let rows = store.work(course, Some(store.account())).unwrap();
    let of_quiz = rows.into_iter().find(|row| row.assignment == quiz);
    of_quiz.unwrap()
}

fn contains(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn a_quiz_is_marked_by_the_teachers_device_and_shown_to_the_pupil() {
    let mut class = Class::new().await;
    let questions = vec![
        question(&["grow", "walk", "breathe"], &[0, 2], None),
        question(&["yes", "no"], &[1], None),
    ];
    let quiz = publish(&mut class, 1, questions).await;
    let course = class.course;

    assert_eq!(class.pupil.begin_quiz(course, quiz).unwrap(), 1);
    assert_eq!(
        class.pupil.begin_quiz(course, quiz).unwrap(),
        1,
        "it is open"
    );
    for (answers, last) in [
        (vec![chosen(1, &[1])], false),
        (vec![chosen(1, &[0])], false),
        (vec![chosen(2, &[1])], true),
    ] {
        class
            .pupil
            .answer_quiz(course, quiz, answers, last)
            .unwrap();
    }
    let late = class.pupil.answer_quiz(course, quiz, vec![], true);
    assert_eq!(late.unwrap_err().code(), "quiz.not-begun");
    let more = class.pupil.begin_quiz(course, quiz);
    assert_eq!(more.unwrap_err().code(), "attempts.none-left");

    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    let work = of_quiz(&class.pupil, course, quiz);
    assert_eq!((work.workflow, work.points), (Workflow::Graded, Some(150)));
    assert_eq!(work.status(), "GRADED");
    let attempts = class
        .teacher
        .store()
        .quiz_attempts(course, quiz, None)
        .unwrap();
    assert_eq!(attempts[0].attempt.timing.code(), "within");
    assert!(!attempts[0].attempt.rebooted);

    // Nothing is marked twice, and the next sync has nothing to say.
    assert_eq!(class.teacher.mark_quizzes().unwrap(), 0);

    // A corrected key gives one more mark.
    let key = vec![chosen(1, &[0]), chosen(2, &[1])];
    class.teacher.correct_answer_key(course, quiz, key).unwrap();
    assert_eq!(class.teacher.mark_quizzes().unwrap(), 1);
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    let work = of_quiz(&class.pupil, course, quiz);
    assert_eq!(work.points, Some(200));
}

/// Syncs as a browser's worker does: the host owns the connections.
async fn carry(folder: &std::path::Path) -> SyncReport {
    let account = Account::open_with(folder, System::shared()).unwrap();
    let syncing = begin_sync(account).unwrap();
    loop {
        let (mut socket, _) = tokio_tungstenite::connect_async(syncing.url())
            .await
            .unwrap();
        let mut step = Step::default();
        while !(step.done || step.again) {
            let message = socket.next().await.unwrap().unwrap();
            let Message::Binary(bytes) = message else {
                continue;
            };
            step = syncing.on_frame(bytes.to_vec()).unwrap();
            for bytes in std::mem::take(&mut step.send) {
                socket.send(Message::Binary(bytes.into())).await.unwrap();
            }
        }
        socket.close(None).await.unwrap();
        if step.done {
            return syncing.report();
        }
    }
}

#[tokio::test]
async fn a_teacher_whose_host_owns_the_connection_sends_marks_at_once() {
    let mut class = Class::new().await;
    let quiz = publish(&mut class, 1, vec![question(&["yes", "no"], &[1], None)]).await;
    let course = class.course;
    class.pupil.begin_quiz(course, quiz).unwrap();
    class
        .pupil
        .answer_quiz(course, quiz, vec![chosen(1, &[1])], true)
        .unwrap();
    class.school.sync(&mut class.pupil).await;

    drop(class.teacher);
    let report = carry(&class.school.path("teacher")).await;
    assert!(report.caught_up, "{report:?}");

    class.school.sync(&mut class.pupil).await;
    let work = of_quiz(&class.pupil, course, quiz);
    assert_eq!(work.points, Some(100));
}

#[tokio::test]
async fn no_pupils_device_ever_holds_an_answer_key() {
    let mut class = Class::new().await;
    let questions = vec![
        question(&["grow", "walk"], &[0], None),
        question(&[], &[], Some(SECRET)),
    ];
    let quiz = publish(&mut class, 0, questions).await;
    let course = class.course;
    class.pupil.begin_quiz(course, quiz).unwrap();
    let answers = vec![
        chosen(1, &[0]),
        Answer {
            question: 2,
            options: vec![],
            text: Some("they grow".into()),
        },
    ];
    class
        .pupil
        .answer_quiz(course, quiz, answers, true)
        .unwrap();
    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;

    let teacher = class.teacher.store().quiz(course, quiz).unwrap().unwrap();
    assert_eq!(teacher.key.unwrap()[1].text.as_deref(), Some(SECRET));
    let pupil = class.pupil.store().quiz(course, quiz).unwrap().unwrap();
    assert_eq!((pupil.questions.len(), pupil.key), (2, None));
    assert!(contains(&class.school.path("teacher"), SECRET));
    assert!(!contains(&class.school.path("pupil"), SECRET));

    // A question is left to the teacher: the mark waits for her in `staff`.
    let attempts = class
        .teacher
        .store()
        .quiz_attempts(course, quiz, None)
        .unwrap();
    let mark = attempts[0].mark.unwrap();
    assert_eq!((mark.points, mark.released), (100, false));
    assert_eq!(attempts[0].marking.as_ref().unwrap().open, [2]);
    let work = of_quiz(&class.pupil, course, quiz);
    assert_eq!((work.status(), work.points), ("SUBMITTED", None));
}
