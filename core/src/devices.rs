//! Several devices of one account: a new one shows a code, a live one admits it and
//! shows its answer; a lost one is revoked.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stunity_identity::{
    AccountEvent, CutOff, DeviceStatus, Issuer, KexSecret, LinkAnswer, LinkRequest, Revocation,
    Scanned, SchoolAnchor, SigningKey,
};
use stunity_proto::{DeviceId, Kind, Lane};
use stunity_store::{PendingOp, Setup, Store};

use crate::join::{School, hex, unhex};
use crate::platform::{Platform, Randomness};
use crate::{Client, ClientError, place};

/// What a device that asks to be admitted keeps until it is: its secrets among it.
#[derive(Serialize, Deserialize)]
struct Asking {
    relay: String,
    anchor: String,
    node_chain: String,
    sign: String,
    kex: String,
    request: String,
}

fn asking_file(folder: &Path) -> PathBuf {
    folder.join("link-request.json")
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Whether it is this one.
    pub is_this: bool,
    /// Whether it may go on signing.
    pub is_live: bool,
}

/// A secret in the account's folder, for its owner alone.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}

const MALFORMED: ClientError = ClientError::Invalid("link.malformed");

fn secret(text: &str) -> Result<[u8; 32], ClientError> {
    unhex(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(MALFORMED)
}

impl Client {
    /// Makes this folder a device that asks to be admitted to an account. Returns
    /// the text to show to a device of the account, as a QR code or typed; asked
    /// again it is the same.
    ///
    /// # Errors
    /// `account.exists`; the relay cannot be reached.
    #[cfg(not(target_family = "wasm"))]
    pub fn ask_to_link(folder: &Path, relay: &str) -> Result<String, ClientError> {
        let relay = relay.trim_end_matches('/');
        let school = || crate::http::fetch_school(relay, None);
        Self::ask(folder, relay, school, crate::System::shared())
    }

    /// As [`Client::ask_to_link`] of a school that is known, asking nobody.
    ///
    /// # Errors
    /// `account.exists`, or the file's.
    pub fn ask_to_link_with(
        folder: &Path,
        relay: &str,
        school: School,
        platform: Arc<dyn Platform>,
    ) -> Result<String, ClientError> {
        Self::ask(folder, relay, || Ok(school), platform)
    }

    fn ask(
        folder: &Path,
        relay: &str,
        school: impl FnOnce() -> Result<School, ClientError>,
        platform: Arc<dyn Platform>,
    ) -> Result<String, ClientError> {
        if place::is_joined(folder, &platform)? {
            return Err(ClientError::Invalid("account.exists"));
        }
        if let Ok(text) = std::fs::read_to_string(asking_file(folder)) {
            let asking: Asking = serde_json::from_str(&text).map_err(|_| MALFORMED)?;
            return Ok(asking.request);
        }
        place::make(folder)?;
        let school = school()?;
        let mut random = Randomness(platform);
        let sign = SigningKey::generate(&mut random);
        let kex = KexSecret::generate(&mut random);
        let request = LinkRequest::make(&mut random, &sign, &kex, None).to_text();
        let asking = Asking {
            relay: relay.to_owned(),
            anchor: hex(&school.anchor.encode()),
            node_chain: hex(&school.node.encode()),
            sign: hex(&sign.to_bytes_secret()[..]),
            kex: hex(&kex.to_bytes_secret()[..]),
            request: request.clone(),
        };
        let text = serde_json::to_string(&asking).map_err(|_| MALFORMED)?;
        write_secret(&asking_file(folder), &text)?;
        Ok(request)
    }

    /// Admits the device that showed `request` to this account. Returns the answer
    /// to show to it. The device's work reaches the relay once this device has
    /// synced.
    ///
    /// # Errors
    /// `link.malformed`, a request that its device did not sign, or the store's.
    pub fn admit_device(&mut self, request: &str) -> Result<String, ClientError> {
        let Ok(Scanned::LinkRequest(request)) = Scanned::parse(request) else {
            return Err(MALFORMED);
        };
        let certificate = LinkRequest::answer(
            &request,
            self.store.school(),
            self.store.account(),
            Issuer::Device(self.store.device()),
            1,
            self.store.signing_key(),
        )?;
        let root = *self
            .store
            .account_log()?
            .ok_or(ClientError::Invalid("account.unknown"))?
            .first_root();
        self.account_event(&AccountEvent::AddDevice(Box::new(certificate.clone())))?;
        Ok(LinkAnswer {
            root,
            device: certificate,
        }
        .to_text())
    }

    /// Becomes a device of the account that answered.
    ///
    /// # Errors
    /// `link.not-asked`, `link.malformed`, `link.other-device`, `school.other`.
    #[cfg(not(target_family = "wasm"))]
    pub fn finish_link(folder: &Path, answer: &str) -> Result<Self, ClientError> {
        Self::finish_link_with(folder, answer, crate::System::shared())
    }

    /// As [`Client::finish_link`], with other clocks and randomness.
    ///
    /// # Errors
    /// As [`Client::finish_link`].
    pub fn finish_link_with(
        folder: &Path,
        answer: &str,
        platform: Arc<dyn Platform>,
    ) -> Result<Self, ClientError> {
        let text = std::fs::read_to_string(asking_file(folder))
            .map_err(|_| ClientError::Invalid("link.not-asked"))?;
        let asking: Asking = serde_json::from_str(&text).map_err(|_| MALFORMED)?;
        let Ok(Scanned::LinkAnswer(answer)) = Scanned::parse(answer) else {
            return Err(MALFORMED);
        };
        let sign = SigningKey::from_seed(&secret(&asking.sign)?);
        let kex = KexSecret::from_seed(&secret(&asking.kex)?);
        let anchor = unhex(&asking.anchor)
            .and_then(|bytes| SchoolAnchor::decode(&bytes).ok())
            .ok_or(MALFORMED)?;
        let node = unhex(&asking.node_chain)
            .and_then(|bytes| stunity_identity::NodeChain::decode(&bytes).ok())
            .ok_or(MALFORMED)?;
        let device = answer.device.body();
        if device.keys.sign != sign.verifying_key() || device.keys.kex != kex.public() {
            return Err(ClientError::Invalid("link.other-device"));
        }
        if device.school != anchor.school {
            return Err(ClientError::Invalid("school.other"));
        }
        let setup = Setup {
            account: device.account,
            anchor,
            root: answer.root,
            sign,
            kex,
            certificate: Some(answer.device.clone()),
        };
        let mut store = Store::create(
            place::database(folder),
            &setup,
            Box::new(Randomness(platform.clone())),
        )?;
        store.save_node(&node)?;
        place::save_relay(folder, &mut store, &asking.relay)?;
        std::fs::remove_file(asking_file(folder))?;
        drop(store);
        Self::open_with(folder, platform)
    }

    /// The devices of this account, as far as this one knows.
    ///
    /// # Errors
    /// The store's.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, ClientError> {
        let log = self.store.account_log()?;
        Ok(log
            .iter()
            .flat_map(|log| log.devices())
            .map(|(device, held)| DeviceRow {
                device,
                is_this: device == self.store.device(),
                is_live: held.status == DeviceStatus::Live,
            })
            .collect())
    }

    /// Revokes a device. What this device holds of it stays good; anything else that
    /// it signed waits for staff to accept it. `reason`: 0 unsaid, 1 lost, 2 stolen,
    /// 3 replaced, 4 signed out.
    ///
    /// # Errors
    /// `device.unknown`, or the store's.
    pub fn revoke_device(&mut self, device: DeviceId, reason: u8) -> Result<(), ClientError> {
        if !self.devices()?.iter().any(|row| row.device == device) {
            return Err(ClientError::Invalid("device.unknown"));
        }
        let cut_offs = self
            .store
            .chain_ends(device)?
            .into_iter()
            .map(|end| CutOff {
                space: end.space,
                lane: end.lane,
                incarnation: end.incarnation,
                sequence: end.sequence,
                id: end.id,
            })
            .collect();
        let revocation = Revocation {
            device,
            cut_offs,
            reason,
        };
        self.account_event(&AccountEvent::RevokeDevice(revocation, None))
    }

    fn account_event(&mut self, event: &AccountEvent) -> Result<(), ClientError> {
        self.enqueue(&[PendingOp {
            space: self.store.account().space(),
            lane: Lane::Keys,
            kind: Kind::Event(event.code()),
            bytes: event.encode(),
            object: None,
        }])
        .map(|_| ())
    }
}
