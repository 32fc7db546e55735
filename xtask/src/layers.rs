//! Dependencies point down: `bindings → core → {sync, store, sealing} →
//! {documents, identity, text, model, proto}`; the relay never sees the sealing
//! of bodies nor the client's store. What decides in sync reads no clock, no
//! socket, no thread and no hash-map order.
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::tools;

/// What each package may depend on. `tests/*` and `xtask` are leaves: anything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("stunity-proto", &[]),
    ("stunity-text", &[]),
    ("stunity-identity", &["stunity-proto"]),
    ("stunity-documents", &["stunity-proto"]),
    ("stunity-model", &["stunity-proto", "stunity-identity"]),
    (
        "stunity-sync",
        &["stunity-proto", "stunity-identity", "stunity-model"],
    ),
    (
        // The store implements the session's view of it (ADR 0004).
        "stunity-store",
        &[
            "stunity-proto",
            "stunity-identity",
            "stunity-model",
            "stunity-documents",
            "stunity-text",
            "stunity-sync",
        ],
    ),
    (
        "stunity-client",
        &[
            "stunity-proto",
            "stunity-identity",
            "stunity-model",
            "stunity-documents",
            "stunity-text",
            "stunity-sync",
            "stunity-store",
        ],
    ),
    (
        "stunity-server",
        &[
            "stunity-proto",
            "stunity-identity",
            "stunity-model",
            "stunity-documents",
            "stunity-text",
            "stunity-sync",
        ],
    ),
    (
        "stunity-api",
        &[
            "stunity-proto",
            "stunity-identity",
            "stunity-model",
            "stunity-sync",
            "stunity-server",
        ],
    ),
    (
        "stunity-relay",
        &[
            "stunity-proto",
            "stunity-identity",
            "stunity-server",
            "stunity-api",
        ],
    ),
];

/// What a relay consists of: it cannot open a sealed body.
const RELAY: &[&str] = &["stunity-server", "stunity-api", "stunity-relay"];

/// Folders whose code decides, with what must not reach it.
const PURE: &[&str] = &[
    "core/proto/src",
    "core/identity/src",
    "core/model/src",
    "core/sync/src",
    "core/text/src",
    "core/documents/src",
];
const IMPURE: &[&str] = &[
    "std::time::SystemTime",
    "SystemTime::now",
    "Instant::now",
    "std::net",
    "std::thread",
    "OsRng",
];

/// Checks the workspace.
pub fn check() -> Result<(), String> {
    let output = tools::cargo(&["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|error| error.to_string())?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let mut problems = edges(&metadata);
    for folder in PURE {
        scan(&tools::root().join(folder), &mut problems);
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// Edges that point up or sideways.
fn edges(metadata: &Value) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = allowed.get(name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let normal = dependency["kind"].is_null();
            if normal && to.starts_with("stunity") && !allowed.contains(&to) {
                problems.push(format!("{name} must not depend on {to}"));
            }
            if RELAY.contains(&name) && to.starts_with("openmls") {
                problems.push(format!("{name} must not depend on {to}"));
            }
        }
    }
    problems
}

fn scan(folder: &Path, problems: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Test modules may do as they like.
            if path.file_name().is_some_and(|name| name != "tests") {
                scan(&path, problems);
            }
        } else if path.extension().is_some_and(|ext| ext == "rs")
            // Switches of tests are per thread, and absent from any other build.
            && path
                .file_name()
                .is_some_and(|name| name != "tests.rs" && name != "sabotage.rs")
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            problems.extend(impure(&path.display().to_string(), &text));
        }
    }
}

/// Lines before the tests of a file that name something impure.
fn impure(file: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(index, line)| {
            let word = IMPURE.iter().find(|word| line.contains(**word))?;
            Some(format!("{file}:{}: {word} has no place here", index + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_points_up_is_caught() {
        let metadata = serde_json::json!({ "packages": [{
            "name": "stunity-server",
            "dependencies": [
                { "name": "stunity-sync", "kind": null },
                { "name": "stunity-store", "kind": null },
                { "name": "stunity-client", "kind": "dev" },
                { "name": "openmls", "kind": null },
            ],
        }] });
        assert_eq!(edges(&metadata).len(), 2);
    }

    #[test]
    fn a_clock_in_what_decides_is_caught() {
        let text = "// SystemTime::now is fine in words\nlet t = SystemTime::now();\n#[cfg(test)]\nuse std::thread;";
        assert_eq!(impure("x.rs", text).len(), 1);
    }
}
