//! A link with a delay each way that counts what crosses it after the upgrade.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What ends the head of an HTTP message.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A proxy before a relay.
pub struct FarLink {
    /// Where the device connects.
    pub address: SocketAddr,
    carried: Arc<AtomicU64>,
}

impl FarLink {
    /// Carries to `relay`, each byte `delay` later.
    ///
    /// # Errors
    /// No free port.
    pub async fn new(relay: SocketAddr, delay: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let carried = Arc::new(AtomicU64::new(0));
        let total = carried.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let total = total.clone();
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(relay).await {
                        carry(near, far, delay, &total).await;
                    }
                });
            }
        });
        Ok(Self { address, carried })
    }

    /// Bytes after the upgrades, both ways.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

async fn carry(near: TcpStream, far: TcpStream, delay: Duration, total: &AtomicU64) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(
        one_way(near_read, far_write, delay, total),
        one_way(far_read, near_write, delay, total)
    );
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    total: &AtomicU64,
) {
    let (under_way, mut arriving) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let send = async move {
        let mut buffer = [0; 16 * 1024];
        let mut head: Option<Vec<u8>> = Some(Vec::new());
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let after = after_head(&mut head, &buffer[..len]);
            total.fetch_add(after as u64, Ordering::Relaxed);
            let sent = (Instant::now() + delay, buffer[..len].to_vec());
            if under_way.send(sent).is_err() {
                return;
            }
        }
    };
    let receive = async move {
        while let Some((when, bytes)) = arriving.recv().await {
            sleep_until(when).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(send, receive);
}

/// How many of the bytes stand after the message's head, which is kept until it ends.
fn after_head(head: &mut Option<Vec<u8>>, bytes: &[u8]) -> usize {
    let Some(seen) = head else {
        return bytes.len();
    };
    seen.extend_from_slice(bytes);
    let mut parts = seen.windows(END_OF_HEAD.len());
    match parts.position(|part| part == END_OF_HEAD) {
        Some(at) => {
            let after = seen.len() - at - END_OF_HEAD.len();
            *head = None;
            after
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_the_upgrade_is_not_counted() {
        let mut head = Some(Vec::new());
        assert_eq!(after_head(&mut head, b"GET /sync\r\n"), 0);
        assert_eq!(after_head(&mut head, b"\r\nabc"), 3);
        assert_eq!(after_head(&mut head, b"\r\n\r\n"), 4);
    }
}
