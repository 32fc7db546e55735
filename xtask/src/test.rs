//! `cargo xtask test`.
use std::process::ExitCode;
use std::time::Instant;

use crate::steps::{Outcome, STEPS};
use crate::tools::NEEDS;

/// Runs the steps, each in its turn, and sums up.
pub fn test(quick: bool) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut summary = String::new();
    for step in STEPS.iter().filter(|step| step.quick || !quick) {
        println!("\n== {} ==", step.name);
        let start = Instant::now();
        let outcome = match (step.run)() {
            Err(error) if error.starts_with(NEEDS) => Ok(Outcome::Skipped(error)),
            outcome => outcome,
        };
        let word = match outcome {
            Ok(Outcome::Passed) => {
                passed += 1;
                "passed".to_owned()
            }
            Ok(Outcome::Skipped(why)) => {
                skipped += 1;
                println!("skipped: {why}");
                format!("skipped: {why}")
            }
            Err(error) => {
                failed += 1;
                println!("failed: {error}");
                "FAILED".to_owned()
            }
        };
        let seconds = start.elapsed().as_secs();
        summary.push_str(&format!("{:<10} {seconds:>4} s  {word}\n", step.name));
    }
    println!("\n{summary}");
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
