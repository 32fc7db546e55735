//! A session in lock step: what one side sends is delivered when it has nothing more
//! to say, so that round trips are counted by what waits for what, not by a clock. The
//! machines are those of the drivers, on the client's own database and the relay's own
//! log; each message counts as the WebSocket message that it is.
use std::time::Duration;

use rand_core::{OsRng, RngCore};
use stunity_client::Client;
use stunity_e2e::School;
use stunity_proto::frame::Frame;
use stunity_sync::{client, relay};

use super::class::Fallible;
use super::processor;

/// Bytes of a message on the connection: RFC 6455 §5.2, without TLS.
#[must_use]
pub fn message_len(payload: usize, masked: bool) -> usize {
    let length = match payload {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + length + if masked { 4 } else { 0 } + payload
}

/// What a session carried.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Times that the relay waited for the client and the client for the relay, after
    /// the upgrade.
    pub round_trips: usize,
    /// Messages of the client.
    pub up: Vec<Vec<u8>>,
    /// Messages of the relay; the first came with the answer to the upgrade.
    pub down: Vec<Vec<u8>>,
    /// Entries that were new.
    pub new_entries: u32,
    /// Processor time of the relay's part.
    pub relay: Duration,
}

impl Exchange {
    /// Bytes up: messages, and the frame that closes.
    #[must_use]
    pub fn bytes_up(&self) -> usize {
        let messages = self.up.iter().map(|bytes| message_len(bytes.len(), true));
        messages.sum::<usize>() + message_len(0, true)
    }

    /// Bytes down: messages, and the frame that answers the closing.
    #[must_use]
    pub fn bytes_down(&self) -> usize {
        let messages = self
            .down
            .iter()
            .map(|bytes| message_len(bytes.len(), false));
        messages.sum::<usize>() + message_len(0, false)
    }

    /// Bytes both ways after the upgrade.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes_up() + self.bytes_down()
    }

    /// The frames of both sides.
    ///
    /// # Errors
    /// Bytes that are no frame.
    pub fn frames(&self) -> Fallible<(Vec<Frame>, Vec<Frame>)> {
        let decode = |messages: &[Vec<u8>]| {
            let frames = messages.iter().map(|bytes| Frame::decode(bytes));
            frames.collect::<Result<Vec<_>, _>>()
        };
        Ok((decode(&self.up)?, decode(&self.down)?))
    }
}

/// Syncs once, in lock step.
///
/// # Errors
/// What a session says, or that both sides wait for each other.
pub async fn exchange(school: &School, device: &mut Client) -> Fallible<Exchange> {
    let host = school.address.to_string();
    let mut nonce = [0; 32];
    OsRng.fill_bytes(&mut nonce);
    let (mut at_relay, hello) = relay::Session::open(host.clone(), nonce);
    let mut here = client::Session::new(client::Options {
        host,
        live: false,
        upload_only: false,
        explicit: false,
    });
    let mut carried = Exchange::default();
    let mut arrived = sent_by_relay(vec![hello]);
    let now = client::Now { wall_ms: 0 };
    let mut caught_up = false;
    loop {
        let mut going = Vec::new();
        for bytes in &arrived {
            for effect in here.on_frame(device.store_mut(), now, bytes)? {
                match effect {
                    client::Effect::Send(bytes) => going.push(bytes),
                    client::Effect::Event(client::Event::Applied(applied)) => {
                        carried.new_entries += applied.new_entries;
                        if let Some((_, code)) = applied.rejected.first() {
                            return Err((*code).into());
                        }
                    }
                    client::Effect::Event(client::Event::CaughtUp { .. }) => caught_up = true,
                    _ => {}
                }
            }
        }
        carried.down.append(&mut arrived);
        if caught_up && here.is_caught_up() {
            break;
        }
        if going.is_empty() {
            return Err("both sides wait".into());
        }
        carried.round_trips += 1;
        let begun = processor::time();
        for bytes in &going {
            let effects = at_relay.on_frame(&school.log, bytes).await?;
            arrived.extend(sent_by_relay(effects));
            // As the relay's driver does.
            if !at_relay.is_receiving() {
                let effects = at_relay.pump(&school.log).await?;
                arrived.extend(sent_by_relay(effects));
            }
        }
        while at_relay.wants_pump() {
            let effects = at_relay.pump(&school.log).await?;
            arrived.extend(sent_by_relay(effects));
        }
        carried.relay += processor::time() - begun;
        carried.up.append(&mut going);
    }
    at_relay.close(&school.log).await?;
    Ok(carried)
}

fn sent_by_relay(effects: Vec<relay::Effect>) -> Vec<Vec<u8>> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            relay::Effect::Send(bytes) => Some(bytes),
            relay::Effect::SendShared(bytes) => Some(bytes.to_vec()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_head_of_its_length() {
        assert_eq!(message_len(0, false), 2);
        assert_eq!(message_len(125, true), 131);
        assert_eq!(message_len(126, true), 134);
        assert_eq!(message_len(0x1_0000, false), 0x1_0000 + 10);
    }
}
