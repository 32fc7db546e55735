//! A real conversation of two people in one text, through two devices.
#![allow(clippy::unwrap_used)] // A failed step fails the test.
use std::collections::{BTreeMap, BTreeSet};

use stunity_documents::{Action, ActorParts, DocType, Document, Draft, Path};

mod common;

const BODY: Path<'static> = Path::field("body");

fn device(agent: usize) -> ActorParts {
    ActorParts {
        device_prefix: [agent as u8 + 1; 12],
        incarnation_slot: 1,
    }
}

#[test]
fn two_devices_end_in_the_text_that_the_trace_ends_in() {
    let Some(trace) = common::load("friendsforever.concurrent.json.gz") else {
        return;
    };
    // A burst ends where the other device takes it up, as the trace says.
    let mut taken_up = BTreeSet::new();
    for transaction in &trace.transactions {
        for &parent in &transaction.parents {
            if trace.transactions[parent].agent != transaction.agent {
                taken_up.insert(parent);
            }
        }
    }
    let mut drafts: Vec<Draft> = (0..2)
        .map(|agent| Draft::open(Document::new(DocType::Draft, device(agent)).unwrap()))
        .collect();
    // For each agent, the changes of the other that it has not taken up.
    let mut waiting: [BTreeMap<usize, Vec<u8>>; 2] = Default::default();
    for (at, transaction) in trace.transactions.iter().enumerate() {
        let agent = transaction.agent;
        let newest = transaction
            .parents
            .iter()
            .filter(|parent| trace.transactions[**parent].agent != agent)
            .max();
        if let Some(newest) = newest {
            let later = waiting[agent].split_off(&(newest + 1));
            for bytes in std::mem::replace(&mut waiting[agent], later).values() {
                let from = device(1 - agent).device_prefix;
                let received = drafts[agent].receive(bytes, &from, 0).unwrap();
                if let Some(own) = received.committed {
                    waiting[1 - agent].insert(at - 1, own.bytes);
                }
            }
        }
        for splice in &transaction.splices {
            let action = Action::splice(BODY, splice.pos, splice.delete, &splice.insert);
            drafts[agent].edit(&action).unwrap();
        }
        if taken_up.contains(&at)
            && let Some(change) = drafts[agent].commit(0).unwrap()
        {
            waiting[1 - agent].insert(at, change.bytes);
        }
    }
    for agent in 0..2 {
        if let Some(change) = drafts[agent].commit(0).unwrap() {
            waiting[1 - agent].insert(usize::MAX, change.bytes);
        }
    }
    for (agent, draft) in drafts.iter_mut().enumerate() {
        for bytes in waiting[agent].values() {
            let from = device(1 - agent).device_prefix;
            draft.receive(bytes, &from, 0).unwrap();
        }
        assert_eq!(draft.view().text("body"), Some(trace.end.as_str()));
    }
}
