//! `stunity-sim`: runs seeds and prints those that fail.
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use stunity_sim::{Config, Profile, run};

/// Real clients and the real relay under one seed.
#[derive(Parser)]
struct Args {
    /// Seeds, as `A..B` (without B) or one number.
    #[arg(long, default_value = "0..20", value_parser = range)]
    seeds: (u64, u64),
    /// Devices.
    #[arg(long, default_value_t = 12)]
    devices: usize,
    /// 2g, 3g, cuts, hostile or evil-relay.
    #[arg(long, default_value_t = Profile::Hostile)]
    profile: Profile,
    /// Hours of virtual time before everybody comes together.
    #[arg(long, default_value_t = 48)]
    hours: u64,
    /// How many of the last events are printed with a seed that fails.
    #[arg(long, default_value_t = 60)]
    events: usize,
    /// Seeds at a time.
    #[arg(long)]
    threads: Option<usize>,
    /// Goes on after a seed that fails.
    #[arg(long)]
    keep_going: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("no number: {text:?}"));
    match text.split_once("..") {
        Some((from, to)) => Ok((number(from)?, number(to)?)),
        None => number(text).map(|seed: u64| (seed, seed + 1)),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let config = Config {
        devices: args.devices,
        hours: args.hours,
        events: args.events,
        data: std::env::var_os("STUNITY_DATA").map(PathBuf::from),
        ..Config::new(args.profile)
    };
    let threads = args
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let next = AtomicU64::new(args.seeds.0);
    let stop = AtomicBool::new(false);
    let failed = Mutex::new(Vec::new());
    let totals = Mutex::new((0u64, 0usize, 0u64));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.seeds.1 {
                        break;
                    }
                    match run(seed, &config) {
                        Ok(report) => {
                            let mut totals = totals.lock().unwrap_or_else(|e| e.into_inner());
                            totals.0 += 1;
                            totals.1 += report.deeds;
                            totals.2 += report.figures.connections;
                        }
                        Err(failure) => {
                            eprintln!("{failure}\nseed {seed} of {} fails", config.profile);
                            failed.lock().unwrap_or_else(|e| e.into_inner()).push(seed);
                            stop.store(!args.keep_going, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (passed, deeds, connections) = totals.into_inner().unwrap_or_else(|e| e.into_inner());
    let failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    println!(
        "{}: {passed} seeds passed, {} failed {failed:?}; {deeds} deeds, {connections} sessions, {:.1} s",
        config.profile,
        failed.len(),
        begun.elapsed().as_secs_f64(),
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
