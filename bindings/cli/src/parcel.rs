//! `stunity parcel`: work that travels by a file.
use std::fs::{self, File};
use std::io::BufWriter;

use serde_json::{Value, json};
use stunity_client::{Client, ClientError, Taken};
use stunity_store::{ParcelTo, Span};

use crate::args::Parcel;
use crate::show::print;

/// Runs a command.
pub fn run(client: &mut Client, command: Parcel, json: bool) -> Result<(), ClientError> {
    match command {
        Parcel::Export {
            file,
            course,
            lane,
            after,
            until,
            device,
            account,
        } => {
            let span = course.map_or(Span::Waiting, |space| Span::Held {
                space,
                lane,
                after,
                to: until,
            });
            let devices = device.into_iter().map(ParcelTo::Device);
            let mut to: Vec<ParcelTo> = devices
                .chain(account.into_iter().map(ParcelTo::Account))
                .collect();
            if to.is_empty() {
                to.push(ParcelTo::Relay);
            }
            let mut out = BufWriter::new(File::create(&file)?);
            let exported = client.export_parcel(span, &to, &mut out)?;
            let value = json!({
                "file": file,
                "entries": exported.entries,
                "receipts": exported.receipts,
                "chunks": exported.chunks,
                "bytes": exported.bytes,
            });
            print(json, &value, || {
                format!(
                    "{} entries in {} bytes: {}",
                    exported.entries,
                    exported.bytes,
                    file.display()
                )
            });
        }
        Parcel::Import { file } => {
            let (value, text) = taken(&client.take_parcel(&mut File::open(file)?)?);
            print(json, &value, || text);
        }
        Parcel::Carried => {
            let rows = client.store().carried()?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "name": row.name.to_string(),
                        "bytes": row.size,
                        "taken_ms": row.taken_ms,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| format!("{}  {} bytes\n", row.name, row.size))
                    .collect()
            });
        }
        Parcel::Deliver { answers } => {
            let done = client.hand_over_parcels()?;
            let mut written = Vec::new();
            if let Some(folder) = answers {
                fs::create_dir_all(&folder)?;
                for (index, answer) in done.iter().flat_map(|d| &d.answers).enumerate() {
                    let path = folder.join(format!("answer-{}.stunity", index + 1));
                    fs::write(&path, answer)?;
                    written.push(path);
                }
            }
            let value = json!({ "delivered": done.len(), "answers": written });
            print(json, &value, || {
                let mut text = format!("{} parcels delivered\n", done.len());
                for path in &written {
                    text.push_str(&format!("an answer to its author: {}\n", path.display()));
                }
                text
            });
        }
        Parcel::Drop { parcel } => {
            client.store_mut().drop_carried(parcel)?;
            print(json, &json!({ "dropped": true }), String::new);
        }
    }
    Ok(())
}

fn taken(taken: &Taken) -> (Value, String) {
    match taken {
        Taken::Carried(name) => (
            json!({ "carried": name.to_string() }),
            format!("carried for the relay: {name}"),
        ),
        Taken::Opened { import, is_whole } => {
            let value = json!({
                "whole": is_whole,
                "new_entries": import.new_entries,
                "known": import.known,
                "receipts": import.receipts,
                "refused": import.refused,
                "chunks": import.chunks,
                "left_out": import.left_out,
                "held": import.held.iter().map(|(_, code)| *code).collect::<Vec<_>>(),
                "rejected": import.rejected.iter().map(|(_, code)| *code).collect::<Vec<_>>(),
            });
            let mut text = format!("{} new entries", import.new_entries);
            if import.left_out > 0 {
                text.push_str(&format!(
                    "; {} left out: what they need is not here yet",
                    import.left_out
                ));
            }
            if !is_whole {
                text.push_str("; the file was cut or damaged: ask for it again");
            }
            (value, text)
        }
    }
}
