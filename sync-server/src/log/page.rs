//! Runs of the log, as sessions read them to make packs.
use std::collections::{BTreeMap, BTreeSet};

use stunity_model::Event;
use stunity_model::events::Release;
use stunity_proto::pack::{Strings, entries_named};
use stunity_proto::{AccountId, DecodeError, EntryId, Hash, Kind, Lane, ObjectId, SpaceId};
use stunity_sync::relay_store::{LogItem, Named, Page};
use stunity_sync::{Position, Target};

use super::{Log, authority};
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
    let entry = authority::entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
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
        follows: false,
        named: Vec::new(),
        beside: Vec::new(),
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

/// The grades that an item shows to a pupil, where it does not name their entries.
fn shown(item: &LogItem) -> (AccountId, Vec<ObjectId>) {
    let header = item.entry.header();
    let Lane::One(pupil) = header.lane else {
        return (AccountId::ZERO, Vec::new());
    };
    let ops = item.entry.ops();
    let releases = ops.filter(|(kind, _)| *kind == Kind::Event(Release::CODE));
    let grades = releases.filter_map(|(_, bytes)| match Event::decode(bytes?) {
        Ok(Event::Release(release)) if release.entry == EntryId::ZERO => Some(release.grade),
        _ => None,
    });
    (pupil, grades.collect())
}

fn wanted_by(item: &LogItem) -> impl Iterator<Item = EntryId> {
    named_in(item).chain(item.beside.iter().map(|(_, teller)| *teller))
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
        self.read_tellers(target, &mut page.items).await?;
        self.read_named(target, &mut page.items).await?;
        Ok(page)
    }

    /// Adds the grades of which releases show a part, where both are read: a release is
    /// written before its grade has an entry to be named by.
    async fn read_tellers(&self, target: Target, items: &mut [LogItem]) -> Result<(), ServerError> {
        if target.lane.is_some() {
            return Ok(());
        }
        let shown: Vec<(AccountId, Vec<ObjectId>)> = items.iter().map(shown).collect();
        let pupils: BTreeSet<AccountId> = (shown.iter())
            .filter(|(_, grades)| !grades.is_empty())
            .map(|(pupil, _)| *pupil)
            .collect();
        let pupils: Vec<AccountId> = pupils.into_iter().collect();
        let mut found: BTreeMap<ObjectId, EntryId> = BTreeMap::new();
        for pupils in pupils.chunks(NAMED_AT_ONCE) {
            let statement = sql(format!(
                "WITH wanted (id) AS (VALUES {}) SELECT g.grade, e.id \
                 FROM wanted w CROSS JOIN p_grade g CROSS JOIN entry e \
                 WHERE g.student = w.id AND g.space = ${} AND e.n = g.entry \
                 ORDER BY g.sequence DESC",
                values(),
                NAMED_AT_ONCE + 1
            ));
            let ids = pupils.iter().cycle().take(NAMED_AT_ONCE);
            let statement = ids.fold(statement, |statement, id| statement.bind(id.0));
            for row in statement.bind(target.space.0).all(self.database()).await? {
                let id = EntryId::try_from(row.get::<&[u8]>(1)?)?;
                found.insert(ObjectId::try_from(row.get::<&[u8]>(0)?)?, id);
            }
        }
        for (item, (_, grades)) in items.iter_mut().zip(shown) {
            item.beside = (grades.iter())
                .filter_map(|grade| Some((grade.0, *found.get(grade)?)))
                .collect();
        }
        Ok(())
    }

    /// Adds the numbers of the entries that operations name, and of those beside them,
    /// as far as who reads the target has read them: in the same lane or in `all`, or
    /// anywhere in a space that is read whole. And whether each follows one that stands
    /// before it.
    async fn read_named(&self, target: Target, items: &mut [LogItem]) -> Result<(), ServerError> {
        let named: BTreeSet<EntryId> = items.iter().flat_map(wanted_by).collect();
        let followed = (items.iter()).filter_map(|item| item.entry.header().previous);
        let of_page: BTreeSet<EntryId> = items.iter().map(|item| item.entry.id()).collect();
        let mut wanted = named.clone();
        wanted.extend(followed.filter(|id| !of_page.contains(id)));
        let places = self.places(target.space, wanted).await?;
        let strings = self.strings(named).await?;
        let mut before = BTreeSet::new();
        for item in items {
            let at = item.position;
            if let Some(previous) = item.entry.header().previous {
                let is_before =
                    |(lane, sequence): &(Lane, u64)| *lane == at.lane && *sequence < at.sequence;
                let places = places.get(&previous);
                item.follows = before.contains(&(at.lane, previous))
                    || places.is_some_and(|places| places.iter().any(is_before));
            }
            before.insert((at.lane, item.entry.id()));
            let is_read =
                |lane: Lane| target.lane.is_none() || lane == at.lane || lane == Lane::All;
            let named = |id: EntryId| {
                let places = places.get(&id)?.iter();
                let before =
                    places.filter(|(lane, sequence)| is_read(*lane) && *sequence < at.sequence);
                Some(Named {
                    id,
                    sequence: before.map(|(_, sequence)| *sequence).min()?,
                    strings: strings.get(&id)?.clone(),
                })
            };
            item.named = wanted_by(item).filter_map(named).collect();
        }
        Ok(())
    }

    /// Where entries are numbered in a space.
    async fn places(
        &self,
        space: SpaceId,
        wanted: BTreeSet<EntryId>,
    ) -> Result<BTreeMap<EntryId, Vec<(Lane, u64)>>, ServerError> {
        let mut found: BTreeMap<EntryId, Vec<(Lane, u64)>> = BTreeMap::new();
        // The space is looked at here: asked for it, SQLite goes through all of it.
        let statement = format!(
            "WITH wanted (id) AS (VALUES {}) SELECT e.id, n.space, n.lane, n.sequence \
             FROM wanted w CROSS JOIN entry e CROSS JOIN numbering n \
             WHERE e.id = w.id AND n.entry = e.n",
            values()
        );
        let wanted: Vec<EntryId> = wanted.into_iter().collect();
        for ids in wanted.chunks(NAMED_AT_ONCE) {
            let ids = ids.iter().cycle().take(NAMED_AT_ONCE);
            let statement = ids.fold(sql(statement.clone()), |statement, id| statement.bind(id.0));
            for row in statement.all(self.database()).await? {
                if row.get::<&[u8]>(1)? == space.0 {
                    let id = EntryId::try_from(row.get::<&[u8]>(0)?)?;
                    let place = (Lane::from_key(row.get(2)?)?, row.get::<i64>(3)? as u64);
                    found.entry(id).or_default().push(place);
                }
            }
        }
        Ok(found)
    }

    /// What entries tell.
    async fn strings(
        &self,
        wanted: BTreeSet<EntryId>,
    ) -> Result<BTreeMap<EntryId, Strings>, ServerError> {
        let mut found = BTreeMap::new();
        let statement = format!(
            "WITH wanted (id) AS (VALUES {}) SELECT e.header, e.signature, e.body \
             FROM wanted w CROSS JOIN entry e WHERE e.id = w.id",
            values()
        );
        let wanted: Vec<EntryId> = wanted.into_iter().collect();
        for ids in wanted.chunks(NAMED_AT_ONCE) {
            let ids = ids.iter().cycle().take(NAMED_AT_ONCE);
            let statement = ids.fold(sql(statement.clone()), |statement, id| statement.bind(id.0));
            for row in statement.all(self.database()).await? {
                let entry = authority::entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
                found.insert(entry.id(), Strings::of(&entry));
            }
        }
        Ok(found)
    }
}

/// As many parameters always: the statement stays prepared.
fn values() -> String {
    let values: Vec<String> = (1..=NAMED_AT_ONCE).map(|n| format!("(${n})")).collect();
    values.join(", ")
}
