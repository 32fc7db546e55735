//! Erasing what one said: no replica keeps a word of it.
use stunity_client::Client;
use stunity_proto::{EntryId, Lane, ObjectId, SpaceId};
use stunity_store::ItemState;

use crate::failure::{Failure, OrFail};
use crate::truth::{Deed, What};
use crate::world::World;

/// What an erasure names.
enum Named {
    Submission(EntryId),
    Comment(ObjectId),
}

impl World {
    /// A user erases something of their own that the relay has.
    pub fn erase(&mut self, device: usize) -> Result<(), Failure> {
        let Some(client) = &self.devices[device].client else {
            return Ok(());
        };
        let own: Vec<usize> = (self.truth.deeds.iter().enumerate())
            .filter(|(_, deed)| deed.device == device && deed.is_sure)
            .filter(|(_, deed)| {
                matches!(
                    deed.what,
                    What::Submission {
                        is_draft: false,
                        ..
                    } | What::Comment { .. }
                )
            })
            .filter(|(_, deed)| {
                let state = deed
                    .item
                    .and_then(|item| client.store().item_status(item).ok()?);
                matches!(
                    state.map(|item| item.state),
                    Some(ItemState::Received { .. })
                )
            })
            .map(|(index, _)| index)
            .collect();
        let Some(index) = self.devices[device].dice.pick(&own).copied() else {
            return Ok(());
        };
        let deed = &self.truth.deeds[index];
        let (token, name) = (deed.token.clone(), self.devices[device].name.clone());
        let (space, what) = (deed.space, deed.what.clone());
        let Some(client) = &mut self.devices[device].client else {
            return Ok(());
        };
        let Ok(Some(named)) = find(client, space, &what, &token) else {
            return Ok(());
        };
        let done = match named {
            Named::Submission(entry) => client.erase(&entry.0, "asked"),
            Named::Comment(comment) => client.erase(&comment.0, "asked"),
        };
        self.note(format!("{name} erases {token}"));
        // What another copy of the phone has not sent yet it says again: of what was
        // erased nothing is left by which to know it.
        let id = self.devices[device].id;
        let has_copy = (self.devices.iter())
            .filter(|device| device.id == id)
            .count()
            > 1;
        let deed = &mut self.truth.deeds[index];
        deed.is_sure = false;
        deed.item = None;
        match done {
            Ok(()) => {
                deed.erased_by = (!has_copy).then_some(device);
                Ok(())
            }
            // Done or not: nothing is expected of it any more.
            Err(error) => self.app_failed(device, &error),
        }
    }

    /// What was erased stands in no file of anybody who read it.
    ///
    /// # Errors
    /// A word that does.
    pub fn check_erased(&self) -> Result<(), Failure> {
        let erased: Vec<&Deed> = (self.truth.deeds.iter())
            .filter(|deed| deed.erased_by.is_some())
            .filter(|deed| !self.truth.left.contains(&(deed.space, deed.author)))
            .collect();
        let devices = self.devices.iter().enumerate();
        let devices = devices.filter(|(_, device)| device.revoked_ms.is_none());
        let devices = devices.map(|(index, device)| {
            // Who has left hears of nothing.
            let heard = |deed: &&&Deed| {
                !self.truth.left.contains(&(deed.space, device.account))
                    && self.reads(index, (deed.space, lane_of(deed)))
            };
            let read: Vec<&str> = erased
                .iter()
                .filter(heard)
                .map(|deed| &*deed.token)
                .collect();
            (device.name.as_str(), device.folder.as_path(), read)
        });
        let all = erased.iter().map(|deed| &*deed.token).collect();
        for (name, folder, erased) in devices.chain([("the relay", self.relay.folder(), all)]) {
            for file in std::fs::read_dir(folder).or_fail("harness")? {
                let path = file.or_fail("harness")?.path();
                if !path.is_file() {
                    continue;
                }
                let bytes = std::fs::read(&path).or_fail("harness")?;
                if let Some(word) = words(&bytes).find(|word| erased.contains(word)) {
                    let file = path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    return Err(Failure::new(
                        "what was erased is gone",
                        format!("{word} in {file} of {name}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Where what can be erased stands.
fn lane_of(deed: &Deed) -> Lane {
    match deed.what {
        What::Comment { lane, .. } => lane,
        _ => Lane::One(deed.author),
    }
}

/// Where a word of one's own stands.
fn find(
    client: &Client,
    space: SpaceId,
    what: &What,
    token: &str,
) -> Result<Option<Named>, stunity_store::StoreError> {
    let store = client.store();
    Ok(match what {
        What::Submission { .. } => store
            .submissions(space, Some(store.account()))?
            .iter()
            .find(|row| row.text.contains(token))
            .map(|row| Named::Submission(row.entry)),
        What::Comment { about, .. } => store
            .comments(*about)?
            .iter()
            .find(|row| row.text == token)
            .map(|row| Named::Comment(row.comment)),
        _ => None,
    })
}

/// The words of deeds in a file, as they stand in it.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    const END: &str = "»";
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let begin = rest.windows(2).position(|two| two == "«".as_bytes())?;
            let word = &rest[begin..];
            rest = &word[2..];
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if rest[digits..].starts_with(END.as_bytes()) {
                return std::str::from_utf8(&word[..2 + digits + END.len()]).ok();
            }
        }
    })
}
