//! Device certificates, and how a device asks for one.
use rand_core::{CryptoRng, RngCore};
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{AccountId, DecodeError, DeviceId, SchoolId, labels};

use crate::certificate::{Statement, open, read_key};
use crate::{Certificate, IdentityError, KexPublic, KexSecret, SigningKey, VerifyingKey};

/// Who issued a device certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Issuer {
    /// The account root with this key.
    Root(VerifyingKey),
    /// A device of the account.
    Device(DeviceId),
}

/// The public keys of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    /// Signs entries and flights.
    pub sign: VerifyingKey,
    /// Parcels and lane keys are sealed to it.
    pub kex: KexPublic,
    /// Signs leaves of conversations (MLS), never entries; none for a device
    /// that joins no conversation.
    pub leaf: Option<[u8; 32]>,
}

impl DeviceKeys {
    fn write(&self, w: &mut Writer) {
        w.bytes(self.sign.as_bytes())
            .bytes(&self.kex.0)
            .option(self.leaf.as_ref(), |w, leaf| {
                w.bytes(leaf);
            });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, IdentityError> {
        let keys = Self {
            sign: read_key(r)?,
            kex: KexPublic(r.fixed()?),
            leaf: r.option(Reader::fixed)?,
        };
        if keys.leaf.as_ref() == Some(keys.sign.as_bytes()) {
            return Err(IdentityError::NotAllowed("one key for two purposes"));
        }
        Ok(keys)
    }
}

/// A device of an account. Signed by its issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The school.
    pub school: SchoolId,
    /// The account.
    pub account: AccountId,
    /// The device's keys.
    pub keys: DeviceKeys,
    /// Who issued it.
    pub issuer: Issuer,
    /// Chosen by the issuer, rising.
    pub serial: u64,
}

impl Device {
    /// The id that belongs to the signing key.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.keys.sign.device_id()
    }
}

impl Statement for Device {
    const KIND: u64 = 3;
    const LABEL: &'static str = labels::SIGN_DEVICE;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(8)
            .uint(Self::KIND)
            .bytes(&self.school.0)
            .bytes(&self.account.0);
        self.keys.write(&mut w);
        w.array(2);
        match &self.issuer {
            Issuer::Root(key) => w.uint(0).bytes(key.as_bytes()),
            Issuer::Device(id) => w.uint(1).bytes(&id.0),
        };
        w.uint(self.serial);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 8, Self::KIND)?;
        let school = SchoolId(r.fixed()?);
        let account = AccountId(r.fixed()?);
        let keys = DeviceKeys::read(&mut r)?;
        r.array_of(2)?;
        let issuer = match r.uint()? {
            0 => Issuer::Root(read_key(&mut r)?),
            1 => Issuer::Device(DeviceId(r.fixed()?)),
            _ => return Err(DecodeError::Unknown("issuer").into()),
        };
        let serial = r.uint()?;
        r.finish()?;
        let device = Self {
            school,
            account,
            keys,
            issuer,
            serial,
        };
        if device.issuer == Issuer::Device(device.id()) {
            return Err(IdentityError::WrongSigner("a device for itself"));
        }
        Ok(device)
    }
}

/// What a new device shows, by code, QR or on the local network, to a live
/// device of the account that is to admit it. Signed by the new device: it owns
/// the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRequest {
    /// The new device's keys.
    pub keys: DeviceKeys,
    /// 16 random bytes: names the request, so that the answer finds it.
    pub nonce: [u8; 16],
}

impl Statement for LinkRequest {
    const KIND: u64 = 7;
    const LABEL: &'static str = labels::SIGN_LINK;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(5).uint(Self::KIND);
        self.keys.write(&mut w);
        w.bytes(&self.nonce);
        w.into_bytes()
    }

    fn decode(body: &[u8]) -> Result<Self, IdentityError> {
        let mut r = open(body, 5, Self::KIND)?;
        let request = Self {
            keys: DeviceKeys::read(&mut r)?,
            nonce: r.fixed()?,
        };
        r.finish()?;
        Ok(request)
    }
}

impl LinkRequest {
    /// A new request, signed.
    pub fn make<R: RngCore + CryptoRng>(
        rng: &mut R,
        sign: &SigningKey,
        kex: &KexSecret,
        leaf: Option<[u8; 32]>,
    ) -> Certificate<Self> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let keys = DeviceKeys {
            sign: sign.verifying_key(),
            kex: kex.public(),
            leaf,
        };
        Certificate::sign(Self { keys, nonce }, sign)
    }

    /// The certificate that answers `request`, by the account root or a live
    /// device, whose key is `key`.
    ///
    /// # Errors
    /// A request that its device did not sign, or an issuer whose key is another.
    pub fn answer(
        request: &Certificate<Self>,
        school: SchoolId,
        account: AccountId,
        issuer: Issuer,
        serial: u64,
        key: &SigningKey,
    ) -> Result<Certificate<Device>, IdentityError> {
        request.verify(&request.body().keys.sign)?;
        let own = match issuer {
            Issuer::Root(root) => root == key.verifying_key(),
            Issuer::Device(id) => id == key.device_id(),
        };
        if !own || request.body().keys.sign == key.verifying_key() {
            return Err(IdentityError::WrongSigner("issuer"));
        }
        let body = Device {
            school,
            account,
            keys: request.body().keys,
            issuer,
            serial,
        };
        Ok(Certificate::sign(body, key))
    }
}

/// What the admitting device shows to the new one: who the account is and the
/// certificate. The new device trusts it because its owner carries it from one of
/// their screens to the other; a relay could name another root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAnswer {
    /// The account's first root: its log is verified from it.
    pub root: VerifyingKey,
    /// The new device's certificate: it names school and account.
    pub device: Certificate<Device>,
}

impl LinkAnswer {
    /// The number of the kind in a scanned text.
    pub(crate) const KIND: u64 = 9;

    /// The text to show or scan, see [`crate::Scanned`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut w = Writer::new();
        w.array(3).uint(Self::KIND).bytes(self.root.as_bytes());
        self.device.write(&mut w);
        crate::scan::to_text(&w.into_bytes())
    }
}
