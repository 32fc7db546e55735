//! Devices that do not play by the rules: what they send is refused or held with its
//! code, by the relay and by a device that is handed the same bytes, and leaves no
//! trace in anybody's projections.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};
use stunity_e2e::hand::{Op, code, op, sign};
use stunity_e2e::{DUE, Hand, HostileClass};
use stunity_identity::{AccountEvent, Certificate, SigningKey, StaffAdmission, StaffRoles};
use stunity_model::events::*;
use stunity_model::sabotage::{Check, Sabotage};
use stunity_proto::{
    ActorId, DocId, Entry, EntryId, Hash, KeyId, Kind, Lane, NodeId, ObjectId, SchoolId, Seal,
    Signer, SpaceId,
};
use stunity_store::PendingOp;

/// What somebody tries. The last of its entries is the attack; those before it are
/// sound and prepare it.
struct Attack {
    name: &'static str,
    /// The relay's code.
    relay: &'static str,
    /// The code of a device that is handed the same bytes.
    peer: &'static str,
    entries: fn(&mut Scene) -> Vec<Entry>,
}

/// What an attacker knows.
struct Scene {
    mallory: Hand,
    colleague: Hand,
    /// Somebody of the school who is not in the course.
    outsider: Hand,
    teacher: stunity_proto::AccountId,
    teacher_device: stunity_proto::DeviceId,
    pupil: stunity_proto::AccountId,
    course: SpaceId,
    assignment: ObjectId,
    /// Heads that staff cite, from before the colleague was removed.
    staff: Vec<EntryId>,
    /// Heads that mallory cites in her own lane.
    own: Vec<EntryId>,
}

fn grade(scene: &Scene) -> Op {
    op(Grade {
        grade: ObjectId([7; 16]),
        assignment: scene.assignment,
        student: scene.pupil,
        attempt: None,
        points: 1000,
        feedback: String::new(),
        supersedes: vec![],
    })
}

fn release(scene: &Scene) -> Op {
    op(Release {
        grade: ObjectId([7; 16]),
        entry: EntryId::ZERO,
        header: None,
        assignment: scene.assignment,
        attempt: None,
        points: 1000,
        feedback: String::new(),
    })
}

fn due_later(scene: &Scene) -> Op {
    op(AssignmentPublish {
        assignment: scene.assignment,
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

fn comment(about: ObjectId, text: &str) -> Op {
    op(Comment {
        comment: ObjectId([8; 16]),
        about,
        parent: None,
        text: text.into(),
    })
}

/// A change of a lesson by an actor, after whatever `deps` are.
fn change(doc: DocId, actor: ActorId, deps: &[[u8; 32]]) -> Op {
    use automerge::transaction::Transactable;
    let mut document = automerge::AutoCommit::new().with_actor(actor.0[..].into());
    document.put(automerge::ROOT, "title", "changed").unwrap();
    let made = document.get_last_local_change().unwrap().decode();
    let deps = deps.iter().map(|dep| automerge::ChangeHash(*dep)).collect();
    let made = automerge::Change::from(automerge::ExpandedChange { deps, ..made });
    let kind = Kind::Change { doc_type: 1, doc };
    (kind, made.raw_bytes().to_vec())
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "a pupil signs a grade",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            vec![
                s.mallory
                    .draft(s.course, Lane::Staff, &s.own, vec![grade(s)]),
            ]
        },
    },
    Attack {
        name: "a pupil releases a grade to herself",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            let lane = Lane::One(s.mallory.account);
            vec![s.mallory.draft(s.course, lane, &s.own, vec![release(s)])]
        },
    },
    Attack {
        name: "a pupil changes a due date",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            vec![
                s.mallory
                    .draft(s.course, Lane::All, &s.own, vec![due_later(s)]),
            ]
        },
    },
    Attack {
        name: "a pupil makes herself a teacher",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            let event = MemberAdd {
                account: s.mallory.account,
                roles: 2,
            };
            vec![
                s.mallory
                    .draft(s.course, Lane::All, &s.own, vec![op(event)]),
            ]
        },
    },
    Attack {
        name: "a pupil hands in for another",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            let submit = Submit {
                assignment: s.assignment,
                attempt: 1,
                content: Content {
                    text: "not mine".into(),
                    blobs: vec![],
                },
                provenance: None,
                evidence: Evidence {
                    wall_ms: 1,
                    boot: 1,
                    since_relay_ms: None,
                    relay_ms: None,
                },
            };
            let lane = Lane::One(s.pupil);
            vec![s.mallory.draft(s.course, lane, &s.own, vec![op(submit)])]
        },
    },
    Attack {
        name: "a grade hides behind a permitted comment",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            let ops = vec![comment(s.assignment, "hello"), grade(s)];
            vec![s.mallory.draft(s.course, Lane::Staff, &s.own, ops)]
        },
    },
    Attack {
        name: "a grade in a lane that pupils read",
        relay: "lane.mismatch",
        peer: "lane.mismatch",
        entries: |s| {
            let ops = vec![grade(s)];
            vec![s.colleague.draft(s.course, Lane::All, &s.staff, ops)]
        },
    },
    Attack {
        name: "an outsider writes to a class, citing what nobody holds",
        relay: "heads.unknown",
        // Nobody in the class holds her keys.
        peer: "left out",
        entries: |s| {
            let ops = vec![comment(s.assignment, "spam")];
            let heads = [EntryId([9; 32])];
            vec![s.outsider.draft(s.course, Lane::All, &heads, ops)]
        },
    },
    Attack {
        name: "an outsider opens a lane of her own in a course",
        relay: "role.missing",
        // Nobody in the class holds her keys.
        peer: "left out",
        entries: |s| {
            let lane = Lane::One(s.outsider.account);
            let ops = vec![comment(s.assignment, "spam")];
            vec![s.outsider.draft(s.course, lane, &s.staff, ops)]
        },
    },
    Attack {
        name: "a course begins a second time",
        relay: "space.exists",
        peer: "space.exists",
        entries: |s| {
            let genesis = CourseGenesis {
                salt: 1,
                imported: false,
                open: true,
                counts_attested: true,
                counts_api_grades: true,
                foreign_id: None,
            };
            let ops = vec![op(genesis)];
            vec![s.colleague.draft(s.course, Lane::All, &s.staff, ops)]
        },
    },
    Attack {
        name: "a chain is forked",
        relay: "entry.fork",
        peer: "entry.fork",
        entries: |s| {
            let lane = Lane::One(s.mallory.account);
            let say = |text| vec![comment(s.assignment, text)];
            let fork = s.mallory.draft(s.course, lane, &s.own, say("two"));
            let sound = s.mallory.write(s.course, lane, &s.own, say("one"));
            vec![sound, fork]
        },
    },
    Attack {
        name: "a chain begins in the middle",
        relay: "chain.gap",
        peer: "entry.gap",
        entries: |s| {
            let lane = Lane::One(s.mallory.account);
            let ops = vec![comment(s.assignment, "later")];
            let mut header = s.mallory.header(s.course, lane, &s.own, &ops);
            header.sequence = 5;
            header.previous = Some(EntryId([5; 32]));
            vec![sign(header, ops, &s.mallory.key)]
        },
    },
    Attack {
        name: "cited membership goes backwards",
        relay: "heads.backwards",
        peer: "heads.backwards",
        entries: |s| {
            let say = |text| vec![comment(s.assignment, text)];
            let first = s
                .colleague
                .write(s.course, Lane::Staff, &s.staff, say("one"));
            let second = s.colleague.draft(s.course, Lane::Staff, &[], say("two"));
            vec![first, second]
        },
    },
    Attack {
        name: "a key certifies itself for somebody else's account",
        relay: "device.unknown",
        peer: "left out",
        entries: |s| {
            let mut forged = Hand::stranger(s.mallory.school, 90);
            forged.account = s.teacher;
            let ops = vec![grade(s)];
            vec![forged.draft(s.course, Lane::Staff, &s.staff, ops)]
        },
    },
    Attack {
        name: "a device adds itself to somebody else's account log",
        relay: "device.unknown",
        peer: "left out",
        entries: |s| {
            let mut forged = Hand::stranger(s.mallory.school, 90);
            forged.account = s.teacher;
            let certificate = forged.certificate.clone();
            vec![forged.keys(AccountEvent::AddDevice(Box::new(certificate)))]
        },
    },
    Attack {
        name: "a good entry with another's signature",
        relay: "signature.bad",
        peer: "left out",
        entries: |s| {
            let ops = vec![grade(s)];
            let header = s.colleague.header(s.course, Lane::Staff, &s.staff, &ops);
            vec![sign(header, ops, &s.mallory.key)]
        },
    },
    Attack {
        name: "a certificate of another device",
        relay: "signature.bad",
        peer: "left out",
        entries: |s| {
            let ops = vec![grade(s)];
            let mut header = s.colleague.header(s.course, Lane::Staff, &s.staff, &ops);
            header.certificate = Hash([3; 32]);
            vec![sign(header, ops, &s.colleague.key)]
        },
    },
    Attack {
        name: "a device passes for a relay node",
        relay: "signature.bad",
        peer: "left out",
        entries: |s| {
            let ops = vec![grade(s)];
            let mut header = s.mallory.header(s.course, Lane::Staff, &s.staff, &ops);
            header.author = s.teacher;
            header.signer = Signer::Node(NodeId(s.mallory.key.node_id().0));
            vec![sign(header, ops, &s.mallory.key)]
        },
    },
    Attack {
        name: "an admission to the staff that no root signed",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            let admission = StaffAdmission {
                school: s.mallory.school,
                account: s.mallory.account,
                root: s.mallory.root.verifying_key(),
                roles: StaffRoles::TEACHER,
                serial: 9,
                date: 1,
            };
            let certificate = Certificate::sign(admission, &s.mallory.root).encode();
            let event = StaffAdmit {
                certificate: Opaque(certificate),
            };
            let school = s.mallory.school.space();
            vec![s.mallory.draft(school, Lane::All, &[], vec![op(event)])]
        },
    },
    Attack {
        name: "a pupil binds a teacher to her own root",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            let event = RosterBind {
                account: s.teacher,
                root: *s.mallory.root.verifying_key().as_bytes(),
                in_person: true,
            };
            let school = s.mallory.school.space();
            vec![s.mallory.draft(school, Lane::Staff, &[], vec![op(event)])]
        },
    },
    Attack {
        name: "a change of another device's actor",
        relay: "actor.foreign",
        peer: "actor.foreign",
        entries: |s| {
            let theirs = change(DocId([1; 16]), ActorId::new(s.teacher_device, 0, 0), &[]);
            vec![
                s.colleague
                    .draft(s.course, Lane::Staff, &s.staff, vec![theirs]),
            ]
        },
    },
    Attack {
        name: "a change in the name of everybody's genesis",
        relay: "change.malformed",
        peer: "change.malformed",
        entries: |s| {
            let nobodys = change(DocId([1; 16]), ActorId::GENESIS, &[]);
            vec![
                s.colleague
                    .draft(s.course, Lane::Staff, &s.staff, vec![nobodys]),
            ]
        },
    },
    Attack {
        name: "a change that is none",
        relay: "change.malformed",
        peer: "change.malformed",
        entries: |s| {
            let kind = Kind::Change {
                doc_type: 1,
                doc: DocId([1; 16]),
            };
            let ops = vec![(kind, vec![0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, 4, 2, 200])];
            vec![s.colleague.draft(s.course, Lane::Staff, &s.staff, ops)]
        },
    },
    Attack {
        name: "another school",
        relay: "school.other",
        peer: "left out",
        entries: |s| {
            let ops = vec![grade(s)];
            let mut header = s.colleague.header(s.course, Lane::Staff, &s.staff, &ops);
            header.school = SchoolId([9; 16]);
            vec![sign(header, ops, &s.colleague.key)]
        },
    },
    Attack {
        name: "a seal that nobody knows",
        relay: "seal.unsupported",
        peer: "seal.unsupported",
        entries: |s| {
            let ops = vec![grade(s)];
            let mut header = s.colleague.header(s.course, Lane::Staff, &s.staff, &ops);
            header.seal = Some(Seal {
                suite: 77,
                key: KeyId([1; 16]),
            });
            vec![sign(header, ops, &s.colleague.key)]
        },
    },
    Attack {
        name: "an event that its kind does not name",
        relay: "event.malformed",
        peer: "event.malformed",
        entries: |s| {
            let (_, bytes) = grade(s);
            let ops = vec![(Kind::Event(Comment::CODE), bytes)];
            vec![s.colleague.draft(s.course, Lane::Staff, &s.staff, ops)]
        },
    },
];

async fn scene(class: &HostileClass) -> Scene {
    let outsider = Hand::join(&class.school, 70, StaffRoles::default()).await;
    Scene {
        mallory: class.mallory.clone(),
        colleague: class.colleague.clone(),
        outsider,
        teacher: class.teacher.store().account(),
        teacher_device: class.teacher.store().device(),
        pupil: class.pupil.store().account(),
        course: class.course,
        assignment: class.assignment,
        staff: class.heads(Lane::Staff).await,
        own: class.heads(Lane::One(class.mallory.account)).await,
    }
}

#[tokio::test]
async fn every_attack_is_refused_by_the_relay_and_by_a_device_that_is_handed_the_bytes() {
    let mut wrong = Vec::new();
    for attack in ATTACKS {
        // What fails without a word of its own fails in this one.
        println!("{}", attack.name);
        let mut class = HostileClass::new().await;
        let mut scene = scene(&class).await;
        let entries = (attack.entries)(&mut scene);
        let (last, before) = entries.split_last().unwrap();
        let outcomes = class.upload(&entries).await;
        for outcome in &outcomes[..before.len()] {
            assert_eq!(code(outcome), "", "{}", attack.name);
        }
        class.school.sync(&mut class.teacher).await;
        let report = class.carry(&entries);
        let relay = code(outcomes.last().unwrap());
        let peer = HostileClass::judged(&report, last);
        if (relay, peer) != (attack.relay, attack.peer) {
            wrong.push((attack.name, relay.to_owned(), peer));
        }
        // Again is the same as once.
        class.carry(&entries);
        assert_eq!(code(class.upload(&entries).await.last().unwrap()), relay);
        class.is_unharmed_and_usable().await;
        class.leaves_no_trace_of(&[last.id()]).await;
    }
    assert_eq!(wrong, []);
}

#[tokio::test]
async fn two_branches_of_a_chain_that_no_relay_has_seen_are_both_held_until_one_is_numbered() {
    let mut class = HostileClass::new().await;
    let scene = scene(&class).await;
    let (mut one, mut other) = (scene.colleague.clone(), scene.colleague.clone());
    let say = |text| vec![comment(scene.assignment, text)];
    let (lane, heads) = (Lane::Staff, &scene.staff);
    let good = one.write(scene.course, lane, heads, say("one"));
    let more = one.write(scene.course, lane, heads, say("and more"));
    let fork = other.write(scene.course, lane, heads, say("two"));
    // One branch alone counts, provisionally.
    let applied = class.carry(&[good.clone(), more.clone()]);
    assert_eq!(HostileClass::judged(&applied, &more), "");
    let applied = class.carry(std::slice::from_ref(&fork));
    for entry in [&good, &more, &fork] {
        assert_eq!(HostileClass::judged(&applied, entry), "entry.fork");
    }
    let comments = |class: &HostileClass| {
        let rows = class.teacher.store().comments(class.assignment).unwrap();
        rows.into_iter().map(|row| row.text).collect::<Vec<_>>()
    };
    assert_eq!(comments(&class), Vec::<String>::new());
    // The relay saw the first branch: it counts, the other never.
    let outcomes = class.upload(&[good, more]).await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
    class.school.sync(&mut class.teacher).await;
    let mut texts = comments(&class);
    texts.sort();
    assert_eq!(texts, ["and more", "one"]);
}

#[tokio::test]
async fn what_a_removed_teacher_sends_later_waits_for_staff_of_that_course() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let before = scene.colleague.write(
        scene.course,
        Lane::Staff,
        &scene.staff,
        vec![comment(scene.assignment, "in time")],
    );
    assert_eq!(code(&class.upload(&[before]).await[0]), "");
    class.remove_colleague().await;
    // She goes on citing what she held while she taught.
    let ops = vec![grade(&scene)];
    let late = scene
        .colleague
        .write(scene.course, Lane::Staff, &scene.staff, ops);
    let outcomes = class.upload(std::slice::from_ref(&late)).await;
    assert_eq!(code(&outcomes[0]), "member.cut-off");
    let report = class.school.sync(&mut class.teacher).await;
    assert_eq!(report.held, ["member.cut-off"]);
    // As staff of another course she has no say in this one.
    let elsewhere = SpaceId([0xe1; 16]);
    let genesis = CourseGenesis {
        salt: 2,
        imported: false,
        open: false,
        counts_attested: false,
        counts_api_grades: false,
        foreign_id: None,
    };
    let begun = scene
        .colleague
        .write(elsewhere, Lane::All, &[], vec![op(genesis)]);
    let accept = AcceptPending { entry: late.id() };
    let heads = [begun.id()];
    let accepted = scene
        .colleague
        .write(elsewhere, Lane::Staff, &heads, vec![op(accept)]);
    let outcomes = class.upload(&[begun.clone(), accepted.clone()]).await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
    class.carry(&[begun, accepted]);
    class.school.sync(&mut class.teacher).await;
    let grades = |class: &HostileClass| class.teacher.store().grades(class.course, None).unwrap();
    assert_eq!(grades(&class), []);
    // The owner has.
    let accept = AcceptPending { entry: late.id() };
    stunity_e2e::say(&mut class.teacher, scene.course, Lane::Staff, accept);
    class.school.sync(&mut class.teacher).await;
    assert_eq!(grades(&class).len(), 1);
    assert_eq!(
        class
            .teacher
            .store()
            .comments(class.assignment)
            .unwrap()
            .len(),
        1
    );
    let outcomes = class.upload(std::slice::from_ref(&late)).await;
    assert_eq!(code(&outcomes[0]), "", "the relay gives it effect too");
}

#[tokio::test]
async fn a_revoked_device_goes_on_in_vain() {
    let mut class = HostileClass::new().await;
    let scene = scene(&class).await;
    let mut owner = scene.colleague.clone();
    let (mut lost, added) = owner.add_device(80);
    let say = |text| vec![comment(scene.assignment, text)];
    let (lane, heads) = (Lane::Staff, &scene.staff);
    let good = lost.write(scene.course, lane, heads, say("mine"));
    let revoked = owner.revoke(&lost, scene.course, lane);
    let thief = lost.write(scene.course, lane, heads, vec![grade(&scene)]);
    let outcomes = class
        .upload(&[added.clone(), good.clone(), revoked.clone()])
        .await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
    assert_eq!(
        code(&class.upload(std::slice::from_ref(&thief)).await[0]),
        "device.cut-off"
    );
    let report = class.school.sync(&mut class.teacher).await;
    assert_eq!(report.held, ["device.cut-off"]);
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
    let id = thief.id();
    class.leaves_no_trace_of(&[id]).await;
}

#[tokio::test]
async fn a_replayed_entry_counts_once() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let lane = Lane::One(scene.mallory.account);
    let ops = vec![comment(scene.assignment, "once")];
    let entry = scene.mallory.write(scene.course, lane, &scene.own, ops);
    let first = class.upload(std::slice::from_ref(&entry)).await;
    let again = class.upload(&[entry.clone(), entry.clone()]).await;
    assert!(again.iter().all(|outcome| *outcome == first[0]));
    class.school.sync(&mut class.teacher).await;
    assert_eq!(class.carry(&[entry.clone(), entry]).new_entries, 0);
    assert_eq!(
        class
            .teacher
            .store()
            .comments(class.assignment)
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_spoiled_copy_does_not_keep_the_good_one_out() {
    for spoil_body in [false, true] {
        let mut class = HostileClass::new().await;
        let mut scene = scene(&class).await;
        let ops = vec![comment(scene.assignment, "kept")];
        let entry = scene
            .colleague
            .write(scene.course, Lane::Staff, &scene.staff, ops);
        let mut spoiled = entry.clone();
        if spoil_body {
            spoiled.erase(&[0]);
        } else {
            spoiled.signature.0[5] ^= 1;
        }
        class.carry(std::slice::from_ref(&spoiled));
        assert_eq!(
            class.teacher.store().comments(class.assignment).unwrap(),
            []
        );
        class.carry(std::slice::from_ref(&entry));
        assert_eq!(
            class
                .teacher
                .store()
                .comments(class.assignment)
                .unwrap()
                .len(),
            1
        );
        // And the other way round.
        class.carry(&[spoiled]);
        assert_eq!(
            class
                .teacher
                .store()
                .comments(class.assignment)
                .unwrap()
                .len(),
            1
        );
        assert_eq!(code(&class.upload(&[entry]).await[0]), "");
        class.is_unharmed_and_usable().await;
    }
}

#[tokio::test]
async fn an_entry_refused_in_the_middle_leaves_nothing_stuck() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let entries: Vec<Entry> = (1..=5)
        .map(|n| {
            let text = if n == 3 {
                "x".repeat(5_001)
            } else {
                format!("note {n}")
            };
            let note = op(Comment {
                comment: ObjectId([n; 16]),
                about: scene.assignment,
                parent: None,
                text,
            });
            let (course, staff) = (scene.course, scene.staff.clone());
            scene
                .colleague
                .write(course, Lane::Staff, &staff, vec![note])
        })
        .collect();
    // By parcel first: what follows the refused one has no place yet.
    let report = class.carry(&entries);
    let codes = ["", "", "text.length", "entry.gap", ""];
    let judged: Vec<&str> = entries
        .iter()
        .map(|entry| HostileClass::judged(&report, entry))
        .collect();
    assert_eq!(judged, codes);
    // The relay goes on over it, however often it is asked, and so does a device then.
    for _ in 0..2 {
        for entry in &entries {
            let outcomes = class.upload(std::slice::from_ref(entry)).await;
            let is_third = entry.id() == entries[2].id();
            assert_eq!(
                code(&outcomes[0]),
                if is_third { "text.length" } else { "" }
            );
        }
        class.school.sync(&mut class.teacher).await;
        class.carry(&entries);
        let comments = class.teacher.store().comments(class.assignment).unwrap();
        assert_eq!(comments.len(), 4);
    }
}

/// Changes of a document that follow each other.
fn series(actor: ActorId, (doc_type, doc): (u16, DocId), count: i64) -> Vec<Op> {
    use automerge::transaction::Transactable;
    let mut document = automerge::AutoCommit::new().with_actor(actor.0[..].into());
    let kind = Kind::Change { doc_type, doc };
    let change = |n| {
        document.put(automerge::ROOT, "title", n).unwrap();
        let change = document.get_last_local_change().unwrap();
        (kind, change.raw_bytes().to_vec())
    };
    (0..count).map(change).collect()
}

/// Ten thousand changes in entries of a hundred.
fn ten_thousand_orphans(scene: &mut Scene) -> Vec<Entry> {
    let actor = ActorId::new(scene.colleague.key.device_id(), 0, 0);
    // The first of all is left out.
    series(actor, (1, DocId([1; 16])), 10_001)[1..]
        .chunks(100)
        .map(|ops| {
            let (course, staff) = (scene.course, scene.staff.clone());
            scene
                .colleague
                .write(course, Lane::Staff, &staff, ops.to_vec())
        })
        .collect()
}

#[tokio::test]
async fn ten_thousand_orphan_changes_are_refused_by_the_relay_and_held_by_a_device() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let entries = ten_thousand_orphans(&mut scene);
    let outcomes = class.upload(&entries).await;
    let codes: Vec<&str> = outcomes.iter().map(code).collect();
    assert_eq!(codes[..2], ["", ""]);
    assert!(codes[2..].iter().all(|code| *code == "change.waiting"));
    // A device holds them all without a document.
    let report = class.carry(&entries);
    assert!(report.rejected.is_empty());
    assert_eq!(report.held.len(), entries.len());
    for (_, code) in &report.held {
        assert_eq!(*code, "change.waiting");
    }
    let documents = |class: &HostileClass| {
        let store = class.teacher.store();
        store.documents(class.course, Some(Lane::Staff)).unwrap()
    };
    assert_eq!(documents(&class), []);
    // The relay's word for where they stand changes nothing.
    class.school.sync(&mut class.teacher).await;
    assert_eq!(documents(&class), []);
    // Again is the same as once, and others' work goes on.
    let again = class.upload(&entries).await;
    assert_eq!(again, outcomes);
    class.is_unharmed_and_usable().await;
}

#[tokio::test]
async fn a_refused_orphan_stays_with_its_author_and_goes_when_its_past_has_come() {
    let mut class = HostileClass::new().await;
    let store = class.pupil.store();
    let (space, doc, actor) = (
        store.account().space(),
        DocId([2; 16]),
        store.actor(0).unwrap(),
    );
    let changes = series(actor, (3, doc), 301);
    let say = |class: &mut HostileClass, ops: &[Op]| {
        let ops: Vec<PendingOp> = ops
            .iter()
            .map(|(kind, bytes)| PendingOp {
                space,
                lane: Lane::Private,
                kind: *kind,
                bytes: bytes.clone(),
                object: None,
            })
            .collect();
        class.pupil.store_mut().enqueue(&ops, DUE).unwrap();
    };
    for ops in changes[1..].chunks(100) {
        say(&mut class, ops);
        class.school.sync(&mut class.pupil).await;
    }
    let refused = class.pupil.store().refused().unwrap();
    let codes: Vec<&str> = refused.iter().map(|entry| entry.code.as_str()).collect();
    assert_eq!(codes, ["change.waiting"]);
    assert_eq!(refused[0].entry.ops().count(), 100);
    assert!(!refused[0].tombstone.is_empty());
    // Once more is no better while the past is missing.
    let id = refused[0].entry.id();
    class.pupil.store_mut().retry_refused(id).unwrap();
    class.school.sync(&mut class.pupil).await;
    let refused = class.pupil.store().refused().unwrap();
    assert_eq!(refused.len(), 1);
    say(&mut class, &changes[..1]);
    class.school.sync(&mut class.pupil).await;
    let id = refused[0].entry.id();
    class.pupil.store_mut().retry_refused(id).unwrap();
    class.school.sync(&mut class.pupil).await;
    assert_eq!(class.pupil.store().refused().unwrap().len(), 0);
    assert_eq!(class.pupil.store().unsent().unwrap().waiting, 0);
}

#[tokio::test]
async fn a_held_change_counts_once_its_past_has_come() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let doc = DocId([3; 16]);
    let kind = Kind::Change { doc_type: 1, doc };
    let (mut tablet, added) = scene.colleague.add_device(80);
    let document = |hand: &Hand| {
        let actor = ActorParts::from_bytes(ActorId::new(hand.key.device_id(), 0, 0).0);
        Document::new(DocType::Lesson, actor).unwrap()
    };
    let type_in = |document, at, text| {
        let mut draft = Draft::open(document);
        let body = Path::field("body");
        draft.edit(&Action::splice(body, at, 0, text)).unwrap();
        draft.commit(0).unwrap().unwrap().bytes
    };
    let first = type_in(document(&scene.colleague), 0, "Light");
    let mut received = document(&tablet);
    let phone = ActorId::new(scene.colleague.key.device_id(), 0, 0);
    let prefix = ActorParts::from_bytes(phone.0).device_prefix;
    received.apply_change(&first, &prefix).unwrap();
    let second = type_in(received, 5, " bends");
    let entry = |hand: &mut Hand, bytes| {
        hand.write(scene.course, Lane::Staff, &scene.staff, vec![(kind, bytes)])
    };
    let earlier = entry(&mut scene.colleague, first);
    let later = entry(&mut tablet, second);
    let report = class.carry(&[added, later.clone()]);
    assert_eq!(HostileClass::judged(&report, &later), "change.waiting");
    let report = class.carry(&[earlier]);
    assert_eq!(report.held, []);
    let mut editing = class.teacher.open_document(doc).unwrap();
    assert_eq!(editing.view().text("body"), Some("Light bends"));
}

#[tokio::test]
async fn a_relay_without_its_cap_of_orphans_is_noticed() {
    let class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let entries = ten_thousand_orphans(&mut scene);
    let _broken = stunity_server::sabotage::Sabotage::judge_nothing();
    let outcomes = class.upload(&entries).await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
}

/// Whether the attack of this name still fails on both sides.
async fn fails(name: &str) -> bool {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    class.school.sync(&mut class.teacher).await;
    let entries = (attack.entries)(&mut scene);
    let applied = class.carry(&entries);
    let peer = HostileClass::judged(&applied, entries.last().unwrap()) == attack.peer;
    let relay = code(class.upload(&entries).await.last().unwrap()) == attack.relay;
    peer && relay
}

#[tokio::test]
async fn each_check_that_is_left_out_is_missed() {
    let checks = [
        (
            Check::Membership,
            "an outsider writes to a class, citing what nobody holds",
        ),
        (Check::Actor, "a change of another device's actor"),
    ];
    for (check, name) in checks {
        assert!(fails(name).await, "{name}");
        let _broken = Sabotage::skip(check);
        assert!(!fails(name).await, "{check:?} is not what stops: {name}");
    }
    let name = "a good entry with another's signature";
    assert!(fails(name).await);
    let _broken = stunity_identity::sabotage::Sabotage::skip_signatures();
    assert!(!fails(name).await, "signatures are not what stops: {name}");
}

/// A key of nobody.
#[tokio::test]
async fn a_stranger_is_refused_before_anything_is_said() {
    let class = HostileClass::new().await;
    let mut stranger = Hand::stranger(class.mallory.school, 120);
    stranger.key = SigningKey::from_seed(&[121; 32]);
    let entry = stranger.draft(
        class.course,
        Lane::All,
        &[],
        vec![comment(class.assignment, "x")],
    );
    assert_eq!(code(&class.upload(&[entry]).await[0]), "account.unknown");
}
