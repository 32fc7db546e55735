//! The order: ends of spaces and lanes, chains, numbers; keys of accounts numbered
//! beside what they sign.
use std::collections::BTreeSet;

use stunity_model::judge::facts;
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::receipt::{next_lane_hash, next_space_hash};
use stunity_proto::{AccountId, Entry, EntryId, Hash, Heads, Lane, SpaceId};
use stunity_sync::relay_store::LogItem;
use stunity_sync::{Position, Target};

use super::memory::Memory;
use super::{End, Writer};
use crate::db::{Dialect, Insert, Row, Value, insert_all, sql};
use crate::error::ServerError;
use crate::log::authority;
use crate::log::changes;

/// Numbers that one draw from PostgreSQL's sequence gives.
const ROW_NUMBERS: i64 = 64;

/// Numbers for rows: of entries and of texts that are searched. They are keys
/// only, so that gaps do not matter.
#[derive(Debug, Default)]
pub(super) struct RowNumbers {
    next: i64,
    end: i64,
    /// The database's answer to [`Dialect::written`].
    written: Option<i64>,
}

impl RowNumbers {
    /// After a rollback: asks again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Writer<'_> {
    pub(super) async fn end(&mut self, space: SpaceId, lane: &[u8]) -> Result<End, ServerError> {
        let key = (space, lane.to_vec());
        let known = self.batch.ends.get(&key);
        if let Some(end) = known.or_else(|| self.memory.ends.get(&key)) {
            return Ok(*end);
        }
        let row = sql("SELECT sequence, hash FROM target_end WHERE space = $1 AND lane = $2")
            .bind(space.0)
            .bind(lane)
            .optional(&mut self.db)
            .await?;
        let end = match row {
            None => End::START,
            Some(row) => End {
                sequence: row.get::<i64>(0)? as u64,
                hash: Hash::try_from(row.get::<&[u8]>(1)?)?,
            },
        };
        self.memory.ends.insert(key, end);
        Ok(end)
    }

    pub(super) async fn chain(
        &mut self,
        key: &ChainKey,
    ) -> Result<Option<(u64, ChainEntry)>, ServerError> {
        if let Some(known) = self.batch.chains.get(key) {
            return Ok(Some(known.clone()));
        }
        if let Some(known) = self.memory.chains.get(key) {
            return Ok(known.clone());
        }
        let row = sql(
            "SELECT sequence, id, account_head, membership_heads FROM chain WHERE signer = $1 \
             AND incarnation = $2 AND space = $3 AND lane = $4 AND signer_kind = $5",
        )
        .bind(&key.signer.id()[..])
        .bind(i64::from(key.incarnation))
        .bind(key.space.0)
        .bind(key.lane.to_key())
        .bind(i64::from(key.signer.kind()))
        .optional(&mut self.db)
        .await?;
        let found = row
            .map(|row| Ok::<_, ServerError>((row.get(0)?, chain_entry(&row, 1)?)))
            .transpose()?;
        self.memory.chains.insert(*key, found.clone());
        Ok(found)
    }

    /// Where an entry is numbered for the readers of a lane.
    async fn head_sequence(
        &mut self,
        space: SpaceId,
        lane: Lane,
        id: EntryId,
    ) -> Result<Option<i64>, ServerError> {
        let known = [lane, Lane::All]
            .into_iter()
            .filter_map(|lane| self.memory.sequences.get(&(space, lane, id)).copied())
            .reduce(|known, other| known.or(other));
        if let Some(known) = known {
            return Ok(known);
        }
        // The space is looked at here: asked for it, SQLite goes through all of it.
        let rows = sql("SELECT n.space, n.lane, n.sequence FROM entry e \
             JOIN numbering n ON n.entry = e.n WHERE e.id = $1")
        .bind(id.0)
        .all(&mut self.db)
        .await?;
        let lanes = [lane.to_key(), Lane::All.to_key()];
        let mut sequence: Option<i64> = None;
        for row in &rows {
            let (of, lane): (&[u8], &[u8]) = (row.get(0)?, row.get(1)?);
            if of == space.0 && lanes.iter().any(|key| key == lane) {
                let found = row.get(2)?;
                sequence = Some(sequence.map_or(found, |first| first.min(found)));
            }
        }
        self.memory.sequences.insert((space, lane, id), sequence);
        Ok(sequence)
    }

    /// The cited heads that whoever reads the entry can find by their numbers: those
    /// in its own lane, or in `all` of its space.
    pub(super) async fn head_sequences(&mut self, entry: &Entry) -> Result<Vec<u8>, ServerError> {
        let header = entry.header();
        let mut out = Vec::new();
        for id in header.heads.account.iter().chain(&header.heads.membership) {
            let sequence = self.head_sequence(header.space, header.lane, *id).await?;
            if let Some(sequence) = sequence {
                out.extend_from_slice(&id.0);
                out.extend_from_slice(&sequence.to_be_bytes());
            }
        }
        Ok(out)
    }

    /// Gives an entry the next number of a space.
    pub(super) async fn number(
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
        self.batch.rows.numbering(vec![
            space.0.into(),
            sequence.into(),
            lane_key.clone().into(),
            n.into(),
            self.now_ms.into(),
            lane_hash.0.into(),
            space_hash.0.into(),
        ]);
        let at = (space, lane, entry.id());
        if let None | Some(None) = self.memory.sequences.get(&at) {
            self.memory.sequences.insert(at, Some(sequence as i64));
        }
        let target = Target {
            space,
            lane: Some(lane),
        };
        self.batch.starts.entry(target).or_insert(in_lane.sequence);
        // Of the school's lanes about people, only what has begun is in their view.
        if let (Lane::One(person), 0) = (lane, in_lane.sequence)
            && space == self.log.keys().school().space()
        {
            self.batch.rights.insert(person);
        }
        let end = |hash| End { sequence, hash };
        self.batch.ends.insert((space, Vec::new()), end(space_hash));
        self.batch.ends.insert((space, lane_key), end(lane_hash));
        let position = Position {
            space,
            lane,
            epoch: self.log.inner.epoch,
            sequence,
            received_ms: self.now_ms,
        };
        // What was numbered longer ago than is remembered is written out to live readers.
        let follows = entry.header().previous.is_some_and(|previous| {
            let before = self.memory.sequences.get(&(space, lane, previous));
            before.is_some_and(Option::is_some)
        });
        let item = LogItem {
            entry: entry.clone(),
            follows,
            position,
            lane_hash,
            space_hash,
            same_heads,
            head_sequences: Vec::new(),
            changes: changes::changes(entry),
            named: Vec::new(),
            beside: Vec::new(),
            // Readers of a live batch hold another part of the school each.
            in_school: None,
        };
        self.batch.items.push((item, in_lane.sequence));
        Ok(position)
    }

    /// Whoever reads an entry must be able to verify it: the author's keys, and
    /// those of whom it admits, are numbered in the space before it.
    pub(super) async fn mirror_keys(&mut self, entry: &Entry) -> Result<(), ServerError> {
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

    pub(super) async fn mirror(
        &mut self,
        space: SpaceId,
        lane: Lane,
        account: AccountId,
    ) -> Result<(), ServerError> {
        let has = |memory: &Memory, lane| memory.mirrored.contains(&(space, account, lane));
        if has(self.memory, Lane::All) || has(self.memory, lane) {
            return Ok(());
        }
        let known: Vec<Vec<u8>> =
            sql("SELECT lane FROM mirrored WHERE space = $1 AND account = $2")
                .bind(space.0)
                .bind(account.0)
                .scalars(&mut self.db)
                .await?;
        for lane in &known {
            (self.memory.mirrored).insert((space, account, Lane::from_key(lane)?));
        }
        if has(self.memory, Lane::All) || has(self.memory, lane) {
            return Ok(());
        }
        self.memory.mirrored.insert((space, account, lane));
        sql("INSERT INTO mirrored VALUES ($1, $2, $3)")
            .bind(space.0)
            .bind(account.0)
            .bind(lane.to_key())
            .execute(&mut self.db)
            .await?;
        self.write_rows().await?;
        let rows = sql(
            "SELECT e.n, e.header, e.signature, e.body FROM binding b JOIN entry e ON e.n = b.entry \
             WHERE b.account = $1 UNION ALL \
             SELECT e.n, e.header, e.signature, e.body FROM numbering k JOIN entry e ON e.n = k.entry \
             WHERE k.space = $1 AND k.lane = $2",
        )
        .bind(account.0)
        .bind(Lane::Keys.to_key())
        .all(&mut self.db)
        .await?;
        for row in rows {
            let entry = authority::entry(row.get(1)?, row.get(2)?, row.get(3)?)?;
            // Numbered here already: its own place, or another person's mirror.
            if entry.header().space == space && entry.header().lane == lane {
                continue;
            }
            self.number(row.get(0)?, &entry, space, lane, false).await?;
        }
        Ok(())
    }

    /// Another process may have written to the database, such as a command of the
    /// school's: what is known by heart is then asked again.
    pub(super) async fn notice_others(&mut self) -> Result<(), ServerError> {
        let (question, counts_own) = self.db.dialect().written();
        let written: i64 = sql(question).one(&mut self.db).await?.get(0)?;
        let Some(before) = self.numbers.written.replace(written) else {
            self.authority.clear();
            *self.memory = Memory::default();
            return Ok(());
        };
        if written != before + i64::from(counts_own) {
            // Something may have been erased, too.
            self.log.inner.shared.forget();
            self.authority.clear();
            *self.memory = Memory::default();
            self.numbers.next = 0;
            self.numbers.end = 0;
            self.batch.others_wrote = true;
        }
        Ok(())
    }

    /// A number for a row.
    pub(super) async fn row_number(&mut self) -> Result<i64, ServerError> {
        if self.numbers.next == self.numbers.end {
            self.numbers.next = match self.db.dialect() {
                Dialect::Sqlite => sql("SELECT MAX(COALESCE((SELECT MAX(n) FROM entry), 0), \
                         COALESCE((SELECT MAX(n) FROM search_entry), 0)) + 1"),
                Dialect::Postgres => sql("SELECT nextval('row_number')"),
            }
            .one(&mut self.db)
            .await?
            .get(0)?;
            self.numbers.end = match self.db.dialect() {
                // Nobody else numbers rows in this file.
                Dialect::Sqlite => i64::MAX,
                Dialect::Postgres => self.numbers.next + ROW_NUMBERS,
            };
        }
        let n = self.numbers.next;
        self.numbers.next += 1;
        Ok(n)
    }

    /// Gives the database the rows that were held back: before it is asked for
    /// what may be among them.
    pub(super) async fn write_rows(&mut self) -> Result<(), ServerError> {
        let rows = self.batch.rows.take();
        Ok(insert_all(&mut self.db, rows).await?)
    }

    /// Writes what is left of the rows, and ends and chains, once each for the whole
    /// batch.
    pub(super) async fn write_out(&mut self) -> Result<(), ServerError> {
        let mut inserts = self.batch.rows.take();
        let ends = self
            .batch
            .ends
            .iter()
            .map(|((space, lane), end)| {
                vec![
                    Value::from(space.0),
                    lane.clone().into(),
                    end.sequence.into(),
                    end.hash.0.into(),
                ]
            })
            .collect();
        inserts.push(Insert {
            table: "target_end".into(),
            rows: ends,
            after: "ON CONFLICT (space, lane) DO UPDATE SET sequence = excluded.sequence, \
                    hash = excluded.hash",
        });
        let chains = self
            .batch
            .chains
            .iter()
            .map(|(key, (sequence, entry))| {
                let heads = entry.heads.membership.iter().flat_map(|id| id.0);
                vec![
                    Value::from(i64::from(key.signer.kind())),
                    key.signer.id().to_vec().into(),
                    i64::from(key.incarnation).into(),
                    key.space.0.into(),
                    key.lane.to_key().into(),
                    (*sequence).into(),
                    entry.id.0.into(),
                    entry.heads.account.map(|id| id.0.to_vec()).into(),
                    heads.collect::<Vec<u8>>().into(),
                ]
            })
            .collect();
        inserts.push(Insert {
            table: "chain".into(),
            rows: chains,
            after: "ON CONFLICT (signer, incarnation, space, lane, signer_kind) DO UPDATE SET \
                    sequence = excluded.sequence, id = excluded.id, \
                    account_head = excluded.account_head, \
                    membership_heads = excluded.membership_heads",
        });
        Ok(insert_all(&mut self.db, inserts).await?)
    }
}

/// Reads id and heads of a chain's last entry from column `at` on.
pub(in crate::log) fn chain_entry(row: &Row, at: usize) -> Result<ChainEntry, ServerError> {
    let account: Option<&[u8]> = row.get(at + 1)?;
    let membership: &[u8] = row.get(at + 2)?;
    Ok(ChainEntry {
        id: EntryId::try_from(row.get::<&[u8]>(at)?)?,
        heads: Heads {
            account: account.map(EntryId::try_from).transpose()?,
            membership: membership
                .chunks(32)
                .map(EntryId::try_from)
                .collect::<Result<_, _>>()?,
        },
    })
}
