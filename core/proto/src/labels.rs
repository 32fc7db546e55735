//! The registry of labels that begin every hash and signature
//! (docs/protocol/01-encoding.md). A label is never used for two purposes.

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// Every label, for the test that holds the registry and its page equal.
        pub const ALL: &[&str] = &[$($text),*];
    };
}

labels! {
    /// Header → entry id.
    ENTRY = "stunity/entry/1";
    /// Salt ‖ operation → operation hash.
    OP = "stunity/op/1";
    /// Operation hashes → body root.
    BODY_ROOT = "stunity/body/root/1";
    /// HKDF info of an operation's salt.
    SALT = "stunity/salt/1";
    /// Public key → device or node id.
    DEVICE = "stunity/device/1";
    /// Root key ‖ commitment → school id.
    SCHOOL = "stunity/school/1";
    /// Next root public key → commitment.
    ROOT_COMMIT = "stunity/root-commit/1";
    /// School, source, foreign id → account id.
    IMPORT_ACCOUNT = "stunity/import/account/1";
    /// School, both accounts → space of a direct conversation.
    DIRECT = "stunity/conversation/direct/1";
    /// School, starter, salt → space of a group's conversation.
    GROUP = "stunity/conversation/group/1";
    /// Certificate bytes → certificate hash.
    CERTIFICATE = "stunity/cert/1";
    /// Running hash of a lane.
    LANE = "stunity/lane/1";
    /// Running hash of a space.
    SPACE = "stunity/space/1";
    /// Leaf of a receipt's tree.
    RECEIPT_LEAF = "stunity/receipt/leaf/1";
    /// Node of a receipt's tree.
    RECEIPT_NODE = "stunity/receipt/node/1";
    /// Cursor list → 8-byte hash.
    CURSORS = "stunity/cursors/1";
    /// Pack bytes → pack name.
    PACK = "stunity/pack/1";
    /// Flight → flight hash.
    FLIGHT = "stunity/flight/1";
    /// Chunk hashes → blob id.
    BLOB = "stunity/blob/1";
    /// Signature over an entry id.
    SIGN_ENTRY = "stunity/sign/entry/1";
    /// Signature over a root's successor.
    SIGN_ROOT = "stunity/sign/root/1";
    /// Signature over an operator certificate.
    SIGN_OPERATOR = "stunity/sign/operator/1";
    /// Signature over a node certificate.
    SIGN_NODE = "stunity/sign/node/1";
    /// Signature over a device certificate.
    SIGN_DEVICE = "stunity/sign/device/1";
    /// Signature over a staff admission.
    SIGN_STAFF = "stunity/sign/staff/1";
    /// Signature over a receipt root.
    SIGN_RECEIPT = "stunity/sign/receipt/1";
    /// Signature over a tombstone.
    SIGN_TOMBSTONE = "stunity/sign/tombstone/1";
    /// Signature over a device link request.
    SIGN_LINK = "stunity/sign/link/1";
    /// Signature over an invitation.
    SIGN_INVITATION = "stunity/sign/invitation/1";
    /// Signature over flight one.
    AUTH = "stunity/auth/1";
    /// HPKE info of parcels.
    PARCEL = "stunity/parcel/1";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn no_label_stands_twice() {
        let mut sorted = ALL.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ALL.len());
    }

    #[test]
    fn the_page_lists_every_label() {
        let page = include_str!("../../../docs/protocol/01-encoding.md");
        for label in ALL {
            assert!(page.contains(label), "{label} is not in the page");
        }
    }
}
