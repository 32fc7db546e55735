//! The relay's files in a bucket: a throw-away server that speaks S3.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::steps::Outcome;
use crate::tools;

/// From `pip install 'moto[server]'`.
const SERVER: &str = "moto_server";
/// It is a Python program: on a slow machine it takes seconds to begin.
const START: Duration = Duration::from_secs(60);

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{SERVER}: {error}");
        // It does not say which port it took: one that is free now.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        drop(listener);
        let process = Command::new(SERVER)
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

/// It tells no version.
fn is_here() -> bool {
    let mut help = Command::new(SERVER);
    help.arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    help.status().is_ok_and(|status| status.success())
}

/// Runs the tests of files with a bucket.
pub fn test() -> Result<Outcome, String> {
    if !is_here() {
        return Ok(Outcome::Skipped(
            "needs a server that speaks S3: pip install 'moto[server]'".into(),
        ));
    }
    let server = Server::start()?;
    let mut test = tools::cargo(&[
        "test",
        "--workspace",
        "--features",
        "stunity-server/s3",
        "--lib",
        "a_bucket_keeps_copies",
    ]);
    test.env("STUNITY_TEST_S3", "s3://stunity/blobs")
        .env("AWS_ENDPOINT", format!("http://{}", server.address))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    tools::run(&mut test)?;
    Ok(Outcome::Passed)
}
