//! `stunity device`, `whoami`: this device and the others of its account.
use serde_json::{Value, json};
use stunity_client::{Client, ClientError};

use crate::args::Device;
use crate::show::{print, shown};

/// Says who this device is.
pub fn whoami(client: &Client, json: bool) {
    let store = client.store();
    let value = json!({
        "school": store.school().to_string(),
        "account": store.account().to_string(),
        "device": store.device().to_string(),
        "relay": client.relay(),
    });
    print(json, &value, || {
        format!(
            "account {}\ndevice  {}\nschool  {}\nrelay   {}",
            store.account(),
            store.device(),
            store.school(),
            client.relay()
        )
    });
}

/// Runs a command.
pub fn run(client: &mut Client, command: Device, json: bool) -> Result<(), ClientError> {
    match command {
        // Done before an account is open.
        Device::Link { .. } | Device::Finish { .. } => {}
        Device::List => {
            let rows = client.devices()?;
            let value: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "device": row.device.to_string(),
                        "this": row.is_this,
                        "live": row.is_live,
                    })
                })
                .collect();
            print(json, &value.into(), || {
                rows.iter()
                    .map(|row| {
                        let this = if row.is_this { "  this device" } else { "" };
                        let live = if row.is_live { "" } else { "  revoked" };
                        format!("{}{this}{live}\n", row.device)
                    })
                    .collect()
            });
        }
        Device::Admit { request } => {
            let answer = client.admit_device(&request)?;
            shown(json, "answer", &answer);
        }
        Device::Revoke { device, reason } => {
            client.revoke_device(device, reason)?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
    }
    Ok(())
}
