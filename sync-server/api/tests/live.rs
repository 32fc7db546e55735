//! Sockets by hand, where a stock client does what it is told: one whose token ends, one
//! that reads nothing, one that does not want to be seen.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use stunity_client::{Between, Client};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::events::MAX_INLINE;
use stunity_server::platform::{Platform, System};
use support::{Caller, signed_in, text};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A relay's clock that a test moves on.
#[derive(Default)]
struct Ahead(AtomicU64);

impl Platform for Ahead {
    fn now_ms(&self) -> u64 {
        System.now_ms() + self.0.load(Ordering::Relaxed)
    }
    fn fill_random(&self, bytes: &mut [u8]) {
        System.fill_random(bytes);
    }
}

/// A client of Socket.IO that says what it is told to and answers pings.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(school: &School, auth: Value) -> Self {
        let url = format!(
            "ws://{}/socket.io/?EIO=4&transport=websocket",
            school.address
        );
        let mut socket = Self(connect_async(url).await.unwrap().0);
        socket.send(format!("40{auth}")).await;
        let answer = socket.next("4").await.unwrap();
        assert!(answer.starts_with("40"), "{answer}");
        socket
    }

    async fn send(&mut self, packet: String) {
        self.0.send(Message::text(packet)).await.unwrap();
    }

    /// The next packet that begins so; none when the relay ends it.
    async fn next(&mut self, begin: &str) -> Option<String> {
        let wait = async {
            while let Some(Ok(message)) = self.0.next().await {
                let Message::Text(packet) = message else {
                    continue;
                };
                match packet.as_str() {
                    "2" => self.send("3".into()).await,
                    "41" => return None,
                    packet if packet.starts_with(begin) => return Some(packet.to_owned()),
                    _ => {}
                }
            }
            None
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }

    async fn join(&mut self, conversation: &str) {
        let join = json!(["join_conversation", { "conversationId": conversation }]);
        self.send(format!("421{join}")).await;
        let answer = self.next("431").await.unwrap();
        assert!(answer.contains(conversation), "{answer}");
    }
}

/// Two of the staff, signed in, and the conversation that they began.
struct Two {
    school: School,
    clock: Arc<Ahead>,
    callers: [Caller; 2],
    devices: [Client; 2],
    conversation: String,
}

impl Two {
    async fn new() -> Self {
        let clock = Arc::new(Ahead::default());
        let school = School::open(tempfile::tempdir().unwrap(), clock.clone()).await;
        let mut ana = school.join("ana", StaffRoles::TEACHER).await;
        let bopha = school.join("bopha", StaffRoles::TEACHER).await;
        let with = Between::Two(bopha.store().account());
        let conversation = ana.start_conversation(with).unwrap().to_string();
        school.sync(&mut ana).await;
        let callers = [
            signed_in(&school, &ana, "ana").await,
            signed_in(&school, &bopha, "bopha").await,
        ];
        Self {
            school,
            clock,
            callers,
            devices: [ana, bopha],
            conversation,
        }
    }

    async fn socket(&self, who: usize, presence: bool) -> Socket {
        let token = self.callers[who].token();
        let auth = json!({ "token": token, "presence": presence });
        let mut socket = Socket::open(&self.school, auth).await;
        socket.join(&self.conversation).await;
        socket
    }
}

#[tokio::test]
async fn a_socket_ends_when_its_token_does() {
    let two = Two::new().await;
    let mut socket = two.socket(0, false).await;
    two.clock.0.store(15 * 60 * 1000, Ordering::Relaxed);
    let begin = tokio::time::Instant::now();
    assert_eq!(socket.next("nothing").await, None);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go_and_the_others_are_not_held_up() {
    let mut two = Two::new().await;
    let mut silent = two.socket(0, false).await;
    let mut reader = two.socket(1, false).await;
    let conversation = two.conversation.parse().unwrap();
    let sent = 400;
    // What it does not read fills its buffers, the relay's and the system's.
    for _ in 0..sent / 10 {
        let device = &mut two.devices[0];
        for _ in 0..10 {
            let envelope = vec![0; MAX_INLINE];
            device.send_envelope(conversation, envelope).unwrap();
        }
        two.school.sync(device).await;
        for _ in 0..10 {
            assert!(reader.next("42[\"new_message\"").await.is_some());
        }
    }
    let mut read = 0;
    while silent.next("42[\"new_message\"").await.is_some() {
        read += 1;
    }
    assert!(read < sent, "{read} of {sent}");
}

#[tokio::test]
async fn a_minor_is_seen_by_others_only_if_they_say_so() {
    let mut two = Two::new().await;
    let pupil = two.school.join("pupil", StaffRoles::default()).await;
    let caller = signed_in(&two.school, &pupil, "pupil").await;
    let group = Between::Group(vec![pupil.store().account()]);
    let group = two.devices[0].start_conversation(group).unwrap();
    two.school.sync(&mut two.devices[0]).await;
    let mut watcher = two.socket(0, false).await;
    watcher.join(&group.to_string()).await;
    let unsaid = json!({ "token": caller.token() });
    let mut hidden = Socket::open(&two.school, unsaid).await;
    hidden.join(&group.to_string()).await;
    let shown = json!({ "token": caller.token(), "presence": true });
    let typing = json!(["typing", { "conversationId": group.to_string() }]);
    hidden.send(format!("42{typing}")).await;
    let first = watcher.next("42").await.unwrap();
    assert!(first.starts_with("42[\"user_typing\""), "{first}");
    let _shown = Socket::open(&two.school, shown).await;
    let then = watcher.next("42").await.unwrap();
    assert!(then.starts_with("42[\"user_online\""), "{then}");
    let pupil = pupil.store().account().to_string();
    let told: Value = serde_json::from_str(&then[2..]).unwrap();
    assert_eq!(text(&told[1], "userId"), pupil);
}
