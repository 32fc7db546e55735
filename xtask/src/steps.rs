//! The steps of `cargo xtask test`, as data.
use crate::{clients, demo, interop, layers, postgres, s3, tools, wasm};

/// How a step ended.
pub enum Outcome {
    /// It passed.
    Passed,
    /// It could not run here; says why in one line.
    Skipped(String),
}

impl Outcome {
    /// An error where the step did not run.
    pub fn passed(self) -> Result<(), String> {
        match self {
            Self::Passed => Ok(()),
            Self::Skipped(why) => Err(why),
        }
    }
}

/// One step.
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// Whether `--quick` runs it.
    pub quick: bool,
    /// What it does.
    pub run: fn() -> Result<Outcome, String>,
}

fn cargo(args: &[&str]) -> Result<Outcome, String> {
    tools::run(&mut tools::cargo(args)).map(|()| Outcome::Passed)
}

/// The module, in any file of tests, whose tests `--quick` leaves out.
const LONG: &str = "long::";

/// All steps, in order.
pub const STEPS: &[Step] = &[
    Step {
        name: "format",
        quick: true,
        run: || cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "layers",
        quick: true,
        run: || layers::check().map(|()| Outcome::Passed),
    },
    Step {
        name: "clippy",
        quick: true,
        run: || {
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])
        },
    },
    Step {
        name: "tests",
        quick: true,
        run: || cargo(&["test", "--workspace", "--", "--skip", LONG]),
    },
    Step {
        name: "long",
        quick: false,
        run: || cargo(&["test", "--workspace", "--tests", "--", LONG]),
    },
    Step {
        name: "fortnight",
        quick: false,
        run: fortnight,
    },
    Step {
        name: "postgres",
        quick: false,
        run: postgres::test,
    },
    Step {
        name: "s3",
        quick: false,
        run: s3::test,
    },
    Step {
        name: "wasm32",
        quick: false,
        run: wasm::check,
    },
    Step {
        name: "node",
        quick: false,
        run: interop::node,
    },
    Step {
        name: "clients",
        quick: false,
        run: clients::test,
    },
    Step {
        name: "kotlin",
        quick: false,
        run: interop::kotlin,
    },
    Step {
        name: "swift",
        quick: false,
        run: interop::swift,
    },
    Step {
        name: "web",
        quick: false,
        run: interop::web,
    },
    Step {
        name: "licences",
        quick: false,
        run: licences,
    },
];

/// A class of real processes over a recorded link.
fn fortnight() -> Result<Outcome, String> {
    if tools::data().is_none() {
        return Ok(Outcome::Skipped(
            "needs the link traces: set STUNITY_DATA to the data folder".into(),
        ));
    }
    demo::class_fortnight(&["--students", "10"]).map(|()| Outcome::Passed)
}

/// Licences, sources and banned crates. The advisories need their database, which
/// cargo-deny clones; where it cannot, they are left out.
fn licences() -> Result<Outcome, String> {
    let deny = tools::cargo_tool("cargo-deny")?;
    let check = |what: &[&str]| {
        let mut deny = std::process::Command::new(&deny);
        deny.current_dir(tools::root())
            .args(["--log-level", "error", "check", "--hide-inclusion-graph"])
            .args(what);
        tools::run(&mut deny)
    };
    check(&["licenses", "bans", "sources"])?;
    let mut fetch = std::process::Command::new(&deny);
    fetch.current_dir(tools::root()).args(["fetch", "db"]);
    let fetched = fetch.output().map_err(|error| error.to_string())?;
    if fetched.status.success() {
        check(&["advisories"])?;
    } else {
        println!("advisories left out: their database cannot be cloned here");
    }
    Ok(Outcome::Passed)
}
