//! How an account begins: a device makes the account's root and its own keys,
//! and shows the relay an invitation or a password once.
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use stunity_identity::{
    AccountEvent, Certificate, Device, DeviceKeys, Issuer, KexSecret, NodeChain, SchoolAnchor,
    SigningKey,
};
use stunity_proto::{AccountId, Kind, Lane, SchoolId};
use stunity_store::{PendingOp, Setup, Store};
use stunity_sync::Replica;

use crate::client::{database, relay_file};
use crate::platform::{Platform, Randomness, System, random_id};
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

/// A school as its relay shows it.
#[derive(Clone, Debug)]
pub struct School {
    /// What a device pins.
    pub anchor: SchoolAnchor,
    /// The relay's own certificates.
    pub node: NodeChain,
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

pub(crate) fn unreachable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Unreachable(error.to_string())
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(120)))
        .build()
        .into()
}

/// The school of a relay, and the relay's own certificates.
pub(crate) fn fetch_school(relay: &str, expected: Option<SchoolId>) -> Result<School, ClientError> {
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
    Ok(School { anchor, node })
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
    Err(problem(&mut answer))
}

/// What a relay says when it does not do what it was asked.
pub(crate) fn problem(answer: &mut ureq::http::Response<ureq::Body>) -> ClientError {
    match answer.body_mut().read_json::<Problem>() {
        Ok(problem) => ClientError::Refused(problem.code),
        Err(error) => unreachable(error),
    }
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
        Self::join_with(folder, relay, joining, expected, System::shared())
    }

    /// As [`Client::join`], with other clocks and randomness.
    ///
    /// # Errors
    /// As [`Client::join`].
    pub fn join_with(
        folder: &Path,
        relay: &str,
        joining: &Joining,
        expected: Option<SchoolId>,
        platform: Arc<dyn Platform>,
    ) -> Result<Self, ClientError> {
        let relay = relay.trim_end_matches('/').to_owned();
        std::fs::create_dir_all(folder)?;
        if relay_file(folder).exists() {
            return Err(ClientError::Invalid("account.exists"));
        }
        let school = fetch_school(&relay, expected)?;
        let account = match joining {
            Joining::Invitation(_) => AccountId(random_id(&*platform)),
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
        let (client, genesis) = Self::begin(folder, &relay, &school, account, platform)?;
        let pack = hex(&genesis);
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
        client.joined(folder)?;
        Ok(client)
    }

    /// Makes the account of a first device, without asking anybody: the second value
    /// is a pack with the first entry of its log, for the relay. Once the relay has
    /// it, [`Client::joined`] keeps the account; until then a further call begins
    /// anew.
    ///
    /// # Errors
    /// `account.exists`, or the store's.
    pub fn begin(
        folder: &Path,
        relay: &str,
        school: &School,
        account: AccountId,
        platform: Arc<dyn Platform>,
    ) -> Result<(Self, Vec<u8>), ClientError> {
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
        let mut store = make_account(folder, school.anchor.clone(), account, &platform)?;
        store.save_node(&school.node)?;
        let genesis = store
            .next_upload(&[], true, platform.wall_ms())?
            .ok_or(ClientError::Invalid("account.malformed"))?;
        let client = Self {
            store,
            relay: relay.to_owned(),
            platform,
            open: Default::default(),
            unmarked: false,
        };
        Ok((client, genesis.bytes))
    }

    /// The relay knows the account: from now on the folder holds it.
    ///
    /// # Errors
    /// The file's.
    pub fn joined(&self, folder: &Path) -> Result<(), ClientError> {
        // Written last: a folder with it holds an account that the relay knows.
        Ok(std::fs::write(relay_file(folder), &self.relay)?)
    }
}

/// A new account's database, with the first entry of its log queued.
fn make_account(
    folder: &Path,
    anchor: SchoolAnchor,
    account: AccountId,
    platform: &Arc<dyn Platform>,
) -> Result<Store, ClientError> {
    let mut random = Randomness(platform.clone());
    let root = SigningKey::generate(&mut random);
    let sign = SigningKey::generate(&mut random);
    let kex = KexSecret::generate(&mut random);
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
    let mut store = Store::create(database(folder), &setup, Box::new(random))?;
    store.enqueue(
        &[PendingOp {
            space: account.space(),
            lane: Lane::Keys,
            kind: Kind::Event(event.code()),
            bytes: event.encode(),
            object: None,
        }],
        platform.wall_ms(),
    )?;
    Ok(store)
}
