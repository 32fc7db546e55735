//! Import and export of a grade book in the form of the Open University's
//! Learning Analytics Dataset: one folder of CSV files, any number of course
//! presentations. A malformed row is named and stops nothing else.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stunity_model::events::{
    CourseGenesis, CoursePublish, Event, Historical, HistoricalAssignment, HistoricalAssignments,
    HistoricalWork, ImportExtras, People,
};
use stunity_proto::{AccountId, Kind, Lane, ObjectId, SpaceId};
use stunity_store::PendingOp;

use crate::csv::Table;
use crate::platform::{Platform, random_id};
use crate::{Client, ClientError};

/// Names the source in account ids and in `person` rows.
const SOURCE: &str = "gradebook";
/// Rows in one operation, and about how many bytes of theirs: an entry's limit is
/// above.
const ROWS: usize = 1024;
const BYTES: usize = 32 * 1024;

/// A row that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRow {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// One imported course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The course.
    pub course: SpaceId,
    /// Module and presentation.
    pub name: String,
    /// Enrolments.
    pub enrolments: usize,
    /// Assignments.
    pub assignments: usize,
    /// Submissions.
    pub submissions: usize,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The courses.
    pub courses: Vec<Imported>,
    /// Rows left out.
    pub skipped: Vec<SkippedRow>,
}

type Key = (String, String);

#[derive(Default)]
struct Presentation {
    course: Option<Vec<String>>,
    assignments: Vec<HistoricalAssignment>,
    by_foreign: BTreeMap<String, u64>,
    students: BTreeMap<String, Student>,
    order: Vec<String>,
    info: Vec<Vec<String>>,
}

#[derive(Default)]
struct Student {
    enrolled_day: Option<i64>,
    left_day: Option<i64>,
    result: String,
    registered: bool,
    work: Vec<HistoricalWork>,
    done: BTreeSet<u64>,
}

pub(crate) const COURSES: [&str; 3] = [
    "code_module",
    "code_presentation",
    "module_presentation_length",
];
pub(crate) const ASSESSMENTS: [&str; 6] = [
    "code_module",
    "code_presentation",
    "id_assessment",
    "assessment_type",
    "date",
    "weight",
];
pub(crate) const INFO: [&str; 12] = [
    "code_module",
    "code_presentation",
    "id_student",
    "gender",
    "region",
    "highest_education",
    "imd_band",
    "age_band",
    "num_of_prev_attempts",
    "studied_credits",
    "disability",
    "final_result",
];
pub(crate) const REGISTRATION: [&str; 5] = [
    "code_module",
    "code_presentation",
    "id_student",
    "date_registration",
    "date_unregistration",
];
pub(crate) const WORK: [&str; 5] = [
    "id_assessment",
    "id_student",
    "date_submitted",
    "is_banked",
    "score",
];

fn day(cell: &str) -> Result<Option<i64>, String> {
    match cell {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("not a day: {text:?}")),
    }
}

fn read(
    folder: &Path,
    platform: &dyn Platform,
    report: &mut ImportReport,
) -> Result<BTreeMap<Key, Presentation>, ClientError> {
    let skipped = &mut report.skipped;
    let mut found: BTreeMap<Key, Presentation> = BTreeMap::new();
    let key = |cells: &[String]| (cells[0].clone(), cells[1].clone());
    let courses = Table::read(folder, "courses.csv", &COURSES, skipped)?;
    let assessments = Table::read(folder, "assessments.csv", &ASSESSMENTS, skipped)?;
    let info = Table::read(folder, "studentInfo.csv", &INFO, skipped)?;
    let registration = Table::read(folder, "studentRegistration.csv", &REGISTRATION, skipped)?;
    let work = Table::read(folder, "studentAssessment.csv", &WORK, skipped)?;
    let mut say = |file: &str, line, reason: String| {
        skipped.push(SkippedRow {
            file: file.to_owned(),
            line,
            reason,
        });
    };
    for row in &courses.rows {
        let course = found.entry(key(&row.cells)).or_default();
        if course.course.is_some() {
            say(courses.file, row.line, "course named twice".into());
            continue;
        }
        course.course = Some(row.cells.clone());
    }
    let mut course_of: BTreeMap<String, Key> = BTreeMap::new();
    for row in &assessments.rows {
        let Some(course) = found.get_mut(&key(&row.cells)) else {
            say(assessments.file, row.line, "unknown course".into());
            continue;
        };
        let due = match day(&row.cells[4]) {
            Ok(due) => due,
            Err(reason) => {
                say(assessments.file, row.line, reason);
                continue;
            }
        };
        let id = &row.cells[2];
        if id.is_empty() || course_of.contains_key(id) {
            say(
                assessments.file,
                row.line,
                "assessment named twice or not at all".into(),
            );
            continue;
        }
        let index = course.assignments.len() as u64;
        course.by_foreign.insert(row.cells[2].clone(), index);
        course_of.insert(row.cells[2].clone(), key(&row.cells));
        course.assignments.push(HistoricalAssignment {
            assignment: ObjectId(random_id(platform)),
            foreign_id: row.cells[2].clone(),
            kind: row.cells[3].clone(),
            day: due,
            weight: row.cells[5].clone(),
        });
    }
    for row in &info.rows {
        let Some(course) = found.get_mut(&key(&row.cells)) else {
            say(info.file, row.line, "unknown course".into());
            continue;
        };
        let id = &row.cells[2];
        if id.is_empty() || course.students.contains_key(id) {
            say(
                info.file,
                row.line,
                "student named twice or not at all".into(),
            );
            continue;
        }
        course.order.push(id.clone());
        course.info.push(row.cells[2..11].to_vec());
        course.students.insert(
            id.clone(),
            Student {
                result: row.cells[11].clone(),
                ..Student::default()
            },
        );
    }
    for row in &registration.rows {
        let student = found
            .get_mut(&key(&row.cells))
            .and_then(|course| course.students.get_mut(&row.cells[2]));
        match (student, day(&row.cells[3]), day(&row.cells[4])) {
            (Some(student), Ok(enrolled), Ok(left)) if !student.registered => {
                student.registered = true;
                student.enrolled_day = enrolled;
                student.left_day = left;
            }
            (None, ..) => say(registration.file, row.line, "unknown student".into()),
            (_, Err(reason), _) | (_, _, Err(reason)) => say(registration.file, row.line, reason),
            _ => say(registration.file, row.line, "registered twice".into()),
        }
    }
    for row in &work.rows {
        let reason = add_work(&mut found, &course_of, &row.cells).err();
        if let Some(reason) = reason {
            say(work.file, row.line, reason);
        }
    }
    Ok(found)
}

fn add_work(
    found: &mut BTreeMap<Key, Presentation>,
    course_of: &BTreeMap<String, Key>,
    cells: &[String],
) -> Result<(), String> {
    let course = course_of
        .get(&cells[0])
        .and_then(|key| found.get_mut(key))
        .ok_or("unknown assessment")?;
    let assignment = course.by_foreign[&cells[0]];
    let student = course
        .students
        .get_mut(&cells[1])
        .ok_or("unknown student")?;
    let day = day(&cells[2])?.ok_or("no day")?;
    let banked = match cells[3].as_str() {
        "0" => false,
        "1" => true,
        other => return Err(format!("not 0 or 1: {other:?}")),
    };
    let score = match cells[4].as_str() {
        "" => None,
        text => match text.parse::<u64>() {
            Ok(score @ 0..=100) => Some(score),
            _ => return Err(format!("not a score of 0–100: {text:?}")),
        },
    };
    if !student.done.insert(assignment) {
        return Err("handed in twice".into());
    }
    student.work.push(HistoricalWork {
        assignment,
        day,
        score,
        banked,
    });
    Ok(())
}

fn op(space: SpaceId, lane: Lane, event: impl Into<Event>) -> PendingOp {
    let event = event.into();
    PendingOp {
        space,
        lane,
        kind: Kind::Event(event.code()),
        bytes: event.encode(),
        object: None,
    }
}

/// Parts rows into operations, by their number and by their bytes.
fn portions<T>(rows: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut portions = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        sum += bytes(row);
        if at > start && (at - start == ROWS || sum > BYTES) {
            portions.push(&rows[start..at]);
            (start, sum) = (at, bytes(row));
        }
    }
    if start < rows.len() {
        portions.push(&rows[start..]);
    }
    portions
}

impl Client {
    /// Imports every course presentation of a folder as a course of its own,
    /// with historical records. Students become accounts without keys, which
    /// they claim later; importing again names the same people.
    ///
    /// # Errors
    /// A file that is missing or has other columns, or the store's.
    pub fn import_gradebook(&mut self, folder: &Path) -> Result<ImportReport, ClientError> {
        let mut report = ImportReport::default();
        let found = read(folder, &*self.platform, &mut report)?;
        for ((module, presentation), course) in found {
            let imported = self.import_course(&format!("{module} {presentation}"), course)?;
            report.courses.push(imported);
        }
        Ok(report)
    }

    fn import_course(&mut self, name: &str, found: Presentation) -> Result<Imported, ClientError> {
        let space = SpaceId(self.random_id());
        let school = self.store.school();
        let account = |id: &str| AccountId::imported(school, SOURCE, id);
        let assignments = found.assignments.len();
        let mut ops = vec![
            op(
                space,
                Lane::All,
                CourseGenesis {
                    salt: 0,
                    imported: true,
                    open: false,
                    counts_attested: false,
                    counts_api_grades: false,
                    foreign_id: Some(name.to_owned()),
                },
            ),
            op(
                space,
                Lane::All,
                CoursePublish {
                    title: name.to_owned(),
                    title_km: None,
                    description: String::new(),
                    description_km: None,
                    category: String::new(),
                    level: 0,
                    published: true,
                },
            ),
            op(
                space,
                Lane::All,
                HistoricalAssignments {
                    assignments: found.assignments,
                },
            ),
        ];
        let extras = |table: &str, columns: &[&str], rows: &[Vec<String>]| ImportExtras {
            table: table.to_owned(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: rows.to_vec(),
        };
        if let Some(row) = found.course {
            ops.push(op(space, Lane::Staff, extras("courses", &COURSES, &[row])));
        }
        let of_row = |row: &Vec<String>| row.iter().map(|cell| cell.len() + 2).sum();
        for rows in portions(&found.info, of_row) {
            ops.push(op(
                space,
                Lane::Staff,
                extras("studentInfo", &INFO[2..11], rows),
            ));
        }
        for ids in portions(&found.order, |id| id.len() + 19) {
            let people = ids.iter().map(|id| (account(id), id.clone())).collect();
            let event = People {
                source: SOURCE.to_owned(),
                people,
            };
            ops.push(op(space, Lane::Staff, event));
        }
        let mut submissions = 0;
        let mut students = found.students;
        for id in &found.order {
            let Some(student) = students.remove(id) else {
                continue;
            };
            submissions += student.work.len();
            ops.push(op(
                space,
                Lane::One(account(id)),
                Historical {
                    enrolled_day: student.enrolled_day,
                    left_day: student.left_day,
                    result: student.result,
                    work: student.work,
                },
            ));
        }
        self.enqueue(&ops)?;
        Ok(Imported {
            course: space,
            name: name.to_owned(),
            enrolments: found.order.len(),
            assignments,
            submissions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_keep_every_row_in_its_order() {
        let rows: Vec<usize> = (0..3000).map(|row| row % 300).collect();
        let parted = portions(&rows, |row| *row);
        assert!(parted.iter().all(|part| part.len() <= ROWS));
        assert!(
            parted
                .iter()
                .all(|part| part.iter().sum::<usize>() <= BYTES)
        );
        assert_eq!(parted.concat(), rows);
        assert!(portions(&[0; 0], |row| *row).is_empty());
    }
}
