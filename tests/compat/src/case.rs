//! A value with its one encoding.
use std::fmt::{Debug, Display};

/// What a decoder made of bytes: their re-encoding, or its error's text.
pub type Recoded = Result<Vec<u8>, String>;

type Recode = dyn Fn(&[u8]) -> Recoded;
type Compare = dyn Fn(&[u8]) -> bool;

/// What decoders may do with bytes that they did not expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// What is accepted re-encodes to the same bytes.
    Exact,
    /// As for frames: further elements, and frames of other types, are skipped.
    Frame,
    /// As for packs: there are many forms, and what comes out is signed.
    Restored,
    /// A hash: nothing is decoded.
    Hash,
}

/// A golden case: its file's name, the bytes of its value today, and what its
/// decoder makes of any bytes.
pub struct Case {
    /// `folder/name` below `golden`, without extension.
    pub name: String,
    /// The value encoded by this build.
    pub bytes: Vec<u8>,
    /// Whether this build must give the same bytes. A compressor's output may
    /// change with its version; what it means may not.
    pub same_bytes: bool,
    /// How strict the decoder is.
    pub strictness: Strictness,
    decode: Box<Recode>,
    is_value: Box<Compare>,
}

impl Case {
    /// A value with its encoder and decoder.
    pub fn new<T, E>(
        name: impl Into<String>,
        value: T,
        encode: impl Fn(&T) -> Vec<u8> + 'static,
        decode: impl Fn(&[u8]) -> Result<T, E> + Clone + 'static,
    ) -> Self
    where
        T: PartialEq + Debug + 'static,
        E: Display,
    {
        let bytes = encode(&value);
        let read = decode.clone();
        Self {
            name: name.into(),
            bytes,
            same_bytes: true,
            strictness: Strictness::Exact,
            decode: Box::new(move |bytes| {
                read(bytes)
                    .map(|value| encode(&value))
                    .map_err(|error| error.to_string())
            }),
            is_value: Box::new(move |bytes| decode(bytes).is_ok_and(|other| other == value)),
        }
    }

    /// Bytes that are computed and never decoded.
    pub fn hash(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.as_ref().to_vec(),
            same_bytes: true,
            strictness: Strictness::Hash,
            decode: Box::new(|_| Err("a hash".into())),
            is_value: Box::new(|_| true),
        }
    }

    /// With another strictness.
    #[must_use]
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// Whose bytes may differ with the compressor's version.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.same_bytes = false;
        self.strictness = Strictness::Restored;
        self
    }

    /// Whose bytes do not depend on the compressor after all.
    #[must_use]
    pub fn same_bytes(mut self) -> Self {
        self.same_bytes = true;
        self
    }

    /// What the decoder makes of bytes.
    ///
    /// # Errors
    /// The decoder's error.
    pub fn recode(&self, bytes: &[u8]) -> Recoded {
        (self.decode)(bytes)
    }

    /// Whether bytes decode to the case's value.
    #[must_use]
    pub fn is_value(&self, bytes: &[u8]) -> bool {
        (self.is_value)(bytes)
    }

    /// Whether it is right to accept `bytes`, of which `recoded` was made.
    #[must_use]
    pub fn may_accept(&self, bytes: &[u8], recoded: &[u8]) -> bool {
        if bytes == recoded {
            return true;
        }
        match self.strictness {
            Strictness::Exact | Strictness::Hash => false,
            Strictness::Restored => true,
            // Short arrays have one byte of head, of which the low bits count.
            Strictness::Frame => {
                let is_unknown = recoded.first() == Some(&0x81);
                is_unknown || bytes[0] > recoded[0] && bytes[1..].starts_with(&recoded[1..])
            }
        }
    }
}
