//! Every decoder has its fuzz target, and holds what once crashed.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stunity_compat::decoders::seeds::{self, seeds};
use stunity_compat::decoders::{TARGETS, documents};
use stunity_compat::{Strictness, cases};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn every_golden_case_is_where_a_target_begins() {
    for case in cases() {
        if case.strictness == Strictness::Hash {
            continue;
        }
        let begins = |name: &&str| case.name.starts_with(*name);
        let decoded = TARGETS.iter().any(|t| t.golden.iter().any(begins));
        assert!(decoded, "no target decodes {}", case.name);
    }
}

#[test]
fn every_target_has_its_file_and_something_to_begin_with() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
    let written: BTreeSet<String> = files(&fuzz().join("fuzz_targets"))
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    assert_eq!(listed, written);
    for target in TARGETS {
        assert!(
            !seeds(target).is_empty(),
            "{} begins with nothing",
            target.name
        );
    }
}

#[test]
fn what_fuzzing_begins_with_is_held() {
    for target in TARGETS {
        for (_, bytes) in seeds(target) {
            (target.check)(&bytes);
        }
    }
    assert_eq!(documents::heads(seeds::changes()).len(), 1);
}

#[test]
fn what_once_crashed_is_held() {
    for folder in files(&fuzz().join("crashes")) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let target = TARGETS.iter().find(|target| target.name == name);
        let target = target.unwrap_or_else(|| panic!("crashes of no target: {name}"));
        for file in files(&folder) {
            let bytes = std::fs::read(&file).expect("a committed file");
            (target.check)(&bytes);
        }
    }
}

/// Every seed cut at each of its bytes, and with each byte changed: what no golden
/// case covers, since it is of this device alone or comes as a series.
#[test]
fn cut_and_changed_seeds_harm_no_decoder() {
    for target in TARGETS {
        for (_, bytes) in seeds(target) {
            // Opening sealed bytes costs more than it can show again and again.
            let step = 1 + bytes.len() / 400;
            for at in (0..bytes.len()).step_by(step) {
                (target.check)(&bytes[..at]);
                let mut changed = bytes.clone();
                for flip in [1, 0x80, 0xff] {
                    changed[at] = bytes[at] ^ flip;
                    (target.check)(&changed);
                }
            }
        }
    }
}
