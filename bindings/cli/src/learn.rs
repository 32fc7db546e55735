//! `stunity work`, `progress`, `return`: how far pupils came.
use serde_json::{Value, json};
use stunity_client::{Client, ClientError};
use stunity_proto::{AccountId, ObjectId, SpaceId};

use crate::show::{points, print};

/// Every assignment of every pupil, with its state.
pub fn work(
    client: &Client,
    course: SpaceId,
    student: Option<AccountId>,
    json: bool,
) -> Result<(), ClientError> {
    let rows = client.store().work(course, student)?;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "assignment": row.assignment.to_string(),
                "student": row.student.to_string(),
                "status": row.status(),
                "timeliness": row.timeliness.code(),
                "due_ms": row.due_ms,
                "extended": row.extended,
                "attempt": row.attempt,
                "attempts_left": row.attempts_left,
                "points": row.points,
                "max_points": row.max_points,
                "handed_in_again": row.handed_in_again,
                "lacks": row.lacks,
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| {
                let shown = row.points.map(points).unwrap_or_default();
                let again = match row.handed_in_again {
                    true => "  handed in again",
                    false => "",
                };
                format!(
                    "{}  {}  {}  {}  {shown}{again}\n",
                    row.student,
                    row.assignment,
                    row.status(),
                    row.timeliness.code(),
                )
            })
            .collect()
    });
    Ok(())
}

/// Progress in percent, and what is done.
pub fn progress(
    client: &Client,
    course: SpaceId,
    student: Option<AccountId>,
    json: bool,
) -> Result<(), ClientError> {
    let rows = client.store().progress(course, student)?;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "student": row.student.to_string(),
                "progress": row.progress.percent(),
                "lessons_done": row.lessons_done.iter().map(ObjectId::to_string).collect::<Vec<_>>(),
                "completed": row.progress.is_completed(),
                "completed_ms": row.completed_ms,
                "grade": row.progress.grade(),
            })
        })
        .collect();
    print(json, &value.into(), || {
        rows.iter()
            .map(|row| format!("{}  {} %\n", row.student, row.progress.percent()))
            .collect()
    });
    Ok(())
}

/// Gives the newest attempt back.
pub fn give_back(
    client: &mut Client,
    course: SpaceId,
    assignment: ObjectId,
    student: AccountId,
    reason: &str,
) -> Result<(), ClientError> {
    let attempt = (client.store().work(course, Some(student))?.iter())
        .find(|row| row.assignment == assignment)
        .and_then(|row| row.latest)
        .ok_or(ClientError::Invalid("work.not-handed-in"))?;
    client.return_work(course, student, assignment, attempt, reason)
}
