//! The order: ends of spaces and lanes, chains, numbers; keys of accounts numbered
//! beside what they sign.
use std::collections::BTreeSet;

use sqlx::Row;
use stunity_model::judge::facts;
use stunity_proto::pack::{ChainEntry, ChainKey};
use stunity_proto::receipt::{next_lane_hash, next_space_hash};
use stunity_proto::{AccountId, Entry, EntryId, Hash, Heads, Lane, SpaceId};
use stunity_sync::Position;
use stunity_sync::relay_store::LogItem;

use super::{End, Writer};
use crate::error::ServerError;
use crate::log::authority;

impl Writer<'_> {
    pub(super) async fn end(&mut self, space: SpaceId, lane: &[u8]) -> Result<End, ServerError> {
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

    pub(super) async fn chain(
        &mut self,
        key: &ChainKey,
    ) -> Result<Option<(u64, ChainEntry)>, ServerError> {
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

    /// The cited heads that are numbered in the entry's own space.
    pub(super) async fn head_sequences(&mut self, entry: &Entry) -> Result<Vec<u8>, ServerError> {
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
            let entry = authority::entry(row.get(1), row.get(2), row.get(3))?;
            // Numbered here already: its own place, or another person's mirror.
            if entry.header().space == space && entry.header().lane == lane {
                continue;
            }
            self.number(row.get(0), &entry, space, lane, false).await?;
        }
        Ok(())
    }

    /// Writes ends and chains, once each for the whole batch.
    pub(super) async fn write_out(&mut self) -> Result<(), ServerError> {
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
}

/// Reads id and heads of a chain's last entry from column `at` on.
pub(in crate::log) fn chain_entry(
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
