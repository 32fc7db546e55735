//! `stunity-bench [wire|relay|client]…`: prints budgets beside figures.
use std::process::ExitCode;

use stunity_bench::{Row, client, print, relay, wire};

type Measure = fn() -> Result<Vec<Row>, String>;

const SUBJECTS: &[(&str, Measure)] = &[
    ("wire", wire::measure),
    ("relay", relay::measure),
    ("client", client::measure),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| SUBJECTS.iter().all(|(subject, _)| subject != name))
    {
        eprintln!("no such subject: {unknown}; there are wire, relay, client");
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
