//! Where the bytes of an exchange went.
use std::collections::BTreeMap;

use stunity_proto::frame::{Content, Frame, Part};
use stunity_proto::pack::inspect;

use super::class::Fallible;
use super::exchange::Exchange;

/// Bytes of both directions, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Operations of entries, compressed.
    pub changes: usize,
    /// What restores headers and places: the rest of the packs.
    pub headers: usize,
    /// Signatures and salts of entries; ids and hashes that are new, which compress as
    /// little.
    pub signatures: usize,
    /// What moves and names cursors.
    pub cursors: usize,
    /// Results, receipts.
    pub receipt: usize,
    /// Who speaks: hello, and flight one without its pack.
    pub opening: usize,
    /// Heads of frames and messages, the names of packs among them.
    pub framing: usize,
}

/// One piece, by `zstd -19`.
///
/// # Errors
/// Memory that is not there.
pub fn in_one_piece(bytes: &[u8]) -> Fallible<usize> {
    Ok(zstd::bulk::compress(bytes, 19)?.len())
}

impl Account {
    /// Takes an exchange apart.
    ///
    /// # Errors
    /// An exchange that is none.
    pub fn of(exchange: &Exchange) -> Fallible<Self> {
        let mut account = Self::default();
        let (up, down) = exchange.frames()?;
        let messages = exchange.up.iter().zip(&up);
        for (bytes, frame) in messages.chain(exchange.down.iter().zip(&down)) {
            match frame {
                Frame::Results { .. } | Frame::Receipt(_) => account.receipt += bytes.len(),
                Frame::Cursors(_)
                | Frame::Removed(_)
                | Frame::NeedCursors
                | Frame::CursorList(_)
                | Frame::Acknowledge(_) => account.cursors += bytes.len(),
                Frame::Hello { .. } => account.opening += bytes.len(),
                Frame::Flight(flight) => {
                    let mut empty = flight.clone();
                    empty.outbox = None;
                    account.opening += Frame::Flight(empty).encode().len();
                }
                _ => {}
            }
        }
        for pack in packs(&up).into_iter().chain(packs(&down)) {
            let anatomy = inspect(&pack)?;
            let signed = anatomy.raw.len();
            let operations = anatomy.operations();
            let all: usize = anatomy.streams.iter().map(Vec::len).sum();
            // Compressed together: each has its share of what came of it.
            let changes = if anatomy.compressed < all {
                in_one_piece(&operations)?.min(anatomy.compressed)
            } else {
                operations.len()
            };
            account.changes += changes;
            account.signatures += signed;
            account.headers += pack.len() - changes - signed;
        }
        account.framing = exchange.bytes() - account.sum();
        Ok(account)
    }

    fn sum(&self) -> usize {
        self.changes
            + self.headers
            + self.signatures
            + self.cursors
            + self.receipt
            + self.opening
            + self.framing
    }
}

/// The packs that frames carry, put together.
fn packs(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut streams: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut begin = |stream, part: &Part| {
        streams.insert(stream, part.bytes.clone());
    };
    for frame in frames {
        match frame {
            Frame::Flight(flight) => {
                if let Some(part) = &flight.outbox {
                    begin(0, part);
                }
            }
            Frame::Offer {
                stream,
                content: Content::Entries,
                part,
            } => begin(*stream, part),
            _ => {}
        }
    }
    for frame in frames {
        if let Frame::Slice { stream, bytes, .. } = frame
            && let Some(pack) = streams.get_mut(stream)
        {
            pack.extend_from_slice(bytes);
        }
    }
    streams.into_values().collect()
}
