//! Chains that fork, entries that come again, spoiled or refused.
use stunity_e2e::HostileClass;
use stunity_e2e::hand::{code, comment};
use stunity_proto::{Entry, Lane};

use crate::scene;

#[tokio::test]
async fn two_branches_of_a_chain_that_no_relay_has_seen_are_both_held_until_one_is_numbered() {
    let mut class = HostileClass::new().await;
    let scene = scene(&class).await;
    let (mut one, mut other) = (scene.colleague.clone(), scene.colleague.clone());
    let say = |text| vec![comment(8, scene.assignment, text)];
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
    assert!(class.comments().is_empty());
    // The relay saw the first branch: it counts, the other never.
    let outcomes = class.upload(&[good, more]).await;
    assert!(outcomes.iter().all(|outcome| code(outcome).is_empty()));
    class.school.sync(&mut class.teacher).await;
    let mut texts = class.comments();
    texts.sort();
    assert_eq!(texts, ["and more", "one"]);
}

#[tokio::test]
async fn a_replayed_entry_counts_once() {
    let mut class = HostileClass::new().await;
    let mut scene = scene(&class).await;
    let lane = Lane::One(scene.mallory.account);
    let ops = vec![comment(8, scene.assignment, "once")];
    let entry = scene.mallory.write(scene.course, lane, &scene.own, ops);
    let first = class.upload(std::slice::from_ref(&entry)).await;
    let again = class.upload(&[entry.clone(), entry.clone()]).await;
    assert!(again.iter().all(|outcome| *outcome == first[0]));
    class.school.sync(&mut class.teacher).await;
    assert_eq!(class.carry(&[entry.clone(), entry]).new_entries, 0);
    assert_eq!(class.comments().len(), 1);
}

#[tokio::test]
async fn a_spoiled_copy_does_not_keep_the_good_one_out() {
    for spoil_body in [false, true] {
        let mut class = HostileClass::new().await;
        let mut scene = scene(&class).await;
        let ops = vec![comment(8, scene.assignment, "kept")];
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
        assert!(class.comments().is_empty());
        class.carry(std::slice::from_ref(&entry));
        assert_eq!(class.comments().len(), 1);
        // And the other way round.
        class.carry(&[spoiled]);
        assert_eq!(class.comments().len(), 1);
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
            let note = comment(n, scene.assignment, &text);
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
        let comments = class.comments();
        assert_eq!(comments.len(), 4);
    }
}
