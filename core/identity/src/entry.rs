//! Signing and verifying entries (docs/protocol/02-entries.md).
use stunity_proto::{Body, Entry, EntryId, Header, Signature, Signer, labels};

use crate::{IdentityError, SigningKey, VerifyingKey};

pub(crate) fn check_signer(signer: Signer, key: &VerifyingKey) -> Result<(), IdentityError> {
    let same = match signer {
        Signer::Device(id) => id == key.device_id(),
        Signer::Node(id) => id == key.node_id(),
    };
    same.then_some(())
        .ok_or(IdentityError::WrongSigner("signer of an entry"))
}

/// Signs a header whose `body_root` is the body's.
///
/// # Errors
/// A header that names another signer than `key`, exceeds a limit, or is not
/// this body's.
pub fn sign_entry(header: &Header, body: Body, key: &SigningKey) -> Result<Entry, IdentityError> {
    check_signer(header.signer, &key.verifying_key())?;
    let mut entry = Entry::from_parts(header.encode(), Signature::ZERO, body)?;
    entry.signature = key.sign(labels::SIGN_ENTRY, &entry.id().0);
    Ok(entry)
}

/// Verifies that `key` is the signer's and signed this entry. Whether the signer
/// may is not judged here.
///
/// # Errors
/// [`IdentityError::WrongSigner`] or [`IdentityError::BadSignature`].
pub fn verify_entry(entry: &Entry, key: &VerifyingKey) -> Result<(), IdentityError> {
    check_signer(entry.header().signer, key)?;
    verify_id(&entry.id(), key, &entry.signature)
}

/// Verifies the signature over an entry's id alone.
pub(crate) fn verify_id(
    id: &EntryId,
    key: &VerifyingKey,
    signature: &Signature,
) -> Result<(), IdentityError> {
    key.verify(labels::SIGN_ENTRY, &id.0, signature)
}

/// Verifies many, lazily and in order: one result per pair. Each signature is
/// checked by itself: Ed25519's batch equation is cofactored and accepts
/// signatures that `verify_strict` refuses, so two devices could disagree.
/// Split the slice to use several threads.
pub fn verify_entries<'a, I>(
    pairs: I,
) -> impl Iterator<Item = Result<(), IdentityError>> + use<'a, I>
where
    I: IntoIterator<Item = (&'a Entry, &'a VerifyingKey)>,
{
    pairs
        .into_iter()
        .map(|(entry, key)| verify_entry(entry, key))
}
