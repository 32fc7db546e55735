//! Receipts and tombstones: signatures of a relay node
//! (docs/protocol/05-receipts.md).
use sha2::{Digest, Sha256};
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::receipt::{Leaf, Tombstone, merkle_path, merkle_root, root_of_path};
use stunity_proto::{DecodeError, Entry, Hash, NodeId, SchoolId, Signature, Signer, labels};

use crate::{IdentityError, SigningKey, TrustedNode, verify_entry};

/// A place in a relay's order. Of several receipts the lowest place counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The relay's epoch, from 1.
    pub epoch: u64,
    /// The sequence in the space, from 1.
    pub sequence: u64,
}

fn receipt_input(school: SchoolId, node: NodeId, root: &Hash) -> Vec<u8> {
    [&school.0[..], &node.0, &root.0].concat()
}

/// Signs a receipt root for the node that `key` belongs to.
#[must_use]
pub fn sign_root(key: &SigningKey, school: SchoolId, root: &Hash) -> Signature {
    key.sign(
        labels::SIGN_RECEIPT,
        &receipt_input(school, key.node_id(), root),
    )
}

/// Signs a tombstone.
///
/// # Errors
/// A tombstone of another node than the key's.
pub fn sign_tombstone(key: &SigningKey, tombstone: &Tombstone) -> Result<Signature, IdentityError> {
    if tombstone.node != key.node_id() {
        return Err(IdentityError::WrongSigner("node of a tombstone"));
    }
    Ok(key.sign(labels::SIGN_TOMBSTONE, &Sha256::digest(tombstone.encode())))
}

impl TrustedNode {
    /// Verifies a receipt root at a relay time, in Unix milliseconds: that of the
    /// flush's time leaf, or of when the receipt was kept.
    ///
    /// # Errors
    /// A certificate that is not valid then, or a bad signature.
    pub fn verify_root(
        &self,
        root: &Hash,
        signature: &Signature,
        at_ms: u64,
    ) -> Result<(), IdentityError> {
        self.check_time(at_ms)?;
        self.key().verify(
            labels::SIGN_RECEIPT,
            &receipt_input(self.school(), self.id(), root),
            signature,
        )
    }

    /// Verifies a tombstone at a relay time.
    ///
    /// # Errors
    /// Another school or node, a certificate that is not valid then, or a bad
    /// signature.
    pub fn verify_tombstone(
        &self,
        tombstone: &Tombstone,
        signature: &Signature,
        at_ms: u64,
    ) -> Result<(), IdentityError> {
        if tombstone.school != self.school() {
            return Err(IdentityError::WrongSchool);
        }
        if tombstone.node != self.id() {
            return Err(IdentityError::WrongSigner("node of a tombstone"));
        }
        self.check_time(at_ms)?;
        self.key().verify(
            labels::SIGN_TOMBSTONE,
            &Sha256::digest(tombstone.encode()),
            signature,
        )
    }

    /// Verifies an entry that this node signed for its author, at a relay time.
    /// Whether that type of event may be vouched is the permission table's.
    ///
    /// # Errors
    /// Another school, signer or certificate, one that is not valid then, or a bad
    /// signature.
    pub fn verify_vouched(&self, entry: &Entry, at_ms: u64) -> Result<(), IdentityError> {
        let header = entry.header();
        if header.school != self.school() {
            return Err(IdentityError::WrongSchool);
        }
        if header.signer != Signer::Node(self.id()) || header.certificate != self.certificate() {
            return Err(IdentityError::WrongSigner("node of an entry"));
        }
        self.check_time(at_ms)?;
        verify_entry(entry, self.key())
    }
}

/// A leaf, its path and the signature over the root: portable evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What is stated.
    pub leaf: Leaf,
    /// The leaf's place among the leaves, from 0.
    pub index: u64,
    /// How many leaves the tree has.
    pub count: u64,
    /// From the leaf upwards.
    pub path: Vec<Hash>,
    /// Who signed.
    pub node: NodeId,
    /// Over school, node and root.
    pub signature: Signature,
}

/// The longest path: a flush covers fewer than 2^32 leaves.
const MAX_PATH: usize = 32;

impl Receipt {
    /// The receipt of one leaf of a verified flush; none out of range.
    #[must_use]
    pub fn extract(
        leaves: &[Leaf],
        index: usize,
        node: NodeId,
        signature: Signature,
    ) -> Option<Self> {
        let hashes: Vec<Hash> = leaves.iter().map(Leaf::hash).collect();
        Some(Self {
            leaf: leaves.get(index)?.clone(),
            index: index as u64,
            count: leaves.len() as u64,
            path: merkle_path(&hashes, index)?,
            node,
            signature,
        })
    }

    /// The root over `leaves`, which the node signs.
    #[must_use]
    pub fn root_of(leaves: &[Leaf]) -> Hash {
        let hashes: Vec<Hash> = leaves.iter().map(Leaf::hash).collect();
        merkle_root(&hashes)
    }

    /// Verifies the receipt at a relay time, in Unix milliseconds, see
    /// [`TrustedNode::verify_root`].
    ///
    /// # Errors
    /// Another node, a path that fits no tree, a certificate that is not valid
    /// then, or a bad signature.
    pub fn verify(&self, node: &TrustedNode, at_ms: u64) -> Result<(), IdentityError> {
        if self.node != node.id() {
            return Err(IdentityError::WrongSigner("node of a receipt"));
        }
        let root = root_of_path(&self.leaf.hash(), self.index, self.count, &self.path)
            .ok_or(IdentityError::NotCovered)?;
        node.verify_root(&root, &self.signature, at_ms)
    }

    /// The entry's place, if it is a receipt of an entry.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self.leaf {
            Leaf::Entry {
                epoch, sequence, ..
            } => Some(Position { epoch, sequence }),
            _ => None,
        }
    }

    /// The bytes in which it is kept and passed on.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(7)
            .uint(1)
            .bytes(&self.leaf.encode())
            .uint(self.index)
            .uint(self.count)
            .array(self.path.len());
        for hash in &self.path {
            w.bytes(&hash.0);
        }
        w.bytes(&self.node.0).bytes(&self.signature.0);
        w.into_bytes()
    }

    /// Reads [`Receipt::encode`]. Verifies nothing.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut r = Reader::new(bytes);
        r.array_of(7)?;
        if r.uint()? != 1 {
            return Err(DecodeError::Unknown("receipt format").into());
        }
        let leaf = Leaf::decode(r.bytes()?)?;
        let (index, count) = (r.uint()?, r.uint()?);
        let len = r.array()?;
        if len > MAX_PATH {
            return Err(DecodeError::TooLarge("path of a receipt").into());
        }
        let path = (0..len)
            .map(|_| r.fixed().map(Hash))
            .collect::<Result<_, _>>()?;
        let receipt = Self {
            leaf,
            index,
            count,
            path,
            node: NodeId(r.fixed()?),
            signature: Signature(r.fixed()?),
        };
        r.finish()?;
        Ok(receipt)
    }
}

/// Two receipts of a school's relays that contradict each other: the relay told
/// two people different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    /// One story.
    pub one: Receipt,
    /// The other.
    pub other: Receipt,
}

impl Equivocation {
    /// Verifies both receipts, each with its node at its relay time, and that
    /// they cannot both be true. Two nodes of one school share one order, so two
    /// nodes can equivocate together.
    ///
    /// # Errors
    /// As [`Receipt::verify`]; nodes of two schools;
    /// [`IdentityError::NotAllowed`] if both can be true.
    pub fn verify(
        &self,
        one: (&TrustedNode, u64),
        other: (&TrustedNode, u64),
    ) -> Result<(), IdentityError> {
        if one.0.school() != other.0.school() {
            return Err(IdentityError::WrongSchool);
        }
        self.one.verify(one.0, one.1)?;
        self.other.verify(other.0, other.1)?;
        if self.one.leaf.contradicts(&self.other.leaf) {
            Ok(())
        } else {
            Err(IdentityError::NotAllowed("receipts that agree"))
        }
    }
}
