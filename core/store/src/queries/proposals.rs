//! What an API asks this account to sign.
use stunity_model::events::{Event, Proposal};
use stunity_model::proposals::{self, Asked};
use stunity_proto::EntryId;

use super::LATEST_LAST;
use crate::database::uint;
use crate::{Store, StoreError};

/// A proposal that nobody has answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRow {
    /// The entry that states it: names what it asks for, byte for byte.
    pub proposal: EntryId,
    /// What it asks for.
    pub asked: Asked,
    /// It came through an API.
    pub vouched: bool,
    /// When a relay received it, milliseconds since 1970.
    pub received_ms: Option<u64>,
}

impl Store {
    /// The proposals that wait for a device of this account, the oldest first.
    ///
    /// # Errors
    /// A database error.
    pub fn proposals(&self) -> Result<Vec<ProposalRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT entry, event, vouched, received_ms FROM p_proposal p WHERE space = ?1
             AND NOT EXISTS (SELECT 1 FROM p_proposal_end e
                WHERE e.space = ?1 AND e.proposal = p.entry)
             ORDER BY {LATEST_LAST}"
        ))?;
        let mut rows = statement.query([&self.owner.account.space().0])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let asked = match Event::decode(&row.get::<_, Vec<u8>>(1)?) {
                Ok(Event::Proposal(proposal)) => read(&proposal),
                _ => None,
            };
            if let Some(asked) = asked {
                out.push(ProposalRow {
                    proposal: EntryId(row.get(0)?),
                    asked,
                    vouched: row.get(2)?,
                    received_ms: row.get::<_, Option<i64>>(3)?.map(uint),
                });
            }
        }
        Ok(out)
    }
}

fn read(proposal: &Proposal) -> Option<Asked> {
    proposals::read(proposal).ok()
}
