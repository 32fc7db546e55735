//! What every decoder holds, whatever bytes it is given: it never panics, and
//! what it takes is the one encoding of what it gives. `cargo xtask fuzz` runs
//! each [`Target`] under libFuzzer; the tests here run them on what is golden and
//! on what once crashed.
mod context;
pub mod documents;
pub mod seeds;
pub mod wire;

fn same(bytes: &[u8], again: &[u8]) {
    assert_eq!(bytes, again, "another encoding was taken");
}

/// A fuzz target.
pub struct Target {
    /// Its name: also of its file in `tests/fuzz/fuzz_targets`, and of its folder
    /// in `tests/fuzz/crashes`.
    pub name: &'static str,
    /// What is done with any bytes.
    pub check: fn(&[u8]),
    /// How the names of the golden cases begin that it decodes.
    pub golden: &'static [&'static str],
}

const fn target(name: &'static str, check: fn(&[u8]), golden: &'static [&'static str]) -> Target {
    Target {
        name,
        check,
        golden,
    }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("header", wire::header, &["entry/header"]),
    target("body", wire::body, &["entry/body"]),
    target("lane_key", wire::lane_key, &["entry/lane-key"]),
    target("pack", wire::pack, &["pack/"]),
    target("frame", wire::frame, &["frame/"]),
    target("manifest", wire::manifest, &["blob/"]),
    target("leaf", wire::leaf, &["receipt/leaf"]),
    target("receipt", wire::receipt, &["receipt/receipt"]),
    target("tombstone", wire::tombstone, &["receipt/tombstone"]),
    target("parcel_file", wire::parcel_file, &["parcel/file"]),
    target("parcel_head", wire::parcel_head, &["parcel/file"]),
    target("parcel_sealed", wire::parcel_sealed, &["parcel/file"]),
    target("parcel_content", wire::parcel_content, &["parcel/content"]),
    target("certificate", wire::certificate, &["identity/"]),
    target(
        "school",
        wire::school,
        &[
            "identity/anchor",
            "identity/node-chain",
            "identity/succession",
        ],
    ),
    target("account_event", wire::account_event, &["identity/event"]),
    target(
        "scanned",
        wire::scanned,
        &["identity/invitation-text", "identity/recovery-digits"],
    ),
    target("event", wire::event, &["event/"]),
    target("changes", documents::changes, &[]),
    target("snapshot", documents::snapshot, &[]),
    target("journal", documents::journal, &[]),
    target("action", documents::action, &[]),
    target("view", documents::view, &[]),
    target("text", documents::text, &[]),
];
