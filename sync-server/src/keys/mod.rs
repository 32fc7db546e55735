//! The keys beside the relay. By default the school root lies here too, so that
//! one command makes a working school; `doctor` says so and `move-root` takes it
//! out.
mod rotate;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stunity_identity::{
    Certificate, Founding, KexSecret, NodeChain, SchoolAnchor, SigningKey, StaffAdmission,
    StaffRoles,
};
use stunity_proto::{AccountId, SchoolId};

pub use rotate::{read_staff, request_staff, sign_operator, sign_staff};

use crate::error::ServerError;
use crate::platform::{Platform, Randomness};

/// Thirteen months: an operator certificate outlives a school year.
const OPERATOR_MS: u64 = 395 * 24 * 3_600_000;

/// The file that makes the folder complete.
const ANCHOR: &str = "anchor";

/// The keys of a school, as far as this relay holds them.
pub struct SchoolKeys {
    folder: PathBuf,
    /// What clients pin.
    pub anchor: SchoolAnchor,
    /// Signs receipts and vouched entries.
    pub node: SigningKey,
    /// Opens parcels to the relay.
    pub parcel: KexSecret,
    /// Certificates from the root to the node.
    pub chain: NodeChain,
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

fn load_seed(path: &Path) -> Result<[u8; 32], ServerError> {
    let bytes = fs::read(path)?;
    bytes
        .try_into()
        .map_err(|_| ServerError::Keys(format!("{} is not a key", path.display())))
}

fn load<T>(
    path: &Path,
    decode: impl Fn(&[u8]) -> Result<T, stunity_identity::IdentityError>,
) -> Result<T, ServerError> {
    decode(&fs::read(path)?)
        .map_err(|_| ServerError::Keys(format!("{} is damaged", path.display())))
}

impl SchoolKeys {
    /// Opens the keys in `folder`, or makes a new school there.
    ///
    /// # Errors
    /// Files that cannot be read or written, or are damaged.
    pub fn open(folder: &Path, platform: &Arc<dyn Platform>) -> Result<Self, ServerError> {
        fs::create_dir_all(folder)?;
        if !folder.join(ANCHOR).exists() {
            Self::create(folder, platform.now_ms(), &mut Randomness(platform.clone()))?;
        }
        let anchor = load(&folder.join(ANCHOR), SchoolAnchor::decode)?;
        let chain = load(&folder.join("node.chain"), NodeChain::decode)?;
        Ok(Self {
            folder: folder.to_owned(),
            anchor,
            node: SigningKey::from_seed(&load_seed(&folder.join("node.key"))?),
            parcel: KexSecret::from_seed(&load_seed(&folder.join("parcel.key"))?),
            chain,
        })
    }

    /// The anchor is written last: a folder with it is complete.
    fn create(folder: &Path, now_ms: u64, random: &mut Randomness) -> Result<(), ServerError> {
        for leftover in [
            "root.key",
            "next-root.key",
            "operator.key",
            "node.key",
            "parcel.key",
            "node.chain",
        ] {
            let _ = fs::remove_file(folder.join(leftover));
        }
        let founding = Founding::new(random, now_ms, OPERATOR_MS);
        // Complete once the anchor is there, which both name last.
        let files = founding.root_files().into_iter();
        let files = files.filter(|(name, _)| *name != ANCHOR);
        for (name, bytes) in files.chain(founding.relay_files()) {
            save(&folder.join(name), &bytes)?;
        }
        Ok(())
    }

    /// A secret of this node beside its keys; `fresh` where there is none yet.
    ///
    /// # Errors
    /// A file that cannot be read or written, or is damaged.
    pub fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], ServerError> {
        let path = self.folder.join(name);
        if !path.exists() {
            save(&path, &fresh)?;
        }
        load_seed(&path)
    }

    /// The school.
    #[must_use]
    pub fn school(&self) -> SchoolId {
        self.anchor.school
    }

    /// Whether the school root lies beside the relay.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.folder.join("root.key").exists()
    }

    /// Moves the root keys to another folder; the relay can then admit no staff.
    ///
    /// # Errors
    /// Files that cannot be moved; nothing is removed before it is copied.
    pub fn move_root(&self, to: &Path) -> Result<(), ServerError> {
        fs::create_dir_all(to)?;
        // Who signs there must know which school it is.
        save(&to.join(ANCHOR), &self.anchor.encode())?;
        for name in ["root.key", "next-root.key"] {
            save(&to.join(name), &fs::read(self.folder.join(name))?)?;
        }
        for name in ["root.key", "next-root.key"] {
            fs::remove_file(self.folder.join(name))?;
        }
        Ok(())
    }

    /// Admits an account to the staff by the root beside the relay.
    ///
    /// # Errors
    /// `root.absent` if the root was moved out.
    pub fn admit(
        &self,
        account: AccountId,
        root: stunity_identity::VerifyingKey,
        roles: StaffRoles,
        now_ms: u64,
    ) -> Result<Certificate<StaffAdmission>, ServerError> {
        if !self.has_root() {
            return Err(ServerError::Refused("root.absent"));
        }
        let key = SigningKey::from_seed(&load_seed(&self.folder.join("root.key"))?);
        Ok(Certificate::sign(
            StaffAdmission {
                school: self.school(),
                account,
                root,
                roles,
                serial: now_ms,
                date: now_ms,
            },
            &key,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(u64);

    impl Platform for At {
        fn now_ms(&self) -> u64 {
            self.0
        }

        fn fill_random(&self, bytes: &mut [u8]) {
            crate::platform::System.fill_random(bytes);
        }
    }

    fn at(now_ms: u64) -> Arc<dyn Platform> {
        Arc::new(At(now_ms))
    }

    #[test]
    fn a_school_opens_again_as_it_was_made_and_its_root_can_leave() {
        let folder = tempfile::tempdir().unwrap();
        let first = SchoolKeys::open(folder.path(), &at(1_000_000_000)).unwrap();
        let again = SchoolKeys::open(folder.path(), &at(2_000_000_000)).unwrap();
        assert_eq!(first.anchor, again.anchor);
        assert!(
            again
                .anchor
                .verify_node(&again.chain, 1_000_000_000)
                .is_ok()
        );
        let away = folder.path().join("safe");
        assert!(again.has_root());
        again.move_root(&away).unwrap();
        assert!(!again.has_root() && away.join("root.key").exists());
        let anyone = SigningKey::generate(&mut Randomness(at(0))).verifying_key();
        assert!(
            again
                .admit(AccountId([1; 16]), anyone, StaffRoles::TEACHER, 1)
                .is_err()
        );
    }
}
