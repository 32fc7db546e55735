//! What packs may leave out, since the other side can look it up.
use rusqlite::Connection;
use stunity_proto::pack::{ChainEntry, ChainKey, PackContext};
use stunity_proto::{Body, DeviceId, EntryId, Hash, Kind, SchoolId, Signer, SpaceId};
use stunity_sync::certificates_in;

use crate::{Store, entries, order, trust};

/// Decoding looks up what this store holds. A failing read is like a gap: the
/// pack is asked for in explicit form.
impl PackContext for Store {
    fn school(&self) -> SchoolId {
        self.owner.school
    }

    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        entries::chain_entry(&self.conn, chain, sequence)
            .ok()
            .flatten()
    }

    fn certificate(&self, signer: Signer) -> Option<Hash> {
        trust::known_certificate(&self.conn, signer).ok().flatten()
    }

    fn entry_at(&self, space: SpaceId, sequence: u64) -> Option<EntryId> {
        order::entry_at(&self.conn, space, sequence).ok().flatten()
    }

    fn sequence_of(&self, space: SpaceId, id: &EntryId) -> Option<u64> {
        order::sequence_of(&self.conn, space, id).ok().flatten()
    }

    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
}

/// What the relay can look up in an upload: this device's chains, and its
/// certificate once an entry of it was accepted.
pub(crate) struct UploadContext<'a> {
    pub conn: &'a Connection,
    pub school: SchoolId,
    pub device: DeviceId,
    pub certificate: Option<Hash>,
}

impl PackContext for UploadContext<'_> {
    fn school(&self) -> SchoolId {
        self.school
    }

    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        if chain.signer != Signer::Device(self.device) {
            return None;
        }
        entries::chain_entry(self.conn, chain, sequence)
            .ok()
            .flatten()
    }

    fn certificate(&self, signer: Signer) -> Option<Hash> {
        (signer == Signer::Device(self.device))
            .then_some(self.certificate)
            .flatten()
    }

    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }

    fn sequence_of(&self, _: SpaceId, _: &EntryId) -> Option<u64> {
        None
    }

    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
}
