//! A relay that has lost something: slices of an upload, or what came after a backup.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use stunity_model::events::Comment;
use stunity_proto::frame::{Flight, Frame};
use stunity_proto::*;
use stunity_store::*;
use stunity_sync::client::{Effect, Now, Options, Session};
use stunity_sync::replica::{Flush, Outcome};
use stunity_sync::{Replica, Target};
use support::*;

fn note(space: SpaceId, lane: Lane, n: u8, text: String) -> PendingOp {
    let comment = Comment {
        comment: object(n),
        about: object(9),
        parent: None,
        text,
    };
    event(space, lane, comment)
}

/// Text that does not compress to nothing.
fn long_text() -> String {
    (1..400u64)
        .map(|n| format!("{:x} ", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect()
}

/// Gives a message to a session; what it sends.
fn hear(session: &mut Session, phone: &mut Store, frame: &Frame) -> Vec<Frame> {
    let effects = session
        .on_frame(phone, Now { wall_ms: NOW }, &frame.encode())
        .unwrap();
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Send(bytes) => Some(Frame::decode(&bytes).unwrap()),
            _ => None,
        })
        .collect()
}

/// Begins a session; its flight one and what went with it.
fn fly(phone: &mut Store) -> (Session, Flight, Vec<Frame>) {
    let mut session = Session::new(Options {
        host: "relay".into(),
        live: false,
        upload_only: false,
        explicit: false,
    });
    let hello = Frame::Hello {
        nonce: [1; 32],
        min_version: 1,
        max_version: 1,
    };
    let mut sent = hear(&mut session, phone, &hello);
    let Frame::Flight(flight) = sent.remove(0) else {
        panic!("flight one");
    };
    (session, flight, sent)
}

#[test]
fn an_upload_goes_on_from_what_the_relay_says_wherever_it_was_cut() {
    let (class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let op = note(class.space, lane, 1, long_text());
    phone.enqueue(&[op], NOW).unwrap();
    let (_, flight, rest) = fly(&mut phone);
    let total = flight.outbox.unwrap().total;
    let slices = u32::try_from(rest.len()).unwrap() + 1;
    assert!(slices > 3 && total > (slices - 1) * 1024);
    // The relay has said that it holds so many slices, and then lost some of them.
    for said in 0..slices {
        for held in 0..=said {
            let (mut session, _, _) = fly(&mut phone);
            let stored = |offset| Frame::Stored { stream: 0, offset };
            hear(&mut session, &mut phone, &stored(said * 1024));

            let (mut session, flight, further) = fly(&mut phone);
            assert_eq!(flight.outbox.unwrap().offset, said * 1024);
            assert_eq!(further, [], "asked first");
            let sent = hear(&mut session, &mut phone, &stored(held * 1024));
            let mut at = held * 1024;
            for frame in sent {
                let Frame::Slice { offset, bytes, .. } = frame else {
                    panic!("a slice");
                };
                assert_eq!(offset, at);
                at += u32::try_from(bytes.len()).unwrap();
            }
            assert_eq!(at, total, "{held} slices held of {said}");
        }
    }
}

#[test]
fn what_a_restored_relay_lacks_is_offered_again_in_order() {
    let (mut class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    for n in 1..=3 {
        let op = note(class.space, lane, n, format!("note {n}"));
        phone.enqueue(&[op], NOW).unwrap();
        assert_eq!(class.relay.take(&mut phone), 1);
    }
    let op = note(class.space, lane, 4, "note 4".into());
    phone.enqueue(&[op], NOW).unwrap();
    let upload = phone.next_upload(&[], false, 0).unwrap().unwrap();
    let mut ids: Vec<EntryId> = class.relay.log.iter().map(|(e, _)| e.id()).collect();
    ids.drain(..ids.len() - 3);
    ids.push(upload.entries[0].0);

    // Restored from a backup that ends with the first note.
    let mut kept = class.relay.log.clone();
    kept.truncate(kept.len() - 2);
    kept.retain(|(_, place)| place.space == class.space);
    for (_, place) in &mut kept {
        place.epoch = 2;
    }
    let mut flush = class.relay.flush(&kept);
    flush.receipt.as_mut().unwrap().epoch = 2;
    for cursor in &mut flush.cursors {
        cursor.at.epoch = 2;
    }
    flush.removed = vec![Target {
        space: class.space,
        lane: None,
    }];
    let gap = Outcome::Refused {
        code: "chain.gap".into(),
        tombstone: Vec::new(),
    };
    flush.results = vec![(upload.pack, vec![gap])];
    let cursors = flush.cursors.clone();
    phone.apply(flush).unwrap();
    assert!(
        cursors
            .iter()
            .all(|moved| phone.cursors().unwrap().contains(moved))
    );
    // Not before everything that the relay still has has come.
    assert!(phone.next_upload(&[], true, 0).unwrap().is_none());
    phone.settle_fork().unwrap();
    let again = phone.next_upload(&[], true, 0).unwrap().unwrap();
    let offered: Vec<EntryId> = again.entries.iter().map(|(id, _, _)| *id).collect();
    assert_eq!(offered, ids[1..]);
    assert_eq!(phone.comments(object(9)).unwrap().len(), 4);
}

#[test]
fn a_gap_that_nothing_explains_is_a_refusal() {
    let (mut class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    for n in 1..=2 {
        let op = note(class.space, lane, n, format!("note {n}"));
        phone.enqueue(&[op], NOW).unwrap();
        if n == 1 {
            assert_eq!(class.relay.take(&mut phone), 1);
        }
    }
    let upload = phone.next_upload(&[], false, 0).unwrap().unwrap();
    let gap = Outcome::Refused {
        code: "chain.gap".into(),
        tombstone: Vec::new(),
    };
    let mut flush: Flush = class.relay.flush(&[]);
    flush.results = vec![(upload.pack, vec![gap])];
    phone.apply(flush).unwrap();
    phone.settle_fork().unwrap();
    assert!(phone.next_upload(&[], true, 0).unwrap().is_none());
    assert_eq!(phone.unsent().unwrap().refused, 1);
}
