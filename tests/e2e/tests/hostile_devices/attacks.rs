//! Attacks one by one, each refused on both sides with its code.
use stunity_e2e::hand::{Op, code, comment, due, op, release, sign};
use stunity_e2e::{Hand, HostileClass};
use stunity_identity::{AccountEvent, Certificate, SigningKey, StaffAdmission, StaffRoles};
use stunity_model::events::*;
use stunity_model::sabotage::{Check, Sabotage};
use stunity_proto::*;

use crate::{Scene, grade, scene};

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
            vec![
                s.mallory
                    .draft(s.course, lane, &s.own, vec![release(s.assignment)]),
            ]
        },
    },
    Attack {
        name: "a pupil changes a due date",
        relay: "role.missing",
        peer: "role.missing",
        entries: |s| {
            vec![
                s.mallory
                    .draft(s.course, Lane::All, &s.own, vec![due(s.assignment)]),
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
            let ops = vec![comment(8, s.assignment, "hello"), grade(s)];
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
            let ops = vec![comment(8, s.assignment, "spam")];
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
            let ops = vec![comment(8, s.assignment, "spam")];
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
            let say = |text| vec![comment(8, s.assignment, text)];
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
            let ops = vec![comment(8, s.assignment, "later")];
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
            let say = |text| vec![comment(8, s.assignment, text)];
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
        vec![comment(8, class.assignment, "x")],
    );
    assert_eq!(code(&class.upload(&[entry]).await[0]), "account.unknown");
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
