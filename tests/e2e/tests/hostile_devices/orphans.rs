//! Changes of documents whose past is not there.
use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};
use stunity_e2e::hand::{Op, code};
use stunity_e2e::{DUE, Hand, HostileClass};
use stunity_proto::{ActorId, DocId, Entry, Kind, Lane};
use stunity_store::PendingOp;

use crate::{Scene, scene};

/// Changes of a document that follow each other.
fn series(actor: ActorId, (doc_type, doc): (u16, DocId), count: i64) -> Vec<Op> {
    use automerge::transaction::Transactable;
    let mut document = automerge::AutoCommit::new().with_actor(actor.0[..].into());
    let kind = Kind::Change { doc_type, doc };
    let change = |n| {
        document.put(automerge::ROOT, "title", n).unwrap();
        let change = document.get_last_local_change().unwrap();
        (kind, change.raw_bytes().to_vec())
    };
    (0..count).map(change).collect()
}

/// Ten thousand changes in entries of a hundred.
fn ten_thousand_orphans(scene: &mut Scene) -> Vec<Entry> {
    let actor = ActorId::new(scene.colleague.key.device_id(), 0, 0);
    // The first of all is left out.
    series(actor, (1, DocId([1; 16])), 10_001)[1..]
        .chunks(100)
        .map(|ops| {
            let (course, staff) = (scene.course, scene.staff.clone());
            scene
                .colleague
                .write(course, Lane::Staff, &staff, ops.to_vec())
        })
        .collect()
}

#[tokio::test]
async fn ten_thousand_orphan_changes_are_refused_by_the_relay_and_held_by_a_device() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let entries = ten_thousand_orphans(&mut scene);
    let outcomes = class.upload(&entries).await;
    let codes: Vec<&str> = outcomes.iter().map(code).collect();
    assert_eq!(codes[..2], ["", ""]);
    assert!(codes[2..].iter().all(|code| *code == "change.waiting"));
    // A device holds them all without a document.
    let report = class.carry(&entries);
    assert!(report.rejected.is_empty());
    assert_eq!(report.held.len(), entries.len());
    for (_, code) in &report.held {
        assert_eq!(*code, "change.waiting");
    }
    let documents = |class: &HostileClass| {
        let store = class.teacher.store();
        store.documents(class.course, Some(Lane::Staff)).unwrap()
    };
    assert_eq!(documents(&class), []);
    // The relay's word for where they stand changes nothing.
    class.school.sync(&mut class.teacher).await;
    assert_eq!(documents(&class), []);
    // Again is the same as once, and others' work goes on.
    let again = class.upload(&entries).await;
    assert_eq!(again, outcomes);
    class.is_unharmed_and_usable().await;
}

#[tokio::test]
async fn a_refused_orphan_stays_with_its_author_and_goes_when_its_past_has_come() {
    let mut class = HostileClass::new().await;
    let store = class.pupil.store();
    let (space, doc, actor) = (
        store.account().space(),
        DocId([2; 16]),
        store.actor(0).unwrap(),
    );
    let changes = series(actor, (3, doc), 301);
    let say = |class: &mut HostileClass, ops: &[Op]| {
        let ops: Vec<PendingOp> = ops
            .iter()
            .map(|(kind, bytes)| PendingOp {
                space,
                lane: Lane::Private,
                kind: *kind,
                bytes: bytes.clone(),
                object: None,
            })
            .collect();
        class.pupil.store_mut().enqueue(&ops, DUE).unwrap();
    };
    for ops in changes[1..].chunks(100) {
        say(&mut class, ops);
        class.school.sync(&mut class.pupil).await;
    }
    let refused = class.pupil.store().refused().unwrap();
    let codes: Vec<&str> = refused.iter().map(|entry| entry.code.as_str()).collect();
    assert_eq!(codes, ["change.waiting"]);
    assert_eq!(refused[0].entry.ops().count(), 100);
    assert!(!refused[0].tombstone.is_empty());
    // Once more is no better while the past is missing.
    let id = refused[0].entry.id();
    class.pupil.store_mut().retry_refused(id).unwrap();
    class.school.sync(&mut class.pupil).await;
    let refused = class.pupil.store().refused().unwrap();
    assert_eq!(refused.len(), 1);
    say(&mut class, &changes[..1]);
    class.school.sync(&mut class.pupil).await;
    let id = refused[0].entry.id();
    class.pupil.store_mut().retry_refused(id).unwrap();
    class.school.sync(&mut class.pupil).await;
    assert_eq!(class.pupil.store().refused().unwrap().len(), 0);
    assert_eq!(class.pupil.store().unsent().unwrap().waiting, 0);
}

#[tokio::test]
async fn a_held_change_counts_once_its_past_has_come() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let doc = DocId([3; 16]);
    let kind = Kind::Change { doc_type: 1, doc };
    let (mut tablet, added) = scene.colleague.add_device(80);
    let document = |hand: &Hand| {
        let actor = ActorParts::from_bytes(ActorId::new(hand.key.device_id(), 0, 0).0);
        Document::new(DocType::Lesson, actor).unwrap()
    };
    let type_in = |document, at, text| {
        let mut draft = Draft::open(document);
        let body = Path::field("body");
        draft.edit(&Action::splice(body, at, 0, text)).unwrap();
        draft.commit(0).unwrap().unwrap().bytes
    };
    let first = type_in(document(&scene.colleague), 0, "Light");
    let mut received = document(&tablet);
    let phone = ActorId::new(scene.colleague.key.device_id(), 0, 0);
    let prefix = ActorParts::from_bytes(phone.0).device_prefix;
    received.apply_change(&first, &prefix).unwrap();
    let second = type_in(received, 5, " bends");
    let entry = |hand: &mut Hand, bytes| {
        hand.write(scene.course, Lane::Staff, &scene.staff, vec![(kind, bytes)])
    };
    let earlier = entry(&mut scene.colleague, first);
    let later = entry(&mut tablet, second);
    let report = class.carry(&[added, later.clone()]);
    assert_eq!(HostileClass::judged(&report, &later), "change.waiting");
    let report = class.carry(&[earlier]);
    assert_eq!(report.held, []);
    let mut editing = class.teacher.open_document(doc).unwrap();
    assert_eq!(editing.view().text("body"), Some("Light bends"));
}

#[tokio::test]
async fn a_relay_without_its_cap_of_orphans_is_noticed() {
    let class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let entries = ten_thousand_orphans(&mut scene);
    let _broken = stunity_server::sabotage::Sabotage::judge_nothing();
    let outcomes = class.upload(&entries).await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
}
