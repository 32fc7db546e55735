//! Who may do what, as the writer knows it: account logs, staff, memberships.
//! Loaded when asked for and kept; dropped as a whole after a failed commit.
use std::collections::{BTreeMap, BTreeSet};

use stunity_identity::{AccountLog, Position, VerifyingKey};
use stunity_model::Membership;
use stunity_model::events::{ConversationStart, CourseGenesis, Event};
use stunity_model::judge::{begins, facts};
use stunity_proto::{AccountId, Body, Entry, EntryId, Lane, SchoolId, Signature, SpaceId};

use crate::db::{Row, Transaction, Value, sql, wanted};
use crate::error::ServerError;

/// Accounts kept in memory; a school's teachers and the pupils of a busy hour.
const MAX_ACCOUNTS: usize = 4096;

/// How a space with members began.
#[derive(Debug)]
pub(crate) enum Beginning {
    Course(CourseGenesis),
    Conversation(ConversationStart),
}

impl Beginning {
    /// The beginning that an event is, if it is one.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::CourseGenesis(genesis) => Some(Self::Course(genesis.clone())),
            Event::ConversationStart(start) => Some(Self::Conversation(start.clone())),
            _ => None,
        }
    }
}

/// A course or a conversation as judging needs it.
#[derive(Debug)]
pub(crate) struct Course {
    pub beginning: Beginning,
    pub membership: Membership,
}

/// An account's standing in the school.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub root: VerifyingKey,
    pub staff_roles: u8,
    pub staff_serial: u64,
    pub in_person: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Authority {
    accounts: BTreeMap<AccountId, Option<Standing>>,
    logs: BTreeMap<AccountId, AccountLog>,
    courses: BTreeMap<SpaceId, Option<Course>>,
    /// Entries that erasures wait for.
    awaited: Option<BTreeSet<EntryId>>,
}

/// Reads an entry from its columns.
pub(crate) fn entry(header: Vec<u8>, signature: &[u8], body: &[u8]) -> Result<Entry, ServerError> {
    Ok(Entry::from_parts(
        header,
        Signature::try_from(signature)?,
        Body::decode(body)?,
    )?)
}

/// An account's standing from its columns, from `at` on.
fn standing(row: &Row, at: usize) -> Result<Standing, ServerError> {
    let root: &[u8] = row.get(at)?;
    let root = root
        .try_into()
        .ok()
        .and_then(|bytes: [u8; 32]| VerifyingKey::from_bytes(&bytes).ok())
        .ok_or(ServerError::Keys("root of an account".into()))?;
    Ok(Standing {
        root,
        staff_roles: row.get::<i64>(at + 1)? as u8,
        staff_serial: row.get::<i64>(at + 2)? as u64,
        in_person: row.get(at + 3)?,
    })
}

/// Where an entry of an account log stands.
fn place(row: &Row, at: usize) -> Result<Position, ServerError> {
    Ok(Position {
        epoch: 1,
        sequence: row.get(at)?,
    })
}

fn folded(
    school: SchoolId,
    account: AccountId,
    root: VerifyingKey,
    entries: &[(Entry, Position)],
) -> AccountLog {
    let mut log = AccountLog::new(school, account, root);
    log.extend(entries.iter().map(|(entry, place)| (entry, Some(*place))));
    log
}

impl Authority {
    /// Forgets everything: the database is the truth.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Entries that erasures wait for, once they were loaded.
    pub fn awaited(&self) -> Option<&BTreeSet<EntryId>> {
        self.awaited.as_ref()
    }

    pub fn set_awaited(&mut self, awaited: BTreeSet<EntryId>) -> &BTreeSet<EntryId> {
        self.awaited.insert(awaited)
    }

    pub fn await_entry(&mut self, id: EntryId) {
        self.awaited.get_or_insert_default().insert(id);
    }

    /// Keeps memory bounded between batches.
    pub fn trim(&mut self) {
        if self.logs.len() > MAX_ACCOUNTS {
            self.logs.clear();
            self.accounts.clear();
        }
    }

    /// Whether [`Authority::load_log`] would ask the database for nothing.
    pub fn has_log(&self, account: AccountId) -> bool {
        self.logs.contains_key(&account)
    }

    /// Whether [`Authority::load_course`] would ask the database for nothing.
    pub fn has_course(&self, space: SpaceId) -> bool {
        self.courses.contains_key(&space)
    }

    pub async fn load_account(
        &mut self,
        db: &mut Transaction<'_>,
        account: AccountId,
    ) -> Result<(), ServerError> {
        if self.accounts.contains_key(&account) {
            return Ok(());
        }
        let row =
            sql("SELECT root, staff_roles, staff_serial, in_person FROM account WHERE id = $1")
                .bind(account.0)
                .optional(db)
                .await?;
        let standing = row.map(|row| standing(&row, 0)).transpose()?;
        self.accounts.insert(account, standing);
        Ok(())
    }

    /// As [`Authority::load_log`] for many accounts, the keys `accounts` of a look-up of
    /// `at_once`.
    pub async fn load_logs(
        &mut self,
        db: &mut Transaction<'_>,
        school: SchoolId,
        accounts: &[Vec<Value>],
        at_once: usize,
    ) -> Result<(), ServerError> {
        let rows = wanted(
            "id",
            accounts,
            at_once,
            "SELECT a.id, a.root, a.staff_roles, a.staff_serial, a.in_person \
             FROM wanted w CROSS JOIN account a WHERE a.id = w.id",
        )
        .all(&mut *db)
        .await?;
        let mut logs = BTreeMap::new();
        for row in &rows {
            let account = AccountId::try_from(row.get::<&[u8]>(0)?)?;
            let standing = standing(row, 1)?;
            self.accounts.insert(account, Some(standing));
            logs.insert(account, (standing.root, Vec::new()));
        }
        let of_keys = |id: &Vec<Value>| [&id[..], &[Lane::Keys.to_key().into()]].concat();
        let lanes: Vec<Vec<Value>> = accounts.iter().map(of_keys).collect();
        let rows = wanted(
            "space, lane",
            &lanes,
            at_once,
            "SELECT n.space, e.header, e.signature, e.body, n.sequence FROM wanted w \
             CROSS JOIN numbering n CROSS JOIN entry e \
             WHERE n.space = w.space AND n.lane = w.lane AND e.n = n.entry",
        )
        .all(db)
        .await?;
        for row in &rows {
            let account = AccountId::try_from(row.get::<&[u8]>(0)?)?;
            let entry = entry(row.get(1)?, row.get(2)?, row.get(3)?)?;
            if let Some((_, entries)) = logs.get_mut(&account) {
                entries.push((entry, place(row, 4)?));
            }
        }
        for (account, (root, entries)) in logs {
            self.logs
                .insert(account, folded(school, account, root, &entries));
        }
        Ok(())
    }

    pub fn account(&self, account: AccountId) -> Option<&Standing> {
        self.accounts.get(&account)?.as_ref()
    }

    pub fn set_account(&mut self, account: AccountId, standing: Standing) {
        self.accounts.insert(account, Some(standing));
    }

    pub async fn load_log(
        &mut self,
        db: &mut Transaction<'_>,
        school: SchoolId,
        account: AccountId,
    ) -> Result<(), ServerError> {
        self.load_account(db, account).await?;
        let Some(standing) = self.account(account).copied() else {
            return Ok(());
        };
        if self.logs.contains_key(&account) {
            return Ok(());
        }
        let rows = sql(
            "SELECT e.header, e.signature, e.body, n.sequence FROM numbering n \
             JOIN entry e ON e.n = n.entry WHERE n.space = $1 AND n.lane = $2 ORDER BY n.sequence",
        )
        .bind(account.0)
        .bind(Lane::Keys.to_key())
        .all(db)
        .await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let entry = entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
            entries.push((entry, place(row, 3)?));
        }
        let log = folded(school, account, standing.root, &entries);
        self.logs.insert(account, log);
        Ok(())
    }

    pub fn log_mut(&mut self, account: AccountId) -> Option<&mut AccountLog> {
        self.logs.get_mut(&account)
    }

    pub async fn load_course(
        &mut self,
        db: &mut Transaction<'_>,
        space: SpaceId,
    ) -> Result<(), ServerError> {
        if self.courses.contains_key(&space) {
            return Ok(());
        }
        let rows = sql(
            "SELECT e.header, e.signature, e.body FROM entry e WHERE e.n IN \
             (SELECT entry FROM p_member WHERE space = $1 UNION SELECT entry FROM p_course WHERE space = $1 \
             UNION SELECT entry FROM p_talker WHERE space = $1 \
             UNION SELECT entry FROM p_conversation WHERE space = $1)",
        )
        .bind(space.0)
        .all(db)
        .await?;
        let mut course = None;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            entries.push(entry(row.get(0)?, row.get(1)?, row.get(2)?)?);
        }
        for entry in &entries {
            let first = entry.ops().next().filter(|(kind, _)| begins(*kind));
            let event = first.and_then(|(_, op)| Event::decode(op?).ok());
            if let Some(beginning) = event.as_ref().and_then(Beginning::of) {
                course = Some(Course {
                    beginning,
                    membership: Membership::default(),
                });
            }
        }
        if let Some(course) = &mut course {
            for fact in entries.iter().flat_map(facts) {
                course.membership.insert(fact);
            }
        }
        self.courses.insert(space, course);
        Ok(())
    }

    /// The database knows better.
    pub fn forget_course(&mut self, space: SpaceId) {
        self.courses.remove(&space);
    }

    pub fn course(&self, space: SpaceId) -> Option<&Course> {
        self.courses.get(&space)?.as_ref()
    }

    pub fn course_mut(&mut self, space: SpaceId) -> Option<&mut Course> {
        self.courses.get_mut(&space)?.as_mut()
    }

    /// A course or a conversation begins; of one that has begun nothing changes.
    pub fn begin(&mut self, space: SpaceId, beginning: Beginning) {
        let course = self.courses.entry(space).or_default();
        course.get_or_insert_with(|| Course {
            beginning,
            membership: Membership::default(),
        });
    }
}
