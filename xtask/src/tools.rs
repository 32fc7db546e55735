//! Running other programs.
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// So begins an error that says what the machine lacks and cannot install.
pub const NEEDS: &str = "needs ";

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// A folder in the user's cache for what may be kept between runs.
pub fn cache() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("stunity"))
}

/// Where builds go: as the environment says, else into the cache, so that a
/// fresh clone builds quickly; else beside the sources.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .or_else(|| cache().map(|cache| cache.join("target")))
        .unwrap_or_else(|| root().join("target"))
}

/// Cargo, in the repository, with the shared target folder.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo says to this program about itself: some build scripts ask for it, and
    // would run again each time that cargo is started by hand and by xtask in turn.
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        if said.starts_with("CARGO_PKG_") || said.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target());
    command
}

/// What hangs is stopped, so that a run says which step it was.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Waits for the end of what was started, which must come within half an hour.
fn finish(program: &OsStr, mut child: Child) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{program:?}: {error}");
    let start = Instant::now();
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{program:?} {status}")),
            None if start.elapsed() > LIMIT => {
                child.kill().map_err(failed)?;
                return Err(format!("{program:?} hung for {} s", LIMIT.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Runs a command to its end, which must come within half an hour.
pub fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_owned();
    let child = command
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program:?}: {error}"))?;
    finish(&program, child)
}

/// As [`run`]; what the command prints.
pub fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program:?}: {error}"))?;
    let stdout = child.stdout.take();
    // It is read meanwhile, so that a long answer does not wait for its end.
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.map(|mut stdout| stdout.read_to_string(&mut text));
        text
    });
    finish(&program, child)?;
    let text = reader.join().map_err(|_| "its output is no text")?;
    Ok(text.trim().to_owned())
}

/// Builds the commands; their folder.
pub fn build_commands() -> Result<PathBuf, String> {
    // The whole workspace: cargo chooses the same features as the tests do, and
    // builds each dependency once.
    run(&mut cargo(&["build", "--workspace", "--bins"]))?;
    Ok(target().join("debug"))
}

/// Real data for tests and demonstrations, if it is there: `STUNITY_DATA`, or
/// `shared/data` beside the repository.
pub fn data() -> Option<PathBuf> {
    let data = std::env::var_os("STUNITY_DATA")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    data.is_dir().then_some(data)
}

/// Whether a program can be started.
pub fn has(program: &str) -> bool {
    answers(program, "--version")
}

/// Whether a program can be started with this one argument, and ends well.
pub fn answers(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A cargo subcommand's program, installed into the cache where it is missing.
pub fn cargo_tool(name: &str) -> Result<PathBuf, String> {
    if has(name) {
        return Ok(PathBuf::from(name));
    }
    let folder = cache()
        .unwrap_or_else(|| root().join("target"))
        .join("tools");
    let program = folder.join("bin").join(name);
    if !program.exists() {
        let mut install = cargo(&["install", name, "--locked", "--root"]);
        run(install.arg(&folder))
            .map_err(|error| format!("{NEEDS}{name}: cargo install {name} --locked ({error})"))?;
    }
    Ok(program)
}

/// The packages of a folder's lock file, installed where they are missing or older.
pub fn install_packages(folder: &Path) -> Result<(), String> {
    let age = |file: &str| std::fs::metadata(folder.join(file)).and_then(|m| m.modified());
    let installed = age("node_modules/.package-lock.json");
    if installed.is_ok_and(|at| age("package-lock.json").is_ok_and(|lock| lock <= at)) {
        return Ok(());
    }
    // Not `npm ci`: it refuses a lock file without the packages for other systems,
    // and some registries do not have all of them.
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts"])
        .current_dir(folder);
    run(&mut npm)
}

/// Installs a Debian package where that is possible.
pub fn apt(package: &str) -> Result<(), String> {
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        run(&mut command)
    };
    apt(&["install", "-y", package])
        .or_else(|_| apt(&["update"]).and_then(|()| apt(&["install", "-y", package])))
        .map_err(|_| format!("{NEEDS}the Debian package {package}: apt-get install {package}"))
}

/// The exit code of a result, with its error said.
pub fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
