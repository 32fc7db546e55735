//! Real courses: imported, exported, seen on a new device; and the largest of them
//! once more with every piece of work and every grade signed by its own device.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::StreamExt;
use stunity_client::{Client, ImportReport, Imported, NewAssignment, NewCourse, Report, Work};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::events::{Grade, Release};
use stunity_proto::{AccountId, EntryId, Lane, ObjectId, SpaceId};
use stunity_store::SubmissionRow;

use crate::Row;
use crate::data;
use crate::timer::Timer;

const FILES: [&str; 5] = [
    "courses.csv",
    "assessments.csv",
    "studentInfo.csv",
    "studentRegistration.csv",
    "studentAssessment.csv",
];
/// The course with the most students.
const LARGEST: &str = "BBB 2013J";
/// Pupils' devices at work at a time.
const AT_ONCE: usize = 4;
const DAY_MS: u64 = 24 * 3_600_000;
/// Day 0 of the course, in the past: nothing is still open.
const START_MS: u64 = 1_700_000_000_000;

type Failed = Box<dyn std::error::Error>;

/// Measures.
///
/// # Errors
/// What could not be set up, in words.
pub fn measure() -> Result<Vec<Row>, String> {
    let folder = data("gradebook")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(async {
            let mut rows = Vec::new();
            let work = imported(&folder, &mut rows).await?;
            twelve(&folder, &mut rows).await?;
            signed(&work, &mut rows).await?;
            Ok::<_, Failed>(rows)
        })
        .map_err(|error| error.to_string())
}

fn exactly(what: &str, figure: usize, expected: usize) -> Result<(), Failed> {
    if figure == expected {
        Ok(())
    } else {
        Err(format!("{what}: {figure}, not {expected}").into())
    }
}

fn course<'a>(report: &'a ImportReport, name: &str) -> Result<&'a Imported, Failed> {
    let found = report.courses.iter().find(|course| course.name == name);
    Ok(found.ok_or("the largest course is missing")?)
}

fn sorted(file: &Path) -> Result<Vec<String>, Failed> {
    let text = std::fs::read_to_string(file)?;
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().into()).collect();
    lines.sort();
    Ok(lines)
}

/// The three courses through a relay; the work of the largest, for the next part.
async fn imported(folder: &Path, rows: &mut Vec<Row>) -> Result<Largest, Failed> {
    let school = School::new().await;
    let offices = StaffRoles::ADMIN.and(StaffRoles::TEACHER);
    let mut registrar = school.join("registrar", offices).await;
    school.sync(&mut registrar).await;
    let timer = Timer::start();
    let report = registrar.import_gradebook(folder)?;
    let local = timer.wall();
    school.sync(&mut registrar).await;
    rows.push(Row::told("three courses: import", local, "s"));
    rows.push(Row::at_most(
        "three courses: import and upload",
        timer.wall(),
        60.0,
        "s",
    ));
    rows.push(Row::told("  processor, both sides", timer.processor(), "s"));
    exactly("rows left out", report.skipped.len(), 0)?;

    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let largest = course(&report, LARGEST)?;
    let account = teacher.store().account();
    registrar.add_staff(largest.course, account, Roles::TEACHER)?;
    school.sync(&mut registrar).await;
    let (wall, processor, first) = first_sync(&school, &mut teacher).await?;
    rows.push(Row::at_most(
        "BBB 2013J imported, first sync: bytes",
        (first.sent + first.received) as f64,
        300_000.0,
        "B",
    ));
    rows.push(Row::at_most(
        "BBB 2013J imported, first sync: time",
        wall,
        3.0,
        "s",
    ));
    rows.push(Row::told("  processor, both sides", processor, "s"));

    for course in &report.courses {
        if course.course != largest.course {
            registrar.add_staff(course.course, account, Roles::TEACHER)?;
        }
    }
    school.sync(&mut registrar).await;
    let mut tablet = school.join("tablet", StaffRoles::TEACHER).await;
    for course in &report.courses {
        registrar.add_staff(course.course, tablet.store().account(), Roles::TEACHER)?;
    }
    school.sync(&mut registrar).await;
    first_sync(&school, &mut tablet).await?;
    let store = tablet.store();
    let courses = tablet.imported_courses()?;
    let [mut enrolments, mut assignments, mut submissions] = [0; 3];
    for course in &courses {
        enrolments += store.historical(*course)?.len();
        assignments += store.assignments(*course)?.len();
        submissions += store.submissions(*course, None)?.len();
    }
    for (what, figure, expected) in [
        ("enrolments on a new device", enrolments, 3_173),
        ("assignments on a new device", assignments, 12),
        ("submissions on a new device", submissions, 12_073),
    ] {
        exactly(what, figure, expected)?;
        rows.push(Row::at_least(what, figure as f64, expected as f64, ""));
    }
    let out = school.path("out");
    tablet.export_gradebook(&courses, &out)?;
    for file in FILES {
        if sorted(&out.join(file))? != sorted(&folder.join(file))? {
            return Err(format!("{file} came back otherwise").into());
        }
    }
    rows.push(Row::told("files exported equal to the input", 5.0, ""));
    Ok(Largest {
        students: store.historical(largest.course)?.len(),
        due_days: (store.assignments(largest.course)?.iter())
            .map(|assignment| (assignment.assignment, assignment.due_day))
            .collect(),
        work: store.submissions(largest.course, None)?,
        accounts: (store.historical(largest.course)?.iter())
            .map(|row| row.student)
            .collect(),
    })
}

/// Syncs a new device: seconds, processor seconds of both sides, what went and came.
async fn first_sync(school: &School, client: &mut Client) -> Result<(f64, f64, Report), Failed> {
    let timer = Timer::start();
    let report = school.sync(client).await;
    let (wall, processor) = (timer.wall(), timer.processor());
    if report.explicit {
        return Err("the relay took the device to hold what it does not".into());
    }
    // Whatever waited for a key or a membership has it by now.
    let findings = client.store().doctor()?;
    if !findings.is_empty() {
        return Err(format!("the doctor finds {findings:?}").into());
    }
    Ok((wall, processor, report))
}

/// The largest course as the source knows it.
struct Largest {
    students: usize,
    due_days: Vec<(ObjectId, Option<i64>)>,
    work: Vec<SubmissionRow>,
    accounts: Vec<AccountId>,
}

/// Only the rows of the largest course.
fn only_largest(folder: &Path, to: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(to)?;
    let course = LARGEST.replace(' ', ",");
    let mut assessments = BTreeSet::new();
    for file in FILES {
        let text = std::fs::read_to_string(folder.join(file))?;
        let mut kept = String::new();
        for (at, line) in text.lines().enumerate() {
            let of_course = match file {
                "studentAssessment.csv" => line
                    .split(',')
                    .next()
                    .is_some_and(|id| assessments.contains(id)),
                _ => line.starts_with(&course),
            };
            if at == 0 || of_course {
                kept += line;
                kept.push('\n');
            }
            if of_course && file == "assessments.csv" {
                assessments.extend(line.split(',').nth(2).map(str::to_owned));
            }
        }
        std::fs::write(to.join(file), kept)?;
    }
    Ok(())
}

/// A teacher of twelve such courses, and nothing new.
async fn twelve(folder: &Path, rows: &mut Vec<Row>) -> Result<(), Failed> {
    let school = School::new().await;
    let only = school.path("largest");
    only_largest(folder, &only)?;
    let mut registrar = school.join("registrar", StaffRoles::TEACHER).await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    for _ in 0..12 {
        let report = registrar.import_gradebook(&only)?;
        let course = course(&report, LARGEST)?.course;
        registrar.add_staff(course, teacher.store().account(), Roles::TEACHER)?;
        school.sync(&mut registrar).await;
    }
    let (wall, _, first) = first_sync(&school, &mut teacher).await?;
    exactly("courses", teacher.store().courses()?.len(), 12)?;
    rows.push(Row::told(
        "twelve such courses, first sync: bytes",
        (first.sent + first.received) as f64,
        "B",
    ));
    rows.push(Row::told(
        "twelve such courses, first sync: time",
        wall,
        "s",
    ));
    // The second sync acknowledges the cursors of the first.
    school.sync(&mut teacher).await;
    let timer = Timer::start();
    let again = school.sync(&mut teacher).await;
    exactly("new entries", again.new_entries as usize, 0)?;
    rows.push(Row::at_most(
        "twelve such courses, nothing new: bytes of messages",
        (again.sent + again.received) as f64,
        600.0,
        "B",
    ));
    rows.push(Row::told(
        "twelve such courses, nothing new: time",
        timer.wall(),
        "s",
    ));
    Ok(())
}

/// The largest course as if the product had been there: a device for every
/// student, which signs an entry for each piece of work on its own; the teacher's
/// device signs each grade on its own; the releases go out together at the end, one
/// entry for each student.
async fn signed(largest: &Largest, rows: &mut Vec<Row>) -> Result<(), Failed> {
    let school = School::new().await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    school.sync(&mut teacher).await;
    let course = teacher.create_course(NewCourse {
        title: LARGEST.into(),
        open: true,
        ..NewCourse::default()
    })?;
    let mut assignments = BTreeMap::new();
    for (place, (source, due_day)) in largest.due_days.iter().enumerate() {
        let new = NewAssignment {
            title: format!("Assignment {}", place + 1),
            max_points: 10_000,
            due_ms: due_day.map(day_ms),
            ..NewAssignment::default()
        };
        assignments.insert(*source, teacher.publish_assignment(course, new)?);
    }
    school.sync(&mut teacher).await;

    let mut work: BTreeMap<AccountId, Vec<&SubmissionRow>> = BTreeMap::new();
    for account in &largest.accounts {
        work.entry(*account).or_default();
    }
    for piece in &largest.work {
        work.entry(piece.student).or_default().push(piece);
    }
    let timer = Timer::start();
    let scores: Vec<Result<Scores, Failed>> = futures_util::stream::iter(work.values().enumerate())
        .map(|(at, pieces)| hand_in(&school, course, &assignments, at, pieces))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut points = BTreeMap::new();
    for scores in scores {
        points.extend(scores?);
    }
    school.sync(&mut teacher).await;
    rows.push(Row::told(
        "signed by 1,593 devices: joined and handed in",
        timer.wall(),
        "s",
    ));
    let timer = Timer::start();
    let grades = grade_each(&mut teacher, course, &points)?;
    school.sync(&mut teacher).await;
    rows.push(Row::told(
        "signed by 1,593 devices: graded one by one",
        timer.wall(),
        "s",
    ));

    let mut tablet = school.join("tablet", StaffRoles::TEACHER).await;
    let account = tablet.store().account();
    teacher.add_staff(course, account, Roles::TEACHER)?;
    school.sync(&mut teacher).await;
    let (wall, processor, first) = first_sync(&school, &mut tablet).await?;
    rows.push(Row::at_most(
        "BBB 2013J signed one by one, first sync: bytes",
        (first.sent + first.received) as f64,
        2_200_000.0,
        "B",
    ));
    rows.push(Row::at_most(
        "BBB 2013J signed one by one, first sync: time",
        wall,
        5.0,
        "s",
    ));
    rows.push(Row::told("  processor, both sides", processor, "s"));
    rows.push(Row::told(
        "  entries verified",
        f64::from(first.new_entries),
        "",
    ));
    let store = tablet.store();
    let pupils = store.class_list(course, Roles::STUDENT)?;
    exactly("pupils", pupils.len(), largest.students)?;
    let held = store.submissions(course, None)?;
    exactly("pieces of work", held.len(), largest.work.len())?;
    exactly("grades", store.grades(course, None)?.len(), grades)?;
    exactly("releases", store.releases(course, None)?.len(), grades)?;
    Ok(())
}

fn day_ms(day: i64) -> u64 {
    START_MS.saturating_add_signed(day * DAY_MS as i64)
}

/// Of each piece, in the entry that carries it: the assignment and the score.
type Scores = Vec<(EntryId, (AccountId, ObjectId, u64))>;

/// One student on a device of her own.
async fn hand_in(
    school: &School,
    course: SpaceId,
    assignments: &BTreeMap<ObjectId, ObjectId>,
    at: usize,
    pieces: &[&SubmissionRow],
) -> Result<Scores, Failed> {
    let name = format!("pupil-{at}");
    let mut pupil = school.join(&name, StaffRoles::default()).await;
    let account = pupil.store().account();
    pupil.enrol(course, account)?;
    pupil.store_mut().seal()?;
    let mut items = Vec::new();
    for piece in pieces {
        let assignment = assignments[&piece.assignment];
        let item = pupil.submit(Work {
            course,
            assignment,
            attempt: 1,
            text: format!("Day {}.", piece.day.unwrap_or_default()),
            blobs: Vec::new(),
        })?;
        pupil.store_mut().seal()?;
        items.push((item, assignment, piece.score));
    }
    school.sync(&mut pupil).await;
    let mut scores = Vec::new();
    for (item, assignment, score) in items {
        let state = pupil.store().item_status(item)?.ok_or("an item is lost")?;
        let entry = state.entry.ok_or("an item is in no entry")?;
        scores.extend(score.map(|score| (entry, (account, assignment, score * 100))));
    }
    drop(pupil);
    std::fs::remove_dir_all(school.path(&name))?;
    Ok(scores)
}

/// Each grade in an entry of its own, then all releases.
fn grade_each(
    teacher: &mut Client,
    course: SpaceId,
    points: &BTreeMap<EntryId, (AccountId, ObjectId, u64)>,
) -> Result<usize, Failed> {
    let mut releases = Vec::new();
    for (attempt, (student, assignment, points)) in points {
        let (student, assignment, points) = (*student, *assignment, *points);
        // As good as random: no entry's id is on the wire.
        let mut grade = ObjectId([0; 16]);
        grade.0.copy_from_slice(&attempt.0[..16]);
        teacher.state(
            course,
            Lane::Staff,
            Grade {
                grade,
                assignment,
                student,
                attempt: Some(*attempt),
                points,
                feedback: String::new(),
                supersedes: Vec::new(),
            },
        )?;
        teacher.store_mut().seal()?;
        let release = Release {
            grade,
            entry: EntryId::ZERO,
            header: None,
            assignment,
            attempt: Some(*attempt),
            points,
            feedback: String::new(),
        };
        releases.push((student, release));
    }
    let grades = releases.len();
    for (student, release) in releases {
        teacher.state(course, Lane::One(student), release)?;
    }
    Ok(grades)
}
