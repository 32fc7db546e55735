//! Parcels that anybody brings (docs/protocol/08-parcels.md): opened with the
//! node's key and judged entry by entry as if their authors had sent them. Nobody
//! has to prove anything to bring one, and nothing of it is told to who does.
use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use stunity_identity::{AccountEvent, ParcelReader, Receipt, Recipient, seal_parcel};
use stunity_proto::frame::pack_id;
use stunity_proto::pack::{Explicit, decode_pack};
use stunity_proto::parcel::{MAGIC, Part};
use stunity_proto::receipt::Leaf;
use stunity_proto::{AccountId, DeviceId, Entry, Signer};
use stunity_sync::replica::Outcome;
use stunity_sync::{RelayStore, SyncError};

use crate::accounts::to_hex;
use crate::error::ServerError;
use crate::log::{Log, WholePack};
use crate::run::App;

/// A file at most: what a device carries for others in all.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The routes of this file.
pub fn router() -> Router<App> {
    Router::new().route("/api/parcels", post(take))
}

/// Files sealed to the authors, in hexadecimal.
#[derive(Serialize)]
struct Answers {
    answers: Vec<String>,
}

async fn take(State(app): State<App>, body: Body) -> Result<Json<Answers>, ServerError> {
    let pieces = body
        .into_data_stream()
        .map(|piece| piece.map_err(|_| ServerError::Refused("parcel.cut")));
    let answers = take_parcel(&app.log, pieces).await?;
    Ok(Json(Answers {
        answers: answers.iter().map(|file| to_hex(file)).collect(),
    }))
}

/// Takes a file as it comes; gives the files that answer its authors. If the link is
/// cut, what came before the cut stays.
///
/// # Errors
/// A file that is none of ours, is cut or too large; a database that fails.
pub async fn take_parcel(
    log: &Log,
    mut pieces: impl Stream<Item = Result<impl AsRef<[u8]>, ServerError>> + Unpin,
) -> Result<Vec<Vec<u8>>, ServerError> {
    let keys = log.keys();
    let mut reader = ParcelReader::new(keys.school(), keys.node.node_id().0, &keys.parcel);
    let mut intake = Intake::default();
    let mut taken = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let piece = piece.as_ref();
        taken += piece.len() as u64;
        if taken > MAX_FILE {
            return Err(ServerError::Refused("parcel.too-large"));
        }
        reader.push(piece).map_err(unreadable)?;
        while let Some(part) = reader.next_part().map_err(unreadable)? {
            intake.part(log, part).await?;
        }
    }
    for part in reader.finish().map_err(unreadable)? {
        intake.part(log, part).await?;
    }
    tracing::info!(entries = intake.entries, bytes = taken, "a parcel came");
    intake.answers(log).await
}

fn unreadable(error: stunity_identity::IdentityError) -> ServerError {
    ServerError::Refused(error.code())
}

/// What authors are answered.
#[derive(Default)]
struct ForAuthor {
    devices: BTreeSet<DeviceId>,
    leaves: Vec<Leaf>,
    tombstones: Vec<Vec<u8>>,
}

/// A parcel being taken.
#[derive(Default)]
struct Intake {
    entries: usize,
    authors: BTreeMap<AccountId, ForAuthor>,
}

impl Intake {
    async fn part(&mut self, log: &Log, part: Part) -> Result<(), ServerError> {
        match part {
            Part::Pack(bytes) => self.pack(log, bytes).await,
            Part::Chunk(bytes) => log.keep_chunk(bytes).await,
            // The relay's own order and receipts are what counts here.
            _ => Ok(()),
        }
    }

    async fn pack(&mut self, log: &Log, bytes: Vec<u8>) -> Result<(), ServerError> {
        let Ok(items) = decode_pack(&bytes, &Explicit(log.keys().school())) else {
            return Ok(());
        };
        let entries: Vec<Entry> = items.into_iter().map(|item| item.entry).collect();
        let pack = only_signer(&entries).map(|device| WholePack {
            device,
            name: pack_id(&bytes),
            bytes,
        });
        let outcomes = log.append_pack(entries.clone(), pack).await?;
        self.entries += entries.len();
        for (entry, outcome) in entries.iter().zip(outcomes) {
            self.note(entry, outcome);
        }
        Ok(())
    }

    fn note(&mut self, entry: &Entry, outcome: Outcome) {
        let header = entry.header();
        let Signer::Device(device) = header.signer else {
            return;
        };
        let author = self.authors.entry(header.author).or_default();
        match outcome {
            Outcome::Accepted(position) | Outcome::Pending { position, .. } => {
                author.leaves.push(Leaf::Entry {
                    space: position.space,
                    lane: position.lane,
                    epoch: position.epoch,
                    sequence: position.sequence,
                    id: entry.id(),
                    received_ms: position.received_ms,
                });
            }
            // A refusal that no tombstone stands for leaves the entry as it was.
            Outcome::Refused { tombstone, .. } if tombstone.is_empty() => return,
            Outcome::Refused { tombstone, .. } => author.tombstones.push(tombstone),
        }
        author.devices.insert(device);
    }

    /// For each author the receipts and refusals, sealed to the devices that had
    /// signed: whoever brought the parcel may carry them back.
    async fn answers(self, log: &Log) -> Result<Vec<Vec<u8>>, ServerError> {
        let mut answers = Vec::new();
        for (account, author) in self.authors {
            let recipients = recipients(log, account, &author.devices).await?;
            if recipients.is_empty() {
                continue;
            }
            let content = author.content(log);
            let sealed = seal_parcel(
                &mut log.random(),
                log.keys().school(),
                &recipients,
                &content,
            )
            .map_err(|_| ServerError::Keys("key of a device".into()))?;
            answers.push([&MAGIC[..], &sealed].concat());
        }
        Ok(answers)
    }
}

impl ForAuthor {
    fn content(&self, log: &Log) -> Vec<u8> {
        let keys = log.keys();
        let mut content = Vec::new();
        Part::Node(keys.chain.encode()).encode(&mut content);
        let signature = log.sign_receipt(&Receipt::root_of(&self.leaves));
        for index in 0..self.leaves.len() {
            let node = keys.node.node_id();
            if let Some(receipt) = Receipt::extract(&self.leaves, index, node, signature) {
                Part::Receipt(receipt.encode()).encode(&mut content);
            }
        }
        for tombstone in &self.tombstones {
            Part::Tombstone(tombstone.clone()).encode(&mut content);
        }
        content
    }
}

/// The device that signed all of a pack, if one did.
fn only_signer(entries: &[Entry]) -> Option<DeviceId> {
    let mut signers = entries.iter().map(|entry| entry.header().signer);
    match signers.next()? {
        Signer::Device(device) if signers.all(|signer| signer == Signer::Device(device)) => {
            Some(device)
        }
        _ => None,
    }
}

/// The keys of an account's devices, from its log.
async fn recipients(
    log: &Log,
    account: AccountId,
    devices: &BTreeSet<DeviceId>,
) -> Result<Vec<Recipient>, ServerError> {
    let entries = log
        .account_logs(&[account])
        .await
        .map_err(|error: SyncError| ServerError::Keys(error.to_string()))?;
    let mut found = BTreeMap::new();
    for op in entries.iter().flat_map(Entry::ops).filter_map(|(_, op)| op) {
        let (AccountEvent::Root { device, .. } | AccountEvent::AddDevice(device)) =
            (match AccountEvent::decode(op) {
                Ok(event) => event,
                Err(_) => continue,
            })
        else {
            continue;
        };
        let body = device.body();
        if devices.contains(&body.id()) {
            found.insert(body.id(), Recipient::device(body));
        }
    }
    Ok(found.into_values().collect())
}
