//! Packs restore entries exactly, are small, and never panic.
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use stunity_proto::pack::{
    ChainEntry, ChainKey, ChainLink, ChainPosition, Effort, Explicit, IdRole, Item, PackContext,
    PackOptions, PackWriter, Place, Strings, decode_pack, encode_packs, entries_named,
};
use stunity_proto::{
    AccountId, ActorId, Body, DecodeError, DeviceId, DocId, Entry, EntryId, Hash, Header, Heads,
    Kind, Lane, SchoolId, Signature, Signer, SpaceId, limits,
};

const SCHOOL: SchoolId = SchoolId([1; 16]);

/// Bytes that do not compress, from a counter.
fn noise<const N: usize>(seed: u64) -> [u8; N] {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
}

struct Draft {
    space: SpaceId,
    lane: Lane,
    person: u64,
    sequence: u64,
    previous: Option<EntryId>,
    heads: Heads,
    ops: Vec<(Kind, Vec<u8>)>,
}

fn certificate(signer: Signer) -> Hash {
    let id = signer.id();
    Hash(std::array::from_fn(|i| id[i % 16] ^ 0x55))
}

fn make(draft: Draft) -> Entry {
    let (kinds, ops): (Vec<_>, Vec<_>) = draft.ops.into_iter().unzip();
    let body = Body::new(noise(draft.person * 1000 + draft.sequence), ops);
    let signer = Signer::Device(DeviceId(noise(draft.person + 500_000)));
    let header = Header {
        school: SCHOOL,
        space: draft.space,
        lane: draft.lane,
        author: AccountId(noise(draft.person)),
        signer,
        certificate: certificate(signer),
        incarnation: 0,
        sequence: draft.sequence,
        previous: draft.previous,
        heads: draft.heads,
        kinds,
        seal: None,
        body_root: body.root().expect("a new body has its salt"),
    };
    let signature = Signature(noise(draft.person * 7919 + draft.sequence));
    Entry::from_parts(header.encode(), signature, body).expect("the body is the header's")
}

#[derive(Default)]
struct Held {
    chains: BTreeMap<(ChainKey, u64), ChainEntry>,
    numbers: BTreeMap<(SpaceId, u64), EntryId>,
    by_id: BTreeMap<(SpaceId, EntryId), u64>,
    positions: BTreeMap<(SpaceId, u64), ChainPosition>,
    ids: BTreeSet<[u8; 16]>,
    changes: BTreeSet<(DocId, [u8; 32])>,
    whole: BTreeMap<(SpaceId, u64), Entry>,
    /// It reads short names, and of entries these tell strings of others.
    short_names: bool,
    tellers: BTreeMap<(EntryId, [u8; 16]), EntryId>,
}

impl Held {
    fn store(&mut self, item: &Item) {
        let header = item.entry.header();
        let entry = ChainEntry {
            id: item.entry.id(),
            heads: header.heads.clone(),
        };
        self.chains
            .insert((ChainKey::of(&item.entry), header.sequence), entry);
        if let Some(place) = item.place.filter(|place| place.space == header.space) {
            let at = (place.space, place.sequence);
            self.numbers.insert(at, item.entry.id());
            self.by_id.insert((place.space, item.entry.id()), at.1);
            self.positions.insert(at, ChainPosition::of(&item.entry));
        }
    }
}

impl PackContext for Held {
    fn school(&self) -> SchoolId {
        SCHOOL
    }
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        self.chains.get(&(*chain, sequence)).cloned()
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        Some(certificate(signer))
    }
    fn entry_at(&self, space: SpaceId, sequence: u64) -> Option<EntryId> {
        self.numbers.get(&(space, sequence)).copied()
    }
    fn sequence_of(&self, space: SpaceId, id: &EntryId) -> Option<u64> {
        self.by_id.get(&(space, *id)).copied()
    }
    fn position_at(&self, space: SpaceId, sequence: u64) -> Option<ChainPosition> {
        self.positions.get(&(space, sequence)).cloned()
    }
    fn continues_at(&self, space: SpaceId, previous: &EntryId) -> Option<u64> {
        let sequence = self.sequence_of(space, previous)?;
        self.position_at(space, sequence).map(|_| sequence)
    }
    fn held_at(&self, space: SpaceId, sequence: u64) -> Option<Entry> {
        self.whole.get(&(space, sequence)).cloned()
    }
    fn holds(&self, id: &EntryId) -> Option<(SpaceId, u64)> {
        let found = self.whole.iter().find(|(_, entry)| entry.id() == *id)?;
        Some(*found.0)
    }
    fn reads_short_names(&self) -> bool {
        self.short_names
    }
    fn strings(&self, id: &EntryId) -> Option<Strings> {
        let held = self.whole.values().find(|entry| entry.id() == *id)?;
        Some(Strings::of(held))
    }
    fn teller(&self, entry: &EntryId, string: &[u8; 16]) -> Option<EntryId> {
        self.tellers.get(&(*entry, *string)).copied()
    }
    fn expand_id(&self, _: IdRole, prefix: [u8; 4]) -> Option<[u8; 16]> {
        self.ids.iter().find(|id| id.starts_with(&prefix)).copied()
    }
    fn expands_id(&self, _: IdRole, id: &[u8; 16]) -> bool {
        self.ids.contains(id)
    }
    fn expand_change(&self, doc: DocId, prefix: [u8; 4]) -> Option<[u8; 32]> {
        let held = |(of, hash): &&(DocId, [u8; 32])| *of == doc && hash.starts_with(&prefix);
        self.changes.iter().find(held).map(|(_, hash)| *hash)
    }
    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        self.changes.contains(&(doc, *hash))
    }
}

fn encode(items: &[Item], context: &dyn PackContext, explicit: bool) -> Vec<u8> {
    let places = items.iter().all(|item| item.place.is_some());
    let writer = PackWriter::new(context, explicit, places, Effort::Full);
    fill(writer, items)
}

fn encode_covered(items: &[Item], context: &dyn PackContext, explicit: bool) -> Vec<u8> {
    let places = items.iter().all(|item| item.place.is_some());
    let writer = PackWriter::new(context, explicit, places, Effort::Full);
    fill(writer.leave_out_covered(), items)
}

fn fill(mut writer: PackWriter<'_>, items: &[Item]) -> Vec<u8> {
    for item in items {
        writer.push(item);
    }
    writer.finish()
}

/// The items as they come out of a pack that leaves out covered signatures.
fn without_covered(items: &[Item]) -> Vec<Item> {
    let mut items = items.to_vec();
    for at in 0..items.len() {
        let link = ChainLink::of(&items[at].entry);
        let rest = &items[at + 1..];
        let covers = |item: &Item| link.is_some() && ChainLink::before(&item.entry) == link;
        if rest.iter().any(covers) {
            items[at].entry.signature = Signature::ZERO;
        }
    }
    items
}

/// A class of one course: every piece of work and its grade signed apart.
fn class(students: u64, pieces: u64) -> (Vec<Item>, Held) {
    let course = SpaceId(noise(1));
    let mut held = Held::default();
    let (mut items, mut sequence) = (Vec::new(), 2 * students);
    let mut number = |sequence: u64| {
        let id = EntryId(noise(1_000_000 + sequence));
        held.numbers.insert((course, sequence), id);
        held.by_id.insert((course, id), sequence);
        id
    };
    let heads: Vec<Heads> = (0..students)
        .map(|s| Heads {
            account: Some(number(2 * s + 1)),
            membership: vec![number(2 * s + 2)],
        })
        .collect();
    let mut last: BTreeMap<u64, EntryId> = BTreeMap::new();
    for piece in 0..pieces {
        // Who hands in first differs from piece to piece.
        let mut order: Vec<u64> = (0..students).collect();
        order.sort_by_key(|student| noise::<8>(student * 31 + piece * 7_919));
        for student in order {
            sequence += 1;
            let mut op = vec![0x85, 24, 64, 0x50];
            op.extend_from_slice(&noise::<16>(900_000 + piece));
            op.extend_from_slice(&[piece as u8, (student % 100) as u8, 0xf6]);
            let entry = make(Draft {
                space: course,
                lane: Lane::One(AccountId(noise(student + 10_000))),
                person: student + 10_000,
                sequence: piece + 1,
                previous: last.get(&student).copied(),
                heads: heads[student as usize].clone(),
                ops: vec![(Kind::Event(64), op)],
            });
            last.insert(student, entry.id());
            items.push(Item {
                place: Some(Place {
                    space: course,
                    lane: entry.header().lane,
                    sequence,
                    received_ms: 1_700_000_000_000
                        + sequence * 997
                        + u64::from(noise::<1>(sequence)[0]),
                }),
                entry,
            });
        }
    }
    (items, held)
}

const PACKS: PackOptions = PackOptions {
    explicit: false,
    places: true,
    effort: Effort::Full,
    target: limits::PACK_TARGET,
};

#[test]
fn tiny_entries_signed_apart_take_little_beyond_signature_and_salt() {
    let (items, held) = class(1_600, 13);
    let packs = encode_packs(&items, &held, PACKS);
    let bytes: usize = packs.iter().map(Vec::len).sum();
    let each = bytes as f64 / items.len() as f64;
    println!(
        "{each:.1} bytes an entry, of them 80 signature and salt; {} entries in {} packs",
        items.len(),
        packs.len()
    );
    assert!(items.len() > 20_000 && each <= 100.0, "{each:.1}");
    let most = packs.iter().map(Vec::len).max().unwrap();
    assert!(most <= limits::PACK_TARGET, "{most}");
    let fill = bytes / packs.len();
    assert!(fill > limits::PACK_TARGET * 3 / 4, "{fill} bytes a pack");
    assert_eq!(packs, encode_packs(&items, &held, PACKS));
    let mut receiver = held;
    let mut restored = Vec::new();
    for pack in &packs {
        let items = decode_pack(pack, &receiver).unwrap();
        items.iter().for_each(|item| receiver.store(item));
        restored.extend(items);
    }
    assert_eq!(restored, items);
}

#[test]
fn explicit_packs_each_stand_for_themselves() {
    let (items, held) = class(300, 4);
    let options = PackOptions {
        explicit: true,
        ..PACKS
    };
    let packs = encode_packs(&items, &held, options);
    assert!(packs.len() > 3);
    let restored: Vec<Item> = packs
        .iter()
        .flat_map(|pack| decode_pack(pack, &Explicit(SCHOOL)).unwrap())
        .collect();
    assert_eq!(restored, items);
}

/// The items once more in another space, as a relay numbers the keys of people there.
fn once_more(items: &[Item]) -> Vec<Item> {
    let elsewhere = |(item, sequence): (&Item, u64)| Item {
        entry: item.entry.clone(),
        place: item.place.map(|place| Place {
            space: SpaceId([9; 16]),
            lane: Lane::All,
            sequence,
            ..place
        }),
    };
    items.iter().zip(1..).map(elsewhere).collect()
}

#[test]
fn entries_that_are_held_cross_once() {
    let (items, mut held) = class(300, 1);
    let again = once_more(&items);
    let whole = encode(&again, &held, false);
    for item in &items {
        let place = item.place.unwrap();
        held.whole
            .insert((place.space, place.sequence), item.entry.clone());
    }
    let pack = encode(&again, &held, false);
    // A time each, and what says where they are.
    assert!(
        pack.len() < 300 * 6 && whole.len() > 300 * 80,
        "{}",
        pack.len()
    );
    assert_eq!(decode_pack(&pack, &held).unwrap(), again);
    assert!(matches!(
        decode_pack(&pack, &Held::default()),
        Err(DecodeError::MissingContext(_))
    ));
    assert_eq!(
        decode_pack(&encode(&again, &held, true), &Explicit(SCHOOL)).unwrap(),
        again
    );
}

#[test]
fn entries_that_stand_twice_in_a_pack_are_written_once() {
    let (items, held) = class(20, 2);
    let twice: Vec<Item> = [items.clone(), once_more(&items), items.clone()].concat();
    let once = encode(&items, &held, false).len();
    let pack = encode(&twice[..2 * items.len()], &held, false);
    assert!(pack.len() < once + 6 * items.len(), "{} {once}", pack.len());
    let pack = encode(&twice, &held, false);
    assert_eq!(decode_pack(&pack, &held).unwrap(), twice);
}

#[test]
fn one_entry_larger_than_a_pack_stands_alone() {
    let (mut items, held) = class(3, 1);
    items[1] = Item {
        entry: make(Draft {
            space: SpaceId([1; 16]),
            lane: Lane::All,
            person: 9,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            ops: vec![(Kind::Event(1), (0..9_000).flat_map(noise::<8>).collect())],
        }),
        place: items[1].place,
    };
    let packs = encode_packs(&items, &held, PACKS);
    let counts: Vec<usize> = packs
        .iter()
        .map(|pack| decode_pack(pack, &held).unwrap().len())
        .collect();
    assert_eq!(counts, [1, 1, 1]);
}

/// A seed from hashes.
fn noise_of(hashes: &[[u8; 32]]) -> u64 {
    hashes
        .iter()
        .map(|h| u64::from(h[0]) << 24 | u64::from(h[1]) << 16)
        .sum()
}

/// A change of a document as Automerge writes it, with columns that do not
/// compress.
fn automerge_change(person: u64, slot: u8, deps: &[[u8; 32]], ops: usize) -> (Vec<u8>, [u8; 32]) {
    let actor = ActorId::new(DeviceId(noise(person + 500_000)), 0, slot);
    let mut body = vec![deps.len() as u8];
    deps.iter().for_each(|dep| body.extend_from_slice(dep));
    body.push(16);
    body.extend_from_slice(&actor.0);
    body.extend_from_slice(&[4, 0x90, 3, 0, 0, 1, 16]);
    body.extend_from_slice(&[0; 16]);
    body.extend((0..ops).map(|i| noise::<16>(noise_of(deps) + person + i as u64)[9]));
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    let mut len = body.len();
    while len >= 0x80 {
        chunk.push(len as u8 | 0x80);
        len >>= 7;
    }
    chunk.push(len as u8);
    chunk.extend_from_slice(&body);
    let hash = *stunity_proto::receipt::sha256(&chunk[8..]).as_bytes();
    chunk[4..8].copy_from_slice(&hash[..4]);
    (chunk, hash)
}

/// One small change in each of ten documents in ten spaces, by one device that
/// the receiver knows, after changes that it holds.
fn small_changes() -> (Vec<Item>, Held, usize) {
    let mut held = Held::default();
    let mut in_changes = 0;
    let items = (0..10u64)
        .map(|i| {
            let (space, doc) = (SpaceId(noise(100 + i)), DocId(noise(200 + i)));
            let before = ChainEntry {
                id: EntryId(noise(300 + i)),
                heads: Heads {
                    account: Some(EntryId(noise(400 + i))),
                    membership: vec![EntryId(noise(500 + i))],
                },
            };
            let dep = noise(600 + i);
            let (change, _) = automerge_change(7, 1, &[dep], 100);
            in_changes += 100;
            let entry = make(Draft {
                space,
                lane: Lane::Staff,
                person: 7,
                sequence: 12,
                previous: Some(before.id),
                heads: before.heads.clone(),
                ops: vec![(Kind::Change { doc_type: 2, doc }, change)],
            });
            held.chains.insert((ChainKey::of(&entry), 11), before);
            held.ids.extend([space.0, doc.0]);
            held.changes.insert((doc, dep));
            Item { entry, place: None }
        })
        .collect();
    (items, held, in_changes)
}

#[test]
fn an_entry_with_one_small_change_takes_little_more_than_the_change() {
    let (items, mut held, changes) = small_changes();
    let bytes = encode(&items, &held, false);
    let each = (bytes.len() - changes) as f64 / items.len() as f64;
    println!("{each:.1} bytes an entry beyond what its change says");
    assert!(each <= 108.0, "{each:.1}");
    assert_eq!(decode_pack(&bytes, &held), Ok(items.clone()));
    held.changes.clear();
    let result = decode_pack(&bytes, &held);
    assert_eq!(result.unwrap_err().code(), "decode.missing-context");
    // A receiver that can expand nothing costs the full ids.
    held.ids.clear();
    let bytes = encode(&items, &held, false);
    let each = (bytes.len() - changes) as f64 / items.len() as f64;
    println!("{each:.1} bytes where ids are written in full");
    assert_eq!(decode_pack(&bytes, &held), Ok(items));
}

#[test]
fn an_event_names_entries_that_the_receiver_holds() {
    let (mut items, mut held) = class(40, 1);
    let graded: Vec<_> = items.iter().map(|item| item.entry.id()).collect();
    for (index, attempt) in graded.iter().enumerate() {
        // Twice in one event, once cut short, once at the end of its bytes.
        let mut op = vec![0x84, 24, 68, 0x58, 32];
        op.extend_from_slice(&attempt.0);
        op.extend_from_slice(&[0x58, 32, 1, 0x58, 32]);
        op.extend_from_slice(&attempt.0);
        let entry = make(Draft {
            space: items[0].entry.header().space,
            lane: Lane::Staff,
            person: 3,
            sequence: index as u64 + 1,
            previous: (index > 0).then(|| items[39 + index].entry.id()),
            heads: Heads::default(),
            ops: vec![(Kind::Event(68), op)],
        });
        items.push(Item {
            place: Some(Place {
                lane: Lane::Staff,
                sequence: 1000 + index as u64,
                ..items[index].place.unwrap()
            }),
            entry,
        });
    }
    let (attempts, grades) = items.split_at(40);
    for (context, items) in [(&Held::default(), &items[..]), (&held, &items)] {
        let explicit = items.len() == 80 && context.numbers.is_empty();
        let bytes = encode(items, context, explicit);
        assert_eq!(decode_pack(&bytes, context).unwrap(), items);
    }
    attempts.iter().for_each(|item| held.store(item));
    let bytes = encode(grades, &held, false);
    println!("{} bytes a grade", bytes.len() / 40);
    assert!(bytes.len() < 40 * 92, "{}", bytes.len());
    assert_eq!(decode_pack(&bytes, &held).unwrap(), grades);
}

#[test]
fn a_change_names_those_before_it_in_the_pack() {
    let doc = DocId([5; 16]);
    let kind = Kind::Change { doc_type: 3, doc };
    let (first, hash) = automerge_change(1, 0, &[], 10);
    let (second, _) = automerge_change(2, 0, &[hash], 10);
    let mut broken = second.clone();
    broken[4] ^= 1;
    let item = |person, op| Item {
        entry: make(Draft {
            space: SpaceId([6; 16]),
            lane: Lane::All,
            person,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            ops: vec![(kind, op)],
        }),
        place: None,
    };
    let items = [item(1, first), item(2, second), item(3, broken)];
    let bytes = encode(&items, &Explicit(SCHOOL), true);
    assert!(!bytes.windows(32).take(bytes.len() - 200).any(|w| w == hash));
    assert_eq!(decode_pack(&bytes, &Explicit(SCHOOL)), Ok(items.to_vec()));
}

#[test]
fn a_pack_in_explicit_form_needs_no_context() {
    let (items, held) = class(20, 3);
    let bytes = encode(&items, &held, true);
    assert_eq!(decode_pack(&bytes, &Explicit(SchoolId([9; 16]))), Ok(items));
}

/// An event of staff that names the entry numbered 5, which the receiver holds.
fn naming() -> (Item, Held, EntryId) {
    let (space, named) = (SpaceId([3; 16]), EntryId(noise(70)));
    let entry = make(Draft {
        space,
        lane: Lane::Staff,
        person: 1,
        sequence: 1,
        previous: None,
        heads: Heads::default(),
        ops: vec![(Kind::Event(68), [&[0x81, 0x58, 32][..], &named.0].concat())],
    });
    let mut held = Held::default();
    held.numbers.insert((space, 5), named);
    held.by_id.insert((space, named), 5);
    (Item { entry, place: None }, held, named)
}

#[test]
fn an_entry_that_an_operation_names_goes_by_its_number() {
    let (item, held, named) = naming();
    let op = item.entry.body().op(0).unwrap();
    assert_eq!(entries_named(op).collect::<Vec<_>>(), [named]);
    let bytes = encode(std::slice::from_ref(&item), &held, false);
    assert!(!bytes.windows(32).any(|window| window == named.0));
    assert_eq!(decode_pack(&bytes, &held), Ok(vec![item]));
}

#[test]
fn a_number_of_another_entry_gives_an_entry_that_nobody_signed() {
    let (item, mut held, named) = naming();
    let bytes = encode(std::slice::from_ref(&item), &held, false);
    for id in held.numbers.values_mut() {
        *id = EntryId(noise(71));
    }
    let restored = decode_pack(&bytes, &held).unwrap().remove(0);
    // The signature is over the id.
    assert_ne!(restored.entry.id(), item.entry.id());
    held.numbers.clear();
    let result = decode_pack(&bytes, &held);
    assert_eq!(result.unwrap_err().code(), "decode.missing-context");
    let explicit = encode(std::slice::from_ref(&item), &held, true);
    assert!(explicit.windows(32).any(|window| window == named.0));
    assert_eq!(decode_pack(&explicit, &held), Ok(vec![item]));
}

#[test]
fn a_receiver_without_the_context_says_so() {
    let (items, held) = class(20, 1);
    let bytes = encode(&items, &held, false);
    let result = decode_pack(&bytes, &Explicit(SCHOOL));
    assert_eq!(result.unwrap_err().code(), "decode.missing-context");
}

#[test]
fn entries_come_out_in_the_order_in_which_they_went_in() {
    let (mut items, held) = class(3, 4);
    items.reverse();
    for explicit in [false, true] {
        let bytes = encode(&items, &held, explicit);
        assert_eq!(decode_pack(&bytes, &held).as_ref(), Ok(&items));
    }
}

#[test]
fn erased_operations_travel_as_their_hashes() {
    let (mut items, held) = class(3, 1);
    items[1].entry.erase(&[0]);
    let bytes = encode(&items, &held, false);
    assert_eq!(decode_pack(&bytes, &held), Ok(items));
}

fn entries() -> impl Strategy<Value = Vec<Item>> {
    let op = (0u8..4, prop::collection::vec(any::<u8>(), 0..40));
    let entry = (
        0u64..4,
        0u8..4,
        prop::collection::vec(op, 1..4),
        any::<bool>(),
    );
    prop::collection::vec(entry, 1..20).prop_map(|drafts| {
        let mut chains: BTreeMap<(u64, u8), (u64, EntryId)> = BTreeMap::new();
        let mut items: Vec<Item> = Vec::new();
        for (person, lane, ops, head) in drafts {
            let last = chains.get(&(person, lane)).copied();
            let entry = make(Draft {
                space: SpaceId(noise(u64::from(lane / 2))),
                lane: [
                    Lane::All,
                    Lane::Staff,
                    Lane::Private,
                    Lane::One(AccountId([7; 16])),
                ][lane as usize],
                person,
                sequence: last.map_or(1, |(sequence, _)| sequence + 1),
                previous: last.map(|(_, id)| id),
                heads: Heads {
                    account: head.then_some(EntryId([4; 32])),
                    membership: items
                        .last()
                        .filter(|_| head)
                        .map(|item| item.entry.id())
                        .into_iter()
                        .collect(),
                },
                ops: ops
                    .into_iter()
                    .map(|(kind, bytes)| {
                        let kind = match kind {
                            0 => Kind::Change {
                                doc_type: 3,
                                doc: DocId([5; 16]),
                            },
                            1 => Kind::Manifest,
                            2 => Kind::Handshake,
                            _ => Kind::Event(40),
                        };
                        (kind, bytes)
                    })
                    .collect(),
            });
            chains.insert((person, lane), (entry.header().sequence, entry.id()));
            items.push(Item { entry, place: None });
        }
        items
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(items in entries(), explicit: bool) {
        let held = Held::default();
        let bytes = encode(&items, &held, explicit);
        prop_assert_eq!(decode_pack(&bytes, &held), Ok(items));
    }

    #[test]
    fn what_others_cover_comes_out_without_its_signature(items in entries(), explicit: bool) {
        let held = Held::default();
        let bytes = encode_covered(&items, &held, explicit);
        let restored = without_covered(&items);
        // What has no signature is written as it is.
        prop_assert_eq!(&encode_covered(&restored, &held, explicit), &bytes);
        prop_assert_eq!(decode_pack(&bytes, &held), Ok(restored));
    }

    #[test]
    fn short_names_come_out_as_they_went_in(
        items in entries(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let held = Held { short_names: true, ..Held::default() };
        let bytes = encode(&items, &held, false);
        prop_assert_eq!(decode_pack(&bytes, &held), Ok(items));
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        let _ = decode_pack(&flipped, &held);
        prop_assert!(decode_pack(&bytes[..at.index(bytes.len())], &held).is_err());
    }

    #[test]
    fn short_names_of_grades_survive_flips(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (_, releases, held) = graded(3);
        let mut bytes = encode(&releases, &held, false);
        let at = at.index(bytes.len());
        prop_assert!(decode_pack(&bytes[..at], &held).is_err());
        bytes[at] ^= 1 << bit;
        let _ = decode_pack(&bytes, &held);
    }

    #[test]
    fn flipped_and_truncated_packs_are_refused_or_differ(
        items in entries(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let held = Held::default();
        let bytes = encode(&items, &held, true);
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        // A flip within raw bytes restores other entries, whose signatures fail.
        let _ = decode_pack(&flipped, &held);
        let cut = at.index(bytes.len());
        prop_assert!(decode_pack(&bytes[..cut], &held).is_err());
    }
}

/// A lesson typed by two people in turn, a burst an entry, and a comment between.
fn bursts(count: u64) -> Vec<Item> {
    let mut last: BTreeMap<u64, (u64, EntryId)> = BTreeMap::new();
    let kind = Kind::Change {
        doc_type: 1,
        doc: DocId([5; 16]),
    };
    (0..count)
        .map(|burst| {
            let person = burst / 10 % 2;
            let (sequence, previous) = last.get(&person).copied().unzip();
            let kind = if burst == 5 { Kind::Event(40) } else { kind };
            let entry = make(Draft {
                space: SpaceId([2; 16]),
                lane: Lane::Staff,
                person,
                sequence: sequence.map_or(1, |sequence| sequence + 1),
                previous,
                heads: Heads::default(),
                ops: vec![(kind, burst.to_be_bytes().to_vec())],
            });
            last.insert(person, (entry.header().sequence, entry.id()));
            Item { entry, place: None }
        })
        .collect()
}

#[test]
fn each_chain_of_changes_keeps_one_signature() {
    let (items, held) = (bursts(40), Held::default());
    let bytes = encode_covered(&items, &held, false);
    let restored = decode_pack(&bytes, &held).unwrap();
    let signed = |item: &&Item| item.entry.is_signed();
    // The comment, which is evidence, and the end of each chain.
    assert_eq!(restored.iter().filter(signed).count(), 3);
    assert!(restored[5].entry.is_signed());
    // What compresses does so beside other bytes.
    let saved = encode(&items, &held, false).len() - bytes.len();
    assert!(saved.abs_diff(37 * Signature::LEN) < 32, "{saved}");
}

#[test]
fn an_entry_that_stands_twice_leaves_out_one_signature() {
    let (mut items, held) = (bursts(3), Held::default());
    for (item, sequence) in items.iter_mut().zip(1..) {
        item.place = Some(Place {
            space: SpaceId([2; 16]),
            lane: Lane::Staff,
            sequence,
            received_ms: 0,
        });
    }
    let again: Vec<Item> = once_more(&items);
    let items = [items, again].concat();
    let bytes = encode_covered(&items, &held, false);
    let restored = decode_pack(&bytes, &held).unwrap();
    let signed: Vec<bool> = (restored.iter())
        .map(|item| item.entry.is_signed())
        .collect();
    assert_eq!(signed, [false, false, true, false, false, true]);
}

/// Work, its grades and their releases, each with what the receiver holds before it:
/// the packs of grades and of releases.
fn graded(students: u64) -> (Vec<Item>, Vec<Item>, Held) {
    let (work, mut held) = class(students, 1);
    held.short_names = true;
    let event = |code: u8, ids: &[&[u8]]| {
        let mut op = vec![0x87, 24, code];
        for id in ids {
            op.extend_from_slice(if id.len() == 16 { &[0x50] } else { &[0x58, 32] });
            op.extend_from_slice(id);
        }
        vec![(Kind::Event(code.into()), op)]
    };
    let whole = |held: &mut Held, item: &Item| {
        held.store(item);
        let place = item.place.expect("numbered");
        (held.whole).insert((place.space, place.sequence), item.entry.clone());
    };
    work.iter().for_each(|item| whole(&mut held, item));
    let (mut grades, mut releases) = (Vec::new(), Vec::new());
    for (index, item) in (0..).zip(&work) {
        let header = item.entry.header();
        let (grade, assignment) = (noise::<16>(70_000 + index), noise::<16>(900_000));
        let attempt = item.entry.id().0;
        let student = header.author.0;
        let draft = |lane, ops| Draft {
            space: header.space,
            lane,
            person: 3,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            ops,
        };
        let place = |lane, sequence| {
            let space = header.space;
            Some(Place {
                space,
                lane,
                sequence,
                received_ms: 5,
            })
        };
        let ops = event(68, &[&grade, &assignment, &student, &attempt]);
        let entry = make(Draft {
            sequence: index + 1,
            previous: grades.last().map(|item: &Item| item.entry.id()),
            ..draft(Lane::Staff, ops)
        });
        let of_grade = entry.id();
        grades.push(Item {
            entry,
            place: place(Lane::Staff, 10_000 + index),
        });
        let ops = event(69, &[&grade, &[0; 32], &assignment, &attempt]);
        let entry = make(draft(header.lane, ops));
        held.tellers.insert((entry.id(), grade), of_grade);
        releases.push(Item {
            entry,
            place: place(header.lane, 20_000 + index),
        });
    }
    grades.iter().for_each(|item| whole(&mut held, item));
    (grades, releases, held)
}

#[test]
fn a_grade_tells_nothing_that_the_work_tells_and_its_release_nothing_at_all() {
    let (grades, releases, mut held) = graded(200);
    for items in [grades, releases] {
        held.short_names = true;
        let short = encode(&items, &held, false);
        assert_eq!(decode_pack(&short, &held).unwrap(), items);
        held.short_names = false;
        let long = encode(&items, &held, false);
        let each = |pack: &[u8]| pack.len() / items.len();
        println!("{} bytes an entry, not {}", each(&short), each(&long));
        assert!(short.len() + 14 * items.len() < long.len());
        // Signature, salt, a grade's own id, the number of the entry that tells.
        assert!(each(&short) < 80 + 16 + 6);
    }
}

#[test]
fn keys_beside_a_roster_entry_name_nothing_again() {
    let student = AccountId(noise(40));
    let root = noise::<32>(41);
    let bind = [
        &[0x84, 22, 0x50][..],
        &student.0,
        &[0x58, 32],
        &root,
        &[0xf5],
    ]
    .concat();
    let log = [&[0x82, 1, 0x58, 32][..], &root, &[0x50], &student.0].concat();
    let course = SpaceId(noise(1));
    let item = |space, lane, person, code, op, sequence| Item {
        entry: make(Draft {
            space,
            lane,
            person,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            ops: vec![(Kind::Event(code), op)],
        }),
        place: Some(Place {
            space: course,
            lane: Lane::One(student),
            sequence,
            received_ms: 0,
        }),
    };
    let items = [
        item(SCHOOL.space(), Lane::Staff, 2, 22, bind, 7),
        item(SpaceId(student.0), Lane::Keys, 40, 1, log, 8),
    ];
    let mut held = Held {
        short_names: true,
        ..Held::default()
    };
    (held.whole).insert((SCHOOL.space(), 3), items[0].entry.clone());
    let bytes = encode(&items, &held, false);
    assert!(!bytes.windows(16).any(|window| window == student.0));
    assert!(!bytes.windows(32).any(|window| window == root));
    assert_eq!(decode_pack(&bytes, &held).unwrap(), items);
}

#[test]
fn what_the_receiver_has_erased_tells_it_nothing() {
    let (_, releases, mut held) = graded(2);
    let bytes = encode(&releases, &held, false);
    for entry in held.whole.values_mut() {
        entry.erase(&[0]);
    }
    let result = decode_pack(&bytes, &held);
    assert_eq!(result.unwrap_err().code(), "decode.missing-context");
    // Nor does who has erased it tell by it.
    let bytes = encode(&releases, &held, false);
    assert_eq!(decode_pack(&bytes, &held), Ok(releases));
}

#[test]
fn ids_used_long_ago_are_found_in_the_table() {
    let item = |n: u64| Item {
        entry: make(Draft {
            space: SpaceId(noise(n)),
            lane: Lane::Staff,
            person: n,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            ops: vec![(Kind::Event(22), vec![n as u8])],
        }),
        place: None,
    };
    let items: Vec<Item> = (0..100).chain(0..100).map(item).collect();
    let held = Held {
        short_names: true,
        ..Held::default()
    };
    let bytes = encode(&items, &held, false);
    let id = noise::<16>(0);
    assert_eq!(bytes.windows(16).filter(|w| *w == id).count(), 1);
    assert_eq!(decode_pack(&bytes, &held).unwrap(), items);
}

#[test]
fn a_length_in_a_pack_asks_for_no_memory() {
    let mut bytes = vec![1, 0];
    bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    assert_eq!(
        decode_pack(&bytes, &Explicit(SCHOOL)).unwrap_err().code(),
        "decode.too-large"
    );
    assert!(decode_pack(&vec![1; limits::MAX_PACK + 1], &Explicit(SCHOOL)).is_err());
}
