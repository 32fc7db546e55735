//! How a school begins: its root, the root after it, and what its first relay signs
//! with.
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::{
    Certificate, KexSecret, Node, NodeChain, Operator, SchoolAnchor, SigningKey, root_commitment,
};

/// For how long the first certificates hold before they are made: a device's clock
/// may be behind.
const BEFORE_MS: u64 = 3_600_000;

/// A file's name and its bytes.
pub type KeyFile = (&'static str, Zeroizing<Vec<u8>>);

/// The keys of a new school.
pub struct Founding {
    /// Decides who is staff and who runs relays.
    pub root: SigningKey,
    /// The root after it.
    pub next: SigningKey,
    /// What clients pin.
    pub anchor: SchoolAnchor,
    operator: SigningKey,
    node: SigningKey,
    parcel: KexSecret,
    chain: NodeChain,
}

impl Founding {
    /// A new school, whose relay is certified for `period_ms` from `now_ms`, Unix
    /// milliseconds.
    pub fn new<R: RngCore + CryptoRng>(rng: &mut R, now_ms: u64, period_ms: u64) -> Self {
        let root = SigningKey::generate(rng);
        let next = SigningKey::generate(rng);
        let operator = SigningKey::generate(rng);
        let node = SigningKey::generate(rng);
        let parcel = KexSecret::generate(rng);
        let anchor =
            SchoolAnchor::genesis(root.verifying_key(), root_commitment(&next.verifying_key()));
        let not_before = now_ms.saturating_sub(BEFORE_MS);
        let not_after = not_before + period_ms;
        let operator_certificate = Certificate::sign(
            Operator {
                school: anchor.school,
                key: operator.verifying_key(),
                not_before,
                not_after,
                serial: 1,
            },
            &root,
        );
        let node_certificate = Certificate::sign(
            Node {
                school: anchor.school,
                key: node.verifying_key(),
                parcel: parcel.public(),
                operator: operator_certificate.hash(),
                not_before,
                not_after,
                serial: 1,
            },
            &operator,
        );
        Self {
            chain: NodeChain {
                operator: operator_certificate,
                node: node_certificate,
            },
            root,
            next,
            anchor,
            operator,
            node,
            parcel,
        }
    }

    /// The files of the root, as a folder holds them; the last makes it complete.
    #[must_use]
    pub fn root_files(&self) -> Vec<KeyFile> {
        let seed = |key: &SigningKey| Zeroizing::new(key.to_bytes_secret().to_vec());
        vec![
            ("root.key", seed(&self.root)),
            ("next-root.key", seed(&self.next)),
            ("anchor", Zeroizing::new(self.anchor.encode())),
        ]
    }

    /// The files of the first relay; the last makes its folder complete.
    #[must_use]
    pub fn relay_files(&self) -> Vec<KeyFile> {
        let seed = |key: &SigningKey| Zeroizing::new(key.to_bytes_secret().to_vec());
        vec![
            ("operator.key", seed(&self.operator)),
            ("node.key", seed(&self.node)),
            (
                "parcel.key",
                Zeroizing::new(self.parcel.to_bytes_secret().to_vec()),
            ),
            ("node.chain", Zeroizing::new(self.chain.encode())),
            ("anchor", Zeroizing::new(self.anchor.encode())),
        ]
    }
}
