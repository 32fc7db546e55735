//! The relay under load, from a process of its own.
mod load;
mod people;
mod process;
mod school;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use process::{Load, Relay};
use school::Plan;

use crate::{Measure, Row};

/// Whatever went wrong, in words.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Devices that hear one that writes.
const LIVE: usize = 200;
/// Events that it writes a second.
const PER_SECOND: u32 = 20;
/// Events that it writes.
const EVENTS: usize = 400;
/// Devices that are connected and silent.
const IDLE: usize = 5_000;
/// Devices that hand in at once.
const UPLOADERS: usize = 500;
/// Pieces that each hands in.
const UPLOADS: usize = 40;
/// How often a reconnection and an append are measured; the median counts.
const ROUNDS: usize = 200;
/// Histories that must cost the same.
const HISTORIES: [u64; 2] = [10_000, 1_000_000];

/// Its parts, each by itself.
pub const PARTS: &[(&str, Measure)] = &[
    ("relay.start", || measure_parts(&[starting])),
    ("relay.live", || measure_parts(&[live])),
    ("relay.idle", || measure_parts(&[idle])),
    ("relay.upload", || measure_parts(&[upload])),
    ("relay.history", || measure_parts(&[history])),
];

/// Measures everything.
///
/// # Errors
/// What could not be set up, in words.
pub fn measure() -> Result<Vec<Row>, String> {
    measure_parts(&[starting, live, idle, upload, history])
}

fn measure_parts(parts: &[Part]) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let measured =
        Ground::new().and_then(|ground| parts.iter().try_for_each(|part| part(&ground, &mut rows)));
    measured.map_err(|error| error.to_string())?;
    Ok(rows)
}

/// The loading process: its mode, the relay's address, the plan's file.
///
/// # Errors
/// What went wrong, in words.
pub fn child(arguments: &[String]) -> Result<(), String> {
    let [mode, address, plan] = arguments else {
        return Err("relay-load MODE ADDRESS PLAN".into());
    };
    load::run(mode, address, Path::new(plan)).map_err(|error| format!("{mode}: {error}"))
}

/// Measures one thing.
type Part = fn(&Ground, &mut Vec<Row>) -> Fallible<()>;

/// Where the schools lie that are loaded.
struct Ground {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    made: OnceCell<()>,
}

impl Ground {
    fn new() -> Fallible<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?,
            made: OnceCell::new(),
        })
    }

    /// A school with as many accounts as any part needs, and its plan; parts share it.
    fn school(&self) -> Fallible<(PathBuf, PathBuf)> {
        let (school, file) = (self.path("school"), self.path("plan"));
        if self.made.get().is_none() {
            let mut plan = (self.runtime).block_on(Plan::make(&school, IDLE + 1, UPLOADERS))?;
            self.runtime.block_on(plan.note_cursors(&school))?;
            plan.save(&file)?;
            self.made.get_or_init(|| ());
        }
        Ok((school, file))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn starting(ground: &Ground, rows: &mut Vec<Row>) -> Fallible<()> {
    let (school, _) = ground.school()?;
    // The files' pages are warm after the first.
    drop(Relay::start(&school)?);
    let relay = Relay::start(&school)?;
    let ready = relay.ready.as_secs_f64() * 1000.0;
    rows.push(Row::at_most("start to ready", ready, 50.0, "ms"));
    let memory = relay.memory()? / 1e6;
    rows.push(Row::at_most("idle: memory", memory, 15.0, "MB"));
    Ok(())
}

fn live(ground: &Ground, rows: &mut Vec<Row>) -> Fallible<()> {
    let (school, plan) = ground.school()?;
    let relay = Relay::start(&school)?;
    let mut load = Load::start(&relay, "live", &plan)?;
    load.wait_connected()?;
    let before = relay.processor()?;
    let report = load.finish()?;
    let used = relay.processor()? - before;
    let what = |figure: &str| format!("{LIVE} live devices: {figure}");
    rows.push(Row::at_most(what("p50"), report["p50"], 3.0, "ms"));
    rows.push(Row::at_most(what("p99"), report["p99"], 15.0, "ms"));
    let each = used / report["deliveries"] * 10_000.0;
    rows.push(Row::at_most(
        what("processor for 10,000 deliveries"),
        each,
        0.15,
        "s",
    ));
    Ok(())
}

fn idle(ground: &Ground, rows: &mut Vec<Row>) -> Fallible<()> {
    let (school, plan) = ground.school()?;
    let relay = Relay::start(&school)?;
    let before = relay.memory()?;
    let mut load = Load::start(&relay, "idle", &plan)?;
    load.wait_connected()?;
    let each = (relay.memory()? - before) / IDLE as f64 / 1000.0;
    load.finish()?;
    let what = format!("{IDLE} idle devices: memory of each");
    rows.push(Row::at_most(what, each, 10.0, "KB"));
    Ok(())
}

fn upload(ground: &Ground, rows: &mut Vec<Row>) -> Fallible<()> {
    let (school, plan) = ground.school()?;
    let relay = Relay::start(&school)?;
    let mut load = Load::start(&relay, "upload", &plan)?;
    load.wait_connected()?;
    let before = relay.processor()?;
    let report = load.finish()?;
    let used = relay.processor()? - before;
    let what = |figure: &str| format!("{UPLOADERS} devices upload: {figure}");
    rows.push(Row::at_least(
        what("durable entries"),
        report["rate"],
        3_000.0,
        "/s",
    ));
    rows.push(Row::told(what("p50"), report["p50"], "ms"));
    rows.push(Row::at_most(what("p99"), report["p99"], 250.0, "ms"));
    let each = used / (UPLOADERS * UPLOADS) as f64 * 1e6;
    rows.push(Row::told(what("processor for an entry"), each, "µs"));
    Ok(())
}

/// The same work with little and with much stored.
fn history(ground: &Ground, rows: &mut Vec<Row>) -> Fallible<()> {
    let mut reports = Vec::new();
    for entries in HISTORIES {
        let school = ground.path(&format!("history-{entries}"));
        let file = ground.path(&format!("plan-{entries}"));
        ground.runtime.block_on(async {
            let mut plan = Plan::make(&school, 2, 1).await?;
            school::fill(&school, plan.course, entries).await?;
            plan.note_cursors(&school).await?;
            plan.save(&file)
        })?;
        let relay = Relay::start(&school)?;
        reports.push(relay.load("history", &file)?);
    }
    for what in ["reconnect", "append"] {
        let [short, long] = [reports[0][what], reports[1][what]];
        rows.push(Row::told(
            format!("{what} with 10,000 entries"),
            short,
            "ms",
        ));
        rows.push(Row::told(
            format!("{what} with 1,000,000 entries"),
            long,
            "ms",
        ));
        let what = format!("{what}: with 1,000,000 against 10,000");
        rows.push(Row::at_most(what, long / short, 1.2, "×"));
    }
    Ok(())
}
