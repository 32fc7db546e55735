//! Entries: a signed header and a body (docs/protocol/02-entries.md).
use crate::cbor::{Reader, Writer};
use crate::{
    AccountId, Body, DecodeError, DeviceId, DocId, EntryId, Hash, KeyId, Lane, NodeId, SchoolId,
    Signature, SpaceId, limits,
};

/// The format of entries that this build writes.
pub const FORMAT: u64 = 1;

/// Who signed an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// A device of the author.
    Device(DeviceId),
    /// A relay node for the author: the entry is *vouched*.
    Node(NodeId),
}

impl Signer {
    /// The id, of whichever kind.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        match self {
            Self::Device(id) => id.0,
            Self::Node(id) => id.0,
        }
    }

    /// Whether a relay node signed for the author.
    #[must_use]
    pub fn is_vouched(&self) -> bool {
        matches!(self, Self::Node(_))
    }

    /// The number of the kind on the wire.
    #[must_use]
    pub fn kind(&self) -> u8 {
        u8::from(self.is_vouched())
    }

    /// The signer of a kind and id.
    ///
    /// # Errors
    /// An unknown kind.
    pub fn from_parts(kind: u8, id: [u8; 16]) -> Result<Self, DecodeError> {
        match kind {
            0 => Ok(Self::Device(DeviceId(id))),
            1 => Ok(Self::Node(NodeId(id))),
            _ => Err(DecodeError::Unknown("signer")),
        }
    }
}

/// What the signer held when it signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Last entry of the author's account log.
    pub account: Option<EntryId>,
    /// Latest membership entries of the space: sorted, distinct, at most four.
    pub membership: Vec<EntryId>,
}

/// The kind of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An Automerge change of a document.
    Change {
        /// The document type, see `stunity-documents`.
        doc_type: u16,
        /// The document.
        doc: DocId,
    },
    /// An event of a type of `stunity-model`.
    Event(u16),
    /// A blob manifest.
    Manifest,
    /// A handshake of a conversation.
    Handshake,
}

/// How a body is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The suite.
    pub suite: u16,
    /// The lane key.
    pub key: KeyId,
}

/// The signed header of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The school.
    pub school: SchoolId,
    /// The space.
    pub space: SpaceId,
    /// The lane.
    pub lane: Lane,
    /// The account whose entry this is.
    pub author: AccountId,
    /// Who signed.
    pub signer: Signer,
    /// Hash of the signer's certificate.
    pub certificate: Hash,
    /// The signer's incarnation.
    pub incarnation: u32,
    /// Position in the chain, from 1.
    pub sequence: u64,
    /// The entry before it in the chain; none at 1.
    pub previous: Option<EntryId>,
    /// What the signer held.
    pub heads: Heads,
    /// The kinds of the operations.
    pub kinds: Vec<Kind>,
    /// How the body is sealed, if it is.
    pub seal: Option<Seal>,
    /// Root of the body.
    pub body_root: Hash,
}

impl Header {
    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(14)
            .uint(FORMAT)
            .bytes(&self.school.0)
            .bytes(&self.space.0);
        self.lane.encode(&mut w);
        w.bytes(&self.author.0)
            .array(2)
            .uint(u64::from(self.signer.kind()))
            .bytes(&self.signer.id())
            .bytes(&self.certificate.0)
            .uint(u64::from(self.incarnation))
            .uint(self.sequence)
            .option(self.previous, |w, id| {
                w.bytes(&id.0);
            })
            .array(2)
            .option(self.heads.account, |w, id| {
                w.bytes(&id.0);
            })
            .array(self.heads.membership.len());
        for id in &self.heads.membership {
            w.bytes(&id.0);
        }
        w.array(self.kinds.len());
        for kind in &self.kinds {
            match kind {
                Kind::Change { doc_type, doc } => {
                    w.array(3).uint(0).uint(u64::from(*doc_type)).bytes(&doc.0)
                }
                Kind::Event(event) => w.array(2).uint(1).uint(u64::from(*event)),
                Kind::Manifest => w.array(1).uint(2),
                Kind::Handshake => w.array(1).uint(3),
            };
        }
        w.option(self.seal, |w, seal| {
            w.array(2).uint(u64::from(seal.suite)).bytes(&seal.key.0);
        })
        .bytes(&self.body_root.0);
        w.into_bytes()
    }

    /// Whether the entry may go without its signature where the next one of its chain
    /// covers it: one of a device, of document changes alone, not sealed. What people
    /// state, as grades and membership, keeps the signature as evidence.
    #[must_use]
    pub fn may_be_covered(&self) -> bool {
        let is_change = |kind: &Kind| matches!(kind, Kind::Change { .. });
        !self.signer.is_vouched() && self.seal.is_none() && self.kinds.iter().all(is_change)
    }

    /// Reads [`Header::encode`].
    ///
    /// # Errors
    /// Any other bytes, or a limit exceeded.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > limits::MAX_HEADER {
            return Err(DecodeError::TooLarge("header"));
        }
        let mut r = Reader::new(bytes);
        r.array_of(14)?;
        if r.uint()? != FORMAT {
            return Err(DecodeError::Unknown("entry format"));
        }
        let school = SchoolId(r.fixed()?);
        let space = SpaceId(r.fixed()?);
        let lane = Lane::decode(&mut r)?;
        let author = AccountId(r.fixed()?);
        r.array_of(2)?;
        let signer = Signer::from_parts(r.u8()?, r.fixed()?)?;
        let certificate = Hash(r.fixed()?);
        let incarnation = r.u32()?;
        let sequence = r.uint()?;
        let previous = r.option(|r| r.fixed().map(EntryId))?;
        let heads = decode_heads(&mut r)?;
        let kinds = decode_kinds(&mut r)?;
        let seal = r.option(|r| {
            r.array_of(2)?;
            Ok(Seal {
                suite: r.u16()?,
                key: KeyId(r.fixed()?),
            })
        })?;
        let body_root = Hash(r.fixed()?);
        r.finish()?;
        if incarnation > limits::MAX_INCARNATION {
            return Err(DecodeError::TooLarge("incarnation"));
        }
        if sequence == 0 || (sequence == 1) != previous.is_none() {
            return Err(DecodeError::Unexpected("previous of an entry"));
        }
        Ok(Self {
            school,
            space,
            lane,
            author,
            signer,
            certificate,
            incarnation,
            sequence,
            previous,
            heads,
            kinds,
            seal,
            body_root,
        })
    }
}

fn decode_heads(r: &mut Reader<'_>) -> Result<Heads, DecodeError> {
    r.array_of(2)?;
    let account = r.option(|r| r.fixed().map(EntryId))?;
    let len = r.array()?;
    if len > limits::MAX_MEMBERSHIP_HEADS {
        return Err(DecodeError::TooLarge("membership heads"));
    }
    let membership: Vec<EntryId> = (0..len)
        .map(|_| r.fixed().map(EntryId))
        .collect::<Result<_, _>>()?;
    if membership.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(DecodeError::NotCanonical);
    }
    Ok(Heads {
        account,
        membership,
    })
}

fn decode_kinds(r: &mut Reader<'_>) -> Result<Vec<Kind>, DecodeError> {
    let len = r.array()?;
    if len == 0 || len > limits::MAX_OPS {
        return Err(DecodeError::TooLarge("operations"));
    }
    (0..len)
        .map(|_| {
            let parts = r.array()?;
            Ok(match (r.uint()?, parts) {
                (0, 3) => Kind::Change {
                    doc_type: r.u16()?,
                    doc: DocId(r.fixed()?),
                },
                (1, 2) => Kind::Event(r.u16()?),
                (2, 1) => Kind::Manifest,
                (3, 1) => Kind::Handshake,
                _ => return Err(DecodeError::Unknown("operation kind")),
            })
        })
        .collect()
}

/// An entry as stored and passed on. The header's bytes are kept as signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    header_bytes: Vec<u8>,
    header: Header,
    id: EntryId,
    /// The signer's signature over the id, not verified here; zero if the entry goes
    /// without one.
    pub signature: Signature,
    /// The body; its root equals the header's.
    body: Body,
}

impl Entry {
    /// Puts an entry together, checking that the body is the header's.
    ///
    /// # Errors
    /// A header that does not decode, or a body over its limits or with another
    /// root or number of operations.
    pub fn from_parts(
        header_bytes: Vec<u8>,
        signature: Signature,
        body: Body,
    ) -> Result<Self, DecodeError> {
        let header = Header::decode(&header_bytes)?;
        if header.kinds.len() != body.ops.len() {
            return Err(DecodeError::Unexpected("number of operations"));
        }
        body.check(body.encoded_len())?;
        if body.root()? != header.body_root {
            return Err(DecodeError::HashMismatch("body root"));
        }
        Ok(Self {
            id: EntryId::of_header(&header_bytes),
            header_bytes,
            header,
            signature,
            body,
        })
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as signed.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Each operation's kind with its bytes; none where it was erased.
    pub fn ops(&self) -> impl Iterator<Item = (Kind, Option<&[u8]>)> {
        self.header
            .kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| (*kind, self.body.op(index)))
    }

    /// Whether the entry has its own signature. One without is as good as an entry that
    /// covers it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signature != Signature::ZERO
    }

    /// Erases operations, see [`Body::erase`].
    pub fn erase(&mut self, indices: &[usize]) {
        self.body.erase(indices);
    }

    /// Length of the entry uncompressed, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header_bytes.len() + Signature::LEN + self.body.encoded_len()
    }

    /// Never: an entry has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: &Body) -> Header {
        Header {
            school: SchoolId([1; 16]),
            space: SpaceId([2; 16]),
            lane: Lane::One(AccountId([3; 16])),
            author: AccountId([3; 16]),
            signer: Signer::Device(DeviceId([4; 16])),
            certificate: Hash([5; 32]),
            incarnation: 0,
            sequence: 2,
            previous: Some(EntryId([6; 32])),
            heads: Heads {
                account: Some(EntryId([7; 32])),
                membership: vec![EntryId([8; 32]), EntryId([9; 32])],
            },
            kinds: vec![
                Kind::Event(40),
                Kind::Change {
                    doc_type: 3,
                    doc: DocId([10; 16]),
                },
            ],
            seal: None,
            body_root: body.root().unwrap(),
        }
    }

    #[test]
    fn a_header_reads_back_and_flips_are_refused_or_differ() {
        let body = Body::new([0; 16], vec![vec![1], vec![2]]);
        let header = header(&body);
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Ok(header.clone()));
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                match Header::decode(&flipped) {
                    Ok(other) => assert_eq!(other.encode(), flipped),
                    Err(_) => continue,
                }
            }
            assert!(Header::decode(&bytes[..index]).is_err());
        }
    }

    #[test]
    fn a_body_that_differs_from_the_header_is_refused() {
        let body = Body::new([0; 16], vec![vec![1], vec![2]]);
        let bytes = header(&body).encode();
        let other = Body::new([0; 16], vec![vec![1], vec![3]]);
        assert_eq!(
            Entry::from_parts(bytes.clone(), Signature::ZERO, other),
            Err(DecodeError::HashMismatch("body root"))
        );
        assert!(Entry::from_parts(bytes, Signature::ZERO, body).is_ok());
    }
}
