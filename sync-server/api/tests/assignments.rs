//! Assignments, work and grades over REST, and on the devices of the class.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use serde_json::{Value, json};
use stunity_client::{Client, NewCourse, NewQuestion, NewQuiz, Work};
use stunity_e2e::Class;
use stunity_model::grades::Standing;
use stunity_proto::{ObjectId, SpaceId};
use support::{Caller, refused, registered, signed_in, text};

/// A class with a course where grades count that come through an API.
struct Counting {
    class: Class,
    teacher: Caller,
    pupil: Caller,
    course: SpaceId,
}

impl Counting {
    async fn new() -> Self {
        let mut class = Class::new().await;
        let course = NewCourse {
            title: "Optics".into(),
            counts_api_grades: true,
            ..NewCourse::default()
        };
        let course = class.teacher.create_course(course).unwrap();
        let account = class.pupil.store().account();
        class.teacher.enrol(course, account).unwrap();
        class.school.sync(&mut class.teacher).await;
        class.school.sync(&mut class.pupil).await;
        Self {
            teacher: signed_in(&class.school, &class.teacher, "teacher").await,
            pupil: signed_in(&class.school, &class.pupil, "pupil").await,
            class,
            course,
        }
    }

    /// An assignment that the teacher publishes through the API.
    async fn assignment(&self, mut body: Value) -> String {
        body["courseId"] = json!(self.course.to_string());
        body["title"] = json!("Lenses");
        let (status, made) = self.teacher.post("assignments", &body).await;
        assert_eq!(
            (status, text(&made, "state").as_str()),
            (201, "done"),
            "{made}"
        );
        text(&made, "id")
    }

    async fn sync(&mut self) {
        self.class.school.sync(&mut self.class.teacher).await;
        self.class.school.sync(&mut self.class.pupil).await;
        self.class.school.sync(&mut self.class.teacher).await;
    }

    /// The pupil's work as the teacher reads it.
    async fn work(&self, assignment: &str) -> Value {
        let path = format!("assignments/{assignment}/submissions");
        let (status, page) = self.teacher.get(&path).await;
        assert_eq!(status, 200, "{page}");
        page["items"][0].clone()
    }
}

fn essay() -> Value {
    json!({ "type": "TEXT", "maxPoints": 10 })
}

fn work(course: SpaceId, assignment: &str, attempt: u64, text: &str) -> Work {
    Work {
        course,
        assignment: assignment.parse().unwrap(),
        attempt,
        text: text.into(),
        blobs: Vec::new(),
    }
}

fn shown(pupil: &Client, course: SpaceId) -> Vec<u64> {
    let releases = pupil.store().releases(course, None).unwrap();
    releases.iter().map(|release| release.points).collect()
}

#[tokio::test]
async fn a_grade_given_through_the_api_is_on_the_pupils_device_where_the_course_counts_it() {
    let mut school = Counting::new().await;
    let id = school.assignment(essay()).await;
    school.sync().await;
    let (course, pupil) = (school.course, school.class.pupil.store().account());
    let known = school.class.pupil.store().assignments(course).unwrap();
    assert_eq!(
        (known[0].title.as_str(), known[0].max_points),
        ("Lenses", 1000)
    );

    // The pupil hands in by device, the teacher grades by REST.
    school
        .class
        .pupil
        .submit(work(course, &id, 1, "They bend."))
        .unwrap();
    school.sync().await;
    let of_pupil = school.work(&id).await;
    assert_eq!(of_pupil["status"], "SUBMITTED");
    assert_eq!(of_pupil["submissions"][0]["text"], "They bend.");
    let submission = text(&of_pupil["submissions"][0], "id");
    let path = format!("assignments/{id}/submissions/{submission}/grade");
    let body = json!({ "points": 8.5, "feedback": "good" });
    let (status, made) = school.teacher.put(&path, &body).await;
    assert_eq!((status, text(&made, "state").as_str()), (200, "done"));
    school.sync().await;
    assert_eq!(shown(&school.class.pupil, course), [850]);
    let grades = school
        .class
        .teacher
        .store()
        .grades(course, Some(pupil))
        .unwrap();
    assert_eq!(
        grades[0].standing,
        Standing::Counts(text(&made, "id").parse().unwrap())
    );
    let own = school.pupil.get(&format!("assignments/{id}")).await.1;
    assert_eq!(own["work"]["status"], "GRADED");
    assert_eq!(own["work"]["grade"]["points"], 8.5);
    assert_eq!(own["work"]["grade"]["feedback"], "good");
    assert_eq!(
        own["work"]["grades"],
        Value::Null,
        "staff's own words stay with staff"
    );

    // Another grade replaces it; one that does not know it makes a conflict.
    assert_eq!(
        school.teacher.put(&path, &json!({ "points": 9 })).await.0,
        200
    );
    let of_pupil = school.work(&id).await;
    let states: Vec<String> = (of_pupil["grades"].as_array().unwrap().iter())
        .map(|grade| text(grade, "state"))
        .collect();
    assert_eq!(states, ["replaced", "counts"]);
    let choices = format!("assignments/{id}/choices/{pupil}");
    let choose = |grade: &str| json!({ "grade": grade });
    let none = school
        .teacher
        .put(&choices, &choose(&text(&made, "id")))
        .await;
    assert_eq!(refused(none), (409, "grades.no-conflict".into()));
    let mut blind = school.class.mark(700);
    (blind.course, blind.assignment) = (course, id.parse().unwrap());
    let blind = school.class.teacher.grade(blind).unwrap();
    school.sync().await;
    let other = school
        .teacher
        .put(&choices, &choose(&ObjectId([9; 16]).to_string()))
        .await;
    assert_eq!(other.0, 422);
    assert_eq!(
        refused(
            school
                .pupil
                .put(&choices, &choose(&blind.to_string()))
                .await
        )
        .0,
        403
    );
    let chosen = school
        .teacher
        .put(&choices, &choose(&blind.to_string()))
        .await;
    assert_eq!(chosen.0, 200, "{}", chosen.1);
    school.sync().await;
    let grades = school
        .class
        .teacher
        .store()
        .grades(course, Some(pupil))
        .unwrap();
    assert_eq!(grades[0].standing, Standing::Counts(blind));
}

#[tokio::test]
async fn a_grade_through_the_api_waits_where_the_course_does_not_count_it() {
    let mut class = Class::new().await;
    let (course, assignment) = (class.course, class.assignment);
    let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let path = format!("assignments/{assignment}");
    let (status, handed_in) = pupil
        .post(&format!("{path}/submit"), &json!({ "text": "My essay." }))
        .await;
    assert_eq!((status, text(&handed_in, "state").as_str()), (201, "done"));
    class.school.sync(&mut class.teacher).await;
    let held = class
        .teacher
        .store()
        .submissions_to(course, assignment)
        .unwrap();
    assert_eq!(
        (held[0].text.as_str(), held[0].vouched),
        ("My essay.", true)
    );

    let grade = format!("{path}/submissions/{}/grade", text(&handed_in, "entry"));
    let (status, made) = teacher.put(&grade, &json!({ "points": 7 })).await;
    assert_eq!((status, text(&made, "state").as_str()), (202, "pending"));
    for device in [&mut class.teacher, &mut class.pupil] {
        class.school.sync(device).await;
        assert!(shown(device, course).is_empty());
        assert!(device.store().grades(course, None).unwrap().is_empty());
    }
    let (_, page) = teacher.get(&format!("{path}/submissions")).await;
    assert_eq!(page["items"][0]["status"], "SUBMITTED");
    assert_eq!(page["items"][0]["grades"][0]["state"], "pending");
    let (_, waiting) = teacher.get(&format!("courses/{course}/pending")).await;
    let what: Vec<&Value> = (waiting["items"].as_array().unwrap().iter())
        .map(|entry| &entry["events"][0])
        .collect();
    assert_eq!(what, ["Grade", "Release"]);
    assert_eq!(
        refused(pupil.get(&format!("courses/{course}/pending")).await).0,
        403
    );

    // The teacher's device gives effect to it.
    for row in class.teacher.store().pending(Some(course)).unwrap() {
        class.teacher.accept_pending(row.entry).unwrap();
    }
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    assert_eq!(shown(&class.pupil, course), [700]);
    let grades = class.teacher.store().grades(course, None).unwrap();
    assert_eq!(
        grades[0].standing,
        Standing::Counts(text(&made, "id").parse().unwrap())
    );
    let (_, page) = teacher.get(&format!("{path}/submissions")).await;
    assert_eq!(page["items"][0]["status"], "GRADED");
    assert_eq!(page["items"][0]["grades"][0]["state"], "counts");

    // So do assignments.
    let body =
        json!({ "courseId": course.to_string(), "title": "Late", "type": "LINK", "maxPoints": 1 });
    let (status, made) = teacher.post("assignments", &body).await;
    assert_eq!((status, text(&made, "state").as_str()), (202, "pending"));
    assert_eq!(
        teacher
            .get(&format!("assignments/{}", text(&made, "id")))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_pupil_forges_no_grade_and_sees_no_work_of_others() {
    let mut class = Class::new().await;
    let mut sophea = class.classmate("sophea").await;
    let course = class.course;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let other = signed_in(&class.school, &sophea, "sophea").await;
    let stranger = registered(&class.school, "stranger").await;
    let path = format!("assignments/{}", class.assignment);
    let body = json!({ "text": "Mine." });
    let (_, handed_in) = pupil.post(&format!("{path}/submit"), &body).await;
    let submission = format!("{path}/submissions/{}", text(&handed_in, "entry"));
    let account = class.pupil.store().account();
    let grade = json!({ "points": 10 });
    for (answer, what) in [
        (pupil.put(&format!("{submission}/grade"), &grade).await, "an own grade"),
        (pupil.post(&format!("{submission}/return"), &json!({})).await, "a return"),
        (
            pupil.put(&format!("{path}/extensions/{account}"), &json!({ "dueMs": 1 })).await,
            "an extension",
        ),
        (pupil.delete(&path).await, "withdrawing"),
        (
            pupil.put(&path, &json!({ "title": "x", "type": "TEXT", "maxPoints": 1 })).await,
            "another assignment",
        ),
        (
            pupil
                .post(
                    "assignments",
                    &json!({ "courseId": course.to_string(), "title": "x", "type": "TEXT", "maxPoints": 1 }),
                )
                .await,
            "a new assignment",
        ),
    ] {
        assert_eq!(refused(answer), (403, "role.missing".into()), "{what}");
    }
    for caller in [&other, &stranger] {
        assert_eq!(
            caller.put(&format!("{submission}/grade"), &grade).await.0,
            404
        );
        assert_eq!(
            caller
                .post(&format!("{submission}/return"), &json!({}))
                .await
                .0,
            404
        );
    }
    let (_, own) = other.get(&format!("{path}/submissions")).await;
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!(own["items"][0]["submissions"], json!([]));
    assert_eq!(stranger.get(&path).await.0, 404);
    assert_eq!(stranger.get(&format!("{path}/submissions")).await.0, 404);
    assert_eq!(
        refused(stranger.post(&format!("{path}/submit"), &body).await).0,
        404
    );
    assert_eq!(stranger.get("assignments").await.1["items"], json!([]));
    for device in [&mut class.teacher, &mut class.pupil, &mut sophea] {
        class.school.sync(device).await;
        assert!(shown(device, course).is_empty());
        assert!(device.store().grades(course, None).unwrap().is_empty());
    }
}

#[tokio::test]
async fn work_is_late_or_missing_by_the_relays_time_and_extensions_move_it() {
    let mut school = Counting::new().await;
    let id = school
        .assignment(json!({ "type": "TEXT", "maxPoints": 10, "dueMs": 1, "attempts": 2 }))
        .await;
    assert_eq!(school.work(&id).await["status"], "MISSING");
    let submit = format!("assignments/{id}/submit");
    assert_eq!(
        school
            .pupil
            .post(&submit, &json!({ "text": "Late." }))
            .await
            .0,
        201
    );
    let late = school.work(&id).await;
    assert_eq!(
        (&late["status"], &late["timeliness"]),
        (&json!("LATE"), &json!("late"))
    );
    assert_eq!(late["attemptsLeft"], 1);

    let student = school.class.pupil.store().account();
    let extension = format!("assignments/{id}/extensions/{student}");
    let due = json!({ "dueMs": 4_000_000_000_000u64 });
    assert_eq!(school.teacher.put(&extension, &due).await.0, 200);
    let nobody = format!("assignments/{id}/extensions/{}", "0".repeat(32));
    assert_eq!(school.teacher.put(&nobody, &due).await.0, 404);
    let extended = school.work(&id).await;
    assert_eq!(
        (&extended["status"], &extended["extended"]),
        (&json!("SUBMITTED"), &json!(true))
    );

    // Given back, it is pending again; the device says the same throughout.
    let submission = text(&extended["submissions"][0], "id");
    let back = format!("assignments/{id}/submissions/{submission}/return");
    assert_eq!(
        school
            .teacher
            .post(&back, &json!({ "feedback": "More." }))
            .await
            .0,
        201
    );
    let returned = school.work(&id).await;
    assert_eq!(
        (&returned["status"], &returned["submissions"][0]["returned"]),
        (&json!("PENDING"), &json!("More."))
    );
    school.sync().await;
    let on_device = school
        .class
        .teacher
        .store()
        .work(school.course, Some(student))
        .unwrap();
    assert_eq!(on_device[0].status(), "PENDING");
    assert_eq!(
        on_device[0].timeliness.code(),
        text(&returned, "timeliness")
    );
    assert_eq!(
        school
            .pupil
            .post(&submit, &json!({ "text": "More." }))
            .await
            .0,
        201
    );
    let more = school
        .pupil
        .post(&submit, &json!({ "text": "And more." }))
        .await;
    assert_eq!(refused(more), (409, "attempts.none-left".into()));
}

#[tokio::test]
async fn each_type_asks_for_its_own_content() {
    let school = Counting::new().await;
    for (kind, body, field) in [
        ("TEXT", json!({}), "text"),
        ("LINK", json!({ "link": "javascript:alert(1)" }), "link"),
        ("FILE", json!({ "text": "here" }), "files"),
        ("FILE", json!({ "files": ["00".repeat(32)] }), "files[0]"),
        ("VIDEO", json!({ "text": "see above" }), "text"),
        (
            "TEXT",
            json!({ "text": "a", "answers": [{ "question": 1 }] }),
            "answers",
        ),
        ("TEXT", json!({ "text": "x".repeat(48 * 1024 + 1) }), "text"),
    ] {
        let id = school
            .assignment(json!({ "type": kind, "maxPoints": 1 }))
            .await;
        let (status, problem) = school
            .pupil
            .post(&format!("assignments/{id}/submit"), &body)
            .await;
        assert_eq!(
            (status, text(&problem["errors"][0], "field").as_str()),
            (422, field),
            "{problem}"
        );
    }
    let id = school
        .assignment(json!({ "type": "LINK", "maxPoints": 1 }))
        .await;
    let link = json!({ "link": "https://example.org/essay" });
    assert_eq!(
        school
            .pupil
            .post(&format!("assignments/{id}/submit"), &link)
            .await
            .0,
        201
    );
    for (body, field) in [
        (json!({ "type": "TEXT", "title": "x" }), "maxPoints"),
        (
            json!({ "type": "TEXT", "title": "x", "maxPoints": -1 }),
            "maxPoints",
        ),
        (
            json!({ "type": "TEXT", "title": "", "maxPoints": 1 }),
            "title",
        ),
        (json!({ "type": "QUIZ", "title": "x" }), "questions"),
        (
            json!({ "type": "QUIZ", "title": "x", "questions": [
                { "text": "?", "points": 1, "options": ["a"], "right": [1] } ] }),
            "questions[0].right",
        ),
    ] {
        let mut body = body;
        body["courseId"] = json!(school.course.to_string());
        let (status, problem) = school.teacher.post("assignments", &body).await;
        assert_eq!(
            (status, text(&problem["errors"][0], "field").as_str()),
            (422, field),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_quiz_over_rest_shows_pupils_no_answers_and_is_marked_by_the_teachers_device() {
    let mut school = Counting::new().await;
    let quiz = json!({ "type": "QUIZ", "attempts": 1, "questions": [
        { "text": "What bends?", "options": ["light", "time"], "right": [0], "points": 2 },
        { "text": "Why?", "points": 1, "options": ["yes", "no"], "right": [1] },
    ] });
    let id = school.assignment(quiz).await;
    let path = format!("assignments/{id}");
    let (_, asked) = school.pupil.get(&path).await;
    assert_eq!(asked["maxPoints"], 3.0);
    assert_eq!(asked["questions"][0]["options"], json!(["light", "time"]));
    assert!(!asked.to_string().contains("right"), "{asked}");
    assert_eq!(
        school.teacher.get(&path).await.1["questions"][0]["right"],
        json!([0])
    );

    let submit = format!("{path}/submit");
    let (status, problem) = (school.pupil)
        .post(&submit, &json!({ "answers": [{ "question": 7 }] }))
        .await;
    assert_eq!(
        (status, text(&problem["errors"][0], "field").as_str()),
        (422, "answers[0].question")
    );
    let first = json!({ "answers": [{ "question": 1, "options": [1] }], "handIn": false });
    assert_eq!(school.pupil.post(&submit, &first).await.0, 201);
    assert_eq!(school.work(&id).await["openAttempt"], 1);
    let last = json!({ "answers": [
        { "question": 1, "options": [0] }, { "question": 2, "options": [1] } ] });
    assert_eq!(school.pupil.post(&submit, &last).await.0, 201);
    let again = school.pupil.post(&submit, &last).await;
    assert_eq!(refused(again), (409, "attempts.none-left".into()));

    school.sync().await;
    school.sync().await;
    let (_, page) = school.pupil.get(&format!("{path}/submissions")).await;
    let own = &page["items"][0];
    assert_eq!(
        (&own["status"], &own["grade"]["points"]),
        (&json!("GRADED"), &json!(3.0))
    );
    let quiz = &own["submissions"][0]["quiz"];
    assert_eq!(quiz["answers"][0]["options"], json!([0]));
    assert_eq!(quiz["markedPoints"], 3.0);

    // A corrected key is marked anew.
    let key = json!({ "answers": [{ "question": 1, "options": [1] }, { "question": 2, "options": [1] }] });
    assert_eq!(
        school.teacher.put(&format!("{path}/answers"), &key).await.0,
        200
    );
    school.sync().await;
    school.sync().await;
    assert_eq!(school.work(&id).await["grade"]["points"], 1.0);
}

#[tokio::test]
async fn what_a_device_publishes_and_grades_is_in_every_answer() {
    let mut class = Class::new().await;
    let quiz = NewQuiz {
        title: "Plants".into(),
        questions: vec![NewQuestion {
            text: "What do plants do?".into(),
            options: vec!["grow".into(), "walk".into()],
            points: 100,
            right: vec![0],
            ..NewQuestion::default()
        }],
        ..NewQuiz::default()
    };
    let quiz = class.teacher.publish_quiz(class.course, quiz).unwrap();
    class.pupil.submit(class.essay("Mine.")).unwrap();
    class.school.sync(&mut class.pupil).await;
    class.teacher.grade(class.mark(900)).unwrap();
    class.school.sync(&mut class.teacher).await;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let of_course = format!("assignments?courseId={}&limit=1", class.course);
    let (_, first) = pupil.get(&of_course).await;
    let cursor = text(&first, "nextCursor");
    let (_, second) = pupil.get(&format!("{of_course}&cursor={cursor}")).await;
    let ids = [&first, &second].map(|page| text(&page["items"][0], "id"));
    let mut expected = [quiz, class.assignment].map(|id| id.to_string());
    expected.sort();
    assert_eq!(std::collections::BTreeSet::from(ids), expected.into());
    assert_eq!(second["nextCursor"], Value::Null);
    let essay = pupil
        .get(&format!("assignments/{}", class.assignment))
        .await
        .1;
    assert_eq!(essay["work"]["grade"]["points"], 9.0);
    assert_eq!(
        essay["work"]["grade"]["gradedBy"],
        class.teacher.store().account().to_string()
    );
    let quiz = pupil.get(&format!("assignments/{quiz}")).await.1;
    assert_eq!(quiz["questions"][0]["text"], "What do plants do?");

    // Withdrawn, it stays where something was handed in.
    let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
    let (status, stated) = teacher
        .delete(&format!("assignments/{}", class.assignment))
        .await;
    assert_eq!((status, text(&stated, "state").as_str()), (202, "pending"));
}
