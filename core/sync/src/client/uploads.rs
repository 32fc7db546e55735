//! What waits here and goes to the relay.
use stunity_proto::frame::{Content, Frame, Part, ResultItem};
use stunity_proto::{PackId, limits};

use super::{Effect, Event, Now, Phase, Session, send};
use crate::replica::Upload;
use crate::{Replica, SyncError, may_come_later};

#[derive(Debug)]
pub(super) struct Outgoing {
    pub upload: Upload,
    pub sent: u32,
    /// Waiting for the relay to say from where to continue.
    pub waiting: bool,
}

impl Session {
    /// Stream 0 is flight one's; the client's further streams are even, the
    /// relay's odd.
    pub(super) fn take_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Begins to send a pack; gives its first part.
    pub(super) fn open(&mut self, stream: u32, upload: Upload) -> Part {
        let total = upload.bytes.len() as u32;
        let part = if upload.acknowledged == total {
            // A carrier has it: the relay is only asked whether it came.
            Part {
                bytes: Vec::new(),
                ..part_at(&upload, 0)
            }
        } else {
            part_at(&upload, slice_start(upload.acknowledged))
        };
        let sent = part.offset + part.bytes.len() as u32;
        // After a cut nobody knows how much arrived: ask before sending more. The
        // last slice asks too: a relay may have lost those before it.
        let waiting = upload.begun && (part.offset > 0 || sent < total);
        self.outgoing.insert(
            stream,
            Outgoing {
                upload,
                sent,
                waiting,
            },
        );
        part
    }

    /// Sends the rest of every pack that has begun and need not wait.
    pub(super) fn continue_uploads(&mut self, effects: &mut Vec<Effect>) {
        for (stream, out) in &mut self.outgoing {
            let total = out.upload.bytes.len() as u32;
            while !out.waiting && out.sent < total {
                let part = part_at(&out.upload, out.sent);
                out.sent += part.bytes.len() as u32;
                effects.push(send(&Frame::Slice {
                    stream: *stream,
                    offset: part.offset,
                    bytes: part.bytes,
                }));
                effects.push(Effect::Event(Event::Sending {
                    pack: out.upload.pack,
                    sent: out.sent,
                    total,
                }));
            }
        }
    }

    /// Sends further packs while less is unacknowledged than allowed.
    pub(super) fn send_outbox(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        while !self.waits_for_others {
            let in_flight: Vec<PackId> = self.outgoing.values().map(|o| o.upload.pack).collect();
            let bytes: usize = self.outgoing.values().map(|o| o.upload.bytes.len()).sum();
            if bytes >= limits::MAX_UNACKNOWLEDGED || in_flight.len() >= limits::MAX_OPEN_UPLOADS {
                return Ok(());
            }
            let Some(upload) = replica.next_upload(&in_flight, self.explicit, now.wall_ms)? else {
                return Ok(());
            };
            let stream = self.take_stream();
            let part = self.open(stream, upload);
            effects.push(send(&Frame::Offer {
                stream,
                content: Content::Entries,
                part,
            }));
            self.continue_uploads(effects);
        }
        Ok(())
    }

    /// Entries first; files once the replica is caught up with them.
    pub(super) fn send_what_waits(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.send_outbox(replica, now, effects)?;
        if self.phase == Phase::Live && self.outgoing.is_empty() {
            let next = &mut self.next_stream;
            let mut stream = || {
                let stream = *next;
                *next += 2;
                stream
            };
            self.files.go(replica, &mut stream, effects)?;
        }
        Ok(())
    }

    pub(super) fn stored(
        &mut self,
        replica: &mut dyn Replica,
        stream: u32,
        offset: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        let Some(out) = self.outgoing.get_mut(&stream) else {
            return Ok(());
        };
        let total = out.upload.bytes.len() as u32;
        if offset > total {
            return Err(SyncError::Protocol("stored beyond the pack"));
        }
        replica.save_upload_offset(out.upload.pack, offset)?;
        if out.waiting {
            out.waiting = false;
            out.sent = slice_start(offset);
        }
        self.continue_uploads(effects);
        Ok(())
    }

    pub(super) fn results(
        &mut self,
        pack: [u8; 8],
        items: Vec<ResultItem>,
    ) -> Result<(), SyncError> {
        let stream = self
            .outgoing
            .iter()
            .find(|(_, out)| out.upload.pack.0[..8] == pack)
            .map(|(stream, _)| *stream)
            .ok_or(SyncError::Protocol("results of no upload"))?;
        let Some(out) = self.outgoing.remove(&stream) else {
            return Ok(());
        };
        if out.upload.entries.len() != items.len() {
            return Err(SyncError::Protocol("number of results"));
        }
        self.waits_for_others |= items.iter().any(|item| {
            matches!(item, ResultItem::Refused { code, tombstone }
                if tombstone.is_empty() && may_come_later(code))
        });
        self.flush.results.push((out.upload, items));
        Ok(())
    }

    /// The relay could not restore a pack: its entries go again, in full.
    pub(super) fn resend(
        &mut self,
        replica: &mut dyn Replica,
        now: Now,
        pack: PackId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.outgoing.retain(|_, out| out.upload.pack != pack);
        replica.drop_upload(pack)?;
        self.explicit = true;
        // A fork noticed meanwhile may leave nothing to send again.
        self.settle_fork(replica)?;
        self.send_what_waits(replica, now, effects)?;
        self.tell_if_caught_up(effects);
        Ok(())
    }
}

fn slice_start(offset: u32) -> u32 {
    offset - offset % limits::SLICE as u32
}

fn part_at(upload: &Upload, offset: u32) -> Part {
    let start = offset as usize;
    let end = (start + limits::SLICE).min(upload.bytes.len());
    Part {
        pack: upload.pack,
        total: upload.bytes.len() as u32,
        offset,
        bytes: upload.bytes[start..end].to_vec(),
    }
}
