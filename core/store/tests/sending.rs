//! What leaves: sealed late, once, and never lost.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use stunity_proto::*;
use stunity_store::*;
use stunity_sync::Replica;
use stunity_sync::replica::{Flush, Outcome};
use support::*;

fn note(space: SpaceId, lane: Lane, n: u8) -> PendingOp {
    event(
        space,
        lane,
        stunity_model::events::Comment {
            comment: object(n),
            about: object(9),
            parent: None,
            text: format!("comment {n}"),
        },
    )
}

#[test]
fn a_flush_signs_once_a_lane() {
    let (class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let ops: Vec<PendingOp> = (0..40).map(|n| note(class.space, lane, n)).collect();
    phone.enqueue(&ops, NOW).unwrap();
    assert_eq!(phone.seal().unwrap(), 1);
    assert_eq!(phone.seal().unwrap(), 0);
    let big = |n| {
        let mut op = note(class.space, lane, n);
        op.bytes = stunity_model::Event::from(submit(object(9), 1, &"x".repeat(40_000))).encode();
        op.kind = Kind::Event(65);
        op
    };
    phone.enqueue(&[big(1), big(2), big(3)], NOW).unwrap();
    assert_eq!(phone.seal().unwrap(), 3, "64 KiB a body");
    let mut huge = big(1);
    huge.bytes = vec![0; 300_000];
    assert_eq!(
        phone.enqueue(&[huge], NOW).unwrap_err().code(),
        "store.too-large"
    );
}

#[test]
fn a_pack_keeps_its_name_through_a_crash() {
    let (class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    phone.enqueue(&[note(class.space, lane, 1)], NOW).unwrap();
    let first = phone.next_upload(&[], false, 0).unwrap().unwrap();
    assert!(!first.begun);
    assert!(
        phone
            .next_upload(&[first.pack], false, 0)
            .unwrap()
            .is_none()
    );
    phone.save_upload_offset(first.pack, 17).unwrap();
    drop(phone);
    let mut phone = open(&class.path("pupil.db"));
    let again = phone.next_upload(&[], false, 0).unwrap().unwrap();
    assert_eq!((again.pack, &again.bytes), (first.pack, &first.bytes));
    assert!(again.begun);
    assert_eq!(again.acknowledged, 17);
    let item = phone.items(1).unwrap().remove(0);
    assert!(matches!(item.state, ItemState::Sending { .. }));

    let explicit = phone.next_upload(&[], true, 0).unwrap().unwrap();
    assert_ne!(explicit.pack, first.pack);
    assert_eq!(explicit.entries, first.entries);
}

#[test]
fn a_refused_item_is_kept_explained_and_tried_again() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let item = phone.enqueue(&[note(class.space, lane, 1)], NOW).unwrap()[0];
    phone.seal().unwrap();
    let id = phone.item_status(item).unwrap().unwrap().entry.unwrap();
    class.relay.refuse.insert(id, "role.missing".into());
    class.relay.take(&mut phone);
    let state = phone.item_status(item).unwrap().unwrap().state;
    assert_eq!(
        state,
        ItemState::Refused {
            code: "role.missing".into()
        }
    );
    assert_eq!(phone.unsent().unwrap().refused, 1);
    assert!(phone.comments(object(9)).unwrap().is_empty());
    drop(phone);
    let mut phone = open(&class.path("pupil.db"));
    let refused = phone.refused().unwrap();
    assert_eq!(refused[0].code, "role.missing");
    assert!(refused[0].entry.body().op(0).is_some());
    assert!(!refused[0].tombstone.is_empty());

    phone.retry_refused(id).unwrap();
    assert_eq!(
        phone.unsent().unwrap(),
        Unsent {
            waiting: 1,
            refused: 0
        }
    );
    assert_eq!(phone.comments(object(9)).unwrap().len(), 1);
    assert_eq!(class.relay.take(&mut phone), 1);
    let status = phone.item_status(item).unwrap().unwrap();
    assert!(matches!(status.state, ItemState::Received { .. }));
    class.relay.give(&mut desk);
    assert_eq!(desk.comments(object(9)).unwrap().len(), 1);
    assert!(phone.retry_refused(id).is_err());
}

#[test]
fn a_restored_phone_writes_again_what_was_not_acknowledged() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    drop(phone);
    let backup = class.path("backup.db");
    std::fs::copy(class.path("pupil.db"), &backup).unwrap();
    phone = open(&class.path("pupil.db"));
    phone.enqueue(&[note(class.space, lane, 1)], NOW).unwrap();
    class.relay.take(&mut phone);
    drop(phone);

    // The backup does not know what the phone sent after it was made.
    let mut restored = open(&backup);
    assert_eq!(restored.incarnation().unwrap(), 0);
    restored
        .enqueue(&[note(class.space, lane, 2)], NOW)
        .unwrap();
    restored.seal().unwrap();
    class.relay.give(&mut restored);
    assert_eq!(restored.incarnation().unwrap(), 1);
    assert_eq!(class.relay.take(&mut restored), 1);
    assert_eq!(restored.comments(object(9)).unwrap().len(), 2);
    class.relay.give(&mut desk);
    assert_eq!(desk.comments(object(9)).unwrap().len(), 2);
    assert_eq!(desk.doctor().unwrap(), vec![]);
}

#[test]
fn what_the_other_copy_sent_is_not_sent_again() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    phone.enqueue(&[note(class.space, lane, 1)], NOW).unwrap();
    drop(phone);
    let backup = class.path("backup.db");
    std::fs::copy(class.path("pupil.db"), &backup).unwrap();
    phone = open(&class.path("pupil.db"));
    class.relay.take(&mut phone);
    phone.enqueue(&[note(class.space, lane, 2)], NOW).unwrap();
    class.relay.take(&mut phone);
    drop(phone);

    let mut restored = open(&backup);
    restored
        .enqueue(&[note(class.space, lane, 3)], NOW)
        .unwrap();
    restored.seal().unwrap();
    class.relay.give(&mut restored);
    assert_eq!(restored.incarnation().unwrap(), 1);
    // Only what was written after the restoration.
    assert_eq!(class.relay.take(&mut restored), 1);
    assert_eq!(restored.unsent().unwrap(), Unsent::default());
    for store in [&mut restored, &mut desk] {
        class.relay.give(store);
        assert_eq!(store.comments(object(9)).unwrap().len(), 3);
    }
    assert!(
        restored
            .items(10)
            .unwrap()
            .iter()
            .all(|item| matches!(item.state, ItemState::Received { .. }))
    );
    assert_eq!(desk.doctor().unwrap(), vec![]);
}

#[test]
fn a_fork_that_the_relay_refuses_rotates_too() {
    let (mut class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    phone.enqueue(&[note(class.space, lane, 1)], NOW).unwrap();
    let upload = phone.next_upload(&[], false, 0).unwrap().unwrap();
    let flush = Flush {
        results: vec![(
            upload.pack,
            vec![Outcome::Refused {
                code: "entry.fork".into(),
                tombstone: vec![9],
            }],
        )],
        ..Flush::default()
    };
    phone.apply(flush).unwrap();
    // Not before everything of the other copy has come.
    assert_eq!(phone.incarnation().unwrap(), 0);
    assert!(phone.next_upload(&[], false, 0).unwrap().is_none());
    phone.settle_fork().unwrap();
    assert_eq!(phone.incarnation().unwrap(), 1);
    assert_eq!(
        phone.unsent().unwrap(),
        Unsent {
            waiting: 1,
            refused: 0
        }
    );
    assert_eq!(class.relay.take(&mut phone), 1);
    assert_eq!(phone.comments(object(9)).unwrap().len(), 1);
}

#[test]
fn downloads_resume_where_they_stood() {
    let (class, _desk, mut phone) = Class::new();
    let pack = PackId([3; 32]);
    phone.save_slice(pack, 2500, 0, &[1; 1024]).unwrap();
    phone.save_slice(pack, 2500, 1024, &[2; 1024]).unwrap();
    phone.save_slice(pack, 2500, 0, &[1; 1024]).unwrap();
    assert!(phone.save_slice(pack, 2500, 2100, &[3; 10]).is_err());
    assert!(phone.save_slice(pack, 9999, 2048, &[3; 10]).is_err());
    drop(phone);
    let mut phone = open(&class.path("pupil.db"));
    let partials = phone.partials().unwrap();
    assert_eq!((partials[0].held, partials[0].total), (2048, 2500));
    phone.save_slice(pack, 2500, 2048, &[3; 452]).unwrap();
    let bytes = phone.load_partial(pack).unwrap();
    assert_eq!(bytes.len(), 2500);
    assert_eq!((bytes[0], bytes[1024], bytes[2048]), (1, 2, 3));
    phone.drop_partial(pack).unwrap();
    assert!(phone.partials().unwrap().is_empty());
}

#[test]
fn a_device_without_certificate_writes_and_seals_nothing() {
    let school = School::new();
    let person = school.person(7);
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::create(
        Location::File(dir.path().join("new.db")),
        &Setup {
            anchor: school.anchor.clone(),
            account: person.account,
            root: person.root.verifying_key(),
            sign: person.sign.clone(),
            kex: person.kex.clone(),
            certificate: None,
        },
        rng(1),
    )
    .unwrap();
    store.enqueue(&[person.genesis()], NOW).unwrap();
    assert!(store.next_upload(&[], false, 0).unwrap().is_none());
    store.save_certificate(&person.certificate).unwrap();
    assert!(store.next_upload(&[], false, 0).unwrap().is_some());
}
