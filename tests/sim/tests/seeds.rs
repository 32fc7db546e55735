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

/// Whole classes over two days: `cargo xtask test --quick` leaves them out.
mod long {
    use super::*;

    /// Seeds in which something was once lost, said twice or not understood.
    fn once_failed(profile: Profile, seeds: &[u64]) {
        let config = Config {
            data: small(profile).data,
            ..Config::new(profile)
        };
        for seed in seeds {
            pass(&config, *seed);
        }
    }

    /// Own entries came neither as results nor in the pack that was resumed; heads of a
    /// pupil who had come back went backwards to other pupils.
    #[test]
    fn what_cuts_once_lost_comes() {
        once_failed(Profile::Cuts, &[1, 4]);
    }

    /// A pupil's comment to the class cited no enrolment and was refused.
    #[test]
    fn a_pupil_speaks_to_the_class() {
        once_failed(Profile::TwoG, &[3]);
    }

    /// A chain was restored over a rival of the entry before (0); entries numbered in two
    /// spaces were cited by the number of the other one (21); two submissions in one entry
    /// were erased together (1).
    #[test]
    fn what_was_once_mistaken_for_something_else_is_told_apart() {
        once_failed(Profile::Hostile, &[0, 1, 21]);
    }

    /// A relay that was restored had lost what a pupil had said in a course before leaving
    /// it (9), and refused for good what cited membership that it had lost (28).
    #[test]
    fn what_a_restored_relay_lacks_comes_again() {
        once_failed(Profile::Hostile, &[9, 28]);
    }

    /// A full disk left the relay without a connection (14); a failed sync and then a power
    /// cut left a database of two ages (55); what was erased came back with the old WAL
    /// (12), or stood in an entry that had been written again (17).
    #[test]
    fn bad_disks_once_did_harm() {
        once_failed(Profile::Hostile, &[12, 14, 17, 55]);
    }

    /// What a copied phone had written was written again while it was on its way (58), was
    /// refused for good as a gap behind a fork (114), or was restored over what the other
    /// copy had sent (197); a statement that was written again was still cited (4).
    #[test]
    fn copied_phones_once_said_things_twice_or_never() {
        once_failed(Profile::Hostile, &[4, 58, 114, 197]);
    }

    /// A revocation that came after the entry before it was taken for one with the same
    /// heads, and a grade waited for what a revoked tablet had typed (25); work behind its
    /// grade, after a restored relay, was taken for another entry (0, 133).
    #[test]
    fn what_was_left_out_once_came_back_as_something_else() {
        once_failed(Profile::Hostile, &[25, 133]);
    }

    /// An erasure cited a role that its author had only claimed (23); erased words stood in
    /// pages from which they had moved (35); a WAL that began anew with nothing in it came
    /// back with the power (57).
    #[test]
    fn what_was_gone_once_came_back() {
        once_failed(Profile::Hostile, &[23, 35, 57]);
    }

    /// A word stayed in a journal after the disk had been full (26).
    #[test]
    fn a_full_disk_once_kept_words_back() {
        once_failed(Profile::Hostile, &[26]);
    }

    /// What waits at a place of an own chain was taken for what the relay had refused there
    /// (64, 316); a refusal that a restored relay had forgotten was still cited (5); what
    /// was taken over from another copy was still waited for (299).
    #[test]
    fn refusals_once_left_gaps() {
        once_failed(Profile::Hostile, &[5, 64, 299, 316]);
    }

    /// A parcel brought a word to the relay that was erased there, and the pack that had it
    /// was kept.
    #[test]
    fn a_late_parcel_once_brought_back_what_was_erased() {
        once_failed(Profile::Hostile, &[272]);
    }

    /// A revocation came while entries of the same account log came again, to a phone that
    /// had just started: what the lost tablet had published still counted there (250). The
    /// phone that had revoked it was put back to a copy before it had told anybody (479).
    #[test]
    fn revoked_means_revoked_after_a_restart() {
        once_failed(Profile::Hostile, &[250, 479]);
    }

    /// A phone was put back to an earlier copy while the relay asked for a pack of its in
    /// full: nothing of it was left to send, and the phone waited.
    #[test]
    fn a_session_with_nothing_left_to_send_ends() {
        once_failed(Profile::Hostile, &[297]);
    }

    /// Seeds of sweeps that failed beside those above, with the same causes or with faults of
    /// the simulator itself.
    #[test]
    fn seeds_of_hostile_sweeps_pass() {
        once_failed(Profile::Hostile, &[13, 38, 85, 90, 95, 107, 152, 169]);
    }

    /// The same.
    #[test]
    fn further_seeds_of_hostile_sweeps_pass() {
        let seeds = [196, 241, 258, 301, 308, 319, 344, 402];
        once_failed(Profile::Hostile, &seeds);
    }

    /// The same.
    #[test]
    fn seeds_of_evil_sweeps_pass() {
        once_failed(Profile::EvilRelay, &[147, 162]);
    }
}
