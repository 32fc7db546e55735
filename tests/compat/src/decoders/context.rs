//! A receiver that holds whatever it is asked for.
use stunity_identity::certificates_in;
use stunity_proto::pack::{ChainEntry, ChainKey, ChainPosition, IdRole, PackContext};
use stunity_proto::{
    AccountId, Body, DeviceId, DocId, Entry, EntryId, Hash, Header, Heads, Kind, Lane, SchoolId,
    Signature, Signer, SpaceId,
};

/// So that no reference keeps the fuzzer out.
pub struct Generous;

fn held(byte: u8) -> ChainEntry {
    ChainEntry {
        id: EntryId([byte; 32]),
        heads: Heads {
            account: Some(EntryId([1; 32])),
            membership: vec![EntryId([2; 32])],
        },
    }
}

impl PackContext for Generous {
    fn school(&self) -> SchoolId {
        SchoolId([0x11; 16])
    }
    fn chain_entry(&self, _: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        (sequence > 0).then(|| held(sequence as u8))
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        Some(Hash([signer.id()[0]; 32]))
    }
    fn entry_at(&self, _: SpaceId, sequence: u64) -> Option<EntryId> {
        Some(EntryId([sequence as u8; 32]))
    }
    fn sequence_of(&self, _: SpaceId, _: &EntryId) -> Option<u64> {
        None
    }
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
    fn position_at(&self, space: SpaceId, sequence: u64) -> Option<ChainPosition> {
        Some(ChainPosition {
            chain: ChainKey {
                signer: Signer::Device(DeviceId([sequence as u8; 16])),
                incarnation: 0,
                space,
                lane: Lane::All,
            },
            author: AccountId([sequence as u8; 16]),
            sequence,
            entry: held(sequence as u8),
        })
    }
    fn held_at(&self, space: SpaceId, sequence: u64) -> Option<Entry> {
        // With a string of each length, for short names.
        let mut op = vec![0x50];
        op.extend([sequence as u8; 16]);
        op.extend([0x58, 32]);
        op.extend([sequence as u8; 32]);
        let body = Body::new([sequence as u8; 16], vec![op]);
        let header = Header {
            school: self.school(),
            space,
            lane: Lane::Staff,
            author: AccountId([3; 16]),
            signer: Signer::Device(DeviceId([4; 16])),
            certificate: Hash([5; 32]),
            incarnation: 0,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            kinds: vec![Kind::Event(22)],
            seal: None,
            body_root: body.root().ok()?,
        };
        Entry::from_parts(header.encode(), Signature([6; 64]), body).ok()
    }
    fn expand_id(&self, _: IdRole, prefix: [u8; 4]) -> Option<[u8; 16]> {
        Some(std::array::from_fn(|i| prefix[i % 4]))
    }
    fn expand_change(&self, _: DocId, prefix: [u8; 4]) -> Option<[u8; 32]> {
        Some(std::array::from_fn(|i| prefix[i % 4]))
    }
}
