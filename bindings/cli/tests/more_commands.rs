//! How a school begins, invitations, live syncing, grade books, quizzes, posts: each
//! command against a running relay.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Event;
use stunity_model::events::{CourseGenesis, CoursePublish, Opaque, Proposal};
use stunity_proto::{AccountId, Lane, SpaceId};
use stunity_server::log::Vouch;
use stunity_server::platform::System;
use support::{Device, join};

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_school_begins_with_its_root_apart_and_grows_by_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let nobody = Device {
        home: path("nobody").into(),
    };
    let (relay, root, again) = (path("relay"), path("card"), path("again"));
    let init = [
        "school", "init", "--relay", &relay, "--root", &root, "--print",
    ];
    let made = nobody.ok(&init);
    assert_eq!(nobody.run(&init).1["error"], "school.exists");
    let printed = text(&made, "keys");
    let restored = nobody.ok(&["school", "restore-root", &printed, "--root", &again]);
    assert_eq!(restored["school"], made["school"]);
    for name in ["root.key", "next-root.key", "anchor"] {
        let file = |folder: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
        assert_eq!(file(&root), file(&again));
    }

    let school = School::open(folder, Arc::new(System)).await;
    assert_eq!(
        school.log.keys().school().to_string(),
        text(&made, "school")
    );
    assert!(!school.log.keys().has_root());
    let host = school.address.to_string();
    let link = |offices| school.log.invite_by_link(offices, None, &host);
    let invited = link(StaffRoles::default()).await.unwrap().to_text();
    let teacher = Device {
        home: school.path("teacher"),
    };
    let account = teacher.make("account", &["join", &invited.to_uppercase()]);
    assert_eq!(teacher.ok(&["whoami"])["school"], made["school"]);
    teacher.ok(&[
        "school",
        "admit",
        "--root",
        &again,
        "--account",
        &account,
        "--office",
        "teacher",
    ]);
    teacher.sync();
    teacher.make("course", &["course", "create", "--title", "First"]);
    teacher.sync();
    assert_eq!(teacher.ok(&["status"])["refused"], 0);

    // Used once, and for this school alone.
    let late = Device {
        home: school.path("late"),
    };
    assert_eq!(late.run(&["join", &invited]).1["error"], "invitation.used");
    let other = ["join", &invited, "--school", &"00".repeat(16)];
    assert_eq!(late.run(&other).1["error"], "school.other");
    assert_eq!(
        late.run(&["join", "stunity:1:my"]).1["error"],
        "invitation.malformed"
    );

    // Another device of hers: what it shows can be scanned.
    let tablet = Device {
        home: school.path("tablet"),
    };
    let relay = format!("http://{host}");
    let shown = tablet
        .command()
        .args(["device", "link", "--relay", &relay])
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let request = shown.lines().next().unwrap();
    assert!(request.starts_with("stunity:1:"));
    assert!(shown.contains('\u{2588}'), "no QR code: {shown}");
    let answer = teacher.make("answer", &["device", "admit", request]);
    assert_eq!(
        tablet.make("account", &["device", "finish", &answer]),
        account
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_by_password_is_the_account_that_it_names() {
    let school = School::new().await;
    let account = AccountId([0x5a; 16]);
    school
        .log
        .set_login("sok", "a long word", account)
        .await
        .unwrap();
    let relay = format!("http://{}", school.address);
    let device = Device {
        home: school.path("device"),
    };
    let sign_in = |password| {
        let args = [
            "sign-in",
            "--relay",
            &relay,
            "--login",
            "sok",
            "--password",
            password,
        ];
        device.run(&args)
    };
    let (code, refused) = sign_in("another word");
    assert_eq!((code, text(&refused, "error").as_str()), (4, "login.wrong"));
    assert_eq!(sign_in("a long word").1["account"], account.to_string());
    device.sync();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_device_says_what_comes_until_it_is_stopped() {
    let school = School::new().await;
    let (teacher, _) = join(&school, "teacher", StaffRoles::TEACHER).await;
    let (second, account) = join(&school, "second", StaffRoles::TEACHER).await;
    teacher.sync();
    let course = teacher.make("course", &["course", "create", "--title", "Physics"]);
    teacher.ok(&[
        "course",
        "add-teacher",
        "--course",
        &course,
        "--account",
        &account,
    ]);
    teacher.sync();
    let mut live = second
        .command()
        .args(["--json", "sync", "--live"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(live.stdout.take().unwrap()).lines();
    let mut hear = |event: &str| {
        let found = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(event));
        serde_json::from_str::<Value>(&found.unwrap()).unwrap()
    };
    assert!(hear("caught-up")["relay_ms"].is_u64());
    teacher.make(
        "lesson",
        &[
            "lesson", "publish", "--course", &course, "--title", "Forces", "F = ma",
        ],
    );
    teacher.sync();
    assert_eq!(hear("applied")["new_entries"], 1);
    let asked = Command::new("kill")
        .args(["-INT", &live.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    assert_eq!(hear("connections")["rejected"], json!([]));
    assert!(live.wait().unwrap().success());
    let lessons = second.ok(&["lesson", "list", "--course", &course]);
    assert_eq!(lessons[0]["title"], "Forces");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grade_book_goes_in_and_a_row_that_is_none_is_named() {
    let school = School::new().await;
    let offices = StaffRoles::ADMIN.and(StaffRoles::TEACHER);
    let (registrar, _) = join(&school, "registrar", offices).await;
    registrar.sync();
    let (books, out) = (school.path("books"), school.path("out"));
    std::fs::create_dir(&books).unwrap();
    for (name, rows) in [
        (
            "courses",
            "code_module,code_presentation,module_presentation_length\nAAA,2013J,268\n",
        ),
        (
            "assessments",
            "code_module,code_presentation,id_assessment,assessment_type,date,weight\n\
             AAA,2013J,1752,TMA,19,10\n",
        ),
        (
            "studentInfo",
            "code_module,code_presentation,id_student,gender,region,highest_education,imd_band,\
             age_band,num_of_prev_attempts,studied_credits,disability,final_result\n\
             AAA,2013J,11391,M,East,HE,90-100%,55<=,0,240,N,Pass\n",
        ),
        (
            "studentRegistration",
            "code_module,code_presentation,id_student,date_registration,date_unregistration\n\
             AAA,2013J,11391,-159,\n",
        ),
        (
            "studentAssessment",
            "id_assessment,id_student,date_submitted,is_banked,score\n\
             1752,11391,18,0,78\n1752,11391,never,0,78\n",
        ),
    ] {
        std::fs::write(books.join(format!("{name}.csv")), rows).unwrap();
    }
    let (code, report) = registrar.run(&["import-gradebook", books.to_str().unwrap()]);
    assert_eq!(code, 5, "{report}");
    let course = &report["courses"][0];
    assert_eq!(
        (
            &course["enrolments"],
            &course["assignments"],
            &course["submissions"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    let skipped = &report["skipped"][0];
    assert_eq!(
        (text(skipped, "file").as_str(), &skipped["line"]),
        ("studentAssessment.csv", &json!(3))
    );
    registrar.sync();
    let out = out.to_str().unwrap();
    assert_eq!(registrar.ok(&["gradebook", "export", out])["courses"], 1);
    let rows = std::fs::read_to_string(format!("{out}/studentAssessment.csv")).unwrap();
    assert!(rows.contains("1752,11391,18,0,78"), "{rows}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiz_is_published_answered_marked_and_read() {
    let school = School::new().await;
    let (teacher, _) = join(&school, "teacher", StaffRoles::TEACHER).await;
    let (pupil, account) = join(&school, "pupil", StaffRoles::default()).await;
    teacher.sync();
    let course = teacher.make("course", &["course", "create", "--title", "Physics"]);
    let course = course.as_str();
    teacher.ok(&["course", "enrol", "--course", course, "--account", &account]);
    let file = school.path("questions.json");
    let questions = json!([
        { "text": "2 + 2?", "options": ["3", "4"], "points": 2.0, "right": [1] },
        { "text": "3 + 3?", "options": ["6", "7"], "points": 1.0, "right": [0] },
    ]);
    std::fs::write(&file, questions.to_string()).unwrap();
    let quiz = teacher.make(
        "assignment",
        &[
            "quiz",
            "publish",
            "--course",
            course,
            "--title",
            "Sums",
            file.to_str().unwrap(),
        ],
    );
    let quiz = |command: &'static str| {
        vec![
            "quiz",
            command,
            "--course",
            course,
            "--assignment",
            quiz.as_str(),
        ]
    };
    teacher.sync();
    pupil.sync();
    let shown = pupil.ok(&quiz("show"));
    assert_eq!(shown[0]["text"], "2 + 2?");
    assert_eq!(shown[0]["right"], Value::Null, "the key is the staff's");
    assert_eq!(teacher.ok(&quiz("show"))[0]["right"], json!([1]));
    pupil.ok(&quiz("begin"));
    for (question, option) in [(0, "1"), (1, "1")] {
        let id = shown[question]["question"].to_string();
        let answer = [
            &quiz("answer")[..],
            &["--question", &id, "--option", option],
        ]
        .concat();
        pupil.ok(&answer);
    }
    pupil.ok(&quiz("hand-in"));
    for device in [&pupil, &teacher, &pupil] {
        device.sync();
    }
    for device in [&teacher, &pupil] {
        let results = device.ok(&quiz("results"));
        assert_eq!(results[0]["student"], account.as_str());
        assert_eq!(results[0]["points"], 200, "{results}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_say_to_each_other_comes_and_goes() {
    let school = School::new().await;
    let (teacher, _) = join(&school, "teacher", StaffRoles::TEACHER).await;
    let (pupil, account) = join(&school, "pupil", StaffRoles::default()).await;
    teacher.sync();
    let course = teacher.make("course", &["course", "create", "--title", "Physics"]);
    let course = course.as_str();
    teacher.ok(&["course", "enrol", "--course", course, "--account", &account]);
    let within = ["--course", course];
    let post = |kind: &str, more: &[&str], text: &str| {
        let args = [
            &["social", "post", "--kind", kind][..],
            &within,
            more,
            &[text],
        ]
        .concat();
        teacher.make("post", &args)
    };
    let hello = post("text", &["--hashtag", "physics"], "Hello");
    let poll = post(
        "poll",
        &["--option", "Monday", "--option", "Friday"],
        "When?",
    );
    let event = post("event", &["--starts-ms", "4102444800000"], "A walk");
    for device in [&teacher, &pupil] {
        device.sync();
    }
    let of = |command: &[&str], rest: &[&str]| {
        pupil.ok(&[&["social"], command, &within[..], rest].concat())
    };
    of(&["like"], &[&hello]);
    let said = [&["social", "comment"][..], &within, &[&hello, "Hello too"]].concat();
    let comment = pupil.make("comment", &said);
    of(&["vote"], &[&poll, "1"]);
    of(&["rsvp"], &[&event, "yes"]);
    of(&["report"], &[&hello, "spam"]);
    pupil.ok(&["social", "follow", &teacher.make("account", &["whoami"])]);
    for device in [&pupil, &teacher] {
        device.sync();
    }
    let feed = teacher.ok(&["social", "feed"]);
    let row = |post: &str| {
        let rows = feed.as_array().unwrap();
        rows.iter().find(|row| row["post"] == post).unwrap().clone()
    };
    assert_eq!(row(&hello)["likes"], 1, "{feed}");
    let thread = teacher.ok(&["social", "thread", &hello]);
    assert_eq!(thread[0]["comment"], comment.as_str());
    assert_eq!(
        teacher.ok(&["social", "reports"]).as_array().unwrap().len(),
        1
    );
    let told = teacher.ok(&["notifications", "--seen"]);
    assert!(told.is_array(), "{told}");
    // Hidden by staff, and blocked by who does not want to read it.
    let hide = [&["social", "moderate"][..], &within, &[&hello, "off topic"]].concat();
    teacher.ok(&hide);
    teacher.ok(&["erase", "--post", &event]);
    for device in [&teacher, &pupil] {
        device.sync();
    }
    let left = pupil.ok(&["social", "feed"]);
    let left: Vec<&Value> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["post"])
        .collect();
    assert_eq!(left, [&json!(poll)]);
    pupil.ok(&["social", "block", &teacher.make("account", &["whoami"])]);
    assert_eq!(pupil.ok(&["social", "feed"]), json!([]));
    assert_eq!(pupil.ok(&["guardian", "list"]), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_staff_is_listed_and_accepted() {
    let school = School::new().await;
    let (teacher, _) = join(&school, "teacher", StaffRoles::TEACHER).await;
    let (second, account) = join(&school, "second", StaffRoles::TEACHER).await;
    teacher.sync();
    let course = teacher.make("course", &["course", "create", "--title", "Physics"]);
    teacher.ok(&[
        "course",
        "add-teacher",
        "--course",
        &course,
        "--account",
        &account,
    ]);
    teacher.sync();
    second.sync();
    // She goes on while the owner removes her.
    let lesson = [
        "lesson", "publish", "--course", &course, "--title", "Late", "late",
    ];
    second.make("lesson", &lesson);
    teacher.ok(&[
        "course",
        "remove",
        "--course",
        &course,
        "--account",
        &account,
    ]);
    for device in [&teacher, &second, &teacher] {
        device.sync();
    }
    let waiting = teacher.ok(&["pending", "list", "--course", &course]);
    assert_eq!(waiting[0]["code"], "member.cut-off");
    assert_eq!(waiting[0]["what"], json!(["LessonPublish"]));
    assert_eq!(waiting[0]["author"], account.as_str());
    assert_eq!(teacher.ok(&["status"])["pending"], 1);
    assert_eq!(
        teacher.ok(&["lesson", "list", "--course", &course]),
        json!([])
    );
    teacher.ok(&["pending", "accept", &text(&waiting[0], "entry")]);
    teacher.sync();
    assert_eq!(teacher.ok(&["pending", "list"]), json!([]));
    let lessons = teacher.ok(&["lesson", "list", "--course", &course]);
    assert_eq!(lessons[0]["title"], "Late");
    // And the database, made again of its entries, says the same.
    let report = teacher.ok(&["doctor", "--repair"]);
    assert!(
        report["made_again"]["entries"].as_u64().unwrap() > 2,
        "{report}"
    );
    assert_eq!(report["after"], json!([]));
    assert_eq!(
        teacher.ok(&["lesson", "list", "--course", &course]),
        lessons
    );
    assert_eq!(teacher.ok(&["status"])["lacks_space"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_api_asks_for_is_shown_whole_and_signed_or_dismissed() {
    let school = School::new().await;
    let (teacher, account) = join(&school, "teacher", StaffRoles::TEACHER).await;
    let author: AccountId = account.parse().unwrap();
    for (title, n) in [("Optics", 1), ("Alchemy", 2)] {
        let genesis = CourseGenesis {
            salt: 0,
            imported: false,
            open: false,
            counts_attested: false,
            counts_api_grades: true,
            foreign_id: None,
        };
        let page = CoursePublish {
            title: title.into(),
            title_km: None,
            description: String::new(),
            description_km: None,
            category: String::new(),
            level: 0,
            published: true,
        };
        let events: [Event; 2] = [genesis.into(), page.into()];
        let proposal = Proposal {
            space: SpaceId([n; 16]),
            lane: Lane::All,
            events: events.map(|event| Opaque(event.encode())).into(),
        };
        let vouch = Vouch {
            author,
            space: author.space(),
            lane: Lane::Private,
            events: vec![proposal.into()],
            once: None,
        };
        school.log.vouch(vouch).await.unwrap();
    }
    teacher.sync();
    let asked = teacher.ok(&["proposals", "list"]);
    assert_eq!(asked.as_array().unwrap().len(), 2);
    assert_eq!(asked[0]["purpose"], "course.create");
    assert_eq!(asked[0]["events"][0]["name"], "CourseGenesis");
    assert_eq!(asked[0]["events"][0]["says"]["counts_api_grades"], true);
    assert_eq!(asked[0]["events"][1]["says"]["title"], "Optics");
    teacher.ok(&["proposals", "confirm", &text(&asked[0], "proposal")]);
    teacher.ok(&["proposals", "dismiss", &text(&asked[1], "proposal")]);
    teacher.sync();
    assert_eq!(teacher.ok(&["proposals", "list"]), json!([]));
    let again = teacher.run(&["proposals", "confirm", &text(&asked[1], "proposal")]);
    assert_eq!(again.1["error"], "proposal.unknown");
    let courses = teacher.ok(&["course", "list"]);
    assert_eq!(courses.as_array().unwrap().len(), 1);
    assert_eq!(courses[0]["title"], "Optics");
    assert_eq!(teacher.ok(&["status"])["refused"], 0);
}
