//! Virtual clocks and seeded randomness, for devices and the relay.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::RngCore;
use stunity_client::Boot;

use crate::dice::Dice;

/// The time of the world, milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The time.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Time goes on.
    pub fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct State {
    dice: Dice,
    skew_ms: i64,
    boot: u32,
    booted_ms: u64,
}

/// What a machine of the world sees of time and chance.
#[derive(Debug)]
pub struct Machine {
    clock: Clock,
    state: Mutex<State>,
}

impl Machine {
    /// A machine whose wall clock is wrong by `skew_ms`.
    #[must_use]
    pub fn new(clock: Clock, mut dice: Dice, skew_ms: i64) -> Arc<Self> {
        let boot = dice.next_u32();
        let booted_ms = clock.now_ms();
        Arc::new(Self {
            clock,
            state: Mutex::new(State {
                dice,
                skew_ms,
                boot,
                booted_ms,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts again: another boot, and the wall clock as somebody sets it.
    pub fn reboot(&self, skew_ms: i64) {
        let mut state = self.state();
        state.boot = state.dice.next_u32();
        state.booted_ms = self.clock.now_ms();
        state.skew_ms = skew_ms;
    }

    /// How wrong the wall clock is.
    #[must_use]
    pub fn skew_ms(&self) -> i64 {
        self.state().skew_ms
    }

    fn wall_ms(&self) -> u64 {
        self.clock
            .now_ms()
            .saturating_add_signed(self.state().skew_ms)
    }
}

impl stunity_client::Platform for Machine {
    fn wall_ms(&self) -> u64 {
        Machine::wall_ms(self)
    }

    fn boot(&self) -> Option<Boot> {
        let state = self.state();
        Some(Boot {
            id: state.boot,
            monotonic_ms: self.clock.now_ms().saturating_sub(state.booted_ms),
        })
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.state().dice.fill_bytes(bytes);
    }
}

impl stunity_server::platform::Platform for Machine {
    fn now_ms(&self) -> u64 {
        self.wall_ms()
    }

    // No real clock decides what a crash finds on the disk.
    fn patience(&self) -> std::time::Duration {
        std::time::Duration::from_secs(86_400)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.state().dice.fill_bytes(bytes);
    }
}
