//! `stunity doctor`: whether the database is sound, and what can be made again.
use std::process::ExitCode;

use serde_json::{Value, json};
use stunity_client::{Client, ClientError};
use stunity_store::Finding;

use crate::show::{ATTENTION, print};

/// Checks, and repairs where asked.
pub fn run(client: &mut Client, repair: bool, json: bool) -> Result<ExitCode, ClientError> {
    let before = client.store().doctor()?;
    let findings = if repair {
        let made = client.store_mut().repair()?;
        let after = client.store().doctor()?;
        let report = json!({
            "before": value(&before),
            "made_again": {
                "entries": made.entries,
                "texts": made.texts,
                "documents": made.documents,
            },
            "after": value(&after),
        });
        print(json, &report, || {
            format!(
                "made again: {} entries in lists, {} texts in the search, {} documents\n{}",
                made.entries,
                made.texts,
                made.documents,
                text(&after)
            )
        });
        after
    } else {
        print(json, &value(&before), || text(&before));
        before
    };
    Ok(match findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(ATTENTION),
    })
}

fn value(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| json!({ "code": finding.code, "count": finding.count });
    findings.iter().map(one).collect::<Vec<_>>().into()
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "the database is sound".to_owned();
    }
    let line = |finding: &Finding| format!("{}: {}\n", finding.code, finding.count);
    findings.iter().map(line).collect()
}
