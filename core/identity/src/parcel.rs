//! Parcels: a content sealed to relays or devices, that anybody may carry
//! (docs/protocol/04-identity.md). What is inside proves itself; a parcel says
//! nothing about its sender.
use rand_core::{CryptoRng, RngCore};
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{DecodeError, SchoolId, labels};

use crate::parcel_content::{padded_len, sealed_len};
use crate::{
    ContentKey, ContentOpener, ContentSealer, Device, HPKE_TAG, HpkeSealed, IdentityError,
    KexPublic, KexSecret, TrustedNode, hpke_open, hpke_seal,
};

/// Recipients of one parcel: a class and its staff, with several devices each.
pub const MAX_RECIPIENTS: usize = 256;
/// A parcel's clear head: [`MAX_RECIPIENTS`] of 103 bytes, with room.
pub const MAX_PARCEL_HEAD: usize = 32 * 1024;
const FORMAT: u64 = 1;
const KEY: usize = 32;
/// The head's length comes before it, in four bytes.
const PREFIX: usize = 4;

/// Whom a parcel is sealed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    /// The device's or node's id.
    pub id: [u8; 16],
    /// Its certified key.
    pub key: KexPublic,
}

impl Recipient {
    /// A relay node.
    #[must_use]
    pub fn node(node: &TrustedNode) -> Self {
        Self {
            id: node.id().0,
            key: *node.parcel(),
        }
    }

    /// A device, of a certificate that its account log bears out.
    #[must_use]
    pub fn device(device: &Device) -> Self {
        Self {
            id: device.id().0,
            key: device.keys.kex,
        }
    }
}

/// What a carrier sees of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParcelHead {
    /// The content key, sealed to each recipient: sorted by id.
    keys: Vec<([u8; 16], HpkeSealed)>,
    /// Length of the padded content, bytes.
    padded: u64,
    /// As sent: bound to the content.
    bytes: Vec<u8>,
}

fn info(school: SchoolId) -> Vec<u8> {
    [labels::PARCEL.as_bytes(), &school.0].concat()
}

impl ParcelHead {
    fn encode(keys: &[([u8; 16], HpkeSealed)], padded: u64) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3).uint(FORMAT).array(keys.len());
        for (id, sealed) in keys {
            w.array(3)
                .bytes(id)
                .bytes(&sealed.enc)
                .bytes(&sealed.ciphertext);
        }
        w.uint(padded);
        w.into_bytes()
    }

    /// Reads the head at the start of a parcel, and how many bytes it takes; none
    /// if more bytes are needed.
    ///
    /// # Errors
    /// Bytes that begin no parcel.
    pub fn read(parcel: &[u8]) -> Result<Option<(Self, usize)>, IdentityError> {
        let Some((len, rest)) = parcel.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*len) as usize;
        if len > MAX_PARCEL_HEAD {
            return Err(IdentityError::TooLarge("head of a parcel"));
        }
        let Some(bytes) = rest.get(..len) else {
            return Ok(None);
        };
        let mut r = Reader::new(bytes);
        r.array_of(3)?;
        if r.uint()? != FORMAT {
            return Err(DecodeError::Unknown("parcel format").into());
        }
        let count = r.array()?;
        if count == 0 || count > MAX_RECIPIENTS {
            return Err(DecodeError::TooLarge("recipients").into());
        }
        let keys: Vec<([u8; 16], HpkeSealed)> = (0..count)
            .map(|_| {
                r.array_of(3)?;
                let id = r.fixed()?;
                let sealed = HpkeSealed {
                    enc: r.fixed()?,
                    ciphertext: r.fixed::<{ KEY + HPKE_TAG }>()?.to_vec(),
                };
                Ok((id, sealed))
            })
            .collect::<Result<_, DecodeError>>()?;
        let padded = r.uint()?;
        r.finish()?;
        if keys.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(DecodeError::NotCanonical.into());
        }
        let head = Self {
            keys,
            padded,
            bytes: bytes.to_vec(),
        };
        Ok(Some((head, PREFIX + len)))
    }

    /// The ids of those who can open it.
    pub fn recipients(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.keys.iter().map(|(id, _)| id)
    }

    /// Length of the whole parcel, bytes: to know when it has come in full. A
    /// sender's claim.
    #[must_use]
    pub fn parcel_len(&self) -> u64 {
        // Of a length that is padded already, one byte less is the same bucket.
        let content = sealed_len(self.padded.saturating_sub(1));
        (PREFIX + self.bytes.len()) as u64 + content
    }

    /// Finds and opens the content key for recipient `id`.
    ///
    /// # Errors
    /// [`IdentityError::NotForUs`] if `id` is no recipient;
    /// [`IdentityError::NotSealedSo`] if it was sealed for another school or key,
    /// or changed.
    pub fn open(
        &self,
        school: SchoolId,
        id: &[u8; 16],
        secret: &KexSecret,
    ) -> Result<ContentOpener, IdentityError> {
        let (_, sealed) = self
            .keys
            .iter()
            .find(|(recipient, _)| recipient == id)
            .ok_or(IdentityError::NotForUs)?;
        let opened = hpke_open(secret, &info(school), id, sealed)?;
        let key = ContentKey::from_slice(&opened)?;
        Ok(ContentOpener::new(&key, &self.bytes))
    }
}

/// Begins a parcel with a content of `len` bytes: appends its head to `out` and
/// returns what seals the content.
///
/// # Errors
/// No recipient, one twice, more than [`MAX_RECIPIENTS`], or a key of small order.
pub fn begin_parcel<R: RngCore + CryptoRng>(
    rng: &mut R,
    school: SchoolId,
    recipients: &[Recipient],
    len: u64,
    out: &mut Vec<u8>,
) -> Result<ContentSealer, IdentityError> {
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        return Err(IdentityError::TooLarge("recipients"));
    }
    let mut recipients = recipients.to_vec();
    recipients.sort_unstable();
    if recipients.windows(2).any(|pair| pair[0].id == pair[1].id) {
        return Err(IdentityError::NotAllowed("a recipient twice"));
    }
    let key = ContentKey::generate(rng);
    let keys = recipients
        .iter()
        .map(|to| {
            let sealed = hpke_seal(rng, &to.key, &info(school), &to.id, key.as_bytes())?;
            Ok((to.id, sealed))
        })
        .collect::<Result<Vec<_>, IdentityError>>()?;
    let head = ParcelHead::encode(&keys, padded_len(len));
    out.extend_from_slice(&(head.len() as u32).to_be_bytes());
    out.extend_from_slice(&head);
    Ok(ContentSealer::new(&key, &head))
}

/// Seals a whole parcel.
///
/// # Errors
/// As [`begin_parcel`].
pub fn seal_parcel<R: RngCore + CryptoRng>(
    rng: &mut R,
    school: SchoolId,
    recipients: &[Recipient],
    content: &[u8],
) -> Result<Vec<u8>, IdentityError> {
    let mut out = Vec::new();
    let mut sealer = begin_parcel(rng, school, recipients, content.len() as u64, &mut out)?;
    sealer.push(content, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Opens a whole parcel as recipient `id`.
///
/// # Errors
/// A head that is none or cut, and as [`ParcelHead::open`] and
/// [`ContentOpener::finish`].
pub fn open_parcel(
    school: SchoolId,
    id: &[u8; 16],
    secret: &KexSecret,
    parcel: &[u8],
) -> Result<Vec<u8>, IdentityError> {
    let (head, taken) = ParcelHead::read(parcel)?.ok_or(DecodeError::Truncated)?;
    if head.parcel_len() != parcel.len() as u64 {
        return Err(IdentityError::NotSealedSo);
    }
    let mut opener = head.open(school, id, secret)?;
    let mut content = Vec::new();
    opener.push(&parcel[taken..], &mut content)?;
    opener.finish(&mut content)?;
    Ok(content)
}
