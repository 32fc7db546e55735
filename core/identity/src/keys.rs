//! Keys. Secrets are wiped when dropped, show nothing of themselves, and leave
//! only through methods whose names say so. Randomness comes from the caller.
use core::fmt;

use ed25519_dalek::Signer as _;
use rand_core::{CryptoRng, RngCore};
use stunity_proto::{DeviceId, NodeId, Signature};
use zeroize::Zeroizing;

use crate::{IdentityError, sabotage};

/// An Ed25519 key that signs (RFC 8032).
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// The key of a 32-byte RFC 8032 seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for wrapped storage only.
    #[must_use]
    pub fn to_bytes_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// The id of a device with this key.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.verifying_key().device_id()
    }

    /// The id of a relay node with this key.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.verifying_key().node_id()
    }

    /// Signs label ‖ message. Kept inside the crate: every label has one
    /// function that builds its message.
    pub(crate) fn sign(&self, label: &str, message: &[u8]) -> Signature {
        #[cfg(test)]
        crate::tests::transplants::record(label, message);
        Signature(self.0.sign(&labelled(label, message)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn labelled(label: &str, message: &[u8]) -> Vec<u8> {
    [label.as_bytes(), message].concat()
}

/// An Ed25519 public key: a point of the curve that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`IdentityError::BadKey`] for bytes that are no point or not its canonical
    /// encoding, or a point of small order, under which a signature can verify for
    /// many messages.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, IdentityError> {
        match ed25519_dalek::VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() && key.to_edwards().compress().0 == *bytes => Ok(Self(key)),
            _ => Err(IdentityError::BadKey),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The id of a device with this key.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        DeviceId::of_key(self.as_bytes())
    }

    /// The id of a relay node with this key.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        NodeId::of_key(self.as_bytes())
    }

    /// Verifies a signature over label ‖ message, strictly: canonical scalars
    /// and points, no small order (`verify_strict`). The only place of this
    /// crate where a signature is checked.
    pub(crate) fn verify(
        &self,
        label: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), IdentityError> {
        if sabotage::skips_signatures() {
            return Ok(());
        }
        self.0
            .verify_strict(
                &labelled(label, message),
                &ed25519_dalek::Signature::from_bytes(&signature.0),
            )
            .map_err(|_| IdentityError::BadSignature)
    }
}

impl PartialOrd for VerifyingKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VerifyingKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.device_id())
    }
}

/// An X25519 key that opens what is sealed to it (RFC 7748).
#[derive(Clone)]
pub struct KexSecret(x25519_dalek::StaticSecret);

impl KexSecret {
    /// A new key.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// The key of 32 bytes, clamped when used.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(x25519_dalek::StaticSecret::from(*seed))
    }

    /// The bytes, for wrapped storage only.
    #[must_use]
    pub fn to_bytes_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> KexPublic {
        KexPublic(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }
}

impl fmt::Debug for KexSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KexSecret(…)")
    }
}

/// An X25519 public key. Any 32 bytes; sealing refuses those of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KexPublic(pub [u8; 32]);

impl fmt::Debug for KexPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KexPublic({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}
