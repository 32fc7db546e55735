//! How an account begins: a device makes the account's root and its own keys,
//! and shows the relay an invitation or a password once.
use std::path::Path;

use rand_core::OsRng;
use serde::Deserialize;
use stunity_identity::{
    AccountEvent, Certificate, Device, DeviceKeys, Issuer, KexSecret, NodeChain, SchoolAnchor,
    SigningKey,
};
use stunity_proto::{AccountId, Kind, Lane, SchoolId};
use stunity_store::{PendingOp, Setup, Store};
use stunity_sync::Replica;

use crate::client::{database, random_id, relay_file};
use crate::clock::wall_ms;
use crate::{Client, ClientError};

/// What lets an account join.
#[derive(Clone, Debug)]
pub enum Joining {
    /// An invitation's code, hexadecimal.
    Invitation(String),
    /// An invitation's code for an account that exists by import.
    Claim(String, AccountId),
    /// A login and its password: the account that they name.
    Password(String, String),
}

#[derive(Deserialize)]
struct SchoolAnswer {
    school: String,
    anchor: String,
    node_chain: String,
}

#[derive(Deserialize)]
struct Joined {
    account: String,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn unreachable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Unreachable(error.to_string())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(120)))
        .build()
        .into()
}

/// The school of a relay, and the relay's own certificates.
pub(crate) fn fetch_school(
    relay: &str,
    expected: Option<SchoolId>,
) -> Result<(SchoolAnchor, NodeChain), ClientError> {
    let answer: SchoolAnswer = agent()
        .get(format!("{relay}/api/school"))
        .call()
        .map_err(unreachable)?
        .body_mut()
        .read_json()
        .map_err(unreachable)?;
    let malformed = || ClientError::Invalid("school.malformed");
    let anchor = unhex(&answer.anchor)
        .and_then(|bytes| SchoolAnchor::decode(&bytes).ok())
        .ok_or_else(malformed)?;
    let node = unhex(&answer.node_chain)
        .and_then(|bytes| NodeChain::decode(&bytes).ok())
        .ok_or_else(malformed)?;
    if answer.school != anchor.school.to_string()
        || expected.is_some_and(|school| school != anchor.school)
    {
        return Err(ClientError::Invalid("school.other"));
    }
    Ok((anchor, node))
}

fn post<T: serde::de::DeserializeOwned>(
    relay: &str,
    path: &str,
    fields: &[(&str, String)],
) -> Result<T, ClientError> {
    let body: std::collections::BTreeMap<&str, &String> =
        fields.iter().map(|(name, value)| (*name, value)).collect();
    let mut answer = agent()
        .post(format!("{relay}{path}"))
        .send_json(body)
        .map_err(unreachable)?;
    if answer.status().is_success() {
        return answer.body_mut().read_json().map_err(unreachable);
    }
    let problem: Problem = answer.body_mut().read_json().map_err(unreachable)?;
    Err(ClientError::Refused(problem.code))
}

impl Client {
    /// Makes this device the first of an account and joins a school through its
    /// relay. `expected` is the school id from an invitation on paper; without
    /// it the relay's own word is pinned.
    ///
    /// # Errors
    /// The relay cannot be reached or refuses; then nothing is left in `folder`.
    pub fn join(
        folder: &Path,
        relay: &str,
        joining: &Joining,
        expected: Option<SchoolId>,
    ) -> Result<Self, ClientError> {
        let relay = relay.trim_end_matches('/').to_owned();
        std::fs::create_dir_all(folder)?;
        if relay_file(folder).exists() {
            return Err(ClientError::Invalid("account.exists"));
        }
        // What a cut join left behind has signed nothing that anybody accepted.
        for leftover in [
            "account.db",
            "account.db-wal",
            "account.db-shm",
            "account.db-journal",
        ] {
            let _ = std::fs::remove_file(folder.join(leftover));
        }
        let (anchor, node) = fetch_school(&relay, expected)?;
        let account = match joining {
            Joining::Invitation(_) => AccountId(random_id()),
            Joining::Claim(_, account) => *account,
            Joining::Password(login, password) => {
                let fields = [("login", login.clone()), ("password", password.clone())];
                let named: Joined = post(&relay, "/api/devices/sign-in", &fields)?;
                named
                    .account
                    .parse()
                    .map_err(|_| ClientError::Invalid("account.malformed"))?
            }
        };
        let mut store = make_account(folder, anchor, account)?;
        store.save_node(&node)?;
        let genesis = store
            .next_upload(&[], true, wall_ms())?
            .ok_or(ClientError::Invalid("account.malformed"))?;
        let pack = hex(&genesis.bytes);
        let _: Joined = match joining {
            Joining::Invitation(code) | Joining::Claim(code, _) => post(
                &relay,
                "/api/devices/join",
                &[("code", code.clone()), ("pack", pack)],
            )?,
            Joining::Password(login, password) => post(
                &relay,
                "/api/devices/sign-in",
                &[
                    ("login", login.clone()),
                    ("password", password.clone()),
                    ("pack", pack),
                ],
            )?,
        };
        // Written last: a folder with it holds an account that the relay knows.
        std::fs::write(relay_file(folder), &relay)?;
        Ok(Self {
            store,
            relay,
            open: Default::default(),
        })
    }
}

/// A new account's database, with the first entry of its log queued.
fn make_account(
    folder: &Path,
    anchor: SchoolAnchor,
    account: AccountId,
) -> Result<Store, ClientError> {
    let root = SigningKey::generate(&mut OsRng);
    let sign = SigningKey::generate(&mut OsRng);
    let kex = KexSecret::generate(&mut OsRng);
    let certificate = Certificate::sign(
        Device {
            school: anchor.school,
            account,
            keys: DeviceKeys {
                sign: sign.verifying_key(),
                kex: kex.public(),
                leaf: None,
            },
            issuer: Issuer::Root(root.verifying_key()),
            serial: 1,
        },
        &root,
    );
    let event = AccountEvent::Root {
        root: root.verifying_key(),
        recovery: None,
        device: Box::new(certificate.clone()),
    };
    let setup = Setup {
        anchor,
        account,
        root: root.verifying_key(),
        sign,
        kex,
        certificate: Some(certificate),
    };
    let mut store = Store::create(database(folder), &setup, Box::new(OsRng))?;
    store.enqueue(
        &[PendingOp {
            space: account.space(),
            lane: Lane::Keys,
            kind: Kind::Event(event.code()),
            bytes: event.encode(),
            object: None,
        }],
        wall_ms(),
    )?;
    Ok(store)
}
