//! The bodies of a school's certificates (docs/protocol/04-identity.md).
use stunity_proto::cbor::Writer;
use stunity_proto::{AccountId, Hash, NodeId, SchoolId, labels};

use crate::certificate::{Statement, open, read_key};
use crate::{IdentityError, KexPublic, VerifyingKey};

/// Who runs relays for a school. Signed by the school root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The school.
    pub school: SchoolId,
    /// The operator's key.
    pub key: VerifyingKey,
    /// First valid relay time, Unix milliseconds.
    pub not_before: u64,
    /// First relay time at which it is no longer valid, Unix milliseconds.
    pub not_after: u64,
    /// Chosen by the root, rising.
    pub serial: u64,
}

impl Statement for Operator {
    const KIND: u64 = 1;
    const LABEL: &'static str = labels::SIGN_OPERATOR;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(6)
            .uint(Self::KIND)
            .bytes(&self.school.0)
            .bytes(self.key.as_bytes())
            .uint(self.not_before)
            .uint(self.not_after)
            .uint(self.serial);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 6, Self::KIND)?;
        let operator = Self {
            school: SchoolId(r.fixed()?),
            key: read_key(&mut r)?,
            not_before: r.uint()?,
            not_after: r.uint()?,
            serial: r.uint()?,
        };
        r.finish()?;
        Ok(operator)
    }
}

/// A relay node. Signed by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The school.
    pub school: SchoolId,
    /// The node's signing key.
    pub key: VerifyingKey,
    /// The key that parcels for the relay are sealed to.
    pub parcel: KexPublic,
    /// Hash of the operator certificate under which it is issued.
    pub operator: Hash,
    /// First valid relay time, Unix milliseconds.
    pub not_before: u64,
    /// First relay time at which it is no longer valid, Unix milliseconds.
    pub not_after: u64,
    /// Chosen by the operator, rising.
    pub serial: u64,
}

impl Node {
    /// The id that belongs to the key.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.key.node_id()
    }
}

impl Statement for Node {
    const KIND: u64 = 2;
    const LABEL: &'static str = labels::SIGN_NODE;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(8)
            .uint(Self::KIND)
            .bytes(&self.school.0)
            .bytes(self.key.as_bytes())
            .bytes(&self.parcel.0)
            .bytes(&self.operator.0)
            .uint(self.not_before)
            .uint(self.not_after)
            .uint(self.serial);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 8, Self::KIND)?;
        let node = Self {
            school: SchoolId(r.fixed()?),
            key: read_key(&mut r)?,
            parcel: KexPublic(r.fixed()?),
            operator: Hash(r.fixed()?),
            not_before: r.uint()?,
            not_after: r.uint()?,
            serial: r.uint()?,
        };
        r.finish()?;
        Ok(node)
    }
}

/// The school's next root. Signed by that new root, whose commitment clients
/// have pinned since the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootSuccession {
    /// The school.
    pub school: SchoolId,
    /// 1 for the first successor, rising by one.
    pub index: u64,
    /// The new root.
    pub root: VerifyingKey,
    /// Commitment to the root after it.
    pub next_commitment: Hash,
}

impl Statement for RootSuccession {
    const KIND: u64 = 4;
    const LABEL: &'static str = labels::SIGN_ROOT;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(5)
            .uint(Self::KIND)
            .bytes(&self.school.0)
            .uint(self.index)
            .bytes(self.root.as_bytes())
            .bytes(&self.next_commitment.0);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 5, Self::KIND)?;
        let succession = Self {
            school: SchoolId(r.fixed()?),
            index: r.uint()?,
            root: read_key(&mut r)?,
            next_commitment: Hash(r.fixed()?),
        };
        r.finish()?;
        Ok(succession)
    }
}

/// The offices that a school root may admit an account to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaffRoles(u8);

impl StaffRoles {
    /// Teaches and grades.
    pub const TEACHER: Self = Self(1);
    /// Administers the school.
    pub const ADMIN: Self = Self(2);
    /// Reads consented, de-identified data.
    pub const RESEARCHER: Self = Self(4);
    /// Keeps the roster.
    pub const REGISTRAR: Self = Self(8);

    /// The bits as on the wire.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The offices of some bits; bits unknown to this build are kept, and give
    /// no office.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The offices of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all offices of `other` are held.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Admits an account to the staff, with the root that its keys follow from.
/// Signed by the school root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffAdmission {
    /// The school.
    pub school: SchoolId,
    /// The account admitted.
    pub account: AccountId,
    /// The first root of its account log, seen in person.
    pub root: VerifyingKey,
    /// Its offices.
    pub roles: StaffRoles,
    /// Of several admissions of an account the highest serial counts.
    pub serial: u64,
    /// When, by the relay's clock or the signing machine's: for people, proves
    /// nothing. Unix milliseconds.
    pub date: u64,
}

impl Statement for StaffAdmission {
    const KIND: u64 = 5;
    const LABEL: &'static str = labels::SIGN_STAFF;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(7)
            .uint(Self::KIND)
            .bytes(&self.school.0)
            .bytes(&self.account.0)
            .bytes(self.root.as_bytes())
            .uint(u64::from(self.roles.bits()))
            .uint(self.serial)
            .uint(self.date);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 7, Self::KIND)?;
        let admission = Self {
            school: SchoolId(r.fixed()?),
            account: AccountId(r.fixed()?),
            root: read_key(&mut r)?,
            roles: StaffRoles::from_bits(r.u8()?),
            serial: r.uint()?,
            date: r.uint()?,
        };
        r.finish()?;
        Ok(admission)
    }
}
