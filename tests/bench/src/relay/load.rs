//! The process that loads the relay: devices that speak frames, without databases.
use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use stunity_identity::Session;
use stunity_model::events::{Comment, Event};
use stunity_proto::frame::{
    Content, Flight, Frame, FullCursor, Part, cursors_hash, flags, pack_id,
};
use stunity_proto::{Lane, ObjectId, Signature};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Fallible;
use super::people::{Chain, Person, pack};
use super::school::{Plan, TEACHER};
use super::{EVENTS, IDLE, LIVE, PER_SECOND, ROUNDS, UPLOADERS, UPLOADS};

/// A connected device.
struct Device {
    socket: WebSocketStream<TcpStream>,
    next_stream: u32,
}

impl Device {
    /// Connects and sends flight one.
    async fn open(
        address: &str,
        person: &Person,
        cursors: &[FullCursor],
        flags: u64,
    ) -> Fallible<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(2 * 1024)
            .write_buffer_size(0);
        let url = format!("ws://{address}/sync");
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
        let mut device = Self {
            socket,
            next_stream: 2,
        };
        let Frame::Hello { nonce, .. } = device.frame().await? else {
            return Err("no hello".into());
        };
        let mut flight = Flight {
            version: stunity_proto::frame::VERSION,
            device: person.key.device_id(),
            capabilities: 0,
            cursors: cursors_hash(cursors),
            partials: Vec::new(),
            outbox: None,
            flags,
            signature: Signature::ZERO,
        };
        Session {
            school: person.school,
            host: address,
            nonce,
        }
        .sign_flight(&mut flight, &person.key)?;
        device.send(&Frame::Flight(flight)).await?;
        Ok(device)
    }

    /// As [`Device::open`], then waits until everything has come.
    async fn ready(
        address: &str,
        person: &Person,
        cursors: &[FullCursor],
        flags: u64,
    ) -> Fallible<Self> {
        let mut device = Self::open(address, person, cursors, flags).await?;
        loop {
            match device.frame().await? {
                Frame::Done => return Ok(device),
                Frame::NeedCursors => {
                    device.send(&Frame::CursorList(cursors.to_vec())).await?;
                }
                Frame::Error { code, .. } => return Err(code.into()),
                _ => {}
            }
        }
    }

    async fn message(&mut self) -> Fallible<Vec<u8>> {
        loop {
            match self.socket.next().await.ok_or("the relay left")?? {
                Message::Binary(bytes) => return Ok(bytes.into()),
                Message::Close(_) => return Err("the relay closed".into()),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> Fallible<Frame> {
        Ok(Frame::decode(&self.message().await?)?)
    }

    async fn send(&mut self, frame: &Frame) -> Fallible<()> {
        Ok(self
            .socket
            .send(Message::Binary(frame.encode().into()))
            .await?)
    }

    async fn offer(&mut self, bytes: Vec<u8>) -> Fallible<()> {
        let stream = self.next_stream;
        self.next_stream += 2;
        self.send(&Frame::Offer {
            stream,
            content: Content::Entries,
            part: Part {
                pack: pack_id(&bytes),
                total: bytes.len() as u32,
                offset: 0,
                bytes,
            },
        })
        .await
    }

    /// Waits for the receipt over an upload's results, all accepted.
    async fn acknowledged(&mut self) -> Fallible<()> {
        let mut results = false;
        loop {
            match self.frame().await? {
                Frame::Results { items, .. } => {
                    use stunity_proto::frame::ResultItem;
                    if !items
                        .iter()
                        .all(|item| matches!(item, ResultItem::Accepted { .. }))
                    {
                        return Err(format!("not accepted: {items:?}").into());
                    }
                    results = true;
                }
                Frame::Receipt(_) if results => return Ok(()),
                Frame::Error { code, .. } => return Err(code.into()),
                _ => {}
            }
        }
    }
}

/// The value below which this share of `values` lies.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Says that the devices are connected, and waits until the other process has
/// looked at the relay.
async fn connected() -> Fallible<()> {
    println!("connected");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// Runs a mode of the loading process.
///
/// # Errors
/// A relay that does not do as it should.
pub fn run(mode: &str, address: &str, plan: &Path) -> Fallible<()> {
    let plan = Arc::new(Plan::load(plan)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match mode {
            "live" => live(address, plan).await,
            "idle" => idle(address, plan).await,
            "upload" => upload(address, plan).await,
            "history" => history(address, plan).await,
            _ => Err("no such mode".into()),
        }
    })
}

/// Something that a teacher says to all.
fn remark(number: usize, when: &str) -> Event {
    Event::from(Comment {
        comment: ObjectId([number as u8; 16]),
        about: ObjectId([7; 16]),
        parent: None,
        text: format!("Remark {number} of the {when}"),
    })
}

/// Many devices of one course hear what one writes.
async fn live(address: &str, plan: Arc<Plan>) -> Fallible<()> {
    let teacher = Person::new(plan.school, TEACHER)?;
    let mut writer = Device::ready(address, &teacher, &plan.cursors, 0).await?;
    let begin = Instant::now();
    let mut packs = VecDeque::new();
    let mut chain = Chain::after_genesis(plan.genesis);
    for number in 0..EVENTS {
        let event = remark(number, "morning");
        let place = (plan.course, Lane::All);
        let entry = teacher.state(&mut chain, place, &[plan.genesis], &[event])?;
        packs.push_back(pack(plan.school, &entry));
    }
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..EVENTS).map(|_| AtomicU64::new(0)).collect());
    let mut readers = tokio::task::JoinSet::new();
    let before = plan.course_end();
    for number in 1..=LIVE {
        let person = Person::new(plan.school, number)?;
        let mut device = Device::ready(address, &person, &[], flags::LIVE).await?;
        let sent = sent.clone();
        readers.spawn(async move {
            let mut latencies = Vec::with_capacity(EVENTS);
            while latencies.len() < EVENTS {
                let bytes = device.message().await.map_err(|error| error.to_string())?;
                let now = begin.elapsed().as_nanos() as u64;
                let frame = Frame::decode(&bytes).map_err(|error| error.to_string())?;
                if let Frame::Live { to, .. } = frame {
                    // Each event is the next number of the course.
                    while (latencies.len() as u64) < to - before {
                        let at = sent[latencies.len()].load(Ordering::Relaxed);
                        latencies.push((now - at) as f64 / 1e6);
                    }
                }
            }
            Ok::<_, String>(latencies)
        });
    }
    connected().await?;
    let mut tick = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    for (number, bytes) in packs.into_iter().enumerate() {
        tick.tick().await;
        sent[number].store(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        writer.offer(bytes).await?;
        writer.acknowledged().await?;
    }
    let mut all = Vec::new();
    while let Some(latencies) = readers.join_next().await {
        all.extend(latencies??);
    }
    println!("deliveries {}", all.len());
    println!("p50 {}", percentile(&mut all, 0.5));
    println!("p99 {}", percentile(&mut all, 0.99));
    Ok(())
}

/// Devices that are connected and silent.
async fn idle(address: &str, plan: Arc<Plan>) -> Fallible<()> {
    let mut devices = Vec::new();
    for number in 1..=IDLE {
        let person = Person::new(plan.school, number)?;
        devices.push(Device::ready(address, &person, &[], flags::LIVE).await?);
    }
    connected().await?;
    println!("devices {}", devices.len());
    Ok(())
}

/// Devices that all hand in at once, one piece after the other.
async fn upload(address: &str, plan: Arc<Plan>) -> Fallible<()> {
    let mut waiting = Vec::new();
    for number in 1..=UPLOADERS {
        let person = Person::new(plan.school, number)?;
        let enrolled = plan.enrolled[number - 1];
        let mut chain = Chain::default();
        let mut packs = Vec::new();
        for attempt in 1..=UPLOADS {
            let entry = person.submit(&mut chain, plan.course, enrolled, attempt as u64)?;
            packs.push(pack(plan.school, &entry));
        }
        let device = Device::ready(address, &person, &[], 0).await?;
        waiting.push((device, packs));
    }
    connected().await?;
    let begin = Instant::now();
    let mut uploading = tokio::task::JoinSet::new();
    for (mut device, packs) in waiting {
        uploading.spawn(async move {
            let mut latencies = Vec::with_capacity(packs.len());
            for bytes in packs {
                let at = Instant::now();
                let done = async {
                    device.offer(bytes).await?;
                    device.acknowledged().await
                };
                done.await
                    .map_err(|error: Box<dyn std::error::Error>| error.to_string())?;
                latencies.push(ms(at.elapsed()));
            }
            Ok::<_, String>(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(latencies) = uploading.join_next().await {
        all.extend(latencies??);
    }
    println!("rate {}", all.len() as f64 / begin.elapsed().as_secs_f64());
    println!("p50 {}", percentile(&mut all, 0.5));
    println!("p99 {}", percentile(&mut all, 0.99));
    Ok(())
}

/// A teacher's device that lacks nothing connects again and again, then writes.
async fn history(address: &str, plan: Arc<Plan>) -> Fallible<()> {
    let teacher = Person::new(plan.school, TEACHER)?;
    // The relay learns what the device holds.
    drop(Device::ready(address, &teacher, &plan.cursors, 0).await?);
    let mut reconnects = Vec::new();
    for _ in 0..ROUNDS {
        let at = Instant::now();
        let device = Device::ready(address, &teacher, &plan.cursors, 0).await?;
        reconnects.push(ms(at.elapsed()));
        drop(device);
    }
    let mut device = Device::ready(address, &teacher, &plan.cursors, 0).await?;
    let mut chain = Chain::after_genesis(plan.genesis);
    let mut appends = Vec::new();
    for number in 0..ROUNDS {
        let event = remark(number, "evening");
        let place = (plan.course, Lane::All);
        let entry = teacher.state(&mut chain, place, &[plan.genesis], &[event])?;
        let bytes = pack(plan.school, &entry);
        let at = Instant::now();
        device.offer(bytes).await?;
        device.acknowledged().await?;
        appends.push(ms(at.elapsed()));
    }
    println!("reconnect {}", percentile(&mut reconnects, 0.5));
    println!("append {}", percentile(&mut appends, 0.5));
    Ok(())
}
