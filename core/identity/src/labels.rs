//! Labels of the identity layer beside those of [`stunity_proto::labels`]
//! (docs/protocol/04-identity.md). A label is never used for two purposes.
use sha2::{Digest, Sha256};
use stunity_proto::Hash;

/// Signature of an old account root, or of the recovery key, over a new root.
pub const SIGN_ACCOUNT_ROOT: &str = "stunity/sign/account-root/1";
/// Signature of the recovery key over the revocation of a device.
pub const SIGN_ACCOUNT_REVOKE: &str = "stunity/sign/account-revoke/1";
/// Signature of the old recovery key, or of the root, over a recovery key.
pub const SIGN_ACCOUNT_RECOVERY: &str = "stunity/sign/account-recovery/1";
/// HKDF info: recovery code → recovery signing key.
pub const RECOVERY_KEY: &str = "stunity/recovery/1";
/// Recovery code → the check inside its digits.
pub const RECOVERY_CHECK: &str = "stunity/recovery-check/1";
/// Invitation code → its hash in the invitation.
pub const INVITATION_CODE: &str = "stunity/invitation-code/1";
/// HKDF info: content key of a parcel → key of its chunks.
pub const PARCEL_CONTENT: &str = "stunity/parcel-content/1";

/// The labels of this crate, for the tests that hold registry and pages equal.
pub const ALL: &[&str] = &[
    SIGN_ACCOUNT_ROOT,
    SIGN_ACCOUNT_REVOKE,
    SIGN_ACCOUNT_RECOVERY,
    RECOVERY_KEY,
    RECOVERY_CHECK,
    INVITATION_CODE,
    PARCEL_CONTENT,
];

/// SHA-256 over `label` and `parts`.
pub(crate) fn hash(label: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(label.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use stunity_proto::labels;

    #[test]
    fn no_label_is_a_prefix_of_another() {
        let all: Vec<&str> = labels::ALL.iter().chain(super::ALL).copied().collect();
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert!(i == j || !b.starts_with(a), "{a} begins {b}");
            }
        }
    }

    #[test]
    fn the_page_lists_every_label_of_this_crate() {
        let page = include_str!("../../../docs/protocol/04-identity.md");
        for label in super::ALL {
            assert!(page.contains(label), "{label} is not in the page");
        }
    }
}
