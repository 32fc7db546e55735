//! What every request passes: conditions, keys of writes, limits, headers.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use serde_json::json;
use stunity_client::NewCourse;
use stunity_e2e::Class;
use stunity_model::events::{CoursePublish, Enrol};
use stunity_proto::{Lane, SpaceId};
use stunity_server::db::sql;
use stunity_server::log::Vouch;
use support::{Caller, registered, text};

/// A class with a course that anybody may enrol in.
async fn open_course() -> (Class, SpaceId) {
    let mut class = Class::new().await;
    let course = NewCourse {
        title: "Open to all".into(),
        open: true,
        ..NewCourse::default()
    };
    let course = class.teacher.create_course(course).unwrap();
    publish(&mut class, course, "Open to all").await;
    (class, course)
}

async fn publish(class: &mut Class, course: SpaceId, title: &str) {
    let page = CoursePublish {
        title: title.into(),
        title_km: None,
        description: String::new(),
        description_km: None,
        category: String::new(),
        level: 0,
        published: true,
    };
    class.teacher.state(course, Lane::All, page).unwrap();
    class.school.sync(&mut class.teacher).await;
}

#[tokio::test]
async fn a_page_that_the_client_has_is_not_sent_again_until_it_changes() {
    let (mut class, course) = open_course().await;
    let caller = registered(&class.school, "sok").await;
    let path = format!("courses/{course}");
    let first = caller.send("GET", &path, None, &[]).await;
    assert_eq!(
        (first.status, first.header("cache-control")),
        (200, "private, no-cache")
    );
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".into()] {
        let again = caller
            .send("GET", &path, None, &[("if-none-match", &known)])
            .await;
        assert_eq!(
            (again.status, &again.body),
            (304, &serde_json::Value::Null),
            "{known}"
        );
        assert_eq!(again.header("etag"), tag);
    }
    publish(&mut class, course, "Another title").await;
    let changed = caller
        .send("GET", &path, None, &[("if-none-match", &tag)])
        .await;
    assert_eq!(
        (changed.status, text(&changed.body, "title").as_str()),
        (200, "Another title")
    );
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn a_write_that_is_tried_again_happens_once_and_answers_the_same() {
    let (class, course) = open_course().await;
    let caller = registered(&class.school, "sok").await;
    let path = format!("courses/{course}/enroll");
    let key = [("idempotency-key", "enrol-1")];
    let first = caller.send("POST", &path, Some(json!({})), &key).await;
    let again = caller.send("POST", &path, Some(json!({})), &key).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    assert_eq!(first.body, again.body);
    // Another account's key of the same name is another key.
    let other = registered(&class.school, "dara").await;
    let others = other.send("POST", &path, Some(json!({})), &key).await;
    assert_eq!(
        (others.status, others.header("idempotency-replayed")),
        (201, "")
    );
    // Of another request it is a mistake, and without a key the write is tried as such.
    let lessons = format!("courses/{course}");
    let mistake = caller.send("PUT", &lessons, Some(json!({})), &key).await;
    assert_eq!(
        (mistake.status, text(&mistake.body, "code").as_str()),
        (422, "idempotency.mismatch")
    );
    assert_eq!(caller.post(&path, &json!({})).await.0, 409);
    let empty = [("idempotency-key", "")];
    let malformed = caller.send("POST", &path, Some(json!({})), &empty).await;
    assert_eq!(
        (malformed.status, text(&malformed.body, "code").as_str()),
        (400, "idempotency.malformed")
    );
}

#[tokio::test]
async fn a_write_is_in_the_log_once_though_the_relay_was_killed_before_it_answered() {
    let (class, course) = open_course().await;
    let caller = registered(&class.school, "sok").await;
    let account = text(&caller.get("users/me").await.1, "id").parse().unwrap();
    let vouch = |once| Vouch {
        author: account,
        space: course,
        lane: Lane::One(account),
        events: vec![Enrol { account }.into()],
        once,
    };
    let log = &class.school.log;
    let (first, _) = log.vouch(vouch(Some([7; 32]))).await.unwrap();
    let (again, outcome) = log.vouch(vouch(Some([7; 32]))).await.unwrap();
    assert_eq!(first, again);
    assert!(matches!(
        outcome,
        stunity_sync::replica::Outcome::Accepted(_)
    ));
    let (other, _) = log.vouch(vouch(Some([8; 32]))).await.unwrap();
    assert_ne!(first, other);
    let stated = sql("SELECT COUNT(*) FROM numbering WHERE space = $1 AND lane = $2")
        .bind(course.0)
        .bind(Lane::One(account).to_key())
        .scalar::<i64>(log.database())
        .await
        .unwrap();
    assert_eq!(stated, Some(2));
}

#[tokio::test]
async fn what_is_left_of_a_limit_is_said_and_nobody_is_limited_by_another() {
    let (class, _) = open_course().await;
    let caller = registered(&class.school, "sok").await;
    let answer = caller.send("GET", "courses", None, &[]).await;
    assert_eq!(answer.header("ratelimit-policy"), "\"reads\";q=6000;w=60");
    assert_eq!(answer.header("ratelimit"), "\"reads\";r=5999");
    let nobody = Caller::new(&class.school)
        .send("GET", "courses", None, &[])
        .await;
    assert_eq!((nobody.status, nobody.header("ratelimit")), (401, ""));
}

#[tokio::test]
async fn what_is_nowhere_and_what_cannot_be_done_are_problems_too() {
    let class = Class::new().await;
    let caller = Caller::new(&class.school);
    for (method, path, expected) in [
        ("GET", "nowhere", (404, "not-found")),
        ("DELETE", "auth/login", (405, "method.unknown")),
    ] {
        let answer = caller.send(method, path, None, &[]).await;
        assert_eq!(
            (answer.status, text(&answer.body, "code").as_str()),
            expected
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn every_answer_is_hardened_named_and_counted() {
    let class = Class::new().await;
    let caller = Caller::new(&class.school);
    for path in ["courses", "docs", "/", "/health", "/nowhere"] {
        let answer = caller.send("GET", path, None, &[]).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-request-id").len(), 16, "{path}");
    }
    let named = [("x-request-id", "from-the-balancer_1")];
    let answer = caller.send("GET", "courses", None, &named).await;
    assert_eq!(answer.header("x-request-id"), "from-the-balancer_1");
    let forged = [("x-request-id", "no spaces")];
    let answer = caller.send("GET", "courses", None, &forged).await;
    assert_ne!(answer.header("x-request-id"), "no spaces");
    let metrics = caller.send("GET", "/metrics", None, &[]).await.body;
    let metrics = metrics.as_str().unwrap();
    for line in [
        "stunity_http_requests_total{method=\"GET\",route=\"/api/courses\",status=\"4xx\"} 3",
        "stunity_http_request_seconds_count{method=\"GET\",route=\"/health\"} 1",
        "stunity_http_requests_total{method=\"GET\",route=\"none\",status=\"4xx\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
}

/// Nothing of the explorer is inside its page: the policy lets no page do that.
#[tokio::test]
async fn the_explorer_keeps_to_the_policy() {
    let class = Class::new().await;
    let caller = Caller::new(&class.school);
    let page = caller.send("GET", "docs", None, &[]).await;
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self' 'wasm-unsafe-eval';")
    );
    let page = page.body.as_str().unwrap().to_owned();
    assert!(
        !page.contains("<style") && !page.contains("<script>"),
        "{page}"
    );
    for (file, kind) in [
        ("explorer.js", "text/javascript"),
        ("explorer.css", "text/css"),
    ] {
        assert!(page.contains(&format!("/api/docs/{file}")), "{page}");
        let answer = caller.send("GET", &format!("docs/{file}"), None, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind));
    }
}
