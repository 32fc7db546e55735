//! `stunity`: a headless device of one account.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong usage; 3 the relay cannot be reached
//! (what was queued stays queued); 4 refused; 5 something needs attention.
mod accounts;
mod args;
mod conversation;
mod course;
mod device;
mod doctor;
mod draft;
mod file;
mod gradebook;
mod grades;
mod learn;
mod parcel;
mod pending;
mod progress;
mod proposals;
mod quiz;
mod run;
mod school;
mod session;
mod show;
mod social;

use std::process::ExitCode;

use clap::Parser;
use stunity_client::ClientError;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let json = cli.json;
    match run::run(cli) {
        Ok(code) => {
            // What gives nothing else says at least that it is done.
            if json && !show::has_printed() {
                println!("{}", serde_json::json!({ "done": true }));
            }
            code
        }
        Err(error) => {
            if json {
                println!(
                    "{}",
                    serde_json::json!({ "error": error.code(), "text": error.to_string() })
                );
            } else {
                eprintln!("stunity: {error} [{}]", error.code());
            }
            match error {
                ClientError::Unreachable(_) => ExitCode::from(3),
                ClientError::Refused(_) => ExitCode::from(4),
                _ => ExitCode::FAILURE,
            }
        }
    }
}
