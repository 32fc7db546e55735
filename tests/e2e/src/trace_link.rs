//! A phone's link over a recorded 3G trace, cut again and again.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Bytes of a packet in a trace.
const PACKET: usize = 1500;

/// The milliseconds at which a packet could be delivered, rising; repeated from its
/// end on.
#[derive(Clone, Debug)]
pub struct Trace(Arc<Vec<u64>>);

impl Trace {
    /// Reads a trace: one number a line.
    ///
    /// # Errors
    /// No such file, or a line that is no number.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let times = text
            .lines()
            .map(|line| line.trim().parse())
            .collect::<Result<Vec<u64>, _>>()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if times.last().is_none_or(|last| *last == 0) {
            return Err(format!("{}: empty", path.display()));
        }
        Ok(Self(Arc::new(times)))
    }

    /// The first chance for a packet after chance `at`, and not before `now_ms`:
    /// its index, and its time in milliseconds.
    fn next(&self, at: usize, now_ms: u64) -> (usize, u64) {
        let (times, period) = (&self.0, self.0.last().copied().unwrap_or(1));
        let time =
            |index: usize| (index / times.len()) as u64 * period + times[index % times.len()];
        let round = (now_ms / period) as usize * times.len();
        let from = times.partition_point(|time| *time < now_ms % period);
        let mut index = (round + from).max(at + 1);
        while time(index) < now_ms {
            index += 1;
        }
        (index, time(index))
    }
}

/// What a link has carried.
#[derive(Debug, Default)]
pub struct Carried {
    /// Bytes from the device, upgrades included.
    pub up: AtomicU64,
    /// Bytes to the device.
    pub down: AtomicU64,
    /// Connections.
    pub connections: AtomicU64,
    /// Times that the device spoke after the relay had, and once a connection.
    pub round_trips: AtomicU64,
}

/// A proxy before a relay.
#[derive(Debug)]
pub struct TraceLink {
    /// Where the device connects.
    pub address: SocketAddr,
    /// What it carried.
    pub carried: Arc<Carried>,
}

struct Way {
    trace: Trace,
    is_up: bool,
    start: Instant,
    left: Arc<AtomicI64>,
    /// 1 once the relay has spoken after the device.
    answered: Arc<AtomicU64>,
    carried: Arc<Carried>,
}

impl TraceLink {
    /// A link to `relay` that begins `offset_ms` into the traces; each connection
    /// carries `bytes` both ways together and is then cut.
    ///
    /// # Errors
    /// No free port.
    pub async fn new(
        relay: SocketAddr,
        (up, down): (Trace, Trace),
        offset_ms: u64,
        bytes: i64,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let carried = Arc::new(Carried::default());
        let counts = carried.clone();
        let start = Instant::now() - Duration::from_millis(offset_ms);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(relay).await else {
                    continue;
                };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                counts.connections.fetch_add(1, Ordering::Relaxed);
                let left = Arc::new(AtomicI64::new(bytes));
                let answered = Arc::new(AtomicU64::new(1));
                let way = |trace: &Trace, is_up| Way {
                    trace: trace.clone(),
                    is_up,
                    start,
                    left: left.clone(),
                    answered: answered.clone(),
                    carried: counts.clone(),
                };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                let up = way(&up, true).pump(near_read, far_write);
                let down = way(&down, false).pump(far_read, near_write);
                tokio::spawn(async move {
                    // Either direction's end is the link's end.
                    tokio::select! {
                        () = up => {}
                        () = down => {}
                    }
                });
            }
        });
        Ok(Self { address, carried })
    }
}

impl Way {
    async fn pump(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = [0; PACKET];
        let mut at = 0;
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let now = self.start.elapsed().as_millis() as u64;
            let (chance, time) = self.trace.next(at, now);
            at = chance;
            tokio::time::sleep_until(self.start + Duration::from_millis(time)).await;
            let before = self.left.fetch_sub(len as i64, Ordering::Relaxed);
            let len = len.min(usize::try_from(before.max(0)).unwrap_or(0));
            if self.is_up {
                self.carried.up.fetch_add(len as u64, Ordering::Relaxed);
                let trips = self.answered.swap(0, Ordering::Relaxed);
                self.carried.round_trips.fetch_add(trips, Ordering::Relaxed);
            } else {
                self.carried.down.fetch_add(len as u64, Ordering::Relaxed);
                self.answered.store(1, Ordering::Relaxed);
            }
            if len == 0 || to.write_all(&buffer[..len]).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_repeats_from_its_end_on() {
        let trace = Trace(Arc::new(vec![2, 5, 10]));
        assert_eq!(trace.next(0, 0), (1, 5));
        assert_eq!(trace.next(1, 3), (2, 10));
        assert_eq!(trace.next(2, 3), (3, 12));
        assert_eq!(trace.next(0, 11), (3, 12));
        assert_eq!(trace.next(0, 13), (4, 15));
        assert_eq!(trace.next(0, 25), (7, 25));
    }
}
