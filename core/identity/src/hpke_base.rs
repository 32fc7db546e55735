//! HPKE in the one mode and suite in use (RFC 9180): Base; DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::{IdentityError, KexPublic, KexSecret};

/// What HPKE's seal adds to a text, in bytes, beside the encapsulated key.
pub const HPKE_TAG: usize = 16;

/// A text sealed to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HpkeSealed {
    /// The encapsulated key.
    pub enc: [u8; 32],
    /// The text, [`HPKE_TAG`] bytes longer.
    pub ciphertext: Vec<u8>,
}

/// The workspace's generators as the version of rand_core that hpke speaks.
struct Rng<'a, R>(&'a mut R);

impl<R: RngCore> hpke::rand_core::RngCore for Rng<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

impl<R: RngCore + CryptoRng> hpke::rand_core::CryptoRng for Rng<'_, R> {}

/// Seals `text` to `to`. `info` begins with a label and names the purpose, `aad`
/// what else is bound.
///
/// # Errors
/// [`IdentityError::BadKey`] for a recipient's key of small order.
pub fn hpke_seal<R: RngCore + CryptoRng>(
    rng: &mut R,
    to: &KexPublic,
    info: &[u8],
    aad: &[u8],
    text: &[u8],
) -> Result<HpkeSealed, IdentityError> {
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&to.0)
        .map_err(|_| IdentityError::BadKey)?;
    let (enc, ciphertext) = hpke::single_shot_seal::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
        _,
    >(&OpModeS::Base, &to, info, text, aad, &mut Rng(rng))
    .map_err(|_| IdentityError::BadKey)?;
    Ok(HpkeSealed {
        enc: enc.to_bytes().into(),
        ciphertext,
    })
}

/// Opens what [`hpke_seal`] sealed.
///
/// # Errors
/// [`IdentityError::NotSealedSo`] if it was sealed to another key, with another
/// info or aad, or changed.
pub fn hpke_open(
    secret: &KexSecret,
    info: &[u8],
    aad: &[u8],
    sealed: &HpkeSealed,
) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&*secret.to_bytes_secret())
        .map_err(|_| IdentityError::BadKey)?;
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.enc)
        .map_err(|_| IdentityError::NotSealedSo)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        info,
        &sealed.ciphertext,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| IdentityError::NotSealedSo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::hex;

    /// A generator that gives the vector's ikmE, and nothing after it.
    struct Fixed(Vec<u8>);

    impl RngCore for Fixed {
        fn next_u32(&mut self) -> u32 {
            unreachable!("the vector has no integers")
        }
        fn next_u64(&mut self) -> u64 {
            unreachable!("the vector has no integers")
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0.drain(..bytes.len()).collect::<Vec<u8>>());
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }
    impl CryptoRng for Fixed {}

    #[test]
    fn rfc_9180_a_2_1_seals_and_opens_to_its_bytes() {
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let aad = hex("436f756e742d30");
        let text = hex("4265617574792069732074727574682c20747275746820626561757479");
        let secret = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let secret = KexSecret::from_seed(&secret.try_into().unwrap());
        assert_eq!(
            secret.public().0.to_vec(),
            hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
        );
        let ikm_e = hex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
        let sealed = hpke_seal(&mut Fixed(ikm_e), &secret.public(), &info, &aad, &text).unwrap();
        assert_eq!(
            sealed.enc.to_vec(),
            hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
        );
        assert_eq!(
            sealed.ciphertext,
            hex(concat!(
                "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db",
                "21993c62ce81883d2dd1b51a28"
            ))
        );
        assert_eq!(*hpke_open(&secret, &info, &aad, &sealed).unwrap(), text);
        assert!(hpke_open(&secret, &info, b"", &sealed).is_err());
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut rng = Fixed(vec![7; 64]);
        let sealed = hpke_seal(&mut rng, &KexPublic([0; 32]), b"", b"", b"");
        assert_eq!(sealed.err(), Some(IdentityError::BadKey));
    }
}
