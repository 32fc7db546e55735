//! Bytes and round trips of the session.
pub mod account;
pub mod class;
pub mod course;
pub mod cut;
pub mod exchange;
pub mod far_link;
pub mod processor;
pub mod workload;

use std::time::{Duration, Instant};

use stunity_client::{Client, Link, driver};
use stunity_e2e::{CutLink, School};

use self::account::{Account, in_one_piece};
use self::class::{Class, DOCUMENTS, Fallible, last_changes, saves, student};
use self::course::{BURSTS, Course, LESSONS};
use self::cut::through_cuts;
use self::exchange::{Carries, Exchange, exchange, exchange_over};
use self::far_link::FarLink;
use crate::Row;

// 1 KB is 1,024 bytes, as everywhere in the protocol.

/// Two sides that changed ten documents each, bytes both ways after the upgrade.
pub const RECONNECT: usize = 8_704;
/// Nothing new, bytes both ways after the upgrade.
pub const NOTHING_NEW: usize = 600;
/// Bytes beside the documents that a first sync may take.
pub const FIRST_SYNC_BESIDE: usize = 2_048;
/// What a first sync may cost the relay whose packs were compressed ahead, ms of
/// processor time.
pub const RELAY_MS: f64 = 20.0;
/// A connection that is cut after so many bytes may cost [`CUT_COST`].
pub const CUT: usize = 20 * 1024;
/// Of the same without a cut.
pub const CUT_COST: f64 = 1.2;
/// One that is cut after so many still converges.
pub const CUT_SHORT: usize = 4 * 1024;
/// Bytes that an entry of a course written over weeks may take who joins it, less than
/// its signature and salt alone are; and what stands beside.
pub const JOINING_ENTRY: usize = 74;
/// See [`JOINING_ENTRY`].
pub const JOINING_BESIDE: usize = 4_096;
/// Delay each way of the link over which round trips are shown.
const DELAY: Duration = Duration::from_millis(300);

/// What a first sync may take: a quarter more than the documents' saves in one piece,
/// and what stands beside them.
#[must_use]
pub fn first_sync_budget(saves_in_one_piece: usize) -> usize {
    saves_in_one_piece * 5 / 4 + FIRST_SYNC_BESIDE
}

/// What a device that joins a course of so many entries may take.
#[must_use]
pub fn joining_budget(entries: usize) -> usize {
    entries * JOINING_ENTRY + JOINING_BESIDE
}

/// Measures.
///
/// # Errors
/// What could not be set up, in words.
pub fn measure() -> Result<Vec<Row>, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(all()).map_err(|error| error.to_string())
}

async fn all() -> Fallible<Vec<Row>> {
    let mut rows = Vec::new();
    let mut class = Class::new(1, DOCUMENTS, 1).await?;
    class.school.sync(&mut class.here).await;
    first_sync(&mut class, &mut rows).await?;
    reconnect(&mut class, &mut rows).await?;
    nothing_new(&mut class, &mut rows).await?;
    // Devices whose first sync is the same.
    let mut class = Class::new(2, DOCUMENTS, 5).await?;
    class.school.sync(&mut class.here).await;
    cuts(&mut class, &mut rows).await?;
    joining(&mut rows).await?;
    Ok(rows)
}

fn bytes(what: &str, figure: usize, budget: usize) -> Row {
    Row::at_most(what, figure as f64, budget as f64, "B")
}

fn told(what: &str, figure: usize) -> Row {
    Row::told(what, figure as f64, "B")
}

fn trips(what: &str, exchange: &Exchange, budget: usize) -> Row {
    let figure = exchange.round_trips as f64;
    Row::at_most(what, figure, budget as f64, "round trips")
}

fn breakdown(exchange: &Exchange, rows: &mut Vec<Row>) -> Fallible<()> {
    let account = Account::of(exchange)?;
    for (what, figure) in [
        ("  changes", account.changes),
        ("  headers", account.headers),
        ("  signatures", account.signatures),
        ("  cursors", account.cursors),
        ("  receipt", account.receipt),
        ("  opening", account.opening),
        ("  framing", account.framing),
    ] {
        rows.push(told(what, figure));
    }
    Ok(())
}

async fn first_sync(class: &mut Class, rows: &mut Vec<Row>) -> Fallible<()> {
    let pieces = in_one_piece(&saves(&class.here, &class.documents)?)?;
    let device = &mut class.there[0];
    // The link breaks before anything comes; the relay has made its packs by then.
    let lost = exchange_over(&class.school, device, Carries::HelloAndUp).await?;
    let carried = exchange(&class.school, device).await?;
    rows.push(told("first sync: saves in one piece", pieces));
    rows.push(bytes(
        "first sync: both ways",
        carried.bytes(),
        first_sync_budget(pieces),
    ));
    breakdown(&carried, rows)?;
    rows.push(trips("first sync", &carried, 2));
    let ms = |exchange: &Exchange| exchange.relay.as_secs_f64() * 1000.0;
    let what = "first sync: relay, packs compressed ahead";
    rows.push(Row::at_most(what, ms(&carried), RELAY_MS, "ms processor"));
    let what = "first sync: relay, nothing compressed ahead";
    rows.push(Row::told(what, ms(&lost), "ms processor"));
    Ok(())
}

async fn cuts(class: &mut Class, rows: &mut Vec<Row>) -> Fallible<()> {
    let [uncut, cut, short, uncut_socket, cut_socket] = &mut class.there[..] else {
        return Err("five readers".into());
    };
    let school = &class.school;
    let whole = through_cuts(school, uncut, None).await?.bytes;
    rows.push(told("first sync, uncut, upgrade included", whole));
    for (device, every, budget) in [(cut, CUT, Some(CUT_COST)), (short, CUT_SHORT, None)] {
        let carried = through_cuts(school, device, Some(every)).await?;
        let what = format!(
            "first sync, cut every {} KB ({} connections)",
            every / 1024,
            carried.connections
        );
        let ratio = carried.bytes as f64 / whole as f64;
        rows.push(match budget {
            Some(budget) => Row::at_most(what, ratio, budget, "of uncut"),
            None => Row::told(what, ratio, "of uncut"),
        });
    }
    // Over sockets it depends on what they hold when they are cut.
    let (whole, _) = through_sockets(school, uncut_socket, i64::MAX).await?;
    let (carried, connections) = through_sockets(school, cut_socket, CUT as i64).await?;
    rows.push(Row::told(
        format!("first sync over sockets, cut every 20 KB ({connections} connections)"),
        carried as f64 / whole as f64,
        "of uncut",
    ));
    Ok(())
}

/// Syncs over sockets that are cut until all came through; gives bytes and connections.
async fn through_sockets(school: &School, device: &mut Client, cut: i64) -> Fallible<(u64, u64)> {
    let link = CutLink::new(school.address, cut).await;
    let via = Link {
        connect_to: Some(format!("http://{}", link.address)),
    };
    for _ in 0..1000 {
        if driver::sync(device, &via)
            .await
            .is_ok_and(|report| report.caught_up)
        {
            return Ok((link.carried(), link.connections()));
        }
    }
    Err(format!("cut every {cut} bytes: never came through").into())
}

/// A new device joins a course that was written over weeks.
async fn joining(rows: &mut Vec<Row>) -> Fallible<()> {
    let mut course = Course::new(3, LESSONS, BURSTS).await?;
    let pieces = in_one_piece(&saves(&course.author, &course.lessons)?)?;
    let carried = exchange(&course.school, &mut course.readers[0]).await?;
    rows.push(told("joining a course: saves in one piece", pieces));
    let entries = f64::from(carried.new_entries);
    rows.push(Row::told("joining a course", entries, "entries"));
    rows.push(bytes(
        "joining a course: both ways",
        carried.bytes(),
        joining_budget(carried.new_entries as usize),
    ));
    breakdown(&carried, rows)?;
    rows.push(trips("joining a course", &carried, 1));
    Ok(())
}

async fn reconnect(class: &mut Class, rows: &mut Vec<Row>) -> Fallible<()> {
    let (ours, theirs) = class.edit_apart()?;
    let up = in_one_piece(&last_changes(&class.here, &ours)?)?;
    let down = in_one_piece(&last_changes(&class.there[0], &theirs)?)?;
    class.school.sync(&mut class.there[0]).await;
    let carried = exchange(&class.school, &mut class.here).await?;
    rows.push(told("reconnect: floor up", up));
    rows.push(told("reconnect: floor down", down));
    rows.push(told("reconnect: up", carried.bytes_up()));
    rows.push(told("reconnect: down", carried.bytes_down()));
    rows.push(bytes("reconnect: both ways", carried.bytes(), RECONNECT));
    breakdown(&carried, rows)?;
    rows.push(trips("reconnect", &carried, 1));

    // The same once more, over sockets and a link that is far.
    class.school.sync(&mut class.there[0]).await;
    class.edit_apart()?;
    class.school.sync(&mut class.there[0]).await;
    let link = FarLink::new(class.school.address, DELAY).await?;
    let via = Link {
        connect_to: Some(format!("http://{}", link.address)),
    };
    let begun = Instant::now();
    let report = driver::sync(&mut class.here, &via).await?;
    let elapsed = begun.elapsed().as_secs_f64() / (2.0 * DELAY.as_secs_f64());
    if !report.caught_up {
        return Err("not caught up".into());
    }
    rows.push(bytes(
        "reconnect over sockets: both ways",
        link.carried() as usize,
        RECONNECT,
    ));
    rows.push(Row::at_most(
        "reconnect over 300 ms each way, the upgrade and one more",
        elapsed,
        2.5,
        "times 600 ms",
    ));
    Ok(())
}

async fn nothing_new(class: &mut Class, rows: &mut Vec<Row>) -> Fallible<()> {
    class.school.sync(&mut class.here).await;
    let teacher = exchange(&class.school, &mut class.here).await?;
    let mut device = student(&class.school).await?;
    let pupil = exchange(&class.school, &mut device).await?;
    for (who, carried) in [("a teacher", teacher), ("a student", pupil)] {
        rows.push(bytes(
            &format!("nothing new, {who}: both ways"),
            carried.bytes(),
            NOTHING_NEW,
        ));
        rows.push(trips(&format!("nothing new, {who}"), &carried, 1));
    }
    Ok(())
}
