//! The accounts of a shared device: a folder each, one of them the current one. They
//! share nothing: a file that two of them hold lies there twice.
use std::path::{Path, PathBuf};

use crate::ClientError;
use crate::place::relay_file;

/// The accounts under one folder of a device.
#[derive(Clone, Debug)]
pub struct Accounts {
    home: PathBuf,
}

/// Bytes of a name, which is a folder's name too.
const MAX_NAME: usize = 64;

impl Accounts {
    /// The accounts under a folder, which need not be there yet.
    #[must_use]
    pub fn at(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
        }
    }

    /// The folder of an account, by the name that it has on this device. To begin an
    /// account, join with this folder.
    ///
    /// # Errors
    /// `account.name`: a name has 1 to 64 letters, digits, `-` or `_`.
    pub fn folder(&self, name: &str) -> Result<PathBuf, ClientError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
            return Err(ClientError::Invalid("account.name"));
        }
        Ok(self.home.join("accounts").join(name))
    }

    /// The names of the accounts that have joined, sorted.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self) -> Result<Vec<String>, ClientError> {
        let folder = self.home.join("accounts");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().into_string();
            if let Ok(name) = name
                && relay_file(&entry.path()).exists()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The account that was switched to last; none if it is gone.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn current(&self) -> Result<Option<String>, ClientError> {
        let file = self.home.join("current");
        if !file.exists() {
            return Ok(None);
        }
        let name = std::fs::read_to_string(file)?;
        Ok(self.list()?.into_iter().find(|known| *known == name))
    }

    /// Makes an account the current one. Needs no network and opens no database.
    ///
    /// # Errors
    /// `account.unknown`, or a file that cannot be written: then the current account
    /// is as before.
    pub fn switch(&self, name: &str) -> Result<(), ClientError> {
        if !self.list()?.iter().any(|known| known == name) {
            return Err(ClientError::Invalid("account.unknown"));
        }
        // Whole or not at all.
        let new = self.home.join("current.new");
        std::fs::write(&new, name)?;
        Ok(std::fs::rename(new, self.home.join("current"))?)
    }
}
