//! Packs, with and without context.
use stunity_proto::pack::{
    ChainEntry, ChainKey, ChainPosition, Effort, IdRole, Item, PackContext, PackWriter, Place,
    Strings, decode_pack,
};
use stunity_proto::{
    AccountId, DecodeError, DeviceId, DocId, Entry, EntryId, Hash, Heads, Kind, Lane, SchoolId,
    Signature, Signer, SpaceId,
};

use crate::Case;
use crate::values::*;

/// What the receiver of the golden packs holds, and whether it reads short names.
struct Held {
    short_names: bool,
}

const HELD: Held = Held { short_names: false };
const SHORT: Held = Held { short_names: true };

fn heads() -> Heads {
    Heads {
        account: Some(entry_id(0xa1)),
        membership: vec![entry_id(0xa2)],
    }
}

/// Numbers of entries held, in [`SPACE`].
const NUMBERS: [(u64, u8); 3] = [(5, 0xa1), (700, 0xa2), (701, 0xa3)];
/// A change held, of [`DOC`].
const CHANGE: [u8; 32] = [0xc1; 32];
/// Signs the first entry that is held.
const OTHER: DeviceId = DeviceId([0x45; 16]);

impl PackContext for Held {
    fn school(&self) -> SchoolId {
        SCHOOL
    }
    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        let known = chain.signer == Signer::Device(OTHER) && sequence == 4;
        known.then(|| ChainEntry {
            id: entry_id(0xa3),
            heads: heads(),
        })
    }
    fn certificate(&self, signer: Signer) -> Option<Hash> {
        Some(certificate(signer))
    }
    fn entry_at(&self, _: SpaceId, sequence: u64) -> Option<EntryId> {
        if sequence == GRADED {
            return Some(graded().id());
        }
        let found = NUMBERS.iter().find(|(at, _)| *at == sequence)?;
        Some(entry_id(found.1))
    }
    fn sequence_of(&self, _: SpaceId, id: &EntryId) -> Option<u64> {
        if *id == graded().id() {
            return Some(GRADED);
        }
        let found = NUMBERS.iter().find(|(_, byte)| entry_id(*byte) == *id)?;
        Some(found.0)
    }
    fn position_at(&self, space: SpaceId, sequence: u64) -> Option<ChainPosition> {
        (sequence == 701).then(|| ChainPosition {
            chain: ChainKey {
                signer: Signer::Device(OTHER),
                incarnation: header().incarnation,
                space,
                lane: Lane::Staff,
            },
            author: ACCOUNT,
            sequence: 4,
            entry: ChainEntry {
                id: entry_id(0xa3),
                heads: heads(),
            },
        })
    }
    fn continues_at(&self, _: SpaceId, previous: &EntryId) -> Option<u64> {
        (*previous == entry_id(0xa3)).then_some(701)
    }
    fn held_at(&self, space: SpaceId, sequence: u64) -> Option<Entry> {
        match sequence {
            640 if space == SPACE => Some(bound()),
            GRADED if space == SPACE => Some(graded()),
            _ => None,
        }
    }
    fn holds(&self, id: &EntryId) -> Option<(SpaceId, u64)> {
        (*id == bound().id()).then_some((SPACE, 640))
    }
    fn reads_short_names(&self) -> bool {
        self.short_names
    }
    fn strings(&self, id: &EntryId) -> Option<Strings> {
        (*id == graded().id()).then(|| Strings::of(&graded()))
    }
    fn teller(&self, entry: &EntryId, string: &[u8; 16]) -> Option<EntryId> {
        (*string == GRADE && *entry != graded().id()).then(|| graded().id())
    }
    fn expand_id(&self, _: IdRole, prefix: [u8; 4]) -> Option<[u8; 16]> {
        [SPACE.0, DOC.0]
            .into_iter()
            .find(|id| id.starts_with(&prefix))
    }
    fn expands_id(&self, _: IdRole, id: &[u8; 16]) -> bool {
        *id == SPACE.0 || *id == DOC.0
    }
    fn expand_change(&self, doc: DocId, prefix: [u8; 4]) -> Option<[u8; 32]> {
        (doc == DOC && CHANGE.starts_with(&prefix)).then_some(CHANGE)
    }
    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        doc == DOC && *hash == CHANGE
    }
}

fn event(cites: &EntryId) -> (Kind, Vec<u8>) {
    let mut op = vec![0x82, 0x18, 70, 0x58, 32];
    op.extend_from_slice(&cites.0);
    (Kind::Event(70), op)
}

/// Entries that take every way a pack has.
fn items(places: bool) -> Vec<Item> {
    let mut own = DEVICE.0;
    own[12..].copy_from_slice(&[0xff, 0xff, 0xff, 2]);
    let kind = Kind::Change {
        doc_type: 3,
        doc: DOC,
    };
    let first = Draft {
        heads: heads(),
        ..Draft::first(
            Lane::Staff,
            vec![
                (kind, change(&[CHANGE], own, &[[0; 16], [0x0d; 16]])),
                (Kind::Manifest, b"manifest".to_vec()),
                (kind, b"no change at all".to_vec()),
                (Kind::Handshake, Vec::new()),
            ],
        )
    }
    .make();
    let second = Draft {
        sequence: 2,
        previous: Some(first.id()),
        heads: heads(),
        ..Draft::first(
            Lane::Staff,
            vec![event(&entry_id(0xa1)), event(&first.id())],
        )
    }
    .make();
    let continued = Draft {
        device: OTHER,
        sequence: 5,
        previous: Some(entry_id(0xa3)),
        heads: heads(),
        ..Draft::first(Lane::Staff, vec![event(&entry_id(0xa3))])
    }
    .make();
    let again = Draft {
        sequence: 3,
        previous: Some(second.id()),
        heads: Heads {
            account: None,
            membership: vec![second.id()],
        },
        ..Draft::first(Lane::Staff, vec![event(&entry_id(0xef))])
    }
    .make();
    let mut erased = Draft::first(
        Lane::One(ACCOUNT),
        vec![event(&again.id()), (Kind::Event(1), b"gone".to_vec())],
    )
    .make();
    erased.erase(&[1]);
    let elsewhere = SpaceId([0x24; 16]);
    [first, second, continued, again, erased]
        .into_iter()
        .zip(702..)
        .map(|(entry, sequence)| Item {
            place: places.then(|| Place {
                space: if sequence == 704 { elsewhere } else { SPACE },
                lane: if sequence == 704 {
                    Lane::All
                } else {
                    entry.header().lane
                },
                sequence,
                received_ms: MS + (sequence - 702) * 7 - u64::from(sequence == 705) * 30,
            }),
            entry,
        })
        .collect()
}

/// An entry that the receiver holds, at [`SPACE`] and 640.
fn bound() -> Entry {
    Draft::first(Lane::Staff, vec![(Kind::Event(22), vec![0x82, 22, 1])]).make()
}

/// Entries that stand elsewhere once more: one that the receiver holds, one that comes
/// in the same pack and is cited afterwards.
fn held() -> Vec<Item> {
    let (one, two) = (SpaceId([0x24; 16]), SpaceId([0x25; 16]));
    let new = Draft {
        sequence: 2,
        previous: Some(bound().id()),
        ..Draft::first(Lane::Staff, vec![event(&entry_id(0xa1))])
    }
    .make();
    let citing = Draft::first(Lane::All, vec![event(&new.id())]).make();
    [
        (bound(), one, 3),
        (new.clone(), SPACE, 702),
        (bound(), two, 8),
        (new, one, 4),
        (citing, SPACE, 703),
    ]
    .into_iter()
    .map(|(entry, space, sequence)| Item {
        place: Some(Place {
            space,
            lane: Lane::Staff,
            sequence,
            received_ms: MS + sequence,
        }),
        entry,
    })
    .collect()
}

/// Where [`graded`] stands in [`SPACE`].
const GRADED: u64 = 641;
const GRADE: [u8; 16] = [0x61; 16];
const PUPIL: AccountId = AccountId([0x62; 16]);

fn told(code: u8, strings: &[&[u8]]) -> (Kind, Vec<u8>) {
    let mut op = vec![0x80 | (1 + strings.len() as u8), 0x18, code];
    for string in strings {
        match string.len() {
            16 => op.push(0x50),
            _ => op.extend([0x58, 32]),
        }
        op.extend_from_slice(string);
    }
    (Kind::Event(code.into()), op)
}

/// A grade that the receiver holds.
fn graded() -> Entry {
    let grade = told(68, &[&GRADE, &PUPIL.0, &entry_id(0xa3).0]);
    Draft::first(Lane::Staff, vec![grade]).make()
}

/// Keys beside a roster entry, what a pupil and her grade tell, an id of long ago.
fn short_names() -> Vec<Item> {
    let (other, root) = ([0x63; 16], [0x64; 32]);
    let bind = told(22, &[&other, &root]);
    let keys = told(24, &[&root, &other, &ACCOUNT.0]);
    let one = Lane::One(AccountId(other));
    let bind = Draft::first(Lane::Staff, vec![bind]).make();
    let keys = Draft::first(one, vec![keys]).make();
    let of_work = told(68, &[&[0x65; 16], &other, &keys.id().0, &entry_id(0xa1).0]);
    let of_work = Draft::first(Lane::Staff, vec![of_work]).make();
    let release = told(69, &[&GRADE, &[0; 32], &entry_id(0xa3).0]);
    let release = Draft::first(Lane::One(PUPIL), vec![release]).make();
    let mut items: Vec<Item> = [
        (bind, one),
        (keys, one),
        (of_work, Lane::Staff),
        (release, Lane::One(PUPIL)),
    ]
    .into_iter()
    .zip(710..)
    .map(|((entry, lane), sequence)| Item {
        entry,
        place: Some(Place {
            space: SPACE,
            lane,
            sequence,
            received_ms: MS,
        }),
    })
    .collect();
    for n in 0..=64 {
        let lane = Lane::One(AccountId([n + 0x80; 16]));
        let place = Place {
            space: SPACE,
            lane,
            sequence: 800 + u64::from(n),
            received_ms: MS,
        };
        items.push(Item {
            entry: Draft::first(lane, vec![(Kind::Event(1), vec![n])]).make(),
            place: Some(place),
        });
    }
    items.push(items[1].clone());
    items
}

/// Changes whose columns lie apart: two alike, one with another column, one that
/// cannot be taken apart.
fn apart() -> Vec<Item> {
    let own = [&DEVICE.0[..12], &[0xff, 0xff, 0xff, 0]].concat();
    let own: [u8; 16] = own.try_into().unwrap_or_default();
    let columns: [&[u8]; 4] = [
        &[2, 17, 2, 66, 3, 1, 2, 3, 4, 5],
        &[2, 17, 1, 66, 4, 1, 3, 4, 5, 6],
        &[1, 21, 6, b'l', b'e', b's', b's', b'o', b'n'],
        &[2, 66, 1, 17, 1, 1, 2],
    ];
    let kind = Kind::Change {
        doc_type: 1,
        doc: DOC,
    };
    let changes = columns.map(|columns| (kind, change_with(&[CHANGE], own, &[], columns)));
    vec![Item {
        entry: Draft::first(Lane::Staff, changes.to_vec()).make(),
        place: None,
    }]
}

/// Changes of one chain and what a person states between them: what comes out has the
/// signatures of the statement and of the last change alone.
fn covered() -> Vec<Item> {
    let own = [&DEVICE.0[..12], &[0xff, 0xff, 0xff, 0]].concat();
    let own: [u8; 16] = own.try_into().unwrap_or_default();
    let kind = Kind::Change {
        doc_type: 1,
        doc: DOC,
    };
    let change = |n: u8| (kind, change_with(&[CHANGE], own, &[], &[1, 17, 1, n]));
    let ops = [change(1), change(2), event(&entry_id(0xa1)), change(3)];
    let mut previous = None;
    ops.into_iter()
        .zip(1..)
        .map(|(op, sequence)| {
            let is_covered = sequence < 3;
            let mut entry = Draft {
                sequence,
                previous,
                heads: heads(),
                ..Draft::first(Lane::Staff, vec![op])
            }
            .make();
            previous = Some(entry.id());
            if is_covered {
                entry.signature = Signature::ZERO;
            }
            Item { entry, place: None }
        })
        .collect()
}

fn encode_covered(items: &[Item], explicit: bool) -> Vec<u8> {
    let mut writer = PackWriter::new(&HELD, explicit, false, Effort::Full).leave_out_covered();
    items.iter().for_each(|item| writer.push(item));
    writer.finish()
}

fn encode(items: &[Item], context: &Held, explicit: bool) -> Vec<u8> {
    let places = items.iter().all(|item| item.place.is_some());
    let mut writer = PackWriter::new(context, explicit, places, Effort::Full);
    items.iter().for_each(|item| writer.push(item));
    writer.finish()
}

fn decode(bytes: &[u8]) -> Result<Vec<Item>, DecodeError> {
    decode_pack(bytes, &HELD)
}

pub fn cases() -> Vec<Case> {
    let case = |name: &str, items: Vec<Item>, explicit: bool| {
        let encode = move |items: &Vec<Item>| encode(items, &HELD, explicit);
        Case::new(format!("pack/{name}"), items, encode, decode).compressed()
    };
    let short = |items: &Vec<Item>| encode(items, &SHORT, false);
    let small = Draft::first(Lane::Public, vec![(Kind::Event(1), vec![1])]).make();
    vec![
        case("explicit", items(false), true),
        case("explicit-with-places", items(true), true),
        case("in-context", items(false), false),
        case("in-context-with-places", items(true), false),
        case("changes-apart", apart(), false),
        case("changes-apart-explicit", apart(), true),
        case("held", held(), false),
        case("held-explicit", held(), true),
        Case::new(
            "pack/covered",
            covered(),
            |items: &Vec<Item>| encode_covered(items, false),
            decode,
        )
        .compressed(),
        Case::new(
            "pack/covered-explicit",
            covered(),
            |items: &Vec<Item>| encode_covered(items, true),
            decode,
        )
        .compressed(),
        Case::new("pack/short-names", short_names(), short, decode).compressed(),
        case("empty", Vec::new(), false),
        // Too small to compress: its bytes depend on no compressor.
        case(
            "stored",
            vec![Item {
                entry: small,
                place: None,
            }],
            true,
        )
        .same_bytes(),
    ]
}
