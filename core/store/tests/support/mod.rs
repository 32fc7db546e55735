//! A school with people, and a relay that only numbers.
#![allow(dead_code, reason = "each test file uses a part")]
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use stunity_identity::*;
use stunity_model::Event;
use stunity_model::events::*;
use stunity_proto::pack::{
    ChainEntry, ChainKey, Effort, IdRole, Item, PackContext, PackWriter, change_names, decode_pack,
};
use stunity_proto::receipt::Leaf;
use stunity_proto::*;
use stunity_store::*;
use stunity_sync::replica::{Applied, Delivered, Flush, FlushReceipt, Outcome};
use stunity_sync::{Cursor, Position, Replica, Running, Target};

pub const YEAR: u64 = 365 * 24 * 3600 * 1000;
pub const NOW: u64 = 1_800_000_000_000;

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub fn object(n: u8) -> ObjectId {
    ObjectId([n; 16])
}

pub struct School {
    pub root: SigningKey,
    pub anchor: SchoolAnchor,
    pub node: SigningKey,
    pub chain: NodeChain,
}

impl School {
    pub fn new() -> Self {
        let (root, operator, node) = (key(200), key(201), key(202));
        let anchor = SchoolAnchor::genesis(
            root.verifying_key(),
            root_commitment(&key(203).verifying_key()),
        );
        let operator_certificate = Certificate::sign(
            Operator {
                school: anchor.school,
                key: operator.verifying_key(),
                not_before: NOW - 1000,
                not_after: NOW + YEAR,
                serial: 1,
            },
            &root,
        );
        let node_certificate = Certificate::sign(
            Node {
                school: anchor.school,
                key: node.verifying_key(),
                parcel: KexSecret::from_seed(&[204; 32]).public(),
                operator: operator_certificate.hash(),
                not_before: NOW - 1000,
                not_after: NOW + YEAR,
                serial: 1,
            },
            &operator,
        );
        Self {
            root,
            anchor,
            node,
            chain: NodeChain {
                operator: operator_certificate,
                node: node_certificate,
            },
        }
    }

    pub fn id(&self) -> SchoolId {
        self.anchor.school
    }

    pub fn person(&self, n: u16) -> Person {
        let seed = |role: u8| {
            let mut seed = [role; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            seed
        };
        let root = SigningKey::from_seed(&seed(1));
        let sign = SigningKey::from_seed(&seed(2));
        let kex = KexSecret::from_seed(&seed(3));
        let mut account = AccountId([0xaa; 16]);
        account.0[..2].copy_from_slice(&n.to_be_bytes());
        let certificate = Certificate::sign(
            Device {
                school: self.id(),
                account,
                keys: DeviceKeys {
                    sign: sign.verifying_key(),
                    kex: kex.public(),
                    leaf: None,
                },
                issuer: Issuer::Root(root.verifying_key()),
                serial: 1,
            },
            &root,
        );
        Person {
            account,
            root,
            sign,
            kex,
            certificate,
            anchor: self.anchor.clone(),
            chain: self.chain.clone(),
        }
    }

    /// The school root admits somebody to the staff.
    pub fn admit(&self, person: &Person) -> PendingOp {
        let certificate = Certificate::sign(
            StaffAdmission {
                school: self.id(),
                account: person.account,
                root: person.root.verifying_key(),
                roles: StaffRoles::TEACHER.and(StaffRoles::ADMIN),
                serial: 1,
                date: NOW,
            },
            &self.root,
        );
        event(
            self.id().space(),
            Lane::All,
            StaffAdmit {
                certificate: Opaque(certificate.encode()),
            },
        )
    }
}

pub struct Person {
    pub account: AccountId,
    pub root: SigningKey,
    pub sign: SigningKey,
    pub kex: KexSecret,
    pub certificate: Certificate<Device>,
    pub anchor: SchoolAnchor,
    pub chain: NodeChain,
}

pub fn rng(n: u64) -> Box<dyn Random> {
    Box::new(ChaCha20Rng::seed_from_u64(n))
}

impl Person {
    pub fn create(&self, path: &Path) -> Store {
        let mut store = Store::create(
            Location::File(path.to_owned()),
            &Setup {
                anchor: self.anchor.clone(),
                account: self.account,
                root: self.root.verifying_key(),
                sign: self.sign.clone(),
                kex: self.kex.clone(),
                certificate: Some(self.certificate.clone()),
            },
            rng(u64::from(self.account.0[1])),
        )
        .unwrap();
        store.save_node(&self.chain).unwrap();
        store
    }

    /// The first entry of the account log.
    pub fn genesis(&self) -> PendingOp {
        let event = AccountEvent::Root {
            root: self.root.verifying_key(),
            recovery: None,
            device: Box::new(self.certificate.clone()),
        };
        PendingOp {
            space: self.account.space(),
            lane: Lane::Keys,
            kind: Kind::Event(event.code()),
            bytes: event.encode(),
            object: None,
        }
    }
}

pub fn open(path: &Path) -> Store {
    Store::open(Location::File(path.to_owned()), rng(99)).unwrap()
}

pub fn event(space: SpaceId, lane: Lane, event: impl Into<Event>) -> PendingOp {
    let event = event.into();
    PendingOp {
        space,
        lane,
        kind: Kind::Event(event.code()),
        bytes: event.encode(),
        object: None,
    }
}

pub fn course_genesis(salt: u64) -> CourseGenesis {
    CourseGenesis {
        salt,
        imported: false,
        open: true,
        counts_attested: true,
        counts_api_grades: false,
        foreign_id: None,
    }
}

pub fn course_page(title: &str) -> CoursePublish {
    CoursePublish {
        title: title.into(),
        title_km: None,
        description: String::new(),
        description_km: None,
        category: "science".into(),
        level: 0,
        published: true,
    }
}

pub fn assignment(id: ObjectId, due_ms: Option<u64>) -> AssignmentPublish {
    AssignmentPublish {
        assignment: id,
        kind: 1,
        title: "Essay".into(),
        title_km: None,
        text: "Write.".into(),
        max_points: 10_000,
        due_ms,
        grace_ms: 0,
        attempts: 0,
        timed_minutes: None,
        questions: vec![],
        published: true,
    }
}

pub fn submit(id: ObjectId, attempt: u64, text: &str) -> Submit {
    Submit {
        assignment: id,
        attempt,
        content: Content {
            text: text.into(),
            blobs: vec![],
        },
        provenance: None,
        evidence: Evidence {
            wall_ms: 5,
            boot: 1,
            since_relay_ms: None,
            relay_ms: None,
        },
    }
}

/// Numbers what it gets, judges nothing.
pub struct Relay {
    pub node: SigningKey,
    pub school: SchoolId,
    pub certificate: Hash,
    pub log: Vec<(Entry, Position)>,
    pub next: HashMap<SpaceId, u64>,
    pub now_ms: u64,
    pub refuse: BTreeMap<EntryId, String>,
    chains: HashMap<(ChainKey, u64), ChainEntry>,
    certificates: HashMap<Signer, Hash>,
    bound: u64,
    known: HashMap<EntryId, usize>,
}

impl PackContext for Relay {
    fn school(&self) -> SchoolId {
        self.school
    }
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        self.chains.get(&(*chain, sequence)).cloned()
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        self.certificates.get(&signer).copied()
    }
    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }
    fn sequence_of(&self, _: SpaceId, _: &EntryId) -> Option<u64> {
        None
    }
    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        stunity_sync::certificates_in(kinds, body)
    }
    fn expand_id(&self, role: IdRole, prefix: [u8; 4]) -> Option<[u8; 16]> {
        let headers = self.log.iter().map(|(entry, _)| entry.header());
        let mut ids = headers.flat_map(|header| match role {
            IdRole::Space => vec![header.space.0],
            IdRole::Author => vec![header.author.0],
            IdRole::Signer => vec![header.signer.id()],
            IdRole::Document => (header.kinds.iter())
                .filter_map(|kind| match kind {
                    Kind::Change { doc, .. } => Some(doc.0),
                    _ => None,
                })
                .collect(),
            _ => vec![],
        });
        ids.find(|id| id.starts_with(&prefix))
    }
    fn expand_change(&self, _: DocId, prefix: [u8; 4]) -> Option<[u8; 32]> {
        let ops = self.log.iter().flat_map(|(entry, _)| entry.ops());
        let mut hashes = ops.filter_map(|(_, bytes)| Some(change_names(bytes?)?.0.0));
        hashes.find(|hash| hash.starts_with(&prefix))
    }
}

impl Relay {
    pub fn new(school: &School) -> Self {
        Self {
            node: school.node.clone(),
            school: school.id(),
            certificate: school.chain.node.hash(),
            log: vec![],
            next: HashMap::new(),
            now_ms: NOW,
            refuse: BTreeMap::new(),
            chains: HashMap::new(),
            certificates: HashMap::new(),
            bound: 0,
            known: HashMap::new(),
        }
    }

    pub fn number(&mut self, entry: &Entry) -> Position {
        if let Some(place) = self.known.get(&entry.id()) {
            return self.log[*place].1;
        }
        self.known.insert(entry.id(), self.log.len());
        let header = entry.header();
        let next = self.next.entry(header.space).or_insert(0);
        *next += 1;
        self.now_ms += 1;
        let position = Position {
            space: header.space,
            lane: header.lane,
            epoch: 1,
            sequence: *next,
            received_ms: self.now_ms,
        };
        self.log.push((entry.clone(), position));
        position
    }

    fn remember(&mut self, entry: &Entry) {
        let header = entry.header();
        self.chains.insert(
            (ChainKey::of(entry), header.sequence),
            ChainEntry {
                id: entry.id(),
                heads: header.heads.clone(),
            },
        );
        self.certificates.insert(header.signer, header.certificate);
    }

    /// The relay binds an account's first root, as after a password.
    pub fn bind(&mut self, person: &Person) {
        self.bound += 1;
        let event = Event::from(RosterBind {
            account: person.account,
            root: *person.root.verifying_key().as_bytes(),
            in_person: false,
        });
        let body = Body::new([7; 16], vec![event.encode()]);
        let signer = Signer::Node(self.node.node_id());
        let previous = self
            .log
            .iter()
            .rev()
            .find(|(e, _)| e.header().signer == signer)
            .map(|(e, _)| e.id());
        let header = Header {
            school: self.school,
            space: self.school.space(),
            lane: Lane::Staff,
            author: person.account,
            signer,
            certificate: self.certificate,
            incarnation: 0,
            sequence: self.bound,
            previous,
            heads: Heads::default(),
            kinds: vec![Kind::Event(event.code())],
            seal: None,
            body_root: body.root().unwrap(),
        };
        let entry = sign_entry(&header, body, &self.node).unwrap();
        self.number(&entry);
    }

    /// A receipt over leaves, entries and their ids.
    fn receipt(&self, entries: &[(Position, EntryId)], cursors: &[Cursor]) -> FlushReceipt {
        let mut leaves: Vec<Hash> = entries
            .iter()
            .map(|(p, id)| {
                Leaf::Entry {
                    space: p.space,
                    lane: p.lane,
                    epoch: p.epoch,
                    sequence: p.sequence,
                    id: *id,
                    received_ms: p.received_ms,
                }
                .hash()
            })
            .collect();
        for cursor in cursors {
            leaves.push(
                Leaf::Cursor {
                    space: cursor.target.space,
                    lane: cursor.target.lane,
                    epoch: cursor.at.epoch,
                    sequence: cursor.at.sequence,
                    hash: cursor.at.hash,
                }
                .hash(),
            );
        }
        leaves.push(
            Leaf::Time {
                nonce: [0; 32],
                relay_ms: self.now_ms,
            }
            .hash(),
        );
        let root = receipt::merkle_root(&leaves);
        FlushReceipt {
            node: self.node.node_id(),
            epoch: 1,
            signature: sign_root(&self.node, self.school, &root),
            leaves,
            entries: entries
                .iter()
                .enumerate()
                .map(|(index, (_, id))| (index as u32, *id))
                .collect(),
            relay_ms: self.now_ms,
        }
    }

    /// Takes everything a store has to send, and answers. Gives how many
    /// entries came.
    pub fn take(&mut self, store: &mut Store) -> usize {
        let mut count = 0;
        while let Some(upload) = store.next_upload(&[], false, 0).unwrap() {
            let items = decode_pack(&upload.bytes, self).unwrap();
            assert_eq!(items.len(), upload.entries.len());
            let mut outcomes = vec![];
            let mut placed = vec![];
            for item in items {
                self.remember(&item.entry);
                let id = item.entry.id();
                if let Some(code) = self.refuse.get(&id) {
                    outcomes.push(Outcome::Refused {
                        code: code.clone(),
                        tombstone: vec![1, 2, 3],
                    });
                    continue;
                }
                let position = self.number(&item.entry);
                outcomes.push(Outcome::Accepted(position));
                placed.push((position, id));
                count += 1;
            }
            let flush = Flush {
                results: vec![(upload.pack, outcomes)],
                receipt: Some(self.receipt(&placed, &[])),
                ..Flush::default()
            };
            store.apply(flush).unwrap();
        }
        count
    }

    /// A flush of the entries that pass `filter`, in the given order.
    pub fn flush(&self, entries: &[(Entry, Position)]) -> Flush {
        let placed: Vec<(Position, EntryId)> = entries.iter().map(|(e, p)| (*p, e.id())).collect();
        let mut last: BTreeMap<SpaceId, u64> = BTreeMap::new();
        for (p, _) in &placed {
            let at = last.entry(p.space).or_default();
            *at = (*at).max(p.sequence);
        }
        let cursors: Vec<Cursor> = last
            .into_iter()
            .map(|(space, sequence)| Cursor {
                target: Target { space, lane: None },
                at: Running {
                    epoch: 1,
                    sequence,
                    hash: Hash([sequence as u8; 32]),
                },
            })
            .collect();
        Flush {
            delivered: entries
                .iter()
                .map(|(entry, position)| Delivered {
                    entry: entry.clone(),
                    position: Some(*position),
                })
                .collect(),
            receipt: Some(self.receipt(&placed, &cursors)),
            cursors,
            ..Flush::default()
        }
    }

    pub fn give(&self, store: &mut Store) -> Applied {
        let flush = self.flush(&self.log);
        let applied = store.apply(flush).unwrap();
        store.settle_fork().unwrap();
        applied
    }

    /// The entries in another order, the same for the same seed.
    pub fn shuffled(&self, seed: u64) -> Vec<(Entry, Position)> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut entries = self.log.clone();
        for index in (1..entries.len()).rev() {
            let other = (rng.next_u64() % (index as u64 + 1)) as usize;
            entries.swap(index, other);
        }
        entries
    }
}

/// A pack of entries for nobody in particular.
pub fn pack(entries: &[Entry], school: SchoolId) -> Vec<u8> {
    let context = stunity_proto::pack::Explicit(school);
    let mut writer = PackWriter::new(&context, true, false, Effort::Full);
    for entry in entries {
        writer.push(&Item {
            entry: entry.clone(),
            place: None,
        });
    }
    writer.finish()
}

/// A teacher with a course, a pupil in it, and a relay that knows all.
pub struct Class {
    pub dir: tempfile::TempDir,
    pub school: School,
    pub relay: Relay,
    pub teacher: Person,
    pub pupil: Person,
    pub space: SpaceId,
}

impl Class {
    pub fn new() -> (Self, Store, Store) {
        let dir = tempfile::tempdir().unwrap();
        let school = School::new();
        let mut relay = Relay::new(&school);
        let (teacher, pupil) = (school.person(1), school.person(2));
        let space = SpaceId([0xcc; 16]);
        let mut desk = teacher.create(&dir.path().join("teacher.db"));
        let mut phone = pupil.create(&dir.path().join("pupil.db"));
        desk.enqueue(
            &[
                teacher.genesis(),
                school.admit(&teacher),
                event(space, Lane::All, course_genesis(1)),
                event(space, Lane::All, course_page("Physics")),
                event(
                    space,
                    Lane::One(pupil.account),
                    Enrol {
                        account: pupil.account,
                    },
                ),
                event(space, Lane::All, assignment(object(9), Some(NOW + 50_000))),
            ],
            NOW,
        )
        .unwrap();
        phone.enqueue(&[pupil.genesis()], NOW).unwrap();
        relay.take(&mut desk);
        relay.take(&mut phone);
        relay.bind(&pupil);
        relay.give(&mut desk);
        relay.give(&mut phone);
        let class = Self {
            dir,
            school,
            relay,
            teacher,
            pupil,
            space,
        };
        (class, desk, phone)
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}
