//! An operator who holds every key of the relay, the school's root moved out, makes
//! no native client believe in a grade, a teacher, another due date or a device that
//! was revoked.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Client, Link, driver};
use stunity_e2e::hand::{Op, code, op, sign};
use stunity_e2e::{DUE, Hand, HostileClass};
use stunity_identity::sabotage::Sabotage as WithoutSignatures;
use stunity_identity::{
    Certificate, Node, NodeChain, Operator as OperatorCertificate, SigningKey, StaffAdmission,
    StaffRoles, sign_root,
};
use stunity_model::Roles;
use stunity_model::events::*;
use stunity_model::permit::{RULES, SpaceKind, Vouched};
use stunity_model::sabotage::{Check, Sabotage};
use stunity_proto::receipt::{Leaf, merkle_root};
use stunity_proto::{
    AccountId, Entry, EntryId, Hash, Header, Heads, Kind, Lane, ObjectId, Signer, SpaceId,
};
use stunity_sync::replica::{Applied, Delivered, Flush, FlushReceipt};
use stunity_sync::{Position, Replica};

/// Everything that lies on the relay's disk.
struct Operator {
    node: SigningKey,
    operator: SigningKey,
    certificate: Hash,
    next: std::collections::BTreeMap<(SpaceId, Lane), (u64, EntryId)>,
}

impl Operator {
    /// Takes the keys; the root is elsewhere.
    fn of(class: &HostileClass) -> Self {
        let keys = class.school.log.keys();
        keys.move_root(&class.school.path("safe")).unwrap();
        assert!(!keys.has_root());
        let file = class.school.path("relay").join("keys").join("operator.key");
        let seed: [u8; 32] = std::fs::read(file).unwrap().try_into().unwrap();
        Self {
            node: SigningKey::from_seed(&keys.node.to_bytes_secret()),
            operator: SigningKey::from_seed(&seed),
            certificate: keys.chain.node.hash(),
            next: Default::default(),
        }
    }

    /// A vouched entry in somebody's name.
    fn vouch(
        &mut self,
        class: &HostileClass,
        author: AccountId,
        (space, lane): (SpaceId, Lane),
        heads: &[EntryId],
        ops: Vec<Op>,
    ) -> Entry {
        let last = self.next.get(&(space, lane)).copied();
        let header = Header {
            school: class.mallory.school,
            space,
            lane,
            author,
            signer: Signer::Node(self.node.node_id()),
            certificate: self.certificate,
            // The honest relay's own chain is incarnation 0.
            incarnation: 7,
            sequence: last.map_or(1, |(sequence, _)| sequence + 1),
            previous: last.map(|(_, id)| id),
            heads: Heads {
                account: None,
                membership: heads.to_vec(),
            },
            kinds: ops.iter().map(|(kind, _)| *kind).collect(),
            seal: None,
            body_root: Hash::ZERO,
        };
        let entry = sign(header, ops, &self.node);
        self.next
            .insert((space, lane), (entry.header().sequence, entry.id()));
        entry
    }

    /// A flush with a good receipt for entries at places that the operator chooses.
    fn deliver(&self, client: &mut Client, entries: &[(Entry, u64, u64)]) -> Applied {
        let school = client.store().owner().school;
        let place = |(entry, epoch, sequence): &(Entry, u64, u64)| Position {
            space: entry.header().space,
            lane: entry.header().lane,
            epoch: *epoch,
            sequence: *sequence,
            received_ms: class_ms(),
        };
        let leaves: Vec<Hash> = entries
            .iter()
            .map(|item| {
                let at = place(item);
                Leaf::Entry {
                    space: at.space,
                    lane: at.lane,
                    epoch: at.epoch,
                    sequence: at.sequence,
                    id: item.0.id(),
                    received_ms: at.received_ms,
                }
                .hash()
            })
            .collect();
        let root = merkle_root(&leaves);
        let signature = sign_root(&self.node, school, &root);
        let store = client.store_mut();
        let node = self.node.node_id();
        assert!(
            store
                .verify_receipt(node, class_ms(), &root, &signature)
                .unwrap()
        );
        let flush = Flush {
            delivered: entries
                .iter()
                .map(|item| Delivered {
                    entry: item.0.clone(),
                    position: Some(place(item)),
                })
                .collect(),
            receipt: Some(FlushReceipt {
                node,
                epoch: 1,
                signature,
                leaves,
                entries: entries
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (index as u32, item.0.id()))
                    .collect(),
                relay_ms: class_ms(),
            }),
            ..Flush::default()
        };
        store.apply(flush).unwrap()
    }
}

/// The relay's clock: its certificates hold.
fn class_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}

fn judged(applied: &Applied, entry: &Entry) -> &'static str {
    (applied.held.iter().chain(&applied.rejected))
        .find(|(id, _)| *id == entry.id())
        .map_or("", |(_, code)| *code)
}

fn grade(class: &HostileClass) -> Op {
    op(Grade {
        grade: ObjectId([7; 16]),
        assignment: class.assignment,
        student: class.pupil.store().account(),
        attempt: None,
        points: 1000,
        feedback: String::new(),
        supersedes: vec![],
    })
}

fn release(class: &HostileClass) -> Op {
    op(Release {
        grade: ObjectId([7; 16]),
        entry: EntryId::ZERO,
        header: None,
        assignment: class.assignment,
        attempt: None,
        points: 1000,
        feedback: String::new(),
    })
}

fn due(class: &HostileClass) -> Op {
    op(AssignmentPublish {
        assignment: class.assignment,
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

/// An event of a type with any fields: its golden bytes.
fn any_event(code: u16) -> Op {
    let prefix = format!("event/{code:03}-");
    let name = stunity_compat::golden::names()
        .into_iter()
        .find(|name| name.starts_with(&prefix));
    let bytes = stunity_compat::golden::load(&name.unwrap()).unwrap();
    (Kind::Event(code), bytes)
}

/// Every lane of a kind of space.
fn lanes(bits: u16, pupil: AccountId) -> Vec<Lane> {
    let all = [
        Lane::All,
        Lane::Staff,
        Lane::One(pupil),
        Lane::Group(stunity_proto::GroupId([5; 16])),
        Lane::Private,
        Lane::Connections,
        Lane::Public,
    ];
    all.into_iter()
        .filter(|lane| bits & 1 << lane.kind() != 0)
        .collect()
}

#[tokio::test]
async fn what_a_relay_may_not_vouch_for_has_no_effect_whoever_it_names() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let (teacher, pupil) = (
        class.teacher.store().account(),
        class.pupil.store().account(),
    );
    let mut count = 0;
    let mut ids = Vec::new();
    for rule in RULES {
        for lane in lanes(rule.lanes.0, pupil) {
            let space = match rule.space {
                SpaceKind::School => class.mallory.school.space(),
                SpaceKind::Course => class.course,
                SpaceKind::Account => pupil.space(),
            };
            let heads = match rule.space {
                SpaceKind::Course => class.heads(lane).await,
                _ => Vec::new(),
            };
            let allowed_for_somebody = RULES.iter().any(|other| {
                other.event == rule.event
                    && other.space == rule.space
                    && other.lanes.0 & 1 << lane.kind() != 0
                    && other.vouched == Vouched::Yes
            });
            for author in [teacher, pupil] {
                let ops = vec![any_event(rule.event)];
                let entry = operator.vouch(&class, author, (space, lane), &heads, ops);
                count += 1;
                let at = [(entry.clone(), 1, 10_000 + count)];
                for device in [&mut class.teacher, &mut class.pupil] {
                    let applied = operator.deliver(device, &at);
                    let judged = judged(&applied, &entry);
                    if !allowed_for_somebody {
                        assert_ne!(judged, "", "{rule:?} in {lane:?} by a node");
                    }
                    if rule.vouched == Vouched::ByPolicy && author == teacher && judged.is_empty() {
                        panic!("{rule:?} counts without a policy");
                    }
                }
                if !allowed_for_somebody {
                    ids.push(entry.id());
                }
            }
        }
    }
    assert!(count > 100, "the table has been read: {count}");
    class.leaves_no_trace_of(&ids).await;
}

/// What an operator puts into the relay's own log, by leaving out its checks, and
/// the code with which a teacher's device answers it.
async fn forgeries(class: &HostileClass, operator: &mut Operator) -> Vec<(Entry, &'static str)> {
    let (teacher, pupil) = (
        class.teacher.store().account(),
        class.pupil.store().account(),
    );
    let staff = class.heads(Lane::Staff).await;
    let mut accomplice = Hand::stranger(class.mallory.school, 100);
    let one = Lane::One(pupil);
    let course = class.course;
    let mut out = Vec::new();
    let mut add = |lane, ops, code| {
        let entry = operator.vouch(class, teacher, (course, lane), &staff, ops);
        out.push((entry, code));
    };
    add(Lane::Staff, vec![grade(class)], "vouched.proposal");
    add(one, vec![release(class)], "vouched.proposal");
    add(Lane::All, vec![due(class)], "vouched.proposal");
    let extension = Extension {
        assignment: class.assignment,
        due_ms: 2 * DUE,
    };
    add(one, vec![op(extension)], "vouched.proposal");
    let chosen = ChooseGrade {
        assignment: class.assignment,
        student: pupil,
        grade: ObjectId([7; 16]),
        over: vec![],
    };
    add(Lane::Staff, vec![op(chosen)], "vouched.proposal");
    let added = MemberAdd {
        account: accomplice.account,
        roles: Roles::TEACHER.0,
    };
    add(Lane::All, vec![op(added)], "vouched.never");
    let removed = MemberRemove { account: pupil };
    add(one, vec![op(removed)], "vouched.never");
    let any = AcceptPending {
        entry: EntryId([1; 32]),
    };
    add(Lane::Staff, vec![op(any)], "vouched.never");
    let erase = Erase {
        entry: class.log().await.last().unwrap().id(),
        ops: vec![0],
        reason: "other".into(),
    };
    add(Lane::All, vec![op(erase)], "vouched.never");
    let school = class.mallory.school.space();
    // An admission signed by whatever keys there are.
    let keys = [&operator.operator, &operator.node].map(|key| key.to_bytes_secret());
    for key in keys {
        let admission = StaffAdmission {
            school: class.mallory.school,
            account: accomplice.account,
            root: accomplice.root.verifying_key(),
            roles: StaffRoles::TEACHER,
            serial: 99,
            date: 1,
        };
        let key = SigningKey::from_seed(&key);
        let certificate = Opaque(Certificate::sign(admission, &key).encode());
        let ops = vec![op(StaffAdmit { certificate })];
        let author = accomplice.account;
        let entry = operator.vouch(class, author, (school, Lane::All), &[], ops);
        out.push((entry, "role.missing"));
    }
    // A device that no account knows signs what a teacher would.
    accomplice.account = teacher;
    let ops = vec![grade(class)];
    let entry = accomplice.draft(course, Lane::Staff, &staff, ops);
    out.push((entry, "keys.unknown"));
    out
}

#[tokio::test]
async fn a_relay_that_leaves_out_its_checks_convinces_nobody_over_the_socket() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let forgeries = forgeries(&class, &mut operator).await;
    {
        // The evil relay: nothing is checked while these are stored and numbered.
        for (entry, code_here) in &forgeries {
            let check = match *code_here {
                "vouched.proposal" => Check::Policy,
                _ => Check::NeverVouched,
            };
            let _signatures = WithoutSignatures::skip_signatures();
            let _judge = Sabotage::skip(check);
            let outcome = &class.upload(std::slice::from_ref(entry)).await[0];
            if entry.header().signer.is_vouched() {
                let kinds = &entry.header().kinds;
                assert_eq!(code(outcome), "", "the evil relay stores {kinds:?}");
            }
        }
    }
    let mut held = Vec::new();
    for device in [&mut class.teacher, &mut class.pupil] {
        let report = driver::sync(device, &Link::default()).await.unwrap();
        held.extend(report.held);
        held.extend(report.rejected);
    }
    for (_, code) in forgeries
        .iter()
        .filter(|(entry, _)| entry.header().signer.is_vouched())
    {
        assert!(held.iter().any(|held| held == code), "{code}: {held:?}");
    }
    let ids: Vec<EntryId> = forgeries.iter().map(|(entry, _)| entry.id()).collect();
    for device in [&class.teacher, &class.pupil] {
        let store = device.store();
        assert_eq!(store.grades(class.course, None).unwrap(), []);
        assert_eq!(store.releases(class.course, None).unwrap(), []);
        assert_eq!(
            store.assignments(class.course).unwrap()[0].due_ms,
            Some(DUE)
        );
        assert_eq!(
            store.class_list(class.course, Roles::STAFF).unwrap().len(),
            2
        );
    }
    assert_eq!(traces(class, &ids), Vec::<String>::new());
}

/// Rows of the forgeries on the devices; the relay itself is evil.
fn traces(class: HostileClass, ids: &[EntryId]) -> Vec<String> {
    let HostileClass {
        school,
        teacher,
        pupil,
        ..
    } = class;
    drop((teacher, pupil));
    ["teacher", "pupil"]
        .iter()
        .flat_map(|device| stunity_e2e::traces(&school.path(device).join("account.db"), ids))
        .collect()
}

#[tokio::test]
async fn another_root_for_an_account_that_has_one_binds_nothing() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let school = class.mallory.school.space();
    let staff = class.heads(Lane::Staff).await;
    for (account, heads) in [
        (class.colleague.account, staff.clone()),
        (
            class.mallory.account,
            class.heads(Lane::One(class.mallory.account)).await,
        ),
    ] {
        // The operator's own keys under the account's name.
        let mut forged = Hand::stranger(class.mallory.school, 110);
        forged.account = account;
        let genesis = {
            let certificate = forged.certificate.clone();
            let mut device = certificate.body().clone();
            device.account = account;
            forged.certificate = Certificate::sign(device, &forged.root);
            forged.genesis()
        };
        let bind = RosterBind {
            account,
            root: *forged.root.verifying_key().as_bytes(),
            in_person: false,
        };
        let bound = operator.vouch(&class, account, (school, Lane::Staff), &[], vec![op(bind)]);
        let lane = if account == class.colleague.account {
            Lane::Staff
        } else {
            Lane::One(account)
        };
        let note = Comment {
            comment: ObjectId([3; 16]),
            about: class.assignment,
            parent: None,
            text: "forged".into(),
        };
        let said = forged.draft(class.course, lane, &heads, vec![op(note)]);
        // At the very beginning of the order, or before it.
        for (epoch, sequence) in [(1, 1), (0, 1), (1, 0)] {
            let entries = [
                (bound.clone(), epoch, sequence),
                (genesis.clone(), epoch, sequence),
                (said.clone(), epoch, sequence),
            ];
            for device in [&mut class.teacher, &mut class.pupil] {
                operator.deliver(device, &entries);
            }
        }
        for device in [&class.teacher, &class.pupil] {
            let comments = device.store().comments(class.assignment).unwrap();
            assert_eq!(comments, [], "another root speaks for {account}");
        }
    }
    // Who they were, they still are.
    let mut colleague = class.colleague.clone();
    let note = Comment {
        comment: ObjectId([4; 16]),
        about: class.assignment,
        parent: None,
        text: "honest".into(),
    };
    let entry = colleague.write(class.course, Lane::Staff, &staff, vec![op(note)]);
    assert_eq!(code(&class.upload(&[entry]).await[0]), "");
    class.school.sync(&mut class.teacher).await;
    assert_eq!(
        class
            .teacher
            .store()
            .comments(class.assignment)
            .unwrap()
            .len(),
        1
    );
    class.is_unharmed_and_usable().await;
}

#[tokio::test]
async fn no_order_brings_a_revoked_device_back() {
    let mut class = HostileClass::new().await;
    let operator = Operator::of(&class);
    let staff = class.heads(Lane::Staff).await;
    let mut owner = class.colleague.clone();
    let (mut lost, added) = owner.add_device(80);
    let note = |text: &str| {
        vec![op(Comment {
            comment: ObjectId([4; 16]),
            about: class.assignment,
            parent: None,
            text: text.into(),
        })]
    };
    let good = lost.write(class.course, Lane::Staff, &staff, note("mine"));
    let revoked = owner.revoke(&lost, class.course, Lane::Staff);
    let thief = lost.write(class.course, Lane::Staff, &staff, vec![grade(&class)]);
    // The device had been let go on, and its entry is said to stand before all else.
    let orders: [&[&Entry]; 4] = [
        &[&added, &good, &thief, &revoked],
        &[&thief, &added, &good, &revoked],
        &[&revoked, &thief, &good, &added],
        &[&added, &revoked, &good, &thief, &added],
    ];
    for (turn, order) in orders.iter().enumerate() {
        for entry in *order {
            let sequence = 20_000 + 100 * turn as u64;
            let at = if entry.id() == thief.id() {
                2
            } else {
                sequence
            };
            operator.deliver(&mut class.teacher, &[((*entry).clone(), 1, at)]);
        }
        let grades = class.teacher.store().grades(class.course, None).unwrap();
        assert_eq!(grades, [], "order {turn}");
        let comments = class.teacher.store().comments(class.assignment).unwrap();
        assert_eq!(comments.len(), 1, "order {turn}");
    }
}

/// A colleague's entry that the owner holds, and what she signs after the owner
/// removed her: a grade, a release, and another entry in the first one's place.
async fn removed_teacher(class: &mut HostileClass) -> [Entry; 3] {
    let mut colleague = class.colleague.clone();
    let mut other = colleague.clone();
    let (course, pupil) = (class.course, class.pupil.store().account());
    let staff = class.heads(Lane::Staff).await;
    let note = Comment {
        comment: ObjectId([4; 16]),
        about: class.assignment,
        parent: None,
        text: "in time".into(),
    };
    let kept = colleague.write(course, Lane::Staff, &staff, vec![op(note)]);
    assert_eq!(code(&class.upload(&[kept]).await[0]), "");
    class.school.sync(&mut class.teacher).await;
    [
        colleague.write(course, Lane::Staff, &staff, vec![grade(class)]),
        colleague.write(course, Lane::One(pupil), &staff, vec![release(class)]),
        other.write(course, Lane::Staff, &staff, vec![grade(class)]),
    ]
}

#[tokio::test]
async fn no_order_slips_in_what_a_removed_teacher_signs_later() {
    let mut class = HostileClass::new().await;
    let mut second = class.school.join("second", StaffRoles::TEACHER).await;
    let late = removed_teacher(&mut class).await;
    let account = class.colleague.account;
    class.teacher.remove_member(class.course, account).unwrap();
    // The operator numbers what she signs before the removal, which had to come by
    // the relay too, and what stands in another's place beside it.
    let numbered = class.upload(&late[..2]).await;
    assert!(numbered.iter().all(|outcome| code(outcome).is_empty()));
    let operator = Operator::of(&class);
    let fork = [(late[2].clone(), 1, 20_000)];
    operator.deliver(&mut class.teacher, &fork);
    operator.deliver(&mut class.pupil, &fork);
    class.school.sync(&mut class.pupil).await;
    assert_eq!(releases(&class.pupil, &class), 1, "nobody knows better yet");
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut class.pupil).await;
    // Nor does who hears of all of it in that order.
    let account = second.store().account();
    let added = class
        .teacher
        .add_staff(class.course, account, Roles::TEACHER);
    added.unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut second).await;
    for device in [&class.teacher, &class.pupil, &second] {
        let store = device.store();
        assert_eq!(store.grades(class.course, None).unwrap(), []);
        assert_eq!(releases(device, &class), 0);
    }
    let comments = class.teacher.store().comments(class.assignment).unwrap();
    assert_eq!(comments.len(), 1, "what she wrote in time stays");
    // The owner sees what waits, and may give effect to it.
    let waiting = class.teacher.store().pending(Some(class.course)).unwrap();
    let mut ids: Vec<EntryId> = waiting.iter().map(|row| row.entry).collect();
    let mut all: Vec<EntryId> = late.iter().map(Entry::id).collect();
    ids.sort();
    all.sort();
    assert_eq!(ids, all);
    assert!(waiting.iter().all(|row| row.code == "member.cut-off"));
    class.teacher.accept_pending(late[0].id()).unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut second).await;
    for device in [&class.teacher, &second] {
        let grades = device.store().grades(class.course, None).unwrap();
        assert_eq!(grades.len(), 1);
    }
}

fn releases(device: &Client, class: &HostileClass) -> usize {
    device.store().releases(class.course, None).unwrap().len()
}

#[tokio::test]
async fn a_removed_teacher_removes_nobody_in_return() {
    let mut class = HostileClass::new().await;
    let staff = class.heads(Lane::Staff).await;
    let mut colleague = class.colleague.clone();
    let cut_off = MemberCutOff {
        account: class.teacher.store().account(),
        last: vec![],
    };
    let back = colleague.write(class.course, Lane::All, &staff, vec![op(cut_off)]);
    class.cut_off_colleague().await;
    class.school.sync(&mut class.pupil).await;
    let operator = Operator::of(&class);
    for device in [&mut class.teacher, &mut class.pupil] {
        let applied = operator.deliver(device, &[(back.clone(), 1, 20_000)]);
        assert_eq!(judged(&applied, &back), "member.cut-off");
        let owners = device.store().class_list(class.course, Roles::OWNER);
        assert_eq!(owners.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_device_that_passes_over_cut_offs_lets_the_removed_teacher_in() {
    let mut class = HostileClass::new().await;
    let late = removed_teacher(&mut class).await;
    let account = class.colleague.account;
    let removed = class.teacher.remove_member(class.course, account);
    removed.unwrap();
    class.upload(&late[..1]).await;
    let _broken = Sabotage::skip(Check::CutOff);
    class.school.sync(&mut class.teacher).await;
    let grades = class.teacher.store().grades(class.course, None).unwrap();
    assert_eq!(grades.len(), 1);
}

#[tokio::test]
async fn receipts_of_nodes_that_no_operator_of_the_root_certified_are_none() {
    let class = HostileClass::new().await;
    let operator = Operator::of(&class);
    let now = class_ms();
    let root = Hash([5; 32]);
    let school = class.mallory.school;
    let mut device = class.teacher;
    let honest = sign_root(&operator.node, school, &root);
    let node = operator.node.node_id();
    assert!(
        device
            .store()
            .verify_receipt(node, now, &root, &honest)
            .unwrap()
    );
    // Another key than the node's, another school, another time.
    let forged = SigningKey::from_seed(&[77; 32]);
    let by_other = sign_root(&forged, school, &root);
    assert!(
        !device
            .store()
            .verify_receipt(node, now, &root, &by_other)
            .unwrap()
    );
    let elsewhere = sign_root(&operator.node, stunity_proto::SchoolId([1; 16]), &root);
    assert!(
        !device
            .store()
            .verify_receipt(node, now, &root, &elsewhere)
            .unwrap()
    );
    let later = now + 400 * 24 * 3_600_000;
    assert!(
        !device
            .store()
            .verify_receipt(node, later, &root, &honest)
            .unwrap()
    );
    // An operator that certifies itself, and a node of its.
    let certificate = Certificate::sign(
        OperatorCertificate {
            school,
            key: forged.verifying_key(),
            not_before: now - 1000,
            not_after: now + 1_000_000,
            serial: 9,
        },
        &forged,
    );
    let chain = NodeChain {
        node: Certificate::sign(
            Node {
                school,
                key: forged.verifying_key(),
                parcel: stunity_identity::KexSecret::from_seed(&[1; 32]).public(),
                operator: certificate.hash(),
                not_before: now - 1000,
                not_after: now + 1_000_000,
                serial: 9,
            },
            &forged,
        ),
        operator: certificate,
    };
    let _ = device.store_mut().save_node(&chain);
    let by_forged = sign_root(&forged, school, &root);
    let node = forged.node_id();
    assert!(
        !device
            .store()
            .verify_receipt(node, now, &root, &by_forged)
            .unwrap()
    );
}

#[tokio::test]
async fn an_operator_that_shows_two_orders_convicts_itself() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let staff = class.heads(Lane::Staff).await;
    let teacher = class.teacher.store().account();
    let mut note = |n: u8| {
        let text = Comment {
            comment: ObjectId([n; 16]),
            about: class.assignment,
            parent: None,
            text: "order".into(),
        };
        let place = (class.course, Lane::Staff);
        operator.vouch(&class, teacher, place, &staff, vec![op(text)])
    };
    let (one, other) = (note(1), note(2));
    operator.deliver(&mut class.teacher, &[(one, 1, 30_000)]);
    assert_eq!(class.teacher.store().doctor().unwrap(), []);
    operator.deliver(&mut class.teacher, &[(other, 1, 30_000)]);
    let findings = format!("{:?}", class.teacher.store().doctor().unwrap());
    assert!(findings.contains("relay.equivocation"), "{findings}");
}

#[tokio::test]
async fn each_check_that_is_left_out_lets_the_operator_through() {
    for (check, what) in [
        (Check::Policy, "a grade"),
        (Check::NeverVouched, "a teacher"),
        (Check::Removal, "a removed teacher's grade"),
    ] {
        let mut class = HostileClass::new().await;
        let mut operator = Operator::of(&class);
        let staff = class.heads(Lane::Staff).await;
        let all = class.heads(Lane::All).await;
        let teacher = class.teacher.store().account();
        let entry = match check {
            Check::Policy => {
                let place = (class.course, Lane::Staff);
                operator.vouch(&class, teacher, place, &staff, vec![grade(&class)])
            }
            Check::NeverVouched => {
                let added = MemberAdd {
                    account: AccountId([77; 16]),
                    roles: Roles::TEACHER.0,
                };
                operator.vouch(
                    &class,
                    teacher,
                    (class.course, Lane::All),
                    &all,
                    vec![op(added)],
                )
            }
            _ => {
                class.remove_colleague().await;
                let mut colleague = class.colleague.clone();
                colleague.write(class.course, Lane::Staff, &staff, vec![grade(&class)])
            }
        };
        let at = [(entry.clone(), 1, 40_000)];
        {
            let _broken = Sabotage::skip(check);
            let applied = operator.deliver(&mut class.teacher, &at);
            assert_eq!(
                judged(&applied, &entry),
                "",
                "{check:?} is not what stops {what}"
            );
        }
        let mut again = HostileClass::new().await;
        let mut operator = Operator::of(&again);
        let staff = again.heads(Lane::Staff).await;
        let place = (again.course, Lane::Staff);
        let teacher = again.teacher.store().account();
        let entry = operator.vouch(&again, teacher, place, &staff, vec![grade(&again)]);
        let applied = operator.deliver(&mut again.teacher, &[(entry.clone(), 1, 40_000)]);
        assert_eq!(judged(&applied, &entry), "vouched.proposal");
    }
}
