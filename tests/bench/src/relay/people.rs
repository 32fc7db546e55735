//! Devices whose keys follow from their number, so that the process that makes the
//! school and the process that loads it name the same ones without a word.
use stunity_identity::{
    AccountEvent, Certificate, Device, DeviceKeys, Issuer, KexSecret, SigningKey, sign_entry,
};
use stunity_model::events::{Content, Enrol, Event, Evidence, Submit};
use stunity_proto::pack::{Effort, Explicit, Item, PackWriter};
use stunity_proto::receipt::sha256;
use stunity_proto::{
    AccountId, Body, Entry, EntryId, Hash, Header, Heads, Kind, Lane, ObjectId, SchoolId, Signer,
    SpaceId,
};

use super::Fallible;

/// One person on one device.
pub struct Person {
    /// The school.
    pub school: SchoolId,
    /// The account.
    pub account: AccountId,
    /// Signs entries and flights.
    pub key: SigningKey,
    certificate: Hash,
    /// The first entry of the account's log.
    pub genesis: Entry,
}

/// The last entry of a chain that is being written.
#[derive(Clone, Copy, Default)]
pub struct Chain {
    sequence: u64,
    last: Option<EntryId>,
}

impl Chain {
    /// The chain whose first entry this is.
    #[must_use]
    pub fn after_genesis(genesis: EntryId) -> Self {
        Self {
            sequence: 1,
            last: Some(genesis),
        }
    }
}

fn seed(what: &str, number: usize) -> [u8; 32] {
    sha256(format!("stunity bench {what} {number}").as_bytes()).0
}

fn salt(seed: &[u8; 32]) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&seed[..16]);
    salt
}

impl Person {
    /// The person of this number.
    ///
    /// # Errors
    /// None that happens: keys of one's own sign.
    pub fn new(school: SchoolId, number: usize) -> Fallible<Self> {
        let account = AccountId(salt(&seed("account", number)));
        let root = SigningKey::from_seed(&seed("root", number));
        let key = SigningKey::from_seed(&seed("device", number));
        let kex = KexSecret::from_seed(&seed("kex", number));
        let certificate = Certificate::sign(
            Device {
                school,
                account,
                keys: DeviceKeys {
                    sign: key.verifying_key(),
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
        let body = Body::new(salt(&seed("genesis", number)), vec![event.encode()]);
        let header = Header {
            school,
            space: account.space(),
            lane: Lane::Keys,
            author: account,
            signer: Signer::Device(key.device_id()),
            certificate: certificate.hash(),
            incarnation: 0,
            sequence: 1,
            previous: None,
            heads: Heads::default(),
            kinds: vec![Kind::Event(event.code())],
            seal: None,
            body_root: body.root()?,
        };
        let genesis = sign_entry(&header, body, &key)?;
        Ok(Self {
            school,
            account,
            certificate: certificate.hash(),
            key,
            genesis,
        })
    }

    /// The next entry of a chain of this device.
    ///
    /// # Errors
    /// An event beyond a limit.
    pub fn state(
        &self,
        chain: &mut Chain,
        (space, lane): (SpaceId, Lane),
        membership: &[EntryId],
        events: &[Event],
    ) -> Fallible<Entry> {
        let mut mixed = [chain.sequence.to_be_bytes().to_vec(), lane.to_key()].concat();
        mixed.extend_from_slice(&self.account.0);
        let body = Body::new(
            salt(&sha256(&mixed).0),
            events.iter().map(Event::encode).collect(),
        );
        let header = Header {
            school: self.school,
            space,
            lane,
            author: self.account,
            signer: Signer::Device(self.key.device_id()),
            certificate: self.certificate,
            incarnation: 0,
            sequence: chain.sequence + 1,
            previous: chain.last,
            heads: Heads {
                account: Some(self.genesis.id()),
                membership: membership.to_vec(),
            },
            kinds: events
                .iter()
                .map(|event| Kind::Event(event.code()))
                .collect(),
            seal: None,
            body_root: body.root()?,
        };
        let entry = sign_entry(&header, body, &self.key)?;
        chain.sequence += 1;
        chain.last = Some(entry.id());
        Ok(entry)
    }

    /// Enrols a pupil; this is the teacher.
    ///
    /// # Errors
    /// As [`Person::state`].
    pub fn enrol(&self, course: SpaceId, pupil: AccountId, genesis: EntryId) -> Fallible<Entry> {
        let lane = Lane::One(pupil);
        let event = Event::from(Enrol { account: pupil });
        self.state(&mut Chain::default(), (course, lane), &[genesis], &[event])
    }

    /// Hands a piece of work in.
    ///
    /// # Errors
    /// As [`Person::state`].
    pub fn submit(
        &self,
        chain: &mut Chain,
        course: SpaceId,
        enrolled: EntryId,
        attempt: u64,
    ) -> Fallible<Entry> {
        let number = attempt + u64::from(self.account.0[0]) * 1000;
        let event = Event::from(Submit {
            assignment: ObjectId([7; 16]),
            attempt,
            content: Content {
                text: format!(
                    "My work number {number}: plants turn light into sugar, and the water \
                     rises through the stem to the leaves. រុក្ខជាតិប្រែពន្លឺទៅជាស្ករ។"
                ),
                blobs: Vec::new(),
            },
            provenance: None,
            evidence: Evidence {
                wall_ms: 1_700_000_000_000 + number,
                boot: 1,
                since_relay_ms: None,
                relay_ms: None,
            },
        });
        let place = (course, Lane::One(self.account));
        self.state(chain, place, &[enrolled], &[event])
    }
}

/// A pack that names nothing by what its receiver holds.
#[must_use]
pub fn pack(school: SchoolId, entry: &Entry) -> Vec<u8> {
    let context = Explicit(school);
    let mut writer = PackWriter::new(&context, true, false, Effort::Full);
    writer.push(&Item {
        entry: entry.clone(),
        place: None,
    });
    writer.finish()
}
