//! Writing frames.
use super::cursors::{encode_cursors, encode_target};
use super::results::encode_results;
use super::{CursorRef, Frame, Part, SignedRoot};
use crate::cbor::Writer;

pub(super) fn encode_part(w: &mut Writer, part: &Part) {
    w.bytes(&part.pack.0)
        .uint(u64::from(part.total))
        .uint(u64::from(part.offset))
        .bytes(&part.bytes);
}

fn encode_root(w: &mut Writer, root: &SignedRoot) {
    w.bytes(&root.node.0)
        .uint(root.epoch)
        .uint(root.relay_ms)
        .bytes(&root.signature.0);
}

fn encode_chunks(w: &mut Writer, chunks: &[u32]) {
    w.array(chunks.len());
    for chunk in chunks {
        w.uint(u64::from(*chunk));
    }
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
                w.array(2).uint(9).raw(&encode_cursors(list));
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
            Self::BlobWanted { blob, chunks, held } => {
                // Nothing held is not said.
                let more = usize::from(*held > 0);
                w.array(3 + more).uint(13).bytes(&blob.0);
                encode_chunks(&mut w, chunks);
                if more > 0 {
                    w.uint(u64::from(*held));
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
            Self::BlobAbsent { blob, chunks } => {
                w.array(3).uint(20).bytes(&blob.0);
                encode_chunks(&mut w, chunks);
            }
            Self::Unknown(kind) => {
                w.array(1).uint(*kind);
            }
        }
        w.into_bytes()
    }
}
