//! Conversations over REST and on devices: sealed messages go both ways, in one order,
//! once, and to nobody else.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use serde_json::{Value, json};
use stunity_client::{Between, Client};
use stunity_e2e::Class;
use stunity_identity::StaffRoles;
use stunity_model::events::MAX_INLINE;
use stunity_proto::SpaceId;
use support::{Caller, refused, signed_in, text};

/// The teacher and the pupil of a class, each with a device and signed in.
struct Two {
    class: Class,
    teacher: Caller,
    pupil: Caller,
}

impl Two {
    async fn new() -> Self {
        let class = Class::new().await;
        let teacher = signed_in(&class.school, &class.teacher, "teacher").await;
        let pupil = signed_in(&class.school, &class.pupil, "pupil").await;
        Self {
            class,
            teacher,
            pupil,
        }
    }

    /// The conversation of both, begun by the teacher over REST.
    async fn begin(&self) -> String {
        let members = json!({ "members": [id(&self.class.pupil)] });
        let (status, conversation) = self.teacher.post("messages/conversations", &members).await;
        assert_eq!(status, 201, "{conversation}");
        text(&conversation, "id")
    }
}

fn id(client: &Client) -> String {
    client.store().account().to_string()
}

/// An envelope of these bytes, as JSON has it.
fn sealed(bytes: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn say(caller: &Caller, conversation: &str, bytes: &str) -> String {
    let message = json!({ "envelope": sealed(bytes) });
    let path = format!("messages/{conversation}");
    let (status, made) = caller.post(&path, &message).await;
    assert_eq!(status, 201, "{made}");
    text(&made, "id")
}

/// The envelopes of a page, the newest first.
async fn page(caller: &Caller, path: &str) -> (Vec<String>, Value) {
    let (status, page) = caller.get(path).await;
    assert_eq!(status, 200, "{page}");
    let items = page["items"].as_array().unwrap();
    let envelopes = items.iter().map(|item| text(item, "envelope")).collect();
    (envelopes, page)
}

async fn unread(caller: &Caller, conversation: &str) -> Value {
    let (_, list) = caller.get("messages/conversations").await;
    let items = list["items"].as_array().unwrap().iter();
    let mut found = items.filter(|item| text(item, "id") == conversation);
    found.next().unwrap()["unreadCount"].clone()
}

/// What a device holds of a conversation, the newest first.
fn held(client: &Client, conversation: &str) -> Vec<String> {
    let space: SpaceId = conversation.parse().unwrap();
    let rows = client.store().messages(space, None, 100).unwrap();
    let texts = rows.into_iter().map(|row| row.envelope);
    texts
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect()
}

#[tokio::test]
async fn what_rest_sends_is_on_the_device_and_what_the_device_sends_is_in_rest() {
    let mut two = Two::new().await;
    let conversation = two.begin().await;
    say(&two.teacher, &conversation, "from rest").await;
    two.class.school.sync(&mut two.class.pupil).await;
    assert_eq!(held(&two.class.pupil, &conversation), ["from rest"]);

    let space = conversation.parse().unwrap();
    let answer = b"from the device".to_vec();
    two.class.pupil.send_envelope(space, answer).unwrap();
    two.class.school.sync(&mut two.class.pupil).await;
    let path = format!("messages/{conversation}");
    let (envelopes, _) = page(&two.teacher, &path).await;
    assert_eq!(envelopes, [sealed("from the device"), sealed("from rest")]);
    assert_eq!(unread(&two.teacher, &conversation).await, 1);
    two.class.school.sync(&mut two.class.teacher).await;
    let both = ["from the device", "from rest"];
    assert_eq!(held(&two.class.teacher, &conversation), both);

    // Both begin the same one, by whatever way.
    let again = json!({ "members": [id(&two.class.teacher)], "type": "DIRECT" });
    let (status, same) = two.pupil.post("messages/conversations", &again).await;
    assert_eq!((status, text(&same, "id")), (200, conversation.clone()));
    let with = Between::Two(two.class.teacher.store().account());
    let same = two.class.pupil.start_conversation(with).unwrap();
    assert_eq!(same.to_string(), conversation);
}

#[tokio::test]
async fn a_message_that_is_sent_again_for_want_of_an_answer_is_one() {
    let two = Two::new().await;
    let conversation = two.begin().await;
    let path = format!("messages/{conversation}");
    let message = json!({ "id": "0123456789abcdef0123456789abcdef", "envelope": sealed("once") });
    let (status, first) = two.teacher.post(&path, &message).await;
    assert_eq!(status, 201);
    assert_eq!(two.teacher.post(&path, &message).await, (200, first));
    // At the same moment.
    let message = json!({ "id": "1123456789abcdef0123456789abcdef", "envelope": sealed("both") });
    let (one, other) = tokio::join!(
        two.teacher.post(&path, &message),
        two.teacher.post(&path, &message)
    );
    assert!([200, 201].contains(&one.0) && [200, 201].contains(&other.0));
    let (envelopes, _) = page(&two.pupil, &path).await;
    assert_eq!(envelopes, [sealed("both"), sealed("once")]);
    assert_eq!(unread(&two.pupil, &conversation).await, 2);
}

#[tokio::test]
async fn pages_go_back_in_order_while_new_messages_come() {
    let two = Two::new().await;
    let conversation = two.begin().await;
    for n in 0..5 {
        say(&two.teacher, &conversation, &n.to_string()).await;
    }
    let path = format!("messages/{conversation}?limit=2");
    let (mut all, mut page_now) = page(&two.pupil, &path).await;
    while let Some(cursor) = page_now["nextCursor"].as_str() {
        say(&two.teacher, &conversation, "later").await;
        let next;
        (next, page_now) = page(&two.pupil, &format!("{path}&cursor={cursor}")).await;
        all.extend(next);
    }
    let expected: Vec<String> = (0..5).rev().map(|n: i32| sealed(&n.to_string())).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn reading_is_counted_and_a_minors_is_shown_to_nobody_unless_they_say_so() {
    let two = Two::new().await;
    let conversation = two.begin().await;
    let first = say(&two.teacher, &conversation, "one").await;
    let second = say(&two.teacher, &conversation, "two").await;
    assert_eq!(unread(&two.pupil, &conversation).await, 2);
    assert_eq!(unread(&two.teacher, &conversation).await, 0);
    let shown = async |two: &Two| {
        let path = format!("messages/conversations/{conversation}");
        let (_, conversation) = two.teacher.get(&path).await;
        let members = conversation["members"].as_array().unwrap().clone();
        let mut reader = members
            .into_iter()
            .filter(|member| text(member, "id") == id(&two.class.pupil));
        reader.next().unwrap()["readNumber"].as_u64()
    };
    let read = async |caller: &Caller, message: &str, query: &str| {
        let path = format!("messages/{message}/read{query}");
        caller.put(&path, &Value::Null).await.0
    };
    assert_eq!(read(&two.pupil, &first, "").await, 204);
    assert_eq!(unread(&two.pupil, &conversation).await, 1);
    assert_eq!(shown(&two).await, None);
    assert_eq!(read(&two.pupil, &second, "?shown=true").await, 204);
    assert_eq!(unread(&two.pupil, &conversation).await, 0);
    assert!(shown(&two).await.is_some());
    // Going back changes nothing.
    assert_eq!(read(&two.pupil, &first, "").await, 204);
    assert_eq!(unread(&two.pupil, &conversation).await, 0);
    assert_eq!(read(&two.pupil, &second, "?shown=perhaps").await, 400);
    assert_eq!(read(&two.pupil, &"0".repeat(32), "").await, 404);
}

#[tokio::test]
async fn who_is_removed_from_a_group_reads_and_says_nothing_more() {
    let mut two = Two::new().await;
    let third = two.class.classmate("third").await;
    let members = json!({
        "members": [id(&two.class.pupil), id(&third)],
        "name": sealed("a sealed name"),
    });
    let (status, group) = two.teacher.post("messages/conversations", &members).await;
    assert_eq!((status, text(&group, "type").as_str()), (201, "GROUP"));
    assert_eq!(text(&group, "name"), sealed("a sealed name"));
    let group = text(&group, "id");
    two.class.school.sync(&mut two.class.pupil).await;
    say(&two.pupil, &group, "hello").await;
    let member = |client: &Client| format!("messages/conversations/{group}/members/{}", id(client));

    let by_pupil = two.pupil.delete(&member(&third)).await;
    assert_eq!(refused(by_pupil), (403, "role.missing".into()));
    let (status, _) = two.teacher.delete(&member(&two.class.pupil)).await;
    assert_eq!(status, 200);
    say(&two.teacher, &group, "among ourselves").await;
    let path = format!("messages/{group}");
    assert_eq!(two.pupil.get(&path).await.0, 404);
    let message = json!({ "envelope": sealed("still here") });
    assert_eq!(two.pupil.post(&path, &message).await.0, 404);
    assert_eq!(
        two.pupil.get("messages/conversations").await.1["items"],
        json!([])
    );
    // Its device wrote before it heard.
    let space = group.parse().unwrap();
    let written = b"still here".to_vec();
    two.class.pupil.send_envelope(space, written).unwrap();
    two.class.school.sync(&mut two.class.pupil).await;
    let codes = two.class.pupil.store().refused().unwrap();
    assert_eq!(codes[0].code, "member.cut-off");
    assert!(!held(&two.class.pupil, &group).contains(&"among ourselves".to_owned()));

    let back = json!({ "accountId": id(&two.class.pupil) });
    let members = format!("messages/conversations/{group}/members");
    assert_eq!(two.teacher.post(&members, &back).await.0, 201);
    assert_eq!(
        refused(two.teacher.post(&members, &back).await),
        (409, "member.already".into())
    );
    let (envelopes, _) = page(&two.pupil, &path).await;
    assert_eq!(envelopes, [sealed("among ourselves"), sealed("hello")]);
    // Leaving oneself needs nobody.
    assert_eq!(two.pupil.delete(&member(&two.class.pupil)).await.0, 200);
    assert_eq!(two.pupil.get(&path).await.0, 404);
}

#[tokio::test]
async fn there_is_no_form_for_what_is_not_sealed() {
    let two = Two::new().await;
    let conversation = two.begin().await;
    let path = format!("messages/{conversation}");
    let long = "x".repeat(MAX_INLINE + 1);
    for (body, code, field) in [
        (json!({ "text": "hello" }), "body.invalid", None),
        (
            json!({ "envelope": sealed("x"), "text": "hello" }),
            "body.invalid",
            None,
        ),
        (
            json!({ "envelope": "not base64!" }),
            "body.invalid",
            Some("envelope.malformed"),
        ),
        (
            json!({ "envelope": "" }),
            "body.invalid",
            Some("envelope.length"),
        ),
        (
            json!({ "envelope": sealed(&long) }),
            "body.invalid",
            Some("envelope.length"),
        ),
        (
            json!({ "envelope": sealed("x"), "id": "1" }),
            "body.invalid",
            Some("id.malformed"),
        ),
    ] {
        let (status, problem) = two.teacher.post(&path, &body).await;
        assert_eq!((status, text(&problem, "code").as_str()), (422, code));
        if let Some(field) = field {
            assert_eq!(text(&problem["errors"][0], "code"), field);
        }
    }
    say(&two.teacher, &conversation, &"x".repeat(MAX_INLINE)).await;
}

#[tokio::test]
async fn a_conversation_is_nothing_to_those_who_are_not_in_it() {
    let two = Two::new().await;
    let conversation = two.begin().await;
    let message = say(&two.teacher, &conversation, "between us").await;
    let stranger = two
        .class
        .school
        .join("stranger", StaffRoles::default())
        .await;
    let caller = signed_in(&two.class.school, &stranger, "stranger").await;
    let body = json!({ "envelope": sealed("me too") });
    for path in [conversation.as_str(), &"0".repeat(32), "nothing"] {
        let path = format!("messages/{path}");
        assert_eq!(caller.get(&path).await.0, 404);
        assert_eq!(caller.post(&path, &body).await.0, 404);
    }
    let one = format!("messages/conversations/{conversation}");
    assert_eq!(caller.get(&one).await.0, 404);
    let read = format!("messages/{message}/read");
    assert_eq!(caller.put(&read, &Value::Null).await.0, 404);
    let members = format!("{one}/members");
    let me = json!({ "accountId": id(&stranger) });
    assert_eq!(caller.post(&members, &me).await.0, 404);
    let nobody = Caller::new(&two.class.school);
    assert_eq!(nobody.get("messages/conversations").await.0, 401);
}

#[tokio::test]
async fn a_minor_is_written_to_by_nobody_who_does_not_reach_them() {
    let two = Two::new().await;
    let stranger = two
        .class
        .school
        .join("stranger", StaffRoles::default())
        .await;
    let caller = signed_in(&two.class.school, &stranger, "stranger").await;
    let pupil = id(&two.class.pupil);
    for members in [
        json!([pupil]),
        json!([id(&two.class.teacher), pupil]),
        json!(["0".repeat(32)]),
        json!([id(&stranger)]),
    ] {
        let body = json!({ "members": members, "type": "GROUP" });
        let (status, problem) = caller.post("messages/conversations", &body).await;
        assert_eq!(status, 422, "{members}");
        assert_eq!(text(&problem["errors"][0], "code"), "account.unknown");
    }
    // What a device begins is in the log; over the API it goes no further.
    let mut stranger = stranger;
    let with = Between::Two(two.class.pupil.store().account());
    let space = stranger.start_conversation(with).unwrap();
    two.class.school.sync(&mut stranger).await;
    let body = json!({ "envelope": sealed("hello") });
    let said = caller.post(&format!("messages/{space}"), &body).await;
    assert_eq!(refused(said), (403, "account.unreachable".into()));
}

#[tokio::test]
async fn who_says_too_much_waits() {
    let two = Two::new().await;
    let conversation = two.begin().await;
    let path = format!("messages/{conversation}");
    let body = json!({ "envelope": sealed("x") });
    let mut sent = 0;
    let (status, problem) = loop {
        let answer = two.teacher.post(&path, &body).await;
        match answer.0 {
            201 if sent < 1_000 => sent += 1,
            _ => break answer,
        }
    };
    assert_eq!(
        (status, text(&problem, "code").as_str()),
        (429, "limit.rate")
    );
    assert!(problem["retryAfter"].as_u64().is_some_and(|wait| wait <= 2));
    // So many at once after a pause, and the others are not held up.
    assert!(sent >= 49, "{sent}");
    say(&two.pupil, &conversation, "me").await;
}
