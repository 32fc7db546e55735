//! The streams of a pack and their integers.
use crate::DecodeError;

/// How many streams every pack has.
pub(super) const STREAMS: usize = 5;
pub(super) const CONTROL: usize = 0;
pub(super) const NUMBERS: usize = 1;
pub(super) const KINDS: usize = 2;
pub(super) const OPS: usize = 3;
pub(super) const PLACES: usize = 4;
/// Streams of a pack whose changes lie apart, by column.
pub(super) const STREAMS_APART: usize = 8;
pub(super) const SHAPES: usize = 5;
pub(super) const LENGTHS: usize = 6;
pub(super) const PIECES: usize = 7;

/// Appends an LEB128 integer.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer, zig-zag.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads from one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream<'a>(pub &'a [u8]);

impl<'a> Stream<'a> {
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        if len > self.0.len() {
            return Err(DecodeError::Truncated);
        }
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self
            .take(N)?
            .try_into()
            .expect("take gives as many bytes as asked"))
    }

    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    /// An integer in its shortest form.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::TooLarge("integer"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(DecodeError::NotCanonical);
                }
                return Ok(value);
            }
        }
        Err(DecodeError::TooLarge("integer"))
    }

    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        self.varint().map(unzigzag)
    }

    /// A length or count that `most` bounds.
    pub fn count(&mut self, most: usize, what: &'static str) -> Result<usize, DecodeError> {
        match usize::try_from(self.varint()?) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(DecodeError::TooLarge(what)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_back_and_longer_forms_are_refused() {
        for value in [0, 1, 127, 128, 1 << 35, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Stream(&out).varint(), Ok(value));
        }
        assert!(Stream(&[0x80, 0]).varint().is_err());
        assert!(Stream(&[0xff; 10]).varint().is_err());
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
