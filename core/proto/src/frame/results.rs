//! What became of uploaded entries.
use super::decode::{decode_code, decode_list};
use crate::cbor::{Reader, Writer};
use crate::{DecodeError, limits};

/// What became of one uploaded entry. It stands in its own space and lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultItem {
    /// Stored under this sequence.
    Accepted {
        /// The sequence in the entry's space.
        sequence: u64,
        /// When it was received, milliseconds since 1970.
        received_ms: u64,
    },
    /// Stored, without effect until staff accept it.
    Pending {
        /// The sequence in the entry's space.
        sequence: u64,
        /// When it was received, milliseconds since 1970.
        received_ms: u64,
        /// Why.
        code: String,
    },
    /// Not stored.
    Refused {
        /// Why.
        code: String,
        /// The tombstone's bytes, then its signature of 64 bytes.
        tombstone: Vec<u8>,
    },
}

impl ResultItem {
    fn received_ms(&self) -> Option<u64> {
        match self {
            Self::Accepted { received_ms, .. } | Self::Pending { received_ms, .. } => {
                Some(*received_ms)
            }
            Self::Refused { .. } => None,
        }
    }
}

/// The time of the first stored entry, to which the others are relative.
fn base_of(items: &[ResultItem]) -> u64 {
    items
        .iter()
        .find_map(ResultItem::received_ms)
        .unwrap_or_default()
}

/// An entry accepted at the base time is one integer.
pub(super) fn encode_results(w: &mut Writer, items: &[ResultItem]) {
    let base = base_of(items);
    let since = |ms: u64| ms.wrapping_sub(base) as i64;
    w.uint(base).array(items.len());
    for item in items {
        match item {
            ResultItem::Accepted {
                sequence,
                received_ms,
            } if *received_ms == base => w.uint(*sequence),
            ResultItem::Accepted {
                sequence,
                received_ms,
            } => w.array(2).uint(*sequence).int(since(*received_ms)),
            ResultItem::Pending {
                sequence,
                received_ms,
                code,
            } => w
                .array(3)
                .uint(*sequence)
                .int(since(*received_ms))
                .text(code),
            ResultItem::Refused { code, tombstone } => w.array(2).text(code).bytes(tombstone),
        };
    }
}

pub(super) fn decode_results(r: &mut Reader<'_>) -> Result<Vec<ResultItem>, DecodeError> {
    let base = r.uint()?;
    let items = decode_list(r, limits::MAX_PACK_ENTRIES, |r| decode_result(r, base))?;
    if base_of(&items) == base {
        Ok(items)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

fn decode_result(r: &mut Reader<'_>, base: u64) -> Result<ResultItem, DecodeError> {
    if !r.next_is_array() {
        return Ok(ResultItem::Accepted {
            sequence: r.uint()?,
            received_ms: base,
        });
    }
    let len = r.array()?;
    if len == 2 && r.next_is_text() {
        let (code, tombstone) = (decode_code(r)?, r.bytes()?.to_vec());
        if tombstone.len() > limits::MAX_TOMBSTONE {
            return Err(DecodeError::TooLarge("tombstone"));
        }
        return Ok(ResultItem::Refused { code, tombstone });
    }
    let (sequence, since) = (r.uint()?, r.int()?);
    let received_ms = base.wrapping_add(since as u64);
    match len {
        2 if since == 0 => Err(DecodeError::NotCanonical),
        2 => Ok(ResultItem::Accepted {
            sequence,
            received_ms,
        }),
        3 => Ok(ResultItem::Pending {
            sequence,
            received_ms,
            code: decode_code(r)?,
        }),
        _ => Err(DecodeError::Unexpected("result")),
    }
}
