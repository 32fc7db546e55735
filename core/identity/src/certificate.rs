//! What all certificates have in common (docs/protocol/04-identity.md).
use core::fmt;

use sha2::{Digest, Sha256};
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{Hash, Signature, labels};

use crate::{IdentityError, SigningKey, VerifyingKey};

/// The largest body of a certificate, in bytes: an invitation with the longest
/// host takes about 450.
pub const MAX_CERTIFICATE_BODY: usize = 1024;

/// A body that a [`Certificate`] signs. Its encoding begins with its own number,
/// and its label is used for nothing else.
pub trait Statement: Sized {
    /// First element of the body.
    const KIND: u64;
    /// The label of its signature.
    const LABEL: &'static str;

    /// The body's deterministic encoding.
    fn encode(&self) -> Vec<u8>;

    /// Reads [`Statement::encode`].
    ///
    /// # Errors
    /// Any other bytes.
    fn decode(body: &[u8]) -> Result<Self, IdentityError>;
}

/// A signed statement. The body's bytes are kept as signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate<T> {
    body: T,
    body_bytes: Vec<u8>,
    /// Over label ‖ SHA-256(body); not verified by decoding.
    pub signature: Signature,
}

impl<T: Statement> Certificate<T> {
    /// Signs `body`.
    #[must_use]
    pub fn sign(body: T, key: &SigningKey) -> Self {
        let body_bytes = body.encode();
        let signature = key.sign(T::LABEL, &Sha256::digest(&body_bytes));
        Self {
            body,
            body_bytes,
            signature,
        }
    }

    /// A second signature over the same body by another key.
    #[must_use]
    pub fn cosign(&self, key: &SigningKey) -> Signature {
        key.sign(T::LABEL, &Sha256::digest(&self.body_bytes))
    }

    /// Verifies the signature alone: whether `key` may sign this is up to the
    /// caller.
    ///
    /// # Errors
    /// [`IdentityError::BadSignature`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), IdentityError> {
        self.verify_cosignature(key, &self.signature)
    }

    /// Verifies a second signature over the same body.
    ///
    /// # Errors
    /// [`IdentityError::BadSignature`].
    pub fn verify_cosignature(
        &self,
        key: &VerifyingKey,
        signature: &Signature,
    ) -> Result<(), IdentityError> {
        key.verify(T::LABEL, &Sha256::digest(&self.body_bytes), signature)
    }

    /// What is stated.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.body
    }

    /// The body as signed.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        &self.body_bytes
    }

    /// SHA-256("stunity/cert/1" ‖ body): how headers and other certificates name
    /// this one.
    #[must_use]
    pub fn hash(&self) -> Hash {
        crate::labels::hash(labels::CERTIFICATE, &[&self.body_bytes])
    }

    /// The bytes on the wire: [body, signature].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.into_bytes()
    }

    /// Appends [`Certificate::encode`] as one item.
    pub fn write(&self, w: &mut Writer) {
        w.array(2).bytes(&self.body_bytes).bytes(&self.signature.0);
    }

    /// Reads [`Certificate::encode`]. Verifies nothing.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut r = Reader::new(bytes);
        let certificate = Self::read(&mut r)?;
        r.finish()?;
        Ok(certificate)
    }

    /// Reads one item that [`Certificate::write`] wrote. Verifies nothing.
    ///
    /// # Errors
    /// Any other item.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, IdentityError> {
        r.array_of(2)?;
        let body_bytes = r.bytes()?;
        if body_bytes.len() > MAX_CERTIFICATE_BODY {
            return Err(IdentityError::TooLarge("certificate"));
        }
        let signature = Signature(r.fixed()?);
        Ok(Self {
            body: T::decode(body_bytes)?,
            body_bytes: body_bytes.to_vec(),
            signature,
        })
    }
}

impl<T> fmt::Debug for Certificate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = crate::labels::hash(labels::CERTIFICATE, &[&self.body_bytes]);
        write!(f, "Certificate({hash:?})")
    }
}

/// Opens a body: an array of `len` that begins with `kind`.
pub(crate) fn open(body: &[u8], len: usize, kind: u64) -> Result<Reader<'_>, IdentityError> {
    let mut r = Reader::new(body);
    r.array_of(len)?;
    if r.uint()? != kind {
        return Err(stunity_proto::DecodeError::Unknown("certificate kind").into());
    }
    Ok(r)
}

/// Reads an Ed25519 public key.
pub(crate) fn read_key(r: &mut Reader<'_>) -> Result<VerifyingKey, IdentityError> {
    VerifyingKey::from_bytes(&r.fixed()?)
}
