//! What each command does.
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use stunity_client::{
    Accounts, Client, ClientError, Joining, Link, NewAssignment, NewCourse, NewGrade, Report, Work,
    driver,
};
use stunity_model::Roles;
use stunity_model::grades::Standing;
use stunity_proto::{AccountId, ObjectId, SpaceId};
use stunity_store::ItemState;

use crate::accounts;
use crate::args::{Assignment, Cli, Command, Conflicts, Course, Device, Gradebook, Lesson};
use crate::show::{hundredths, points, print};

/// Something needs a person's attention.
const ATTENTION: u8 = 5;

/// The link ended before everything had gone and come.
const UNREACHABLE: u8 = 3;

/// Runs a command.
pub fn run(cli: Cli) -> Result<ExitCode, ClientError> {
    let json = cli.json;
    let accounts = Accounts::at(&cli.home);
    let home = accounts::folder(&cli, &accounts)?;
    match cli.command {
        Command::Account(command) => accounts::run(&accounts, command, json)?,
        Command::Join {
            relay,
            code,
            school,
            account,
        } => {
            let joining = match account {
                Some(account) => Joining::Claim(code, account),
                None => Joining::Invitation(code),
            };
            let client = Client::join(&home, &relay, &joining, school)?;
            whoami(&client, json);
        }
        Command::SignIn {
            relay,
            login,
            password,
            school,
        } => {
            let joining = Joining::Password(login, password);
            let client = Client::join(&home, &relay, &joining, school)?;
            whoami(&client, json);
        }
        Command::Device(Device::Link { relay }) => {
            let request = Client::ask_to_link(&home, &relay)?;
            created(json, "request", request);
        }
        Command::Device(Device::Finish { answer }) => {
            let client = Client::finish_link(&home, &answer)?;
            whoami(&client, json);
        }
        command => return with_client(&mut Client::open(&home)?, command, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn whoami(client: &Client, json: bool) {
    let store = client.store();
    let value = json!({
        "school": store.school().to_string(),
        "account": store.account().to_string(),
        "device": store.device().to_string(),
        "relay": client.relay(),
    });
    print(json, &value, || {
        format!(
            "account {}\ndevice  {}\nschool  {}\nrelay   {}",
            store.account(),
            store.device(),
            store.school(),
            client.relay()
        )
    });
}

fn with_client(client: &mut Client, command: Command, json: bool) -> Result<ExitCode, ClientError> {
    match command {
        Command::Account(_) | Command::Join { .. } | Command::SignIn { .. } => {}
        Command::Device(command) => device(client, command, json)?,
        Command::Whoami => whoami(client, json),
        Command::Sync { live, via, tries } => return sync(client, live, via, tries, json),
        Command::Status => return status(client, json),
        Command::Storage => accounts::storage(client, json)?,
        Command::Course(command) => course(client, command, json)?,
        Command::Lesson(command) => lesson(client, command, json)?,
        Command::Assignment(command) => assignment(client, command, json)?,
        Command::Draft(command) => crate::draft::run(client, command, json)?,
        Command::Quiz(command) => crate::quiz::run(client, command, json)?,
        Command::Social(command) => crate::social::run(client, command, json)?,
        Command::Notifications { now_ms, seen } => {
            crate::social::notifications(client, now_ms, seen, json)?;
        }
        Command::Guardian(command) => crate::social::guardian(client, command, json)?,
        Command::Erase { what, reason } => crate::social::erase(client, &what, &reason, json)?,
        Command::Work { course, student } => crate::learn::work(client, course, student, json)?,
        Command::Progress { course, student } => {
            crate::learn::progress(client, course, student, json)?;
        }
        Command::Extend {
            course,
            assignment,
            student,
            due_ms,
        } => client.extend(course, assignment, student, due_ms)?,
        Command::Return {
            course,
            assignment,
            student,
            reason,
        } => crate::learn::give_back(client, course, assignment, student, &reason)?,
        Command::Parcel(command) => crate::parcel::run(client, command, json)?,
        Command::Submit {
            course,
            assignment,
            attempt,
            text,
        } => {
            client.submit(Work {
                course,
                assignment,
                attempt,
                text,
                blobs: Vec::new(),
            })?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
        Command::Grade {
            course,
            assignment,
            student,
            points,
            feedback,
        } => grade(client, course, assignment, student, points, feedback, json)?,
        Command::Conflicts(command) => return conflicts(client, command, json),
        Command::Releases { course } => {
            let rows = client.store().releases(course, None)?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "assignment": row.assignment.to_string(),
                        "student": row.student.to_string(),
                        "grade": row.grade.to_string(),
                        "points": row.points,
                        "feedback": row.feedback,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        format!(
                            "{}  {}  {}\n",
                            row.assignment,
                            points(row.points),
                            row.feedback
                        )
                    })
                    .collect()
            });
        }
        Command::Search { query } => {
            let hits = client.store().search(&query, 50)?;
            let value: Vec<Value> = hits
                .iter()
                .map(|hit| json!({ "space": hit.space.to_string(), "title": hit.title }))
                .collect();
            print(json, &value.into(), || {
                hits.iter().map(|hit| format!("{}\n", hit.title)).collect()
            });
        }
        Command::ImportGradebook { folder } => return import(client, &folder, json),
        Command::Gradebook(Gradebook::Export { course, folder }) => {
            let courses = match course {
                Some(course) => vec![course],
                None => client.imported_courses()?,
            };
            client.export_gradebook(&courses, &folder)?;
            print(json, &json!({ "courses": courses.len() }), || {
                format!("{} courses written to {}", courses.len(), folder.display())
            });
        }
        Command::Resync => client.store_mut().resync()?,
        Command::Doctor => {
            let findings = client.store().doctor()?;
            let value: Vec<Value> = findings
                .iter()
                .map(|finding| format!("{finding:?}").into())
                .collect();
            print(json, &value.into(), || {
                if findings.is_empty() {
                    "the database is sound".to_owned()
                } else {
                    findings.iter().map(|f| format!("{f:?}\n")).collect()
                }
            });
            if !findings.is_empty() {
                return Ok(ExitCode::from(ATTENTION));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sync(
    client: &mut Client,
    live: bool,
    via: Option<String>,
    tries: u32,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let link = Link { connect_to: via };
    let mut attempt = 0;
    let report: Report = loop {
        attempt += 1;
        let result = runtime.block_on(async {
            if live {
                let (stopping, stop) = tokio::sync::watch::channel(false);
                tokio::spawn(async move {
                    let _ = tokio::signal::ctrl_c().await;
                    let _ = stopping.send(true);
                });
                driver::live(client, &link, stop, |_| {}).await
            } else {
                driver::sync(client, &link).await
            }
        });
        match result {
            Ok(report) if report.caught_up => break report,
            Ok(report) if attempt >= tries => break report,
            Err(error) if attempt >= tries || !error.is_retryable() => return Err(error),
            _ => {
                // A growing pause, so that a relay that comes back is not stormed.
                let pause = 50u64 << attempt.min(6);
                std::thread::sleep(std::time::Duration::from_millis(pause));
            }
        }
    };
    let value = json!({
        "caught_up": report.caught_up,
        "sent": report.sent,
        "received": report.received,
        "new_entries": report.new_entries,
        "held": report.held,
        "rejected": report.rejected,
        "connections": attempt,
    });
    print(json, &value, || {
        let mut text = format!(
            "{} new entries; {} bytes up, {} bytes down",
            report.new_entries, report.sent, report.received
        );
        for code in &report.rejected {
            text.push_str(&format!("\nneeds attention: {code}"));
        }
        text
    });
    let attention = !report.rejected.is_empty();
    Ok(if !report.caught_up && !live {
        ExitCode::from(UNREACHABLE)
    } else if attention {
        ExitCode::from(ATTENTION)
    } else {
        ExitCode::SUCCESS
    })
}

fn state_text(state: &ItemState) -> (String, &'static str) {
    match state {
        ItemState::Queued => ("queued".into(), "queued"),
        ItemState::Sending { percent } => (format!("sending {percent} %"), "sending"),
        ItemState::Carried => ("in a parcel".into(), "carried"),
        ItemState::Received { received_ms } => {
            (format!("received by Stunity ({received_ms})"), "received")
        }
        ItemState::Pending { code } => (format!("waiting for staff: {code}"), "pending"),
        ItemState::Graded { .. } => ("graded".into(), "graded"),
        ItemState::Refused { code } => (format!("needs attention: {code}"), "refused"),
    }
}

fn status(client: &Client, json: bool) -> Result<ExitCode, ClientError> {
    let unsent = client.store().unsent()?;
    let items = client.store().items(200)?;
    let value = json!({
        "waiting": unsent.waiting,
        "refused": unsent.refused,
        "items": items.iter().map(|item| json!({
            "event": item.event,
            "space": item.space.to_string(),
            "object": item.object.map(|object| object.to_string()),
            "state": state_text(&item.state).1,
        })).collect::<Vec<_>>(),
    });
    print(json, &value, || {
        let mut text = format!("{} items not yet sent", unsent.waiting);
        for item in &items {
            let what = item.event.map_or("document".to_owned(), |code| {
                stunity_model::events::TYPES
                    .iter()
                    .find(|(known, _)| *known == code)
                    .map_or(format!("event {code}"), |(_, name)| (*name).to_owned())
            });
            text.push_str(&format!("\n{what}: {}", state_text(&item.state).0));
        }
        text
    });
    Ok(if unsent.refused > 0 {
        ExitCode::from(ATTENTION)
    } else {
        ExitCode::SUCCESS
    })
}

fn device(client: &mut Client, command: Device, json: bool) -> Result<(), ClientError> {
    match command {
        // Done before an account is open.
        Device::Link { .. } | Device::Finish { .. } => {}
        Device::List => {
            let rows = client.devices()?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "device": row.device.to_string(),
                        "this": row.is_this,
                        "live": row.is_live,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        let this = if row.is_this { "  this device" } else { "" };
                        let live = if row.is_live { "" } else { "  revoked" };
                        format!("{}{this}{live}\n", row.device)
                    })
                    .collect()
            });
        }
        Device::Admit { request } => {
            let answer = client.admit_device(&request)?;
            created(json, "answer", answer);
        }
        Device::Revoke { device, reason } => {
            client.revoke_device(device, reason)?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
    }
    Ok(())
}

pub fn created(json: bool, name: &str, id: impl std::fmt::Display) {
    let id = id.to_string();
    print(json, &json!({ name: id }), || id.clone());
}

fn course(client: &mut Client, command: Course, json: bool) -> Result<(), ClientError> {
    match command {
        Course::Create {
            title,
            title_km,
            description,
            open,
        } => {
            let space = client.create_course(NewCourse {
                title,
                title_km,
                description,
                open,
                counts_attested: false,
            })?;
            created(json, "course", space);
        }
        Course::List => {
            let rows = client.store().courses()?;
            let mut listed = Vec::new();
            for row in &rows {
                let store = client.store();
                let historical = store.historical(row.space)?.len();
                let members = store.class_list(row.space, Roles::STUDENT)?.len();
                listed.push(json!({
                    "course": row.space.to_string(),
                    "title": row.title,
                    "title_km": row.title_km,
                    "pupils": members,
                    "enrolments": historical.max(members),
                    "assignments": store.assignments(row.space)?.len(),
                    "submissions": store.submissions(row.space, None)?.len(),
                }));
            }
            let text: String = listed
                .iter()
                .map(|c| {
                    format!(
                        "{}  {}  {} enrolments, {} assignments, {} submissions\n",
                        c["course"].as_str().unwrap_or_default(),
                        c["title"].as_str().unwrap_or_default(),
                        c["enrolments"],
                        c["assignments"],
                        c["submissions"]
                    )
                })
                .collect();
            print(json, &listed.into(), || text);
        }
        Course::Members { course } => {
            let rows = client.store().class_list(course, Roles(u64::MAX >> 1))?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "account": row.account.to_string(),
                        "roles": row.roles.0,
                        "first_name": row.first_name,
                        "last_name": row.last_name,
                        "foreign_id": row.foreign_id,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        format!(
                            "{}  {} {}\n",
                            row.account,
                            row.first_name.as_deref().unwrap_or(""),
                            row.last_name.as_deref().unwrap_or("")
                        )
                    })
                    .collect()
            });
        }
        Course::Enrol { course, account } => {
            let account = account.unwrap_or(client.store().account());
            client.enrol(course, account)?;
        }
        Course::AddTeacher { course, account } => {
            client.add_staff(course, account, Roles::TEACHER)?;
        }
    }
    Ok(())
}

fn lesson(client: &mut Client, command: Lesson, json: bool) -> Result<(), ClientError> {
    match command {
        Lesson::Publish {
            course,
            title,
            title_km,
            order,
            text,
        } => {
            let lesson =
                client.publish_lesson(course, order, &title, title_km.as_deref(), &text)?;
            created(json, "lesson", lesson);
        }
        Lesson::Done { course, lesson } => client.complete_lesson(course, lesson)?,
        Lesson::List { course } => {
            let rows = client.store().lessons(course)?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| json!({ "lesson": row.lesson.to_string(), "title": row.title, "text": row.text }))
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| format!("{}  {}\n", row.lesson, row.title))
                    .collect()
            });
        }
    }
    Ok(())
}

fn assignment(client: &mut Client, command: Assignment, json: bool) -> Result<(), ClientError> {
    match command {
        Assignment::Publish {
            course,
            title,
            title_km,
            points,
            due_ms,
            grace_minutes,
            attempts,
            kind,
            text,
        } => {
            let new = NewAssignment {
                title,
                title_km,
                text,
                max_points: hundredths(points)?,
                due_ms,
                attempts,
                grace_ms: grace_minutes * 60_000,
                kind: kind.into(),
            };
            created(json, "assignment", client.publish_assignment(course, new)?);
        }
        Assignment::List { course } => {
            let rows = client.store().assignments(course)?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "assignment": row.assignment.to_string(),
                        "title": row.title,
                        "max_points": row.max_points,
                        "due_ms": row.due_ms,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        format!(
                            "{}  {}  of {}\n",
                            row.assignment,
                            row.title,
                            points(row.max_points)
                        )
                    })
                    .collect()
            });
        }
        Assignment::Submissions { course } => {
            let rows = client.store().submissions(course, None)?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "entry": row.entry.to_string(),
                        "assignment": row.assignment.to_string(),
                        "student": row.student.to_string(),
                        "attempt": row.attempt,
                        "text": row.text,
                        "score": row.score,
                        "timeliness": row.timeliness.code(),
                        "received_ms": row.received_ms,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        format!("{}  {}  {}\n", row.student, row.timeliness.code(), row.text)
                    })
                    .collect()
            });
        }
    }
    Ok(())
}

fn grade(
    client: &mut Client,
    course: SpaceId,
    assignment: ObjectId,
    student: AccountId,
    points: f64,
    feedback: String,
    json: bool,
) -> Result<(), ClientError> {
    let attempt = client
        .store()
        .submissions(course, Some(student))?
        .into_iter()
        .rfind(|row| row.assignment == assignment && !row.provisional)
        .map(|row| row.entry);
    let supersedes = client
        .store()
        .grades(course, Some(student))?
        .into_iter()
        .filter(|row| row.assignment == assignment)
        .flat_map(|row| match row.standing {
            Standing::Counts(grade) => vec![grade],
            Standing::Conflict(grades) => grades,
            Standing::Ungraded => Vec::new(),
        })
        .collect();
    let grade = client.grade(NewGrade {
        course,
        assignment,
        student,
        attempt,
        points: hundredths(points)?,
        feedback,
        supersedes,
    })?;
    created(json, "grade", grade);
    Ok(())
}

fn conflicts(client: &mut Client, command: Conflicts, json: bool) -> Result<ExitCode, ClientError> {
    let (course, chosen) = match command {
        Conflicts::List { course } => (course, None),
        Conflicts::Choose { course, grade } => (course, Some(grade)),
    };
    let rows: Vec<_> = client
        .store()
        .grades(course, None)?
        .into_iter()
        .filter_map(|row| match &row.standing {
            Standing::Conflict(grades) => Some((row.assignment, row.student, grades.clone(), row)),
            _ => None,
        })
        .collect();
    if let Some(chosen) = chosen {
        let (assignment, student, grades, _) = rows
            .into_iter()
            .find(|(_, _, grades, _)| grades.contains(&chosen))
            .ok_or(ClientError::Invalid("grade.not-in-conflict"))?;
        let over = grades
            .into_iter()
            .filter(|grade| *grade != chosen)
            .collect();
        client.choose_grade(course, assignment, student, chosen, over)?;
        return Ok(ExitCode::SUCCESS);
    }
    let value: Vec<Value> = rows
        .iter()
        .map(|(assignment, student, grades, row)| {
            json!({
                "assignment": assignment.to_string(),
                "student": student.to_string(),
                "grades": row.grades.iter().filter(|g| grades.contains(&g.grade)).map(|g| json!({
                    "grade": g.grade.to_string(),
                    "points": g.points,
                    "feedback": g.feedback,
                    "author": g.author.to_string(),
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|(assignment, student, grades, row)| {
                let mut text = format!("{student} {assignment}\n");
                for g in row.grades.iter().filter(|g| grades.contains(&g.grade)) {
                    text.push_str(&format!(
                        "  {}  {}  {}\n",
                        g.grade,
                        points(g.points),
                        g.feedback
                    ));
                }
                text
            })
            .collect()
    });
    Ok(if rows.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ATTENTION)
    })
}

fn import(client: &mut Client, folder: &Path, json: bool) -> Result<ExitCode, ClientError> {
    let report = client.import_gradebook(folder)?;
    let value = json!({
        "courses": report.courses.iter().map(|c| json!({
            "course": c.course.to_string(),
            "name": c.name,
            "enrolments": c.enrolments,
            "assignments": c.assignments,
            "submissions": c.submissions,
        })).collect::<Vec<_>>(),
        "skipped": report.skipped.iter().map(|s| json!({
            "file": s.file, "line": s.line, "reason": s.reason,
        })).collect::<Vec<_>>(),
    });
    print(json, &value, || {
        let mut text = String::new();
        for c in &report.courses {
            text.push_str(&format!(
                "{}  {}: {} enrolments, {} assignments, {} submissions\n",
                c.course, c.name, c.enrolments, c.assignments, c.submissions
            ));
        }
        for s in &report.skipped {
            text.push_str(&format!("skipped {}:{}: {}\n", s.file, s.line, s.reason));
        }
        text
    });
    Ok(if report.skipped.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ATTENTION)
    })
}
