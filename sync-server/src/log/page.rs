//! Runs of the log, as sessions read them to make packs.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::pack::entries_named;
use stunity_proto::{DecodeError, EntryId, Hash, Kind, Lane};
use stunity_sync::relay_store::{LogItem, Page};
use stunity_sync::{Position, Target};

use super::Log;
use crate::db::{Row, sql};
use crate::error::ServerError;

/// Entries whose numbers one statement asks for.
const NAMED_AT_ONCE: usize = 64;

/// Rows of one space, which is the first parameter; the school's is the second.
const ITEM: &str = "SELECT e.header, e.signature, e.body, n.sequence, n.lane, n.received_ms, \
    n.lane_hash, n.space_hash, e.same_heads, e.heads, \
    LENGTH(e.header) + LENGTH(e.body) + 64, \
    CASE WHEN $1 <> $2 THEN (SELECT s.sequence FROM numbering s \
    WHERE s.entry = n.entry AND s.space = $2 ORDER BY s.sequence LIMIT 1) END \
    FROM numbering n JOIN entry e ON e.n = n.entry WHERE n.space = $1";

fn item(row: &Row, target: Target, epoch: u64) -> Result<LogItem, ServerError> {
    let heads: &[u8] = row.get(9)?;
    let head_sequences = heads
        .chunks_exact(40)
        .map(|head| {
            let mut sequence = [0; 8];
            sequence.copy_from_slice(&head[32..]);
            Ok((
                EntryId::try_from(&head[..32])?,
                u64::from_be_bytes(sequence),
            ))
        })
        .collect::<Result<_, DecodeError>>()?;
    let entry = super::authority::entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
    Ok(LogItem {
        changes: super::changes::changes(&entry),
        entry,
        position: Position {
            space: target.space,
            lane: Lane::from_key(row.get(4)?)?,
            epoch,
            sequence: row.get::<i64>(3)? as u64,
            received_ms: row.get::<i64>(5)? as u64,
        },
        lane_hash: Hash::try_from(row.get::<&[u8]>(6)?)?,
        space_hash: Hash::try_from(row.get::<&[u8]>(7)?)?,
        same_heads: row.get(8)?,
        head_sequences,
        named: Vec::new(),
        in_school: row.get::<Option<i64>>(11)?.map(|sequence| sequence as u64),
    })
}

/// What an entry's events name, where it stands in its own space; account logs name
/// keys.
fn named_in(item: &LogItem) -> impl Iterator<Item = EntryId> {
    let header = item.entry.header();
    let is_home = item.position.space == header.space && header.lane != Lane::Keys;
    let ops = item.entry.ops().filter(move |_| is_home);
    ops.filter(|(kind, _)| matches!(kind, Kind::Event(_)))
        .filter_map(|(_, bytes)| bytes)
        .flat_map(entries_named)
}

impl Log {
    pub(super) async fn read_page(
        &self,
        target: Target,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, ServerError> {
        // Entries are rarely below 300 bytes, so this many rows are enough.
        let limit = (max_bytes / 300).clamp(16, 2048) as i64;
        let query = match target.lane {
            None => sql(format!(
                "{ITEM} AND n.sequence > $3 ORDER BY n.sequence LIMIT $4"
            )),
            Some(_) => sql(format!(
                "{ITEM} AND n.lane = $5 AND n.sequence > $3 ORDER BY n.sequence LIMIT $4"
            )),
        };
        let rows = query
            .bind(target.space.0)
            .bind(self.keys().school().space().0)
            .bind(after)
            .bind(limit)
            .bind_if(target.lane.map(|lane| lane.to_key()))
            .all(self.database())
            .await?;
        let mut page = Page {
            more: rows.len() as i64 == limit,
            ..Page::default()
        };
        let mut bytes = 0;
        for row in &rows {
            bytes += row.get::<i64>(10)? as usize;
            if bytes > max_bytes && !page.items.is_empty() {
                page.more = true;
                break;
            }
            page.items.push(item(row, target, self.inner.epoch)?);
        }
        self.read_named(target, &mut page.items).await?;
        Ok(page)
    }

    /// Adds the numbers of the entries that operations name, as far as who reads the
    /// target has read them: in the same lane or in `all`, or anywhere in a space that
    /// is read whole.
    async fn read_named(&self, target: Target, items: &mut [LogItem]) -> Result<(), ServerError> {
        let wanted: BTreeSet<EntryId> = items.iter().flat_map(named_in).collect();
        let wanted: Vec<EntryId> = wanted.into_iter().collect();
        let mut found: BTreeMap<EntryId, Vec<(Lane, u64)>> = BTreeMap::new();
        for ids in wanted.chunks(NAMED_AT_ONCE) {
            // Always as many parameters: the statement stays prepared.
            let values: Vec<String> = (1..=NAMED_AT_ONCE).map(|n| format!("(${n})")).collect();
            // The space is looked at here: asked for it, SQLite goes through all of it.
            let mut statement = sql(format!(
                "WITH wanted (id) AS (VALUES {}) SELECT e.id, n.space, n.lane, n.sequence \
                 FROM wanted w CROSS JOIN entry e CROSS JOIN numbering n \
                 WHERE e.id = w.id AND n.entry = e.n",
                values.join(", ")
            ));
            for id in ids.iter().cycle().take(NAMED_AT_ONCE) {
                statement = statement.bind(id.0);
            }
            for row in statement.all(self.database()).await? {
                if row.get::<&[u8]>(1)? != target.space.0 {
                    continue;
                }
                let id = EntryId::try_from(row.get::<&[u8]>(0)?)?;
                let place = (Lane::from_key(row.get(2)?)?, row.get::<i64>(3)? as u64);
                found.entry(id).or_default().push(place);
            }
        }
        for item in items {
            let is_read = |lane: Lane| {
                target.lane.is_none() || lane == item.position.lane || lane == Lane::All
            };
            let sequence = |id: EntryId| {
                let places = found.get(&id)?.iter();
                let before =
                    places.filter(|(lane, at)| is_read(*lane) && *at < item.position.sequence);
                Some((id, before.map(|(_, at)| *at).min()?))
            };
            item.named = named_in(item).filter_map(sequence).collect();
        }
        Ok(())
    }
}
