//! Chunks of files in a relay's session (docs/protocol/09-blobs.md). What a device
//! brings is kept slice by slice; what it asks for is sent when no entries wait.
use std::collections::VecDeque;

use stunity_proto::{
    AccountId, BlobId, DeviceId, Hash, PackId,
    frame::{Content, Frame, Part},
    limits,
};

use crate::relay::Effect;
use crate::{RelayStore, SyncError};

/// Bytes after which what came is given to the store and the device hears of it: its
/// window stays open, at 16 bytes for 16 KiB.
const ACKNOWLEDGE: usize = 16 * 1024;
/// Chunks that a device may have asked for.
const MAX_WANTED: usize = 64;
/// Slices sent before the session listens again.
const SLICES: usize = 16;

#[derive(Debug)]
struct Incoming {
    stream: u32,
    chunk: Hash,
    total: u32,
    /// Bytes from its start that are here, those that wait below among them.
    held: u32,
    /// Not given to the store yet.
    waiting: Vec<u8>,
}

impl Incoming {
    async fn keep<S: RelayStore>(&mut self, store: &S, device: DeviceId) -> Result<(), SyncError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.waiting);
        let offset = self.held - bytes.len() as u32;
        store
            .save_chunk_slice(device, self.chunk, offset, bytes)
            .await
    }
}

#[derive(Debug)]
struct Outgoing {
    stream: u32,
    /// Until it was offered.
    name: Option<PackId>,
    bytes: Vec<u8>,
    sent: usize,
}

/// What a session has under way.
#[derive(Debug, Default)]
pub(crate) struct Files {
    incoming: Vec<Incoming>,
    wanted: VecDeque<(BlobId, u32, u32)>,
    outgoing: Option<Outgoing>,
}

impl Files {
    /// Whether chunks wait to be sent.
    pub fn wants_pump(&self) -> bool {
        self.outgoing.is_some() || !self.wanted.is_empty()
    }

    /// Whether a stream is a chunk coming up.
    pub fn receives(&self, stream: u32) -> bool {
        self.incoming
            .iter()
            .any(|incoming| incoming.stream == stream)
    }

    /// A device offers a chunk.
    pub async fn offer<S: RelayStore>(
        &mut self,
        store: &S,
        (device, account): (DeviceId, AccountId),
        stream: u32,
        part: Part,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        if part.total as usize > limits::CHUNK || part.total == 0 {
            return Err(SyncError::Protocol("length of a chunk"));
        }
        if self.incoming.len() >= limits::MAX_OPEN_UPLOADS {
            return Err(SyncError::Protocol("too many open uploads"));
        }
        let chunk = Hash(part.pack.0);
        let held = store.chunk_held(device, chunk, part.total).await?;
        self.incoming.push(Incoming {
            stream,
            chunk,
            total: part.total,
            held,
            waiting: Vec::new(),
        });
        // An empty part asks how much is here.
        let asks = part.bytes.is_empty() || part.offset > held;
        if asks || held == part.total {
            effects.push(stored(stream, held));
        }
        if held == part.total {
            self.incoming.retain(|incoming| incoming.stream != stream);
            return Ok(());
        }
        if part.offset > held {
            return Ok(());
        }
        self.slice(
            store,
            (device, account),
            stream,
            part.offset,
            &part.bytes,
            effects,
        )
        .await
    }

    /// The next bytes of a chunk that comes up.
    pub async fn slice<S: RelayStore>(
        &mut self,
        store: &S,
        (device, account): (DeviceId, AccountId),
        stream: u32,
        offset: u32,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let incoming = self
            .incoming
            .iter_mut()
            .find(|incoming| incoming.stream == stream)
            .ok_or(SyncError::Protocol("slice of no stream"))?;
        let end = offset + bytes.len() as u32;
        if end > incoming.total {
            return Err(SyncError::Protocol("slice beyond its chunk"));
        }
        // What is held may cross again; what lies beyond a gap was sent before the
        // device heard where to continue.
        if offset <= incoming.held && end > incoming.held {
            let new = &bytes[(incoming.held - offset) as usize..];
            incoming.waiting.extend_from_slice(new);
            incoming.held = end;
        }
        let (chunk, held) = (incoming.chunk, incoming.held);
        let is_whole = held == incoming.total;
        if is_whole || incoming.waiting.len() >= ACKNOWLEDGE {
            incoming.keep(store, device).await?;
            if is_whole {
                self.incoming.retain(|incoming| incoming.stream != stream);
                store.finish_chunk(device, account, chunk).await?;
            }
            effects.push(stored(stream, held));
        }
        Ok(())
    }

    /// The connection ends: what came since the last acknowledgement is kept.
    pub async fn close<S: RelayStore>(
        &mut self,
        store: &S,
        device: DeviceId,
    ) -> Result<(), SyncError> {
        for incoming in &mut self.incoming {
            incoming.keep(store, device).await?;
        }
        Ok(())
    }

    /// A device asks for chunks of a blob.
    pub fn want(&mut self, blob: BlobId, chunks: &[u32], held: u32) -> Result<(), SyncError> {
        if self.wanted.len() + chunks.len() > MAX_WANTED {
            return Err(SyncError::Protocol("too many chunks wanted"));
        }
        let held = std::iter::once(held).chain(std::iter::repeat(0));
        self.wanted.extend(
            chunks
                .iter()
                .zip(held)
                .map(|(index, held)| (blob, *index, held)),
        );
        Ok(())
    }

    /// Sends a few slices of what was asked for. `stream` gives streams.
    pub async fn pump<S: RelayStore>(
        &mut self,
        store: &S,
        account: AccountId,
        stream: &mut u32,
    ) -> Result<Vec<Effect>, SyncError> {
        let mut effects = Vec::new();
        if self.outgoing.is_none()
            && let Some((blob, index, held)) = self.wanted.pop_front()
        {
            match store.blob_chunk(account, blob, index).await? {
                Some((chunk, bytes)) => {
                    // At least the last slice crosses.
                    let held = (held as usize).min(bytes.len().saturating_sub(1));
                    self.outgoing = Some(Outgoing {
                        stream: *stream,
                        name: Some(PackId(chunk.0)),
                        sent: held - held % limits::SLICE,
                        bytes,
                    });
                    *stream += 2;
                }
                None => effects.push(Effect::Send(
                    Frame::BlobAbsent {
                        blob,
                        chunks: vec![index],
                    }
                    .encode(),
                )),
            }
        }
        if let Some(outgoing) = &mut self.outgoing {
            for _ in 0..SLICES {
                if outgoing.sent == outgoing.bytes.len() {
                    break;
                }
                effects.push(outgoing.next_slice());
            }
            if outgoing.sent == outgoing.bytes.len() {
                self.outgoing = None;
            }
        }
        Ok(effects)
    }
}

impl Outgoing {
    fn next_slice(&mut self) -> Effect {
        let start = self.sent;
        let end = (start + limits::SLICE).min(self.bytes.len());
        self.sent = end;
        let bytes = self.bytes[start..end].to_vec();
        let frame = match self.name.take() {
            Some(pack) => Frame::Offer {
                stream: self.stream,
                content: Content::Chunk,
                part: Part {
                    pack,
                    total: self.bytes.len() as u32,
                    offset: start as u32,
                    bytes,
                },
            },
            None => Frame::Slice {
                stream: self.stream,
                offset: start as u32,
                bytes,
            },
        };
        Effect::Send(frame.encode())
    }
}

fn stored(stream: u32, offset: u32) -> Effect {
    Effect::Send(Frame::Stored { stream, offset }.encode())
}
