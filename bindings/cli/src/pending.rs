//! `stunity pending`: what waits for staff.
use clap::Subcommand;
use serde_json::{Value, json};
use stunity_client::{Client, ClientError};
use stunity_proto::{EntryId, Kind, SpaceId};
use stunity_store::PendingRow;

use crate::show::{event_name, print, time};

#[derive(Subcommand)]
pub enum Pending {
    /// Lists what is valid and has no effect yet: beyond a cut-off, or proposed
    /// through an API.
    List {
        #[arg(long)]
        course: Option<SpaceId>,
    },
    /// Gives effect to an entry.
    Accept { entry: EntryId },
}

/// Runs a command of what waits.
pub fn run(client: &mut Client, command: Pending, json: bool) -> Result<(), ClientError> {
    match command {
        Pending::List { course } => {
            let rows = client.store().pending(course)?;
            let value: Vec<Value> = rows.iter().map(value).collect();
            print(json, &value.into(), || rows.iter().map(line).collect());
            Ok(())
        }
        Pending::Accept { entry } => client.accept_pending(entry),
    }
}

fn value(row: &PendingRow) -> Value {
    json!({
        "entry": row.entry.to_string(),
        "course": row.course.to_string(),
        "author": row.author.to_string(),
        "code": row.code,
        "vouched": row.vouched,
        "what": row.kinds.iter().map(kind_name).collect::<Vec<_>>(),
        "received_ms": row.received_ms,
    })
}

fn line(row: &PendingRow) -> String {
    let what: Vec<String> = row.kinds.iter().map(kind_name).collect();
    let when = row.received_ms.map_or("not at a relay".to_owned(), time);
    format!(
        "{}  {}  {} by {}  ({when})\n",
        row.entry,
        row.code,
        what.join(", "),
        row.author
    )
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Event(code) => event_name(*code),
        Kind::Change { .. } => "document".to_owned(),
        Kind::Manifest => "file".to_owned(),
        Kind::Handshake => "handshake".to_owned(),
    }
}
