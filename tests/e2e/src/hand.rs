//! A device whose keys the test holds: it writes what no client would.
use std::collections::BTreeMap;

use stunity_identity::{
    AccountEvent, Certificate, CutOff, Device, DeviceKeys, Issuer, KexSecret, Revocation, Session,
    SigningKey, StaffRoles, sign_entry,
};
use stunity_model::events::{AssignmentPublish, Comment, Event, Grade, Release};
use stunity_proto::frame::{Flight, Frame, VERSION, cursors_hash};
use stunity_proto::pack::ChainKey;
use stunity_proto::{
    AccountId, Body, Entry, EntryId, Hash, Header, Heads, Kind, Lane, ObjectId, SchoolId,
    Signature, Signer, SpaceId,
};
use stunity_server::log::{Join, Proof};
use stunity_sync::replica::Outcome;

use crate::School;

/// One operation and its kind.
pub type Op = (Kind, Vec<u8>);

/// An event as an operation.
pub fn op(event: impl Into<Event>) -> Op {
    let event = event.into();
    (Kind::Event(event.code()), event.encode())
}

/// A comment with an id of this byte.
pub fn comment(id: u8, about: ObjectId, text: &str) -> Op {
    op(Comment {
        comment: ObjectId([id; 16]),
        about,
        parent: None,
        text: text.into(),
    })
}

/// Full points, in a grade with an id of this byte.
pub fn grade(id: u8, assignment: ObjectId, student: AccountId) -> Op {
    op(Grade {
        grade: ObjectId([id; 16]),
        assignment,
        student,
        attempt: None,
        points: 1000,
        feedback: String::new(),
        supersedes: vec![],
    })
}

/// The release of the grade with the id 7.
pub fn release(assignment: ObjectId) -> Op {
    op(Release {
        grade: ObjectId([7; 16]),
        entry: EntryId::ZERO,
        header: None,
        assignment,
        attempt: None,
        points: 1000,
        feedback: String::new(),
    })
}

/// An assignment published once more, due in 1970.
pub fn due(assignment: ObjectId) -> Op {
    op(AssignmentPublish {
        assignment,
        kind: 1,
        title: "Essay".into(),
        title_km: None,
        text: String::new(),
        max_points: 1000,
        due_ms: Some(1),
        grace_ms: 0,
        attempts: 0,
        timed_minutes: None,
        questions: vec![],
        published: true,
    })
}

/// A device of an account, by hand.
#[derive(Clone)]
pub struct Hand {
    /// The school.
    pub school: SchoolId,
    /// The account.
    pub account: AccountId,
    /// The account's root.
    pub root: SigningKey,
    /// The device's key.
    pub key: SigningKey,
    /// Its certificate.
    pub certificate: Certificate<Device>,
    /// The head of the account log that it cites.
    pub account_head: Option<EntryId>,
    chains: BTreeMap<ChainKey, (u64, EntryId)>,
}

fn certify(
    school: SchoolId,
    account: AccountId,
    key: &SigningKey,
    issuer: Issuer,
    by: &SigningKey,
) -> Certificate<Device> {
    let device = Device {
        school,
        account,
        keys: DeviceKeys {
            sign: key.verifying_key(),
            kex: KexSecret::from_seed(&key.device_id().0.repeat(2).try_into().expect("32 bytes"))
                .public(),
            leaf: None,
        },
        issuer,
        serial: 1,
    };
    Certificate::sign(device, by)
}

impl Hand {
    /// Flight one of a device that holds nothing, with whatever else it says, as it
    /// crosses.
    ///
    /// # Panics
    /// Never: what it says is within the limits.
    #[must_use]
    pub fn flight(&self, host: &str, nonce: [u8; 32], say: impl FnOnce(&mut Flight)) -> Vec<u8> {
        let mut flight = Flight {
            version: VERSION,
            device: self.key.device_id(),
            capabilities: 0,
            cursors: cursors_hash(&[]),
            partials: Vec::new(),
            outbox: None,
            flags: 0,
            signature: Signature::ZERO,
        };
        say(&mut flight);
        let session = Session {
            school: self.school,
            host,
            nonce,
        };
        session
            .sign_flight(&mut flight, &self.key)
            .expect("the device's own key");
        Frame::Flight(flight).encode()
    }

    /// A new account that nobody knows yet; everything follows from `seed`.
    #[must_use]
    pub fn stranger(school: SchoolId, seed: u8) -> Self {
        let (root, key) = (
            SigningKey::from_seed(&[seed; 32]),
            SigningKey::from_seed(&[seed + 1; 32]),
        );
        let account = AccountId([seed; 16]);
        Self {
            school,
            account,
            certificate: certify(
                school,
                account,
                &key,
                Issuer::Root(root.verifying_key()),
                &root,
            ),
            root,
            key,
            account_head: None,
            chains: BTreeMap::new(),
        }
    }

    /// A new account that the relay admits by an invitation.
    pub async fn join(school: &School, seed: u8, offices: StaffRoles) -> Self {
        let mut hand = Self::stranger(school.log.keys().school(), seed);
        let genesis = hand.genesis();
        let code = school
            .log
            .invite(offices, None)
            .await
            .expect("an invitation");
        let proof = Proof::Code(code);
        let join = Join { proof, genesis };
        school
            .log
            .join(join)
            .await
            .expect("the relay admits who is invited");
        hand
    }

    /// The first entry of the account log.
    pub fn genesis(&mut self) -> Entry {
        self.keys(AccountEvent::Root {
            root: self.root.verifying_key(),
            recovery: None,
            device: Box::new(self.certificate.clone()),
        })
    }

    /// An entry of the account log.
    pub fn keys(&mut self, event: AccountEvent) -> Entry {
        let op = (Kind::Event(event.code()), event.encode());
        let entry = self.write(self.account.space(), Lane::Keys, &[], vec![op]);
        self.account_head = Some(entry.id());
        entry
    }

    /// Another device of the account, and the entry that adds it: this one may
    /// revoke it.
    pub fn add_device(&mut self, seed: u8) -> (Self, Entry) {
        let key = SigningKey::from_seed(&[seed; 32]);
        let issuer = Issuer::Device(self.key.device_id());
        let certificate = certify(self.school, self.account, &key, issuer, &self.key);
        let entry = self.keys(AccountEvent::AddDevice(Box::new(certificate.clone())));
        let other = Self {
            key,
            certificate,
            account_head: self.account_head,
            chains: BTreeMap::new(),
            ..self.clone()
        };
        (other, entry)
    }

    /// Revokes a device of the account beyond what its chain in a lane holds.
    pub fn revoke(&mut self, other: &Self, space: SpaceId, lane: Lane) -> Entry {
        let last = other.chains.get(&other.chain(space, lane));
        let cut_offs = last.map(|(sequence, id)| CutOff {
            space,
            lane,
            incarnation: 0,
            sequence: *sequence,
            id: *id,
        });
        let device = other.key.device_id();
        let revocation = Revocation::new(device, cut_offs.into_iter().collect(), 1);
        self.keys(AccountEvent::RevokeDevice(
            revocation.expect("one cut-off"),
            None,
        ))
    }

    /// Its chain in a lane.
    #[must_use]
    pub fn chain(&self, space: SpaceId, lane: Lane) -> ChainKey {
        ChainKey {
            signer: Signer::Device(self.key.device_id()),
            incarnation: 0,
            space,
            lane,
        }
    }

    /// The header of its next entry in a lane.
    #[must_use]
    pub fn header(&self, space: SpaceId, lane: Lane, heads: &[EntryId], ops: &[Op]) -> Header {
        let last = self.chains.get(&self.chain(space, lane));
        Header {
            school: self.school,
            space,
            lane,
            author: self.account,
            signer: Signer::Device(self.key.device_id()),
            certificate: self.certificate.hash(),
            incarnation: 0,
            sequence: last.map_or(1, |(sequence, _)| sequence + 1),
            previous: last.map(|(_, id)| *id),
            heads: Heads {
                account: self.account_head,
                membership: heads.to_vec(),
            },
            kinds: ops.iter().map(|(kind, _)| *kind).collect(),
            seal: None,
            body_root: Hash::ZERO,
        }
    }

    /// The next entry of its chain in a lane.
    pub fn write(&mut self, space: SpaceId, lane: Lane, heads: &[EntryId], ops: Vec<Op>) -> Entry {
        let entry = self.draft(space, lane, heads, ops);
        self.went(&entry);
        entry
    }

    /// As `write`, without going on in the chain: the next one forks it.
    #[must_use]
    pub fn draft(&self, space: SpaceId, lane: Lane, heads: &[EntryId], ops: Vec<Op>) -> Entry {
        let header = self.header(space, lane, heads, &ops);
        sign(header, ops, &self.key)
    }

    /// The chain goes on from an entry.
    pub fn went(&mut self, entry: &Entry) {
        let place = (entry.header().sequence, entry.id());
        self.chains.insert(ChainKey::of(entry), place);
    }
}

/// Signs any header over operations, whoever it names.
#[must_use]
pub fn sign(mut header: Header, ops: Vec<Op>, key: &SigningKey) -> Entry {
    let salt = [header.sequence as u8; 16];
    let body = Body::new(salt, ops.into_iter().map(|(_, bytes)| bytes).collect());
    header.body_root = body.root().expect("a body that was just made");
    // A key signs in its own name only: what names another bears the signature of an
    // entry that does not.
    let mut own = header.clone();
    own.signer = match header.signer {
        Signer::Device(_) => Signer::Device(key.device_id()),
        Signer::Node(_) => Signer::Node(key.node_id()),
    };
    let signed = sign_entry(&own, body.clone(), key).expect("within the limits");
    Entry::from_parts(header.encode(), signed.signature, body).expect("within the limits")
}

/// The code of an outcome; empty if the entry was accepted.
#[must_use]
pub fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Accepted(_) => "",
        Outcome::Pending { code, .. } | Outcome::Refused { code, .. } => code,
    }
}
