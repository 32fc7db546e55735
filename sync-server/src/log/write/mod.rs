//! The writer: one task, one transaction for all that waits.
mod append;
mod effect;
mod join;
mod number;
mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

use sqlx::{Connection, SqliteConnection};
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{AccountId, Hash, Lane, SpaceId};
use stunity_sync::Target;
use stunity_sync::relay::encode_live;
use stunity_sync::relay_store::LogItem;
use tokio::sync::mpsc;

use super::authority::Authority;
use super::{Inner, Log, Request};
use crate::error::ServerError;

pub(super) use number::chain_entry;

/// Entries that share one commit at most: bounds how long the first waits.
const BATCH_ENTRIES: usize = 512;

/// An end of a space or lane while a batch is open.
#[derive(Clone, Copy, Debug)]
struct End {
    sequence: u64,
    hash: Hash,
    changed: bool,
}

/// What a batch has changed so far, written out once before the commit.
#[derive(Default)]
struct Batch {
    ends: BTreeMap<(SpaceId, Vec<u8>), End>,
    chains: BTreeMap<ChainKey, (u64, ChainEntry, bool)>,
    items: Vec<LogItem>,
    rights: BTreeSet<AccountId>,
}

struct Writer<'a> {
    log: &'a Log,
    db: &'a mut SqliteConnection,
    authority: &'a mut Authority,
    batch: Batch,
    now_ms: u64,
}

type Answer = Box<dyn FnOnce(bool) + Send>;

/// Runs until the last handle of the log is gone.
pub(crate) async fn run(
    log: Weak<Inner>,
    mut db: SqliteConnection,
    mut queue: mpsc::Receiver<Request>,
) {
    let mut authority = Authority::default();
    while let Some(first) = queue.recv().await {
        let Some(inner) = log.upgrade() else { return };
        let log = Log { inner };
        let mut answers: Vec<Answer> = Vec::new();
        let result = commit(
            &log,
            &mut db,
            &mut authority,
            first,
            &mut queue,
            &mut answers,
        )
        .await;
        match &result {
            Ok(batch) => publish(&log, batch),
            Err(error) => {
                tracing::error!(%error, "a batch was rolled back");
                authority.clear();
            }
        }
        for answer in answers {
            answer(result.is_ok());
        }
        authority.trim();
    }
}

async fn commit(
    log: &Log,
    db: &mut SqliteConnection,
    authority: &mut Authority,
    first: Request,
    queue: &mut mpsc::Receiver<Request>,
    answers: &mut Vec<Answer>,
) -> Result<Batch, ServerError> {
    // Immediate: begun as a reader, it could not write once a session had kept its
    // cursors in between.
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
    let mut writer = Writer {
        log,
        db: &mut tx,
        authority,
        batch: Batch::default(),
        now_ms: log.inner.platform.now_ms(),
    };
    let mut next = Some(first);
    let mut count = 0;
    while let Some(request) = next {
        match request {
            Request::Append {
                from,
                entries,
                answer,
            } => {
                count += entries.len();
                let mut outcomes = Vec::with_capacity(entries.len());
                let mut failed = None;
                for entry in entries {
                    match writer.append(from, &entry).await {
                        Ok(outcome) => outcomes.push(outcome),
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                }
                answers.push(Box::new(move |committed| {
                    let _ = answer.send(if committed {
                        Ok(outcomes)
                    } else {
                        Err(ServerError::Keys("the batch was not stored".into()))
                    });
                }));
                if let Some(error) = failed {
                    return Err(error);
                }
            }
            Request::Join { join, answer } => {
                count += 1;
                let joined = match writer.join(*join).await {
                    Ok(()) => Ok(()),
                    // A refusal changes nothing; a failure takes all back.
                    Err(ServerError::Refused(code)) => Err(code),
                    Err(error) => return Err(error),
                };
                answers.push(Box::new(move |committed| {
                    let _ = answer.send(match joined {
                        Err(code) => Err(ServerError::Refused(code)),
                        Ok(()) if committed => Ok(()),
                        Ok(()) => Err(ServerError::Keys("the batch was not stored".into())),
                    });
                }));
            }
        }
        next = if count < BATCH_ENTRIES {
            queue.try_recv().ok()
        } else {
            None
        };
    }
    writer.write_out().await?;
    let batch = writer.batch;
    tx.commit().await?;
    Ok(batch)
}

/// After the commit: live readers hear of it.
fn publish(log: &Log, batch: &Batch) {
    let mut by_target: BTreeMap<Target, Vec<LogItem>> = BTreeMap::new();
    for item in &batch.items {
        for lane in [None, Some(item.position.lane)] {
            let target = Target {
                space: item.position.space,
                lane,
            };
            if log.bus().has_readers(&target) {
                by_target.entry(target).or_default().push(item.clone());
            }
        }
    }
    for (target, items) in by_target {
        let lane_key = target.lane.map_or_else(Vec::new, |lane| lane.to_key());
        // Where the target stood before: the writer noted it at the first item.
        let from = batch
            .ends
            .get(&(target.space, lane_key))
            .map_or(0, |_| previous_of(batch, target, &items));
        if let Some(live) = encode_live(log, target, from, &items) {
            log.bus().publish(live);
        }
    }
    for account in &batch.rights {
        log.bus().rights_changed(*account);
    }
}

/// The sequence of a target before the first of the batch's items in it.
fn previous_of(batch: &Batch, target: Target, items: &[LogItem]) -> u64 {
    let first = items.first().map_or(0, |item| item.position.sequence);
    match target.lane {
        None => first.saturating_sub(1),
        Some(lane) => batch.starts(target.space, lane).unwrap_or_default(),
    }
}

impl Batch {
    /// Where a lane stood before this batch.
    fn starts(&self, space: SpaceId, lane: Lane) -> Option<u64> {
        self.ends
            .get(&(space, [&[255][..], &lane.to_key()].concat()))
            .map(|end| end.sequence)
    }
}
