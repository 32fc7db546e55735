//! Each promise, broken on purpose, is noticed in small worlds. `cargo xtask sim
//! --sabotage all` tries them all in large ones.
use stunity_sim::{Config, Sabotage, run};

/// A seed that is known to notice: it is tried first.
const KNOWN: &[(&str, u64)] = &[
    ("unsynced-device", 0),
    ("unsynced-relay", 3),
    ("write-twice", 3),
    ("arrival-order", 25),
    ("send-again", 0),
    ("drop-refused", 0),
    ("believe-cursors", 17),
    ("never-done", 0),
    ("skip-signatures", 0),
    ("believe-unsigned", 0),
    ("ignore-revocations", 4),
    ("ignore-removals", 11),
    ("anybody-grades", 2),
    ("vouch-for-anything", 2),
    ("ignore-policy", 1),
    ("keep-erased", 0),
    ("believe-clocks", 5),
    ("unseeded", 0),
];

fn is_noticed(name: &str, known: u64) -> bool {
    let Some(sabotage) = Sabotage::find(name) else {
        return false;
    };
    let config = Config {
        devices: 7,
        hours: 24,
        sabotage: Some(sabotage),
        ..Config::new(sabotage.profile)
    };
    let fails = |seed| run(seed, &config).is_err_and(|failure| failure.invariant != "harness");
    std::iter::once(known).chain(0..100).any(fails)
}

#[test]
fn every_broken_promise_is_noticed() {
    let missed: Vec<&str> = (KNOWN.iter())
        .filter(|(name, seed)| !is_noticed(name, *seed))
        .map(|(name, _)| *name)
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}
