//! Accounts of a shared device, and what they take on it.
use std::path::PathBuf;

use serde_json::{Value, json};
use stunity_client::{Accounts, Client, ClientError};

use crate::args::{Account, Cli};
use crate::show::print;

/// The folder of the account that a command is for.
pub fn folder(cli: &Cli, accounts: &Accounts) -> Result<PathBuf, ClientError> {
    if let Some(name) = &cli.name {
        return accounts.folder(name);
    }
    if cli.home.join("relay").exists() {
        return Ok(cli.home.clone());
    }
    match accounts.current()? {
        Some(name) => accounts.folder(&name),
        None => Ok(cli.home.clone()),
    }
}

/// Lists or switches accounts.
pub fn run(accounts: &Accounts, command: Account, json: bool) -> Result<(), ClientError> {
    if let Account::Switch { name } = &command {
        accounts.switch(name)?;
    }
    let (names, current) = (accounts.list()?, accounts.current()?);
    let value = json!({ "accounts": names, "current": current });
    print(json, &value, || {
        let mark = |name: &String| {
            if current.as_ref() == Some(name) {
                '*'
            } else {
                ' '
            }
        };
        let lines = names.iter().map(|name| format!("{} {name}", mark(name)));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// What each space takes on this device.
pub fn storage(client: &Client, json: bool) -> Result<(), ClientError> {
    let store = client.store();
    let mut rows = Vec::new();
    for used in store.data_use()? {
        let course = store.course(used.space)?;
        rows.push((course.map(|course| course.title), used));
    }
    let listed: Vec<Value> = rows
        .iter()
        .map(|(title, used)| {
            json!({
                "space": used.space.to_string(),
                "title": title,
                "entries": used.entries,
                "bytes": used.bytes,
                "blob_bytes": used.blob_bytes,
            })
        })
        .collect();
    let disk = store.bytes_on_disk();
    print(
        json,
        &json!({ "spaces": listed, "bytes_on_disk": disk }),
        || {
            let mut text = format!("{disk} B on this device\n");
            for (title, used) in &rows {
                let name = title.clone().unwrap_or_else(|| used.space.to_string());
                let bytes = used.bytes + used.blob_bytes;
                text += &format!("{bytes:>12} B  {:>7} entries  {name}\n", used.entries);
            }
            text
        },
    );
    Ok(())
}
