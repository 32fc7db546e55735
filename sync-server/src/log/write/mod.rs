//! The writer: one task, one transaction for all that waits.
mod again;
mod ahead;
mod append;
mod effect;
mod erase;
mod join;
mod memory;
mod number;
mod project;
mod rows;
mod vouch;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::{AccountId, Entry, Hash, SpaceId};
use stunity_sync::relay::{LiveBatch, encode_live};
use stunity_sync::relay_store::{Advance, Appended, LogItem};
use stunity_sync::replica::Outcome;
use stunity_sync::{Position, Running, Target};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::authority::Authority;
use super::keep::{Keep, Waiting};
use super::{Inner, Log, Request, WholePack};
use crate::db::{Connection, Source, Transaction};
use crate::error::ServerError;
use crate::metrics::count;
use crate::sabotage::keeps_packs;
use erase::Erasures;
use memory::Memory;
use number::RowNumbers;
use rows::Rows;

pub(super) use erase::finish_erasure;
pub(super) use number::chain_entry;
pub(super) use project::projected_rows;

/// Entries that share one commit at most: bounds how long the first waits.
const BATCH_ENTRIES: usize = 128;

/// An end of a space or lane while a batch is open.
#[derive(Clone, Copy, Debug)]
struct End {
    sequence: u64,
    hash: Hash,
}

impl End {
    /// Of what has not begun.
    const START: Self = Self {
        sequence: 0,
        hash: Hash::ZERO,
    };
}

/// What was numbered, and where its lane stood before it.
pub(super) type Numbered = (LogItem, u64);

/// What a batch has changed so far, written out once before the commit.
#[derive(Default)]
struct Batch {
    ends: BTreeMap<(SpaceId, Vec<u8>), End>,
    chains: BTreeMap<ChainKey, (u64, ChainEntry)>,
    rows: Rows,
    /// Where a lane stood before the batch, for its live readers.
    starts: BTreeMap<Target, u64>,
    items: Vec<Numbered>,
    rights: BTreeSet<AccountId>,
    erasures: Erasures,
    /// Packs out of parcels, all of whose entries are stored.
    packs: Vec<WholePack>,
    /// Another process has written since the batch before: nobody was told of it.
    others_wrote: bool,
    /// What live readers are told once it is durable.
    live: BTreeMap<Target, LiveBatch>,
}

pub(super) struct Writer<'a> {
    pub(super) log: &'a Log,
    pub(super) db: Transaction<'a>,
    authority: &'a mut Authority,
    numbers: &'a mut RowNumbers,
    memory: &'a mut Memory,
    batch: Batch,
    now_ms: u64,
}

/// What to tell whoever asked, once it is known whether the batch is durable.
type Answer = Box<dyn FnOnce(bool) + Send>;

/// Why a batch is open.
enum Wake {
    /// Somebody asks.
    Request(Request),
    /// What sessions left has waited long enough.
    Keep,
    /// The last handle of the log is gone.
    End,
}

/// Runs until the last handle of the log is gone.
pub(crate) async fn run(
    log: Weak<Inner>,
    source: Source,
    mut db: Connection,
    mut queue: mpsc::Receiver<Request>,
    keep: Arc<Keep>,
) {
    let Some(patience) = log.upgrade().map(|log| log.platform.patience()) else {
        return;
    };
    let mut authority = Authority::default();
    let mut numbers = RowNumbers::default();
    let mut memory = Memory::default();
    // When what sessions left is written, if they left something.
    let mut due: Option<Instant> = None;
    let mut unfinished = false;
    loop {
        let wake = tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Wake::Keep,
            request = queue.recv() => request.map_or(Wake::End, Wake::Request),
            () = keep.changed(), if due.is_none() => {
                due = Some(Instant::now() + patience);
                continue;
            }
        };
        let requests = match wake {
            Wake::End => return,
            Wake::Keep => Vec::new(),
            Wake::Request(first) => drain(first, &mut queue),
        };
        let Some(inner) = log.upgrade() else { return };
        let log = Log { inner };
        let keeps = requests.is_empty()
            || requests
                .iter()
                .any(|request| matches!(request, Request::Flush { .. }));
        let mut answers: Vec<Answer> = Vec::new();
        let waiting = if keeps {
            due = None;
            keep.take()
        } else {
            Waiting::default()
        };
        let begin = Instant::now();
        let mut result = commit(
            &log,
            &mut db,
            &mut authority,
            (&mut numbers, &mut memory),
            requests,
            &waiting,
            &mut answers,
        )
        .await;
        if keeps {
            keep.written(result.is_ok());
        }
        let is_ok = result.is_ok();
        let metrics = log.metrics();
        metrics.commit.observe(begin.elapsed());
        match &mut result {
            Ok(batch) => publish(&log, batch),
            Err(error) => {
                count(&metrics.rolled_back);
                tracing::error!(%error, "a batch was rolled back");
                authority.clear();
                numbers.clear();
                memory = Memory::default();
                if let ServerError::Database(_) = error {
                    // SQLite ends a transaction by itself when its disk is full, and a
                    // server may go away: the connection begins no other then.
                    match source.connect().await {
                        Ok(fresh) => db = fresh,
                        Err(error) => tracing::error!(%error, "no new connection yet"),
                    }
                }
            }
        }
        if let Ok(batch) = result {
            unfinished |= batch.erasures.done || batch.erasures.came_again;
            if batch.erasures.done && !keeps_packs() {
                log.inner.shared.forget();
            }
            // Where something was erased, or came again, it may be in any of them.
            if !batch.erasures.done && !batch.erasures.came_again {
                for pack in batch.packs {
                    keep.upload(pack.device, pack.name, 0, pack.bytes);
                }
            }
        }
        if unfinished {
            match finish_erasure(&mut db, false).await {
                Ok(finished) => unfinished = !finished,
                Err(error) => tracing::error!(%error, "an erasure is not finished yet"),
            }
        }
        for answer in answers {
            answer(is_ok);
        }
        authority.trim();
        memory.trim();
    }
}

/// What waits, up to a batch.
fn drain(first: Request, queue: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut count = weight(&first);
    let mut requests = vec![first];
    while count < BATCH_ENTRIES
        && let Ok(request) = queue.try_recv()
    {
        count += weight(&request);
        requests.push(request);
    }
    requests
}

fn weight(request: &Request) -> usize {
    match request {
        Request::Append { entries, .. } => entries.len().max(1),
        _ => 1,
    }
}

/// Carries out requests in one transaction.
async fn commit(
    log: &Log,
    db: &mut Connection,
    authority: &mut Authority,
    (numbers, memory): (&mut RowNumbers, &mut Memory),
    requests: Vec<Request>,
    waiting: &Waiting,
    answers: &mut Vec<Answer>,
) -> Result<Batch, ServerError> {
    let mut writer = Writer {
        log,
        db: db.begin().await?,
        authority,
        numbers,
        memory,
        batch: Batch::default(),
        now_ms: log.inner.platform.now_ms(),
    };
    writer.notice_others().await?;
    writer.read_ahead(&requests).await?;
    for request in requests {
        answers.push(writer.carry_out(request).await?);
    }
    waiting.write(&mut writer.db).await?;
    writer.write_out().await?;
    writer.erase_noted().await?;
    let Writer {
        db,
        mut batch,
        memory,
        ..
    } = writer;
    // While the disk is waited for, what live readers will be told is made.
    let (committed, ()) = tokio::join!(db.commit(), async { make_live(log, &mut batch) });
    committed?;
    memory.ends.append(&mut batch.ends);
    let chains = std::mem::take(&mut batch.chains).into_iter();
    memory
        .chains
        .extend(chains.map(|(key, last)| (key, Some(last))));
    Ok(batch)
}

/// An answer that is good only if the batch is durable.
fn when_committed<T: Send + 'static>(
    to: oneshot::Sender<Result<T, ServerError>>,
    value: T,
) -> Answer {
    Box::new(move |committed| {
        // Nobody waits any more: the connection is gone.
        let _ = to.send(if committed {
            Ok(value)
        } else {
            Err(ServerError::RolledBack)
        });
    })
}

/// The answer to what may be refused, which changes nothing; a failure takes back
/// the whole batch.
fn or_refused(
    result: Result<(), ServerError>,
    to: oneshot::Sender<Result<(), ServerError>>,
) -> Result<Answer, ServerError> {
    match result {
        Ok(()) => Ok(when_committed(to, ())),
        Err(ServerError::Refused(code)) => Ok(Box::new(move |_| {
            let _ = to.send(Err(ServerError::Refused(code)));
        })),
        Err(error) => Err(error),
    }
}

impl Writer<'_> {
    /// Carries out a request; a failure takes back the whole batch.
    async fn carry_out(&mut self, request: Request) -> Result<Answer, ServerError> {
        Ok(match request {
            Request::Append {
                from,
                entries,
                pack,
                answer,
            } => {
                let first = self.batch.items.len();
                let mut outcomes = Vec::with_capacity(entries.len());
                for entry in &entries {
                    outcomes.push(self.append(from, entry).await?);
                }
                let is_stored = |outcome: &Outcome| {
                    matches!(outcome, Outcome::Accepted(_) | Outcome::Pending { .. })
                };
                if outcomes.iter().all(is_stored) {
                    self.batch.packs.extend(pack);
                }
                let rights = &self.batch.rights;
                let rights_changed = entries
                    .iter()
                    .any(|entry| rights.contains(&entry.header().author));
                let appended = Appended {
                    advances: self.advances(first, &entries),
                    outcomes,
                    rights_changed,
                };
                when_committed(answer, appended)
            }
            Request::Join { join, answer } => or_refused(self.join(*join).await, answer)?,
            Request::Admit { admission, answer } => {
                or_refused(self.take_into_staff(&admission).await, answer)?
            }
            Request::Run { statement, answer } => {
                let changed = statement.execute(&mut self.db).await?;
                when_committed(answer, changed)
            }
            Request::Vouch { vouch, answer } => {
                let vouched = self.vouch(&vouch).await?;
                when_committed(answer, vouched)
            }
            Request::Flush { answer } => when_committed(answer, ()),
        })
    }

    /// Targets in which, since the batch's item `first`, only `entries` were numbered.
    fn advances(&self, first: usize, entries: &[Entry]) -> Vec<Advance> {
        let mut advances: BTreeMap<Target, Option<Advance>> = BTreeMap::new();
        for (item, before) in &self.batch.items[first..] {
            let Position { space, lane, .. } = item.position;
            let header = item.entry.header();
            let is_own = (header.space, header.lane) == (space, lane)
                && entries.iter().any(|entry| entry.id() == item.entry.id());
            let in_space = (None, item.position.sequence - 1, item.space_hash);
            for (lane, from, hash) in [in_space, (Some(lane), *before, item.lane_hash)] {
                let target = Target { space, lane };
                let to = Running {
                    epoch: item.position.epoch,
                    sequence: item.position.sequence,
                    hash,
                };
                let advance = advances
                    .entry(target)
                    .or_insert(Some(Advance { target, from, to }));
                match advance {
                    Some(advance) if is_own => advance.to = to,
                    _ => *advance = None,
                }
            }
        }
        advances.into_values().flatten().collect()
    }
}

/// Makes what the live readers there are now will be told of a batch, where it is not
/// made: once for all readers of a target.
fn make_live(log: &Log, batch: &mut Batch) {
    let mut by_target: BTreeMap<Target, Vec<LogItem>> = BTreeMap::new();
    for (item, _) in &batch.items {
        for lane in [None, Some(item.position.lane)] {
            let target = Target {
                space: item.position.space,
                lane,
            };
            if !batch.live.contains_key(&target) && log.bus().has_readers(&target) {
                by_target.entry(target).or_default().push(item.clone());
            }
        }
    }
    for (target, items) in by_target {
        let from = previous_of(batch, target, &items);
        if let Some(live) = encode_live(log, target, from, &items) {
            batch.live.insert(target, live);
        }
    }
}

/// After the commit: live readers hear of it, also who listens since it began and did
/// not find it in the log.
fn publish(log: &Log, batch: &mut Batch) {
    make_live(log, batch);
    for live in std::mem::take(&mut batch.live).into_values() {
        let (took, slow) = log.bus().publish(live);
        let metrics = log.metrics();
        metrics.delivered.fetch_add(took, Ordering::Relaxed);
        metrics.dropped.fetch_add(slow, Ordering::Relaxed);
    }
    log.inner.teller.tell(&batch.items);
    if batch.others_wrote {
        log.bus().all_look_again();
    }
    for account in &batch.rights {
        log.bus().rights_changed(*account);
    }
}

/// The sequence of a target before the first of the batch's items in it.
fn previous_of(batch: &Batch, target: Target, items: &[LogItem]) -> u64 {
    match target.lane {
        None => items
            .first()
            .map_or(0, |item| item.position.sequence.saturating_sub(1)),
        Some(_) => batch.starts.get(&target).copied().unwrap_or_default(),
    }
}
