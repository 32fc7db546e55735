//! A few seeds of every profile, and seeds that once failed. Long sweeps run by
//! `cargo xtask sim`.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::path::PathBuf;

use stunity_sim::{Config, Profile, Report, run};

/// Half a class over a day: what fits into a test.
fn small(profile: Profile) -> Config {
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    Config {
        devices: 7,
        hours: 24,
        data: std::env::var_os("STUNITY_DATA")
            .map(PathBuf::from)
            .or_else(|| shared.is_dir().then_some(shared)),
        ..Config::new(profile)
    }
}

fn pass(config: &Config, seed: u64) -> Report {
    match run(seed, config) {
        Ok(report) => report,
        Err(failure) => panic!("{failure}\nseed {seed} of {}", config.profile),
    }
}

#[test]
fn slow_links_lose_nothing() {
    for seed in 0..2 {
        pass(&small(Profile::TwoG), seed);
        pass(&small(Profile::ThreeG), seed);
    }
}

#[test]
fn cut_links_lose_nothing() {
    for seed in 0..3 {
        pass(&small(Profile::Cuts), seed);
    }
}

#[test]
fn bad_disks_and_clocks_lose_nothing_acknowledged() {
    for seed in 1..3 {
        pass(&small(Profile::Hostile), seed);
    }
}

#[test]
fn an_operator_with_every_key_of_the_relay_decides_nothing() {
    for seed in 0..3 {
        pass(&small(Profile::EvilRelay), seed);
    }
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    let config = small(Profile::Cuts);
    let traces: Vec<[u8; 32]> = [7, 7, 8]
        .map(|seed| pass(&config, seed).trace)
        .into_iter()
        .collect();
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

/// A download that was cut after the results of own entries: those entries came
/// neither as results nor in the pack that was resumed.
#[test]
fn results_that_a_cut_took_away_come_with_the_resumed_pack() {
    pass(&Config::new(Profile::Cuts), 1);
}

/// A pupil's comment to the class cited no enrolment and was refused.
#[test]
fn a_pupil_speaks_to_the_class() {
    pass(&Config::new(Profile::TwoG), 3);
}

/// A pupil who had left and come back cited an enrolment that other pupils do not
/// hold: to them its heads went backwards.
#[test]
fn a_pupil_who_came_back_speaks_to_the_class() {
    pass(&Config::new(Profile::Cuts), 4);
}

/// The power went after a document change was applied: the mark that it was being
/// decoded was durable, that it had been was not, and it went into quarantine.
#[test]
fn a_power_cut_speaks_against_no_document() {
    pass(&Config::new(Profile::Hostile), 6);
}
