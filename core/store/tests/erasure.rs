//! Erased means erased: in rows, indices, packs, free pages and the WAL. And
//! revoked means revoked.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use stunity_identity::{AccountEvent, Revocation};
use stunity_model::events::*;
use stunity_proto::*;
use stunity_store::*;
use stunity_sync::Replica;
use support::*;

const CANARY: &str = "kanarienvogel";

fn count_canary(class: &Class, name: &str) -> usize {
    ["", "-wal"]
        .iter()
        .filter_map(|suffix| std::fs::read(class.path(&format!("{name}{suffix}"))).ok())
        .map(|bytes| {
            bytes
                .windows(CANARY.len())
                .filter(|window| *window == CANARY.as_bytes())
                .count()
        })
        .sum()
}

#[test]
fn nothing_of_an_erased_operation_is_left_in_the_files() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let remark = Comment {
        comment: object(1),
        about: object(9),
        parent: None,
        text: "stays".into(),
    };
    let work = event(class.space, lane, submit(object(9), 1, CANARY));
    let ops = [work, event(class.space, lane, remark)];
    phone.enqueue(&ops, NOW).unwrap();
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    let entry = phone.submissions(class.space, None).unwrap()[0].entry;
    assert!(count_canary(&class, "pupil.db") > 0 && count_canary(&class, "teacher.db") > 0);
    assert_eq!(desk.search(CANARY, 10).unwrap().len(), 1);

    phone
        .enqueue(
            &[event(
                class.space,
                lane,
                Erase {
                    entry,
                    ops: vec![0],
                    reason: "author".into(),
                },
            )],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    for (store, name) in [(&desk, "teacher.db"), (&phone, "pupil.db")] {
        assert_eq!(count_canary(&class, name), 0, "{name}");
        assert!(store.search(CANARY, 10).unwrap().is_empty());
        assert_eq!(store.search("stays", 10).unwrap().len(), 1);
        assert!(store.submissions(class.space, None).unwrap().is_empty());
        assert_eq!(store.comments(object(9)).unwrap().len(), 1);
        // The entry still verifies: header, id and signature are as before.
        let erased = store.entry(entry).unwrap().unwrap();
        assert_eq!((erased.id(), erased.body().op(0)), (entry, None));
        assert!(erased.body().op(1).is_some());
        assert_eq!(store.doctor().unwrap(), vec![]);
    }

    // Whoever hears of the erasure first never shows the text.
    let mut late = class.school.person(3).create(&class.path("late.db"));
    let mut backwards = class.relay.log.clone();
    backwards.reverse();
    for part in backwards.chunks(1) {
        late.apply(class.relay.flush(part)).unwrap();
    }
    assert!(late.search(CANARY, 10).unwrap().is_empty());
    assert!(late.submissions(class.space, None).unwrap().is_empty());
    assert_eq!(count_canary(&class, "late.db"), 0);
}

#[test]
fn another_pupil_may_not_erase() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    desk.enqueue(
        &[event(
            class.space,
            lane,
            Comment {
                comment: object(1),
                about: object(9),
                parent: None,
                text: "from the teacher".into(),
            },
        )],
        NOW,
    )
    .unwrap();
    class.relay.take(&mut desk);
    class.relay.give(&mut phone);
    let item = desk.items(1).unwrap().remove(0);
    phone
        .enqueue(
            &[event(
                class.space,
                lane,
                Erase {
                    entry: item.entry.unwrap(),
                    ops: vec![0],
                    reason: "spite".into(),
                },
            )],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    assert_eq!(desk.comments(object(9)).unwrap().len(), 1);
    assert_eq!(phone.comments(object(9)).unwrap().len(), 1);
}

#[test]
fn revoked_means_revoked_in_every_order() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    phone
        .enqueue(
            &[event(class.space, lane, submit(object(9), 1, "before"))],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);
    let last = phone.submissions(class.space, None).unwrap()[0].entry;
    let header = phone.entry(last).unwrap().unwrap().header().clone();
    phone
        .enqueue(
            &[event(class.space, lane, submit(object(9), 2, "after"))],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);

    // The device revokes itself from before the second piece on.
    let revocation = Revocation::new(
        class.pupil.sign.device_id(),
        vec![stunity_identity::CutOff {
            space: class.space,
            lane,
            incarnation: header.incarnation,
            sequence: header.sequence,
            id: last,
        }],
        1,
    )
    .unwrap();
    let revoke = AccountEvent::RevokeDevice(revocation, None);
    phone
        .enqueue(
            &[PendingOp {
                space: class.pupil.account.space(),
                lane: Lane::Keys,
                kind: Kind::Event(revoke.code()),
                bytes: revoke.encode(),
                object: None,
            }],
            NOW,
        )
        .unwrap();
    class.relay.take(&mut phone);

    class.relay.give(&mut desk);
    let texts = |store: &Store| -> Vec<String> {
        (store.submissions(class.space, None).unwrap().iter())
            .map(|s| s.text.clone())
            .collect()
    };
    assert_eq!(texts(&desk), ["before"]);
    for seed in 0..6 {
        let path = class.path(&format!("reader{seed}.db"));
        let mut reader = class.school.person(3).create(&path);
        for part in class.relay.shuffled(seed).chunks(2) {
            reader.apply(class.relay.flush(part)).unwrap();
        }
        assert_eq!(texts(&reader), ["before"], "seed {seed}");
    }

    // Staff give effect to what lies beyond.
    let beyond = class
        .relay
        .log
        .iter()
        .rev()
        .find(|(e, _)| e.header().author == class.pupil.account && e.header().lane == lane)
        .unwrap()
        .0
        .id();
    desk.enqueue(
        &[event(
            class.space,
            Lane::Staff,
            AcceptPending { entry: beyond },
        )],
        NOW,
    )
    .unwrap();
    class.relay.take(&mut desk);
    assert_eq!(texts(&desk), ["before", "after"]);
}

#[test]
fn khmer_is_found_as_it_sounds() {
    let (mut class, mut desk, mut phone) = Class::new();
    desk.enqueue(
        &[event(
            class.space,
            Lane::All,
            LessonPublish {
                lesson: object(30),
                order: 1,
                title: "ស្រ្តី និងសិស្ស".into(),
                title_km: None,
                content: Content {
                    text: "មេរៀនទី៧".into(),
                    blobs: vec![],
                },
                content_km: None,
                minutes: 5,
                provenance: None,
                published: true,
            },
        )],
        NOW,
    )
    .unwrap();
    assert_eq!(
        desk.search("ស្ត្រី", 5).unwrap().len(),
        1,
        "before it is sealed"
    );
    class.relay.take(&mut desk);
    class.relay.give(&mut phone);
    for query in ["ស្ត្រី", "ស្រ្តី", "សិស្ស", "7"] {
        let hits = phone.search(query, 5).unwrap();
        assert_eq!(hits.len(), 1, "{query}");
        assert_eq!(hits[0].object, object(30).0);
    }
    assert!(phone.search("គ្រូ", 5).unwrap().is_empty());
    assert!(phone.search("  ", 5).unwrap().is_empty());
}
