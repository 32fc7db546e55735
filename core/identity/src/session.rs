//! How a device proves itself to a relay: the signature of flight one
//! (docs/protocol/06-session.md).
use stunity_proto::frame::Flight;
use stunity_proto::{SchoolId, labels};

use crate::{IdentityError, SigningKey, VerifyingKey};

/// What both sides know of the session in which a flight is sent: a signature is
/// worth nothing in another.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// The school.
    pub school: SchoolId,
    /// The host as the device addressed it: as in the anchor it pinned, not as a
    /// proxy rewrote it.
    pub host: &'a str,
    /// The relay's 32 random bytes for this connection.
    pub nonce: [u8; 32],
}

impl Session<'_> {
    /// What follows the label in the flight's signing input.
    fn message(&self, flight: &Flight) -> Vec<u8> {
        flight
            .signing_input(self.school, self.host, &self.nonce)
            .split_off(labels::AUTH.len())
    }

    /// Signs a flight by its device.
    ///
    /// # Errors
    /// A flight that names another device than `key`'s.
    pub fn sign_flight(&self, flight: &mut Flight, key: &SigningKey) -> Result<(), IdentityError> {
        if flight.device != key.device_id() {
            return Err(IdentityError::WrongSigner("device of a flight"));
        }
        flight.signature = key.sign(labels::AUTH, &self.message(flight));
        Ok(())
    }

    /// Verifies that the flight's device sent it in this session. Whether the
    /// device is live is the account log's.
    ///
    /// # Errors
    /// A key that is not the device's, or a bad signature.
    pub fn verify_flight(&self, flight: &Flight, key: &VerifyingKey) -> Result<(), IdentityError> {
        if flight.device != key.device_id() {
            return Err(IdentityError::WrongSigner("device of a flight"));
        }
        key.verify(labels::AUTH, &self.message(flight), &flight.signature)
    }
}
