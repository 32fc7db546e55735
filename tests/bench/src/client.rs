//! The client on a weak phone: a database of 10,000 records, and a paper typed key by
//! key.
//!
//! Times of opening and reading are of a process of its own each, as an app begins;
//! typing is measured in processor time beside the bare crate, turn by turn, so that
//! neighbours hit both alike.
use std::path::Path;
use std::process::Command;

use stunity_client::{Client, NewAssignment, NewCourse, Work};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_proto::{DocId, SpaceId};
use stunity_test_support::traces;

use crate::timer::Timer;
use crate::{Row, typing};

/// Pupils of the course, and pieces of work of each.
const PUPILS: usize = 100;
const PIECES: usize = 98;
/// Processes for each figure; the middle one counts.
const RUNS: usize = 7;
const MIB: f64 = 1024.0 * 1024.0;

type Failed = Box<dyn std::error::Error>;

/// Measures.
///
/// # Errors
/// What could not be set up, in words.
pub fn measure() -> Result<Vec<Row>, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    runtime
        .block_on(async {
            let school = School::new().await;
            records(&school, &mut rows).await?;
            paper(&school, &mut rows).await
        })
        .and_then(|()| conversation(&mut rows))
        .map_err(|error| error.to_string())?;
    Ok(rows)
}

/// Words of pieces of work, in two languages.
const WORDS: [&str; 16] = [
    "water",
    "light",
    "force",
    "energy",
    "measure",
    "table",
    "river",
    "village",
    "ទឹក",
    "ពន្លឺ",
    "កម្លាំង",
    "ថាមពល",
    "តារាង",
    "ទន្លេ",
    "ភូមិ",
    "សាលា",
];

/// Forty words, others for each piece; every fiftieth has a word that is rare.
fn text(pupil: usize, piece: usize) -> String {
    let mut text = String::new();
    let mut state = (pupil * 1009 + piece * 31 + 7) as u32;
    for _ in 0..40 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += WORDS[(state >> 16) as usize % WORDS.len()];
        text.push(' ');
    }
    if (pupil + piece).is_multiple_of(50) {
        text += "photosynthesis រស្មីសំយោគ";
    }
    text
}

/// A teacher's database of one large course, and what a fresh process makes of it.
async fn records(school: &School, rows: &mut Vec<Row>) -> Result<(), Failed> {
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    school.sync(&mut teacher).await;
    let course = teacher.create_course(NewCourse {
        title: "Physics".into(),
        open: true,
        ..NewCourse::default()
    })?;
    let assignments = (0..PIECES)
        .map(|piece| {
            let new = NewAssignment {
                title: format!("Experiment {piece}"),
                ..NewAssignment::default()
            };
            teacher.publish_assignment(course, new)
        })
        .collect::<Result<Vec<_>, _>>()?;
    school.sync(&mut teacher).await;
    for number in 0..PUPILS {
        let name = format!("pupil-{number}");
        let mut pupil = school.join(&name, StaffRoles::default()).await;
        let account = pupil.store().account();
        pupil.enrol(course, account)?;
        let lane = stunity_proto::Lane::One(account);
        pupil.show_name(course, lane, &name, "Chan", Some("ចាន់"))?;
        for (piece, assignment) in assignments.iter().enumerate() {
            pupil.submit(Work {
                course,
                assignment: *assignment,
                attempt: 1,
                text: text(number, piece),
                blobs: Vec::new(),
            })?;
        }
        school.sync(&mut pupil).await;
    }
    school.sync(&mut teacher).await;
    let records = PUPILS * (PIECES + 2) + PIECES + 2;
    let held = teacher.store().submissions(course, None)?.len();
    if held != PUPILS * PIECES {
        return Err(format!("{held} pieces of work arrived").into());
    }
    rows.push(Row::told("records in the database", records as f64, ""));
    rows.push(Row::told(
        "bytes on disk",
        teacher.store().bytes_on_disk() as f64 / MIB,
        "MiB",
    ));
    drop(teacher);
    let figures = children(&[
        "records",
        path(&school.path("teacher"))?,
        &course.to_string(),
    ])?;
    for (what, budget) in [
        ("open", 50.0),
        ("class list", 5.0),
        ("search, English", 10.0),
        ("search, Khmer", 10.0),
    ] {
        rows.push(Row::at_most(what, figures.of(what)?, budget, "ms"));
    }
    rows.push(Row::at_most(
        "peak memory",
        figures.of("peak memory")?,
        40.0,
        "MiB",
    ));
    Ok(())
}

/// The paper, typed through the public draft API.
async fn paper(school: &School, rows: &mut Vec<Row>) -> Result<(), Failed> {
    let trace = traces::load("automerge-paper.json.gz").ok_or("needs the keystroke traces")?;
    let mut author = school.join("author", StaffRoles::default()).await;
    school.sync(&mut author).await;
    let typed = typing::paper(author, &school.path("author"), &trace)?;
    rows.push(Row::told("paper: keystrokes", typed.edits as f64, ""));
    rows.push(Row::told("paper: bare crate", typed.bare_ms, "ms"));
    rows.push(Row::told("paper: draft API", typed.client_ms, "ms"));
    rows.push(Row::at_most(
        "paper: processor time, draft API to bare crate",
        typed.client_ms / typed.bare_ms,
        1.1,
        "times",
    ));
    let doc: String = typed
        .doc
        .0
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let figures = children(&["screen", path(&school.path("author"))?, &doc])?;
    rows.push(Row::told("paper: open", figures.of("open")?, "ms"));
    rows.push(Row::at_most(
        "paper: first screen after a cold open",
        figures.of("first screen")?,
        10.0,
        "ms",
    ));
    Ok(())
}

/// Two people type in one text at the same time.
fn conversation(rows: &mut Vec<Row>) -> Result<(), Failed> {
    let trace =
        traces::load("friendsforever.concurrent.json.gz").ok_or("needs the keystroke traces")?;
    let timer = Timer::start();
    for text in traces::type_on_two_devices(&trace) {
        if text != trace.end {
            return Err("friendsforever ends in another text".into());
        }
    }
    rows.push(Row::told(
        "friendsforever: characters that both devices end in",
        trace.end.chars().count() as f64,
        "",
    ));
    rows.push(Row::told(
        "friendsforever: processor",
        timer.processor() * 1000.0,
        "ms",
    ));
    Ok(())
}

fn path(path: &Path) -> Result<&str, Failed> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

/// What processes printed: a name and a figure a line.
struct Figures(Vec<(String, f64)>);

impl Figures {
    /// The middle of all runs.
    fn of(&self, what: &str) -> Result<f64, Failed> {
        let named = self.0.iter().filter(|(name, _)| name == what);
        let mut figures: Vec<f64> = named.map(|(_, figure)| *figure).collect();
        figures.sort_by(f64::total_cmp);
        Ok(*figures.get(figures.len() / 2).ok_or("no figure")?)
    }
}

/// Runs this program as [`child`], several times.
fn children(args: &[&str]) -> Result<Figures, Failed> {
    let mut figures = Vec::new();
    for _ in 0..RUNS {
        let mut command = Command::new(std::env::current_exe()?);
        let output = command.arg("child").args(args).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let (name, figure) = line.split_once('\t').ok_or("no figure in a line")?;
            figures.push((name.to_owned(), figure.parse()?));
        }
    }
    Ok(Figures(figures))
}

/// One process of a measurement; prints its figures.
///
/// # Errors
/// Arguments that are not [`children`]'s, or what failed, in words.
pub fn child(args: &[String]) -> Result<(), String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["records", folder, course] => read_records(Path::new(folder), course),
        ["screen", folder, doc] => read_screen(Path::new(folder), doc),
        _ => Err("no such measurement".into()),
    };
    done.map_err(|error| error.to_string())
}

fn say(what: &str, timer: &Timer) {
    println!("{what}\t{}", timer.wall() * 1000.0);
}

fn read_records(folder: &Path, course: &str) -> Result<(), Failed> {
    let course: SpaceId = course.parse()?;
    let timer = Timer::start();
    let client = Client::open(folder)?;
    say("open", &timer);
    let store = client.store();
    let timer = Timer::start();
    let list = store.class_list(course, Roles::STUDENT)?;
    say("class list", &timer);
    if list.len() != PUPILS {
        return Err(format!("{} pupils", list.len()).into());
    }
    for (what, query) in [
        ("search, English", "photosynthesis"),
        ("search, Khmer", "រស្មីសំយោគ"),
    ] {
        let timer = Timer::start();
        let hits = store.search(query, 20)?.len();
        say(what, &timer);
        if hits != 20 {
            return Err(format!("{hits} hits").into());
        }
    }
    // The most that this process had in memory (proc(5), `status`).
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = (status.lines())
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .ok_or("no peak memory")?;
    println!("peak memory\t{}", peak.trim().parse::<f64>()? / 1024.0);
    Ok(())
}

fn read_screen(folder: &Path, doc: &str) -> Result<(), Failed> {
    let doc: DocId = doc.parse()?;
    let timer = Timer::start();
    let mut client = Client::open(folder)?;
    say("open", &timer);
    let timer = Timer::start();
    let view = client.document_view(doc)?;
    let characters = view.text("body").unwrap_or_default().len();
    say("first screen", &timer);
    if characters == 0 {
        return Err("an empty text".into());
    }
    Ok(())
}
