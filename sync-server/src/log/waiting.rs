//! What waits for staff, as the platform shows it.
use stunity_model::Event;
use stunity_proto::{AccountId, EntryId, Kind, Lane, SpaceId};

use super::{Log, authority};
use crate::db::{Row, sql};
use crate::error::ServerError;

/// An entry that is valid and has no effect until staff accept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The entry.
    pub entry: EntryId,
    /// Why it waits: a stable code (docs/protocol/07-events.md).
    pub code: String,
    /// Its lane.
    pub lane: Lane,
    /// Who wrote it.
    pub author: AccountId,
    /// A relay signed it for the author.
    pub vouched: bool,
    /// When the relay received it, milliseconds since 1970.
    pub received_ms: u64,
    /// Its events; without those that were erased.
    pub events: Vec<Event>,
}

fn waiting(row: &Row) -> Result<Waiting, ServerError> {
    let entry = authority::entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
    let header = entry.header();
    Ok(Waiting {
        entry: entry.id(),
        code: row.get(3)?,
        lane: header.lane,
        author: header.author,
        vouched: header.signer.is_vouched(),
        received_ms: row.get(4)?,
        events: (entry.ops())
            .filter(|(kind, _)| matches!(kind, Kind::Event(_)))
            .filter_map(|(_, op)| Event::decode(op?).ok())
            .collect(),
    })
}

impl Log {
    /// What waits for the staff of a space, in the relay's order.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn waiting(&self, space: SpaceId) -> Result<Vec<Waiting>, ServerError> {
        let rows = sql(
            "SELECT e.header, e.signature, e.body, e.pending, n.received_ms \
             FROM entry e JOIN numbering n ON n.entry = e.n AND n.space = $1 \
             WHERE e.pending IS NOT NULL ORDER BY n.sequence",
        )
        .bind(space.0)
        .all(self.database())
        .await?;
        rows.iter().map(waiting).collect()
    }
}
