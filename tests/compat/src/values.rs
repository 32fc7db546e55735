//! The values that golden files are made of.
use stunity_proto::{
    AccountId, Body, DeviceId, DocId, Entry, EntryId, GroupId, Hash, Header, Heads, KeyId, Kind,
    Lane, NodeId, SchoolId, Seal, Signature, Signer, SpaceId,
};

pub const SCHOOL: SchoolId = SchoolId([0x11; 16]);
pub const SPACE: SpaceId = SpaceId([0x22; 16]);
pub const ACCOUNT: AccountId = AccountId([0x33; 16]);
pub const DEVICE: DeviceId = DeviceId([0x44; 16]);
pub const NODE: NodeId = NodeId([0x55; 16]);
pub const DOC: DocId = DocId([0x66; 16]);
pub const GROUP: GroupId = GroupId([0x77; 16]);
/// 2026-01-02 03:04:05 UTC, milliseconds.
pub const MS: u64 = 1_767_323_045_000;

/// Every lane.
pub const LANES: [(&str, Lane); 9] = [
    ("all", Lane::All),
    ("staff", Lane::Staff),
    ("one", Lane::One(ACCOUNT)),
    ("group", Lane::Group(GROUP)),
    ("private", Lane::Private),
    ("connections", Lane::Connections),
    ("public", Lane::Public),
    ("keys", Lane::Keys),
    ("talk", Lane::Talk),
];

pub fn entry_id(byte: u8) -> EntryId {
    EntryId([byte; 32])
}

/// A change as Automerge writes it: dependencies, actors, columns.
pub fn change(deps: &[[u8; 32]], actor: [u8; 16], others: &[[u8; 16]]) -> Vec<u8> {
    change_with(deps, actor, others, b"columns and operations")
}

/// A change of these columns and operations.
pub fn change_with(
    deps: &[[u8; 32]],
    actor: [u8; 16],
    others: &[[u8; 16]],
    columns: &[u8],
) -> Vec<u8> {
    let mut body = vec![deps.len() as u8];
    deps.iter().for_each(|dep| body.extend_from_slice(dep));
    body.push(16);
    body.extend_from_slice(&actor);
    // Sequence 3, first operation 200, time 0, message "ok".
    body.extend_from_slice(&[3, 0xc8, 1, 0, 2, b'o', b'k', others.len() as u8]);
    for other in others {
        body.push(16);
        body.extend_from_slice(other);
    }
    body.extend_from_slice(columns);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    assert!(body.len() < 256, "two bytes hold the length");
    chunk.extend_from_slice(&[body.len() as u8 | 0x80, (body.len() >> 7) as u8]);
    if body.len() < 128 {
        chunk.truncate(9);
        chunk.push(body.len() as u8);
    }
    chunk.extend_from_slice(&body);
    let hash = stunity_proto::receipt::sha256(&chunk[8..]);
    chunk[4..8].copy_from_slice(&hash.0[..4]);
    chunk
}

/// What differs between the entries of a golden pack.
pub struct Draft {
    pub lane: Lane,
    pub device: DeviceId,
    pub sequence: u64,
    pub previous: Option<EntryId>,
    pub heads: Heads,
    pub ops: Vec<(Kind, Vec<u8>)>,
}

impl Draft {
    pub fn first(lane: Lane, ops: Vec<(Kind, Vec<u8>)>) -> Self {
        Self {
            lane,
            device: DEVICE,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            ops,
        }
    }

    pub fn make(self) -> Entry {
        let (kinds, ops): (Vec<_>, Vec<_>) = self.ops.into_iter().unzip();
        let salt = [self.sequence as u8; 16];
        let body = Body::new(salt, ops);
        let header = Header {
            space: SPACE,
            lane: self.lane,
            signer: Signer::Device(self.device),
            certificate: certificate(Signer::Device(self.device)),
            sequence: self.sequence,
            previous: self.previous,
            heads: self.heads,
            kinds,
            body_root: body.root().unwrap(),
            ..header()
        };
        let signature = Signature([self.sequence as u8 | 0x80; 64]);
        Entry::from_parts(header.encode(), signature, body).unwrap()
    }
}

/// The certificate hash that golden packs know of a signer.
pub fn certificate(signer: Signer) -> Hash {
    stunity_proto::receipt::sha256(&signer.id())
}

/// A header with every field set.
pub fn header() -> Header {
    Header {
        school: SCHOOL,
        space: SPACE,
        lane: Lane::Group(GROUP),
        author: ACCOUNT,
        signer: Signer::Device(DEVICE),
        certificate: Hash([0x88; 32]),
        incarnation: 0xff_ffff,
        sequence: 70_000,
        previous: Some(entry_id(0x99)),
        heads: Heads {
            account: Some(entry_id(0xaa)),
            membership: vec![entry_id(1), entry_id(2), entry_id(3), entry_id(4)],
        },
        kinds: vec![
            Kind::Change {
                doc_type: 300,
                doc: DOC,
            },
            Kind::Event(68),
            Kind::Manifest,
            Kind::Handshake,
        ],
        seal: Some(Seal {
            suite: 1,
            key: KeyId([0xbb; 16]),
        }),
        body_root: Hash([0xcc; 32]),
    }
}

/// The least header.
pub fn least_header() -> Header {
    Header {
        lane: Lane::All,
        signer: Signer::Node(NODE),
        incarnation: 0,
        sequence: 1,
        previous: None,
        heads: Heads::default(),
        kinds: vec![Kind::Event(20)],
        seal: None,
        ..header()
    }
}

pub fn body() -> Body {
    Body::new(
        [0x5a; 16],
        vec![b"one".to_vec(), Vec::new(), vec![7; 300], b"four".to_vec()],
    )
}
