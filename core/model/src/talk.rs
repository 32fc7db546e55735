//! Conversations: how one begins, who is in it, what may be said in it. What is said
//! is sealed; of it only the length is judged.
use stunity_proto::{AccountId, SchoolId, SpaceId};

use crate::Roles;
use crate::events::{ConversationMember, ConversationStart, MAX_INLINE, Opaque};

/// Accounts that a group begins with, besides its starter: a school class with its
/// staff. More can come later.
pub const MAX_MEMBERS: usize = 255;

/// How many a conversation is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Two accounts, for ever: both begin the same one.
    Direct,
    /// Whoever its hosts say.
    Group,
}

/// How somebody stands to a group's conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// In it no more.
    Out,
    /// In it.
    In,
    /// In it, and says who else is.
    Host,
}

impl Kind {
    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Direct),
            1 => Some(Self::Group),
            _ => None,
        }
    }

    /// The roles of whoever begins one.
    #[must_use]
    pub fn starter(self) -> Roles {
        match self {
            Self::Direct => Roles::TALKER,
            Self::Group => Standing::Host.roles(),
        }
    }
}

impl Standing {
    /// The standing of a code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Out),
            1 => Some(Self::In),
            2 => Some(Self::Host),
            _ => None,
        }
    }

    /// The roles that it gives.
    #[must_use]
    pub fn roles(self) -> Roles {
        match self {
            Self::Out => Roles::default(),
            Self::In => Roles::TALKER,
            Self::Host => Roles(Roles::TALKER.0 | Roles::HOST.0),
        }
    }
}

/// Operations that an entry has at most (docs/protocol/02-entries.md).
const OPS: u64 = 1024;

/// The number of a message in its conversation, by its entry's number there and its
/// place in the entry: later ones have higher numbers.
#[must_use]
pub fn number(sequence: u64, op: u64) -> u64 {
    sequence.saturating_mul(OPS).saturating_add(op)
}

/// Undoes [`number`].
#[must_use]
pub fn place(number: u64) -> (u64, u64) {
    (number / OPS, number % OPS)
}

/// The space that a conversation has by its beginning.
///
/// # Errors
/// `event.malformed` for a beginning that is none.
pub fn space_of(
    school: SchoolId,
    starter: AccountId,
    start: &ConversationStart,
) -> Result<SpaceId, &'static str> {
    let members = &start.members;
    let is_sorted = members.is_sorted_by(|one, next| one < next);
    let is_sound = is_sorted && !members.contains(&starter);
    match (Kind::from_code(start.kind), &members[..]) {
        (Some(Kind::Direct), [other]) if is_sound && start.salt == 0 => {
            Ok(SpaceId::of_direct(school, starter, *other))
        }
        (Some(Kind::Group), members) if is_sound && members.len() <= MAX_MEMBERS => {
            Ok(SpaceId::of_group(school, starter, start.salt))
        }
        _ => Err("event.malformed"),
    }
}

/// Whether `author` with these roles may say this of somebody: hosts of anybody,
/// everybody that they leave.
///
/// # Errors
/// `event.malformed`, `role.missing`.
pub fn check_member(
    author: AccountId,
    roles: Roles,
    event: &ConversationMember,
) -> Result<(), &'static str> {
    match Standing::from_code(event.standing) {
        None => Err("event.malformed"),
        Some(_) if roles.any(Roles::HOST) => Ok(()),
        Some(Standing::Out) if event.account == author => Ok(()),
        Some(_) => Err("role.missing"),
    }
}

/// Whether an entry can carry an envelope.
///
/// # Errors
/// `envelope.length`.
pub fn check_envelope(envelope: &Opaque) -> Result<(), &'static str> {
    match (1..=MAX_INLINE).contains(&envelope.0.len()) {
        true => Ok(()),
        false => Err("envelope.length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHOOL: SchoolId = SchoolId([1; 16]);
    const ANA: AccountId = AccountId([2; 16]);
    const BOPHA: AccountId = AccountId([3; 16]);
    const CHAN: AccountId = AccountId([4; 16]);

    fn start(kind: Kind, members: &[AccountId], salt: u64) -> ConversationStart {
        ConversationStart {
            kind: kind as u8,
            members: members.to_vec(),
            salt,
        }
    }

    #[test]
    fn two_people_have_one_conversation_whoever_begins_it() {
        let by_ana = space_of(SCHOOL, ANA, &start(Kind::Direct, &[BOPHA], 0));
        let by_bopha = space_of(SCHOOL, BOPHA, &start(Kind::Direct, &[ANA], 0));
        assert!(by_ana.is_ok());
        assert_eq!(by_ana, by_bopha);
        assert_ne!(
            by_ana,
            space_of(SCHOOL, CHAN, &start(Kind::Direct, &[ANA], 0))
        );
    }

    #[test]
    fn messages_are_numbered_through_entries() {
        assert!(number(2, 0) > number(1, OPS - 1));
        assert_eq!(place(number(7, 5)), (7, 5));
    }

    #[test]
    fn a_group_is_its_starters() {
        let group = start(Kind::Group, &[CHAN], 7);
        assert_ne!(
            space_of(SCHOOL, ANA, &group),
            space_of(SCHOOL, BOPHA, &group)
        );
        assert!(space_of(SCHOOL, ANA, &start(Kind::Group, &[], 7)).is_ok());
    }

    #[test]
    fn a_beginning_that_is_none_is_refused() {
        let many: Vec<AccountId> = (0..=MAX_MEMBERS as u128)
            .map(|n| AccountId((n << 64).to_be_bytes()))
            .collect();
        for start in [
            start(Kind::Direct, &[], 0),
            start(Kind::Direct, &[ANA], 0),
            start(Kind::Direct, &[BOPHA, CHAN], 0),
            start(Kind::Direct, &[BOPHA], 1),
            start(Kind::Group, &[CHAN, BOPHA], 1),
            start(Kind::Group, &[BOPHA, BOPHA], 1),
            start(Kind::Group, &[ANA, BOPHA], 1),
            start(Kind::Group, &many, 1),
            ConversationStart {
                kind: 2,
                ..start(Kind::Group, &[BOPHA], 1)
            },
        ] {
            assert_eq!(
                space_of(SCHOOL, ANA, &start),
                Err("event.malformed"),
                "{start:?}"
            );
        }
    }

    #[test]
    fn hosts_say_who_is_in_it_and_everybody_may_leave() {
        let of = |account, standing: Standing| ConversationMember {
            account,
            standing: standing as u8,
        };
        let host = Standing::Host.roles();
        let talker = Standing::In.roles();
        for standing in [Standing::Out, Standing::In, Standing::Host] {
            assert_eq!(check_member(ANA, host, &of(BOPHA, standing)), Ok(()));
            assert_eq!(
                check_member(ANA, talker, &of(BOPHA, standing)),
                Err("role.missing")
            );
        }
        assert_eq!(check_member(ANA, talker, &of(ANA, Standing::Out)), Ok(()));
        let up = of(ANA, Standing::Host);
        assert_eq!(check_member(ANA, talker, &up), Err("role.missing"));
        let unknown = ConversationMember {
            account: BOPHA,
            standing: 3,
        };
        assert_eq!(check_member(ANA, host, &unknown), Err("event.malformed"));
    }
}
