//! Making room never costs what only this device has.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use stunity_proto::blob::Manifest;
use stunity_proto::*;
use stunity_store::*;
use stunity_sync::Replica;
use support::*;

/// What somebody does on a phone, with a number to tell it from the rest.
#[derive(Clone, Debug)]
enum Step {
    Comment(u8),
    Photo(u8),
    Type(u8),
    Seal,
    BeginUpload,
    Sync,
    /// Of somebody else: can be fetched again.
    Receive(u8),
    HalfDownload(u8),
    Evict(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..20u8;
    prop_oneof![
        n.clone().prop_map(Step::Comment),
        n.clone().prop_map(Step::Photo),
        n.clone().prop_map(Step::Type),
        Just(Step::Seal),
        Just(Step::BeginUpload),
        Just(Step::Sync),
        n.clone().prop_map(Step::Receive),
        n.prop_map(Step::HalfDownload),
        (0..200_000u32).prop_map(Step::Evict),
    ]
}

/// A phone and what only it has.
struct Phone {
    class: Class,
    desk: Store,
    store: Store,
    lane: Lane,
    /// Files that no relay has in full.
    photos: BTreeMap<BlobId, Vec<u8>>,
    typed: BTreeMap<DocId, Vec<Vec<u8>>>,
    comments: BTreeSet<u8>,
}

fn photo(n: u8) -> Vec<u8> {
    (0..90_000u32).map(|at| (at / 7) as u8 ^ n).collect()
}

impl Phone {
    fn new() -> Self {
        let (class, desk, store) = Class::new();
        Self {
            lane: Lane::One(class.pupil.account),
            class,
            desk,
            store,
            photos: BTreeMap::new(),
            typed: BTreeMap::new(),
            comments: BTreeSet::new(),
        }
    }

    fn manifest(&mut self, manifest: &Manifest) {
        let op = PendingOp {
            space: self.class.space,
            lane: self.lane,
            kind: Kind::Manifest,
            bytes: manifest.encode(),
            object: None,
        };
        self.store.enqueue(&[op], NOW).unwrap();
    }

    fn take(&mut self, step: &Step) -> TestCaseResult {
        match *step {
            Step::Comment(n) => {
                let comment = stunity_model::events::Comment {
                    comment: object(100 + n),
                    about: object(9),
                    parent: None,
                    text: format!("comment {n}"),
                };
                let op = event(self.class.space, self.lane, comment);
                self.store.enqueue(&[op], NOW).unwrap();
                self.comments.insert(n);
            }
            Step::Photo(n) => {
                let bytes = photo(n);
                let manifest = self
                    .store
                    .save_blob(&bytes, "image/jpeg", None, NOW)
                    .unwrap();
                self.manifest(&manifest);
                self.photos.insert(manifest.blob, bytes);
            }
            Step::Type(n) => {
                let doc = DocId([n; 16]);
                let row = vec![n; 40];
                let base = || b"base".to_vec();
                self.store
                    .append_journal(doc, std::slice::from_ref(&row), base)
                    .unwrap();
                let rows = self.typed.entry(doc).or_insert_with(|| vec![base()]);
                rows.push(row);
            }
            Step::Seal => {
                self.store.seal().unwrap();
            }
            Step::BeginUpload => {
                if let Some(upload) = self.store.next_upload(&[], false, 0).unwrap() {
                    self.store.save_upload_offset(upload.pack, 1).unwrap();
                }
            }
            Step::Sync => {
                self.class.relay.take(&mut self.store);
                for blob in std::mem::take(&mut self.photos).into_keys() {
                    self.store.release_blob(blob).unwrap();
                }
            }
            Step::Receive(n) => {
                let bytes = photo(n ^ 0x80);
                let manifest = Manifest::of(&bytes, "image/jpeg", None).unwrap();
                self.manifest(&manifest);
                self.class.relay.take(&mut self.store);
                self.class.relay.give(&mut self.store);
                let chunks = manifest.chunks.iter().zip(bytes.chunks(limits::CHUNK));
                for (hash, chunk) in chunks {
                    self.store.save_chunk(*hash, chunk, NOW).unwrap();
                }
            }
            Step::HalfDownload(n) => {
                let pack = PackId([n; 32]);
                self.store.save_slice(pack, 5000, 0, &[n; 1024]).unwrap();
            }
            Step::Evict(bytes) => {
                let before = self.picture();
                self.store.evict(u64::from(bytes)).unwrap();
                prop_assert_eq!(self.picture(), before);
            }
        }
        self.check()
    }

    /// What is owed to others, and how far it is.
    fn picture(&self) -> (Unsent, Vec<Item>) {
        (
            self.store.unsent().unwrap(),
            self.store.items(1000).unwrap(),
        )
    }

    fn check(&self) -> TestCaseResult {
        for (blob, bytes) in &self.photos {
            let held = self.store.blob_bytes(*blob).unwrap();
            prop_assert!(held.as_ref() == Some(bytes), "a photo was lost");
        }
        for (doc, rows) in &self.typed {
            prop_assert_eq!(&self.store.load_journal(*doc).unwrap(), rows);
        }
        let damage = self.store.doctor().unwrap();
        prop_assert!(damage.is_empty(), "{:?}", damage);
        Ok(())
    }

    fn finish(mut self) -> TestCaseResult {
        self.class.relay.take(&mut self.store);
        self.class.relay.give(&mut self.desk);
        prop_assert_eq!(self.store.unsent().unwrap(), Unsent::default());
        let arrived = self.desk.comments(object(9)).unwrap().len();
        prop_assert_eq!(arrived, self.comments.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn eviction_never_touches_unacknowledged_own_work(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let mut phone = Phone::new();
        for step in &steps {
            phone.take(step)?;
        }
        phone.finish()?;
    }
}

/// The check above is worth something only if it notices.
#[test]
fn a_photo_that_was_taken_for_someone_elses_is_missed() {
    let mut phone = Phone::new();
    phone.take(&Step::Photo(1)).unwrap();
    phone.take(&Step::Evict(1 << 20)).unwrap();
    let blob = *phone.photos.keys().next().unwrap();
    phone.store.release_blob(blob).unwrap();
    assert!(phone.take(&Step::Evict(1 << 20)).is_err());
}
