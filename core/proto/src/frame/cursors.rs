//! The cursor list that both sides keep.
use super::decode::{MAX_CURSORS, decode_list};
use crate::cbor::{Reader, Writer};
use crate::{DecodeError, Lane, SpaceId, receipt};

/// A cursor with all that the relay needs to recognise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullCursor {
    /// The space.
    pub space: SpaceId,
    /// The lane; none for the whole space.
    pub lane: Option<Lane>,
    /// The epoch.
    pub epoch: u64,
    /// The sequence.
    pub sequence: u64,
    /// The first 8 bytes of the running hash.
    pub hash: [u8; 8],
}

impl FullCursor {
    /// The order of a list: by space, the whole space first, then by lane.
    #[must_use]
    pub fn target(&self) -> (SpaceId, Option<Lane>) {
        (self.space, self.lane)
    }
}

/// The bytes of a cursor list, which must be in order.
#[must_use]
pub fn encode_cursors(list: &[FullCursor]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(list.len());
    for cursor in list {
        w.array(5);
        encode_target(&mut w, cursor.space, cursor.lane);
        w.uint(cursor.epoch)
            .uint(cursor.sequence)
            .bytes(&cursor.hash);
    }
    w.into_bytes()
}

/// The 8 bytes by which the two sides compare their lists.
#[must_use]
pub fn cursors_hash(list: &[FullCursor]) -> [u8; 8] {
    receipt::cursor_list_hash(&encode_cursors(list))
}

pub(super) fn decode_cursors(r: &mut Reader<'_>) -> Result<Vec<FullCursor>, DecodeError> {
    let list = decode_list(r, MAX_CURSORS, |r| {
        r.array_of(5)?;
        let (space, lane) = decode_target(r)?;
        Ok(FullCursor {
            space,
            lane,
            epoch: r.uint()?,
            sequence: r.uint()?,
            hash: r.fixed()?,
        })
    })?;
    if list
        .windows(2)
        .any(|pair| pair[0].target() >= pair[1].target())
    {
        return Err(DecodeError::NotCanonical);
    }
    Ok(list)
}

pub(super) fn encode_target(w: &mut Writer, space: SpaceId, lane: Option<Lane>) {
    w.bytes(&space.0);
    w.option(lane, |w, lane| lane.encode(w));
}

pub(super) fn decode_target(r: &mut Reader<'_>) -> Result<(SpaceId, Option<Lane>), DecodeError> {
    Ok((SpaceId(r.fixed()?), r.option(Lane::decode)?))
}
