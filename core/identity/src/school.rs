//! What a client pins of a school, and what follows from it.
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{Hash, NodeId, SchoolId, Signature, labels};

use crate::certificate::read_key;
use crate::{
    Certificate, IdentityError, KexPublic, Node, Operator, RootSuccession, StaffAdmission,
    VerifyingKey,
};

/// The longest period of an operator certificate: 13 months and some days, so
/// that a school that renews once a year has time to.
pub const MAX_OPERATOR_LIFETIME_MS: u64 = 400 * 24 * 60 * 60 * 1000;

/// A school as pinned by a client, from an invitation or a QR code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchoolAnchor {
    /// The school.
    pub school: SchoolId,
    /// Its current root.
    pub root: VerifyingKey,
    /// Commitment to the root after it.
    pub next_commitment: Hash,
    /// 0 for the first root.
    pub index: u64,
}

/// SHA-256("stunity/root-commit/1" ‖ key): how a root announces its successor
/// without showing it.
#[must_use]
pub fn root_commitment(next: &VerifyingKey) -> Hash {
    crate::labels::hash(labels::ROOT_COMMIT, &[next.as_bytes()])
}

impl SchoolAnchor {
    /// The school that begins with this root.
    #[must_use]
    pub fn genesis(root: VerifyingKey, next_commitment: Hash) -> Self {
        Self {
            school: SchoolId::of_root(root.as_bytes(), &next_commitment),
            root,
            next_commitment,
            index: 0,
        }
    }

    /// The anchor after a succession.
    ///
    /// # Errors
    /// Another school or index, a root other than the one committed to, or a bad
    /// signature of it, or of the old root where one is given.
    pub fn succeed(&self, chain: &Succession) -> Result<Self, IdentityError> {
        let body = chain.certificate.body();
        if body.school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        if Some(body.index) != self.index.checked_add(1) {
            return Err(IdentityError::NotAllowed("index of a root"));
        }
        if root_commitment(&body.root) != self.next_commitment {
            return Err(IdentityError::NotCommitted);
        }
        chain.certificate.verify(&body.root)?;
        if let Some(signature) = &chain.old_root {
            chain
                .certificate
                .verify_cosignature(&self.root, signature)?;
        }
        Ok(Self {
            school: self.school,
            root: body.root,
            next_commitment: body.next_commitment,
            index: body.index,
        })
    }

    /// Verifies an operator certificate at a relay time.
    ///
    /// # Errors
    /// Another school, signature of another key than the current root, a period
    /// that is not allowed, or a time outside it.
    pub fn verify_operator(
        &self,
        operator: &Certificate<Operator>,
        at_ms: u64,
    ) -> Result<(), IdentityError> {
        let body = operator.body();
        if body.school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        operator.verify(&self.root)?;
        let period = body.not_after.saturating_sub(body.not_before);
        if period == 0 || period > MAX_OPERATOR_LIFETIME_MS {
            return Err(IdentityError::BadPeriod);
        }
        check_period(body.not_before, body.not_after, at_ms)
    }

    /// Verifies a node through its operator at a relay time: root → operator →
    /// node.
    ///
    /// # Errors
    /// As [`SchoolAnchor::verify_operator`], for both certificates, and a node
    /// issued under another operator certificate.
    pub fn verify_node(&self, chain: &NodeChain, at_ms: u64) -> Result<TrustedNode, IdentityError> {
        self.verify_operator(&chain.operator, at_ms)?;
        let (operator, node) = (chain.operator.body(), chain.node.body());
        if node.school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        if node.operator != chain.operator.hash() {
            return Err(IdentityError::WrongSigner("operator of a node"));
        }
        chain.node.verify(&operator.key)?;
        let trusted = TrustedNode {
            school: self.school,
            id: node.id(),
            key: node.key,
            parcel: node.parcel,
            certificate: chain.node.hash(),
            not_before: operator.not_before.max(node.not_before),
            not_after: operator.not_after.min(node.not_after),
        };
        trusted.check_time(at_ms)?;
        Ok(trusted)
    }

    /// Verifies an admission to the staff. Which of several counts, and whether
    /// it was withdrawn, is the roster's.
    ///
    /// # Errors
    /// Another school, or the signature of another key than the current root.
    pub fn verify_staff<'a>(
        &self,
        admission: &'a Certificate<StaffAdmission>,
    ) -> Result<&'a StaffAdmission, IdentityError> {
        if admission.body().school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        admission.verify(&self.root)?;
        Ok(admission.body())
    }

    /// The bytes in which a client keeps it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4)
            .bytes(&self.school.0)
            .bytes(self.root.as_bytes())
            .bytes(&self.next_commitment.0)
            .uint(self.index);
        w.into_bytes()
    }

    /// Reads [`SchoolAnchor::encode`].
    ///
    /// # Errors
    /// Any other bytes, or a first root that is not the school's.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut r = Reader::new(bytes);
        r.array_of(4)?;
        let anchor = Self {
            school: SchoolId(r.fixed()?),
            root: read_key(&mut r)?,
            next_commitment: Hash(r.fixed()?),
            index: r.uint()?,
        };
        r.finish()?;
        let first = Self::genesis(anchor.root, anchor.next_commitment).school;
        if anchor.index == 0 && first != anchor.school {
            return Err(IdentityError::WrongSchool);
        }
        Ok(anchor)
    }
}

pub(crate) fn check_period(
    not_before: u64,
    not_after: u64,
    at_ms: u64,
) -> Result<(), IdentityError> {
    if at_ms < not_before {
        Err(IdentityError::NotYetValid)
    } else if at_ms >= not_after {
        Err(IdentityError::Expired)
    } else {
        Ok(())
    }
}

/// A root's successor, with the old root's signature where it is available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Signed by the new root.
    pub certificate: Certificate<RootSuccession>,
    /// The old root's signature over the same body.
    pub old_root: Option<Signature>,
}

impl Succession {
    /// The bytes on the wire: [certificate, old root's signature or null].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2);
        self.certificate.write(&mut w);
        w.option(self.old_root.as_ref(), |w, signature| {
            w.bytes(&signature.0);
        });
        w.into_bytes()
    }

    /// Reads [`Succession::encode`]. Verifies nothing.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut r = Reader::new(bytes);
        r.array_of(2)?;
        let certificate = Certificate::read(&mut r)?;
        let old_root = r.option(|r| r.fixed().map(Signature))?;
        r.finish()?;
        Ok(Self {
            certificate,
            old_root,
        })
    }
}

/// A node's certificate with that of its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeChain {
    /// Signed by the school root.
    pub operator: Certificate<Operator>,
    /// Signed by the operator.
    pub node: Certificate<Node>,
}

impl NodeChain {
    /// The bytes on the wire: [operator, node].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2);
        self.operator.write(&mut w);
        self.node.write(&mut w);
        w.into_bytes()
    }

    /// Reads [`NodeChain::encode`]. Verifies nothing.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut r = Reader::new(bytes);
        r.array_of(2)?;
        let chain = Self {
            operator: Certificate::read(&mut r)?,
            node: Certificate::read(&mut r)?,
        };
        r.finish()?;
        Ok(chain)
    }
}

/// A relay node whose certificates were verified. Made by
/// [`SchoolAnchor::verify_node`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedNode {
    school: SchoolId,
    id: NodeId,
    key: VerifyingKey,
    parcel: KexPublic,
    certificate: Hash,
    not_before: u64,
    not_after: u64,
}

impl TrustedNode {
    /// The school.
    #[must_use]
    pub fn school(&self) -> SchoolId {
        self.school
    }

    /// The node.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its signing key.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The key that parcels for it are sealed to.
    #[must_use]
    pub fn parcel(&self) -> &KexPublic {
        &self.parcel
    }

    /// Hash of its certificate, as in headers of vouched entries.
    #[must_use]
    pub fn certificate(&self) -> Hash {
        self.certificate
    }

    /// Whether both certificates are valid at a relay time, in Unix
    /// milliseconds.
    ///
    /// # Errors
    /// [`IdentityError::NotYetValid`] or [`IdentityError::Expired`].
    pub fn check_time(&self, at_ms: u64) -> Result<(), IdentityError> {
        check_period(self.not_before, self.not_after, at_ms)
    }
}
