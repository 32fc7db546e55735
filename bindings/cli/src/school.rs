//! `stunity school`: what the school root is for, and keeping it away from the relay.
use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::json;
use stunity_client::{Client, ClientError};
use stunity_identity::{SigningKey, StaffRoles};

use crate::args::{Office, School};
use crate::show::print;

/// The root and the one after it, as the relay's command writes them.
const FILES: [&str; 2] = ["root.key", "next-root.key"];

/// Moves the root's keys from one folder to another: removed where they were only
/// after they are on the disk where they go.
pub fn move_root(from: &Path, to: &Path, json: bool) -> Result<(), ClientError> {
    fs::create_dir_all(to)?;
    for name in FILES {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(to.join(name))?;
        file.write_all(&fs::read(from.join(name))?)?;
        file.sync_all()?;
    }
    for name in FILES {
        fs::remove_file(from.join(name))?;
    }
    print(json, &json!({ "root": to }), || {
        format!("the school root is in {}", to.display())
    });
    Ok(())
}

fn load_root(folder: &Path) -> Result<SigningKey, ClientError> {
    let seed = fs::read(folder.join(FILES[0]))?
        .try_into()
        .map_err(|_| ClientError::Invalid("root.malformed"))?;
    Ok(SigningKey::from_seed(&seed))
}

/// Runs a command on a device.
pub fn run(client: &mut Client, command: School, json: bool) -> Result<(), ClientError> {
    match command {
        // Done without an account.
        School::MoveRoot { .. } => {}
        School::Show => {
            let anchor = client.store().anchor()?;
            let root: String = anchor
                .root
                .as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let value = json!({
                "school": anchor.school.to_string(),
                "root": root,
                "succession": anchor.index,
            });
            print(json, &value, || {
                format!("school {}\nroot   {root}", anchor.school)
            });
        }
        School::Admit {
            root,
            account,
            office,
        } => {
            let roles = office.iter().fold(StaffRoles::default(), |roles, office| {
                roles.and(match office {
                    Office::Teacher => StaffRoles::TEACHER,
                    Office::Admin => StaffRoles::ADMIN,
                    Office::Researcher => StaffRoles::RESEARCHER,
                    Office::Registrar => StaffRoles::REGISTRAR,
                })
            });
            client.admit_staff(&load_root(&root)?, account, roles)?;
            print(json, &json!({ "queued": true }), || "queued".to_owned());
        }
    }
    Ok(())
}
