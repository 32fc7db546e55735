//! Conversations: begun, carried on, left. What is said comes sealed and goes sealed.
use stunity_model::Roles;
use stunity_model::events::{
    ConversationMember, ConversationName, ConversationStart, Message, Opaque, Read,
};
use stunity_model::talk::{Kind, Standing, check_envelope, space_of};
use stunity_proto::{AccountId, Lane, ObjectId, SpaceId};

use crate::commands::op;
use crate::{Client, ClientError};

/// Between whom a conversation is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Between {
    /// This account and another one.
    Two(AccountId),
    /// This account and these, of whom more may come.
    Group(Vec<AccountId>),
}

/// Whom reading is shown to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Everybody in the conversation.
    Shown,
    /// The own devices alone.
    Own,
}

impl Client {
    /// Begins a conversation. Between two there is one for ever: where both are in it,
    /// nothing is stated again.
    ///
    /// # Errors
    /// `event.malformed` for oneself or more than [`stunity_model::talk::MAX_MEMBERS`],
    /// or the store's.
    pub fn start_conversation(&mut self, between: Between) -> Result<SpaceId, ClientError> {
        let me = self.me();
        let start = match between {
            Between::Two(other) => ConversationStart {
                kind: Kind::Direct as u8,
                members: vec![other],
                salt: 0,
            },
            Between::Group(mut members) => {
                members.sort_unstable();
                members.dedup();
                members.retain(|member| *member != me);
                let mut salt = [0; 8];
                salt.copy_from_slice(&self.random_id()[..8]);
                ConversationStart {
                    kind: Kind::Group as u8,
                    members,
                    salt: u64::from_be_bytes(salt),
                }
            }
        };
        let space = space_of(self.store.school(), me, &start).map_err(ClientError::Invalid)?;
        let held = self.store.conversation(space)?;
        if held.is_some_and(|held| held.members.len() > 1 && held.has(me)) {
            return Ok(space);
        }
        self.state(space, Lane::Talk, start)?;
        Ok(space)
    }

    /// Sends a sealed message.
    ///
    /// # Errors
    /// `envelope.length`, `conversation.unknown`, or the store's.
    pub fn send_envelope(
        &mut self,
        conversation: SpaceId,
        envelope: Vec<u8>,
    ) -> Result<ObjectId, ClientError> {
        let envelope = Opaque(envelope);
        check_envelope(&envelope).map_err(ClientError::Invalid)?;
        self.known(conversation)?;
        let message = self.random_object();
        let event = Message { message, envelope };
        self.enqueue(&[op(conversation, Lane::Talk, event, Some(message))])?;
        Ok(message)
    }

    /// Says what a group is called, sealed as messages are.
    ///
    /// # Errors
    /// As [`Client::send_envelope`].
    pub fn name_conversation(
        &mut self,
        conversation: SpaceId,
        envelope: Vec<u8>,
    ) -> Result<(), ClientError> {
        let envelope = Opaque(envelope);
        check_envelope(&envelope).map_err(ClientError::Invalid)?;
        self.known(conversation)?;
        self.state(conversation, Lane::Talk, ConversationName { envelope })
    }

    /// Takes somebody into a group, makes a host of somebody, removes somebody, leaves.
    ///
    /// # Errors
    /// `conversation.unknown`, `role.missing` for who is no host and is not leaving, or
    /// the store's.
    pub fn set_conversation_member(
        &mut self,
        conversation: SpaceId,
        account: AccountId,
        standing: Standing,
    ) -> Result<(), ClientError> {
        let roles = self.known(conversation)?;
        let event = ConversationMember {
            account,
            standing: standing as u8,
        };
        stunity_model::talk::check_member(self.me(), roles, &event)
            .map_err(ClientError::Invalid)?;
        self.state(conversation, Lane::Talk, event)
    }

    /// Notes that everything up to a message was read.
    ///
    /// # Errors
    /// `conversation.unknown`, or the store's.
    pub fn mark_read(
        &mut self,
        conversation: SpaceId,
        until: ObjectId,
        receipt: Receipt,
    ) -> Result<(), ClientError> {
        self.known(conversation)?;
        let (space, lane) = match receipt {
            Receipt::Shown => (conversation, Lane::Talk),
            Receipt::Own => (self.me().space(), Lane::Private),
        };
        let event = Read {
            conversation,
            until,
        };
        self.state(space, lane, event)
    }

    /// The own roles in a conversation that is held.
    fn known(&self, conversation: SpaceId) -> Result<Roles, ClientError> {
        let held = self.store.conversation(conversation)?;
        let held = held.ok_or(ClientError::Invalid("conversation.unknown"))?;
        Ok(held.roles(self.me()))
    }
}
