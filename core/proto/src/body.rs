//! The body of an entry: salted operations, so that one can be erased while
//! its entry still verifies (docs/protocol/02-entries.md).
use hkdf::Hkdf;
use sha2::Sha256;

use crate::cbor::{Reader, Writer};
use crate::ids::hash_labelled;
use crate::{DecodeError, Hash, labels, limits};

/// The salts of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Salts {
    /// As written: one salt from which the others follow.
    Master([u8; 16]),
    /// After an erasure: the salts of what stays.
    Each(Vec<Option<[u8; 16]>>),
}

/// An operation's bytes, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The operation as signed.
    Present(Vec<u8>),
    /// Erased: its hash.
    Erased(Hash),
}

/// The body of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The salts; `Each` has as many as `ops`.
    pub salts: Salts,
    /// The operations, in the order of the header's kinds.
    pub ops: Vec<Op>,
}

fn derive_salt(master: &[u8; 16], index: usize) -> [u8; 16] {
    let mut info = labels::SALT.as_bytes().to_vec();
    info.extend_from_slice(&(index as u32).to_be_bytes());
    let mut salt = [0; 16];
    Hkdf::<Sha256>::new(None, master)
        .expand(&info, &mut salt)
        .expect("16 bytes are within HKDF's output limit");
    salt
}

fn hash_op(salt: &[u8; 16], op: &[u8]) -> Hash {
    hash_labelled(labels::OP, &[salt, op])
}

impl Body {
    /// A new body. `salt` must be random: it hides erased operations.
    #[must_use]
    pub fn new(salt: [u8; 16], ops: Vec<Vec<u8>>) -> Self {
        Self {
            salts: Salts::Master(salt),
            ops: ops.into_iter().map(Op::Present).collect(),
        }
    }

    fn salt(&self, index: usize) -> Option<[u8; 16]> {
        match &self.salts {
            Salts::Master(master) => Some(derive_salt(master, index)),
            Salts::Each(salts) => salts.get(index).copied().flatten(),
        }
    }

    /// The root that the header signs.
    ///
    /// # Errors
    /// A present operation without its salt.
    pub fn root(&self) -> Result<Hash, DecodeError> {
        let mut hashes = Vec::with_capacity(self.ops.len() * 32);
        for (index, op) in self.ops.iter().enumerate() {
            let hash = match op {
                Op::Erased(hash) => *hash,
                Op::Present(bytes) => hash_op(
                    &self
                        .salt(index)
                        .ok_or(DecodeError::Unexpected("operation without salt"))?,
                    bytes,
                ),
            };
            hashes.extend_from_slice(&hash.0);
        }
        Ok(hash_labelled(labels::BODY_ROOT, &[&hashes]))
    }

    /// The bytes of operation `index`, unless it is erased or absent.
    #[must_use]
    pub fn op(&self, index: usize) -> Option<&[u8]> {
        match self.ops.get(index)? {
            Op::Present(bytes) => Some(bytes),
            Op::Erased(_) => None,
        }
    }

    /// Replaces the operations at `indices` by their hashes and forgets their
    /// salts. The root stays. Indices out of range or erased before are ignored.
    pub fn erase(&mut self, indices: &[usize]) {
        let mut salts: Vec<Option<[u8; 16]>> = (0..self.ops.len()).map(|i| self.salt(i)).collect();
        for &index in indices {
            let (Some(Op::Present(bytes)), Some(Some(salt))) =
                (self.ops.get(index), salts.get(index))
            else {
                continue;
            };
            self.ops[index] = Op::Erased(hash_op(salt, bytes));
            salts[index] = None;
        }
        if salts.iter().any(Option::is_none) {
            self.salts = Salts::Each(salts);
        }
    }

    /// The bytes as stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2);
        match &self.salts {
            Salts::Master(salt) => {
                w.bytes(salt);
            }
            Salts::Each(salts) => {
                w.array(salts.len());
                for salt in salts {
                    w.option(salt.as_ref(), |w, salt| {
                        w.bytes(salt);
                    });
                }
            }
        }
        w.array(self.ops.len());
        for op in &self.ops {
            match op {
                Op::Present(bytes) => w.bytes(bytes),
                Op::Erased(hash) => w.array(1).bytes(&hash.0),
            };
        }
        w.into_bytes()
    }

    /// Reads [`Body::encode`].
    ///
    /// # Errors
    /// Any other bytes, or a limit exceeded.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > limits::MAX_SINGLE_OP_BODY {
            return Err(DecodeError::TooLarge("body"));
        }
        let mut r = Reader::new(bytes);
        r.array_of(2)?;
        let salts = if r.next_is_array() {
            let len = r.array()?;
            Salts::Each(
                (0..len)
                    .map(|_| r.option(Reader::fixed))
                    .collect::<Result<_, _>>()?,
            )
        } else {
            Salts::Master(r.fixed()?)
        };
        let len = r.array()?;
        if len == 0 || len > limits::MAX_OPS {
            return Err(DecodeError::TooLarge("operations"));
        }
        let mut ops = Vec::with_capacity(len);
        for _ in 0..len {
            ops.push(if r.next_is_array() {
                r.array_of(1)?;
                Op::Erased(Hash(r.fixed()?))
            } else {
                Op::Present(r.bytes()?.to_vec())
            });
        }
        r.finish()?;
        let body = Self { salts, ops };
        body.check(bytes.len())?;
        Ok(body)
    }

    /// Length of [`Body::encode`], bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let head = |len: usize| match len {
            0..24 => 1,
            24..0x100 => 2,
            0x100..0x1_0000 => 3,
            _ => 5,
        };
        let salts = match &self.salts {
            Salts::Master(_) => 17,
            Salts::Each(salts) => {
                let each = |salt: &Option<_>| if salt.is_some() { 17 } else { 1 };
                head(salts.len()) + salts.iter().map(each).sum::<usize>()
            }
        };
        let ops = self.ops.iter().map(|op| match op {
            Op::Present(bytes) => head(bytes.len()) + bytes.len(),
            Op::Erased(_) => 35,
        });
        1 + salts + head(self.ops.len()) + ops.sum::<usize>()
    }

    /// Whether a body of this encoded length is one that [`Body::decode`] takes.
    pub(crate) fn check(&self, len: usize) -> Result<(), DecodeError> {
        if len > limits::MAX_SINGLE_OP_BODY {
            return Err(DecodeError::TooLarge("body"));
        }
        if len > limits::MAX_BODY && self.ops.len() > 1 {
            return Err(DecodeError::TooLarge("body"));
        }
        let consistent = match &self.salts {
            Salts::Master(_) => self.ops.iter().all(|op| matches!(op, Op::Present(_))),
            Salts::Each(salts) => {
                salts.len() == self.ops.len()
                    && salts.iter().any(Option::is_none)
                    && salts
                        .iter()
                        .zip(&self.ops)
                        .all(|(salt, op)| salt.is_some() == matches!(op, Op::Present(_)))
            }
        };
        if consistent {
            Ok(())
        } else {
            Err(DecodeError::Unexpected("salts of a body"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Body {
        Body::new(
            [9; 16],
            vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()],
        )
    }

    #[test]
    fn an_erased_operation_is_gone_and_the_root_stays() {
        let before = body();
        let mut after = before.clone();
        after.erase(&[1, 1, 99]);
        assert_eq!(after.root(), before.root());
        assert_eq!(after.op(1), None);
        assert_eq!(after.op(2), Some(&b"three"[..]));
        let bytes = after.encode();
        assert!(!bytes.windows(3).any(|w| w == b"two"));
        assert!(
            !bytes.windows(16).any(|w| w == [9; 16]),
            "the master salt is gone"
        );
        assert_eq!(Body::decode(&bytes), Ok(after));
    }

    #[test]
    fn the_length_is_known_without_encoding() {
        for len in [0, 23, 24, 255, 256, 65_535, 65_536] {
            let mut body = Body::new([1; 16], vec![vec![7; len]; 3]);
            assert_eq!(body.encoded_len(), body.encode().len());
            body.erase(&[1]);
            assert_eq!(body.encoded_len(), body.encode().len());
        }
        let many = Body::new([1; 16], vec![vec![]; 300]);
        assert_eq!(many.encoded_len(), many.encode().len());
    }

    #[test]
    fn the_root_changes_with_every_operation() {
        let mut other = body();
        other.ops[0] = Op::Present(b"One".to_vec());
        assert_ne!(other.root(), body().root());
    }
}
