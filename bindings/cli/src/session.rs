//! `stunity sync`, `status`: what goes and comes, and how far it is.
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use stunity_client::{Client, ClientError, Link, Report, driver};
use stunity_model::metered::Network;
use stunity_store::ItemState;
use stunity_sync::client::Event;

use crate::args::Sync;
use crate::progress::Progress;
use crate::show::{ATTENTION, UNREACHABLE, event_name, print, size, time};

/// Syncs once, until all went and came, or for as long as it runs.
pub fn sync(client: &mut Client, options: Sync, json: bool) -> Result<ExitCode, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if options.metered {
        client.set_network(Network::Metered);
    }
    let link = Link {
        connect_to: options.via,
    };
    let mut attempt = 0;
    let report: Report = loop {
        attempt += 1;
        let mut progress = Progress::new(json);
        let result = runtime.block_on(async {
            if options.live {
                let (stopping, stop) = tokio::sync::watch::channel(false);
                tokio::spawn(async move {
                    let _ = tokio::signal::ctrl_c().await;
                    let _ = stopping.send(true);
                });
                driver::live(client, &link, stop, |event| tell(event, json)).await
            } else {
                driver::watch(client, &link, |event| progress.hear(event)).await
            }
        });
        match result {
            Ok(report) if report.caught_up => break report,
            Ok(report) if attempt >= options.tries => break report,
            Err(error) if attempt >= options.tries || !error.is_retryable() => return Err(error),
            _ => {
                // A growing pause, so that a relay that comes back is not stormed.
                let pause = 50u64 << attempt.min(6);
                std::thread::sleep(Duration::from_millis(pause));
            }
        }
    };
    show_report(&report, attempt, json);
    Ok(if !report.caught_up && !options.live {
        ExitCode::from(UNREACHABLE)
    } else if report.rejected.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ATTENTION)
    })
}

fn show_report(report: &Report, connections: u32, json: bool) {
    let value = json!({
        "caught_up": report.caught_up,
        "sent": report.sent,
        "received": report.received,
        "new_entries": report.new_entries,
        "held": report.held,
        "rejected": report.rejected,
        "connections": connections,
    });
    print(json, &value, || {
        let mut text = format!(
            "{} new entries; {} bytes up, {} bytes down",
            report.new_entries, report.sent, report.received
        );
        for code in &report.rejected {
            text.push_str(&format!("\nneeds attention: {code}"));
        }
        text
    });
}

/// What a live session hears, a line each.
fn tell(event: &Event, json: bool) {
    let (value, text) = match event {
        Event::Applied(applied) if applied.new_entries > 0 => (
            json!({ "event": "applied", "new_entries": applied.new_entries }),
            format!("{} new entries", applied.new_entries),
        ),
        Event::CaughtUp { relay_ms } => (
            json!({ "event": "caught-up", "relay_ms": relay_ms }),
            format!("all is here, {}", time(*relay_ms)),
        ),
        Event::File {
            blob,
            is_upload,
            done,
            total,
        } if done == total => (
            json!({ "event": "file", "blob": blob.to_string(), "up": is_upload }),
            format!("file {blob}: {}", size(*total)),
        ),
        _ => return,
    };
    print(json, &value, || text);
}

fn state_text(state: &ItemState) -> (String, &'static str) {
    match state {
        ItemState::Queued => ("queued".into(), "queued"),
        ItemState::Sending { percent } => (format!("sending {percent} %"), "sending"),
        ItemState::Carried => ("in a parcel".into(), "carried"),
        ItemState::Received { received_ms } => (
            format!("received by Stunity ({})", time(*received_ms)),
            "received",
        ),
        ItemState::Pending { code } => (format!("waiting for staff: {code}"), "pending"),
        ItemState::Graded { .. } => ("graded".into(), "graded"),
        ItemState::Refused { code } => (format!("needs attention: {code}"), "refused"),
    }
}

/// What came how far: own items, drafts, files, parcels carried for others.
pub fn status(client: &mut Client, json: bool) -> Result<ExitCode, ClientError> {
    let drafts = client.drafts()?;
    let store = client.store();
    let unsent = store.unsent()?;
    let items = store.items(200)?;
    let files: Vec<_> = store.blobs()?.into_iter().filter(|b| b.is_own).collect();
    let carried = store.carried()?.len();
    let last_ms = store.last_relay_ms()?;
    let lacks_space = store.lacks_space();
    let pending = store.pending(None)?.len();
    let value = json!({
        "waiting": unsent.waiting,
        "refused": unsent.refused,
        "lacks_space": lacks_space,
        "pending": pending,
        "last_relay_ms": last_ms,
        "items": items.iter().map(|item| {
            let mut value = json!({
                "event": item.event,
                "space": item.space.to_string(),
                "object": item.object.map(|object| object.to_string()),
                "state": state_text(&item.state).1,
                "words": state_text(&item.state).0,
            });
            if let ItemState::Received { received_ms } = item.state {
                value["received_ms"] = received_ms.into();
            }
            value
        }).collect::<Vec<_>>(),
        "drafts": drafts.iter().map(|draft| json!({
            "draft": draft.doc.to_string(),
            "state": "draft",
        })).collect::<Vec<_>>(),
        "files": files.iter().map(|file| json!({
            "blob": file.blob.to_string(),
            "name": file.name,
            "sent": file.sent,
            "size": file.size,
        })).collect::<Vec<Value>>(),
        "carried": carried,
    });
    print(json, &value, || {
        let mut text = format!("{} items not yet sent", unsent.waiting);
        match last_ms {
            Some(ms) => text.push_str(&format!("; last sync {}", time(ms))),
            None => text.push_str("; never synced"),
        }
        if lacks_space {
            text.push_str("\nnot enough space on this device: what does not fit is not here");
        }
        if pending > 0 {
            text.push_str(&format!("\n{pending} entries wait for staff"));
        }
        for draft in &drafts {
            text.push_str(&format!("\n{}: draft on this device", draft.doc));
        }
        for item in &items {
            let what = item.event.map_or("document or file".to_owned(), event_name);
            text.push_str(&format!("\n{what}: {}", state_text(&item.state).0));
        }
        for file in &files {
            let name = file.name.clone().unwrap_or_else(|| file.blob.to_string());
            let percent = file.sent * 100 / file.size.max(1);
            text.push_str(&format!(
                "\n{name}: sending {percent} % of {}",
                size(file.size)
            ));
        }
        if carried > 0 {
            text.push_str(&format!("\n{carried} parcels carried for others"));
        }
        text
    });
    Ok(if unsent.refused > 0 || lacks_space {
        ExitCode::from(ATTENTION)
    } else {
        ExitCode::SUCCESS
    })
}
