//! Plain values: what a document looks like to who reads it, and what an action
//! writes.
use std::collections::BTreeMap;

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

use crate::limits::MAX_DEPTH;

/// A value in a document, or a tree of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Fields by name.
    Map(BTreeMap<String, Node>),
    /// A sequence.
    List(Vec<Node>),
    /// Text that several may edit at once.
    Text(String),
    /// A value that is replaced as a whole.
    Scalar(Scalar),
}

/// A value that is replaced as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A short string.
    String(String),
    /// Bytes, such as a hash.
    Bytes(Vec<u8>),
    /// A number that concurrent steps add up in.
    Counter(i64),
    /// Milliseconds since 1970, as some device's clock said.
    Time(i64),
}

/// CBOR tags of our own, from the range that is free for all; they tell a text from
/// a string and a counter or time from a number.
const TEXT: u64 = 60_001;
const COUNTER: u64 = 60_002;
const TIME: u64 = 60_003;

pub(crate) type CborError = minicbor::decode::Error;

impl Node {
    /// An empty map.
    #[must_use]
    pub fn map() -> Self {
        Self::Map(BTreeMap::new())
    }

    /// The field of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.get(name),
            _ => None,
        }
    }

    /// The characters, if this is a text or a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Scalar(Scalar::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Levels of objects; a scalar has none.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Map(fields) => 1 + fields.values().map(Self::depth).max().unwrap_or(0),
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Text(_) => 1,
            Self::Scalar(_) => 0,
        }
    }

    /// Operations that writing this takes, and about how many bytes in a change.
    pub(crate) fn cost(&self) -> (u64, usize) {
        const OP: usize = 16;
        let sum =
            |(ops, bytes): (u64, usize), (more, extra): (u64, usize)| (ops + more, bytes + extra);
        match self {
            Self::Map(fields) => fields
                .iter()
                .map(|(name, node)| sum(node.cost(), (0, name.len())))
                .fold((1, OP), sum),
            Self::List(items) => items.iter().map(Self::cost).fold((1, OP), sum),
            Self::Text(text) => {
                let characters = text.chars().count();
                (1 + characters as u64, OP + text.len() + 2 * characters)
            }
            Self::Scalar(Scalar::String(text)) => (1, OP + text.len()),
            Self::Scalar(Scalar::Bytes(bytes)) => (1, OP + bytes.len()),
            Self::Scalar(_) => (1, OP),
        }
    }

    /// Appends the one CBOR encoding of this value.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Encoder::new(out);
        match self {
            Self::Map(fields) => {
                infallible(w.map(fields.len() as u64).map(drop));
                // Shorter names first: the bytewise order of the encoded keys
                // (RFC 8949, 4.2.1).
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
                for (name, node) in fields {
                    infallible(w.str(name).map(drop));
                    node.encode(w.writer_mut());
                }
            }
            Self::List(items) => {
                infallible(w.array(items.len() as u64).map(drop));
                for item in items {
                    item.encode(w.writer_mut());
                }
            }
            Self::Text(text) => {
                infallible(w.tag(Tag::new(TEXT)).and_then(|w| w.str(text)).map(drop))
            }
            Self::Scalar(scalar) => infallible(match scalar {
                Scalar::Null => w.null().map(drop),
                Scalar::Bool(value) => w.bool(*value).map(drop),
                Scalar::Int(value) => w.i64(*value).map(drop),
                Scalar::Float(value) => w.f64(*value).map(drop),
                Scalar::String(value) => w.str(value).map(drop),
                Scalar::Bytes(value) => w.bytes(value).map(drop),
                Scalar::Counter(value) => w
                    .tag(Tag::new(COUNTER))
                    .and_then(|w| w.i64(*value))
                    .map(drop),
                Scalar::Time(value) => w.tag(Tag::new(TIME)).and_then(|w| w.i64(*value)).map(drop),
            }),
        }
    }

    pub(crate) fn decode(r: &mut Decoder<'_>) -> Result<Self, CborError> {
        Self::decode_at(r, 0)
    }

    fn decode_at(r: &mut Decoder<'_>, depth: usize) -> Result<Self, CborError> {
        if depth > MAX_DEPTH {
            return Err(CborError::message("too deep"));
        }
        let definite = |len: Option<u64>| len.ok_or(CborError::message("indefinite"));
        Ok(match r.datatype()? {
            Type::Map => {
                let mut fields = BTreeMap::new();
                for _ in 0..definite(r.map()?)? {
                    let name = r.str()?.to_owned();
                    fields.insert(name, Self::decode_at(r, depth + 1)?);
                }
                Self::Map(fields)
            }
            Type::Array => {
                let len = definite(r.array()?)?;
                let items = (0..len).map(|_| Self::decode_at(r, depth + 1));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Type::Tag => match r.tag()?.as_u64() {
                TEXT => Self::Text(r.str()?.to_owned()),
                COUNTER => Self::Scalar(Scalar::Counter(r.i64()?)),
                TIME => Self::Scalar(Scalar::Time(r.i64()?)),
                _ => return Err(CborError::message("unknown tag")),
            },
            Type::Null => {
                r.null()?;
                Self::Scalar(Scalar::Null)
            }
            Type::Bool => Self::Scalar(Scalar::Bool(r.bool()?)),
            Type::F64 => Self::Scalar(Scalar::Float(r.f64()?)),
            Type::String => Self::Scalar(Scalar::String(r.str()?.to_owned())),
            Type::Bytes => Self::Scalar(Scalar::Bytes(r.bytes()?.to_owned())),
            _ => Self::Scalar(Scalar::Int(r.i64()?)),
        })
    }
}

/// Writing into memory cannot fail.
pub(crate) fn infallible(result: Result<(), minicbor::encode::Error<std::convert::Infallible>>) {
    debug_assert!(result.is_ok());
}

impl From<&str> for Node {
    fn from(value: &str) -> Self {
        Self::Scalar(Scalar::String(value.to_owned()))
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Self::Scalar(Scalar::Int(value))
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Scalar(Scalar::Bool(value))
    }
}

impl From<Scalar> for Node {
    fn from(value: Scalar) -> Self {
        Self::Scalar(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Node {
        Node::Map(BTreeMap::from([
            ("body".into(), Node::Text("សួស្តី".into())),
            ("n".into(), Node::from(-3)),
            (
                "list".into(),
                Node::List(vec![
                    Node::from(true),
                    Scalar::Null.into(),
                    Scalar::Counter(7).into(),
                    Scalar::Time(1_700_000_000_000).into(),
                    Scalar::Bytes(vec![1, 2]).into(),
                    Scalar::Float(0.5).into(),
                    "x".into(),
                ]),
            ),
        ]))
    }

    fn encoded(node: &Node) -> Vec<u8> {
        let mut out = Vec::new();
        node.encode(&mut out);
        out
    }

    #[test]
    fn a_tree_reads_back() {
        let bytes = encoded(&sample());
        let mut r = Decoder::new(&bytes);
        assert_eq!(Node::decode(&mut r).unwrap(), sample());
        assert_eq!(r.position(), bytes.len());
    }

    #[test]
    fn a_tree_is_these_bytes() {
        let hex: String = encoded(&sample())
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            hex,
            "a3616e2264626f6479d9ea6172e19e9fe19ebde19e9fe19f92e19e8fe19eb8646c697374\
             87f5f6d9ea6207d9ea631b0000018bcfe56800420102fb3fe00000000000006178"
        );
    }

    #[test]
    fn nesting_is_bounded_when_reading() {
        let bytes = vec![0x81; 1000];
        assert!(Node::decode(&mut Decoder::new(&bytes)).is_err());
    }
}
