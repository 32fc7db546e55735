//! A link that carries so many bytes and is then cut, again and again.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use stunity_client::{Client, Link, driver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A proxy before a relay.
pub struct CutLink {
    /// Where clients connect.
    pub address: SocketAddr,
    carried: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

impl CutLink {
    /// Carries to `relay`; each connection carries `bytes` in both directions
    /// together and is then cut, whatever is under way.
    pub async fn new(relay: SocketAddr, bytes: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has one");
        let carried = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let (total, count) = (carried.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let total = total.clone();
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(relay).await {
                        carry(near, far, bytes, total).await;
                    }
                });
            }
        });
        Self {
            address,
            carried,
            connections,
        }
    }

    /// Syncs a device over it until everything came through; `between` runs after
    /// each cut.
    ///
    /// # Panics
    /// If that takes more than 400 connections.
    pub async fn sync(&self, client: &mut Client, mut between: impl FnMut(&mut Client)) {
        let via = Link {
            connect_to: Some(format!("http://{}", self.address)),
        };
        for _ in 0..400 {
            let report = driver::sync(client, &via).await;
            if report.is_ok_and(|report| report.caught_up) {
                return;
            }
            between(client);
        }
        panic!("never came through");
    }

    /// Bytes carried so far, upgrades included.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    /// Connections opened so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn carry(near: TcpStream, far: TcpStream, bytes: i64, total: Arc<AtomicU64>) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let left = AtomicI64::new(bytes);
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    // Either direction's end is the link's end.
    tokio::select! {
        () = pump(&mut near_read, &mut far_write, &left, &total) => {}
        () = pump(&mut far_read, &mut near_write, &left, &total) => {}
    }
    // What was carried has arrived. A socket that is closed with bytes unread would
    // take it back out of the other end's buffer, which no broken link does.
    let _ = (far_write.shutdown().await, near_write.shutdown().await);
    tokio::join!(drain(near_read), drain(far_read));
}

async fn drain(mut from: OwnedReadHalf) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = from.read(&mut buffer).await {}
}

async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    left: &AtomicI64,
    total: &AtomicU64,
) {
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let before = left.fetch_sub(len as i64, Ordering::Relaxed);
        let carried = len.min(usize::try_from(before.max(0)).unwrap_or(0));
        total.fetch_add(carried as u64, Ordering::Relaxed);
        // What did not fit is lost with the link: it does not stay open.
        if to.write_all(&buffer[..carried]).await.is_err() || carried < len {
            return;
        }
    }
}
