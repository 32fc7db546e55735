use core::fmt;

use crate::cbor::{Reader, Writer};
use crate::{AccountId, DecodeError, GroupId};

/// The unit of reading and of key inside a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Every member of the space.
    All,
    /// The staff of a course or school.
    Staff,
    /// One student, the staff and consented guardians.
    One(AccountId),
    /// A group of a course and its staff.
    Group(GroupId),
    /// The account itself.
    Private,
    /// The account's connections.
    Connections,
    /// Everybody in the school.
    Public,
    /// The account log.
    Keys,
    /// Whoever is in the conversation.
    Talk,
}

impl Lane {
    /// The number of the kind on the wire.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::All => 0,
            Self::Staff => 1,
            Self::One(_) => 2,
            Self::Group(_) => 3,
            Self::Private => 4,
            Self::Connections => 5,
            Self::Public => 6,
            Self::Keys => 7,
            Self::Talk => 8,
        }
    }

    /// The id that kinds 2 and 3 carry.
    #[must_use]
    pub fn id(&self) -> Option<[u8; 16]> {
        match self {
            Self::One(account) => Some(account.0),
            Self::Group(group) => Some(group.0),
            _ => None,
        }
    }

    /// The lane of a kind and its id.
    ///
    /// # Errors
    /// An unknown kind, or an id where none belongs, or none where one does.
    pub fn from_parts(kind: u8, id: Option<[u8; 16]>) -> Result<Self, DecodeError> {
        Ok(match (kind, id) {
            (0, None) => Self::All,
            (1, None) => Self::Staff,
            (2, Some(id)) => Self::One(AccountId(id)),
            (3, Some(id)) => Self::Group(GroupId(id)),
            (4, None) => Self::Private,
            (5, None) => Self::Connections,
            (6, None) => Self::Public,
            (7, None) => Self::Keys,
            (8, None) => Self::Talk,
            (0..=8, _) => return Err(DecodeError::Unexpected("id of a lane")),
            _ => return Err(DecodeError::Unknown("lane")),
        })
    }

    /// One byte of kind, then the id where there is one: the form in databases.
    #[must_use]
    pub fn to_key(&self) -> Vec<u8> {
        let mut key = vec![self.kind()];
        if let Some(id) = self.id() {
            key.extend_from_slice(&id);
        }
        key
    }

    /// Reads [`Lane::to_key`].
    ///
    /// # Errors
    /// Any other bytes.
    pub fn from_key(key: &[u8]) -> Result<Self, DecodeError> {
        let (kind, id) = key.split_first().ok_or(DecodeError::Truncated)?;
        let id = match id {
            [] => None,
            id => Some(
                id.try_into()
                    .map_err(|_| DecodeError::Unexpected("id of a lane"))?,
            ),
        };
        Self::from_parts(*kind, id)
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        match self.id() {
            None => w.array(1).uint(u64::from(self.kind())),
            Some(id) => w.array(2).uint(u64::from(self.kind())).bytes(&id),
        };
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = r.array()?;
        let kind = r.u8()?;
        match len {
            1 => Self::from_parts(kind, None),
            2 => Self::from_parts(kind, Some(r.fixed()?)),
            _ => Err(DecodeError::Unexpected("lane")),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Staff => f.write_str("staff"),
            Self::One(id) => write!(f, "one:{id}"),
            Self::Group(id) => write!(f, "group:{id}"),
            Self::Private => f.write_str("private"),
            Self::Connections => f.write_str("connections"),
            Self::Public => f.write_str("public"),
            Self::Keys => f.write_str("keys"),
            Self::Talk => f.write_str("talk"),
        }
    }
}
