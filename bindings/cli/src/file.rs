//! `stunity blob`: files by chunks.
use std::fs::File;

use serde_json::{Value, json};
use stunity_client::{Client, ClientError};
use stunity_model::metered::{Network, Passage, passage};
use stunity_proto::{BlobId, Lane};
use stunity_store::BlobRow;

use crate::args::Blob;
use crate::show::{print, size};

/// Runs a command.
pub fn run(client: &mut Client, command: Blob, json: bool) -> Result<(), ClientError> {
    match command {
        Blob::Put {
            course,
            lane,
            media,
            file,
        } => {
            let lane = lane.unwrap_or(Lane::One(client.store().account()));
            let blob = keep(client, &file, media.as_deref())?;
            let manifest = client.store().manifest(blob)?;
            client.share_file(course, lane, &manifest)?;
            show_cost(client, blob, manifest.size, json)?;
        }
        Blob::Get {
            blob,
            to,
            over_mobile_data,
        } => match client.store().blob_bytes(blob)? {
            Some(bytes) => {
                let written = bytes.len();
                if let Some(to) = &to {
                    std::fs::write(to, &bytes)?;
                }
                let value = json!({ "blob": blob.to_string(), "bytes": written, "held": true });
                print(json, &value, || format!("{} here", size(written as u64)));
            }
            None => {
                client.store_mut().want_blob(blob, over_mobile_data)?;
                let state = client.store().blob(blob)?;
                let left = state.map_or(0, |s| s.missing.len() as u64 * 65_536);
                show_cost(client, blob, left, json)?;
            }
        },
        Blob::Allow { blob } => {
            client.store_mut().agree_to_blob(blob)?;
            print(json, &json!({ "allowed": true }), String::new);
        }
        Blob::List => {
            let rows = client.store().blobs()?;
            let value: Vec<Value> = rows.iter().map(row_value).collect();
            print(json, &value.into(), || rows.iter().map(row_text).collect());
        }
    }
    Ok(())
}

/// Keeps a file with a media type from its name, if none is said.
pub fn keep(
    client: &mut Client,
    path: &std::path::Path,
    media: Option<&str>,
) -> Result<BlobId, ClientError> {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let media = media.unwrap_or_else(|| media_of(path));
    let manifest = client.keep_file(&mut File::open(path)?, media, name.as_deref())?;
    Ok(manifest.blob)
}

fn media_of(path: &std::path::Path) -> &'static str {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    match ending.to_ascii_lowercase().as_str() {
        "txt" | "md" => "text/plain; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

/// What a transfer takes, before it starts.
fn show_cost(client: &Client, blob: BlobId, bytes: u64, json: bool) -> Result<(), ClientError> {
    let cost = client.store().estimate(bytes)?;
    let value = json!({
        "blob": blob.to_string(),
        "held": false,
        "bytes": cost.bytes,
        "seconds": cost.seconds,
    });
    print(json, &value, || {
        let time = cost.seconds.map_or(String::new(), |seconds| {
            format!(", about {} min as the link was last", seconds.div_ceil(60))
        });
        format!("{blob}\n{} with the next sync{time}", size(cost.bytes))
    });
    Ok(())
}

fn row_value(row: &BlobRow) -> Value {
    json!({
        "blob": row.blob.to_string(),
        "name": row.name,
        "media": row.media,
        "size": row.size,
        "held": row.held,
        "sent": row.sent,
        "own": row.is_own,
        "wanted": row.is_wanted,
        "space": row.place.map(|(space, _)| space.to_string()),
        "on_mobile_data": match passage(Network::Metered, &row.media, row.size, false) {
            Passage::Now => "goes",
            Passage::Ask => "asks",
            Passage::Wait => "waits",
        },
    })
}

fn row_text(row: &BlobRow) -> String {
    let state = if row.is_own {
        format!("{} of {} sent", size(row.sent), size(row.size))
    } else if row.held == row.size {
        format!("{} here", size(row.size))
    } else {
        format!("{} of {} here", size(row.held), size(row.size))
    };
    let name = row.name.as_deref().unwrap_or(&row.media);
    format!("{}  {state}  {name}\n", row.blob)
}
