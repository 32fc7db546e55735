//! How fast: run with
//! `cargo test --release -p stunity-store --test speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::time::Instant;

use stunity_model::Roles;
use stunity_model::events::*;
use stunity_proto::*;
use stunity_sync::Replica;
use support::*;

#[test]
#[ignore = "measures; the quick tests are elsewhere"]
fn a_course_of_1593_pupils_is_applied_and_listed() {
    const PUPILS: u16 = 1593;
    let (mut class, mut desk, _phone) = Class::new();
    let space = class.space;
    let mut ops = Vec::new();
    for n in 10..10 + PUPILS {
        let account = class.school.person(n).account;
        ops.push(event(space, Lane::One(account), Enrol { account }));
    }
    let start = Instant::now();
    desk.enqueue(&ops, NOW).unwrap();
    println!("enqueue {} operations: {:?}", ops.len(), start.elapsed());
    let start = Instant::now();
    let sealed = desk.seal().unwrap();
    println!("seal and apply {sealed} entries: {:?}", start.elapsed());
    class.relay.take(&mut desk);
    // Work of everybody, eight entries each, signed by the teacher as historical
    // records are.
    for round in 0..8u64 {
        let ops: Vec<_> = (10..10 + PUPILS)
            .map(|n| {
                let account = class.school.person(n).account;
                event(
                    space,
                    Lane::One(account),
                    Comment {
                        comment: ObjectId(std::array::from_fn(|i| {
                            if i < 8 {
                                round as u8
                            } else {
                                n.to_be_bytes()[i % 2]
                            }
                        })),
                        about: object(9),
                        parent: None,
                        text: format!("A remark on the work of pupil {n} in round {round}."),
                    },
                )
            })
            .collect();
        desk.enqueue(&ops, NOW).unwrap();
        class.relay.take(&mut desk);
    }
    let mut reader = class.school.person(3).create(&class.path("reader.db"));
    let flush = class.relay.flush(&class.relay.log);
    let count = flush.delivered.len();
    let start = Instant::now();
    let applied = reader.apply(flush).unwrap();
    let spent = start.elapsed();
    assert!(applied.held.is_empty() && applied.rejected.is_empty());
    println!(
        "apply {count} entries: {spent:?}, {:.0} entries/s, {} KiB on disk",
        count as f64 / spent.as_secs_f64(),
        reader.bytes_on_disk() / 1024
    );
    let start = Instant::now();
    let list = reader.class_list(space, Roles::STUDENT).unwrap();
    println!("class list of {}: {:?}", list.len(), start.elapsed());
    assert_eq!(list.len(), usize::from(PUPILS) + 1);
    let start = Instant::now();
    println!(
        "courses: {:?}, {:?}",
        reader.courses().unwrap().len(),
        start.elapsed()
    );
    let start = Instant::now();
    let hits = reader.search("remark", 20).unwrap().len();
    println!("search, {hits} hits: {:?}", start.elapsed());
    let start = Instant::now();
    drop(reader);
    let reader = open(&class.path("reader.db"));
    println!("open: {:?}", start.elapsed());
    let start = Instant::now();
    reader.doctor().unwrap();
    println!("doctor: {:?}", start.elapsed());
    let mut reader = reader;
    let start = Instant::now();
    reader.refold().unwrap();
    println!("refold: {:?}", start.elapsed());
}
