//! `stunity course`, `lesson`, `assignment`.
use serde_json::{Value, json};
use stunity_client::{Client, ClientError, NewAssignment, NewCourse};
use stunity_model::Roles;

use crate::args::{Assignment, Course, Lesson};
use crate::show::{created, hundredths, points, print};

/// Runs a command of courses.
pub fn run(client: &mut Client, command: Course, json: bool) -> Result<(), ClientError> {
    match command {
        Course::Create {
            title,
            title_km,
            description,
            open,
            counts_api_grades,
        } => {
            let space = client.create_course(NewCourse {
                title,
                title_km,
                description,
                open,
                counts_api_grades,
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
        Course::Remove { course, account } => client.remove_member(course, account)?,
    }
    Ok(())
}

/// Runs a command of lessons.
pub fn lesson(client: &mut Client, command: Lesson, json: bool) -> Result<(), ClientError> {
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
        Lesson::Done { course, lesson } => {
            client.complete_lesson(course, lesson)?;
        }
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

/// Runs a command of assignments.
pub fn assignment(client: &mut Client, command: Assignment, json: bool) -> Result<(), ClientError> {
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
