//! Flight one.
use super::Part;
use super::decode::{decode_list, decode_part};
use super::encode::encode_part;
use crate::cbor::{Reader, Writer};
use crate::ids::hash_labelled;
use crate::{DecodeError, DeviceId, PackId, SchoolId, Signature, labels, limits};

/// Bits of what a device can do.
pub mod capabilities {
    /// It takes packs that leave out signatures of covered entries.
    pub const COVERED: u64 = 1;
    /// It reads packs with short names.
    pub const SHORT_NAMES: u64 = 2;
    /// It knows the lanes of conversations.
    pub const TALKS: u64 = 4;
}

/// Flags of flight one.
pub mod flags {
    /// The device stays connected and wants live batches.
    pub const LIVE: u64 = 1;
    /// The device only uploads: it is too old to read what is new.
    pub const UPLOAD_ONLY: u64 = 2;
    /// Packs must name nothing by what the device is thought to hold.
    pub const EXPLICIT: u64 = 4;
}

/// Flight one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The session's version.
    pub version: u16,
    /// The device.
    pub device: DeviceId,
    /// See [`capabilities`]; unknown bits mean nothing.
    pub capabilities: u64,
    /// Hash of the device's cursor list.
    pub cursors: [u8; 8],
    /// Unfinished downloads and how much of each is held.
    pub partials: Vec<(PackId, u32)>,
    /// The outbox's first pack; its stream is 0.
    pub outbox: Option<Part>,
    /// See [`flags`].
    pub flags: u64,
    /// Over [`Flight::signing_input`].
    pub signature: Signature,
}

impl Flight {
    /// The bytes that the device signs: bound to school, host and nonce.
    #[must_use]
    pub fn signing_input(&self, school: SchoolId, host: &str, nonce: &[u8; 32]) -> Vec<u8> {
        let flight = hash_labelled(labels::FLIGHT, &[&self.encode(&[])]);
        let mut out = labels::AUTH.as_bytes().to_vec();
        out.extend_from_slice(&school.0);
        out.extend_from_slice(&(host.len() as u16).to_be_bytes());
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(nonce);
        out.extend_from_slice(&self.device.0);
        out.extend_from_slice(&flight.0);
        out
    }

    /// The frame with this signature.
    pub(super) fn encode(&self, signature: &[u8]) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(9)
            .uint(1)
            .uint(u64::from(self.version))
            .bytes(&self.device.0)
            .uint(self.capabilities)
            .bytes(&self.cursors)
            .array(self.partials.len());
        for (pack, held) in &self.partials {
            w.array(2).bytes(&pack.0).uint(u64::from(*held));
        }
        w.option(self.outbox.as_ref(), |w, part| {
            w.array(4);
            encode_part(w, part);
        })
        .uint(self.flags)
        .bytes(signature);
        w.into_bytes()
    }
}

pub(super) fn decode_flight(r: &mut Reader<'_>) -> Result<Flight, DecodeError> {
    Ok(Flight {
        version: r.u16()?,
        device: DeviceId(r.fixed()?),
        capabilities: r.uint()?,
        cursors: r.fixed()?,
        partials: decode_list(r, limits::MAX_PARTIALS, |r| {
            r.array_of(2)?;
            Ok((PackId(r.fixed()?), r.u32()?))
        })?,
        outbox: r.option(|r| {
            r.array_of(4)?;
            decode_part(r)
        })?,
        flags: r.uint()?,
        signature: Signature(r.fixed()?),
    })
}
