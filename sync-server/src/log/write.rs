//! The writer: one task, one transaction for all that waits.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use stunity_identity::{
    Certificate, ChainPosition, Position as LogPosition, StaffAdmission, StaffRoles,
    Standing as KeyStanding, VerifyingKey, sign_entry, sign_tombstone, verify_entry,
};
use stunity_model::events::{Event, RosterBind, StaffAdmit};
use stunity_model::rows::{self, Value};
use stunity_model::{Roles, Verdict, judge, judge::facts};
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::receipt::{Tombstone, next_lane_hash, next_space_hash};
use stunity_proto::{
    AccountId, Body, DeviceId, Entry, EntryId, Hash, Header, Heads, Kind, Lane, Signer, SpaceId,
};
use stunity_sync::relay::encode_live;
use stunity_sync::relay_store::LogItem;
use stunity_sync::replica::Outcome;
use stunity_sync::{Position, Target};
use tokio::sync::mpsc;

use super::authority::{Authority, Standing};
use super::judging::View;
use super::{Inner, Join, Log, Proof, Request};
use crate::error::ServerError;

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
    let mut tx = db.begin().await?;
    let mut writer = Writer {
        log,
        db: &mut tx,
        authority,
        batch: Batch::default(),
        now_ms: (log.inner.clock)(),
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

impl Writer<'_> {
    async fn end(&mut self, space: SpaceId, lane: &[u8]) -> Result<End, ServerError> {
        if let Some(end) = self.batch.ends.get(&(space, lane.to_vec())) {
            return Ok(*end);
        }
        let row = sqlx::query("SELECT sequence, hash FROM target_end WHERE space = ? AND lane = ?")
            .bind(&space.0[..])
            .bind(lane)
            .fetch_optional(&mut *self.db)
            .await?;
        let end = match row {
            None => End {
                sequence: 0,
                hash: Hash::ZERO,
                changed: false,
            },
            Some(row) => End {
                sequence: row.get::<i64, _>(0) as u64,
                hash: Hash::try_from(row.get::<&[u8], _>(1))?,
                changed: false,
            },
        };
        self.batch.ends.insert((space, lane.to_vec()), end);
        Ok(end)
    }

    async fn chain(&mut self, key: &ChainKey) -> Result<Option<(u64, ChainEntry)>, ServerError> {
        if let Some((sequence, entry, _)) = self.batch.chains.get(key) {
            return Ok(Some((*sequence, entry.clone())));
        }
        let row = sqlx::query(
            "SELECT sequence, id, account_head, membership_heads FROM chain WHERE signer = ? \
             AND incarnation = ? AND space = ? AND lane = ? AND signer_kind = ?",
        )
        .bind(&key.signer.id()[..])
        .bind(i64::from(key.incarnation))
        .bind(&key.space.0[..])
        .bind(key.lane.to_key())
        .bind(i64::from(key.signer.kind()))
        .fetch_optional(&mut *self.db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let found = (row.get::<i64, _>(0) as u64, chain_entry(&row, 1)?);
        self.batch
            .chains
            .insert(*key, (found.0, found.1.clone(), false));
        Ok(Some(found))
    }

    /// Judges and stores one entry.
    async fn append(
        &mut self,
        _from: Option<DeviceId>,
        entry: &Entry,
    ) -> Result<Outcome, ServerError> {
        if let Some(outcome) = self.known(entry.id()).await? {
            return Ok(outcome);
        }
        let header = entry.header();
        let school = self.log.keys().school();
        if header.school != school {
            return self.refuse(entry, "school.other").await;
        }
        self.authority
            .load_log(&mut *self.db, school, header.author)
            .await?;
        if header.lane != Lane::Keys {
            self.authority
                .load_course(&mut *self.db, header.space)
                .await?;
        }
        let standing = match self.verify(entry) {
            Ok(standing) => standing,
            Err(code) => return self.refuse(entry, code).await,
        };
        let key = ChainKey::of(entry);
        let chain_head = self.chain(&key).await?;
        let last = chain_head.as_ref().map_or(0, |(sequence, _)| *sequence);
        let at_place = if header.sequence <= last {
            chain_head
                .as_ref()
                .filter(|(sequence, _)| *sequence == header.sequence)
                .map(|(_, head)| head.id)
        } else {
            None
        };
        let same_heads = chain_head
            .as_ref()
            .is_some_and(|(_, head)| head.heads == header.heads);
        let view = View {
            anchor: &self.log.keys().anchor,
            authority: self.authority,
            chain_head,
            at_place,
            standing,
        };
        let pending = match judge(entry, &view) {
            Verdict::Accept => None,
            Verdict::Pending(code) => Some(code),
            Verdict::Gap => return Ok(refused_without_tombstone("chain.gap")),
            // The place in the chain is taken: nothing to continue over.
            Verdict::Refuse(code @ ("entry.fork" | "entry.replay")) => {
                return Ok(refused_without_tombstone(code));
            }
            Verdict::Refuse(code) => return self.refuse(entry, code).await,
        };
        self.mirror_keys(entry).await?;
        let n = self.insert(entry, same_heads, pending).await?;
        let position = self
            .number(n, entry, header.space, header.lane, same_heads)
            .await?;
        if pending.is_none() {
            self.take_effect(n, entry, &position).await?;
        }
        let head = ChainEntry {
            id: entry.id(),
            heads: header.heads.clone(),
        };
        self.batch.chains.insert(key, (header.sequence, head, true));
        Ok(match pending {
            None => Outcome::Accepted(position),
            Some(code) => Outcome::Pending {
                position,
                code: code.to_owned(),
            },
        })
    }

    /// The answer of an entry that was here before.
    async fn known(&mut self, id: EntryId) -> Result<Option<Outcome>, ServerError> {
        let row = sqlx::query(
            "SELECT n.space, n.lane, n.sequence, n.received_ms, e.pending, e.header FROM entry e \
             JOIN numbering n ON n.entry = e.n WHERE e.id = ?",
        )
        .bind(&id.0[..])
        .fetch_all(&mut *self.db)
        .await?;
        for row in row {
            let header = Header::decode(row.get(5))?;
            let position = Position {
                space: SpaceId::try_from(row.get::<&[u8], _>(0))?,
                lane: Lane::from_key(row.get(1))?,
                epoch: self.log.inner.epoch,
                sequence: row.get::<i64, _>(2) as u64,
                received_ms: row.get::<i64, _>(3) as u64,
            };
            if position.space != header.space || position.lane != header.lane {
                continue;
            }
            return Ok(Some(match row.get::<Option<String>, _>(4) {
                None => Outcome::Accepted(position),
                Some(code) => Outcome::Pending { position, code },
            }));
        }
        let row = sqlx::query("SELECT code, tombstone FROM tombstone WHERE id = ?")
            .bind(&id.0[..])
            .fetch_optional(&mut *self.db)
            .await?;
        Ok(row.map(|row| Outcome::Refused {
            code: row.get(0),
            tombstone: row.get(1),
        }))
    }

    /// Signature and certificate of an entry; how its signer stands.
    fn verify(&mut self, entry: &Entry) -> Result<KeyStanding, &'static str> {
        let header = entry.header();
        if let Signer::Node(node) = header.signer {
            let keys = self.log.keys();
            let ours = node == keys.node.node_id() && header.certificate == keys.chain.node.hash();
            return match ours && verify_entry(entry, &keys.node.verifying_key()).is_ok() {
                true => Ok(KeyStanding::Good),
                false => Err("signature.bad"),
            };
        }
        let log = self
            .authority
            .log_mut(header.author)
            .ok_or("account.unknown")?;
        if header.lane == Lane::Keys {
            // The log judges its own entries; here on a copy, since the chain
            // may still refuse this one.
            let mut copy = log.clone();
            copy.apply(entry, None).map_err(|_| "account-log.invalid")?;
            let Signer::Device(device) = header.signer else {
                return Err("account-log.invalid");
            };
            let standing = copy.may_sign(device, &ChainPosition::of(entry));
            return match standing {
                KeyStanding::Unknown => Err("device.unknown"),
                standing => Ok(standing),
            };
        }
        match log.verify(entry) {
            Ok(KeyStanding::Unknown) => Err("device.unknown"),
            Ok(standing) => Ok(standing),
            Err(_) => Err("signature.bad"),
        }
    }

    /// Refuses an entry whose place in the chain is free: a tombstone stands
    /// there, so that the chain can go on.
    async fn refuse(&mut self, entry: &Entry, code: &'static str) -> Result<Outcome, ServerError> {
        let header = entry.header();
        let keys = self.log.keys();
        let tombstone = Tombstone {
            school: keys.school(),
            entry: entry.id(),
            signer: header.signer,
            incarnation: header.incarnation,
            space: header.space,
            lane: header.lane,
            sequence: header.sequence,
            code: code.to_owned(),
            received_ms: self.now_ms,
            node: keys.node.node_id(),
        };
        let signature = sign_tombstone(&keys.node, &tombstone)
            .map_err(|_| ServerError::Keys("node key".into()))?;
        let mut bytes = tombstone.encode();
        bytes.extend_from_slice(&signature.0);
        // Only a good signature moves a chain: else anybody could.
        let authentic = !matches!(
            code,
            "school.other"
                | "signature.bad"
                | "device.unknown"
                | "account.unknown"
                | "account-log.invalid"
        );
        let key = ChainKey::of(entry);
        let head = self.chain(&key).await?;
        let follows = match &head {
            None => header.sequence == 1,
            Some((sequence, head)) => {
                header.sequence == sequence + 1 && header.previous == Some(head.id)
            }
        };
        if authentic && follows {
            sqlx::query("INSERT OR IGNORE INTO tombstone (id, code, tombstone) VALUES (?, ?, ?)")
                .bind(&entry.id().0[..])
                .bind(code)
                .bind(&bytes)
                .execute(&mut *self.db)
                .await?;
            // The signer's next pack may say "heads as in the entry before".
            let head = ChainEntry {
                id: entry.id(),
                heads: header.heads.clone(),
            };
            self.batch.chains.insert(key, (header.sequence, head, true));
        }
        Ok(Outcome::Refused {
            code: code.to_owned(),
            tombstone: bytes,
        })
    }

    async fn insert(
        &mut self,
        entry: &Entry,
        same_heads: bool,
        pending: Option<&str>,
    ) -> Result<i64, ServerError> {
        let heads = self.head_sequences(entry).await?;
        let done = sqlx::query(
            "INSERT INTO entry (id, header, signature, body, same_heads, heads, pending) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&entry.id().0[..])
        .bind(entry.header_bytes())
        .bind(&entry.signature.0[..])
        .bind(entry.body().encode())
        .bind(same_heads)
        .bind(heads)
        .bind(pending)
        .execute(&mut *self.db)
        .await?;
        Ok(done.last_insert_rowid())
    }

    /// The cited heads that are numbered in the entry's own space.
    async fn head_sequences(&mut self, entry: &Entry) -> Result<Vec<u8>, ServerError> {
        let header = entry.header();
        let mut out = Vec::new();
        for id in header.heads.account.iter().chain(&header.heads.membership) {
            let sequence: Option<i64> = sqlx::query_scalar(
                "SELECT n.sequence FROM entry e JOIN numbering n ON n.entry = e.n AND n.space = ?2 \
                 WHERE e.id = ?1 LIMIT 1",
            )
            .bind(&id.0[..])
            .bind(&header.space.0[..])
            .fetch_optional(&mut *self.db)
            .await?;
            if let Some(sequence) = sequence {
                out.extend_from_slice(&id.0);
                out.extend_from_slice(&sequence.to_be_bytes());
            }
        }
        Ok(out)
    }

    /// Gives an entry the next number of a space.
    async fn number(
        &mut self,
        n: i64,
        entry: &Entry,
        space: SpaceId,
        lane: Lane,
        same_heads: bool,
    ) -> Result<Position, ServerError> {
        let lane_key = lane.to_key();
        let whole = self.end(space, &[]).await?;
        let in_lane = self.end(space, &lane_key).await?;
        let sequence = whole.sequence + 1;
        let space_hash = next_space_hash(&whole.hash, sequence, &entry.id(), self.now_ms);
        let lane_hash = next_lane_hash(&in_lane.hash, sequence, &entry.id(), self.now_ms);
        sqlx::query("INSERT INTO numbering VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(&space.0[..])
            .bind(sequence as i64)
            .bind(&lane_key)
            .bind(n)
            .bind(self.now_ms as i64)
            .bind(&lane_hash.0[..])
            .bind(&space_hash.0[..])
            .execute(&mut *self.db)
            .await?;
        let end = |hash| End {
            sequence,
            hash,
            changed: true,
        };
        if !in_lane.changed {
            // Where the lane stood before this batch, for its live readers.
            self.batch
                .ends
                .insert((space, [&[255][..], &lane_key].concat()), in_lane);
        }
        self.batch.ends.insert((space, Vec::new()), end(space_hash));
        self.batch.ends.insert((space, lane_key), end(lane_hash));
        let position = Position {
            space,
            lane,
            epoch: self.log.inner.epoch,
            sequence,
            received_ms: self.now_ms,
        };
        self.batch.items.push(LogItem {
            entry: entry.clone(),
            position,
            lane_hash,
            space_hash,
            same_heads,
            head_sequences: Vec::new(),
        });
        Ok(position)
    }

    /// Whoever reads an entry must be able to verify it: the author's keys, and
    /// those of whom it admits, are numbered in the space before it.
    async fn mirror_keys(&mut self, entry: &Entry) -> Result<(), ServerError> {
        let header = entry.header();
        if matches!(
            header.lane,
            Lane::Keys | Lane::Private | Lane::Connections | Lane::Public
        ) {
            return Ok(());
        }
        let mut accounts: BTreeSet<AccountId> = BTreeSet::new();
        if !header.signer.is_vouched() {
            accounts.insert(header.author);
        }
        accounts.extend(facts(entry).iter().map(|fact| fact.account));
        for account in accounts {
            self.mirror(header.space, header.lane, account).await?;
        }
        Ok(())
    }

    async fn mirror(
        &mut self,
        space: SpaceId,
        lane: Lane,
        account: AccountId,
    ) -> Result<(), ServerError> {
        let known: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT lane FROM mirrored WHERE space = ? AND account = ?")
                .bind(&space.0[..])
                .bind(&account.0[..])
                .fetch_all(&mut *self.db)
                .await?;
        if known.contains(&Lane::All.to_key()) || known.contains(&lane.to_key()) {
            return Ok(());
        }
        sqlx::query("INSERT INTO mirrored VALUES (?, ?, ?)")
            .bind(&space.0[..])
            .bind(&account.0[..])
            .bind(lane.to_key())
            .execute(&mut *self.db)
            .await?;
        let rows = sqlx::query(
            "SELECT e.n, e.header, e.signature, e.body FROM binding b JOIN entry e ON e.n = b.entry \
             WHERE b.account = ?1 UNION ALL \
             SELECT e.n, e.header, e.signature, e.body FROM numbering k JOIN entry e ON e.n = k.entry \
             WHERE k.space = ?1 AND k.lane = ?2",
        )
        .bind(&account.0[..])
        .bind(Lane::Keys.to_key())
        .fetch_all(&mut *self.db)
        .await?;
        for row in rows {
            let entry = super::authority::entry(row.get(1), row.get(2), row.get(3))?;
            // Numbered here already: its own place, or another person's mirror.
            if entry.header().space == space && entry.header().lane == lane {
                continue;
            }
            self.number(row.get(0), &entry, space, lane, false).await?;
        }
        Ok(())
    }

    /// What an accepted entry changes besides the order.
    async fn take_effect(
        &mut self,
        n: i64,
        entry: &Entry,
        position: &Position,
    ) -> Result<(), ServerError> {
        let header = entry.header();
        if header.lane == Lane::Keys {
            return self.account_log_changed(n, entry, position).await;
        }
        for (index, (kind, op)) in entry.ops().enumerate() {
            let (Kind::Event(_), Some(op)) = (kind, op) else {
                continue;
            };
            let Ok(event) = Event::decode(op) else {
                continue;
            };
            self.event(n, entry, &event).await?;
            self.project(n, index, entry, &event, position).await?;
        }
        let changed: Vec<_> = facts(entry);
        if !changed.is_empty()
            && let Some(course) = self.authority.course_mut(header.space)
        {
            let accounts: BTreeSet<AccountId> = changed.iter().map(|f| f.account).collect();
            for fact in changed {
                course.membership.insert(fact);
            }
            let roles: Vec<(AccountId, Roles)> = accounts
                .into_iter()
                .map(|account| (account, course.membership.roles_now(account)))
                .collect();
            for (account, roles) in roles {
                self.set_roles(header.space, account, roles).await?;
            }
        }
        Ok(())
    }

    async fn set_roles(
        &mut self,
        space: SpaceId,
        account: AccountId,
        roles: Roles,
    ) -> Result<(), ServerError> {
        sqlx::query(
            "INSERT INTO membership VALUES (?, ?, ?) \
             ON CONFLICT (account, space) DO UPDATE SET roles = excluded.roles",
        )
        .bind(&account.0[..])
        .bind(&space.0[..])
        .bind(roles.0 as i64)
        .execute(&mut *self.db)
        .await?;
        self.batch.rights.insert(account);
        Ok(())
    }

    /// Events that change who may do what.
    async fn event(&mut self, n: i64, entry: &Entry, event: &Event) -> Result<(), ServerError> {
        let header = entry.header();
        match event {
            Event::CourseGenesis(genesis) => {
                self.authority.begin_course(header.space, genesis.clone());
            }
            Event::StaffAdmit(e) => {
                if let Ok(admission) = Certificate::<StaffAdmission>::decode(&e.certificate.0) {
                    self.admit(n, admission.body()).await?;
                }
            }
            Event::RosterBind(e) => self.bind(n, e).await?,
            Event::GroupSet(e) => {
                sqlx::query("DELETE FROM group_member WHERE space = ? AND group_id = ?")
                    .bind(&header.space.0[..])
                    .bind(&e.group.0[..])
                    .execute(&mut *self.db)
                    .await?;
                for account in &e.members {
                    sqlx::query("INSERT OR IGNORE INTO group_member VALUES (?, ?, ?)")
                        .bind(&account.0[..])
                        .bind(&header.space.0[..])
                        .bind(&e.group.0[..])
                        .execute(&mut *self.db)
                        .await?;
                    self.batch.rights.insert(*account);
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn save_account(
        &mut self,
        account: AccountId,
        standing: Standing,
    ) -> Result<(), ServerError> {
        sqlx::query(
            "INSERT INTO account VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET \
             root = excluded.root, staff_roles = excluded.staff_roles, \
             staff_serial = excluded.staff_serial, in_person = excluded.in_person",
        )
        .bind(&account.0[..])
        .bind(&standing.root.as_bytes()[..])
        .bind(i64::from(standing.staff_roles))
        .bind(standing.staff_serial as i64)
        .bind(standing.in_person)
        .execute(&mut *self.db)
        .await?;
        self.authority.set_account(account, standing);
        self.batch.rights.insert(account);
        Ok(())
    }

    /// A school root's admission; of several the highest serial counts.
    async fn admit(&mut self, _n: i64, admission: &StaffAdmission) -> Result<(), ServerError> {
        self.authority
            .load_account(&mut *self.db, admission.account)
            .await?;
        let before = self.authority.account(admission.account).copied();
        if before.is_some_and(|b| b.staff_serial >= admission.serial) {
            return Ok(());
        }
        let standing = Standing {
            root: admission.root,
            staff_roles: admission.roles.bits(),
            staff_serial: admission.serial,
            in_person: true,
        };
        self.save_account(admission.account, standing).await
    }

    /// A binding of a first root; it never replaces one that is there.
    async fn bind(&mut self, n: i64, e: &RosterBind) -> Result<(), ServerError> {
        sqlx::query("INSERT OR IGNORE INTO binding VALUES (?, ?)")
            .bind(&e.account.0[..])
            .bind(n)
            .execute(&mut *self.db)
            .await?;
        self.authority
            .load_account(&mut *self.db, e.account)
            .await?;
        let before = self.authority.account(e.account).copied();
        let standing = match before {
            Some(before) if before.root.as_bytes() != &e.root => return Ok(()),
            Some(before) => Standing {
                in_person: before.in_person || e.in_person,
                ..before
            },
            None => Standing {
                root: VerifyingKey::from_bytes(&e.root)
                    .map_err(|_| ServerError::Refused("root.invalid"))?,
                staff_roles: 0,
                staff_serial: 0,
                in_person: e.in_person,
            },
        };
        self.save_account(e.account, standing).await
    }

    async fn account_log_changed(
        &mut self,
        n: i64,
        entry: &Entry,
        position: &Position,
    ) -> Result<(), ServerError> {
        let account = entry.header().author;
        let place = LogPosition {
            epoch: position.epoch,
            sequence: position.sequence,
        };
        let Some(log) = self.authority.log_mut(account) else {
            return Ok(());
        };
        if log.apply(entry, Some(place)).is_err() {
            return Ok(());
        }
        let devices: Vec<_> = log
            .devices()
            .map(|(id, device)| {
                let revoked = device.status != stunity_identity::DeviceStatus::Live;
                (
                    id,
                    *device.key().as_bytes(),
                    device.certificate().hash(),
                    revoked,
                )
            })
            .collect();
        for (id, key, certificate, revoked) in devices {
            sqlx::query(
                "INSERT INTO device VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT (id) DO UPDATE SET \
                 revoked = excluded.revoked",
            )
            .bind(&id.0[..])
            .bind(&account.0[..])
            .bind(&key[..])
            .bind(&certificate.0[..])
            .bind(revoked)
            .execute(&mut *self.db)
            .await?;
        }
        let spaces = sqlx::query("SELECT space, lane FROM mirrored WHERE account = ?")
            .bind(&account.0[..])
            .fetch_all(&mut *self.db)
            .await?;
        for row in spaces {
            let space = SpaceId::try_from(row.get::<&[u8], _>(0))?;
            let lane = Lane::from_key(row.get(1))?;
            self.number(n, entry, space, lane, false).await?;
        }
        self.batch.rights.insert(account);
        Ok(())
    }

    async fn project(
        &mut self,
        n: i64,
        index: usize,
        entry: &Entry,
        event: &Event,
        position: &Position,
    ) -> Result<(), ServerError> {
        let header = entry.header();
        for row in rows::rows(event) {
            let mut query = sqlx::query(AssertSqlSafe(insert_statement(row.table)))
                .bind(n)
                .bind(index as i64)
                .bind(i64::from(row.item))
                .bind(header.space.0.to_vec())
                .bind(header.lane.to_key())
                .bind(header.author.0.to_vec())
                .bind(header.signer.is_vouched())
                .bind(position.sequence as i64)
                .bind(position.received_ms as i64);
            for value in row.values {
                query = match value {
                    Value::Null => query.bind(None::<i64>),
                    Value::Int(value) => query.bind(value),
                    Value::Text(value) => query.bind(value),
                    Value::Blob(value) => query.bind(value),
                };
            }
            query.execute(&mut *self.db).await?;
        }
        if let Some((about, text)) = rows::searchable(event, entry.id()) {
            let done = sqlx::query("INSERT INTO search_entry (entry, about) VALUES (?, ?)")
                .bind(n)
                .bind(about)
                .execute(&mut *self.db)
                .await?;
            sqlx::query("INSERT INTO search (rowid, keys) VALUES (?, ?)")
                .bind(done.last_insert_rowid())
                .bind(stunity_text::index_text(&text))
                .execute(&mut *self.db)
                .await?;
        }
        Ok(())
    }

    /// Writes ends and chains, once each for the whole batch.
    async fn write_out(&mut self) -> Result<(), ServerError> {
        for ((space, lane), end) in &self.batch.ends {
            if !end.changed {
                continue;
            }
            sqlx::query(
                "INSERT INTO target_end VALUES (?, ?, ?, ?) ON CONFLICT (space, lane) \
                 DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
            )
            .bind(&space.0[..])
            .bind(lane)
            .bind(end.sequence as i64)
            .bind(&end.hash.0[..])
            .execute(&mut *self.db)
            .await?;
        }
        for (key, (sequence, entry, changed)) in &self.batch.chains {
            if !changed {
                continue;
            }
            let membership: Vec<u8> = entry.heads.membership.iter().flat_map(|id| id.0).collect();
            sqlx::query(
                "INSERT INTO chain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (signer, incarnation, space, lane, signer_kind) DO UPDATE SET \
                 sequence = excluded.sequence, id = excluded.id, \
                 account_head = excluded.account_head, membership_heads = excluded.membership_heads",
            )
            .bind(i64::from(key.signer.kind()))
            .bind(&key.signer.id()[..])
            .bind(i64::from(key.incarnation))
            .bind(&key.space.0[..])
            .bind(key.lane.to_key())
            .bind(*sequence as i64)
            .bind(&entry.id.0[..])
            .bind(entry.heads.account.map(|id| id.0.to_vec()))
            .bind(membership)
            .execute(&mut *self.db)
            .await?;
        }
        Ok(())
    }

    /// Binds an account's first root, then stores the first entry of its log.
    async fn join(&mut self, join: Join) -> Result<(), ServerError> {
        let genesis = &join.genesis;
        let account = genesis.header().author;
        let root = stunity_identity::AccountLog::claimed_root(genesis)
            .ok_or(ServerError::Refused("account-log.invalid"))?;
        self.authority.load_account(&mut *self.db, account).await?;
        if self
            .authority
            .account(account)
            .is_some_and(|standing| standing.root != root)
        {
            return Err(ServerError::Refused("root.exists"));
        }
        // The log must stand on its own before anything is written for it.
        let mut log = stunity_identity::AccountLog::new(self.log.keys().school(), account, root);
        if !matches!(
            log.apply(genesis, None),
            Ok(stunity_identity::Effect::Counts)
        ) {
            return Err(ServerError::Refused("account-log.invalid"));
        }
        let roles = self.redeem(&join.proof, account).await?;
        let event = if roles == 0 {
            Event::from(RosterBind {
                account,
                root: *root.as_bytes(),
                in_person: false,
            })
        } else {
            let keys = self.log.keys();
            let offices = StaffRoles::from_bits(roles);
            let admission = keys.admit(account, root, offices, self.now_ms)?;
            Event::from(StaffAdmit {
                certificate: stunity_model::events::Opaque(admission.encode()),
            })
        };
        let lane = if roles == 0 { Lane::Staff } else { Lane::All };
        let statement = self.vouched(account, lane, &event).await?;
        for entry in [&statement, genesis] {
            match self.append(None, entry).await? {
                Outcome::Accepted(_) => {}
                _ => return Err(ServerError::Keys("a joining account's entry".into())),
            }
        }
        if roles != 0 {
            let school = self.log.keys().school().space();
            self.mirror(school, Lane::All, account).await?;
        }
        Ok(())
    }

    /// Uses up what lets an account join; answers the offices that it gives.
    async fn redeem(&mut self, proof: &Proof, account: AccountId) -> Result<u8, ServerError> {
        let code = match proof {
            Proof::Login(_, named) if *named == account => return Ok(0),
            Proof::Login(..) => return Err(ServerError::Refused("login.other-account")),
            Proof::Code(code) => stunity_identity::Invitation::hash_code(code),
        };
        let row = sqlx::query(
            "SELECT roles, account, expires_ms, used_by FROM invitation WHERE code_hash = ?",
        )
        .bind(&code.0[..])
        .fetch_optional(&mut *self.db)
        .await?
        .ok_or(ServerError::Refused("invitation.unknown"))?;
        if row.get::<i64, _>(2) < self.now_ms as i64 {
            return Err(ServerError::Refused("invitation.expired"));
        }
        let used: Option<Vec<u8>> = row.get(3);
        if used.is_some_and(|by| by != account.0) {
            return Err(ServerError::Refused("invitation.used"));
        }
        let named: Option<Vec<u8>> = row.get(1);
        if named.is_some_and(|named| named != account.0) {
            return Err(ServerError::Refused("invitation.other-account"));
        }
        sqlx::query("UPDATE invitation SET used_by = ? WHERE code_hash = ?")
            .bind(&account.0[..])
            .bind(&code.0[..])
            .execute(&mut *self.db)
            .await?;
        Ok(row.get::<i64, _>(0) as u8)
    }

    /// An entry of this node for an account, in the school's space.
    async fn vouched(
        &mut self,
        account: AccountId,
        lane: Lane,
        event: &Event,
    ) -> Result<Entry, ServerError> {
        let log = self.log.clone();
        let keys = log.keys();
        let key = ChainKey {
            signer: Signer::Node(keys.node.node_id()),
            incarnation: 0,
            space: keys.school().space(),
            lane,
        };
        let head = self.chain(&key).await?;
        let mut salt = [0; 16];
        rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut salt);
        let body = Body::new(salt, vec![event.encode()]);
        let header = Header {
            school: keys.school(),
            space: key.space,
            lane,
            author: account,
            signer: key.signer,
            certificate: keys.chain.node.hash(),
            incarnation: 0,
            sequence: head.as_ref().map_or(1, |(sequence, _)| sequence + 1),
            previous: head.map(|(_, head)| head.id),
            heads: Heads::default(),
            kinds: vec![Kind::Event(event.code())],
            seal: None,
            body_root: body.root()?,
        };
        sign_entry(&header, body, &keys.node).map_err(|_| ServerError::Keys("node key".into()))
    }
}

fn refused_without_tombstone(code: &str) -> Outcome {
    Outcome::Refused {
        code: code.to_owned(),
        tombstone: Vec::new(),
    }
}

/// Reads id and heads of a chain's last entry from column `at` on.
pub(crate) fn chain_entry(
    row: &sqlx::sqlite::SqliteRow,
    at: usize,
) -> Result<ChainEntry, ServerError> {
    let account: Option<&[u8]> = row.get(at + 1);
    let membership: &[u8] = row.get(at + 2);
    Ok(ChainEntry {
        id: EntryId::try_from(row.get::<&[u8], _>(at))?,
        heads: Heads {
            account: account.map(EntryId::try_from).transpose()?,
            membership: membership
                .chunks(32)
                .map(EntryId::try_from)
                .collect::<Result<_, _>>()?,
        },
    })
}

/// `INSERT` of a projection's row.
fn insert_statement(table: &str) -> String {
    let columns = rows::table(table).map_or(0, |table| table.columns.len());
    let marks = vec!["?"; 3 + rows::COMMON.len() + columns].join(", ");
    format!("INSERT OR REPLACE INTO p_{table} VALUES ({marks})")
}
