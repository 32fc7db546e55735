//! The frames of a session, one a WebSocket message
//! (docs/protocol/06-session.md). A frame is a CBOR array that begins with its
//! type; a receiver skips further elements.
use crate::cbor::{Reader, Writer};
use crate::ids::hash_labelled;
use crate::{
    AccountId, DecodeError, DeviceId, Hash, Lane, NodeId, PackId, SchoolId, Signature, SpaceId,
    labels, limits,
};

/// The version of the session that this build speaks.
pub const VERSION: u16 = 1;

/// Flags of flight one.
pub mod flags {
    /// The device stays connected and wants live batches.
    pub const LIVE: u64 = 1;
    /// The device only uploads: it is too old to read what is new.
    pub const UPLOAD_ONLY: u64 = 2;
    /// Packs must name nothing by what the device is thought to hold.
    pub const EXPLICIT: u64 = 4;
}

/// A part of a pack with the pack's name and length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The pack.
    pub pack: PackId,
    /// Its length, bytes.
    pub total: u32,
    /// Where the bytes stand in it.
    pub offset: u32,
    /// The bytes, at most [`limits::SLICE`].
    pub bytes: Vec<u8>,
}

/// Flight one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The session's version.
    pub version: u16,
    /// The device.
    pub device: DeviceId,
    /// Bits of what the device can do; none is defined yet.
    pub capabilities: u64,
    /// Hash of the device's cursor list.
    pub cursors: [u8; 8],
    /// Unfinished downloads and how much of each is held.
    pub partials: Vec<(PackId, u32)>,
    /// The outbox's first pack; its stream is 0.
    pub outbox: Option<Part>,
    /// See [`flags`].
    pub flags: u64,
    /// Over [`Flight::signing_input`].
    pub signature: Signature,
}

impl Flight {
    /// The bytes that the device signs: bound to school, host and nonce.
    #[must_use]
    pub fn signing_input(&self, school: SchoolId, host: &str, nonce: &[u8; 32]) -> Vec<u8> {
        let flight = hash_labelled(labels::FLIGHT, &[&self.encode(&[])]);
        let mut out = labels::AUTH.as_bytes().to_vec();
        out.extend_from_slice(&school.0);
        out.extend_from_slice(&(host.len() as u16).to_be_bytes());
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(nonce);
        out.extend_from_slice(&self.device.0);
        out.extend_from_slice(&flight.0);
        out
    }

    fn encode(&self, signature: &[u8]) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(9)
            .uint(1)
            .uint(u64::from(self.version))
            .bytes(&self.device.0)
            .uint(self.capabilities)
            .bytes(&self.cursors)
            .array(self.partials.len());
        for (pack, held) in &self.partials {
            w.array(2).bytes(&pack.0).uint(u64::from(*held));
        }
        w.option(self.outbox.as_ref(), |w, part| {
            w.array(4);
            encode_part(w, part);
        })
        .uint(self.flags)
        .bytes(signature);
        w.into_bytes()
    }
}

fn encode_part(w: &mut Writer, part: &Part) {
    w.bytes(&part.pack.0)
        .uint(u64::from(part.total))
        .uint(u64::from(part.offset))
        .bytes(&part.bytes);
}

/// What an offered stream of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A pack of entries.
    Entries,
    /// A pack of snapshots.
    Snapshots,
    /// A chunk of a blob.
    Chunk,
}

impl Content {
    fn code(self) -> u64 {
        match self {
            Self::Entries => 0,
            Self::Snapshots => 1,
            Self::Chunk => 2,
        }
    }

    fn of_code(code: u64) -> Result<Self, DecodeError> {
        Ok(match code {
            0 => Self::Entries,
            1 => Self::Snapshots,
            2 => Self::Chunk,
            _ => return Err(DecodeError::Unknown("content of an offer")),
        })
    }
}

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

/// Which cursor moves: by its index in the receiver's list, or one not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorRef {
    /// Index in the list before this flush.
    Known(u32),
    /// A target that was not in the list.
    New(SpaceId, Option<Lane>),
}

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

/// A relay's signature over what a flush says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRoot {
    /// The node.
    pub node: NodeId,
    /// The relay's epoch, of every position in the flush.
    pub epoch: u64,
    /// The relay's time, milliseconds since 1970.
    pub relay_ms: u64,
    /// Over the Merkle root.
    pub signature: Signature,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// 0, relay: the nonce and the versions spoken.
    Hello {
        /// Random, of this session.
        nonce: [u8; 32],
        /// Least version that may download.
        min_version: u16,
        /// Newest version spoken.
        max_version: u16,
    },
    /// 1, client.
    Flight(Flight),
    /// 2: begins or resumes a stream.
    Offer {
        /// Chosen by the sender, unused before in the session.
        stream: u32,
        /// What it is.
        content: Content,
        /// The first part.
        part: Part,
    },
    /// 3: continues a stream.
    Slice {
        /// The stream.
        stream: u32,
        /// Where the bytes stand.
        offset: u32,
        /// At most [`limits::SLICE`].
        bytes: Vec<u8>,
    },
    /// 4: the receiver holds a stream up to the offset.
    Stored {
        /// The stream.
        stream: u32,
        /// Bytes held from the start.
        offset: u32,
    },
    /// 5, relay: what became of a pack's entries, in order.
    Results {
        /// The first 8 bytes of the pack's name.
        pack: [u8; 8],
        /// One an entry.
        items: Vec<ResultItem>,
    },
    /// 6, relay: ends a flush.
    Receipt(SignedRoot),
    /// 7, relay: cursors after this flush.
    Cursors(Vec<(CursorRef, u64)>),
    /// 8, relay: the cursor list's hash is unknown.
    NeedCursors,
    /// 9, client: the cursor list.
    CursorList(Vec<FullCursor>),
    /// 10, relay: targets that the account reads no longer.
    Removed(Vec<(SpaceId, Option<Lane>)>),
    /// 11, relay: a live batch; a flush of its own, the same for all readers of
    /// one target.
    Live {
        /// The space.
        space: SpaceId,
        /// The lane; none for readers of the whole space.
        lane: Option<Lane>,
        /// The cursor before the batch.
        from: u64,
        /// The cursor after it.
        to: u64,
        /// The pack.
        pack: Vec<u8>,
        /// The receipt.
        root: SignedRoot,
    },
    /// 12, client: account logs wanted.
    KeysWanted(Vec<AccountId>),
    /// 14: presence or typing, never stored.
    Ephemeral {
        /// The space.
        space: SpaceId,
        /// The lane.
        lane: Lane,
        /// At most 256 bytes.
        bytes: Vec<u8>,
    },
    /// 15: the session ends.
    Error {
        /// A stable code.
        code: String,
        /// When to come back, milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// 16: the sender leaves.
    Goodbye,
    /// 17: a pack could not be restored; send its entries in explicit form.
    ResendExplicit(PackId),
    /// 18, relay: flight two is complete.
    Done,
    /// 19, client: the hash of its cursor list now.
    Acknowledge([u8; 8]),
    /// A type that this build does not know.
    Unknown(u64),
}

/// Longest code in a frame, bytes.
const MAX_CODE: usize = 64;
/// Longest presence message, bytes.
const MAX_EPHEMERAL: usize = 256;
/// Most cursors in a frame: more lanes than any teacher reads.
const MAX_CURSORS: usize = 16 * 1024;
/// Longest tombstone with its signature.
const MAX_TOMBSTONE: usize = 512;

fn encode_target(w: &mut Writer, space: SpaceId, lane: Option<Lane>) {
    w.bytes(&space.0);
    w.option(lane, |w, lane| lane.encode(w));
}

fn decode_target(r: &mut Reader<'_>) -> Result<(SpaceId, Option<Lane>), DecodeError> {
    Ok((SpaceId(r.fixed()?), r.option(Lane::decode)?))
}

fn encode_root(w: &mut Writer, root: &SignedRoot) {
    w.bytes(&root.node.0)
        .uint(root.epoch)
        .uint(root.relay_ms)
        .bytes(&root.signature.0);
}

fn decode_root(r: &mut Reader<'_>) -> Result<SignedRoot, DecodeError> {
    Ok(SignedRoot {
        node: NodeId(r.fixed()?),
        epoch: r.uint()?,
        relay_ms: r.uint()?,
        signature: Signature(r.fixed()?),
    })
}

fn decode_part(r: &mut Reader<'_>) -> Result<Part, DecodeError> {
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

fn decode_list<T>(
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

fn decode_code(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let code = r.text()?;
    if code.len() > MAX_CODE {
        return Err(DecodeError::TooLarge("code"));
    }
    Ok(code.to_owned())
}

/// Results as differences: accepted at the frame's base time is one integer.
fn encode_results(w: &mut Writer, items: &[ResultItem]) {
    let base = items
        .iter()
        .find_map(|item| match item {
            ResultItem::Accepted { received_ms, .. } => Some(*received_ms),
            _ => None,
        })
        .unwrap_or_default();
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
            } => w.array(2).uint(*sequence).uint(*received_ms),
            ResultItem::Pending {
                sequence,
                received_ms,
                code,
            } => w.array(3).uint(*sequence).uint(*received_ms).text(code),
            ResultItem::Refused { code, tombstone } => w.array(2).text(code).bytes(tombstone),
        };
    }
}

fn decode_results(r: &mut Reader<'_>) -> Result<Vec<ResultItem>, DecodeError> {
    let base = r.uint()?;
    decode_list(r, limits::MAX_PACK_ENTRIES, |r| {
        if !r.next_is_array() {
            return Ok(ResultItem::Accepted {
                sequence: r.uint()?,
                received_ms: base,
            });
        }
        let len = r.array()?;
        if r.next_is_text() {
            let item = ResultItem::Refused {
                code: decode_code(r)?,
                tombstone: r.bytes()?.to_vec(),
            };
            return match &item {
                ResultItem::Refused { tombstone, .. } if tombstone.len() > MAX_TOMBSTONE => {
                    Err(DecodeError::TooLarge("tombstone"))
                }
                _ if len == 2 => Ok(item),
                _ => Err(DecodeError::Unexpected("result")),
            };
        }
        let (sequence, received_ms) = (r.uint()?, r.uint()?);
        match len {
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
    })
}

impl Frame {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Hello {
                nonce,
                min_version,
                max_version,
            } => {
                w.array(4)
                    .uint(0)
                    .bytes(nonce)
                    .uint(u64::from(*min_version))
                    .uint(u64::from(*max_version));
            }
            Self::Flight(flight) => return flight.encode(&flight.signature.0),
            Self::Offer {
                stream,
                content,
                part,
            } => {
                w.array(7)
                    .uint(2)
                    .uint(u64::from(*stream))
                    .uint(content.code());
                encode_part(&mut w, part);
            }
            Self::Slice {
                stream,
                offset,
                bytes,
            } => {
                w.array(4)
                    .uint(3)
                    .uint(u64::from(*stream))
                    .uint(u64::from(*offset))
                    .bytes(bytes);
            }
            Self::Stored { stream, offset } => {
                w.array(3)
                    .uint(4)
                    .uint(u64::from(*stream))
                    .uint(u64::from(*offset));
            }
            Self::Results { pack, items } => {
                w.array(4).uint(5).bytes(pack);
                encode_results(&mut w, items);
            }
            Self::Receipt(root) => {
                w.array(5).uint(6);
                encode_root(&mut w, root);
            }
            Self::Cursors(moved) => {
                w.array(2).uint(7).array(moved.len());
                for (cursor, sequence) in moved {
                    match cursor {
                        CursorRef::Known(index) => w.array(2).uint(u64::from(*index)),
                        CursorRef::New(space, lane) => {
                            w.array(3);
                            encode_target(&mut w, *space, *lane);
                            &mut w
                        }
                    }
                    .uint(*sequence);
                }
            }
            Self::NeedCursors => {
                w.array(1).uint(8);
            }
            Self::CursorList(list) => {
                w.array(2).uint(9).array(list.len());
                for cursor in list {
                    w.array(5);
                    encode_target(&mut w, cursor.space, cursor.lane);
                    w.uint(cursor.epoch)
                        .uint(cursor.sequence)
                        .bytes(&cursor.hash);
                }
            }
            Self::Removed(targets) => {
                w.array(2).uint(10).array(targets.len());
                for (space, lane) in targets {
                    w.array(2);
                    encode_target(&mut w, *space, *lane);
                }
            }
            Self::Live {
                space,
                lane,
                from,
                to,
                pack,
                root,
            } => {
                w.array(10).uint(11);
                encode_target(&mut w, *space, *lane);
                w.uint(*from).uint(*to).bytes(pack);
                encode_root(&mut w, root);
            }
            Self::KeysWanted(accounts) => {
                w.array(2).uint(12).array(accounts.len());
                for account in accounts {
                    w.bytes(&account.0);
                }
            }
            Self::Ephemeral { space, lane, bytes } => {
                w.array(4).uint(14).bytes(&space.0);
                lane.encode(&mut w);
                w.bytes(bytes);
            }
            Self::Error {
                code,
                retry_after_ms,
            } => {
                w.array(3).uint(15).text(code);
                w.option(*retry_after_ms, |w, ms| {
                    w.uint(ms);
                });
            }
            Self::Goodbye => {
                w.array(1).uint(16);
            }
            Self::ResendExplicit(pack) => {
                w.array(2).uint(17).bytes(&pack.0);
            }
            Self::Done => {
                w.array(1).uint(18);
            }
            Self::Acknowledge(hash) => {
                w.array(2).uint(19).bytes(hash);
            }
            Self::Unknown(kind) => {
                w.array(1).uint(*kind);
            }
        }
        w.into_bytes()
    }

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
        let (least, frame) = decode_kind(kind, &mut r)?;
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

/// A frame after its type, with the number of elements that it has.
fn decode_kind(kind: u64, r: &mut Reader<'_>) -> Result<(usize, Frame), DecodeError> {
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
        9 => (
            2,
            Frame::CursorList(decode_list(r, MAX_CURSORS, |r| {
                r.array_of(5)?;
                let (space, lane) = decode_target(r)?;
                Ok(FullCursor {
                    space,
                    lane,
                    epoch: r.uint()?,
                    sequence: r.uint()?,
                    hash: r.fixed()?,
                })
            })?),
        ),
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
        other => (1, Frame::Unknown(other)),
    })
}

fn decode_flight(r: &mut Reader<'_>) -> Result<Flight, DecodeError> {
    Ok(Flight {
        version: r.u16()?,
        device: DeviceId(r.fixed()?),
        capabilities: r.uint()?,
        cursors: r.fixed()?,
        partials: decode_list(r, limits::MAX_PARTIALS, |r| {
            r.array_of(2)?;
            Ok((PackId(r.fixed()?), r.u32()?))
        })?,
        outbox: r.option(|r| {
            r.array_of(4)?;
            decode_part(r)
        })?,
        flags: r.uint()?,
        signature: Signature(r.fixed()?),
    })
}

/// The name of a pack.
#[must_use]
pub fn pack_id(bytes: &[u8]) -> PackId {
    let Hash(hash) = hash_labelled(labels::PACK, &[bytes]);
    PackId(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight() -> Flight {
        Flight {
            version: VERSION,
            device: DeviceId([3; 16]),
            capabilities: 0,
            cursors: [4; 8],
            partials: vec![(PackId([5; 32]), 2048)],
            outbox: Some(Part {
                pack: PackId([6; 32]),
                total: 1500,
                offset: 1024,
                bytes: vec![7; 476],
            }),
            flags: flags::LIVE,
            signature: Signature([8; 64]),
        }
    }

    #[test]
    fn frames_read_back_and_later_elements_are_skipped() {
        let frame = Frame::Flight(flight());
        let bytes = frame.encode();
        assert_eq!(Frame::decode(&bytes), Ok(frame.clone()));
        let mut longer = bytes;
        longer[0] += 1;
        longer.push(0x81);
        longer.push(0x05);
        assert_eq!(Frame::decode(&longer), Ok(frame));
    }

    #[test]
    fn an_unknown_frame_is_named_not_refused() {
        assert_eq!(
            Frame::decode(&[0x82, 0x18, 200, 0x41, 9]),
            Ok(Frame::Unknown(200))
        );
    }

    #[test]
    fn a_flight_is_bound_to_school_host_and_nonce() {
        let flight = flight();
        let input =
            |school, host, nonce| flight.signing_input(SchoolId([school; 16]), host, &[nonce; 32]);
        let one = input(1, "a.example", 1);
        assert_ne!(one, input(2, "a.example", 1));
        assert_ne!(one, input(1, "b.example", 1));
        assert_ne!(one, input(1, "a.example", 2));
        let mut other = flight.clone();
        other.signature = Signature([0; 64]);
        assert_eq!(
            one,
            other.signing_input(SchoolId([1; 16]), "a.example", &[1; 32])
        );
    }

    #[test]
    fn ten_accepted_entries_take_about_forty_bytes() {
        let frame = Frame::Results {
            pack: [1; 8],
            items: (0..10)
                .map(|i| ResultItem::Accepted {
                    sequence: 60 + i,
                    received_ms: 1_700_000_000_000,
                })
                .collect(),
        };
        let bytes = frame.encode();
        assert!(bytes.len() <= 41, "{} bytes", bytes.len());
        assert_eq!(Frame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn a_refusal_beside_accepted_entries_reads_back() {
        let frame = Frame::Results {
            pack: [1; 8],
            items: vec![
                ResultItem::Refused {
                    code: "role.missing".into(),
                    tombstone: vec![1; 200],
                },
                ResultItem::Accepted {
                    sequence: 1,
                    received_ms: 5,
                },
                ResultItem::Accepted {
                    sequence: 2,
                    received_ms: 6,
                },
                ResultItem::Pending {
                    sequence: 3,
                    received_ms: 6,
                    code: "device.revoked".into(),
                },
            ],
        };
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
}
