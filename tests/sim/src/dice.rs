//! All chance of a run.
use rand_chacha::ChaCha8Rng;
use rand_core::{CryptoRng, Error, RngCore, SeedableRng};
use sha2::{Digest, Sha256};

/// Seeded chance.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of one part of a seed's world. Parts do not disturb each other: one
    /// more throw in one changes nothing in the others.
    #[must_use]
    pub fn new(seed: u64, part: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(part.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Dice of a part that comes later, which follow from these.
    #[must_use]
    pub fn part(&mut self, name: &str) -> Self {
        Self::new(self.0.next_u64(), name)
    }

    /// A number below `end`; 0 for an `end` of 0.
    pub fn below(&mut self, end: u64) -> u64 {
        match end {
            0 => 0,
            end => self.0.next_u64() % end,
        }
    }

    /// A number from `from` to `to`, both possible.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// A time until the next of something that happens every `mean` on average.
    pub fn wait(&mut self, mean: u64) -> u64 {
        // Uniform to twice the mean: never far away, which a finale would wait for.
        1 + self.below(mean * 2)
    }
}

impl RngCore for Dice {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.try_fill_bytes(bytes)
    }
}

impl CryptoRng for Dice {}
