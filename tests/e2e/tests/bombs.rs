//! Packs that are small and claim, or become, something huge: refused over the real
//! socket before they take memory, and the relay goes on.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use futures_util::{SinkExt, StreamExt};
use stunity_e2e::HostileClass;
use stunity_proto::frame::{Frame, Part, pack_id};
use stunity_proto::limits;
use tokio_tungstenite::tungstenite::{Error, Message};

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A pack whose columns are said to take `claimed` bytes (docs/protocol/03-packs.md).
fn pack(claimed: u64, frame: &[u8]) -> Vec<u8> {
    let (version, flags, raw, dictionary) = (1, 0, 0, 0);
    let head = [vec![version, flags], varint(claimed), vec![raw, dictionary]];
    [head.concat(), frame.to_vec()].concat()
}

/// A zstd frame without its magic: so many blocks of 128 KiB, all of one byte each
/// (RFC 8878 §3.1.1), 4 bytes a block.
fn blocks(count: u32) -> Vec<u8> {
    const SIZE: u32 = 128 << 10;
    let no_sizes = 0;
    let window_of_2_mib = 11 << 3;
    let mut frame = vec![no_sizes, window_of_2_mib];
    for at in 1..=count {
        let is_last = u32::from(at == count);
        let repeated = 1 << 1;
        let head = (is_last | repeated | SIZE << 3).to_le_bytes();
        frame.extend_from_slice(&head[..3]);
        frame.push(0);
    }
    frame
}

async fn hear(socket: &mut (impl StreamExt<Item = Result<Message, Error>> + Unpin)) -> Frame {
    loop {
        if let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() {
            return Frame::decode(&bytes).unwrap();
        }
    }
}

/// Uploads a pack in flight one; the relay's answer to it.
async fn upload(class: &HostileClass, pack: &[u8]) -> Frame {
    let url = format!("ws://{}/sync", class.school.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let Frame::Hello { nonce, .. } = hear(&mut socket).await else {
        panic!("hello");
    };
    let hand = &class.colleague;
    let host = class.school.address.to_string();
    let flight = hand.flight(&host, nonce, |flight| {
        flight.cursors = [0; 8];
        flight.outbox = Some(Part {
            pack: pack_id(pack),
            total: pack.len() as u32,
            offset: 0,
            bytes: pack.to_vec(),
        });
    });
    socket.send(Message::Binary(flight.into())).await.unwrap();
    hear(&mut socket).await
}

#[tokio::test]
async fn packs_that_grow_beyond_what_they_say_or_may_are_refused() {
    let mut class = HostileClass::new().await;
    let most = limits::MAX_PACK_COLUMNS as u64;
    let bombs = [
        // Says more than a pack may hold.
        pack(most + 1, &blocks(1)),
        pack(u64::MAX >> 1, &blocks(1)),
        // Becomes thirty times what it says, and what it may.
        pack(most, &blocks(240)),
        pack(1, &blocks(240)),
        // Becomes less than it says.
        pack(most, &blocks(1)),
        // As much as it may, and no entry in it.
        pack(most, &blocks(8)),
    ];
    for bomb in &bombs {
        assert!(bomb.len() <= limits::SLICE);
        let answer = upload(&class, bomb).await;
        assert!(matches!(answer, Frame::Error { .. }), "{answer:?}");
    }
    class.is_unharmed_and_usable().await;
}
