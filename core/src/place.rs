//! Where an account lies: in a folder, the relay's address in a file beside the
//! database; in a browser, whose storage has names and no folders, in the database
//! alone. Written last: a place that has it holds an account that the relay knows.
use std::path::Path;
#[cfg(not(target_family = "wasm"))]
use std::path::PathBuf;
use std::sync::Arc;

use stunity_store::{Location, Store};

use crate::ClientError;
use crate::platform::{Platform, Randomness};

pub(crate) fn database(folder: &Path) -> Location {
    Location::File(folder.join("account.db"))
}

/// The store in a place, with the relay's address.
pub(crate) fn open(
    folder: &Path,
    platform: &Arc<dyn Platform>,
) -> Result<(Store, String), ClientError> {
    let location = database(folder);
    let none = || ClientError::Invalid("account.none");
    if !Store::exists(&location) {
        return Err(none());
    }
    let store = Store::open(location, Box::new(Randomness(platform.clone())))?;
    let relay = load_relay(folder, &store)?.ok_or_else(none)?;
    Ok((store, relay))
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn relay_file(folder: &Path) -> PathBuf {
    folder.join("relay")
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn make(folder: &Path) -> Result<(), ClientError> {
    Ok(std::fs::create_dir_all(folder)?)
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn is_joined(folder: &Path, _: &Arc<dyn Platform>) -> Result<bool, ClientError> {
    Ok(relay_file(folder).exists())
}

#[cfg(not(target_family = "wasm"))]
fn load_relay(folder: &Path, _: &Store) -> Result<Option<String>, ClientError> {
    let file = relay_file(folder);
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(std::fs::read_to_string(file)?.trim().to_owned()))
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn save_relay(folder: &Path, _: &mut Store, url: &str) -> Result<(), ClientError> {
    Ok(std::fs::write(relay_file(folder), url)?)
}

#[cfg(target_family = "wasm")]
pub(crate) fn make(_: &Path) -> Result<(), ClientError> {
    Ok(())
}

#[cfg(target_family = "wasm")]
pub(crate) fn is_joined(folder: &Path, platform: &Arc<dyn Platform>) -> Result<bool, ClientError> {
    match open(folder, platform) {
        Ok(_) => Ok(true),
        Err(ClientError::Invalid(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(target_family = "wasm")]
fn load_relay(_: &Path, store: &Store) -> Result<Option<String>, ClientError> {
    Ok(store.relay()?)
}

#[cfg(target_family = "wasm")]
pub(crate) fn save_relay(_: &Path, store: &mut Store, url: &str) -> Result<(), ClientError> {
    Ok(store.save_relay(url)?)
}
