//! Every command with `--json`, against a running relay: what it prints parses and
//! its exit code says what happened.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

mod support;

use serde_json::Value;
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use support::{Device, join};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_speaks_json() {
    let school = School::new().await;
    let (teacher, teacher_account) = join(&school, "teacher", StaffRoles::TEACHER).await;
    let (pupil, account) = join(&school, "pupil", StaffRoles::default()).await;
    let (second, second_account) = join(&school, "second", StaffRoles::TEACHER).await;
    assert_eq!(pupil.ok(&["whoami"])["account"], account.as_str());
    teacher.sync();

    // A course with its content.
    let course = teacher.make(
        "course",
        &[
            "course",
            "create",
            "--title",
            "Physics",
            "--title-km",
            "រូបវិទ្យា",
        ],
    );
    let course = course.as_str();
    teacher.ok(&["course", "enrol", "--course", course, "--account", &account]);
    teacher.ok(&[
        "course",
        "add-teacher",
        "--course",
        course,
        "--account",
        &second_account,
    ]);
    teacher.make(
        "lesson",
        &[
            "lesson", "publish", "--course", course, "--title", "Forces", "F = ma",
        ],
    );
    let assignment = teacher.make(
        "assignment",
        &[
            "assignment",
            "publish",
            "--course",
            course,
            "--title",
            "Essay",
            "Write.",
        ],
    );
    for device in [&teacher, &pupil, &second] {
        device.sync();
    }
    assert_eq!(pupil.ok(&["course", "list"])[0]["title"], "Physics");
    assert_eq!(
        pupil.ok(&["lesson", "list", "--course", course])[0]["title"],
        "Forces"
    );
    assert_eq!(
        pupil.ok(&["assignment", "list", "--course", course])[0]["title"],
        "Essay"
    );
    assert!(pupil.ok(&["search", "forces"]).as_array().unwrap().len() == 1);
    assert!(
        !teacher
            .ok(&["course", "members", "--course", course])
            .as_array()
            .unwrap()
            .is_empty()
    );

    // Work, from a draft and with a file.
    let draft = pupil.make(
        "draft",
        &[
            "draft",
            "create",
            "--course",
            course,
            "--assignment",
            &assignment,
            "First",
        ],
    );
    pupil.ok(&["draft", "append", &draft, " and second."]);
    assert_eq!(
        pupil.ok(&["draft", "show", &draft])["text"],
        "First and second."
    );
    assert_eq!(pupil.ok(&["draft", "list"])[0]["draft"], draft.as_str());
    let photo = school.path("photo.png");
    std::fs::write(&photo, vec![7; 100_000]).unwrap();
    let photo = photo.to_str().unwrap();
    pupil.ok(&["draft", "hand-in", &draft]);
    pupil.ok(&[
        "submit",
        "--course",
        course,
        "--assignment",
        &assignment,
        "--attempt",
        "2",
        "--file",
        photo,
        "With a photo",
    ]);
    let status = pupil.ok(&["status"]);
    assert_eq!(status["drafts"][0]["state"], "draft");
    assert_eq!(status["items"][0]["state"], "queued");
    pupil.sync();
    let status = pupil.ok(&["status"]);
    assert_eq!(status["waiting"], 0);
    assert_eq!(status["items"][0]["state"], "received");

    // Files and what they cost.
    teacher.sync();
    let blob = teacher.ok(&["blob", "list"])[0]["blob"]
        .as_str()
        .unwrap()
        .to_owned();
    let cost = teacher.ok(&["blob", "get", &blob]);
    assert!(cost["bytes"].as_u64().unwrap() >= 100_000, "{cost}");
    teacher.sync();
    let to = school.path("fetched.png");
    let got = teacher.ok(&["blob", "get", &blob, "--to", to.to_str().unwrap()]);
    assert_eq!(got["held"], true);
    assert_eq!(std::fs::read(to).unwrap(), vec![7; 100_000]);
    let shared = teacher.make(
        "blob",
        &["blob", "put", "--course", course, "--lane", "all", photo],
    );
    teacher.ok(&["blob", "allow", &shared]);

    // Grades that do not know each other.
    let grade = |device: &Device, points: &str| {
        device.make(
            "grade",
            &[
                "grade",
                "--course",
                course,
                "--assignment",
                &assignment,
                "--student",
                &account,
                "--points",
                points,
            ],
        )
    };
    second.sync();
    let first = grade(&teacher, "7");
    grade(&second, "9.5");
    for device in [&teacher, &second, &teacher] {
        device.sync();
    }
    let (code, conflicts) = teacher.run(&["conflicts", "list", "--course", course]);
    assert_eq!((code, conflicts.as_array().unwrap().len()), (5, 1));
    teacher.ok(&["conflicts", "choose", "--course", course, "--grade", &first]);
    teacher.sync();
    assert_eq!(
        teacher.ok(&["conflicts", "list", "--course", course]),
        Value::Array(vec![])
    );
    pupil.sync();
    assert!(
        !pupil
            .ok(&["releases", "--course", course])
            .as_array()
            .unwrap()
            .is_empty()
    );
    let rows = teacher.ok(&["assignment", "submissions", "--course", course]);
    assert_eq!(rows.as_array().unwrap().len(), 2);

    // By file.
    pupil.ok(&[
        "submit",
        "--course",
        course,
        "--assignment",
        &assignment,
        "--attempt",
        "3",
        "By file",
    ]);
    let file = school.path("work.stunity");
    let file = file.to_str().unwrap();
    assert_eq!(pupil.ok(&["parcel", "export", file])["entries"], 1);
    assert_eq!(pupil.ok(&["status"])["items"][0]["state"], "carried");
    let name = second.make("carried", &["parcel", "import", file]);
    assert_eq!(second.ok(&["parcel", "carried"])[0]["name"], name.as_str());
    let answers = school.path("answers");
    let done = second.ok(&["parcel", "deliver", "--answers", answers.to_str().unwrap()]);
    let answer = done["answers"][0].as_str().unwrap();
    assert_eq!(pupil.ok(&["parcel", "import", answer])["receipts"], 1);
    second.ok(&["parcel", "import", file]);
    second.ok(&["parcel", "drop", &name]);
    let lessons = school.path("lessons.stunity");
    let lessons = lessons.to_str().unwrap();
    let to_pupil = [
        "parcel",
        "export",
        lessons,
        "--course",
        course,
        "--account",
        &account,
    ];
    assert!(teacher.ok(&to_pupil)["receipts"].as_u64().unwrap() > 0);
    assert_eq!(pupil.ok(&["parcel", "import", lessons])["whole"], true);

    // Devices.
    let tablet = Device {
        home: school.path("tablet"),
    };
    let relay = format!("http://{}", school.address);
    let request = tablet.make("request", &["device", "link", "--relay", &relay]);
    let answer = teacher.make("answer", &["device", "admit", &request]);
    assert_eq!(
        tablet.make("account", &["device", "finish", &answer]),
        teacher_account
    );
    teacher.sync();
    tablet.sync();
    let devices = teacher.ok(&["device", "list"]);
    let other = devices
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["this"] == false);
    let other = other.unwrap()["device"].as_str().unwrap();
    teacher.ok(&["device", "revoke", other]);
    teacher.sync();
    assert_eq!(tablet.run(&["sync"]).1["error"], "device.revoked");

    // The school's root, away from the relay, makes another teacher.
    let (from, to) = (school.path("relay").join("keys"), school.path("safe"));
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    teacher.ok(&["school", "move-root", from, to]);
    assert!(teacher.ok(&["school", "show"])["root"].is_string());
    teacher.ok(&[
        "school",
        "admit",
        "--root",
        to,
        "--account",
        &account,
        "--office",
        "teacher",
    ]);
    teacher.sync();
    assert_eq!(teacher.ok(&["status"])["items"][0]["state"], "received");
    pupil.sync();
    pupil.make("course", &["course", "create", "--title", "Mine"]);
    pupil.sync();
    assert_eq!(pupil.ok(&["status"])["refused"], 0);

    // Looking after it.
    let (code, findings) = pupil.run(&["doctor"]);
    assert!(code == 0 || code == 5, "{findings}");
    assert!(findings.is_array());
    pupil.ok(&["resync"]);
    pupil.sync();
    let empty = school.path("books");
    assert_eq!(
        teacher.ok(&["gradebook", "export", empty.to_str().unwrap()])["courses"],
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_say_what_kind_of_failure_it_was() {
    let mut school = School::new().await;
    let (pupil, _) = join(&school, "pupil", StaffRoles::default()).await;
    let nobody = Device {
        home: school.path("nobody"),
    };
    assert_eq!(nobody.run(&["whoami"]).0, 1);
    let relay = format!("http://{}", school.address);
    let wrong = ["join", "--relay", &relay, "--code", &"00".repeat(16)];
    let (code, value) = nobody.run(&wrong);
    assert_eq!(
        (code, value["error"].as_str()),
        (4, Some("invitation.unknown"))
    );
    school.stop();
    let (code, value) = pupil.run(&["sync", "--via", "http://127.0.0.1:9"]);
    assert_eq!(
        (code, value["error"].as_str()),
        (3, Some("relay.unreachable"))
    );
}
