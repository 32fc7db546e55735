//! `stunity-bench [wire|relay|client|classes]…`: prints budgets beside figures.
use std::process::ExitCode;

use stunity_bench::{Row, classes, client, print, relay, wire};

type Measure = fn() -> Result<Vec<Row>, String>;

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
    if let Some(unknown) = wanted
        .iter()
        .find(|name| SUBJECTS.iter().all(|(subject, _)| subject != name))
    {
        eprintln!("no such subject: {unknown}; there are wire, relay, client, classes");
        return ExitCode::from(2);
    }
    let mut good = true;
    for (subject, measure) in SUBJECTS {
        if !wanted.is_empty() && wanted.iter().all(|name| name != subject) {
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
