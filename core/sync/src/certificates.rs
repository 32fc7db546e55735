//! The device certificates that account-log events bring, for the pack codec.
use stunity_identity::AccountEvent;
use stunity_proto::{Body, Hash, Kind, Signer};

/// The certificates in the account-log events of a body, each with the signer
/// that it is for; what [`stunity_proto::pack::PackContext::certificates_in`]
/// answers on both sides. Nothing is verified.
#[must_use]
pub fn certificates_in(kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
    kinds
        .iter()
        .enumerate()
        // The codes of account.root and device.add.
        .filter(|(_, kind)| matches!(kind, Kind::Event(1 | 2)))
        .filter_map(|(index, _)| AccountEvent::decode(body.op(index)?).ok())
        .filter_map(|event| match event {
            AccountEvent::Root { device, .. } | AccountEvent::AddDevice(device) => {
                let signer = Signer::Device(device.body().id());
                Some((signer, device.hash()))
            }
            _ => None,
        })
        .collect()
}
