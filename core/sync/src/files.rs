//! Chunks of files in a client's session (docs/protocol/09-blobs.md): after text,
//! a few at a time, so that what is written meanwhile overtakes them.
use std::collections::{BTreeMap, BTreeSet};

use stunity_proto::{
    BlobId, Hash, PackId,
    frame::{Content, Frame, Part},
    limits,
};

use crate::client::{Effect, Event};
use crate::replica::{ChunkUpload, WantedChunk};
use crate::{Replica, SyncError};

/// Bytes of chunks sent and not yet stored: text waits behind no more, and a
/// round trip of 700 ms at 3G speed is filled.
const WINDOW: u32 = 64 * 1024;
/// Chunks going up at once: the next begins while the last acknowledgement of
/// one is on its way.
const OPEN_UP: usize = 2;
/// Chunks asked for at once.
const OPEN_DOWN: usize = 4;

#[derive(Debug)]
struct Up {
    chunk: ChunkUpload,
    sent: u32,
    stored: u32,
    /// Waiting for the relay to say how much of it is there.
    waiting: bool,
}

/// What a session has under way.
#[derive(Debug, Default)]
pub(crate) struct Files {
    up: BTreeMap<u32, Up>,
    asked: BTreeMap<Hash, WantedChunk>,
    down: BTreeMap<u32, Hash>,
    /// Blobs of which the relay lacked a chunk: not asked for again in this
    /// session.
    absent: BTreeSet<BlobId>,
}

impl Files {
    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.up.is_empty() && self.asked.is_empty()
    }

    /// Whether a stream is a chunk going up.
    pub fn sends(&self, stream: u32) -> bool {
        self.up.contains_key(&stream)
    }

    /// Whether a stream is a chunk coming down.
    pub fn receives(&self, stream: u32) -> bool {
        self.down.contains_key(&stream)
    }

    /// Sends and asks for as much as may be under way. `stream` gives streams.
    pub fn go(
        &mut self,
        replica: &mut dyn Replica,
        stream: &mut impl FnMut() -> u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        while self.up.len() < OPEN_UP && self.in_flight() < WINDOW {
            let open: Vec<Hash> = self.up.values().map(|up| up.chunk.chunk).collect();
            let Some(chunk) = replica.next_chunk(&open)? else {
                break;
            };
            self.open(chunk, stream(), effects);
        }
        self.send(effects);
        if self.asked.len() < OPEN_DOWN {
            self.ask(replica, effects)?;
        }
        Ok(())
    }

    fn in_flight(&self) -> u32 {
        self.up.values().map(|up| up.sent - up.stored).sum()
    }

    fn open(&mut self, chunk: ChunkUpload, stream: u32, effects: &mut Vec<Effect>) {
        // What an earlier session began is asked about, not sent again.
        let first = if chunk.begun {
            0
        } else {
            chunk.bytes.len().min(limits::SLICE)
        };
        let part = Part {
            pack: PackId(chunk.chunk.0),
            total: chunk.bytes.len() as u32,
            offset: 0,
            bytes: chunk.bytes[..first].to_vec(),
        };
        effects.push(send(&Frame::Offer {
            stream,
            content: Content::Chunk,
            part,
        }));
        let up = Up {
            waiting: chunk.begun,
            chunk,
            sent: first as u32,
            stored: 0,
        };
        self.up.insert(stream, up);
    }

    fn send(&mut self, effects: &mut Vec<Effect>) {
        let mut in_flight = self.in_flight();
        for (stream, up) in &mut self.up {
            let total = up.chunk.bytes.len();
            while !up.waiting && (up.sent as usize) < total && in_flight < WINDOW {
                let start = up.sent as usize;
                let bytes = up.chunk.bytes[start..(start + limits::SLICE).min(total)].to_vec();
                up.sent += bytes.len() as u32;
                in_flight += bytes.len() as u32;
                effects.push(send(&Frame::Slice {
                    stream: *stream,
                    offset: start as u32,
                    bytes,
                }));
            }
        }
    }

    /// Asks for the next chunks, those of one blob in one frame.
    fn ask(
        &mut self,
        replica: &mut dyn Replica,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let asked: Vec<Hash> = self.asked.keys().copied().collect();
        let absent: Vec<BlobId> = self.absent.iter().copied().collect();
        let wanted = replica.wanted_chunks(&asked, &absent, OPEN_DOWN - asked.len())?;
        for group in wanted.chunk_by(|a, b| a.blob == b.blob && a.index < b.index && b.held == 0) {
            effects.push(send(&Frame::BlobWanted {
                blob: group[0].blob,
                chunks: group.iter().map(|wanted| wanted.index).collect(),
                held: group[0].held,
            }));
            for wanted in group {
                self.asked.insert(wanted.chunk, wanted.clone());
            }
        }
        Ok(())
    }

    /// The relay holds a chunk up to an offset.
    pub fn stored(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        offset: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let Some(up) = self.up.get_mut(&stream) else {
            return Ok(());
        };
        let total = up.chunk.bytes.len() as u32;
        if offset > total || (!up.waiting && offset > up.sent) {
            return Err(SyncError::Protocol("stored beyond the chunk"));
        }
        if up.waiting {
            up.waiting = false;
            up.sent = offset - offset % limits::SLICE as u32;
        }
        up.stored = offset.min(up.sent);
        effects.push(Effect::Event(Event::File {
            blob: up.chunk.blob,
            is_upload: true,
            done: up.chunk.before + u64::from(offset),
            total: up.chunk.size,
        }));
        if offset == total
            && let Some(up) = self.up.remove(&stream)
        {
            replica.chunk_stored(up.chunk.chunk)?;
        }
        Ok(())
    }

    /// A chunk that was asked for begins.
    pub fn begin(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        part: &Part,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let chunk = Hash(part.pack.0);
        let Some(wanted) = self.asked.get(&chunk) else {
            return Err(SyncError::Protocol("chunk that was not asked for"));
        };
        if wanted.len != part.total || part.offset > wanted.held {
            return Err(SyncError::Protocol("length of a chunk"));
        }
        if self.down.insert(stream, chunk).is_some() {
            return Err(SyncError::Protocol("stream of an offer"));
        }
        self.slice(replica, stream, part.offset, &part.bytes, effects)
    }

    /// The next bytes of a chunk that comes down.
    pub fn slice(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        offset: u32,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let chunk = self.down.get(&stream).copied();
        let Some((chunk, wanted)) = chunk.and_then(|c| Some((c, self.asked.get_mut(&c)?))) else {
            return Err(SyncError::Protocol("slice of no stream"));
        };
        let end = offset + bytes.len() as u32;
        if offset > wanted.held || end > wanted.len {
            return Err(SyncError::Protocol("offset of a slice"));
        }
        if end > wanted.held {
            let new = &bytes[(wanted.held - offset) as usize..];
            replica.save_chunk_slice(chunk, wanted.held, new)?;
            wanted.held = end;
        }
        effects.push(Effect::Event(Event::File {
            blob: wanted.blob,
            is_upload: false,
            done: wanted.before + u64::from(wanted.held),
            total: wanted.size,
        }));
        if wanted.held == wanted.len {
            self.down.remove(&stream);
            self.asked.remove(&chunk);
            replica.finish_chunk(chunk)?;
        }
        Ok(())
    }

    /// The relay lacks chunks, or the device may not read them: perhaps in the
    /// next session.
    pub fn absent(&mut self, blob: BlobId, chunks: &[u32]) {
        self.asked
            .retain(|_, wanted| wanted.blob != blob || !chunks.contains(&wanted.index));
        self.absent.insert(blob);
    }
}

fn send(frame: &Frame) -> Effect {
    Effect::Send(frame.encode())
}
