//! What devices write is in the API's answers, and the reverse.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use serde_json::json;
use stunity_client::NewCourse;
use stunity_e2e::Class;
use stunity_model::Roles;
use stunity_model::events::CoursePublish;
use stunity_proto::Lane;
use support::{Caller, registered, text};

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
