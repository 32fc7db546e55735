//! Entries without a signature of their own, and the signatures that cover them
//! (docs/protocol/02-entries.md, "Covered").
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use stunity_proto::pack::ChainLink;
use stunity_proto::{Entry, EntryId, Signature};

use crate::entry::{check_signer, verify_id};
use crate::sabotage::believes_unsigned;
use crate::{IdentityError, VerifyingKey, verify_entry};

/// A signature over an entry. Whether it verifies is found once for all whom it covers:
/// they are of one chain, so of one device and key.
#[derive(Clone, Debug)]
struct Cover {
    signed: EntryId,
    signature: Signature,
    is_good: Arc<OnceLock<bool>>,
}

/// What the entries of a batch say of those before them in their chains. An entry names
/// the one before it by its hash, so that a signature over it is one over all that came
/// before. It covers only entries that agree with it in chain, place, author and
/// certificate.
#[derive(Debug, Default)]
pub struct Covers {
    before: BTreeMap<ChainLink, Cover>,
}

impl Covers {
    /// Notes an entry. Entries of a chain must come from its end to its start.
    pub fn note(&mut self, entry: &Entry) {
        let cover = if entry.is_signed() {
            Some(Cover {
                signed: entry.id(),
                signature: entry.signature,
                is_good: Arc::default(),
            })
        } else {
            self.of(entry).cloned()
        };
        if let (Some(cover), Some(link)) = (cover, ChainLink::before(entry)) {
            self.before.insert(link, cover);
        }
    }

    fn of(&self, entry: &Entry) -> Option<&Cover> {
        self.before.get(&ChainLink::of(entry)?)
    }

    /// As [`verify_entry`], of an entry that may be covered.
    pub(crate) fn verify(&self, entry: &Entry, key: &VerifyingKey) -> Result<(), IdentityError> {
        if entry.is_signed() {
            return verify_entry(entry, key);
        }
        check_signer(entry.header().signer, key)?;
        let Some(cover) = self.of(entry) else {
            return match believes_unsigned() {
                true => Ok(()),
                false => Err(IdentityError::Unsigned),
            };
        };
        let is_good =
            (cover.is_good).get_or_init(|| verify_id(&cover.signed, key, &cover.signature).is_ok());
        is_good.then_some(()).ok_or(IdentityError::BadSignature)
    }
}
