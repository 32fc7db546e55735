//! Reading frames.
use super::cursors::{decode_cursors, decode_target};
use super::flight::decode_flight;
use super::results::decode_results;
use super::{Content, CursorRef, Frame, Part, SignedRoot};
use crate::cbor::Reader;
use crate::{AccountId, BlobId, DecodeError, Lane, NodeId, PackId, Signature, SpaceId, limits};

/// Longest code in a frame, bytes.
const MAX_CODE: usize = 64;
/// Longest presence message, bytes.
const MAX_EPHEMERAL: usize = 256;
/// Most cursors, accounts or chunks in a frame: more lanes than anybody reads.
pub(super) const MAX_CURSORS: usize = 16 * 1024;

fn decode_root(r: &mut Reader<'_>) -> Result<SignedRoot, DecodeError> {
    Ok(SignedRoot {
        node: NodeId(r.fixed()?),
        epoch: r.uint()?,
        relay_ms: r.uint()?,
        signature: Signature(r.fixed()?),
    })
}

pub(super) fn decode_part(r: &mut Reader<'_>) -> Result<Part, DecodeError> {
    let part = Part {
        pack: PackId(r.fixed()?),
        total: r.u32()?,
        offset: r.u32()?,
        bytes: r.bytes()?.to_vec(),
    };
    if part.total as usize > limits::MAX_PACK {
        return Err(DecodeError::TooLarge("pack"));
    }
    check_slice(part.offset, &part.bytes)?;
    if part.offset as usize + part.bytes.len() > part.total as usize {
        return Err(DecodeError::Unexpected("slice beyond its pack"));
    }
    Ok(part)
}

fn check_slice(offset: u32, bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.len() > limits::SLICE {
        return Err(DecodeError::TooLarge("slice"));
    }
    if !(offset as usize).is_multiple_of(limits::SLICE) {
        return Err(DecodeError::Unexpected("offset of a slice"));
    }
    Ok(())
}

pub(super) fn decode_list<T>(
    r: &mut Reader<'_>,
    most: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let len = r.array()?;
    if len > most {
        return Err(DecodeError::TooLarge("list"));
    }
    (0..len).map(|_| read(r)).collect()
}

pub(super) fn decode_code(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let code = r.text()?;
    if code.len() > MAX_CODE {
        return Err(DecodeError::TooLarge("code"));
    }
    Ok(code.to_owned())
}

impl Frame {
    /// Reads a message; elements after those known are skipped.
    ///
    /// # Errors
    /// Bytes that are not a frame, or a limit exceeded.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > limits::MAX_FRAME {
            return Err(DecodeError::TooLarge("frame"));
        }
        let mut r = Reader::new(bytes);
        let len = r.array()?;
        let kind = r.uint()?;
        let (least, frame) = decode_kind(kind, len, &mut r)?;
        if len < least {
            return Err(DecodeError::Unexpected("length of a frame"));
        }
        let skip = if matches!(frame, Self::Unknown(_)) {
            len - 1
        } else {
            len - least
        };
        for _ in 0..skip {
            r.skip()?;
        }
        r.finish()?;
        Ok(frame)
    }
}

/// A frame of `len` elements after its type, with the number of those that it
/// knows.
fn decode_kind(kind: u64, len: usize, r: &mut Reader<'_>) -> Result<(usize, Frame), DecodeError> {
    Ok(match kind {
        0 => (
            4,
            Frame::Hello {
                nonce: r.fixed()?,
                min_version: r.u16()?,
                max_version: r.u16()?,
            },
        ),
        1 => (9, Frame::Flight(decode_flight(r)?)),
        2 => (
            7,
            Frame::Offer {
                stream: r.u32()?,
                content: Content::of_code(r.uint()?)?,
                part: decode_part(r)?,
            },
        ),
        3 => {
            let (stream, offset, bytes) = (r.u32()?, r.u32()?, r.bytes()?.to_vec());
            check_slice(offset, &bytes)?;
            (
                4,
                Frame::Slice {
                    stream,
                    offset,
                    bytes,
                },
            )
        }
        4 => (
            3,
            Frame::Stored {
                stream: r.u32()?,
                offset: r.u32()?,
            },
        ),
        5 => (
            4,
            Frame::Results {
                pack: r.fixed()?,
                items: decode_results(r)?,
            },
        ),
        6 => (5, Frame::Receipt(decode_root(r)?)),
        7 => (
            2,
            Frame::Cursors(decode_list(r, MAX_CURSORS, |r| {
                Ok(match r.array()? {
                    2 => (CursorRef::Known(r.u32()?), r.uint()?),
                    3 => {
                        let (space, lane) = decode_target(r)?;
                        (CursorRef::New(space, lane), r.uint()?)
                    }
                    _ => return Err(DecodeError::Unexpected("cursor")),
                })
            })?),
        ),
        8 => (1, Frame::NeedCursors),
        9 => (2, Frame::CursorList(decode_cursors(r)?)),
        10 => (
            2,
            Frame::Removed(decode_list(r, MAX_CURSORS, |r| {
                r.array_of(2)?;
                decode_target(r)
            })?),
        ),
        11 => {
            let (space, lane) = decode_target(r)?;
            let frame = Frame::Live {
                space,
                lane,
                from: r.uint()?,
                to: r.uint()?,
                pack: r.bytes()?.to_vec(),
                root: decode_root(r)?,
            };
            (10, frame)
        }
        12 => (
            2,
            Frame::KeysWanted(decode_list(r, MAX_CURSORS, |r| r.fixed().map(AccountId))?),
        ),
        13 => {
            let (blob, chunks) = (BlobId(r.fixed()?), decode_chunks(r)?);
            // Left out where nothing is held.
            let held = if len > 3 { r.u32()? } else { 0 };
            check_slice(held, &[])?;
            (
                if len > 3 { 4 } else { 3 },
                Frame::BlobWanted { blob, chunks, held },
            )
        }
        14 => {
            let frame = Frame::Ephemeral {
                space: SpaceId(r.fixed()?),
                lane: Lane::decode(r)?,
                bytes: r.bytes()?.to_vec(),
            };
            match &frame {
                Frame::Ephemeral { bytes, .. } if bytes.len() > MAX_EPHEMERAL => {
                    return Err(DecodeError::TooLarge("presence"));
                }
                _ => (4, frame),
            }
        }
        15 => (
            3,
            Frame::Error {
                code: decode_code(r)?,
                retry_after_ms: r.option(Reader::uint)?,
            },
        ),
        16 => (1, Frame::Goodbye),
        17 => (2, Frame::ResendExplicit(PackId(r.fixed()?))),
        18 => (1, Frame::Done),
        19 => (2, Frame::Acknowledge(r.fixed()?)),
        20 => (
            3,
            Frame::BlobAbsent {
                blob: BlobId(r.fixed()?),
                chunks: decode_chunks(r)?,
            },
        ),
        other => (1, Frame::Unknown(other)),
    })
}

fn decode_chunks(r: &mut Reader<'_>) -> Result<Vec<u32>, DecodeError> {
    let chunks = decode_list(r, limits::MAX_CHUNKS, |r| r.u32())?;
    if chunks
        .last()
        .is_some_and(|last| *last as usize >= limits::MAX_CHUNKS)
    {
        return Err(DecodeError::TooLarge("index of a chunk"));
    }
    if chunks.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(DecodeError::NotCanonical);
    }
    Ok(chunks)
}
