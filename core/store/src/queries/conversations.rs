//! Conversations: who is in them and what was said, as far as it is held. What was said
//! is sealed and stays so here.
use rusqlite::{OptionalExtension, Row, params};
use stunity_model::Roles;
use stunity_model::talk::{self, Kind};
use stunity_proto::{AccountId, EntryId, ObjectId, SpaceId};

use super::LATEST_FIRST;
use crate::database::{int, uint};
use crate::{Store, StoreError};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRow {
    /// The conversation.
    pub space: SpaceId,
    /// Between two, or of a group.
    pub kind: Kind,
    /// Who is in it, by account.
    pub members: Vec<(AccountId, Roles)>,
    /// What a group is called, sealed.
    pub name: Option<Vec<u8>>,
    /// Messages of others that this account has not read.
    pub unread: u64,
    /// The newest message.
    pub last: Option<MessageRow>,
}

impl ConversationRow {
    /// Whether an account is in it.
    #[must_use]
    pub fn has(&self, account: AccountId) -> bool {
        self.roles(account).any(Roles::TALKER)
    }

    /// The roles of an account in it.
    #[must_use]
    pub fn roles(&self, account: AccountId) -> Roles {
        let found = self.members.iter().find(|(member, _)| *member == account);
        found.map_or(Roles::default(), |(_, roles)| *roles)
    }
}

/// A message, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// The message.
    pub message: ObjectId,
    /// The entry that carries it; of a queued one an id that only stands for it.
    pub entry: EntryId,
    /// Who wrote it.
    pub author: AccountId,
    /// Its number in the conversation, see [`stunity_model::talk::number`]; none until a
    /// relay has received it.
    pub number: Option<u64>,
    /// When a relay received it, milliseconds since 1970.
    pub received_ms: Option<u64>,
    /// What nobody but those in the conversation can open.
    pub envelope: Vec<u8>,
}

/// Messages of a conversation, `?1`. One that its author sent again counts where it
/// stands first.
const MESSAGES: &str = "FROM p_message m WHERE m.space = ?1
    AND NOT EXISTS (SELECT 1 FROM p_message f WHERE f.message = m.message
        AND f.author = m.author AND f.space = m.space
        AND (f.sequence IS NULL, coalesce(f.sequence, 0), f.entry, f.op)
          < (m.sequence IS NULL, coalesce(m.sequence, 0), m.entry, m.op))";

fn message_of(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        message: ObjectId(row.get(0)?),
        entry: EntryId(row.get(1)?),
        author: AccountId(row.get(2)?),
        number: match row.get::<_, Option<i64>>(3)? {
            Some(sequence) => Some(talk::number(uint(sequence), uint(row.get(4)?))),
            None => None,
        },
        received_ms: row.get::<_, Option<i64>>(5)?.map(uint),
        envelope: row.get(6)?,
    })
}

impl Store {
    /// The conversations that are held, the one with the newest message first.
    ///
    /// # Errors
    /// A database error.
    pub fn conversations(&self) -> Result<Vec<ConversationRow>, StoreError> {
        let spaces = self
            .conn
            .prepare_cached("SELECT DISTINCT space FROM p_conversation")?
            .query_map([], |row| row.get(0).map(SpaceId))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::with_capacity(spaces.len());
        for space in spaces {
            rows.extend(self.conversation(space)?);
        }
        rows.sort_by_key(|row| {
            let newest = row.last.as_ref().map(|m| m.received_ms.unwrap_or(u64::MAX));
            (std::cmp::Reverse(newest), row.space)
        });
        Ok(rows)
    }

    /// One conversation; none if its beginning is not held.
    ///
    /// # Errors
    /// A database error.
    pub fn conversation(&self, space: SpaceId) -> Result<Option<ConversationRow>, StoreError> {
        let begun: Option<(i64, [u8; 16])> = self
            .conn
            .prepare_cached("SELECT kind, author FROM p_conversation WHERE space = ?1 LIMIT 1")?
            .query_row([&space.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((code, starter)) = begun else {
            return Ok(None);
        };
        let kind = match u8::try_from(code).ok().and_then(Kind::from_code) {
            Some(kind) => kind,
            None => return Err(StoreError::Damaged("kind of a conversation")),
        };
        let name = self
            .conn
            .prepare_cached(&format!(
                "SELECT envelope FROM p_conversation_name WHERE space = ?1
                 ORDER BY {LATEST_FIRST} LIMIT 1"
            ))?
            .query_row([&space.0], |row| row.get(0))
            .optional()?;
        Ok(Some(ConversationRow {
            space,
            kind,
            members: self.talkers(space, (AccountId(starter), kind.starter()))?,
            name,
            unread: self.unread(space)?,
            last: self.messages(space, None, 1)?.pop(),
        }))
    }

    /// Who is in a conversation; of one that waits to be sealed, whom it begins with.
    fn talkers(
        &self,
        space: SpaceId,
        starter: (AccountId, Roles),
    ) -> Result<Vec<(AccountId, Roles)>, StoreError> {
        let roles = |row: &Row<'_>| Ok((AccountId(row.get(0)?), Roles(uint(row.get(1)?))));
        let members = self
            .conn
            .prepare_cached(
                "SELECT account, roles FROM members WHERE space = ?1 AND roles & ?2 <> 0
                 ORDER BY account",
            )?
            .query_map(params![&space.0, int(Roles::TALKER.0)], roles)?
            .collect::<Result<Vec<_>, _>>()?;
        if !members.is_empty() {
            return Ok(members);
        }
        let mut waiting = self
            .conn
            .prepare_cached("SELECT account, ?2 FROM p_talker WHERE space = ?1 AND standing > 0")?
            .query_map(params![&space.0, int(Roles::TALKER.0)], roles)?
            .collect::<Result<Vec<_>, _>>()?;
        waiting.push(starter);
        waiting.sort_unstable();
        Ok(waiting)
    }

    fn unread(&self, space: SpaceId) -> Result<u64, StoreError> {
        let me = self.owner.account;
        let read: Option<(i64, i64)> = self
            .conn
            .prepare_cached(
                "SELECT m.sequence, m.op FROM p_read_until r JOIN p_message m
                 ON m.message = r.until AND m.space = r.conversation
                 WHERE r.conversation = ?1 AND r.author = ?2 AND m.sequence IS NOT NULL
                 ORDER BY m.sequence DESC, m.op DESC LIMIT 1",
            )?
            .query_row(params![&space.0, &me.0], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (sequence, op) = read.unwrap_or_default();
        let count: i64 = self
            .conn
            .prepare_cached(&format!(
                "SELECT count(*) {MESSAGES} AND m.author <> ?2 AND (m.sequence, m.op) > (?3, ?4)"
            ))?
            .query_row(params![&space.0, &me.0, sequence, op], |row| row.get(0))?;
        Ok(uint(count))
    }

    /// The newest messages of a conversation that stand before the one with the number
    /// `before`, at most `limit`; what waits here for a relay is the newest.
    ///
    /// # Errors
    /// A database error.
    pub fn messages(
        &self,
        conversation: SpaceId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT m.message, m.entry, m.author, m.sequence, m.op, m.received_ms, m.envelope
             {MESSAGES} AND (?2 IS NULL OR (m.sequence, m.op) < (?2, ?3))
             ORDER BY m.sequence IS NULL DESC, m.sequence DESC, m.op DESC, m.entry DESC LIMIT ?4"
        ))?;
        let (sequence, op) = before.map(talk::place).unzip();
        let limit = int(limit as u64);
        let bound = params![&conversation.0, sequence.map(int), op.map(int), limit];
        let rows = statement.query_map(bound, message_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
