//! What a relay signs binds it, and nobody else can sign it.
use stunity_client::Client;
use stunity_e2e::HostileClass;
use stunity_e2e::hand::comment;
use stunity_identity::{
    Certificate, Node, NodeChain, Operator as OperatorCertificate, SigningKey, sign_root,
};
use stunity_proto::{Hash, Lane};
use stunity_sync::Replica;

use crate::{Operator, class_ms};

#[tokio::test]
async fn receipts_of_nodes_that_no_operator_of_the_root_certified_are_none() {
    let class = HostileClass::new().await;
    let operator = Operator::of(&class);
    let now = class_ms();
    let root = Hash([5; 32]);
    let school = class.mallory.school;
    let mut device = class.teacher;
    let honest = sign_root(&operator.node, school, &root);
    let verified = |device: &Client, node, now, signature| {
        let store = device.store();
        store.verify_receipt(node, now, &root, signature).unwrap()
    };
    let node = operator.node.node_id();
    assert!(verified(&device, node, now, &honest));
    // Another key than the node's, another school, another time.
    let forged = SigningKey::from_seed(&[77; 32]);
    let by_other = sign_root(&forged, school, &root);
    assert!(!verified(&device, node, now, &by_other));
    let elsewhere = sign_root(&operator.node, stunity_proto::SchoolId([1; 16]), &root);
    assert!(!verified(&device, node, now, &elsewhere));
    let later = now + 400 * 24 * 3_600_000;
    assert!(!verified(&device, node, later, &honest));
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
    assert!(!verified(&device, node, now, &by_forged));
}

#[tokio::test]
async fn an_operator_that_shows_two_orders_convicts_itself() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let staff = class.heads(Lane::Staff).await;
    let teacher = class.teacher.store().account();
    let mut note = |n: u8| {
        let text = comment(n, class.assignment, "order");
        let place = (class.course, Lane::Staff);
        operator.vouch(&class, teacher, place, &staff, vec![text])
    };
    let (one, other) = (note(1), note(2));
    operator.deliver(&mut class.teacher, &[(one, 1, 30_000)]);
    assert_eq!(class.teacher.store().doctor().unwrap(), []);
    operator.deliver(&mut class.teacher, &[(other, 1, 30_000)]);
    let findings = format!("{:?}", class.teacher.store().doctor().unwrap());
    assert!(findings.contains("relay.equivocation"), "{findings}");
}
