//! From raw entries to projections: verify, judge, apply. Works through every
//! entry in state *received*, in batches of one transaction each, keys first,
//! then membership, then the rest; what lacks something is held until it comes,
//! so the order of arrival does not matter.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, params};
use stunity_identity::{AccountLog, DeviceStatus, TrustedNode};
use stunity_model::{Verdict, judge};
use stunity_proto::{AccountId, DeviceId, Entry, EntryId, Kind, NodeId, Signer, SpaceId};
use stunity_sync::Position;

use crate::database::{Durability, int, uint};
use crate::domain::View;
use crate::entries::{Class, EntryRow, Sent, State};
use crate::trust::{Logs, Signed};
use crate::{
    Store, StoreError, covers, cut_off, documents, domain, entries, forks, meta, order, trust,
};

/// Entries a transaction: enough that commits cost little, few enough that a
/// phone's memory holds them.
const BATCH: usize = 2048;

/// What processing left over. Entries that were held for a moment, until
/// another of the same flush was there, are not in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    pub held: BTreeMap<EntryId, &'static str>,
    pub rejected: BTreeMap<EntryId, &'static str>,
}

impl Settled {
    fn hold(&mut self, id: EntryId, code: &'static str) {
        self.held.insert(id, code);
    }

    fn reject(&mut self, id: EntryId, code: &'static str) {
        self.held.remove(&id);
        self.rejected.insert(id, code);
    }

    fn apply(&mut self, id: &EntryId) {
        if !self.held.is_empty() {
            self.held.remove(id);
        }
    }
}

/// An entry being processed.
pub(crate) struct Work {
    pub row: EntryRow,
    pub entry: Entry,
    pub sent: Option<Sent>,
    pub folded: bool,
    pub position: Option<Position>,
    /// Its number in the relay's present order.
    pub number: Option<u64>,
}

/// What becomes of it.
enum Judged {
    Apply {
        wants: Vec<Vec<u8>>,
    },
    Hold {
        code: &'static str,
        wants: Vec<Vec<u8>>,
    },
    Reject {
        code: &'static str,
    },
    /// Refused by the relay or written again: its code stays.
    Withdrawn,
}

/// What a batch touches besides its entries.
#[derive(Default)]
pub(crate) struct Touched {
    pub members: BTreeSet<(SpaceId, AccountId)>,
    pub courses: BTreeSet<SpaceId>,
    pub erased: bool,
}

impl Store {
    /// Applies what was received and not looked at yet.
    pub(crate) fn process(&mut self) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        let mut erased = false;
        loop {
            let batch = self.load_batch()?;
            if batch.is_empty() {
                break;
            }
            let marked = self.mark_decoding(&batch)?;
            // The raw entries are durable: what is lost here is done again. A mark
            // that a power cut brings back would speak against a good document.
            let durability = if marked {
                Durability::Sealed
            } else {
                Durability::Draft
            };
            erased |= self.write(durability, |conn| {
                let touched = self.process_batch(conn, batch, &mut settled)?;
                if marked {
                    conn.execute("DELETE FROM decoding", [])?;
                    conn.execute("DELETE FROM meta WHERE name = ?1", [meta::SUSPECT])?;
                }
                if touched.erased {
                    meta::save(conn, meta::ERASED, 1)?;
                }
                Ok(touched.erased)
            })?;
        }
        self.alone = false;
        if erased {
            self.finish_erasure()?;
        }
        Ok(settled)
    }

    fn load_batch(&self) -> Result<Vec<Work>, StoreError> {
        let limit = if self.alone { 1 } else { BATCH };
        let mut statement = self.conn.prepare_cached(
            "SELECT entry, class, send, folded FROM entries WHERE state = 0
             ORDER BY class, entry LIMIT ?1",
        )?;
        let rows = statement
            .query_map([limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<Vec<(EntryRow, i64, Option<i64>, bool)>, _>>()?;
        let class = rows.first().map(|(_, class, ..)| *class);
        rows.into_iter()
            .take_while(|(_, of, ..)| Some(*of) == class)
            .map(|(row, _, sent, folded)| {
                let entry = entries::load(&self.conn, row)?;
                let places = order::places_of(&self.conn, row, entry.header().space)?;
                Ok(Work {
                    row,
                    entry,
                    sent: sent.map(Sent::from_code),
                    folded,
                    position: places.map(|(position, _)| position),
                    number: places.map(|(_, number)| number),
                })
            })
            .collect()
    }

    /// Notes durably which foreign documents are about to be decoded.
    fn mark_decoding(&self, batch: &[Work]) -> Result<bool, StoreError> {
        let foreign = |work: &&Work| {
            work.sent.is_none()
                && (work.entry.header().kinds.iter()).any(|k| matches!(k, Kind::Change { .. }))
        };
        let rows: Vec<EntryRow> = batch.iter().filter(foreign).map(|work| work.row).collect();
        if rows.is_empty() {
            return Ok(false);
        }
        self.write(Durability::Sealed, |conn| {
            let mut insert =
                conn.prepare_cached("INSERT OR IGNORE INTO decoding (entry) VALUES (?1)")?;
            for row in &rows {
                insert.execute([row])?;
            }
            Ok(true)
        })
    }

    /// What was marked when the app ended is tried again, each alone. A single entry
    /// at which it ends twice is put into quarantine: once, it may have been the
    /// power or a full disk.
    pub(crate) fn quarantine_marked(&mut self) -> Result<(), StoreError> {
        let marked = self
            .conn
            .prepare("SELECT entry FROM decoding")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<Vec<EntryRow>, _>>()?;
        if marked.is_empty() {
            return Ok(());
        }
        self.alone = true;
        self.write(Durability::Sealed, |conn| {
            match marked[..] {
                [row] if meta::load(conn, meta::SUSPECT)? == Some(row) => {
                    entries::save_state(conn, row, State::Quarantined, Some("document.crash"))?;
                    documents::void_changes(conn, row, None)?;
                }
                [row] => meta::save(conn, meta::SUSPECT, row)?,
                _ => {}
            }
            conn.execute("DELETE FROM decoding", [])?;
            Ok(())
        })
    }

    fn process_batch(
        &self,
        conn: &Connection,
        batch: Vec<Work>,
        settled: &mut Settled,
    ) -> Result<Touched, StoreError> {
        let mut touched = Touched::default();
        for work in &batch {
            self.apply_admissions(conn, &work.entry)?;
        }
        if batch
            .first()
            .is_some_and(|work| Class::of(work.entry.header()) == Class::AccountLog)
        {
            self.process_logs(conn, batch, settled)?;
            return Ok(touched);
        }
        let signed = self.verify_all(conn, &batch)?;
        covers::release(conn, &batch, &signed)?;
        for (work, signed) in batch.iter().zip(signed) {
            let judged = self.judge(conn, work, &signed)?;
            self.settle(conn, work, judged, settled, &mut touched)?;
        }
        self.refresh_members(conn, &touched)?;
        Ok(touched)
    }

    /// Entries of account logs, a log at a time.
    fn process_logs(
        &self,
        conn: &Connection,
        batch: Vec<Work>,
        settled: &mut Settled,
    ) -> Result<(), StoreError> {
        let mut by_account: BTreeMap<AccountId, Vec<(EntryRow, Entry)>> = BTreeMap::new();
        for work in batch {
            if matches!(work.sent, Some(Sent::Refused | Sent::Rewritten)) {
                let state = State::Rejected.code();
                conn.prepare_cached("UPDATE entries SET state = ?2 WHERE entry = ?1")?
                    .execute(params![work.row, state])?;
                self.logs.borrow_mut().forget(work.entry.header().author);
                continue;
            }
            by_account
                .entry(work.entry.header().author)
                .or_default()
                .push((work.row, work.entry));
        }
        let mut logs = self.logs.borrow_mut();
        for (account, new) in by_account {
            let before = logs.get(conn, account)?.map(standing_of);
            let Some(refused) = logs.extend(conn, account, &new)? else {
                for (row, entry) in &new {
                    entries::save_state(conn, *row, State::Held, Some("account.unbound"))?;
                    entries::save_wants(conn, *row, &[account.0.to_vec()])?;
                    settled.hold(entry.id(), "account.unbound");
                }
                continue;
            };
            let refused: HashMap<EntryId, &'static str> = refused
                .into_iter()
                .map(|(id, error)| (id, error.code()))
                .collect();
            for (row, entry) in &new {
                match refused.get(&entry.id()) {
                    None => {
                        entries::save_state(conn, *row, State::Applied, None)?;
                        settled.apply(&entry.id());
                    }
                    Some(code) => {
                        entries::save_state(conn, *row, State::Rejected, Some(code))?;
                        settled.reject(entry.id(), code);
                    }
                }
            }
            let after = logs.get(conn, account)?.map(standing_of);
            note_log_change(conn, account, before.as_ref(), after.as_ref())?;
        }
        Ok(())
    }

    /// Verifies the signatures of a batch, on several threads where there are.
    fn verify_all(&self, conn: &Connection, batch: &[Work]) -> Result<Vec<Signed>, StoreError> {
        let relay_ms: u64 = uint(meta::load(conn, meta::RELAY_MS)?.unwrap_or(0));
        let mut logs = self.logs.borrow_mut();
        let mut nodes: HashMap<NodeId, Vec<TrustedNode>> = HashMap::new();
        for work in batch {
            match work.entry.header().signer {
                Signer::Device(_) => {
                    logs.get(conn, work.entry.header().author)?;
                }
                Signer::Node(id) => {
                    if let std::collections::hash_map::Entry::Vacant(slot) = nodes.entry(id) {
                        slot.insert(trust::load_trusted(conn, id)?);
                    }
                }
            }
        }
        let logs: &Logs = &logs;
        let nodes = &nodes;
        let covers = &covers::of_batch(conn, batch)?;
        let verify = move |work: &Work| {
            let at_ms = work.position.map_or(relay_ms, |p| p.received_ms);
            let log = logs.loaded(work.entry.header().author);
            let node = match work.entry.header().signer {
                Signer::Node(id) => nodes
                    .get(&id)
                    .and_then(|held| held.iter().find(|n| n.check_time(at_ms).is_ok())),
                Signer::Device(_) => None,
            };
            trust::verify(&work.entry, covers, log, node.map(|node| (node, at_ms)))
        };
        Ok(parallel(batch, verify))
    }

    fn judge(&self, conn: &Connection, work: &Work, signed: &Signed) -> Result<Judged, StoreError> {
        if matches!(work.sent, Some(Sent::Refused | Sent::Rewritten)) {
            return Ok(Judged::Withdrawn);
        }
        let entry = &work.entry;
        let header = entry.header();
        let is_cut_off = match signed {
            Signed::ByDevice | Signed::ByNode => false,
            Signed::BeyondCutOff => true,
            Signed::Unknown { wants } => {
                return Ok(Judged::Hold {
                    code: "keys.unknown",
                    wants: vec![wants.to_vec()],
                });
            }
            Signed::Invalid(error) => {
                use stunity_identity::IdentityError as E;
                return Ok(match error {
                    E::Unsigned => Judged::Hold {
                        code: error.code(),
                        wants: vec![covers::wanted(&entry.id())],
                    },
                    // A certificate or period that may still become known.
                    E::WrongSigner(_) | E::NotYetValid | E::Expired => Judged::Hold {
                        code: error.code(),
                        wants: vec![header.author.0.to_vec(), header.signer.id().to_vec()],
                    },
                    _ => Judged::Reject { code: error.code() },
                });
            }
        };
        if work.sent == Some(Sent::Pending) && !is_accepted(conn, entry)? {
            return Ok(Judged::Hold {
                code: "relay.pending",
                wants: vec![entry.id().0.to_vec()],
            });
        }
        let vouched_for = work.position.is_some() || work.sent.is_some();
        let before = domain::place_before(conn, entry, vouched_for)?;
        let mut facts = self.facts.borrow_mut();
        let staff = facts.staff(conn, header.author)?;
        let anchor = facts.anchor(conn)?.clone();
        let mut missing: Vec<Vec<u8>> = Vec::new();
        let course = if domain::is_of_members(entry) {
            let course = facts.course(conn, header.space)?;
            missing = (header.heads.membership.iter())
                .filter(|head| !course.membership.contains(head))
                .map(|head| head.0.to_vec())
                .collect();
            let genesis = course.begun_by(header.lane);
            if genesis.is_none() && !domain::is_genesis(entry) {
                return Ok(Judged::Hold {
                    code: "space.unknown",
                    wants: vec![header.space.0.to_vec()],
                });
            }
            // A genesis is judged as if its course was not there yet.
            let own_genesis = genesis.is_none() || genesis == Some(entry.id());
            (!(domain::is_genesis(entry) && own_genesis)).then_some(&*course)
        } else {
            None
        };
        if work.sent.is_none()
            && work.position.is_none()
            && let Some(rival) = forks::rival(conn, work.row, entry)?
        {
            return Ok(Judged::Hold {
                code: "entry.fork",
                wants: vec![rival.0.to_vec()],
            });
        }
        let removals = course
            .map(|course| judge::removals(header, &course.membership))
            .unwrap_or_default();
        let by_order = &removals.by_order;
        let is_removed = order::any_before(conn, by_order, entry, work.position.as_ref())?;
        let cut_offs = &removals.cut_offs;
        let is_within = (self.within.borrow_mut()).all(conn, work.row, entry, cut_offs)?;
        if is_within && !cut_offs.is_empty() {
            cut_off::free_previous(conn, entry)?;
        }
        let view = View {
            school: self.owner.school,
            before,
            course,
            staff,
            anchor: &anchor,
            is_cut_off,
            is_removed,
            is_beyond: !is_within,
            is_numbered: work.position.is_some(),
            is_accepted: is_accepted(conn, entry)?,
        };
        let verdict = judge::judge(entry, &view);
        if let Some(previous) = header.previous
            && !matches!(&view.before, Some((_, b)) if b.heads != stunity_proto::Heads::default())
            && entries::find(conn, &previous)?.is_none()
        {
            missing.push(previous.0.to_vec());
        }
        // Own work stays as it was written.
        if verdict == Verdict::Accept && work.sent.is_none() {
            let wants = documents::lacking(conn, entry)?;
            if !wants.is_empty() {
                return Ok(Judged::Hold {
                    code: "change.waiting",
                    wants,
                });
            }
        }
        Ok(match verdict {
            Verdict::Accept => Judged::Apply { wants: missing },
            Verdict::Pending(code) => Judged::Hold {
                code,
                wants: vec![entry.id().0.to_vec(), header.author.0.to_vec()],
            },
            Verdict::Gap => Judged::Hold {
                code: "entry.gap",
                wants: missing,
            },
            // What more statements can change is never final here.
            Verdict::Refuse(
                code @ ("role.missing"
                | "enrolment.closed"
                | "course.not-imported"
                | "heads.backwards"
                // What a later build opens.
                | "seal.unsupported"
                | "handshake.unsupported"),
            ) => {
                missing.push(header.author.0.to_vec());
                missing.push(header.space.0.to_vec());
                Judged::Hold {
                    code,
                    wants: missing,
                }
            }
            Verdict::Refuse(code) => Judged::Reject { code },
        })
    }

    fn settle(
        &self,
        conn: &Connection,
        work: &Work,
        judged: Judged,
        settled: &mut Settled,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let id = work.entry.id();
        match judged {
            Judged::Apply { wants } => {
                self.apply_entry(conn, work, touched)?;
                self.sign_again(conn, work)?;
                settled.apply(&id);
                conn.prepare_cached(
                    "UPDATE entries SET state = 1, folded = 1, code = NULL WHERE entry = ?1",
                )?
                .execute([work.row])?;
                entries::save_wants(conn, work.row, &wants)?;
                entries::release(conn, &id.0)?;
                if work.position.is_some() {
                    forks::displace(conn, work.row, &work.entry)?;
                }
                if domain::is_genesis(&work.entry) {
                    entries::release(conn, &work.entry.header().space.0)?;
                }
            }
            Judged::Hold { code, wants } => {
                self.withdraw(conn, work, touched)?;
                let kept = (work.sent != Some(Sent::Pending)).then_some(code);
                conn.prepare_cached(
                    "UPDATE entries SET state = 2, folded = 0, code = coalesce(?2, code)
                     WHERE entry = ?1",
                )?
                .execute(params![work.row, kept])?;
                entries::save_wants(conn, work.row, &wants)?;
                settled.hold(id, code);
            }
            Judged::Reject { code } => {
                self.withdraw(conn, work, touched)?;
                conn.prepare_cached(
                    "UPDATE entries SET state = 3, folded = 0, code = ?2 WHERE entry = ?1",
                )?
                .execute(params![work.row, code])?;
                entries::release(conn, &id.0)?;
                settled.reject(id, code);
            }
            Judged::Withdrawn => {
                self.withdraw(conn, work, touched)?;
                if work.sent == Some(Sent::Rewritten) {
                    // What it says goes on elsewhere, and may be erased there: here only
                    // its place in the chain is left.
                    let mut rest = work.entry.clone();
                    rest.erase(&(0..rest.header().kinds.len()).collect::<Vec<_>>());
                    entries::save_body(conn, work.row, rest.body())?;
                }
                conn.prepare_cached("UPDATE entries SET state = 3, folded = 0 WHERE entry = ?1")?
                    .execute([work.row])?;
            }
        }
        Ok(())
    }
}

/// The devices of a log as far as others' standing depends on them.
fn standing_of(log: &AccountLog) -> BTreeMap<DeviceId, (DeviceStatus, Vec<stunity_proto::Hash>)> {
    log.devices()
        .map(|(id, device)| {
            let certificates = device.certificates.keys().copied().collect();
            (id, (device.status.clone(), certificates))
        })
        .collect()
}

type Standings = BTreeMap<DeviceId, (DeviceStatus, Vec<stunity_proto::Hash>)>;

/// What a change of keys means for other entries: those that waited are judged,
/// and if a device lost standing, all that the account wrote. Entries of the log that
/// come again, at another place, are not in the log before if it was read since: what
/// they let count was then judged by more than that log had.
fn note_log_change(
    conn: &Connection,
    account: AccountId,
    before: Option<&Standings>,
    after: Option<&Standings>,
) -> Result<(), StoreError> {
    if before == after {
        return Ok(());
    }
    let lost = before.is_some_and(|before| {
        before
            .iter()
            .any(|(id, standing)| after.and_then(|after| after.get(id)) != Some(standing))
    });
    if lost || knew_more(conn, account, before)? {
        reconsider_author(conn, account)?;
    }
    entries::release(conn, &account.0)?;
    Ok(())
}

/// Whether something counts of a device that is not in the log as it was before.
fn knew_more(
    conn: &Connection,
    account: AccountId,
    before: Option<&Standings>,
) -> Result<bool, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT signer FROM entries JOIN chains USING (chain)
         WHERE author = ?1 AND class > 0 AND state = 1 AND signer_kind = ?2",
    )?;
    let kind = Signer::Device(DeviceId([0; 16])).kind();
    let signers = statement.query_map(params![&account.0, kind], |row| row.get(0))?;
    for signer in signers {
        let signer = DeviceId(signer?);
        if before.is_none_or(|before| !before.contains_key(&signer)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Everything an account wrote is judged again.
pub(crate) fn reconsider_author(conn: &Connection, account: AccountId) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE entries SET state = 0 WHERE author = ?1 AND class > 0 AND state IN (1, 2)",
    )?
    .execute([&account.0])?;
    Ok(())
}

/// Whether staff of its own space gave effect to an entry: another course's have no
/// say here.
fn is_accepted(conn: &Connection, entry: &Entry) -> Result<bool, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM accepted JOIN entries USING (entry)
             JOIN chains USING (chain) WHERE target = ?1 AND space = ?2)",
        )?
        .query_row(params![&entry.id().0, &entry.header().space.0], |row| {
            row.get(0)
        })?)
}

/// Below this many, threads cost more than they save.
#[cfg(not(target_family = "wasm"))]
const WORTH_THREADS: usize = 64;

#[cfg(not(target_family = "wasm"))]
fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Copy + Send) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
    if threads == 1 || items.len() < WORTH_THREADS {
        return items.iter().map(work).collect();
    }
    let share = items.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let handles: Vec<_> = items
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()))
            .collect();
        handles
            .into_iter()
            .flat_map(|handle| match handle.join() {
                Ok(results) => results,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

#[cfg(target_family = "wasm")]
fn parallel<T, R>(items: &[T], work: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(work).collect()
}

/// The latest relay time that a receipt stated.
pub(crate) fn last_relay_ms(conn: &Connection) -> Result<Option<u64>, StoreError> {
    Ok(meta::load::<i64>(conn, meta::RELAY_MS)?.map(uint))
}

pub(crate) fn save_relay_ms(conn: &Connection, relay_ms: u64) -> Result<(), StoreError> {
    // Never backwards: an old flush may be read from a file.
    let before = last_relay_ms(conn)?.unwrap_or(0);
    meta::save(conn, meta::RELAY_MS, int(before.max(relay_ms)))
}
