//! Every type has its golden bytes, and its decoder takes no others.
use std::collections::BTreeSet;

use proptest::prelude::*;
use stunity_compat::{Case, cases, golden};

#[test]
fn every_value_has_its_golden_bytes() {
    for case in cases() {
        let golden = golden::load(&case.name).unwrap_or_else(|| {
            assert!(golden::writes(), "no golden file of {}", case.name);
            golden::save(&case.name, &case.bytes).unwrap();
            case.bytes.clone()
        });
        if case.same_bytes {
            assert!(case.bytes == golden, "{} has other bytes", case.name);
        }
        assert!(case.is_value(&golden), "{} is another value", case.name);
        // Whatever a compressor makes of it today must mean the same.
        assert!(
            case.is_value(&case.bytes),
            "{} does not read back",
            case.name
        );
    }
}

#[test]
fn every_golden_file_has_its_case_and_no_case_stands_twice() {
    if golden::writes() {
        return;
    }
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    let distinct: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(names.len(), distinct.len());
    assert_eq!(golden::names(), distinct.into_iter().collect::<Vec<_>>());
}

/// Decoders take bytes and refuse them, or take them as their one encoding.
fn check(case: &Case, bytes: &[u8]) {
    if let Ok(recoded) = case.recode(bytes) {
        assert!(
            case.may_accept(bytes, &recoded),
            "{} took {bytes:02x?} for {recoded:02x?}",
            case.name
        );
    }
}

#[test]
fn truncated_golden_bytes_are_refused() {
    for case in cases() {
        for len in 0..case.bytes.len() {
            let cut = &case.bytes[..len];
            check(&case, cut);
            // A content may end after any part, a key after its kind.
            let may_end = ["parcel/content", "entry/lane-key"];
            if !may_end.iter().any(|name| case.name.starts_with(name)) {
                assert!(case.recode(cut).is_err(), "{} cut at {len}", case.name);
            }
        }
    }
}

#[test]
fn flipped_golden_bytes_are_refused_or_are_another_value() {
    for case in cases() {
        let mut bytes = case.bytes.clone();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                bytes[index] ^= 1 << bit;
                check(&case, &bytes);
                bytes[index] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn longer_golden_bytes_are_refused() {
    for case in cases() {
        for byte in [0, 0x80, 0xff] {
            let mut longer = case.bytes.clone();
            longer.push(byte);
            if case.name.starts_with("entry/lane-key") {
                continue;
            }
            assert!(case.recode(&longer).is_err(), "{} took more", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn golden_bytes_changed_in_many_places_harm_no_decoder(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let cases = cases();
        let case = which.get(&cases);
        let mut bytes = case.bytes.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(case, &bytes);
        check(case, &bytes[..cut.index(bytes.len())]);
    }
}
