//! Packs from the relay, kept slice by slice.
use stunity_proto::PackId;
use stunity_proto::frame::Part;

use super::{Effect, Event, Session};
use crate::{Replica, SyncError};

#[derive(Debug)]
pub(super) struct Incoming {
    pub pack: PackId,
    pub total: u32,
    pub held: u32,
    /// The bytes, if the pack came in one slice and needs no keeping.
    pub whole: Option<Vec<u8>>,
}

impl Session {
    pub(super) fn begin(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        part: Part,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.check_stream(stream)?;
        let mut incoming = Incoming {
            pack: part.pack,
            total: part.total,
            held: 0,
            whole: None,
        };
        if part.offset == 0 && part.bytes.len() == part.total as usize {
            incoming.held = part.total;
            incoming.whole = Some(part.bytes);
            self.flush.packs.push(incoming);
            return Ok(());
        }
        incoming.held = replica
            .partials()?
            .iter()
            .find(|partial| partial.pack == part.pack)
            .map_or(0, |partial| partial.held);
        if part.offset > incoming.held {
            return Err(SyncError::Protocol("offer beyond what is held"));
        }
        self.incoming.insert(stream, incoming);
        self.slice(replica, stream, part.offset, &part.bytes, effects)
    }

    pub(super) fn slice(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        offset: u32,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        if self.whole.contains(&stream) {
            return Ok(());
        }
        let incoming = self
            .incoming
            .get_mut(&stream)
            .ok_or(SyncError::Protocol("slice of no stream"))?;
        let end = offset + bytes.len() as u32;
        if offset > incoming.held || end > incoming.total {
            return Err(SyncError::Protocol("offset of a slice"));
        }
        // A slice that is held already crosses the link again after a resume
        // from an earlier offset; it changes nothing.
        if end > incoming.held {
            if offset != incoming.held {
                return Err(SyncError::Protocol("offset of a slice"));
            }
            replica.save_slice(incoming.pack, incoming.total, offset, bytes)?;
            incoming.held = end;
        }
        effects.push(Effect::Event(Event::Receiving {
            pack: incoming.pack,
            held: incoming.held,
            total: incoming.total,
        }));
        if incoming.held == incoming.total
            && let Some(incoming) = self.incoming.remove(&stream)
        {
            self.whole.insert(stream);
            self.flush.packs.push(incoming);
        }
        Ok(())
    }
}
