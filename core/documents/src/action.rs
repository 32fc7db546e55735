//! What an editor does to a document, as one journal row each.
use std::borrow::Cow;

use minicbor::{Decoder, Encoder};

use crate::node::{CborError, infallible};
use crate::{Error, Key, Node, Path};

/// One edit. Positions and lengths in texts are UTF-16 code units
/// ([`crate::TEXT_ENCODING`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Action<'a> {
    /// Sets a field of a map, or replaces an element of a list.
    PutField {
        /// The field.
        path: Path<'a>,
        /// Its new value.
        value: Cow<'a, Node>,
    },
    /// Removes a field of a map.
    DeleteField {
        /// The field.
        path: Path<'a>,
    },
    /// Deletes and inserts in a text.
    TextSplice {
        /// The text.
        path: Path<'a>,
        /// Where.
        pos: usize,
        /// How much is deleted, from `pos` on.
        delete: usize,
        /// What then stands at `pos`.
        insert: Cow<'a, str>,
    },
    /// Inserts an element into a list.
    ListInsert {
        /// The list.
        path: Path<'a>,
        /// The place that it will have.
        index: usize,
        /// The element.
        value: Cow<'a, Node>,
    },
    /// Removes elements of a list.
    ListDelete {
        /// The list.
        path: Path<'a>,
        /// The first of them.
        index: usize,
        /// How many.
        count: usize,
    },
    /// Adds to a counter.
    Increment {
        /// The counter.
        path: Path<'a>,
        /// How much; may be negative.
        by: i64,
    },
}

/// Stable codes of the actions in the journal.
const PUT_FIELD: u8 = 1;
const DELETE_FIELD: u8 = 2;
const TEXT_SPLICE: u8 = 3;
const LIST_INSERT: u8 = 4;
const LIST_DELETE: u8 = 5;
const INCREMENT: u8 = 6;

impl<'a> Action<'a> {
    /// Typing: deletes `delete` units at `pos` of the text at `path`, and inserts.
    #[must_use]
    pub fn splice(path: Path<'a>, pos: usize, delete: usize, insert: &'a str) -> Self {
        Self::TextSplice {
            path,
            pos,
            delete,
            insert: Cow::Borrowed(insert),
        }
    }

    /// Sets a field.
    #[must_use]
    pub fn put(path: Path<'a>, value: impl Into<Node>) -> Self {
        Self::PutField {
            path,
            value: Cow::Owned(value.into()),
        }
    }

    /// Appends the one CBOR encoding of this action: an array of its code, its path
    /// (an array of names and indices) and its values.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Encoder::new(out);
        infallible(self.encode_head(&mut w));
        match self {
            Self::PutField { value, .. } | Self::ListInsert { value, .. } => {
                value.encode(w.writer_mut());
            }
            _ => {}
        }
    }

    fn encode_head(
        &self,
        w: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let (len, code, path) = match self {
            Self::PutField { path, .. } => (3, PUT_FIELD, path),
            Self::DeleteField { path } => (2, DELETE_FIELD, path),
            Self::TextSplice { path, .. } => (5, TEXT_SPLICE, path),
            Self::ListInsert { path, .. } => (4, LIST_INSERT, path),
            Self::ListDelete { path, .. } => (4, LIST_DELETE, path),
            Self::Increment { path, .. } => (3, INCREMENT, path),
        };
        w.array(len)?.u8(code)?.array(path.keys().len() as u64)?;
        for key in path.keys() {
            match key {
                Key::Name(name) => w.str(name)?,
                Key::Index(index) => w.u64(*index as u64)?,
            };
        }
        match self {
            Self::PutField { .. } | Self::DeleteField { .. } => {}
            Self::TextSplice {
                pos,
                delete,
                insert,
                ..
            } => {
                w.u64(*pos as u64)?.u64(*delete as u64)?.str(insert)?;
            }
            Self::ListInsert { index, .. } => {
                w.u64(*index as u64)?;
            }
            Self::ListDelete { index, count, .. } => {
                w.u64(*index as u64)?.u64(*count as u64)?;
            }
            Self::Increment { by, .. } => {
                w.i64(*by)?;
            }
        }
        Ok(())
    }

    /// Reads an action that [`Action::encode`] wrote, and nothing after it.
    ///
    /// # Errors
    /// [`Error::DamagedJournal`] for anything else, another encoding included.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let action = Self::read(&mut Decoder::new(bytes)).map_err(|_| Error::DamagedJournal)?;
        let mut again = Vec::with_capacity(bytes.len());
        action.encode(&mut again);
        (again == bytes)
            .then_some(action)
            .ok_or(Error::DamagedJournal)
    }

    fn read(r: &mut Decoder<'a>) -> Result<Self, CborError> {
        r.array()?;
        let code = r.u8()?;
        let path = read_path(r)?;
        let size = |r: &mut Decoder<'a>| {
            usize::try_from(r.u64()?).map_err(|_| CborError::message("too large"))
        };
        Ok(match code {
            PUT_FIELD => Self::PutField {
                path,
                value: Cow::Owned(Node::decode(r)?),
            },
            DELETE_FIELD => Self::DeleteField { path },
            TEXT_SPLICE => Self::TextSplice {
                path,
                pos: size(r)?,
                delete: size(r)?,
                insert: Cow::Borrowed(r.str()?),
            },
            LIST_INSERT => Self::ListInsert {
                path,
                index: size(r)?,
                value: Cow::Owned(Node::decode(r)?),
            },
            LIST_DELETE => Self::ListDelete {
                path,
                index: size(r)?,
                count: size(r)?,
            },
            INCREMENT => Self::Increment { path, by: r.i64()? },
            _ => return Err(CborError::message("unknown action")),
        })
    }
}

fn read_path<'a>(r: &mut Decoder<'a>) -> Result<Path<'a>, CborError> {
    let len = r.array()?.ok_or(CborError::message("indefinite"))?;
    let mut keys = Vec::new();
    for _ in 0..len {
        keys.push(match r.datatype()? {
            minicbor::data::Type::String => Key::name(r.str()?),
            _ => {
                Key::Index(usize::try_from(r.u64()?).map_err(|_| CborError::message("too large"))?)
            }
        });
    }
    Ok(keys.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    fn samples() -> Vec<(Action<'static>, &'static str)> {
        let body = Path::from(vec![Key::name("body")]);
        let deep = Path::from(vec![Key::name("a"), Key::Index(2)]);
        vec![
            (
                Action::PutField {
                    path: deep.clone(),
                    value: Cow::Owned("x".into()),
                },
                "8301826161026178",
            ),
            (Action::DeleteField { path: deep.clone() }, "820282616102"),
            (
                Action::TextSplice {
                    path: body.clone(),
                    pos: 300,
                    delete: 1,
                    insert: "ក".into(),
                },
                "85038164626f647919012c0163e19e80",
            ),
            (
                Action::ListInsert {
                    path: body.clone(),
                    index: 0,
                    value: Cow::Owned(Scalar::Counter(1).into()),
                },
                "84048164626f647900d9ea6201",
            ),
            (
                Action::ListDelete {
                    path: body.clone(),
                    index: 0,
                    count: 24,
                },
                "84058164626f6479001818",
            ),
            (
                Action::Increment { path: body, by: -1 },
                "83068164626f647920",
            ),
        ]
    }

    fn encoded(action: &Action<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        action.encode(&mut bytes);
        bytes
    }

    #[test]
    fn actions_are_these_bytes_and_read_back() {
        for (action, golden) in samples() {
            let bytes = encoded(&action);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, golden);
            assert!(Action::decode(&bytes) == Ok(action));
        }
    }

    #[test]
    fn another_encoding_of_an_action_is_refused() {
        // the length of the path in two bytes
        let longer = [0x82, 0x02, 0x98, 0x02, 0x61, 0x61, 0x02];
        assert_eq!(Action::decode(&longer), Err(Error::DamagedJournal));
        let trailing = [0x82, 0x02, 0x82, 0x61, 0x61, 0x02, 0x00];
        assert_eq!(Action::decode(&trailing), Err(Error::DamagedJournal));
        assert_eq!(Action::decode(&[]), Err(Error::DamagedJournal));
    }
}
