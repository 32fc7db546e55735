//! Accounts of the API over the network: registering, signing in, going on, letters.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_proto::AccountId;
use stunity_server::db::sql;
use support::{Caller, text};

async fn registered(school: &School) -> (Caller, Value) {
    let caller = Caller::new(school);
    let body = json!({ "email": "Dara@school.kh", "username": "dara", "password": "a long word" });
    let (status, answer) = caller.post("auth/register", &body).await;
    assert_eq!(status, 201, "{answer}");
    let token = text(&answer, "accessToken");
    (caller.with(&token), answer)
}

/// The codes of the letters to an address, the oldest first. A letter leaves after the
/// answer: one that is being written is not there yet.
fn letters(school: &School) -> Vec<String> {
    let folder = std::fs::read_dir(school.path("mail")).unwrap();
    let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
    let code = |file| {
        let letter = std::fs::read_to_string(file).unwrap();
        // Khmer goes as base64, in lines.
        let (_, body) = letter.split_once("\r\n\r\n")?;
        let body = STANDARD.decode(body.replace("\r\n", "")).ok()?;
        let body = String::from_utf8(body).ok()?;
        let is_code = |word: &&str| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
        let mut words = body.split(|c: char| c.is_whitespace() || c == '/');
        words.find(is_code).map(str::to_owned)
    };
    files.into_iter().filter_map(code).collect()
}

fn code(problem: &Value) -> String {
    text(problem, "code")
}

#[tokio::test]
async fn a_person_registers_signs_in_and_is_known() {
    let school = School::new().await;
    let (caller, answer) = registered(&school).await;
    let (status, me) = caller.get("users/me").await;
    assert_eq!(
        (status, &me["id"], &me["role"]),
        (200, &answer["userId"], &json!("STUDENT"))
    );
    let name = json!({ "kind": "email", "name": "dara@school.kh", "verified": false });
    assert_eq!(me["names"][0], name);
    for login in ["dara", "DARA@school.kh "] {
        let body = json!({ "login": login, "password": "a long word" });
        let (status, again) = caller.post("auth/login", &body).await;
        assert_eq!((status, &again["userId"]), (200, &answer["userId"]));
    }
    for (login, password) in [("dara", "another word"), ("nobody", "a long word")] {
        let body = json!({ "login": login, "password": password });
        let (status, problem) = caller.post("auth/login", &body).await;
        assert_eq!((status, code(&problem).as_str()), (401, "login.wrong"));
    }
    // The name is taken, and nothing of the second account stays.
    let body =
        json!({ "username": "second", "email": "dara@school.kh", "password": "a long word" });
    let (status, problem) = caller.post("auth/register", &body).await;
    assert_eq!((status, code(&problem).as_str()), (409, "login.taken"));
    let body = json!({ "username": "second", "password": "a long word" });
    assert_eq!(caller.post("auth/register", &body).await.0, 201);
}

#[tokio::test]
async fn what_is_wrong_in_a_body_is_named_field_by_field() {
    let school = School::new().await;
    let caller = Caller::new(&school);
    let body = json!({ "email": "nobody", "phone": "12", "password": "a long word" });
    let (status, problem) = caller.post("auth/register", &body).await;
    assert_eq!(status, 422);
    let errors = problem["errors"].as_array().unwrap();
    let fields: Vec<_> = errors.iter().map(|error| text(error, "field")).collect();
    assert_eq!(fields, ["email", "phone"]);
    for (body, wrong) in [
        (json!({ "password": "a long word" }), "body.invalid"),
        (
            json!({ "username": "sok", "password": "short" }),
            "password.short",
        ),
        (
            json!({ "username": "sok", "password": "a long word", "role": "ADMIN" }),
            "body.invalid",
        ),
        (json!([]), "body.invalid"),
    ] {
        let (status, problem) = caller.post("auth/register", &body).await;
        assert_eq!((status, code(&problem).as_str()), (422, wrong), "{body}");
        assert_eq!(problem["type"], format!("/problems/{wrong}"));
    }
}

#[tokio::test]
async fn a_session_goes_on_by_tokens_that_are_used_once() {
    let school = School::new().await;
    let (caller, first) = registered(&school).await;
    let refresh = async |token: &str| {
        let body = json!({ "refreshToken": token });
        caller.post("auth/refresh", &body).await
    };
    let token = text(&first, "refreshToken");
    let (status, second) = refresh(&token).await;
    assert_eq!(status, 200);
    // The answer was lost on the way: the same token once more.
    let (status, third) = refresh(&token).await;
    assert_eq!(status, 200);
    // The newest is used; whoever comes with one from before has stolen it.
    let (status, fourth) = refresh(&text(&third, "refreshToken")).await;
    assert_eq!(status, 200);
    let (status, problem) = refresh(&text(&second, "refreshToken")).await;
    assert_eq!((status, code(&problem).as_str()), (401, "token.reused"));
    let (status, problem) = refresh(&text(&fourth, "refreshToken")).await;
    assert_eq!((status, code(&problem).as_str()), (401, "session.ended"));
    // An access token is none to refresh by, and the reverse.
    let (status, problem) = refresh(&text(&fourth, "accessToken")).await;
    assert_eq!((status, code(&problem).as_str()), (401, "token.invalid"));
    let wrong = caller.with(&text(&fourth, "refreshToken"));
    assert_eq!(wrong.get("users/me").await.0, 401);
    let nobody = Caller::new(&school).get("users/me").await;
    assert_eq!((nobody.0, code(&nobody.1).as_str()), (401, "token.missing"));
}

#[tokio::test]
async fn one_session_ends_alone_and_all_end_together() {
    let school = School::new().await;
    let (caller, first) = registered(&school).await;
    let sign_in = async || {
        let body = json!({ "login": "dara", "password": "a long word" });
        text(&caller.post("auth/login", &body).await.1, "refreshToken")
    };
    let (second, third) = (sign_in().await, sign_in().await);
    let body = |token: &str| json!({ "refreshToken": token });
    for _ in 0..2 {
        assert_eq!(caller.post("auth/logout", &body(&second)).await.0, 204);
    }
    assert_eq!(caller.post("auth/refresh", &body(&second)).await.0, 401);
    let (status, third) = caller.post("auth/refresh", &body(&third)).await;
    assert_eq!(status, 200);
    assert_eq!(
        caller.post("auth/logout-everywhere", &json!({})).await.0,
        204
    );
    for token in [&first, &third] {
        let token = text(token, "refreshToken");
        assert_eq!(caller.post("auth/refresh", &body(&token)).await.0, 401);
    }
}

#[tokio::test]
async fn an_address_is_verified_and_a_password_reset_by_letter() {
    let school = School::new().await;
    let (caller, first) = registered(&school).await;
    let letter = letters(&school).remove(0);
    let verify = format!("auth/verify-email/{letter}");
    assert_eq!(caller.get(&verify).await.0, 204);
    assert_eq!(code(&caller.get(&verify).await.1), "code.invalid");
    assert_eq!(caller.get("users/me").await.1["names"][0]["verified"], true);

    for login in ["nobody", "dara"] {
        let body = json!({ "login": login });
        assert_eq!(caller.post("auth/forgot-password", &body).await.0, 202);
    }
    // The letter is written after the answer.
    let letter = loop {
        match letters(&school).get(1) {
            Some(letter) => break letter.clone(),
            None => tokio::task::yield_now().await,
        }
    };
    let reset = async |letter: &str, password: &str| {
        let body = json!({ "code": letter, "password": password });
        caller.post("auth/reset-password", &body).await
    };
    assert_eq!(code(&reset(&letter, "short").await.1), "body.invalid");
    assert_eq!(reset(&letter, "a new long word").await.0, 204);
    assert_eq!(
        code(&reset(&letter, "a third long word").await.1),
        "code.invalid"
    );
    let body = json!({ "refreshToken": text(&first, "refreshToken") });
    assert_eq!(
        code(&caller.post("auth/refresh", &body).await.1),
        "session.ended"
    );
    for (password, status) in [("a long word", 401), ("a new long word", 200)] {
        let body = json!({ "login": "dara", "password": password });
        assert_eq!(caller.post("auth/login", &body).await.0, status);
    }
}

#[tokio::test]
async fn who_tries_many_passwords_waits_and_nobody_else_does() {
    let school = School::new().await;
    let (caller, _) = registered(&school).await;
    let sign_in = async |login: &str, password: &str| {
        let body = json!({ "login": login, "password": password });
        caller.post("auth/login", &body).await
    };
    let mut refused = 0;
    while sign_in("dara", "a wrong word").await.0 == 401 {
        refused += 1;
    }
    assert_eq!(refused, 10);
    // Not even with the right one, and however the name is written.
    let (status, problem) = sign_in(" DARA", "a long word").await;
    assert_eq!((status, code(&problem).as_str()), (429, "limit.tries"));
    assert!(problem["retryAfter"].as_u64().unwrap() <= 30);
    assert_eq!(sign_in("dara@school.kh", "a long word").await.0, 200);
}

#[tokio::test]
async fn an_invitation_is_used_up_by_an_account_and_by_nothing_else() {
    let school = School::new().await;
    let (caller, me) = registered(&school).await;
    let me = text(&me, "userId").parse().unwrap();
    let offices = StaffRoles::default();
    let register = async |invitation: &[u8], username: &str| {
        let invitation: String = invitation
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let body =
            json!({ "username": username, "password": "a long word", "invitation": invitation });
        let (status, answer) = caller.post("auth/register", &body).await;
        (status, code(&answer))
    };
    // A name that is taken leaves the invitation for another.
    let anybodys = school.log.invite(offices, None).await.unwrap();
    assert_eq!(
        register(&anybodys, "dara").await,
        (409, "login.taken".into())
    );
    assert_eq!(register(&anybodys, "sok").await.0, 201);
    assert_eq!(
        register(&anybodys, "bopha").await,
        (409, "invitation.used".into())
    );
    // Whoever has a password already keeps it, and all names.
    let mine = school.log.invite(offices, Some(me)).await.unwrap();
    for name in ["another", "sok"] {
        assert_eq!(register(&mine, name).await.0, 409);
    }
    let names = caller.get("users/me").await.1["names"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(names, 2);
    // Staff come with a device.
    let staff = school.log.invite(StaffRoles::TEACHER, None).await.unwrap();
    assert_eq!(
        register(&staff, "teacher").await,
        (422, "invitation.device".into())
    );
}

#[tokio::test]
async fn a_password_hashed_elsewhere_signs_in_and_is_hashed_anew() {
    let school = School::new().await;
    let account = AccountId([0x5a; 16]);
    let hash = bcrypt::hash("a long word", 4).unwrap();
    school
        .log
        .import_login("sok", &hash, account)
        .await
        .unwrap();
    let caller = Caller::new(&school);
    let sign_in = async |password: &str| {
        let body = json!({ "login": "sok", "password": password });
        caller.post("auth/login", &body).await.0
    };
    assert_eq!(sign_in("another word").await, 401);
    for _ in 0..2 {
        assert_eq!(sign_in("a long word").await, 200);
    }
    let stored: Option<String> = sql("SELECT password FROM credential")
        .scalar(school.log.database())
        .await
        .unwrap();
    assert!(stored.unwrap().starts_with("$argon2id$"));
    let refused = school.log.import_login("sok", "md5:00", account).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "refused: password.foreign"
    );
}
