//! Packs restore entries exactly, are small, and never panic.
use std::collections::BTreeMap;

use proptest::prelude::*;
use stunity_proto::pack::{
    ChainEntry, ChainKey, Effort, Explicit, Item, PackContext, PackWriter, Place, decode_pack,
};
use stunity_proto::{
    AccountId, Body, DeviceId, DocId, Entry, EntryId, Hash, Header, Heads, Kind, Lane, SchoolId,
    Signature, Signer, SpaceId, limits,
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
        body_root: body.root().unwrap(),
    };
    let signature = Signature(noise(draft.person * 7919 + draft.sequence));
    Entry::from_parts(header.encode(), signature, body).unwrap()
}

#[derive(Default)]
struct Held {
    chains: BTreeMap<(ChainKey, u64), ChainEntry>,
    numbers: BTreeMap<(SpaceId, u64), EntryId>,
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
        self.numbers
            .iter()
            .find(|((s, _), held)| *s == space && *held == id)
            .map(|((_, sequence), _)| *sequence)
    }
}

fn encode(items: &[Item], context: &dyn PackContext, explicit: bool) -> Vec<u8> {
    let places = items.iter().all(|item| item.place.is_some());
    let mut writer = PackWriter::new(context, explicit, places, Effort::Full);
    for item in items {
        writer.push(item);
    }
    writer.finish()
}

/// A class of one course: every piece of work and its grade signed apart.
fn class(students: u64, pieces: u64) -> (Vec<Item>, Held) {
    let course = SpaceId(noise(1));
    let mut held = Held::default();
    let (mut items, mut sequence) = (Vec::new(), 2 * students);
    let mut number = |sequence: u64| {
        let id = EntryId(noise(1_000_000 + sequence));
        held.numbers.insert((course, sequence), id);
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
        for student in 0..students {
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
                    received_ms: 1_700_000_000_000 + sequence * 997,
                }),
                entry,
            });
        }
    }
    (items, held)
}

#[test]
fn tiny_entries_signed_apart_take_little_beyond_signature_and_salt() {
    let (items, held) = class(400, 5);
    let bytes = encode(&items, &held, false);
    let each = bytes.len() as f64 / items.len() as f64;
    println!("{each:.1} bytes an entry, of them 80 signature and salt");
    assert!(each <= 105.0, "{each:.1} bytes an entry");
    assert_eq!(decode_pack(&bytes, &held), Ok(items));
}

#[test]
fn a_pack_in_explicit_form_needs_no_context() {
    let (items, held) = class(20, 3);
    let bytes = encode(&items, &held, true);
    assert_eq!(decode_pack(&bytes, &Explicit(SchoolId([9; 16]))), Ok(items));
}

#[test]
fn a_receiver_without_the_context_says_so() {
    let (items, held) = class(20, 1);
    let bytes = encode(&items, &held, false);
    let result = decode_pack(&bytes, &Explicit(SCHOOL));
    assert_eq!(result.unwrap_err().code(), "decode.missing-context");
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
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(items in entries(), explicit: bool) {
        let held = Held::default();
        let bytes = encode(&items, &held, explicit);
        prop_assert_eq!(decode_pack(&bytes, &held), Ok(items));
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
