//! How long a message takes, and when a connection breaks.
use std::path::Path;
use std::sync::Arc;

use crate::config::Profile;
use crate::dice::Dice;

/// Bytes of a packet in a trace.
const PACKET: u64 = 1500;
/// What a message needs besides its bytes: the frame's head, TLS, TCP and IP.
const OVERHEAD: u64 = 80;

/// A recorded link: the milliseconds at which a packet could pass, from its start;
/// repeated from its end on.
#[derive(Clone, Debug)]
pub struct Recorded(Arc<Vec<u64>>);

impl Recorded {
    /// Reads a trace, one number a line; none if it is not there or empty.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let times: Vec<u64> = text
            .lines()
            .map(|line| line.trim().parse().ok())
            .collect::<Option<_>>()?;
        (times.last().copied()? > 0).then(|| Self(Arc::new(times)))
    }

    /// When `packets` more have passed after `now_ms`.
    fn pass(&self, now_ms: u64, packets: u64) -> u64 {
        let times = &self.0;
        let period = times.last().copied().unwrap_or(1).max(1);
        let (round, within) = (now_ms / period, now_ms % period);
        let from = times.partition_point(|time| *time <= within) as u64;
        let index = from + packets - 1;
        let length = times.len() as u64;
        (round + index / length) * period + times[(index % length) as usize]
    }
}

/// How fast one direction is.
#[derive(Clone, Debug)]
enum Speed {
    /// Bytes a second.
    Even(u64),
    /// As recorded.
    Recorded(Recorded),
}

/// The links of a profile.
#[derive(Clone, Debug)]
pub struct Links {
    up: Speed,
    down: Speed,
    delay_ms: (u64, u64),
    /// Bytes after which a connection is cut: about so many, and how often.
    cut: Option<(u64, u64)>,
}

impl Links {
    /// The links of a profile; a recorded one where `data` holds it.
    #[must_use]
    pub fn new(profile: Profile, data: Option<&Path>) -> Self {
        let recorded = |name: &str| Recorded::read(&data?.join("links").join(name));
        let even = |up, down, delay_ms, cut| Self {
            up: Speed::Even(up),
            down: Speed::Even(down),
            delay_ms,
            cut,
        };
        match profile {
            Profile::TwoG => even(2_500, 5_000, (300, 900), Some((30_000, 30))),
            Profile::ThreeG => {
                let speed = |name, rate| recorded(name).map_or(Speed::Even(rate), Speed::Recorded);
                Self {
                    up: speed("Verizon-EVDO-driving.up", 40_000),
                    down: speed("Verizon-EVDO-driving.down", 80_000),
                    delay_ms: (60, 200),
                    cut: Some((20_000, 50)),
                }
            }
            Profile::Cuts => even(20_000, 40_000, (100, 400), Some((4_000, 80))),
            Profile::Hostile => even(20_000, 40_000, (50, 600), Some((12_000, 40))),
            Profile::EvilRelay => even(50_000, 50_000, (20, 100), Some((40_000, 10))),
        }
    }

    /// Links that never fail: when all comes together.
    #[must_use]
    pub fn good() -> Self {
        Self {
            up: Speed::Even(1_000_000),
            down: Speed::Even(1_000_000),
            delay_ms: (5, 5),
            cut: None,
        }
    }

    /// A fresh connection over such a link.
    pub fn connect(&self, dice: &mut Dice) -> Line {
        let delay_ms = dice.between(self.delay_ms.0, self.delay_ms.1);
        let budget = self
            .cut
            .and_then(|(bytes, percent)| dice.chance(percent).then(|| dice.wait(bytes)));
        let way = |speed: &Speed| Way {
            speed: speed.clone(),
            delay_ms,
            busy_ms: 0,
        };
        Line {
            up: way(&self.up),
            down: way(&self.down),
            budget,
        }
    }
}

#[derive(Clone, Debug)]
struct Way {
    speed: Speed,
    delay_ms: u64,
    busy_ms: u64,
}

impl Way {
    fn send(&mut self, now_ms: u64, bytes: u64) -> u64 {
        let from = self.busy_ms.max(now_ms);
        self.busy_ms = match &self.speed {
            Speed::Even(rate) => from + (bytes * 1000).div_ceil(*rate),
            Speed::Recorded(trace) => trace.pass(from, bytes.div_ceil(PACKET)),
        };
        self.busy_ms + self.delay_ms
    }
}

/// One connection's link.
#[derive(Clone, Debug)]
pub struct Line {
    up: Way,
    down: Way,
    /// Bytes until it breaks.
    budget: Option<u64>,
}

impl Line {
    /// When a message that is sent now arrives; none if the line breaks within it.
    pub fn send(&mut self, is_up: bool, now_ms: u64, bytes: usize) -> Option<u64> {
        let bytes = bytes as u64 + OVERHEAD;
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(bytes);
            if *budget == 0 {
                return None;
            }
        }
        let way = if is_up { &mut self.up } else { &mut self.down };
        Some(way.send(now_ms, bytes))
    }

    /// How long a connection takes to open: TCP, TLS and the upgrade.
    #[must_use]
    pub fn opening_ms(&self) -> u64 {
        self.up.delay_ms * 6
    }

    /// One way.
    #[must_use]
    pub fn delay_ms(&self) -> u64 {
        self.up.delay_ms
    }
}
