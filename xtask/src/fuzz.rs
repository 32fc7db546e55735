//! `cargo xtask fuzz`: decoders under libFuzzer, from golden bytes and from what
//! once crashed.
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::tools;

/// Longest input: a frame holds more, but what is interesting is small.
const MAX_LEN: u32 = 16 * 1024;
/// An input that takes so many seconds is a finding.
const TIMEOUT: u32 = 10;
/// A process that needs so much is a finding, in MiB; sanitizers double it.
const MEMORY: u32 = 2048;

/// Fuzzes all targets, or those named, for some seconds each.
pub fn fuzz(args: &[&str]) -> Result<(), String> {
    let mut seconds = 30;
    let mut named: Vec<String> = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if *arg == "--seconds" {
            let value = args.next().and_then(|value| value.parse().ok());
            seconds = value.ok_or("--seconds needs a number")?;
        } else {
            named.push((*arg).to_owned());
        }
    }
    if !tools::has("cargo-fuzz") {
        tools::run(&mut tools::cargo(&["install", "cargo-fuzz", "--locked"]))?;
    }
    let folder = tools::root().join("tests/fuzz");
    let known = corpora(&folder.join("corpus"))?;
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        return Err(format!(
            "no target {unknown}; there are {}",
            known.join(", ")
        ));
    }
    let targets = if named.is_empty() { known } else { named };
    build(&folder)?;
    let mut failed = Vec::new();
    for target in &targets {
        let start = Instant::now();
        let log = folder.join("artifacts").join(format!("{target}.log"));
        let passed = run(&folder, target, seconds, &log)?;
        let executions = executions(&log);
        let word = if passed { "no finding" } else { "FINDING" };
        let took = start.elapsed().as_secs();
        println!("{target:<15} {took:>5} s {executions:>12} executions  {word}");
        if !passed {
            failed.push(format!("{target}: see {}", log.display()));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

/// Writes what each target begins with; their names.
fn corpora(folder: &Path) -> Result<Vec<String>, String> {
    let mut command = tools::cargo(&[
        "run",
        "--quiet",
        "--package",
        "stunity-compat",
        "--example",
        "write-corpora",
        "--",
    ]);
    let output = command
        .arg(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err("the corpora could not be written".into());
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.lines().map(str::to_owned).collect())
}

/// cargo-fuzz with a nightly toolchain, or with this one as if it were.
fn cargo_fuzz(folder: &Path) -> Command {
    let nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut command = Command::new("cargo");
    if nightly {
        // The toolchain that runs this is named in the environment.
        command.env_remove("RUSTUP_TOOLCHAIN").arg("+nightly");
    } else {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    command
        .args(["fuzz"])
        .current_dir(folder)
        .env_remove("CARGO")
        .env("CARGO_TARGET_DIR", tools::target().join("fuzz"));
    command
}

fn build(folder: &Path) -> Result<(), String> {
    tools::run(cargo_fuzz(folder).args(["build", "--fuzz-dir", "."]))
}

/// Runs one target into a log; whether nothing was found.
fn run(folder: &Path, target: &str, seconds: u64, log: &Path) -> Result<bool, String> {
    let told = |error: std::io::Error| format!("{}: {error}", log.display());
    std::fs::create_dir_all(folder.join("artifacts")).map_err(told)?;
    let file = File::create(log).map_err(told)?;
    let mut command = cargo_fuzz(folder);
    command
        .args(["run", "--fuzz-dir", ".", target])
        .arg(format!("corpus/{target}"));
    let crashes = format!("crashes/{target}");
    if folder.join(&crashes).is_dir() {
        command.arg(crashes);
    }
    command
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .args(["-print_final_stats=1", "-verbosity=0"]);
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(told)?)
        .stderr(file)
        .status()
        .map_err(told)?;
    Ok(status.success())
}

/// How often the target ran, by the last line that says so.
fn executions(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .rev()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .map_or_else(|| "?".to_owned(), |count| count.trim().to_owned())
}
