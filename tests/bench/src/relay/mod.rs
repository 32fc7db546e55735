//! The relay under load, from a process of its own.
mod load;
mod people;
mod process;
mod school;

use std::path::Path;

use process::{Load, Relay};
use school::Plan;

use crate::Row;

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

/// Measures.
///
/// # Errors
/// What could not be set up, in words.
pub fn measure() -> Result<Vec<Row>, String> {
    measured().map_err(|error| error.to_string())
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

fn measured() -> Fallible<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let school = folder.path().join("school");
    let mut plan = runtime.block_on(Plan::make(&school, IDLE + 1, UPLOADERS))?;
    runtime.block_on(plan.note_cursors(&school))?;
    let file = folder.path().join("plan");
    plan.save(&file)?;
    let mut rows = Vec::new();
    starting(&school, &mut rows)?;
    live(&school, &file, &mut rows)?;
    idle(&school, &file, &mut rows)?;
    upload(&school, &file, &mut rows)?;
    runtime.block_on(history(folder.path(), &mut rows))?;
    Ok(rows)
}

fn starting(school: &Path, rows: &mut Vec<Row>) -> Fallible<()> {
    // The files' pages are warm after the first.
    drop(Relay::start(school)?);
    let relay = Relay::start(school)?;
    let ready = relay.ready.as_secs_f64() * 1000.0;
    rows.push(Row::at_most("start to ready", ready, 50.0, "ms"));
    let memory = relay.memory()? / 1e6;
    rows.push(Row::at_most("idle: memory", memory, 15.0, "MB"));
    Ok(())
}

fn live(school: &Path, plan: &Path, rows: &mut Vec<Row>) -> Fallible<()> {
    let relay = Relay::start(school)?;
    let mut load = Load::start(&relay, "live", plan)?;
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

fn idle(school: &Path, plan: &Path, rows: &mut Vec<Row>) -> Fallible<()> {
    let relay = Relay::start(school)?;
    let before = relay.memory()?;
    let mut load = Load::start(&relay, "idle", plan)?;
    load.wait_connected()?;
    let each = (relay.memory()? - before) / IDLE as f64 / 1000.0;
    load.finish()?;
    let what = format!("{IDLE} idle devices: memory of each");
    rows.push(Row::at_most(what, each, 10.0, "KB"));
    Ok(())
}

fn upload(school: &Path, plan: &Path, rows: &mut Vec<Row>) -> Fallible<()> {
    let relay = Relay::start(school)?;
    let mut load = Load::start(&relay, "upload", plan)?;
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
async fn history(folder: &Path, rows: &mut Vec<Row>) -> Fallible<()> {
    let mut reports = Vec::new();
    for entries in HISTORIES {
        let school = folder.join(format!("history-{entries}"));
        let mut plan = Plan::make(&school, 2, 1).await?;
        school::fill(&school, plan.course, entries).await?;
        plan.note_cursors(&school).await?;
        let file = folder.join("plan");
        plan.save(&file)?;
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
