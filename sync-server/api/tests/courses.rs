//! What devices write is in the API's answers, and the reverse.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use serde_json::{Value, json};
use stunity_client::NewCourse;
use stunity_e2e::Class;
use stunity_model::Roles;
use stunity_model::events::{Comment, CourseOffer, CoursePublish};
use stunity_proto::{Lane, ObjectId};
use stunity_server::log::Vouch;
use stunity_sync::replica::Outcome;
use support::{Caller, refused, registered, signed_in, text};

fn page(title: &str, published: bool) -> CoursePublish {
    CoursePublish {
        title: title.into(),
        title_km: None,
        description: String::new(),
        description_km: None,
        category: "science".into(),
        level: 1,
        published,
    }
}

#[tokio::test]
async fn who_enrols_through_the_api_is_in_the_teachers_class_list_and_reads_the_lessons() {
    let mut class = Class::new().await;
    let open = NewCourse {
        title: "Open to all".into(),
        open: true,
        ..NewCourse::default()
    };
    let open = class.teacher.create_course(open).unwrap();
    for course in [class.course, open] {
        class
            .teacher
            .state(course, Lane::All, page("Published", true))
            .unwrap();
    }
    class
        .teacher
        .publish_lesson(open, 1, "First", None, "Light *bends*.")
        .unwrap();
    class.school.sync(&mut class.teacher).await;

    let caller = registered(&class.school, "sok").await;
    let (status, courses) = caller.get("courses").await;
    assert_eq!(
        (status, courses["items"].as_array().unwrap().len()),
        (200, 2)
    );
    assert_eq!(courses["items"][0]["level"], "INTERMEDIATE");
    let (path, closed) = (
        format!("courses/{open}"),
        format!("courses/{}", class.course),
    );
    assert_eq!(
        caller.get(&format!("{path}/lessons")).await.1["code"],
        "member.missing"
    );
    let (status, problem) = caller.post(&format!("{closed}/enroll"), &json!({})).await;
    assert_eq!(
        (status, text(&problem, "code").as_str()),
        (403, "enrolment.closed")
    );
    let (status, stated) = caller.post(&format!("{path}/enroll"), &json!({})).await;
    assert_eq!((status, text(&stated, "state").as_str()), (201, "done"));
    assert_eq!(
        caller.post(&format!("{path}/enroll"), &json!({})).await.0,
        409
    );
    assert_eq!(caller.get(&path).await.1["roles"], json!(["STUDENT"]));
    let (_, lessons) = caller.get(&format!("{path}/lessons")).await;
    assert_eq!(lessons["items"][0]["content"], "Light *bends*.");

    class.school.sync(&mut class.teacher).await;
    let pupils = class
        .teacher
        .store()
        .class_list(open, Roles::STUDENT)
        .unwrap();
    let me = caller.get("users/me").await.1;
    assert_eq!(pupils.len(), 1);
    assert_eq!(pupils[0].account.to_string(), text(&me, "id"));
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_and_hide_what_is_not_published() {
    let mut class = Class::new().await;
    for n in 0..5 {
        let title = format!("Course {n}");
        let course = class.teacher.create_course(NewCourse::default()).unwrap();
        class
            .teacher
            .state(course, Lane::All, page(&title, n != 2))
            .unwrap();
    }
    class.school.sync(&mut class.teacher).await;
    let caller = registered(&class.school, "sok").await;
    let mut titles = Vec::new();
    let mut path = "courses?limit=2".to_owned();
    loop {
        let (status, page) = caller.get(&path).await;
        assert_eq!(status, 200, "{page}");
        titles.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| text(c, "title")),
        );
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("courses?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    titles.sort();
    assert_eq!(
        titles,
        ["Course 0", "Course 1", "Course 3", "Course 4", "Physics"]
    );
    for (query, code) in [
        ("limit=0", "limit.range"),
        ("limit=101", "limit.range"),
        ("limit=many", "query.malformed"),
        ("cursor=none", "cursor.malformed"),
        ("cursor=' OR 1=1 --", "cursor.malformed"),
    ] {
        let query = query.replace(' ', "%20");
        let (status, problem) = caller.get(&format!("courses?{query}")).await;
        assert_eq!(
            (status, text(&problem, "code").as_str()),
            (400, code),
            "{query}"
        );
    }
    for id in ["00", "../..", &"0".repeat(32)] {
        assert_eq!(
            caller
                .get(&format!("courses/{}", id.replace('/', "%2f")))
                .await
                .0,
            404,
            "{id}"
        );
    }
}

#[tokio::test]
async fn what_a_teacher_publishes_through_the_api_is_on_the_pupils_device() {
    let mut class = Class::new().await;
    let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let path = format!("courses/{}", class.course);
    let page = json!({
        "title": "Optics", "description": "Light", "category": "science",
        "level": "ADVANCED", "published": true,
    });
    assert_eq!(teacher.put(&path, &page).await.0, 200);
    let lesson = json!({ "title": "Lenses", "content": "They *bend*.", "minutes": 20, "order": 2 });
    let (status, made) = teacher.post(&format!("{path}/lessons"), &lesson).await;
    assert_eq!((status, text(&made, "state").as_str()), (201, "done"));
    let lesson_path = format!("{path}/lessons/{}", text(&made, "id"));

    class.school.sync(&mut class.pupil).await;
    let course = class.pupil.store().course(class.course).unwrap().unwrap();
    assert_eq!((course.title.as_str(), course.level), ("Optics", 2));
    let lessons = class.pupil.store().lessons(class.course).unwrap();
    assert_eq!(
        (
            lessons[0].title.as_str(),
            lessons[0].minutes,
            lessons[0].place
        ),
        ("Lenses", 20, 2)
    );

    // A pupil publishes nothing, and sees nothing that was withdrawn.
    for (answer, what) in [
        (pupil.put(&path, &page).await, "a page"),
        (pupil.delete(&path).await, "withdrawing"),
        (
            pupil.post(&format!("{path}/lessons"), &lesson).await,
            "a lesson",
        ),
        (pupil.put(&lesson_path, &lesson).await, "another lesson"),
        (pupil.delete(&lesson_path).await, "withdrawing a lesson"),
        (
            pupil.get(&format!("{path}/members")).await,
            "the class list",
        ),
    ] {
        assert_eq!(refused(answer), (403, "role.missing".into()), "{what}");
    }
    assert_eq!(teacher.delete(&lesson_path).await.0, 200);
    assert_eq!(pupil.get(&lesson_path).await.0, 404);
    assert_eq!(teacher.get(&lesson_path).await.1["published"], false);
    assert_eq!(teacher.delete(&path).await.0, 200);
    let stranger = registered(&class.school, "stranger").await;
    assert_eq!(stranger.get(&path).await.0, 404);
    assert_eq!(pupil.get(&path).await.1["published"], false);

    // Each wrong field is named.
    let wrong = json!({ "title": "", "minutes": 2_000_000, "resources": ["x"] });
    let (status, problem) = teacher.post(&format!("{path}/lessons"), &wrong).await;
    let fields: Vec<String> = (problem["errors"].as_array().unwrap().iter())
        .map(|error| text(error, "field"))
        .collect();
    assert_eq!(
        (status, fields.join(" ").as_str()),
        (422, "title minutes resources[0]")
    );
    assert_eq!(teacher.put(&path, &json!({ "name": "x" })).await.0, 422);
}

#[tokio::test]
async fn progress_is_the_same_in_the_api_and_on_devices_and_leaving_ends_membership() {
    let mut class = Class::new().await;
    let lesson = (class.teacher)
        .publish_lesson(class.course, 1, "First", None, "Read.")
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let path = format!("courses/{}", class.course);
    assert_eq!(pupil.get(&path).await.1["enrolment"]["progress"], 0);
    let complete = format!("{path}/lessons/{lesson}/complete");
    let (status, first) = pupil.put(&complete, &json!({})).await;
    assert_eq!((status, text(&first, "state").as_str()), (200, "done"));
    // Again is the same as once.
    assert_eq!(pupil.put(&complete, &json!({})).await.1, first);
    assert_eq!(refused(teacher.put(&complete, &json!({})).await).0, 403);
    class.school.sync(&mut class.teacher).await;
    let account = class.pupil.store().account();
    let on_device = class
        .teacher
        .store()
        .progress(class.course, Some(account))
        .unwrap();
    let (_, course) = pupil.get(&path).await;
    assert_eq!(
        course["enrolment"]["progress"],
        on_device[0].progress.percent()
    );
    assert_eq!(course["enrolment"]["progress"], 50);
    assert_eq!(
        course["enrolment"]["lessonsDone"],
        json!([lesson.to_string()])
    );

    (class.teacher)
        .show_name(class.course, Lane::One(account), "Sok", "Chan", None)
        .unwrap();
    let mut sophea = class.classmate("sophea").await;
    class.school.sync(&mut sophea).await;
    let mut accounts = Vec::new();
    let mut next = Some(format!("{path}/members?limit=1"));
    while let Some(members) = next {
        let (status, page) = teacher.get(&members).await;
        assert_eq!(status, 200, "{page}");
        for member in page["items"].as_array().unwrap() {
            let expected = match text(member, "account") == account.to_string() {
                true => json!(50),
                false if member["roles"] == json!(["STUDENT"]) => json!(0),
                false => json!(null),
            };
            assert_eq!(member["enrolment"]["progress"], expected, "{member}");
            accounts.push(text(member, "account"));
        }
        let cursor = page["nextCursor"].as_str();
        next = cursor.map(|cursor| format!("{path}/members?limit=1&cursor={cursor}"));
    }
    accounts.sort();
    accounts.dedup();
    assert_eq!(accounts.len(), 3);

    assert_eq!(pupil.delete(&format!("{path}/enroll")).await.0, 200);
    assert_eq!(pupil.delete(&format!("{path}/enroll")).await.0, 404);
    assert_eq!(
        refused(pupil.get(&format!("{path}/lessons")).await),
        (403, "member.missing".into())
    );
    class.school.sync(&mut class.teacher).await;
    let left = class
        .teacher
        .store()
        .class_list(class.course, Roles::STUDENT)
        .unwrap();
    assert!(left.iter().all(|member| member.account != account));
}

#[tokio::test]
async fn what_several_people_say_through_the_api_in_one_lane_is_on_every_device() {
    let mut class = Class::new().await;
    let mut sophea = class.classmate("sophea").await;
    let (teacher, pupil) = (
        class.teacher.store().account(),
        class.pupil.store().account(),
    );
    let authors = [pupil, sophea.store().account(), teacher, pupil];
    for (author, n) in authors.into_iter().zip(0u8..) {
        let comment = Comment {
            comment: ObjectId([n; 16]),
            about: class.assignment,
            parent: None,
            text: "a question".into(),
        };
        let vouch = Vouch {
            author,
            space: class.course,
            lane: Lane::All,
            events: vec![comment.into()],
            once: None,
        };
        let (_, outcome) = class.school.log.vouch(vouch).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    for device in [&mut class.teacher, &mut class.pupil, &mut sophea] {
        class.school.sync(device).await;
        let said = device.store().comments(class.assignment).unwrap();
        assert_eq!(said.len(), authors.len());
    }
}

#[tokio::test]
async fn what_a_course_costs_is_said_by_either_and_its_policy_stays() {
    let mut class = Class::new().await;
    let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
    let path = format!("courses/{}", class.course);
    let body = |more: Value| {
        let mut body = json!({ "title": "Optics", "level": "BEGINNER", "published": true });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    };
    let priced = body(json!({ "price": 40_000.5, "open": false }));
    assert_eq!(teacher.put(&path, &priced).await.0, 200);
    let (_, course) = teacher.get(&path).await;
    let costs = json!([course["price"], course["currency"], course["isPaid"]]);
    assert_eq!(costs, json!([40_000.5, "KHR", true]));
    class.school.sync(&mut class.teacher).await;
    let held = class.teacher.store().course(class.course).unwrap().unwrap();
    assert_eq!((held.price, held.currency.as_str()), (4_000_050, "KHR"));

    let offer = CourseOffer {
        thumbnail: None,
        price: 250,
        currency: "USD".into(),
    };
    class.teacher.state(class.course, Lane::All, offer).unwrap();
    class.school.sync(&mut class.teacher).await;
    assert_eq!(teacher.get(&path).await.1["currency"], "USD");
    assert_eq!(teacher.put(&path, &body(json!({}))).await.0, 200);
    assert_eq!(teacher.get(&path).await.1["isPaid"], false);

    for (more, field, code) in [
        (
            json!({ "price": 1, "currency": "riel" }),
            "currency",
            "currency.unknown",
        ),
        (json!({ "price": -1 }), "price", "price.range"),
        (
            json!({ "thumbnail": "00".repeat(32) }),
            "thumbnail[0]",
            "blob.unknown",
        ),
        (
            json!({ "countsApiGrades": true }),
            "countsApiGrades",
            "policy.fixed",
        ),
    ] {
        let (status, problem) = teacher.put(&path, &body(more)).await;
        let error = &problem["errors"][0];
        assert_eq!(
            (status, text(error, "field").as_str()),
            (422, field),
            "{problem}"
        );
        assert_eq!(text(error, "code"), code);
    }
}

#[tokio::test]
async fn courses_are_found_by_category_level_and_membership() {
    let mut class = Class::new().await;
    let other = class.teacher.create_course(NewCourse::default()).unwrap();
    class
        .teacher
        .state(other, Lane::All, page("Optics", true))
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let titles = async |query: &str| {
        let (status, page) = pupil.get(&format!("courses?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap().iter();
        items.map(|c| text(c, "title")).collect::<Vec<_>>()
    };
    assert_eq!(titles("category=science").await, ["Optics"]);
    assert_eq!(titles("level=INTERMEDIATE&limit=5").await, ["Optics"]);
    assert_eq!(titles("mine=true").await, ["Physics"]);
    assert!(titles("mine=true&level=EXPERT").await.is_empty());
    for query in ["level=HARD", "mine=perhaps"] {
        assert_eq!(
            pupil.get(&format!("courses?{query}")).await.0,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn every_route_is_described() {
    let class = Class::new().await;
    let (status, document) = Caller::new(&class.school).get("openapi.json").await;
    assert_eq!(
        (
            status,
            document["openapi"].as_str().unwrap().starts_with("3.1")
        ),
        (200, true)
    );
    for path in [
        "/api/auth/login",
        "/api/users/me",
        "/api/courses/{id}/enroll",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
