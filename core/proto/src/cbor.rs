//! The one accepted encoding (docs/protocol/01-encoding.md) as a strict writer
//! and reader: definite lengths, shortest forms, no maps, tags or floats.
//!
//! The reader refuses every other form by itself, so a value that was read
//! re-encodes to the same bytes.
use crate::DecodeError;

const UINT: u8 = 0;
const NINT: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

/// Appends values to a byte string. Methods chain.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        let m = major << 5;
        let be = value.to_be_bytes();
        match value {
            0..=23 => self.out.push(m | be[7]),
            24..=0xff => self.out.extend_from_slice(&[m | 24, be[7]]),
            0x100..=0xffff => {
                self.out.push(m | 25);
                self.out.extend_from_slice(&be[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(m | 26);
                self.out.extend_from_slice(&be[4..]);
            }
            _ => {
                self.out.push(m | 27);
                self.out.extend_from_slice(&be);
            }
        }
        self
    }

    /// The head of an array of `len` items.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.head(ARRAY, len as u64)
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    /// A signed integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        match u64::try_from(value) {
            Ok(value) => self.head(UINT, value),
            Err(_) => self.head(NINT, !value as u64),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
        self
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
        self
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        self
    }

    /// Null.
    pub fn null(&mut self) -> &mut Self {
        self.out.push(0xf6);
        self
    }

    /// A value, or null.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            Some(value) => write(self, value),
            None => {
                self.null();
            }
        }
        self
    }

    /// Bytes that are already encoded.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        self.out.extend_from_slice(encoded);
        self
    }

    /// The bytes written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// Reads values in the one accepted encoding.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        if len > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self) -> Result<(u8, u64), DecodeError> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let (value, least) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24 => (u64::from(self.take(1)?[0]), 24),
            25 => (self.big_endian(2)?, 0x100),
            26 => (self.big_endian(4)?, 0x1_0000),
            27 => (self.big_endian(8)?, 0x1_0000_0000),
            _ => return Err(DecodeError::NotCanonical),
        };
        // Major 7 has simple values and floats here, none of which is accepted.
        if value < least || major > ARRAY {
            return Err(DecodeError::NotCanonical);
        }
        Ok((major, value))
    }

    fn big_endian(&mut self, len: usize) -> Result<u64, DecodeError> {
        Ok(self
            .take(len)?
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn expect(&mut self, major: u8, what: &'static str) -> Result<u64, DecodeError> {
        match self.head()? {
            (m, value) if m == major => Ok(value),
            _ => Err(DecodeError::Unexpected(what)),
        }
    }

    /// The head of an array: its length.
    ///
    /// # Errors
    /// Another value, or a length that the remaining bytes cannot hold.
    pub fn array(&mut self) -> Result<usize, DecodeError> {
        let len = self.expect(ARRAY, "array")?;
        // Every item takes a byte at least, so a length cannot ask for memory.
        if len > self.rest.len() as u64 {
            return Err(DecodeError::Truncated);
        }
        Ok(len as usize)
    }

    /// The head of an array of exactly `len`.
    ///
    /// # Errors
    /// Another value or length.
    pub fn array_of(&mut self, len: usize) -> Result<(), DecodeError> {
        if self.array()? == len {
            Ok(())
        } else {
            Err(DecodeError::Unexpected("length of an array"))
        }
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// Another value.
    pub fn uint(&mut self) -> Result<u64, DecodeError> {
        self.expect(UINT, "unsigned integer")
    }

    /// An unsigned integer below 256.
    ///
    /// # Errors
    /// Another value.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        u8::try_from(self.uint()?).map_err(|_| DecodeError::Unexpected("integer over 8 bits"))
    }

    /// An unsigned integer below 2^16.
    ///
    /// # Errors
    /// Another value.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        u16::try_from(self.uint()?).map_err(|_| DecodeError::Unexpected("integer over 16 bits"))
    }

    /// An unsigned integer below 2^32.
    ///
    /// # Errors
    /// Another value.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.uint()?).map_err(|_| DecodeError::Unexpected("integer over 32 bits"))
    }

    /// A signed integer.
    ///
    /// # Errors
    /// Another value, or one that an `i64` cannot hold.
    pub fn int(&mut self) -> Result<i64, DecodeError> {
        let over = |_| DecodeError::Unexpected("integer over 64 bits");
        match self.head()? {
            (UINT, value) => i64::try_from(value).map_err(over),
            (NINT, value) => Ok(!i64::try_from(value).map_err(over)?),
            _ => Err(DecodeError::Unexpected("integer")),
        }
    }

    /// A byte string.
    ///
    /// # Errors
    /// Another value.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.expect(BYTES, "byte string")?;
        self.take(usize::try_from(len).map_err(|_| DecodeError::Truncated)?)
    }

    /// A byte string of exactly `N`.
    ///
    /// # Errors
    /// Another value or length.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.bytes()?
            .try_into()
            .map_err(|_| DecodeError::Unexpected("length of a byte string"))
    }

    /// A text string in UTF-8.
    ///
    /// # Errors
    /// Another value or invalid UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let len = self.expect(TEXT, "text")?;
        let bytes = self.take(usize::try_from(len).map_err(|_| DecodeError::Truncated)?)?;
        core::str::from_utf8(bytes).map_err(|_| DecodeError::Unexpected("UTF-8"))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Another value.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.take(1)?[0] {
            0xf4 => Ok(false),
            0xf5 => Ok(true),
            _ => Err(DecodeError::Unexpected("boolean")),
        }
    }

    /// Null, or a value.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.rest.first() == Some(&0xf6) {
            self.take(1)?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// Whether the next item is an array; reads nothing.
    #[must_use]
    pub fn next_is_array(&self) -> bool {
        self.rest.first().is_some_and(|b| b >> 5 == ARRAY)
    }

    /// Whether the next item is a text string; reads nothing.
    #[must_use]
    pub fn next_is_text(&self) -> bool {
        self.rest.first().is_some_and(|b| b >> 5 == TEXT)
    }

    /// Skips one item of any accepted kind and returns its bytes. Nesting is
    /// counted, not recursed into.
    ///
    /// # Errors
    /// A malformed item.
    pub fn skip(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.rest;
        let mut open = 1u64;
        while open > 0 {
            open -= 1;
            match self.rest.first() {
                Some(0xf4..=0xf6) => {
                    self.take(1)?;
                }
                _ => match self.head()? {
                    (UINT | NINT, _) => {}
                    (BYTES | TEXT, len) => {
                        self.take(usize::try_from(len).map_err(|_| DecodeError::Truncated)?)?;
                    }
                    (ARRAY, len) if len <= self.rest.len() as u64 => open += len,
                    (ARRAY, _) => return Err(DecodeError::Truncated),
                    _ => return Err(DecodeError::NotCanonical),
                },
            }
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] if something is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_their_shortest_form_and_no_other() {
        for value in [
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut w = Writer::new();
            w.uint(value);
            let bytes = w.into_bytes();
            assert_eq!(Reader::new(&bytes).uint(), Ok(value));
        }
        assert_eq!(
            Reader::new(&[24, 23]).uint(),
            Err(DecodeError::NotCanonical)
        );
        assert_eq!(
            Reader::new(&[25, 0, 255]).uint(),
            Err(DecodeError::NotCanonical)
        );
    }

    #[test]
    fn signed_integers_reach_both_ends() {
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut w = Writer::new();
            w.int(value);
            assert_eq!(Reader::new(&w.into_bytes()).int(), Ok(value));
        }
    }

    #[test]
    fn skip_counts_nested_items_without_recursion() {
        let mut w = Writer::new();
        for _ in 0..100_000 {
            w.array(1);
        }
        w.null().uint(7);
        let bytes = w.into_bytes();
        let mut r = Reader::new(&bytes);
        assert_eq!(r.skip().map(<[u8]>::len), Ok(100_001));
        assert_eq!(r.uint(), Ok(7));
    }

    #[test]
    fn an_array_length_cannot_ask_for_memory() {
        assert_eq!(
            Reader::new(&[0x9b, 0xff, 0, 0, 0, 0, 0, 0, 0]).array(),
            Err(DecodeError::Truncated)
        );
    }
}
