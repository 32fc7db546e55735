//! `stunity school`: what the school root is for, and keeping it away from the relay.
use std::fs;
use std::io::Write;
use std::path::Path;

use rand_core::OsRng;
use serde_json::json;
use stunity_client::{Client, ClientError, System};
use stunity_identity::{Founding, KeyFile, SchoolAnchor, SigningKey, StaffRoles, root_commitment};
use zeroize::Zeroizing;

use crate::args::{Office, School};
use crate::show::{drawn, print};

/// The root and the one after it, as the relay's command writes them.
const FILES: [&str; 2] = ["root.key", "next-root.key"];

/// Moves the root's keys from one folder to another: removed where they were only
/// after they are on the disk where they go.
pub fn move_root(from: &Path, to: &Path, json: bool) -> Result<(), ClientError> {
    for name in FILES {
        let bytes = Zeroizing::new(fs::read(from.join(name))?);
        save_files(to, &[(name, bytes)])?;
    }
    for name in FILES {
        fs::remove_file(from.join(name))?;
    }
    print(json, &json!({ "root": to }), || {
        format!("the school root is in {}", to.display())
    });
    Ok(())
}

/// For how long a new relay is certified: thirteen months, which outlive a school
/// year.
const PERIOD_MS: u64 = 395 * 24 * 3_600_000;

/// Makes a new school. The root never lies beside the relay.
pub fn init(relay: &Path, root: &Path, printed: bool, json: bool) -> Result<(), ClientError> {
    let keys = relay.join("keys");
    if keys.join("anchor").exists() || root.join("anchor").exists() {
        return Err(ClientError::Invalid("school.exists"));
    }
    let founding = Founding::new(&mut OsRng, System::shared().wall_ms(), PERIOD_MS);
    save_files(root, &founding.root_files())?;
    save_files(&keys, &founding.relay_files())?;
    let school = founding.anchor.school.to_string();
    let public = hex(founding.anchor.root.as_bytes());
    let secret = printed.then(|| {
        let seeds = [&founding.root, &founding.next].map(SigningKey::to_bytes_secret);
        hex(&seeds.map(|seed| *seed).concat())
    });
    let value = json!({ "school": school, "root": public, "folder": root, "keys": secret });
    print(json, &value, || {
        let mut text = format!(
            "school {school}\nroot   {public}\nThe root is in {}: keep it there, and a copy apart.\n\
             stunity-server --data {} serve\n",
            root.display(),
            relay.display()
        );
        if let Some(secret) = &secret {
            text.push_str(&format!("keys   {secret}\n{}", drawn(secret)));
        }
        text
    });
    Ok(())
}

/// Makes a folder with the root of what was printed when the school began.
pub fn restore_root(printed: &str, root: &Path, json: bool) -> Result<(), ClientError> {
    const MALFORMED: ClientError = ClientError::Invalid("root.malformed");
    let seeds = unhex(printed).ok_or(MALFORMED)?;
    let (seeds, []) = seeds.as_chunks::<32>() else {
        return Err(MALFORMED);
    };
    let [first, next] = seeds else {
        return Err(MALFORMED);
    };
    let commitment = root_commitment(&SigningKey::from_seed(next).verifying_key());
    let anchor = SchoolAnchor::genesis(SigningKey::from_seed(first).verifying_key(), commitment);
    let file = |name, bytes: &[u8]| (name, Zeroizing::new(bytes.to_vec()));
    save_files(
        root,
        &[
            file(FILES[0], first),
            file(FILES[1], next),
            file("anchor", &anchor.encode()),
        ],
    )?;
    let school = anchor.school.to_string();
    print(json, &json!({ "school": school }), || {
        format!("the root of school {school} is in {}", root.display())
    });
    Ok(())
}

/// New files that only their owner reads, on the disk when this returns.
fn save_files(folder: &Path, files: &[KeyFile]) -> Result<(), ClientError> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in files {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    (pairs.iter())
        .map(|[high, low]| Some(value(*high)? << 4 | value(*low)?))
        .collect()
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
        School::MoveRoot { .. } | School::Init { .. } | School::RestoreRoot { .. } => {}
        School::Show => {
            let anchor = client.store().anchor()?;
            let root = hex(anchor.root.as_bytes());
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
