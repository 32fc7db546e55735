//! `stunity grade`, `conflicts`, `releases`.
use std::process::ExitCode;

use serde_json::{Value, json};
use stunity_client::{Client, ClientError, NewGrade};
use stunity_model::grades::Standing;
use stunity_proto::{AccountId, ObjectId, SpaceId};

use crate::args::Conflicts;
use crate::show::{ATTENTION, created, hundredths, points, print};

/// Writes a grade over those known here and releases it.
pub fn grade(
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

/// Lists grades that do not know each other, or chooses one; attention is needed
/// while there are any.
pub fn conflicts(
    client: &mut Client,
    command: Conflicts,
    json: bool,
) -> Result<ExitCode, ClientError> {
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

/// Lists released grades.
pub fn releases(client: &Client, course: SpaceId, json: bool) -> Result<(), ClientError> {
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
    Ok(())
}
