//! Building for the browser: with rustup's target, or with Debian's sources of the
//! standard library where rustup has none to give.
use std::path::PathBuf;
use std::process::Command;

use crate::steps::Outcome;
use crate::tools;

/// The target.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// How this machine compiles for the browser.
enum Compiler {
    /// The toolchain in use has the target.
    Rustup,
    /// Debian's compiler, its sources of the standard library, and the linker that
    /// rustup's toolchain carries.
    Debian {
        /// The folder of `rust-lld`.
        linker: PathBuf,
    },
}

fn rustc(args: &[&str]) -> Option<String> {
    tools::output(Command::new("rustc").args(args).current_dir(tools::root())).ok()
}

fn has_target() -> bool {
    rustc(&["--print", "target-libdir", "--target", TARGET])
        .is_some_and(|folder| PathBuf::from(folder).is_dir())
}

fn compiler() -> Result<Compiler, String> {
    if !has_target() {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", TARGET]);
        let _ = tools::run(rustup.current_dir(tools::root()));
    }
    if has_target() {
        return Ok(Compiler::Rustup);
    }
    tools::apt("rustc-web")?;
    tools::apt("rust-web-src")?;
    let host = rustc(&["--print", "sysroot"]).ok_or("needs rustc")?;
    let linker = PathBuf::from(host).join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
    Ok(Compiler::Debian { linker })
}

/// Cargo with `args` for the browser.
///
/// # Errors
/// What the machine lacks, in one line.
pub fn cargo(args: &[&str]) -> Result<Command, String> {
    if !tools::has("clang") {
        tools::apt("clang")?;
    }
    let mut command = tools::cargo(args);
    command
        .args(["--target", TARGET])
        // C sources use the attributes of C23, which older compilers know by this
        // switch only.
        .env(
            "CFLAGS_wasm32_unknown_unknown",
            "-fdouble-square-bracket-attributes",
        );
    if let Compiler::Debian { linker } = compiler()? {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Clinker=rust-lld")
            .env("PATH", format!("{}:{path}", linker.display()));
    }
    Ok(command)
}

/// All of the core compiles for the browser.
///
/// # Errors
/// What the machine lacks, or the compiler's.
pub fn check() -> Result<Outcome, String> {
    tools::run(&mut cargo(&["check", "--package", "stunity-client"])?)?;
    Ok(Outcome::Passed)
}
