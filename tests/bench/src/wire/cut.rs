//! Links that break again and again, in lock step: the same work gives the same figures,
//! save that keys and ids are random.
use std::net::SocketAddr;

use stunity_client::Client;
use stunity_e2e::School;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::class::Fallible;
use super::exchange::{Carries, exchange_over};

/// What a sync took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Bytes both ways, upgrades included.
    pub bytes: usize,
    /// Connections.
    pub connections: usize,
}

/// Syncs over links that carry so many bytes each, if any bound, the upgrade included,
/// until all came through.
///
/// # Errors
/// What a session says, or that it never comes through.
pub async fn through_cuts(
    school: &School,
    device: &mut Client,
    every: Option<usize>,
) -> Fallible<Cuts> {
    let upgrade = upgrade_len(school.address).await?;
    let link = every.map_or(Carries::All, |every| {
        Carries::Bytes(every.saturating_sub(upgrade))
    });
    let mut bytes = 0;
    for connections in 1..1000 {
        let carried = exchange_over(school, device, link).await?;
        bytes += upgrade + carried.bytes();
        if !carried.is_cut {
            return Ok(Cuts { bytes, connections });
        }
    }
    Err(format!("{link:?}: never came through").into())
}

/// Bytes both ways before the first message: RFC 6455 §4, as the client asks.
async fn upgrade_len(relay: SocketAddr) -> Fallible<usize> {
    let request = format!(
        "GET /sync HTTP/1.1\r\nHost: {relay}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut stream = TcpStream::connect(relay).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        return Err("no upgrade".into());
    }
    Ok(request.len() + answer.len())
}
