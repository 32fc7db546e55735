//! Changes that come without their signatures, covered by what follows them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};
use stunity_identity::open_parcel;
use stunity_identity::sabotage::Sabotage;
use stunity_proto::pack::{ChainLink, Explicit, decode_pack};
use stunity_proto::parcel::{Part, Parts};
use stunity_proto::*;
use stunity_store::*;
use stunity_sync::{Position, Replica, Target};
use support::*;

const DOC: DocId = DocId([5; 16]);

/// A class whose teacher wrote a lesson, a burst an entry.
fn lesson(bursts: usize) -> (Class, Store) {
    let (mut class, mut desk, _) = Class::new();
    let actor = ActorParts::from_bytes(desk.actor(0).unwrap().0);
    let mut draft = Draft::open(Document::new(DocType::Lesson, actor).unwrap());
    for burst in 0..bursts {
        let text = format!("{burst} ");
        draft
            .edit(&Action::splice(Path::field("body"), 0, 0, &text))
            .unwrap();
        let change = draft.commit(0).unwrap().unwrap();
        let op = PendingOp {
            space: class.space,
            lane: Lane::Staff,
            kind: Kind::Change {
                doc_type: DocType::Lesson as u16,
                doc: DOC,
            },
            bytes: change.bytes,
            object: None,
        };
        desk.enqueue(&[op], NOW).unwrap();
        assert_eq!(class.relay.take(&mut desk), 1);
    }
    (class, desk)
}

type Placed = (Entry, Position);

/// The log as a first sync brings it: signatures that later entries cover left out.
fn covered(log: &[Placed]) -> Vec<Placed> {
    let mut log = log.to_vec();
    let followed: Vec<_> = (log.iter())
        .filter_map(|(entry, _)| ChainLink::before(entry))
        .collect();
    for (entry, _) in &mut log {
        if ChainLink::of(entry).is_some_and(|link| followed.contains(&link)) {
            entry.signature = Signature::ZERO;
        }
    }
    log
}

fn changes(store: &Store) -> Vec<Vec<u8>> {
    let mut changes = store.document_changes(DOC).unwrap();
    changes.sort();
    changes
}

fn reader(class: &Class, n: u16) -> Store {
    let path = class.path(&format!("reader-{n}.db"));
    class.school.person(n).create(&path)
}

#[test]
fn what_is_covered_is_read_as_what_is_signed_in_whatever_order_it_comes() {
    let (class, desk) = lesson(12);
    let log = covered(&class.relay.log);
    let unsigned = log.iter().filter(|(entry, _)| !entry.is_signed()).count();
    assert_eq!(unsigned, 11);
    let mut forth = reader(&class, 3);
    let applied = forth.apply(class.relay.flush(&log)).unwrap();
    assert_eq!((applied.held, applied.rejected), (vec![], vec![]));
    assert_eq!(changes(&forth), changes(&desk));

    // One by one, from the end: each waits for nothing but what is judged before it.
    let mut back = reader(&class, 4);
    for placed in log.iter().rev() {
        back.apply(class.relay.flush(std::slice::from_ref(placed)))
            .unwrap();
    }
    assert_eq!(changes(&back), changes(&desk));
    // And from the start: each until what covers it is there.
    let mut slow = reader(&class, 5);
    for placed in &log {
        slow.apply(class.relay.flush(std::slice::from_ref(placed)))
            .unwrap();
    }
    assert_eq!(changes(&slow), changes(&desk));
    for store in [&mut forth, &mut back, &mut slow] {
        store.refold().unwrap();
        assert_eq!(changes(store), changes(&desk));
        assert_eq!(store.doctor().unwrap(), vec![]);
    }
}

#[test]
fn an_entry_that_nothing_covers_waits() {
    let (class, desk) = lesson(3);
    let mut log = covered(&class.relay.log);
    let (last, place) = log.pop().unwrap();
    let held = log.last().unwrap().0.id();
    let mut store = reader(&class, 3);
    let applied = store.apply(class.relay.flush(&log)).unwrap();
    assert!(applied.held.contains(&(held, "identity.unsigned")));
    assert_eq!(changes(&store), Vec::<Vec<u8>>::new());
    // A cover with another's signature covers nothing.
    let mut forged = last.clone();
    forged.signature.0[0] ^= 1;
    store.apply(class.relay.flush(&[(forged, place)])).unwrap();
    assert_eq!(changes(&store), Vec::<Vec<u8>>::new());
    // The right one comes, or the entries with their own.
    let mut other = reader(&class, 4);
    other.apply(class.relay.flush(&log)).unwrap();
    other.apply(class.relay.flush(&[(last, place)])).unwrap();
    store.apply(class.relay.flush(&class.relay.log)).unwrap();
    for store in [&store, &other] {
        assert_eq!(changes(store), changes(&desk));
    }
}

/// A change in the teacher's name that the teacher did not make: the operator has the
/// headers of all entries, and no key of the device.
fn forge(real: &Entry, text: u8) -> Entry {
    let body = Body::new([text; 16], vec![vec![text]]);
    let header = Header {
        body_root: body.root().unwrap(),
        ..real.header().clone()
    };
    Entry::from_parts(header.encode(), Signature::ZERO, body).unwrap()
}

#[test]
fn a_relay_puts_no_word_between_those_that_were_signed() {
    let (class, desk) = lesson(4);
    let log = covered(&class.relay.log);
    for at in log.len() - 4..log.len() {
        let mut lies = log.clone();
        lies[at].0 = forge(&lies[at].0, 1);
        let mut store = reader(&class, 10 + at as u16);
        let applied = store.apply(class.relay.flush(&lies)).unwrap();
        assert!(
            applied.held.iter().any(|(id, _)| *id == lies[at].0.id()),
            "{at}"
        );
        let read = changes(&store);
        let real = changes(&desk);
        assert!(read.iter().all(|change| real.contains(change)), "{at}");
    }
}

#[test]
fn without_that_check_a_relay_writes_in_a_teachers_name() {
    let (class, _desk) = lesson(1);
    let mut log = class.relay.log.clone();
    let last = log.last_mut().unwrap();
    // Sound enough to be taken for a change.
    last.0.signature = Signature::ZERO;
    let mut store = reader(&class, 3);
    let _broken = Sabotage::believe_unsigned();
    store.apply(class.relay.flush(&log)).unwrap();
    assert_eq!(changes(&store).len(), 1);
}

#[test]
fn a_parcel_brings_what_covers_its_entries() {
    let (class, _desk) = lesson(5);
    let mut store = reader(&class, 3);
    let log = covered(&class.relay.log);
    store.apply(class.relay.flush(&log)).unwrap();
    // Of the lesson only the first two changes are asked for.
    let span = Span::Held {
        space: class.space,
        lane: Some(Lane::Staff),
        after: 0,
        to: Some(log[log.len() - 4].1.sequence),
    };
    let teacher = class.teacher.certificate.body().id();
    let mut file = Vec::new();
    let exported = store.export_parcel(span, &[ParcelTo::Device(teacher)], &mut |bytes| {
        file.extend_from_slice(bytes);
        Ok(())
    });
    assert_eq!(exported.unwrap().entries, 2);
    let parcel = stunity_proto::parcel::open_file(&file).unwrap();
    let content = open_parcel(class.school.id(), &teacher.0, &class.teacher.kex, parcel).unwrap();
    let mut parts = Parts::new();
    parts.push(&content);
    let (mut lesson, mut all) = (Vec::new(), Vec::new());
    while let Some(part) = parts.next_part().unwrap() {
        if let Part::Pack(bytes) = &part {
            let items = decode_pack(bytes, &Explicit(class.school.id())).unwrap();
            let entries = items.into_iter().map(|item| item.entry);
            lesson.extend(entries.filter(|entry| entry.header().may_be_covered()));
        }
        all.push(part);
    }
    assert_eq!(lesson.len(), 5);

    // Who takes it holds all of it; without its end nobody knows who wrote that.
    let take = |n: u16, parts: &[Part]| {
        let mut store = reader(&class, n);
        let others: Vec<Placed> = (class.relay.log.iter())
            .filter(|(entry, _)| !entry.header().may_be_covered())
            .cloned()
            .collect();
        store.apply(class.relay.flush(&others)).unwrap();
        let mut report = ParcelImport::default();
        for part in parts {
            store.import_part(part, NOW, &mut report).unwrap();
        }
        store.finish_import(&mut report).unwrap();
        (changes(&store).len(), report.left_out)
    };
    assert_eq!(take(4, &all), (5, 0));
    let cut = [Part::Pack(pack(&lesson[..2], class.school.id()))];
    assert_eq!(take(5, &cut), (0, 2));
}

#[test]
fn what_a_device_itself_wrote_it_signs_again() {
    let (class, _desk) = lesson(3);
    // The database was lost, not the keys.
    let path = class.path("again.db");
    let mut again = class.teacher.create(&path);
    let log = covered(&class.relay.log);
    again.apply(class.relay.flush(&log)).unwrap();
    let raw = rusqlite::Connection::open(path).unwrap();
    let signatures = |sql: &str| -> Vec<Vec<u8>> {
        let mut statement = raw.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let held = signatures("SELECT signature FROM entries");
    assert_eq!(held.len(), log.len());
    for (entry, _) in &class.relay.log {
        assert!(held.contains(&entry.signature.0.to_vec()));
    }
}

#[test]
fn what_is_held_without_a_signature_is_not_offered_to_a_restored_relay() {
    let (class, _desk) = lesson(3);
    let mut store = reader(&class, 3);
    let log = covered(&class.relay.log);
    store.apply(class.relay.flush(&log)).unwrap();
    let mut flush = class.relay.flush(&[]);
    flush.receipt.as_mut().unwrap().epoch = 2;
    flush.removed = vec![Target {
        space: class.space,
        lane: None,
    }];
    store.apply(flush).unwrap();
    store.settle_fork().unwrap();
    let mut offered = Vec::new();
    let mut in_flight = Vec::new();
    while let Some(upload) = store.next_upload(&in_flight, true, 0).unwrap() {
        in_flight.push(upload.pack);
        offered.extend(upload.entries.iter().map(|(id, _, _)| *id));
    }
    for (entry, _) in log.iter().filter(|(_, at)| at.space == class.space) {
        assert_eq!(offered.contains(&entry.id()), entry.is_signed());
    }
}
