//! `stunity-bench [wire|relay|client|classes]…`: prints budgets beside figures. A part of
//! `relay` alone: `relay.start`, `relay.live`, `relay.idle`, `relay.upload`,
//! `relay.history`.
use std::process::ExitCode;

use stunity_bench::{Measure, classes, client, print, relay, wire};

const SUBJECTS: &[(&str, Measure)] = &[
    ("wire", wire::measure),
    ("relay", relay::measure),
    ("client", client::measure),
    ("classes", classes::measure),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    // Subjects start this program once more: to measure a process from its start,
    // to load one from outside.
    let child = match wanted.split_first() {
        Some((word, rest)) if word == "child" => Some(client::child(rest)),
        Some((word, rest)) if word == "relay-load" => Some(relay::child(rest)),
        _ => None,
    };
    if let Some(result) = child {
        return match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let parts = relay::PARTS.iter().map(|(name, part)| (*name, *part));
    let subjects = SUBJECTS.iter().copied().chain(parts);
    if let Some(unknown) = (wanted.iter()).find(|name| {
        subjects
            .clone()
            .all(|(subject, _)| subject != name.as_str())
    }) {
        eprintln!("no such subject: {unknown}; there are wire, relay, client, classes");
        return ExitCode::from(2);
    }
    let wants = |subject: &str| match wanted.is_empty() {
        true => SUBJECTS.iter().any(|(name, _)| *name == subject),
        false => wanted.iter().any(|name| name == subject),
    };
    let mut good = true;
    for (subject, measure) in subjects {
        if !wants(subject) {
            continue;
        }
        println!("\n== {subject} ==");
        match measure() {
            Ok(rows) => good &= print(&rows),
            Err(error) => {
                eprintln!("{subject}: {error}");
                good = false;
            }
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
