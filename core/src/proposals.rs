//! What an API asks this account to sign: shown, then signed by this device as its own,
//! or dismissed.
use stunity_model::Event;
use stunity_model::events::ProposalEnd;
use stunity_proto::{EntryId, Lane};
use stunity_store::{PendingOp, ProposalRow};

use crate::commands::op;
use crate::{Client, ClientError};

impl Client {
    /// The proposals that wait for an answer, the oldest first.
    ///
    /// # Errors
    /// The store's.
    pub fn proposals(&self) -> Result<Vec<ProposalRow>, ClientError> {
        Ok(self.store.proposals()?)
    }

    /// Signs what a proposal asks for, as this device's own: for who has been shown it.
    /// A removal is signed with what is held here of who is removed.
    ///
    /// # Errors
    /// `proposal.unknown`, those of [`Client::remove_member`], or the store's.
    pub fn confirm_proposal(&mut self, proposal: EntryId) -> Result<(), ClientError> {
        let asked = self.proposal(proposal)?.asked;
        let mut ops = Vec::with_capacity(asked.events.len() + 1);
        for event in asked.events {
            ops.push(match event {
                Event::MemberRemove(e) => self.removal(asked.space, e.account)?,
                event => op(asked.space, asked.lane, event, None),
            });
        }
        ops.push(self.end(proposal, true));
        self.enqueue(&ops).map(|_| ())
    }

    /// Signs nothing, and asks on no device any more.
    ///
    /// # Errors
    /// `proposal.unknown`, or the store's.
    pub fn dismiss_proposal(&mut self, proposal: EntryId) -> Result<(), ClientError> {
        self.proposal(proposal)?;
        let end = self.end(proposal, false);
        self.enqueue(&[end]).map(|_| ())
    }

    fn proposal(&self, proposal: EntryId) -> Result<ProposalRow, ClientError> {
        let mut waiting = self.store.proposals()?.into_iter();
        let found = waiting.find(|row| row.proposal == proposal);
        found.ok_or(ClientError::Invalid("proposal.unknown"))
    }

    fn end(&self, proposal: EntryId, accepted: bool) -> PendingOp {
        let end = ProposalEnd { proposal, accepted };
        op(self.me().space(), Lane::Private, end, None)
    }
}
