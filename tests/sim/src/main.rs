//! `stunity-sim`: runs seeds and prints those that fail.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use stunity_sim::{Config, Failure, Profile, SABOTAGES, Sabotage, run};

/// Real clients and the real relay under one seed.
#[derive(Parser)]
struct Args {
    /// Seeds, as `A..B` (without B) or one number.
    #[arg(long, default_value = "0..20", value_parser = range)]
    seeds: (u64, u64),
    /// Devices.
    #[arg(long, default_value_t = 12)]
    devices: usize,
    /// 2g, 3g, cuts, hostile or evil-relay; hostile, or that in which a sabotage shows.
    #[arg(long)]
    profile: Option<Profile>,
    /// Hours of virtual time before everybody comes together.
    #[arg(long, default_value_t = 48)]
    hours: u64,
    /// How many of the last events are printed with a seed that fails.
    #[arg(long, default_value_t = 60)]
    events: usize,
    /// Seeds at a time.
    #[arg(long)]
    threads: Option<usize>,
    /// Leaves the databases of a seed that fails, and says where.
    #[arg(long)]
    keep: bool,
    /// Goes on after a seed that fails.
    #[arg(long)]
    keep_going: bool,
    /// Breaks one promise on purpose: some seed must fail. `list` names them, `all`
    /// tries each.
    #[arg(long)]
    sabotage: Option<String>,
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
    let all_is_well = match args.sabotage.as_deref() {
        None => sweep(&args, None),
        Some("list") => {
            for sabotage in SABOTAGES {
                println!("{:20} {}", sabotage.name, sabotage.what);
            }
            true
        }
        Some("all") => {
            let missed: Vec<&str> = (SABOTAGES.iter())
                .filter(|sabotage| !sweep(&args, Some(sabotage)))
                .map(|sabotage| sabotage.name)
                .collect();
            println!("not noticed: {missed:?}");
            missed.is_empty()
        }
        Some(name) => match Sabotage::find(name) {
            Some(sabotage) => sweep(&args, Some(sabotage)),
            None => {
                eprintln!("no sabotage {name:?}: `--sabotage list` names them");
                false
            }
        },
    };
    if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What came of the seeds that were run.
#[derive(Default)]
struct Sum {
    passed: u64,
    deeds: usize,
    connections: u64,
    bytes: u64,
    failed: BTreeMap<u64, Failure>,
}

/// Runs the seeds; true if all is as it should be.
fn sweep(args: &Args, sabotage: Option<&'static Sabotage>) -> bool {
    let profile = args
        .profile
        .unwrap_or(sabotage.map_or(Profile::Hostile, |sabotage| sabotage.profile));
    let config = Config {
        devices: args.devices,
        hours: args.hours,
        events: args.events,
        keeps: args.keep,
        data: std::env::var_os("STUNITY_DATA").map(PathBuf::from),
        sabotage,
        ..Config::new(profile)
    };
    let threads = args
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let next = AtomicU64::new(args.seeds.0);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.seeds.1 {
                        break;
                    }
                    let result = run(seed, &config);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(report) => {
                            sum.passed += 1;
                            sum.deeds += report.deeds;
                            sum.connections += report.figures.connections;
                            sum.bytes += report.figures.bytes;
                        }
                        Err(failure) => {
                            eprintln!("seed {seed} of {profile} fails: {}", failure.invariant);
                            sum.failed.insert(seed, failure);
                            stop.store(!args.keep_going, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64();
    match sabotage {
        Some(sabotage) => {
            match sum.failed.first_key_value() {
                Some((seed, failure)) => println!(
                    "{}: noticed by seed {seed} of {profile}, {seconds:.1} s: {}",
                    sabotage.name, failure.invariant
                ),
                None => println!(
                    "{}: not noticed by {} seeds of {profile}",
                    sabotage.name, sum.passed
                ),
            }
            !sum.failed.is_empty()
        }
        None => {
            for (seed, failure) in &sum.failed {
                println!("{failure}\nseed {seed} of {profile} fails");
            }
            println!(
                "{profile}: {} seeds passed, {} failed {:?}; {} deeds, {} sessions, {} MB, {seconds:.1} s",
                sum.passed,
                sum.failed.len(),
                sum.failed.keys().collect::<Vec<_>>(),
                sum.deeds,
                sum.connections,
                sum.bytes / 1_000_000,
            );
            sum.failed.is_empty()
        }
    }
}
