//! How an account begins: a device makes the account's root and its own keys,
//! and shows the relay an invitation or a password once.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use stunity_identity::{
    AccountEvent, Certificate, Device, DeviceKeys, Issuer, KexSecret, NodeChain, Scanned,
    SchoolAnchor, SigningKey,
};
use stunity_proto::{AccountId, Kind, Lane, SchoolId};
use stunity_store::{PendingOp, Setup, Store};
use stunity_sync::Replica;

use crate::platform::{Platform, Randomness, random_id};
use crate::{Client, ClientError, place};

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

/// What an invitation's link says.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The relay's URL.
    pub relay: String,
    /// The school to pin.
    pub school: SchoolId,
    /// The invitation's code, hexadecimal.
    pub code: String,
}

impl Invited {
    /// Reads the text of an invitation, scanned or typed. Its signature is the
    /// relay's concern: whoever shows it is trusted for the school.
    ///
    /// # Errors
    /// `invitation.malformed`; `invitation.no-code` where the code is handed over
    /// apart.
    pub fn by_link(text: &str) -> Result<Self, ClientError> {
        let Ok(Scanned::Invitation(link)) = Scanned::parse(text) else {
            return Err(ClientError::Invalid("invitation.malformed"));
        };
        let code = link
            .code
            .ok_or(ClientError::Invalid("invitation.no-code"))?;
        let invitation = link.invitation.body();
        Ok(Self {
            relay: relay_at(&invitation.host),
            school: invitation.school,
            code: hex(&code),
        })
    }
}

/// The URL of a relay. A name has a certificate; an address on a school's own network
/// has none.
fn relay_at(host: &str) -> String {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_address = name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[');
    let scheme = if is_address || name == "localhost" {
        "http"
    } else {
        "https"
    };
    format!("{scheme}://{host}")
}

/// A school as its relay shows it.
#[derive(Clone, Debug)]
pub struct School {
    /// What a device pins.
    pub anchor: SchoolAnchor,
    /// The relay's own certificates.
    pub node: NodeChain,
}

/// First sign-in: first whose login it is, then with the account's first entry.
const SIGN_IN: &str = "/api/devices/sign-in";

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

impl School {
    /// Reads a relay's answer to `GET /api/school`. `expected` is the school id from
    /// an invitation on paper; without it the relay's own word is pinned.
    ///
    /// # Errors
    /// `school.malformed`, `school.other`.
    pub fn from_answer(body: &[u8], expected: Option<SchoolId>) -> Result<Self, ClientError> {
        let malformed = || ClientError::Invalid("school.malformed");
        let answer: SchoolAnswer = serde_json::from_slice(body).map_err(|_| malformed())?;
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
        Ok(Self { anchor, node })
    }
}

/// What joining asks of the relay next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Below the relay's URL.
    pub path: &'static str,
    /// JSON to post; none for a GET.
    pub body: Option<String>,
}

/// Joining, without the connection: a native driver or a browser's page carries
/// requests and answers.
pub struct Join {
    folder: PathBuf,
    relay: String,
    joining: Joining,
    expected: Option<SchoolId>,
    platform: Arc<dyn Platform>,
    stage: Stage,
}

enum Stage {
    /// The school is asked for.
    School,
    /// The relay is asked whose login it is.
    Named(Box<School>),
    /// The account is shown to the relay.
    Shown(Box<Client>, Vec<u8>),
    /// There is nothing left to do.
    Over,
}

impl Join {
    /// Makes this device the first of an account and joins a school through its
    /// relay. `expected` is the school id from an invitation on paper.
    ///
    /// # Errors
    /// `account.exists`, or the store's.
    pub fn new(
        folder: &Path,
        relay: &str,
        joining: Joining,
        expected: Option<SchoolId>,
        platform: Arc<dyn Platform>,
    ) -> Result<Self, ClientError> {
        if place::is_joined(folder, &platform)? {
            return Err(ClientError::Invalid("account.exists"));
        }
        Ok(Self {
            folder: folder.to_owned(),
            relay: relay.trim_end_matches('/').to_owned(),
            joining,
            expected,
            platform,
            stage: Stage::School,
        })
    }

    /// The relay's base URL.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// What to ask the relay now; none once it is over.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let post = |path, fields: &[(&str, &str)]| {
            let fields: BTreeMap<&str, &str> = fields.iter().copied().collect();
            Some(Request {
                path,
                body: Some(serde_json::json!(fields).to_string()),
            })
        };
        match (&self.stage, &self.joining) {
            (Stage::School, _) => Some(Request {
                path: "/api/school",
                body: None,
            }),
            (Stage::Named(_), Joining::Password(login, password)) => post(
                SIGN_IN,
                &[("login", login.as_str()), ("password", password.as_str())],
            ),
            (Stage::Shown(_, pack), Joining::Password(login, password)) => post(
                SIGN_IN,
                &[
                    ("login", login.as_str()),
                    ("password", password.as_str()),
                    ("pack", &hex(pack)),
                ],
            ),
            (Stage::Shown(_, pack), Joining::Invitation(code) | Joining::Claim(code, _)) => post(
                "/api/devices/join",
                &[("code", code.as_str()), ("pack", &hex(pack))],
            ),
            _ => None,
        }
    }

    /// Takes the relay's answer: the account, or none if there is more to ask.
    ///
    /// # Errors
    /// The relay refused, with its code, or answered what nobody understands; the
    /// store's. Then it is over, and a further [`Join`] begins anew.
    pub fn on_answer(&mut self, status: u16, body: &[u8]) -> Result<Option<Client>, ClientError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if !(200..300).contains(&status) {
            return Err(refusal(body));
        }
        match stage {
            Stage::School => {
                let school = School::from_answer(body, self.expected)?;
                self.stage = match self.joining {
                    Joining::Invitation(_) => {
                        self.show(&school, AccountId(random_id(&*self.platform)))?
                    }
                    Joining::Claim(_, account) => self.show(&school, account)?,
                    Joining::Password(..) => Stage::Named(Box::new(school)),
                };
                Ok(None)
            }
            Stage::Named(school) => {
                let named = serde_json::from_slice::<Joined>(body).ok();
                let account = named
                    .and_then(|named| named.account.parse().ok())
                    .ok_or(ClientError::Invalid("account.malformed"))?;
                self.stage = self.show(&school, account)?;
                Ok(None)
            }
            Stage::Shown(mut client, _) => {
                client.joined(&self.folder)?;
                Ok(Some(*client))
            }
            Stage::Over => Ok(None),
        }
    }

    fn show(&self, school: &School, account: AccountId) -> Result<Stage, ClientError> {
        let platform = self.platform.clone();
        let (client, pack) = Client::begin(&self.folder, &self.relay, school, account, platform)?;
        Ok(Stage::Shown(Box::new(client), pack))
    }
}

/// What a relay says when it does not do what it was asked.
pub(crate) fn refusal(body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ClientError::Refused(problem.code),
        Err(error) => ClientError::Unreachable(error.to_string()),
    }
}

impl Client {
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
        place::make(folder)?;
        if place::is_joined(folder, &platform)? {
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
    /// The file's, or the store's.
    pub fn joined(&mut self, folder: &Path) -> Result<(), ClientError> {
        place::save_relay(folder, &mut self.store, &self.relay)
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
    let mut store = Store::create(place::database(folder), &setup, Box::new(random))?;
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
