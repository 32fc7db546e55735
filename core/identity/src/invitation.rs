//! Invitations: how a client comes to pin a school.
use rand_core::{CryptoRng, RngCore};
use stunity_proto::cbor::Writer;
use stunity_proto::{Hash, SchoolId, Signer, SpaceId, labels};
use subtle::ConstantTimeEq;

use crate::certificate::{Statement, open, read_key};
use crate::school::check_period;
use crate::{Certificate, IdentityError, SchoolAnchor, Succession, VerifyingKey, scan};

/// The longest host, in bytes: that of a DNS name, with a port.
pub const MAX_HOST: usize = 260;

/// Invites to a school, or to a space of it. Signed by a node or a staff device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The school.
    pub school: SchoolId,
    /// Its current root.
    pub root: VerifyingKey,
    /// Commitment to the root after it.
    pub next_commitment: Hash,
    /// Where a relay answers: host, or host and port. At most [`MAX_HOST`].
    pub host: String,
    /// The course or other space invited to; none for the school alone.
    pub space: Option<SpaceId>,
    /// The role offered, a number of `stunity-model`.
    pub role: u8,
    /// Hash of the code that the guest shows to the relay.
    pub code_hash: Hash,
    /// First relay time at which it is no longer valid, Unix milliseconds.
    pub expires: u64,
}

impl Invitation {
    /// The hash by which an invitation names its code.
    #[must_use]
    pub fn hash_code(code: &[u8; 16]) -> Hash {
        crate::labels::hash(crate::labels::INVITATION_CODE, &[code])
    }

    /// A random code: 128 bits, so that its hash tells nothing.
    pub fn generate_code<R: RngCore + CryptoRng>(rng: &mut R) -> [u8; 16] {
        let mut code = [0; 16];
        rng.fill_bytes(&mut code);
        code
    }

    /// The school to pin. Whoever shows the invitation is trusted for this: its
    /// signature is the relay's concern.
    ///
    /// # Errors
    /// [`IdentityError::NeedsSuccession`] if the root is not the school's first:
    /// then [`Invitation::anchor_through`].
    pub fn anchor(&self) -> Result<SchoolAnchor, IdentityError> {
        let anchor = SchoolAnchor::genesis(self.root, self.next_commitment);
        if anchor.school == self.school {
            Ok(anchor)
        } else {
            Err(IdentityError::NeedsSuccession)
        }
    }

    /// The school to pin where the root has been succeeded: `first` is the
    /// school's first root and commitment, `successions` lead to the
    /// invitation's root. A relay hands out both; nothing of it is trusted.
    ///
    /// # Errors
    /// A first root that is not the school's, a succession that does not verify,
    /// or an end at another root.
    pub fn anchor_through(
        &self,
        first: (VerifyingKey, Hash),
        successions: &[Succession],
    ) -> Result<SchoolAnchor, IdentityError> {
        let mut anchor = SchoolAnchor::genesis(first.0, first.1);
        if anchor.school != self.school {
            return Err(IdentityError::WrongSchool);
        }
        for succession in successions {
            anchor = anchor.succeed(succession)?;
        }
        if (anchor.root, anchor.next_commitment) != (self.root, self.next_commitment) {
            return Err(IdentityError::NotCommitted);
        }
        Ok(anchor)
    }
}

impl Statement for Invitation {
    const KIND: u64 = 6;
    const LABEL: &'static str = labels::SIGN_INVITATION;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(9)
            .uint(Self::KIND)
            .bytes(&self.school.0)
            .bytes(self.root.as_bytes())
            .bytes(&self.next_commitment.0)
            .text(&self.host)
            .option(self.space, |w, space| {
                w.bytes(&space.0);
            })
            .uint(u64::from(self.role))
            .bytes(&self.code_hash.0)
            .uint(self.expires);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 9, Self::KIND)?;
        let invitation = Self {
            school: SchoolId(r.fixed()?),
            root: read_key(&mut r)?,
            next_commitment: Hash(r.fixed()?),
            host: r.text()?.to_owned(),
            space: r.option(|r| r.fixed().map(SpaceId))?,
            role: r.u8()?,
            code_hash: Hash(r.fixed()?),
            expires: r.uint()?,
        };
        r.finish()?;
        if invitation.host.is_empty() || invitation.host.len() > MAX_HOST {
            return Err(IdentityError::TooLarge("host"));
        }
        Ok(invitation)
    }
}

/// An invitation as a guest receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationLink {
    /// The signed invitation.
    pub invitation: Certificate<Invitation>,
    /// Who signed it: says where to find the key, and is not itself signed.
    pub signer: Signer,
    /// The code, unless it is handed over apart.
    pub code: Option<[u8; 16]>,
}

impl InvitationLink {
    /// The text to show, send or scan, see [`crate::Scanned`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut w = Writer::new();
        w.array(4).uint(Invitation::KIND);
        self.invitation.write(&mut w);
        w.array(2)
            .uint(u64::from(self.signer.kind()))
            .bytes(&self.signer.id())
            .option(self.code.as_ref(), |w, code| {
                w.bytes(code);
            });
        scan::to_text(&w.into_bytes())
    }

    /// What a relay checks when a guest redeems the invitation with a code.
    /// Whether the signer may invite is not judged here.
    ///
    /// # Errors
    /// Another school, another signer than `key`, a bad signature, a relay time
    /// at or past the end, or another code.
    pub fn verify(
        &self,
        school: SchoolId,
        key: &VerifyingKey,
        code: &[u8; 16],
        at_ms: u64,
    ) -> Result<&Invitation, IdentityError> {
        let body = self.invitation.body();
        if body.school != school {
            return Err(IdentityError::WrongSchool);
        }
        if self.signer.id() != key.device_id().0 {
            return Err(IdentityError::WrongSigner("inviter"));
        }
        self.invitation.verify(key)?;
        check_period(0, body.expires, at_ms)?;
        if !bool::from(Invitation::hash_code(code).0.ct_eq(&body.code_hash.0)) {
            return Err(IdentityError::Mistyped("invitation code"));
        }
        Ok(body)
    }
}

impl Certificate<crate::LinkRequest> {
    /// The text to show or scan, see [`crate::Scanned`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut w = Writer::new();
        w.array(2).uint(crate::LinkRequest::KIND);
        self.write(&mut w);
        scan::to_text(&w.into_bytes())
    }
}
