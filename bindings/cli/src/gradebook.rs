//! `stunity import-gradebook`, `gradebook`.
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use stunity_client::{Client, ClientError};

use crate::args::Gradebook;
use crate::show::{ATTENTION, print};

/// Imports a folder; attention is needed if rows were skipped.
pub fn import(client: &mut Client, folder: &Path, json: bool) -> Result<ExitCode, ClientError> {
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

/// Writes imported courses back as they came.
pub fn run(client: &mut Client, command: Gradebook, json: bool) -> Result<(), ClientError> {
    let Gradebook::Export { course, folder } = command;
    let courses = match course {
        Some(course) => vec![course],
        None => client.imported_courses()?,
    };
    client.export_gradebook(&courses, &folder)?;
    print(json, &json!({ "courses": courses.len() }), || {
        format!("{} courses written to {}", courses.len(), folder.display())
    });
    Ok(())
}
