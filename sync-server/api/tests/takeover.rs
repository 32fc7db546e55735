//! A teacher's password that somebody else has reset opens an API session and nothing
//! else: no grade that counts, no device, no role, no key. And what no relay may sign
//! waits for a device, which signs it or not.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stunity_client::Client;
use stunity_e2e::Class;
use stunity_model::Roles;
use stunity_model::events::{MemberAdd, Opaque, Proposal};
use stunity_model::{Event, proposals::Purpose};
use stunity_proto::{Lane, SpaceId};
use stunity_server::log::Vouch;
use stunity_sync::replica::Outcome;
use support::{Caller, refused, registered, signed_in, text};

/// One call of a route as the API's description names it.
struct Call {
    method: &'static str,
    route: &'static str,
    body: Value,
}

fn call(method: &'static str, route: &'static str, body: Value) -> Call {
    Call {
        method,
        route,
        body,
    }
}

/// Every route of courses, assignments and proposals, each used for what is worst.
fn calls(class: &Class, mallory: &str) -> Vec<Call> {
    let page = json!({ "title": "Mine", "level": "BEGINNER", "published": true });
    let lesson = json!({ "title": "Mine" });
    let assignment = json!({
        "courseId": class.course.to_string(), "type": "TEXT", "title": "Mine", "maxPoints": 10,
    });
    let none = json!({});
    vec![
        call("get", "/courses", none.clone()),
        call("post", "/courses", page.clone()),
        call("get", "/courses/{id}", none.clone()),
        call("put", "/courses/{id}", page),
        call("post", "/courses/{id}/enroll", none.clone()),
        call("delete", "/courses/{id}/enroll", none.clone()),
        call("get", "/courses/{id}/members", none.clone()),
        call(
            "put",
            "/courses/{id}/members/{account}",
            json!({ "role": "TEACHER" }),
        ),
        call("delete", "/courses/{id}/members/{account}", none.clone()),
        call("get", "/courses/{id}/pending", none.clone()),
        call("get", "/courses/{id}/lessons", none.clone()),
        call("post", "/courses/{id}/lessons", lesson.clone()),
        call("get", "/courses/{id}/lessons/{lesson}", none.clone()),
        call("put", "/courses/{id}/lessons/{lesson}", lesson),
        call(
            "put",
            "/courses/{id}/lessons/{lesson}/complete",
            none.clone(),
        ),
        call("delete", "/courses/{id}/lessons/{lesson}", none.clone()),
        call("get", "/assignments", none.clone()),
        call("post", "/assignments", assignment.clone()),
        call("get", "/assignments/{id}", none.clone()),
        call("put", "/assignments/{id}", assignment),
        call("get", "/assignments/{id}/submissions", none.clone()),
        call("post", "/assignments/{id}/submit", json!({ "text": "x" })),
        call(
            "put",
            "/assignments/{id}/submissions/{submission}/grade",
            json!({ "points": 10, "feedback": mallory }),
        ),
        call(
            "post",
            "/assignments/{id}/submissions/{submission}/return",
            none.clone(),
        ),
        call(
            "put",
            "/assignments/{id}/extensions/{student}",
            json!({ "dueMs": 1 }),
        ),
        call(
            "put",
            "/assignments/{id}/choices/{student}",
            json!({ "grade": "0".repeat(32) }),
        ),
        call("put", "/assignments/{id}/answers", json!({ "answers": [] })),
        call("delete", "/assignments/{id}", none.clone()),
        call("get", "/proposals", none.clone()),
        call("delete", "/courses/{id}", none),
    ]
}

/// What others are judged by, as a device holds it.
fn held(device: &Client, class: SpaceId) -> String {
    let store = device.store();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        store.class_list(class, Roles(u64::MAX >> 1)).unwrap(),
        store.grades(class, None).unwrap(),
        store.releases(class, None).unwrap(),
        store.assignments(class).unwrap(),
        store.work(class, None).unwrap(),
        device.devices().unwrap(),
    )
}

#[tokio::test]
async fn a_reset_teachers_password_alone_gives_no_grade_no_device_no_role_and_no_key() {
    let mut class = Class::new().await;
    let lesson = (class.teacher)
        .publish_lesson(class.course, 1, "First", None, "Read.")
        .unwrap();
    class.pupil.submit(class.essay("Mine.")).unwrap();
    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    let course = class.course;
    let before = [&class.teacher, &class.pupil].map(|device| held(device, course));
    let submissions = class.teacher.store().submissions(course, None).unwrap();
    let mallory = registered(&class.school, "mallory").await;
    let mallory = text(&mallory.get("users/me").await.1, "id");
    let thief = signed_in(&class.school, &class.teacher, "teacher").await;
    let devices = thief.get("users/me").await.1["devices"].clone();

    let calls = calls(&class, &mallory);
    let (_, document) = Caller::new(&class.school).get("openapi.json").await;
    let described: BTreeSet<String> = (document["paths"].as_object().unwrap().iter())
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {}", path.trim_start_matches("/api")))
        })
        .filter(|route| {
            ["/courses", "/assignments", "/proposals"]
                .iter()
                .any(|of| route.contains(of))
        })
        .collect();
    let called: BTreeSet<String> = (calls.iter())
        .map(|call| format!("{} {}", call.method, call.route))
        .collect();
    assert_eq!(called, described, "every route is used");

    let mut answers = Vec::new();
    for Call {
        method,
        route,
        body,
    } in calls
    {
        let id = match route.starts_with("/courses") {
            true => course.to_string(),
            false => class.assignment.to_string(),
        };
        let path = (route.trim_start_matches('/'))
            .replace("{id}", &id)
            .replace("{account}", &mallory)
            .replace("{lesson}", &lesson.to_string())
            .replace("{submission}", &submissions[0].entry.to_string())
            .replace("{student}", &submissions[0].student.to_string());
        let (status, answer) = match method {
            "get" => thief.get(&path).await,
            "post" => thief.post(&path, &body).await,
            "put" => thief.put(&path, &body).await,
            _ => thief.delete(&path).await,
        };
        assert!(status < 500, "{method} {route}: {answer}");
        answers.push((format!("{method} {route}"), status, answer));
    }
    let answer = |route: &str| {
        let found = answers.iter().find(|(of, ..)| of == route).unwrap();
        (found.1, text(&found.2, "state"))
    };
    let waits = (202, "pending".to_owned());
    for route in [
        "put /assignments/{id}/submissions/{submission}/grade",
        "post /assignments",
        "put /assignments/{id}",
        "put /assignments/{id}/extensions/{student}",
        "post /assignments/{id}/submissions/{submission}/return",
        "delete /assignments/{id}",
    ] {
        assert_eq!(answer(route), waits, "{route}");
    }
    for route in ["post /courses", "put /courses/{id}/members/{account}"] {
        assert_eq!(answer(route), (202, "open".to_owned()), "{route}");
    }

    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    let after = [&class.teacher, &class.pupil].map(|device| held(device, course));
    assert_eq!(after, before);
    assert_eq!(thief.get("users/me").await.1["devices"], devices);
    // The teacher's device asks, and shows for what.
    let asked: Vec<Purpose> = (class.teacher.proposals().unwrap().into_iter())
        .map(|row| row.asked.purpose)
        .collect();
    assert_eq!(asked, [Purpose::NewCourse, Purpose::AddMember]);
    for row in class.teacher.proposals().unwrap() {
        class.teacher.dismiss_proposal(row.proposal).unwrap();
    }
    class.school.sync(&mut class.teacher).await;
    assert!(class.teacher.proposals().unwrap().is_empty());
    let (_, page) = thief.get("proposals").await;
    for proposal in page["items"].as_array().unwrap() {
        assert_eq!(proposal["state"], "dismissed");
    }
    assert_eq!(held(&class.teacher, course), before[0]);
}

#[tokio::test]
async fn a_course_that_a_device_confirms_is_in_the_apis_answer() {
    let mut class = Class::new().await;
    let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
    let body = json!({
        "title": "Optics", "level": "ADVANCED", "published": true, "open": true,
        "countsApiGrades": true, "price": 2, "currency": "USD",
    });
    let (status, proposal) = teacher.post("courses", &body).await;
    assert_eq!(
        (status, text(&proposal, "purpose").as_str()),
        (202, "course.create")
    );
    let path = format!("courses/{}", text(&proposal, "courseId"));
    assert_eq!(teacher.get(&path).await.0, 404);
    class.school.sync(&mut class.teacher).await;
    let asked = class.teacher.proposals().unwrap();
    assert_eq!(asked[0].proposal.to_string(), text(&proposal, "id"));
    assert!(matches!(
        asked[0].asked.events.as_slice(),
        [Event::CourseGenesis(genesis), Event::CoursePublish(page), Event::CourseOffer(offer)]
            if genesis.counts_api_grades && page.title == "Optics" && offer.price == 200
    ));
    class.teacher.confirm_proposal(asked[0].proposal).unwrap();
    assert!(class.teacher.confirm_proposal(asked[0].proposal).is_err());
    class.school.sync(&mut class.teacher).await;
    let (status, course) = teacher.get(&path).await;
    assert_eq!((status, &course["roles"]), (200, &json!(["OWNER"])));
    assert_eq!(
        (&course["title"], &course["countsApiGrades"]),
        (&json!("Optics"), &json!(true))
    );
    let (_, page) = teacher.get("proposals").await;
    assert_eq!(page["items"][0]["state"], "accepted");

    // Members the same way; a removal is signed with what the device holds.
    let pupil = class.pupil.store().account();
    let member = format!("{path}/members/{pupil}");
    let (status, added) = teacher.put(&member, &json!({ "role": "STUDENT" })).await;
    assert_eq!(
        (status, text(&added, "purpose").as_str()),
        (202, "member.add")
    );
    confirm_all(&mut class).await;
    let signed_in_pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    assert_eq!(
        signed_in_pupil.get(&path).await.1["roles"],
        json!(["STUDENT"])
    );
    let (status, removed) = teacher.delete(&member).await;
    assert_eq!(
        (status, text(&removed, "purpose").as_str()),
        (202, "member.remove")
    );
    confirm_all(&mut class).await;
    assert_eq!(signed_in_pupil.get(&path).await.1["roles"], json!([]));
    assert_eq!(teacher.delete(&member).await.0, 404);
}

async fn confirm_all(class: &mut Class) {
    class.school.sync(&mut class.teacher).await;
    for row in class.teacher.proposals().unwrap() {
        class.teacher.confirm_proposal(row.proposal).unwrap();
    }
    class.school.sync(&mut class.teacher).await;
}

#[tokio::test]
async fn what_the_table_gives_no_device_of_the_caller_is_not_even_proposed() {
    let mut class = Class::new().await;
    let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
    let path = format!("courses/{}", class.course);
    let other = class.teacher.store().account();
    let course = json!({ "title": "Mine", "level": "BEGINNER", "published": true });
    let role = json!({ "role": "STUDENT" });
    for answer in [
        pupil.post("courses", &course).await,
        pupil.put(&format!("{path}/members/{other}"), &role).await,
        pupil.delete(&format!("{path}/members/{other}")).await,
    ] {
        assert_eq!(refused(answer), (403, "role.missing".into()));
    }
    assert_eq!(pupil.get("proposals").await.1["items"], json!([]));
    class.school.sync(&mut class.pupil).await;
    assert!(class.pupil.proposals().unwrap().is_empty());
}

#[tokio::test]
async fn a_proposal_asks_for_one_thing_and_hides_nothing_beside_it() {
    let class = Class::new().await;
    let teacher = class.teacher.store().account();
    let add = |roles| {
        let account = class.pupil.store().account();
        Opaque(Event::from(MemberAdd { account, roles }).encode())
    };
    for (events, code) in [
        (vec![], Some("proposal.malformed")),
        (vec![add(8), add(2)], Some("proposal.malformed")),
        (vec![Opaque(vec![0xff])], Some("proposal.malformed")),
        (vec![add(2)], None),
    ] {
        let proposal = Proposal {
            space: class.course,
            lane: Lane::All,
            events,
        };
        let vouch = |events| Vouch {
            author: teacher,
            space: teacher.space(),
            lane: Lane::Private,
            events,
            once: None,
        };
        let one = vouch(vec![proposal.clone().into()]);
        let refusal = match class.school.log.vouch(one).await.unwrap().1 {
            Outcome::Refused { code, .. } => Some(code.to_string()),
            _ => None,
        };
        assert_eq!(refusal.as_deref(), code);
        if code.is_none() {
            // An entry names one: two in one entry would share its name.
            let two = vouch(vec![proposal.clone().into(), proposal.into()]);
            let outcome = class.school.log.vouch(two).await.unwrap().1;
            assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
        }
    }
}
