//! Tokens: JWT (RFC 7519) signed by Ed25519, one algorithm, with issuer, audience and
//! a known key. Keys follow from one secret and the month, so that every node that has
//! the secret signs and verifies alike, and they change by themselves.
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use signature::{Signer, Verifier};
use stunity_proto::{AccountId, SchoolId};

/// A key signs for 30 days.
const KEY_MS: u64 = 30 * 24 * 3_600_000;
/// An access token holds for 15 minutes.
pub const ACCESS_SECONDS: u64 = 15 * 60;
/// A refresh token holds for seven days.
pub const REFRESH_SECONDS: u64 = 7 * 24 * 3_600;
/// Clocks of nodes differ by so much.
const LEEWAY_SECONDS: u64 = 5;

/// What an access token says. Its role is for showing: what the account may do is
/// asked of the log each time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The account.
    pub user_id: String,
    /// As [`crate::users::Role`].
    pub role: String,
    /// The session.
    pub sid: String,
    /// Seconds since 1970.
    pub exp: u64,
    /// As in [`Tokens::issuer`].
    pub iss: String,
    /// `access`.
    pub aud: String,
}

/// What a refresh token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The account.
    pub user_id: String,
    /// Of the account when the session began.
    pub token_version: u64,
    /// The session.
    pub sid: String,
    /// This token's own, 16 random bytes.
    pub jti: String,
    /// Seconds since 1970.
    pub exp: u64,
    /// As in [`Tokens::issuer`].
    pub iss: String,
    /// `refresh`.
    pub aud: String,
}

/// Signs and verifies tokens.
pub struct Tokens {
    secret: [u8; 32],
    issuer: String,
}

/// Why a token does not hold; `token.expired` alone invites to refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// `token.expired`
    #[error("token.expired")]
    Expired,
    /// `token.invalid`
    #[error("token.invalid")]
    Invalid,
}

impl From<TokenError> for crate::problem::Problem {
    fn from(error: TokenError) -> Self {
        Self::unauthorized(&error.to_string())
    }
}

impl Tokens {
    /// Tokens of a school by the secret that its nodes share.
    #[must_use]
    pub fn new(school: SchoolId, secret: [u8; 32]) -> Self {
        // Whoever came first has chosen the same.
        let _ = PROVIDER.install_default();
        Self {
            secret,
            issuer: format!("stunity:{school}"),
        }
    }

    /// Who issues: the school.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// HKDF-SHA256 of the secret with "stunity/token-key/1" ‖ the period's number.
    fn key(&self, period: u64) -> SigningKey {
        let mut info = b"stunity/token-key/1".to_vec();
        info.extend(period.to_be_bytes());
        let mut seed = [0; 32];
        Hkdf::<Sha256>::new(None, &self.secret)
            .expand(&info, &mut seed)
            .expect("32 bytes are one block");
        SigningKey::from_bytes(&seed)
    }

    fn sign(&self, claims: &impl Serialize, now_ms: u64) -> Result<String, TokenError> {
        let period = now_ms / KEY_MS;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(period.to_string());
        let key = EncodingKey::from_ed_der(&self.key(period).to_bytes());
        jsonwebtoken::encode(&header, claims, &key).map_err(|_| TokenError::Invalid)
    }

    /// The claims of a token for `audience` that holds now.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify<T: DeserializeOwned + Expires + Clone>(
        &self,
        token: &str,
        audience: &str,
        now_ms: u64,
    ) -> Result<T, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = header.kid.and_then(|kid| kid.parse::<u64>().ok());
        let period = kid.ok_or(TokenError::Invalid)?;
        // The key before is still good, and another node's clock may be ahead.
        if period.abs_diff(now_ms / KEY_MS) > 1 {
            return Err(TokenError::Invalid);
        }
        let public = self.key(period).verifying_key();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[audience]);
        // By the node's clock, which tests set, not by the system's.
        validation.validate_exp = false;
        let key = DecodingKey::from_ed_der(public.as_bytes());
        let claims: T = jsonwebtoken::decode(token, &key, &validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        match claims.expires() + LEEWAY_SECONDS > now_ms / 1000 {
            true => Ok(claims),
            false => Err(TokenError::Expired),
        }
    }

    /// An access token for a session.
    ///
    /// # Errors
    /// Claims that do not serialise.
    pub fn access(
        &self,
        account: AccountId,
        role: &str,
        sid: &str,
        now_ms: u64,
    ) -> Result<String, TokenError> {
        let claims = Access {
            user_id: account.to_string(),
            role: role.to_owned(),
            sid: sid.to_owned(),
            exp: now_ms / 1000 + ACCESS_SECONDS,
            iss: self.issuer.clone(),
            aud: "access".into(),
        };
        self.sign(&claims, now_ms)
    }

    /// A refresh token for a session.
    ///
    /// # Errors
    /// Claims that do not serialise.
    pub fn refresh(
        &self,
        account: AccountId,
        token_version: u64,
        (sid, jti): (&str, &str),
        now_ms: u64,
    ) -> Result<String, TokenError> {
        let claims = Refresh {
            user_id: account.to_string(),
            token_version,
            sid: sid.to_owned(),
            jti: jti.to_owned(),
            exp: now_ms / 1000 + REFRESH_SECONDS,
            iss: self.issuer.clone(),
            aud: "refresh".into(),
        };
        self.sign(&claims, now_ms)
    }

    /// The public keys that verify now, as a JWK set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self, now_ms: u64) -> serde_json::Value {
        let now = now_ms / KEY_MS;
        let keys: Vec<_> = (now.saturating_sub(1)..=now + 1)
            .map(|period| {
                let public = self.key(period).verifying_key();
                serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                    "kid": period.to_string(),
                    "x": URL_SAFE_NO_PAD.encode(public.as_bytes()),
                })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }
}

/// When claims end, seconds since 1970.
pub trait Expires {
    /// The claim `exp`.
    fn expires(&self) -> u64;
}

impl Expires for Access {
    fn expires(&self) -> u64 {
        self.exp
    }
}

impl Expires for Refresh {
    fn expires(&self) -> u64 {
        self.exp
    }
}

/// Ed25519 for `jsonwebtoken`, over keys of 32 bytes.
static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    signer_factory: |algorithm, key| {
        ours(*algorithm)?;
        let seed = key.as_bytes().try_into().map_err(|_| bad_key())?;
        Ok(Box::new(Signing(SigningKey::from_bytes(seed))))
    },
    verifier_factory: |algorithm, key| {
        ours(*algorithm)?;
        let bytes = key.try_get_as_bytes()?.try_into().map_err(|_| bad_key())?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| bad_key())?;
        Ok(Box::new(Verifying(key)))
    },
    key_utils: KeyUtils::new_unimplemented(),
});

fn ours(algorithm: Algorithm) -> Result<(), Error> {
    match algorithm {
        Algorithm::EdDSA => Ok(()),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn bad_key() -> Error {
    ErrorKind::InvalidEddsaKey.into()
}

struct Signing(SigningKey);

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let signature: Signature = self.0.try_sign(message)?;
        Ok(signature.to_bytes().to_vec())
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Verifying(VerifyingKey);

impl Verifier<Vec<u8>> for Verifying {
    fn verify(&self, message: &[u8], bytes: &Vec<u8>) -> Result<(), signature::Error> {
        self.0
            .verify_strict(message, &Signature::from_slice(bytes)?)
    }
}

impl JwtVerifier for Verifying {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed step fails the test.
    use super::*;

    const NOW: u64 = 40 * KEY_MS + 1_000;

    fn tokens(school: u8, secret: u8) -> Tokens {
        Tokens::new(SchoolId([school; 16]), [secret; 32])
    }

    fn access(tokens: &Tokens, now_ms: u64) -> String {
        let account = AccountId([7; 16]);
        tokens.access(account, "STUDENT", "01", now_ms).unwrap()
    }

    fn verify(tokens: &Tokens, token: &str, audience: &str, now_ms: u64) -> Result<(), TokenError> {
        tokens.verify::<Access>(token, audience, now_ms).map(|_| ())
    }

    #[test]
    fn a_token_holds_for_its_time_at_its_school_for_its_use() {
        let ours = tokens(1, 1);
        let token = access(&ours, NOW);
        assert_eq!(verify(&ours, &token, "access", NOW), Ok(()));
        let late = NOW + (ACCESS_SECONDS + LEEWAY_SECONDS + 1) * 1000;
        assert_eq!(
            verify(&ours, &token, "access", late),
            Err(TokenError::Expired)
        );
        for (tokens, audience) in [
            (&ours, "refresh"),
            (&tokens(2, 1), "access"),
            (&tokens(1, 2), "access"),
        ] {
            assert_eq!(
                verify(tokens, &token, audience, NOW),
                Err(TokenError::Invalid)
            );
        }
    }

    #[test]
    fn a_key_of_the_month_before_still_verifies() {
        let ours = tokens(1, 1);
        let last = 41 * KEY_MS - 1_000;
        let token = access(&ours, last);
        assert_eq!(verify(&ours, &token, "access", last + 2_000), Ok(()));
        assert_eq!(
            verify(&ours, &token, "access", last + 2 * KEY_MS),
            Err(TokenError::Invalid)
        );
        let keys = ours.jwks(last + 2_000);
        let kids: Vec<_> = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].clone())
            .collect();
        assert_eq!(kids, ["40", "41", "42"]);
    }

    #[test]
    fn a_tampered_token_and_another_algorithm_are_refused() {
        let ours = tokens(1, 1);
        let token = access(&ours, NOW);
        let parts: Vec<&str> = token.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims = String::from_utf8(claims)
            .unwrap()
            .replace("STUDENT", "ADMIN");
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"40"}"#);
        let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"40"}"#);
        for forged in [
            format!("{}.{claims}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{hmac}.{}.{}", parts[1], parts[2]),
            "not.a.token".to_owned(),
            String::new(),
        ] {
            assert_eq!(
                verify(&ours, &forged, "access", NOW),
                Err(TokenError::Invalid),
                "{forged}"
            );
        }
    }
}
