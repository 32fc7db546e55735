//! `stunity-demo`: a small bilingual class on a running relay, made with the
//! `stunity` command as a person would; and a fortnight of a class without network.
mod fortnight;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use serde_json::Value;

#[derive(Parser)]
#[command(version, about = "Demonstrations")]
struct Cli {
    #[command(subcommand)]
    command: Demo,
}

#[derive(Subcommand)]
enum Demo {
    /// Makes the demo class.
    Seed {
        /// Folder of the `stunity` and `stunity-server` commands.
        #[arg(long)]
        bin: PathBuf,
        /// The relay's URL.
        #[arg(long)]
        relay: String,
        /// The relay's data folder.
        #[arg(long)]
        relay_data: PathBuf,
        /// The folder for the devices.
        #[arg(long)]
        class: PathBuf,
    },
    /// A class works a fortnight offline and comes together over a real 3G link.
    ClassFortnight {
        /// Folder of the `stunity` and `stunity-server` commands.
        #[arg(long)]
        bin: PathBuf,
        /// Folder of the link traces.
        #[arg(long)]
        links: PathBuf,
        /// How many students.
        #[arg(long, default_value_t = 30)]
        students: usize,
        /// What decides who is killed when.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Demo::Seed {
            bin,
            relay,
            relay_data,
            class,
        } => Seed {
            bin,
            relay,
            relay_data,
            class,
        }
        .run(),
        Demo::ClassFortnight {
            bin,
            links,
            students,
            seed,
        } => fortnight::run(bin, &links, students, seed),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stunity-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Seed {
    bin: PathBuf,
    relay: String,
    relay_data: PathBuf,
    class: PathBuf,
}

const PUPILS: &[(&str, &str, &str)] = &[
    ("Sokha", "Chan", "ចាន់ សុខា"),
    ("Dara", "Kim", "គឹម ដារ៉ា"),
    ("Bopha", "Sok", "សុខ បុប្ផា"),
];

impl Seed {
    fn output(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output = Command::new(self.bin.join(program))
            .args(args)
            .env("STUNITY_LOG", "error")
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{program} {args:?}: {}", said.trim()))
        }
    }

    fn stunity(&self, home: &Path, args: &[&str]) -> Result<Value, String> {
        let home = home.to_string_lossy();
        let mut all = vec!["--home", &home, "--json"];
        all.extend(args);
        let text = self.output("stunity", &all)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| format!("{args:?}: {error}"))
    }

    fn join(&self, name: &str, role: &str) -> Result<(PathBuf, String), String> {
        let data = self.relay_data.to_string_lossy();
        let code = self.output(
            "stunity-server",
            &["--data", &data, "invite", "--role", role],
        )?;
        let home = self.class.join(name);
        let who = self.stunity(&home, &["join", "--relay", &self.relay, "--code", &code])?;
        Ok((home, text(&who, "account")?))
    }

    fn run(&self) -> Result<(), String> {
        std::fs::create_dir_all(&self.class).map_err(|error| error.to_string())?;
        let (teacher, _) = self.join("teacher", "admin")?;
        self.stunity(&teacher, &["sync"])?;
        let made = self.stunity(
            &teacher,
            &[
                "course",
                "create",
                "--title",
                "Physics 10",
                "--title-km",
                "រូបវិទ្យា ថ្នាក់ទី១០",
                "--description",
                "Forces and motion",
                "--open",
            ],
        )?;
        let course = text(&made, "course")?;
        self.stunity(
            &teacher,
            &[
                "lesson",
                "publish",
                "--course",
                &course,
                "--title",
                "Force",
                "--title-km",
                "កម្លាំង",
                "A force changes how a body moves.\n\nកម្លាំងធ្វើឱ្យអង្គធាតុផ្លាស់ប្តូរចលនា។",
            ],
        )?;
        let made = self.stunity(
            &teacher,
            &[
                "assignment",
                "publish",
                "--course",
                &course,
                "--title",
                "A force at home",
                "--title-km",
                "កម្លាំងនៅផ្ទះ",
                "--points",
                "10",
                "Describe a force that you saw today. ពណ៌នាកម្លាំងមួយដែលអ្នកបានឃើញថ្ងៃនេះ។",
            ],
        )?;
        let assignment = text(&made, "assignment")?;
        let mut pupils = Vec::new();
        for (index, (first, ..)) in PUPILS.iter().enumerate() {
            let (home, account) = self.join(&format!("pupil-{}", index + 1), "pupil")?;
            self.stunity(
                &teacher,
                &[
                    "course",
                    "enrol",
                    "--course",
                    &course,
                    "--account",
                    &account,
                ],
            )?;
            pupils.push((home, account, *first));
        }
        self.stunity(&teacher, &["sync"])?;
        for (index, (home, ..)) in pupils.iter().enumerate() {
            self.stunity(home, &["sync"])?;
            let work = format!("I pushed a door. ខ្ញុំបានរុញទ្វារ។ ({})", index + 1);
            self.stunity(
                home,
                &[
                    "submit",
                    "--course",
                    &course,
                    "--assignment",
                    &assignment,
                    &work,
                ],
            )?;
            self.stunity(home, &["sync"])?;
        }
        self.stunity(&teacher, &["sync"])?;
        self.stunity(
            &teacher,
            &[
                "grade",
                "--course",
                &course,
                "--assignment",
                &assignment,
                "--student",
                &pupils[0].1,
                "--points",
                "9",
                "--feedback",
                "Well seen. ល្អណាស់។",
            ],
        )?;
        self.stunity(&teacher, &["sync"])?;
        self.stunity(&pupils[0].0, &["sync"])?;
        std::fs::write(self.class.join("done"), "").map_err(|error| error.to_string())
    }
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("no {name} in {value}"))
}
