//! The recovery code: 128 bits on paper, as a QR code and as fifty digits.
use core::fmt;

use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use stunity_proto::cbor::Writer;
use stunity_proto::{AccountId, SchoolId};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{IdentityError, SigningKey, labels, scan};

const DIGITS: usize = 50;
const GROUP: usize = 5;
const KHMER_ZERO: u32 = 0x17e0;

/// A quasigroup that finds every wrong digit and every swap of neighbours (H. M.
/// Damm, "Total anti-symmetrische Quasigruppen", 2004).
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

fn damm(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |state, digit| {
        DAMM[usize::from(state)][usize::from(*digit)]
    })
}

/// 128 random bits that a person keeps on paper. Whoever has them may revoke any
/// device of the account and replace its root.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; 16]);

impl RecoveryCode {
    /// First element of the QR text's array.
    pub(crate) const KIND: u64 = 8;

    /// A new code.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut secret = [0; 16];
        rng.fill_bytes(&mut secret);
        Self(secret)
    }

    pub(crate) fn from_bytes(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// The key that signs for an account with this code: HKDF-SHA256 (RFC 5869)
    /// without salt, info "stunity/recovery/1" ‖ school ‖ account.
    #[must_use]
    pub fn derive_key(&self, school: SchoolId, account: AccountId) -> SigningKey {
        let mut seed = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand_multi_info(
                &[labels::RECOVERY_KEY.as_bytes(), &school.0, &account.0],
                &mut *seed,
            )
            .expect("32 bytes are within HKDF's output limit");
        SigningKey::from_seed(&seed)
    }

    /// The text for a QR code, see [`crate::Scanned`]. A secret.
    #[must_use]
    pub fn to_text_secret(&self) -> Zeroizing<String> {
        let mut w = Writer::new();
        w.array(2).uint(Self::KIND).bytes(&self.0);
        Zeroizing::new(scan::to_text(&Zeroizing::new(w.into_bytes())))
    }

    /// Code and check as one number of 160 bits.
    pub(crate) fn number(&self) -> Zeroizing<[u8; 20]> {
        let mut number = Zeroizing::new([0; 20]);
        number[..16].copy_from_slice(&self.0);
        let check = labels::hash(labels::RECOVERY_CHECK, &[&self.0]);
        number[16..].copy_from_slice(&check.0[..4]);
        number
    }

    /// Ten groups of five Latin digits with spaces between them, the last digit
    /// of all a check digit. A secret.
    #[must_use]
    pub fn to_digits_secret(&self) -> Zeroizing<String> {
        let mut number = self.number();
        let mut digits = Zeroizing::new([0u8; DIGITS]);
        for digit in digits[..DIGITS - 1].iter_mut().rev() {
            let mut carry = 0u16;
            for byte in number.iter_mut() {
                let value = carry << 8 | u16::from(*byte);
                *byte = (value / 10) as u8;
                carry = value % 10;
            }
            *digit = carry as u8;
        }
        digits[DIGITS - 1] = damm(&digits[..DIGITS - 1]);
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP));
        for (index, digit) in digits.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push(' ');
            }
            text.push(char::from(b'0' + digit));
        }
        text
    }

    /// Reads typed digits, Latin or Khmer. White space, zero-width spaces, dots
    /// and dashes between them are ignored.
    ///
    /// # Errors
    /// [`IdentityError::Mistyped`]: another character, not fifty digits, or
    /// digits that no code has.
    pub fn parse_digits(text: &str) -> Result<Self, IdentityError> {
        let mut digits = Zeroizing::new([0u8; DIGITS]);
        let mut count = 0;
        for c in text.chars() {
            let digit = match c {
                '0'..='9' => u32::from(c) - u32::from('0'),
                '\u{17e0}'..='\u{17e9}' => u32::from(c) - KHMER_ZERO,
                '\u{200b}' | '.' | '-' | '–' | '·' => continue,
                c if c.is_whitespace() => continue,
                _ => return Err(IdentityError::Mistyped("character")),
            };
            *digits
                .get_mut(count)
                .ok_or(IdentityError::Mistyped("number of digits"))? = digit as u8;
            count += 1;
        }
        if count != DIGITS {
            return Err(IdentityError::Mistyped("number of digits"));
        }
        if damm(&*digits) != 0 {
            return Err(IdentityError::Mistyped("check digit"));
        }
        let mut number = Zeroizing::new([0u8; 20]);
        for digit in &digits[..DIGITS - 1] {
            let mut carry = u16::from(*digit);
            for byte in number.iter_mut().rev() {
                let value = u16::from(*byte) * 10 + carry;
                *byte = value as u8;
                carry = value >> 8;
            }
            if carry != 0 {
                return Err(IdentityError::Mistyped("check"));
            }
        }
        let mut code = Self([0; 16]);
        code.0.copy_from_slice(&number[..16]);
        if bool::from(code.number().ct_eq(&*number)) {
            Ok(code)
        } else {
            Err(IdentityError::Mistyped("check"))
        }
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits_of(text: &str) -> Vec<u8> {
        text.bytes()
            .filter(u8::is_ascii_digit)
            .map(|b| b - b'0')
            .collect()
    }

    fn text_of(digits: &[u8]) -> String {
        digits.iter().map(|d| char::from(b'0' + d)).collect()
    }

    #[test]
    fn the_check_digit_is_damms() {
        assert_eq!(damm(&[5, 7, 2]), 4);
        assert_eq!(damm(&[5, 7, 2, 4]), 0);
    }

    #[test]
    fn a_code_has_ten_groups_of_five_and_reads_back_in_both_scripts() {
        for code in [[0; 16], [0xff; 16], *b"sixteen  letters"] {
            let code = RecoveryCode(code);
            let text = code.to_digits_secret();
            let groups: Vec<&str> = text.split(' ').collect();
            assert_eq!(groups.len(), 10);
            assert!(groups.iter().all(|group| group.len() == 5));
            assert_eq!(RecoveryCode::parse_digits(&text).unwrap().0, code.0);
            let khmer: String = text
                .chars()
                .map(|c| match c.to_digit(10) {
                    Some(digit) => char::from_u32(KHMER_ZERO + digit).unwrap(),
                    None => '\u{200b}',
                })
                .collect();
            assert_eq!(RecoveryCode::parse_digits(&khmer).unwrap().0, code.0);
        }
    }

    #[test]
    fn every_wrong_digit_and_every_swap_of_neighbours_is_noticed() {
        let digits = digits_of(&RecoveryCode(*b"another code of!").to_digits_secret());
        for index in 0..DIGITS {
            for wrong in (0..10).filter(|wrong| *wrong != digits[index]) {
                let mut typed = digits.clone();
                typed[index] = wrong;
                assert!(RecoveryCode::parse_digits(&text_of(&typed)).is_err());
            }
            if index > 0 && digits[index] != digits[index - 1] {
                let mut typed = digits.clone();
                typed.swap(index, index - 1);
                assert!(RecoveryCode::parse_digits(&text_of(&typed)).is_err());
            }
        }
        assert!(RecoveryCode::parse_digits(&text_of(&digits[1..])).is_err());
        assert!(RecoveryCode::parse_digits(&text_of(&[9; 49])).is_err());
    }

    #[test]
    fn accounts_and_schools_have_keys_of_their_own() {
        let code = RecoveryCode([7; 16]);
        let key = |school, account| {
            code.derive_key(SchoolId([school; 16]), AccountId([account; 16]))
                .verifying_key()
        };
        assert_eq!(key(1, 2), key(1, 2));
        assert_ne!(key(1, 2), key(1, 3));
        assert_ne!(key(1, 2), key(2, 2));
    }
}
