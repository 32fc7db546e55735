//! `cargo xtask run`: the relay with a demo class.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::tools;

const LISTEN: &str = "127.0.0.1:8470";

/// Whether the relay answers that it is well.
fn is_ready() -> bool {
    let Ok(mut stream) = TcpStream::connect(LISTEN) else {
        return false;
    };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

/// Starts everything and stays until interrupted.
pub fn run() -> Result<(), String> {
    let bin = tools::build_commands()?;
    let data = tools::cache()
        .unwrap_or_else(|| tools::root().join("target"))
        .join("demo");
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    if is_ready() {
        return Err(format!("something answers at http://{LISTEN} already"));
    }
    let mut relay = Command::new(bin.join("stunity-server"))
        .arg("--data")
        .arg(data.join("relay"))
        .args(["serve", "--listen", LISTEN])
        .env("STUNITY_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut said = String::new();
    if let Some(stdout) = relay.stdout.take() {
        // The first line comes when the relay listens.
        let _ = BufReader::new(stdout).read_line(&mut said);
    }
    let result = seed(&bin, &data);
    if let Err(error) = result {
        let _ = relay.kill();
        return Err(error);
    }
    let stunity = bin.join("stunity");
    let home = data.join("class");
    println!(
        "\nOpen http://{LISTEN}/\n\nTry, in another terminal:\n  \
         {0} --home {1}/teacher course list\n  \
         {0} --home {1}/pupil-1 status\n  \
         {0} --home {1}/teacher search កម្លាំង\n  \
         {0} --home {1}/pupil-1 sync --live\n\nCtrl-C stops the relay.",
        stunity.display(),
        home.display()
    );
    let _ = relay.wait();
    Ok(())
}

/// Makes the demo class once; it is kept between runs.
fn seed(bin: &Path, data: &Path) -> Result<(), String> {
    let class = data.join("class");
    if class.join("done").exists() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(&class);
    let mut demo = Command::new(bin.join("stunity-demo"));
    demo.arg("seed")
        .arg("--bin")
        .arg(bin)
        .arg("--relay")
        .arg(format!("http://{LISTEN}"))
        .arg("--relay-data")
        .arg(data.join("relay"))
        .arg("--class")
        .arg(&class);
    tools::run(&mut demo)
}
