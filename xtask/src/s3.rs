//! The relay's files in a bucket: a throw-away server that speaks S3.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::steps::Outcome;
use crate::tools::{self, NEEDS};

/// A server of buckets in memory.
const SERVER: &str = "moto_server";
/// Where it is from, on PyPI.
const PACKAGE: &str = "moto[server]";
/// It is a Python program: on a slow machine it takes seconds to begin.
const START: Duration = Duration::from_secs(60);

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(program: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{SERVER}: {error}");
        // It does not say which port it took: one that is free now.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        drop(listener);
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let server = Self { process, address };
        let begin = Instant::now();
        while let Err(error) = server.make_bucket() {
            if begin.elapsed() > START {
                return Err(failed(error));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn make_bucket(&self) -> std::io::Result<()> {
        let mut socket = TcpStream::connect(self.address)?;
        let host = self.address;
        write!(
            socket,
            "PUT /stunity HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        match answer.split(' ').nth(1) {
            Some("200") => Ok(()),
            _ => Err(std::io::Error::other("it made no bucket")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, installed into the cache where it is missing.
fn program() -> Result<PathBuf, String> {
    if tools::answers(SERVER, "--help") {
        return Ok(PathBuf::from(SERVER));
    }
    let tools = tools::cache().unwrap_or_else(|| tools::root().join("target"));
    let folder = tools.join("tools/moto");
    let program = folder.join("bin").join(SERVER);
    if program.exists() {
        return Ok(program);
    }
    let make = || {
        tools::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut install = Command::new(folder.join("bin/pip"));
        tools::run(install.args(["install", "--quiet", PACKAGE]))
    };
    make()
        .or_else(|_| tools::apt("python3-venv").and_then(|()| make()))
        .map_err(|_| format!("{NEEDS}a server that speaks S3: pip install '{PACKAGE}'"))?;
    Ok(program)
}

/// Runs the tests of files with a bucket.
pub fn test() -> Result<Outcome, String> {
    let server = Server::start(&program()?)?;
    // Of the whole workspace, as in the other steps: nothing is built again.
    let mut test = tools::cargo(&["test", "--workspace", "--lib", "a_bucket_keeps_copies"]);
    let mut tests = tools::cargo(&["test", "--workspace", "--test", "files"]);
    for tests in [&mut test, &mut tests] {
        tests
            .env("STUNITY_TEST_S3", "s3://stunity/blobs")
            .env("AWS_ENDPOINT", format!("http://{}", server.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        tools::run(tests)?;
    }
    Ok(Outcome::Passed)
}
