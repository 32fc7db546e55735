//! Keys that change: the operator's, the node's certificate, and what the school
//! root signs where it lies elsewhere.
//!
//! What travels between the relay and the root's place is text of one line, made by
//! one command and read by the next: `request` goes there, `answer` comes back.
use std::fs;
use std::path::Path;
use std::sync::Arc;

use stunity_identity::{
    Certificate, Node, NodeChain, Operator, SchoolAnchor, SigningKey, StaffAdmission, StaffRoles,
    VerifyingKey,
};
use stunity_proto::AccountId;

use super::{OPERATOR_MS, SchoolKeys, load, load_seed, save};
use crate::accounts::{from_hex, to_hex};
use crate::error::ServerError;
use crate::platform::{Platform, Randomness};

/// A clock that is behind by less than this takes a new certificate as valid.
const CLOCK_LAG_MS: u64 = 3_600_000;
/// The operator key that waits for its certificate.
const NEXT_OPERATOR: &str = "operator.key.next";

const MALFORMED: ServerError = ServerError::Refused("request.malformed");

/// Puts a file in the place of another: afterwards it is the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    save(&new, bytes)?;
    Ok(fs::rename(new, path)?)
}

fn words<const N: usize>(line: &str) -> Result<[&str; N], ServerError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.try_into().map_err(|_| MALFORMED)
}

fn key(hex: &str) -> Result<VerifyingKey, ServerError> {
    from_hex(hex)
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
        .ok_or(MALFORMED)
}

/// The school root in the folder that `move-root` filled.
struct Root {
    anchor: SchoolAnchor,
    key: SigningKey,
}

impl Root {
    fn open(folder: &Path) -> Result<Self, ServerError> {
        if !folder.join("root.key").exists() {
            return Err(ServerError::Refused("root.absent"));
        }
        Ok(Self {
            anchor: load(&folder.join("anchor"), SchoolAnchor::decode)?,
            key: SigningKey::from_seed(&load_seed(&folder.join("root.key"))?),
        })
    }

    fn of_school(folder: &Path, school: &str) -> Result<Self, ServerError> {
        let root = Self::open(folder)?;
        match root.anchor.school.to_string() == school {
            true => Ok(root),
            false => Err(ServerError::Refused("school.other")),
        }
    }
}

/// Signs what an operator asked for with [`SchoolKeys::request_operator`]; gives the
/// answer. `folder` holds the root.
///
/// # Errors
/// `root.absent`, `school.other`, `request.malformed`.
pub fn sign_operator(folder: &Path, request: &str, now_ms: u64) -> Result<String, ServerError> {
    let [word, school, operator, serial] = words(request)?;
    let root = Root::of_school(folder, school)?;
    if word != "operator" {
        return Err(MALFORMED);
    }
    let certificate = Certificate::sign(
        Operator {
            school: root.anchor.school,
            key: key(operator)?,
            not_before: now_ms.saturating_sub(CLOCK_LAG_MS),
            not_after: now_ms + OPERATOR_MS - CLOCK_LAG_MS,
            serial: serial.parse().map_err(|_| MALFORMED)?,
        },
        &root.key,
    );
    Ok(to_hex(&certificate.encode()))
}

/// What to ask the root's holder so that an account joins the staff.
#[must_use]
pub fn request_staff(anchor: &SchoolAnchor, account: AccountId, root: &VerifyingKey) -> String {
    let root = to_hex(root.as_bytes());
    format!("staff {} {account} {root}", anchor.school)
}

/// Signs that an account belongs to the staff; gives the answer, for
/// [`crate::Log::admit`]. `folder` holds the root.
///
/// # Errors
/// `root.absent`, `school.other`, `request.malformed`.
pub fn sign_staff(
    folder: &Path,
    request: &str,
    roles: StaffRoles,
    now_ms: u64,
) -> Result<String, ServerError> {
    let [word, school, account, account_root] = words(request)?;
    let root = Root::of_school(folder, school)?;
    if word != "staff" {
        return Err(MALFORMED);
    }
    let certificate = Certificate::sign(
        StaffAdmission {
            school: root.anchor.school,
            account: account.parse().map_err(|_| MALFORMED)?,
            root: key(account_root)?,
            roles,
            serial: now_ms,
            date: now_ms,
        },
        &root.key,
    );
    Ok(to_hex(&certificate.encode()))
}

/// Reads an answer of [`sign_staff`].
///
/// # Errors
/// `request.malformed`.
pub fn read_staff(answer: &str) -> Result<Certificate<StaffAdmission>, ServerError> {
    from_hex(answer.trim())
        .and_then(|bytes| Certificate::decode(&bytes).ok())
        .ok_or(MALFORMED)
}

impl SchoolKeys {
    /// Makes a new operator key, which waits; gives what the root's holder is to
    /// sign. A further call asks for the same key.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn request_operator(&self, platform: &Arc<dyn Platform>) -> Result<String, ServerError> {
        let path = self.folder.join(NEXT_OPERATOR);
        if !path.exists() {
            let key = SigningKey::generate(&mut Randomness(platform.clone()));
            save(&path, &*key.to_bytes_secret())?;
        }
        let next = SigningKey::from_seed(&load_seed(&path)?).verifying_key();
        let serial = self.chain.operator.body().serial + 1;
        let key = to_hex(next.as_bytes());
        Ok(format!("operator {} {key} {serial}", self.school()))
    }

    /// Takes the root's answer: the new operator certifies this node anew. The
    /// running relay uses it from its next start.
    ///
    /// # Errors
    /// `operator.invalid` for an answer that is not the root's or of another key.
    pub fn install_operator(&mut self, answer: &str, now_ms: u64) -> Result<(), ServerError> {
        let invalid = || ServerError::Refused("operator.invalid");
        let certificate = from_hex(answer.trim())
            .and_then(|bytes| Certificate::<Operator>::decode(&bytes).ok())
            .ok_or_else(invalid)?;
        self.anchor
            .verify_operator(&certificate, now_ms)
            .map_err(|_| invalid())?;
        let next = load_seed(&self.folder.join(NEXT_OPERATOR))?;
        let operator = SigningKey::from_seed(&next);
        if operator.verifying_key() != certificate.body().key {
            return Err(invalid());
        }
        self.certify_node(certificate, &operator, now_ms)?;
        // Last: until then the whole can be done again.
        replace(&self.folder.join("operator.key"), &next)?;
        Ok(fs::remove_file(self.folder.join(NEXT_OPERATOR))?)
    }

    /// Certifies this node anew by the operator key beside it, for as long as the
    /// operator's own certificate lasts.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn renew_node(&mut self, now_ms: u64) -> Result<(), ServerError> {
        let operator = SigningKey::from_seed(&load_seed(&self.folder.join("operator.key"))?);
        self.certify_node(self.chain.operator.clone(), &operator, now_ms)
    }

    fn certify_node(
        &mut self,
        operator: Certificate<Operator>,
        key: &SigningKey,
        now_ms: u64,
    ) -> Result<(), ServerError> {
        let body = operator.body();
        let node = Certificate::sign(
            Node {
                school: self.school(),
                key: self.node.verifying_key(),
                parcel: self.parcel.public(),
                operator: operator.hash(),
                not_before: now_ms.saturating_sub(CLOCK_LAG_MS).max(body.not_before),
                not_after: body.not_after,
                serial: self.chain.node.body().serial + 1,
            },
            key,
        );
        let chain = NodeChain { operator, node };
        self.anchor
            .verify_node(&chain, now_ms)
            .map_err(|error| ServerError::Keys(error.to_string()))?;
        replace(&self.folder.join("node.chain"), &chain.encode())?;
        self.chain = chain;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::System;

    fn school(folder: &Path) -> SchoolKeys {
        SchoolKeys::open(&folder.join("keys"), &system()).unwrap()
    }

    fn system() -> Arc<dyn Platform> {
        Arc::new(System)
    }

    #[test]
    fn an_operator_is_rotated_by_a_root_that_lies_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let safe = folder.path().join("safe");
        let mut keys = school(folder.path());
        let now = System.now_ms();
        let before = keys.chain.operator.body().key;
        keys.move_root(&safe).unwrap();
        let request = keys.request_operator(&system()).unwrap();
        assert_eq!(request, keys.request_operator(&system()).unwrap());
        let answer = sign_operator(&safe, &request, now).unwrap();
        keys.install_operator(&answer, now).unwrap();
        let again = school(folder.path());
        assert_ne!(again.chain.operator.body().key, before);
        assert!(again.anchor.verify_node(&again.chain, now).is_ok());
        // The key that it certifies is in use: the node can be renewed by it.
        let mut again = again;
        again.renew_node(now + 1000).unwrap();
        assert_eq!(again.chain.node.body().serial, 3);
    }

    #[test]
    fn an_answer_of_another_root_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = school(folder.path());
        let other = school(&folder.path().join("other"));
        let request = keys.request_operator(&system()).unwrap();
        let root = folder.path().join("other/keys");
        assert_eq!(
            sign_operator(&root, &request, 1).unwrap_err().to_string(),
            "refused: school.other"
        );
        let theirs = other.request_operator(&system()).unwrap();
        let answer = sign_operator(&root, &theirs, System.now_ms()).unwrap();
        assert!(keys.install_operator(&answer, System.now_ms()).is_err());
    }

    #[test]
    fn staff_is_signed_by_a_root_that_lies_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let safe = folder.path().join("safe");
        let keys = school(folder.path());
        keys.move_root(&safe).unwrap();
        let account = AccountId([4; 16]);
        let root = SigningKey::generate(&mut Randomness(system())).verifying_key();
        let request = request_staff(&keys.anchor, account, &root);
        let answer = sign_staff(&safe, &request, StaffRoles::TEACHER, 5).unwrap();
        let admission = read_staff(&answer).unwrap();
        assert!(keys.anchor.verify_staff(&admission).is_ok());
        assert_eq!(admission.body().account, account);
    }
}
