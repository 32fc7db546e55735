//! Power cuts, full disks, and documents that bring the app down.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::path::Path;

use stunity_model::Roles;
use stunity_proto::*;
use stunity_store::*;
use stunity_sync::Replica;
use support::*;

fn comment(space: SpaceId, lane: Lane, n: u8) -> PendingOp {
    event(
        space,
        lane,
        stunity_model::events::Comment {
            comment: object(n),
            about: object(9),
            parent: None,
            text: format!("comment {n} {}", "long ".repeat(400)),
        },
    )
}

/// What a power cut leaves: the files as they are, the lock let go.
fn cut(from: &Path, to: &Path) -> Store {
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    std::fs::copy(from, to).unwrap();
    let _ = std::fs::remove_file(beside(to, "-wal"));
    if beside(from, "-wal").exists() {
        std::fs::copy(beside(from, "-wal"), beside(to, "-wal")).unwrap();
    }
    open(to)
}

#[test]
fn a_power_cut_after_any_step_keeps_what_was_promised() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let (live, copy) = (class.path("pupil.db"), class.path("copy.db"));
    let mut expected = 0;
    for n in 0..12u8 {
        phone
            .enqueue(&[comment(class.space, lane, n)], NOW)
            .unwrap();
        expected += 1;
        let after = cut(&live, &copy);
        assert_eq!(after.comments(object(9)).unwrap().len(), expected);
        assert!(after.unsent().unwrap().waiting > 0);
        drop(after);
        if n % 3 == 1 {
            let upload = phone.next_upload(&[], false, 0).unwrap().unwrap();
            let mut after = cut(&live, &copy);
            let same = after.next_upload(&[], false, 0).unwrap().unwrap();
            assert_eq!((same.pack, same.bytes), (upload.pack, upload.bytes));
            drop(after);
        }
        if n % 3 == 2 {
            class.relay.take(&mut phone);
            let mut after = cut(&live, &copy);
            assert_eq!(after.unsent().unwrap(), Unsent::default());
            assert!(after.next_upload(&[], false, 0).unwrap().is_none());
            assert_eq!(after.doctor().unwrap(), vec![]);
        }
    }
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    assert_eq!(desk.comments(object(9)).unwrap().len(), 12);
}

#[test]
fn a_torn_wal_gives_an_earlier_state_and_no_damage() {
    let (class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    for n in 0..6 {
        phone
            .enqueue(&[comment(class.space, lane, n)], NOW)
            .unwrap();
    }
    let wal = std::fs::read(class.path("pupil.db-wal")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for eighth in 0..=8 {
        let path = class.path(&format!("torn{eighth}.db"));
        std::fs::copy(class.path("pupil.db"), &path).unwrap();
        let length = wal.len() * eighth / 8;
        std::fs::write(class.path(&format!("torn{eighth}.db-wal")), &wal[..length]).unwrap();
        // Before the first commit reached the file there is no account yet.
        let Ok(store) = Store::open(Location::File(path), rng(1)) else {
            continue;
        };
        seen.insert(store.comments(object(9)).unwrap().len());
        let damage = store.doctor().unwrap();
        assert!(
            damage.iter().all(|f| !f.code.starts_with("database.")),
            "{damage:?}"
        );
    }
    assert!(seen.contains(&6));
}

/// Runs a step under a rising cap until it fits; before that it must say so and
/// leave everything as it was.
fn until_it_fits<T>(
    store: &mut Store,
    space: SpaceId,
    mut step: impl FnMut(&mut Store) -> Result<T, &'static str>,
) -> (T, u32) {
    let mut refused = 0;
    loop {
        let before = (
            store.allocated().unwrap(),
            store.unsent().unwrap(),
            store.comments(object(9)).unwrap(),
            store.cursors().unwrap(),
        );
        let cap = before.0 + u64::from(refused) * 4096;
        store.set_quota(Some(cap)).unwrap();
        match step(store) {
            Ok(value) => {
                assert!(!store.lacks_space());
                store.set_quota(None).unwrap();
                return (value, refused);
            }
            Err(code) => {
                assert_eq!(code, "store.no-space");
                assert!(store.lacks_space());
                assert_eq!(store.unsent().unwrap(), before.1);
                assert_eq!(store.comments(object(9)).unwrap(), before.2);
                assert!(store.class_list(space, Roles(15)).is_ok());
                let damage = store.doctor().unwrap();
                assert!(damage.iter().all(|f| !f.code.starts_with("database.")));
                refused += 1;
                assert!(refused < 2000);
            }
        }
    }
}

#[test]
fn a_full_disk_at_any_write_is_said_and_survived() {
    let (mut class, mut desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let space = class.space;
    let mut refusals = 0;
    for n in 0..8 {
        let (_, refused) = until_it_fits(&mut phone, space, |store| {
            store
                .enqueue(&[comment(space, lane, n)], NOW)
                .map_err(|e| e.code())
        });
        refusals += refused;
    }
    let (_, refused) = until_it_fits(&mut phone, space, |store| {
        store.seal().map_err(|e| e.code())
    });
    refusals += refused;
    let (upload, refused) = until_it_fits(&mut phone, space, |store| {
        store.next_upload(&[], false, 0).map_err(|e| {
            if e.code() == "store.no-space" {
                "store.no-space"
            } else {
                "other"
            }
        })
    });
    refusals += refused;
    assert!(upload.is_some());
    let (_, refused) = until_it_fits(&mut phone, space, |store| {
        store
            .save_blob(&[7; 100_000], "image/png", None, NOW)
            .map_err(|e| e.code())
    });
    refusals += refused;
    let (_, refused) = until_it_fits(&mut phone, space, |store| {
        store
            .save_slice(PackId([4; 32]), 9000, 0, &[1; 9000])
            .map_err(|_| "store.no-space")
    });
    refusals += refused;
    let doc = DocId([1; 16]);
    for n in 0..40usize {
        let (_, refused) = until_it_fits(&mut phone, space, |store| {
            let row = vec![n as u8; 500];
            let done = store.append_journal(doc, &[row], || b"base".to_vec());
            assert_eq!(
                store.load_journal(doc).unwrap().len(),
                if done.is_ok() {
                    n + 2
                } else {
                    (n > 0) as usize * (n + 1)
                }
            );
            done.map_err(|e| e.code())
        });
        refusals += refused;
    }
    let burst = change(&class.pupil, space, doc, &"typed ".repeat(2000));
    let place = DocumentPlace {
        doc,
        doc_type: 1,
        space,
        lane,
    };
    let (_, refused) = until_it_fits(&mut phone, space, |store| {
        let done = store.commit_burst(&place, burst.bytes.clone(), None, NOW);
        assert_eq!(store.load_journal(doc).unwrap().is_empty(), done.is_ok());
        done.map_err(|e| e.code())
    });
    refusals += refused;
    let (_, refused) = until_it_fits(&mut phone, space, |store| {
        store
            .save_document_cache(doc, &[1; 20_000], &[2; 20_000])
            .map_err(|e| e.code())
    });
    refusals += refused;
    assert!(refusals > 8, "the cap was never reached");

    // Everything arrives once there is room.
    class.relay.take(&mut phone);
    class.relay.give(&mut desk);
    assert_eq!(desk.comments(object(9)).unwrap().len(), 8);

    // And for what comes down.
    for n in 20..30 {
        desk.enqueue(&[comment(space, lane, n)], NOW).unwrap();
        class.relay.take(&mut desk);
    }
    let flush = class.relay.flush(&class.relay.log);
    let mut refused = 0u64;
    loop {
        phone
            .set_quota(Some(phone.allocated().unwrap() + refused * 4096))
            .unwrap();
        match phone.apply(flush.clone()) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.code(), "store.no-space"),
        }
        refused += 1;
    }
    phone.set_quota(None).unwrap();
    assert!(refused > 0);
    assert_eq!(phone.comments(object(9)).unwrap().len(), 18);
}

#[test]
fn eviction_frees_what_can_be_fetched_and_nothing_else() {
    let (class, _desk, mut phone) = Class::new();
    let lane = Lane::One(class.pupil.account);
    let own = phone
        .save_blob(&[7; 70_000], "image/png", Some("a.png"), NOW)
        .unwrap();
    phone
        .enqueue(
            &[PendingOp {
                space: class.space,
                lane,
                kind: Kind::Manifest,
                bytes: own.encode(),
                object: None,
            }],
            NOW,
        )
        .unwrap();
    phone
        .save_slice(PackId([4; 32]), 9000, 0, &[1; 1024])
        .unwrap();
    assert_eq!(phone.evict(1 << 30).unwrap().chunk_bytes, 0);
    assert_eq!(phone.blob_bytes(own.blob).unwrap().unwrap().len(), 70_000);
    assert_eq!(phone.unsent().unwrap().waiting, 1);
    assert!(phone.partials().unwrap().is_empty());

    phone.seal().unwrap();
    phone.release_blob(own.blob).unwrap();
    // Equal chunks are stored once.
    assert!(phone.evict(1 << 30).unwrap().chunk_bytes >= 65_536);
    let state = phone.blob(own.blob).unwrap().unwrap();
    assert_eq!(state.missing.len(), 2);
    for (hash, chunk) in own.chunks.iter().zip([7u8; 70_000].chunks(65_536)) {
        phone.save_chunk(*hash, chunk, NOW).unwrap();
    }
    assert!(phone.save_chunk(Hash([1; 32]), b"other", NOW).is_err());
    assert_eq!(phone.blob_bytes(own.blob).unwrap().unwrap().len(), 70_000);
}

/// A change of a document, as an operation of the device with this key.
fn change(person: &Person, space: SpaceId, doc: DocId, text: &str) -> PendingOp {
    use automerge::transaction::Transactable;
    let actor = ActorId::new(person.sign.device_id(), 0, 0);
    let mut document = automerge::AutoCommit::new().with_actor(actor.0[..].into());
    document.put(automerge::ROOT, "text", text).unwrap();
    let bytes = document
        .get_last_local_change()
        .unwrap()
        .raw_bytes()
        .to_vec();
    PendingOp {
        space,
        lane: Lane::Staff,
        kind: Kind::Change { doc_type: 1, doc },
        bytes,
        object: None,
    }
}

#[test]
fn a_document_that_brings_the_app_down_is_quarantined() {
    let (mut class, mut desk, _phone) = Class::new();
    let (bad, good) = (DocId([1; 16]), DocId([2; 16]));
    for doc in [bad, good] {
        desk.enqueue(&[change(&class.teacher, class.space, doc, "text")], NOW)
            .unwrap();
        class.relay.take(&mut desk);
    }
    let reader = class.school.person(3);
    let path = class.path("reader.db");
    let mut store = reader.create(&path);
    class.relay.give(&mut store);
    assert_eq!(store.document_changes(bad).unwrap().len(), 1);
    let entry = class
        .relay
        .log
        .iter()
        .find(|(e, _)| {
            e.header().kinds.contains(&Kind::Change {
                doc_type: 1,
                doc: bad,
            })
        })
        .unwrap()
        .0
        .id();
    drop(store);
    // As the app leaves it when it dies in the middle of decoding, twice: once, it
    // may have been the power.
    let die = |path: &Path| {
        let raw = rusqlite::Connection::open(path).unwrap();
        raw.execute(
            "INSERT INTO decoding SELECT entry FROM entries WHERE id = ?1",
            [&entry.0],
        )
        .unwrap();
        raw
    };
    drop(die(&path));
    let store = open(&path);
    assert_eq!(store.document_changes(bad).unwrap().len(), 1);
    drop(store);
    drop(die(&path));
    let mut store = open(&path);
    assert!(store.document_changes(bad).unwrap().is_empty());
    assert_eq!(store.document_changes(good).unwrap().len(), 1);
    let findings = store.doctor().unwrap();
    assert_eq!(findings[0].code, "entries.quarantined");
    class.relay.give(&mut store);
    assert!(store.document_changes(bad).unwrap().is_empty());
}

#[test]
fn what_was_typed_survives_until_its_change_is_made() {
    let (class, mut desk, _phone) = Class::new();
    let doc = DocId([1; 16]);
    let base = || b"base".to_vec();
    desk.append_journal(doc, &[b"insert a".to_vec()], base)
        .unwrap();
    desk.append_journal(doc, &[b"insert b".to_vec()], base)
        .unwrap();
    drop(desk);
    let mut desk = open(&class.path("teacher.db"));
    assert_eq!(desk.open_journals().unwrap(), vec![doc]);
    assert_eq!(desk.load_journal(doc).unwrap().len(), 3);
    let op = change(&class.teacher, class.space, doc, "ab");
    let place = DocumentPlace {
        doc,
        doc_type: 1,
        space: class.space,
        lane: Lane::Staff,
    };
    let cache = DocumentCache {
        snapshot: b"snapshot".to_vec(),
        view: b"view".to_vec(),
    };
    desk.commit_burst(&place, op.bytes, Some(&cache), NOW)
        .unwrap();
    assert!(desk.open_journals().unwrap().is_empty());
    assert_eq!(desk.document_cache(doc).unwrap(), Some(cache));
    assert_eq!(desk.document_changes(doc).unwrap().len(), 1);
    desk.seal().unwrap();
    assert_eq!(desk.document_changes(doc).unwrap().len(), 1);
    assert_eq!(desk.documents(class.space, None).unwrap(), vec![place]);
}
