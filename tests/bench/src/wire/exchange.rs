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

/// What a link carries before it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Everything.
    All,
    /// So many bytes in both directions together.
    Bytes(usize),
    /// The first message, and all that answers it; nothing of what comes then.
    HelloAndUp,
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
    /// Whether the link broke first.
    pub is_cut: bool,
    /// Bytes of the message in which it broke.
    pub broken: usize,
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
        if self.is_cut {
            return self.messages() + self.broken;
        }
        self.bytes_up() + self.bytes_down()
    }

    /// Bytes of all messages that came through.
    fn messages(&self) -> usize {
        let closing = message_len(0, true) + message_len(0, false);
        self.bytes_up() + self.bytes_down() - closing
    }

    /// Takes what still comes through; the rest is lost with the link.
    fn deliver(&mut self, going: &mut Vec<Vec<u8>>, masked: bool, link: Carries) {
        let mut carried = self.messages();
        let fits = going.iter().take_while(|bytes| {
            carried += message_len(bytes.len(), masked);
            match link {
                Carries::All => true,
                Carries::Bytes(most) => carried <= most,
                Carries::HelloAndUp => masked || self.down.is_empty(),
            }
        });
        let count = fits.count();
        if count < going.len() {
            going.truncate(count);
            self.is_cut = true;
        }
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
    exchange_over(school, device, Carries::All).await
}

/// Syncs once, in lock step, over a link that may break. Whatever a side had to say by
/// then was on its way: of links that break there, none costs more.
///
/// # Errors
/// As [`exchange`].
pub async fn exchange_over(
    school: &School,
    device: &mut Client,
    link: Carries,
) -> Fallible<Exchange> {
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
    let mut arriving = sent_by_relay(vec![hello]);
    let now = client::Now { wall_ms: 0 };
    let mut caught_up = false;
    loop {
        let mut going = Vec::new();
        carried.deliver(&mut arriving, false, link);
        for bytes in &arriving {
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
        carried.down.append(&mut arriving);
        if carried.is_cut || caught_up && here.is_caught_up() {
            break;
        }
        if going.is_empty() {
            return Err("both sides wait".into());
        }
        carried.round_trips += 1;
        carried.deliver(&mut going, true, link);
        let begun = processor::time();
        for bytes in &going {
            let effects = at_relay.on_frame(&school.log, bytes).await?;
            arriving.extend(sent_by_relay(effects));
            // As the relay's driver does.
            if !at_relay.is_receiving() {
                let effects = at_relay.pump(&school.log).await?;
                arriving.extend(sent_by_relay(effects));
            }
        }
        while at_relay.wants_pump() {
            let effects = at_relay.pump(&school.log).await?;
            arriving.extend(sent_by_relay(effects));
        }
        carried.relay += processor::time().saturating_sub(begun);
        carried.up.append(&mut going);
        if carried.is_cut {
            break;
        }
    }
    at_relay.close(&school.log).await?;
    if let (true, Carries::Bytes(most)) = (carried.is_cut, link) {
        carried.broken = most - carried.messages();
    }
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
