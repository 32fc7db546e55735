//! The content of a parcel: chunks under one key, whose order and end are
//! authenticated, and whose length tells little (docs/protocol/04-identity.md).
//!
//! The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online
//! Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015), as in
//! crate `aead`: nonce = prefix ‖ counter ‖ last flag.
use chacha20poly1305::aead::stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{IdentityError, labels};

/// Plain bytes in a chunk: what a weak phone holds twice without noticing.
pub const PARCEL_CHUNK: usize = 64 * 1024;
/// Bytes that sealing adds to a chunk.
pub const PARCEL_TAG: usize = 16;
/// A sealed chunk; the last may be shorter.
pub const SEALED_CHUNK: usize = PARCEL_CHUNK + PARCEL_TAG;
/// Each key seals one content, so the rest of the nonce may be fixed.
const NONCE_PREFIX: [u8; 7] = [0; 7];
const PAD_START: u8 = 0x80;

/// The random key of one parcel's content.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// A new key, for one parcel.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self(key)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, IdentityError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| IdentityError::NotSealedSo)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HKDF-SHA256 (RFC 5869), info = label ‖ the parcel's clear head.
    fn cipher(&self, head: &[u8]) -> ChaCha20Poly1305 {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand_multi_info(&[labels::PARCEL_CONTENT.as_bytes(), head], &mut *key)
            .expect("32 bytes are within HKDF's output limit");
        ChaCha20Poly1305::new((&*key).into())
    }
}

impl core::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// The padded length of a content: the next multiple of an eighth of the largest
/// power of two in it, of 1 KiB at least. Padding stays below an eighth, or 1 KiB.
#[must_use]
pub fn padded_len(len: u64) -> u64 {
    // One byte marks where the padding begins.
    let len = len.saturating_add(1);
    let step = (1u64 << len.ilog2()) / 8;
    len.checked_next_multiple_of(step.max(1024))
        .unwrap_or(u64::MAX)
}

/// The sealed length of a content.
#[must_use]
pub fn sealed_len(len: u64) -> u64 {
    let padded = padded_len(len);
    padded + padded.div_ceil(PARCEL_CHUNK as u64) * PARCEL_TAG as u64
}

/// Seals a content piece by piece.
pub struct ContentSealer {
    stream: EncryptorBE32<ChaCha20Poly1305>,
    buffer: Zeroizing<Vec<u8>>,
    len: u64,
}

impl ContentSealer {
    /// A sealer for the parcel with this clear head, which is bound to the
    /// content. A key seals one content only.
    #[must_use]
    pub fn new(key: &ContentKey, head: &[u8]) -> Self {
        Self {
            stream: EncryptorBE32::from_aead(key.cipher(head), (&NONCE_PREFIX).into()),
            buffer: Zeroizing::new(Vec::with_capacity(PARCEL_CHUNK)),
            len: 0,
        }
    }

    /// Takes a piece of any length and appends the chunks that it fills.
    ///
    /// # Errors
    /// [`IdentityError::TooLarge`] after 2^32 chunks.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), IdentityError> {
        self.len += piece.len() as u64;
        self.fill(piece, out)
    }

    fn fill(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), IdentityError> {
        while !piece.is_empty() {
            // A full chunk waits for the byte after it: the last one is sealed
            // otherwise.
            if self.buffer.len() == PARCEL_CHUNK {
                let sealed = self
                    .stream
                    .encrypt_next(self.buffer.as_slice())
                    .map_err(|_| IdentityError::TooLarge("parcel"))?;
                emit(&self.buffer, &sealed, out);
                self.buffer.clear();
            }
            let (now, rest) = piece.split_at(piece.len().min(PARCEL_CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            piece = rest;
        }
        Ok(())
    }

    /// Pads and appends the last chunks.
    ///
    /// # Errors
    /// [`IdentityError::TooLarge`] after 2^32 chunks.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), IdentityError> {
        const ZEROS: [u8; 1024] = [0; 1024];
        self.fill(&[PAD_START], out)?;
        let mut left = padded_len(self.len) - self.len - 1;
        while left > 0 {
            let now = left.min(ZEROS.len() as u64);
            self.fill(&ZEROS[..now as usize], out)?;
            left -= now;
        }
        let sealed = self
            .stream
            .encrypt_last(self.buffer.as_slice())
            .map_err(|_| IdentityError::TooLarge("parcel"))?;
        emit(&self.buffer, &sealed, out);
        Ok(())
    }
}

fn emit(plain: &[u8], sealed: &[u8], out: &mut Vec<u8>) {
    if crate::sabotage::skips_sealing() {
        out.extend_from_slice(plain);
        out.resize(out.len() + PARCEL_TAG, 0);
    } else {
        out.extend_from_slice(sealed);
    }
}

/// Opens a content piece by piece. What it gives out is authentic and in order;
/// that nothing is missing at the end is known only when
/// [`ContentOpener::finish`] succeeds.
pub struct ContentOpener {
    stream: DecryptorBE32<ChaCha20Poly1305>,
    buffer: Vec<u8>,
    padding: Padding,
}

/// Holds back what may turn out to be padding.
#[derive(Default)]
struct Padding {
    /// Bytes given out.
    len: u64,
    /// A start mark was seen, with nothing but this many zeros after it.
    held: Option<u64>,
}

impl Padding {
    /// Gives out all but a tail that may turn out to be padding.
    fn release(&mut self, opened: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        let zeros = opened.iter().rev().take_while(|byte| **byte == 0).count();
        let (text, tail) = opened.split_at(opened.len() - zeros);
        if text.is_empty() && self.held.is_some() {
            self.held = self.held.map(|held| held + zeros as u64);
            return;
        }
        if let Some(zeros) = self.held.take() {
            out.push(PAD_START);
            out.resize(out.len() + zeros as usize, 0);
        }
        match text.split_last() {
            Some((&PAD_START, text)) => {
                out.extend_from_slice(text);
                self.held = Some(zeros as u64);
            }
            _ => {
                out.extend_from_slice(text);
                out.extend_from_slice(tail);
            }
        }
        self.len += (out.len() - before) as u64;
    }
}

impl ContentOpener {
    /// An opener for the parcel with this clear head.
    #[must_use]
    pub fn new(key: &ContentKey, head: &[u8]) -> Self {
        Self {
            stream: DecryptorBE32::from_aead(key.cipher(head), (&NONCE_PREFIX).into()),
            buffer: Vec::with_capacity(SEALED_CHUNK),
            padding: Padding::default(),
        }
    }

    /// Takes a piece of any length of the sealed bytes and appends what it opens.
    ///
    /// # Errors
    /// [`IdentityError::NotSealedSo`]: the parcel is worthless from here on, and
    /// the opener of no more use.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), IdentityError> {
        while !piece.is_empty() {
            if self.buffer.len() == SEALED_CHUNK {
                let opened = self
                    .stream
                    .decrypt_next(self.buffer.as_slice())
                    .map_err(|_| IdentityError::NotSealedSo)?;
                self.buffer.clear();
                self.padding.release(&Zeroizing::new(opened), out);
            }
            let (now, rest) = piece.split_at(piece.len().min(SEALED_CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            piece = rest;
        }
        Ok(())
    }

    /// Ends the content and appends what is left.
    ///
    /// # Errors
    /// [`IdentityError::NotSealedSo`] if the end is missing, or the padding is not
    /// as the length asks for.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), IdentityError> {
        let last = self
            .stream
            .decrypt_last(self.buffer.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| IdentityError::NotSealedSo)?;
        let mut padding = self.padding;
        padding.release(&last, out);
        match padding.held {
            Some(zeros) if padding.len + 1 + zeros == padded_len(padding.len) => Ok(()),
            _ => Err(IdentityError::NotSealedSo),
        }
    }
}
