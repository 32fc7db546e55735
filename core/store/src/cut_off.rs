//! Where what counts of somebody who was removed ends: at entries that the remover
//! names, and what they follow in their chains.
use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::{Connection, params};
use stunity_model::events::MAX_LAST;
use stunity_model::judge::CutOff;
use stunity_proto::{AccountId, Entry, EntryId, Header, SpaceId};

use crate::entries::EntryRow;
use crate::{Store, StoreError};

/// Entries that were found within, by the removal that names the last ones. Headers
/// do not change, so what was found once stays.
#[derive(Default)]
pub(crate) struct Within(HashMap<EntryId, HashSet<EntryId>>);

impl Within {
    /// Whether every one of these removals names this entry, or one that follows it
    /// in its chain, all between them being held.
    pub fn all(
        &mut self,
        conn: &Connection,
        row: EntryRow,
        entry: &Entry,
        cut_offs: &[CutOff],
    ) -> Result<bool, StoreError> {
        for cut_off in cut_offs {
            let known = self.0.entry(cut_off.removal).or_default();
            if !leads_to_last(conn, known, &cut_off.last, (row, entry.id()))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn leads_to_last(
    conn: &Connection,
    known: &mut HashSet<EntryId>,
    last: &[EntryId],
    start: (EntryRow, EntryId),
) -> Result<bool, StoreError> {
    let mut after = conn.prepare_cached(
        "SELECT n.entry, n.id, n.header FROM entries e JOIN entries n ON n.chain = e.chain
         AND n.sequence = e.sequence + 1 WHERE e.entry = ?1",
    )?;
    let mut before: HashMap<EntryId, EntryId> = HashMap::new();
    let mut open = vec![start];
    while let Some((row, id)) = open.pop() {
        if last.binary_search(&id).is_ok() || known.contains(&id) {
            let mut at = Some(id);
            while let Some(id) = at {
                known.insert(id);
                at = before.get(&id).copied();
            }
            return Ok(true);
        }
        let next = after.query_map([row], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        for next in next {
            let (row, next, header) = next?;
            // Of a fork, the branch that goes on from here.
            if Header::decode(&header)?.previous == Some(id) {
                before.insert(EntryId(next), id);
                open.push((row, EntryId(next)));
            }
        }
    }
    Ok(false)
}

/// An entry was found within: the one before it, which may have waited for it.
pub(crate) fn free_previous(conn: &Connection, entry: &Entry) -> Result<(), StoreError> {
    if let Some(previous) = entry.header().previous {
        conn.prepare_cached(
            "UPDATE entries SET state = 0 WHERE id = ?1 AND state = 2 AND code = ?2",
        )?
        .execute(params![&previous.0, MEMBER])?;
    }
    Ok(())
}

const MEMBER: &str = "member.cut-off";

/// What people whom an entry is about wrote in its course is judged again, save its
/// author's.
pub(crate) fn reconsider_members(
    conn: &Connection,
    entry: &Entry,
    accounts: &BTreeSet<AccountId>,
) -> Result<(), StoreError> {
    for account in accounts {
        conn.prepare_cached(
            "UPDATE entries SET state = 0 WHERE author = ?1 AND id <> ?3 AND class > 0
             AND state IN (1, 2)
             AND chain IN (SELECT chain FROM chains WHERE space = ?2)",
        )?
        .execute(params![&account.0, &entry.header().space.0, &entry.id().0])?;
    }
    Ok(())
}

impl Store {
    /// The last entries of an account in a course that count by what is held: what a
    /// removal names. None if they are too many for one.
    ///
    /// # Errors
    /// A database error.
    pub fn last_entries(
        &self,
        course: SpaceId,
        account: AccountId,
    ) -> Result<Option<Vec<EntryId>>, StoreError> {
        // A node's chain has entries of several authors.
        let mut statement = self.conn.prepare(
            "SELECT id, header, author = ?2 AND state = 1 FROM entries WHERE chain IN
             (SELECT e.chain FROM entries e JOIN chains c USING (chain)
              WHERE c.space = ?1 AND e.author = ?2)",
        )?;
        let rows = statement.query_map(params![&course.0, &account.0], |row| {
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?))
        })?;
        let mut before: HashMap<EntryId, Option<EntryId>> = HashMap::new();
        let mut counting = BTreeSet::new();
        for row in rows {
            let (id, header, counts) = row?;
            before.insert(EntryId(id), Header::decode(&header)?.previous);
            if counts {
                counting.insert(EntryId(id));
            }
        }
        let mut followed = HashSet::new();
        for id in &counting {
            let mut at = before.get(id).copied().flatten();
            while let Some(id) = at.filter(|id| followed.insert(*id)) {
                at = before.get(&id).copied().flatten();
            }
        }
        let last: Vec<EntryId> = (counting.into_iter())
            .filter(|id| !followed.contains(id))
            .collect();
        Ok((last.len() <= MAX_LAST).then_some(last))
    }
}
