//! Judging again what is stored: a removal may name as last what stands before
//! others of the same author in the relay's order, or what has not come yet.
use std::collections::{BTreeMap, BTreeSet};

use stunity_identity::Standing as KeyStanding;
use stunity_model::events::Event;
use stunity_model::judge::{CutOff, begins, facts, removals};
use stunity_model::{Verdict, judge};
use stunity_proto::pack::ChainEntry;
use stunity_proto::{AccountId, Entry, EntryId, GroupId, Header, Kind, SpaceId};
use stunity_sync::replica::Outcome;

use super::Writer;
use crate::db::sql;
use crate::error::ServerError;
use crate::log::authority;
use crate::log::judging::{Stored, View};

/// Headers that one statement reads.
const PAGE: i64 = 2048;

/// What is stored of an account in a course.
#[derive(Default)]
struct Written {
    /// Number and sequence of its entries, in order.
    entries: Vec<(i64, u64)>,
    /// What each entry of its chains follows; a node's have others' entries too.
    previous: BTreeMap<EntryId, Option<EntryId>>,
    /// Where entries with events stand.
    places: BTreeMap<EntryId, u64>,
    /// By removal, the entries that it names as last and all that they follow.
    within: BTreeMap<EntryId, BTreeSet<EntryId>>,
}

impl Written {
    fn is_within(&mut self, cut_off: &CutOff, id: &EntryId) -> bool {
        let previous = &self.previous;
        let within = self.within.entry(cut_off.removal).or_insert_with(|| {
            let mut within = BTreeSet::new();
            for id in &cut_off.last {
                let mut at = Some(*id);
                while let Some(id) = at.filter(|id| previous.contains_key(id))
                    && within.insert(id)
                {
                    at = previous[&id];
                }
            }
            within
        });
        within.contains(id)
    }
}

impl Writer<'_> {
    /// Judges again what an account wrote in a course, and what others wrote in a
    /// role that then changed.
    pub(super) async fn judge_again(
        &mut self,
        space: SpaceId,
        account: AccountId,
    ) -> Result<(), ServerError> {
        let mut done = BTreeSet::new();
        let mut open = vec![account];
        while let Some(account) = open.pop() {
            if !done.insert(account) {
                continue;
            }
            self.write_rows().await?;
            let school = self.log.keys().school();
            self.authority
                .load_log(&mut self.db, school, account)
                .await?;
            let mut written = self.written(space, account).await?;
            for (n, sequence) in std::mem::take(&mut written.entries) {
                open.extend(self.judge_stored(space, n, sequence, &mut written).await?);
            }
        }
        Ok(())
    }

    async fn written(
        &mut self,
        space: SpaceId,
        account: AccountId,
    ) -> Result<Written, ServerError> {
        let mut written = Written::default();
        let mut after = 0;
        loop {
            let rows = sql("SELECT k.sequence, e.n, e.id, e.header FROM numbering k \
                 JOIN entry e ON e.n = k.entry WHERE k.space = $1 AND k.sequence > $2 \
                 ORDER BY k.sequence LIMIT $3")
            .bind(space.0)
            .bind(after)
            .bind(PAGE)
            .all(&mut self.db)
            .await?;
            let Some(last) = rows.last() else { break };
            after = last.get::<i64>(0)?;
            for row in &rows {
                let header = Header::decode(row.get(3)?)?;
                // Keys of members stand beside what they sign.
                if header.space != space {
                    continue;
                }
                let sequence = row.get::<i64>(0)? as u64;
                let id = EntryId::try_from(row.get::<&[u8]>(2)?)?;
                if header
                    .kinds
                    .iter()
                    .any(|kind| matches!(kind, Kind::Event(_)))
                {
                    written.places.insert(id, sequence);
                }
                if header.author == account || header.signer.is_vouched() {
                    written.previous.insert(id, header.previous);
                }
                let is_genesis = header.kinds.first().is_some_and(|kind| begins(*kind));
                if header.author == account && !is_genesis {
                    written.entries.push((row.get(1)?, sequence));
                }
            }
        }
        Ok(written)
    }

    /// Judges one stored entry; answers whose roles changed by it.
    async fn judge_stored(
        &mut self,
        space: SpaceId,
        n: i64,
        sequence: u64,
        written: &mut Written,
    ) -> Result<Vec<AccountId>, ServerError> {
        let row = sql("SELECT header, signature, body, pending FROM entry WHERE n = $1")
            .bind(n)
            .one(&mut self.db)
            .await?;
        let entry = authority::entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
        let pending: Option<String> = row.get(3)?;
        let header = entry.header();
        let Some(course) = self.authority.course(space) else {
            return Ok(Vec::new());
        };
        let removals = removals(header, &course.membership);
        let id = entry.id();
        let stored = Stored {
            is_beyond: (removals.cut_offs.iter()).any(|cut_off| !written.is_within(cut_off, &id)),
            is_removed: (removals.by_order.iter()).any(|id| {
                written
                    .places
                    .get(id)
                    .is_some_and(|place| *place < sequence)
            }),
        };
        // Its signature was good when it came.
        let standing = self.verify(&entry).unwrap_or(KeyStanding::Good);
        let view = View {
            anchor: &self.log.keys().anchor,
            authority: self.authority,
            chain_head: header.previous.map(|id| {
                let heads = header.heads.clone();
                (header.sequence - 1, ChainEntry { id, heads })
            }),
            at_place: None,
            standing,
            stored: Some(stored),
        };
        let code = match judge(&entry, &view) {
            Verdict::Accept | Verdict::Gap => None,
            Verdict::Refuse(code) => Some(code),
            Verdict::Pending(code) => (!self.is_accepted(space, id).await?).then_some(code),
        };
        match (pending, code) {
            (None, Some(code)) => self.withdraw(n, &entry, code).await,
            (Some(_), None) => {
                self.give_effect(id).await?;
                Ok(facts(&entry).iter().map(|fact| fact.account).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether staff of its course gave effect to an entry.
    pub(super) async fn is_accepted(
        &mut self,
        space: SpaceId,
        id: EntryId,
    ) -> Result<bool, ServerError> {
        let found: Option<i64> =
            sql("SELECT entry FROM accepted WHERE target = $1 AND space = $2 LIMIT 1")
                .bind(id.0)
                .bind(space.0)
                .scalar(&mut self.db)
                .await?;
        Ok(found.is_some())
    }

    /// An entry that waited has effect.
    pub(super) async fn give_effect(&mut self, id: EntryId) -> Result<(), ServerError> {
        let Some(Outcome::Pending { position, .. }) = self.known(id).await? else {
            return Ok(());
        };
        let row = sql("SELECT n, header, signature, body FROM entry WHERE id = $1")
            .bind(id.0)
            .one(&mut self.db)
            .await?;
        let n: i64 = row.get(0)?;
        let entry = authority::entry(row.get(1)?, row.get(2)?, row.get(3)?)?;
        sql("UPDATE entry SET pending = NULL WHERE n = $1")
            .bind(n)
            .execute(&mut self.db)
            .await?;
        // What gives effect may itself have waited.
        Box::pin(self.take_effect(n, &entry, &position)).await
    }

    /// Takes the effect of an entry back; it stays in the order. Answers whose work
    /// depends on it.
    async fn withdraw(
        &mut self,
        n: i64,
        entry: &Entry,
        code: &str,
    ) -> Result<Vec<AccountId>, ServerError> {
        let space = entry.header().space;
        sql("UPDATE entry SET pending = $1 WHERE n = $2")
            .bind(code)
            .bind(n)
            .execute(&mut self.db)
            .await?;
        self.forget_index(n).await?;
        let mut depend = Vec::new();
        for (place, (kind, op)) in entry.ops().enumerate() {
            let (Kind::Event(_), Some(op)) = (kind, op) else {
                continue;
            };
            let Ok(event) = Event::decode(op) else {
                continue;
            };
            self.drop_projected(n, place, &event).await?;
            match event {
                Event::AcceptPending(accept) => {
                    sql("DELETE FROM accepted WHERE entry = $1")
                        .bind(n)
                        .execute(&mut self.db)
                        .await?;
                    depend.extend(self.author_of(accept.entry).await?);
                }
                Event::GroupSet(group) => {
                    self.batch.rights.extend(&group.members);
                    self.group_as_before(space, group.group).await?;
                }
                _ => {}
            }
        }
        let changed: BTreeSet<AccountId> = facts(entry).iter().map(|f| f.account).collect();
        if !changed.is_empty() {
            self.authority.forget_course(space);
            self.authority.load_course(&mut self.db, space).await?;
            for account in &changed {
                let course = self.authority.course(space);
                let roles = course.map(|course| course.membership.roles_now(*account));
                self.set_roles(space, *account, roles.unwrap_or_default())
                    .await?;
            }
        }
        depend.extend(changed);
        Ok(depend)
    }

    /// Who is in a group by the latest entry that still has effect.
    async fn group_as_before(&mut self, space: SpaceId, group: GroupId) -> Result<(), ServerError> {
        self.write_rows().await?;
        let members: Vec<Vec<u8>> = sql(
            "SELECT account FROM p_course_group WHERE space = $1 AND group_id = $2 \
             AND sequence = (SELECT MAX(sequence) FROM p_course_group \
             WHERE space = $1 AND group_id = $2)",
        )
        .bind(space.0)
        .bind(group.0)
        .scalars(&mut self.db)
        .await?;
        self.set_group(space, group, &members).await
    }

    async fn author_of(&mut self, id: EntryId) -> Result<Option<AccountId>, ServerError> {
        let header: Option<Vec<u8>> = sql("SELECT header FROM entry WHERE id = $1")
            .bind(id.0)
            .scalar(&mut self.db)
            .await?;
        header
            .map(|header| Ok(Header::decode(&header)?.author))
            .transpose()
    }
}
