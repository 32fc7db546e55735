//! Texts that are shown as QR codes or typed: `stunity:1:` and base32 (RFC 4648
//! §6, no padding) of one CBOR array that begins with a number of its kind.
use stunity_proto::cbor::Reader;
use stunity_proto::{DecodeError, Signer};

use crate::certificate::{Statement as _, read_key};
use crate::{
    Certificate, IdentityError, Invitation, InvitationLink, LinkAnswer, LinkRequest, RecoveryCode,
};

const PREFIX: &str = "stunity:1:";
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// A QR code of version 40 holds 4,296 letters.
const MAX_TEXT: usize = 4296;

/// What a scanned or typed text was.
#[derive(Debug)]
pub enum Scanned {
    /// Join a school or a course.
    Invitation(Box<InvitationLink>),
    /// Another device of the account asks to be admitted.
    LinkRequest(Box<Certificate<LinkRequest>>),
    /// A device of the account admits the one that reads this.
    LinkAnswer(Box<LinkAnswer>),
    /// A recovery code.
    Recovery(RecoveryCode),
}

impl Scanned {
    /// Reads a scanned or typed text, in either case. Verifies no signature.
    ///
    /// # Errors
    /// [`IdentityError::Mistyped`] if it is no text of this app, else what its
    /// kind's decoder says.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let bytes = from_text(text)?;
        let mut r = Reader::new(&bytes);
        let len = r.array()?;
        let scanned = match (r.uint()?, len) {
            (Invitation::KIND, 4) => {
                let invitation = Certificate::read(&mut r)?;
                r.array_of(2)?;
                let signer = Signer::from_parts(r.u8()?, r.fixed()?)?;
                let code = r.option(Reader::fixed)?;
                Self::Invitation(Box::new(InvitationLink {
                    invitation,
                    signer,
                    code,
                }))
            }
            (LinkRequest::KIND, 2) => Self::LinkRequest(Box::new(Certificate::read(&mut r)?)),
            (LinkAnswer::KIND, 3) => Self::LinkAnswer(Box::new(LinkAnswer {
                root: read_key(&mut r)?,
                device: Certificate::read(&mut r)?,
            })),
            (RecoveryCode::KIND, 2) => Self::Recovery(RecoveryCode::from_bytes(r.fixed()?)),
            _ => return Err(DecodeError::Unknown("kind of a scanned text").into()),
        };
        r.finish()?;
        Ok(scanned)
    }
}

/// The text of some bytes, in lower case. QR codes are smallest in capitals
/// (their alphanumeric mode): capitalise the whole text for them.
pub(crate) fn to_text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(PREFIX.len() + bytes.len().div_ceil(5) * 8);
    out.push_str(PREFIX);
    for chunk in bytes.chunks(5) {
        let mut five = [0u8; 8];
        five[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(five);
        for letter in 0..(chunk.len() * 8).div_ceil(5) {
            let index = bits >> (35 - 5 * letter) & 31;
            out.push(char::from(ALPHABET[index as usize]));
        }
    }
    out
}

fn from_text(text: &str) -> Result<Vec<u8>, IdentityError> {
    if text.len() > MAX_TEXT {
        return Err(IdentityError::TooLarge("scanned text"));
    }
    let text: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{200b}')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let letters = text
        .strip_prefix(PREFIX)
        .ok_or(IdentityError::Mistyped("not a code of this app"))?;
    let mut out = Vec::with_capacity(letters.len() * 5 / 8);
    let (mut bits, mut held) = (0u32, 0u32);
    for letter in letters.bytes() {
        let value = match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return Err(IdentityError::Mistyped("letter")),
        };
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // One text per byte string: no letter too many, no bits left over.
    if held >= 5 || bits != 0 {
        return Err(IdentityError::Mistyped("length"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
        ] {
            let shown = to_text(plain.as_bytes());
            assert_eq!(shown, format!("{PREFIX}{text}"));
            assert_eq!(from_text(&shown.to_uppercase()).unwrap(), plain.as_bytes());
        }
        for bad in ["a", "mzx", "mz", "mzxw6y1b", "mzxw6yr"] {
            assert!(from_text(&format!("{PREFIX}{bad}")).is_err(), "{bad}");
        }
    }
}
