//! Live batches, encoded once for all readers of a target.
use std::sync::Arc;

use stunity_proto::frame::Frame;
use stunity_proto::pack::Effort;
use stunity_proto::receipt::Leaf;

use super::flush::{Form, encode, item_leaves, signed_root};
use super::outlook::Outlook;
use super::{Effect, Session};
use crate::client::cursor_leaf;
use crate::reader::Reader;
use crate::relay_store::LogItem;
use crate::{Cursor, RelayStore, Running, Target, cursors};

/// A batch for all readers of one target, encoded once.
#[derive(Clone, Debug)]
pub struct LiveBatch {
    /// The target.
    pub target: Target,
    /// Where a reader must be to take it.
    pub from: u64,
    /// Where it then is.
    pub to: Running,
    /// The message.
    pub frame: Arc<[u8]>,
}

impl Session {
    /// Takes a live batch: passes it on if it follows the cursor, ignores what
    /// was sent already or will be looked for, and else reads what lies between.
    pub fn on_live(&mut self, batch: &LiveBatch) -> Vec<Effect> {
        if !self.flying || self.outlook != Outlook::Known {
            return Vec::new();
        }
        let moving = self.advanced.iter().find(|c| c.target == batch.target);
        let at = moving.map_or_else(|| cursors::position(&self.list, batch.target), |c| c.at);
        if at.sequence >= batch.to.sequence {
            return Vec::new();
        }
        // A batch for all abbreviates what a device in an explicit session may lack.
        let busy = self.explicit
            || !self.done_sent
            || moving.is_some()
            || self.todo.contains(&batch.target)
            || self.has_own_in(batch.target);
        if busy || at.sequence != batch.from {
            if !self.todo.contains(&batch.target) {
                self.todo.push_back(batch.target);
            }
            return Vec::new();
        }
        let cursor = Cursor {
            target: batch.target,
            at: batch.to,
        };
        cursors::update(&mut self.list, &[cursor], &[]);
        self.log.note(vec![cursor], Vec::new());
        vec![Effect::SendShared(batch.frame.clone())]
    }
}

/// Encodes one append for all live readers of a target. `items` are those that
/// lie in the target, in order; `from` is where the target stood before.
pub fn encode_live<S: RelayStore>(
    store: &S,
    target: Target,
    from: u64,
    items: &[LogItem],
) -> Option<LiveBatch> {
    let to = items.last()?.running(target);
    let known = (from > 0).then_some(target.space);
    let mut context = Reader::new(store.school(), known);
    for item in items {
        context.note(item);
    }
    let pack = encode(&context, items, Form::InContext, Effort::Live);
    let mut leaves = item_leaves(items);
    leaves.push(cursor_leaf(&Cursor { target, at: to }).hash());
    let relay_ms = store.now_ms();
    leaves.push(
        Leaf::Time {
            nonce: [0; 32],
            relay_ms,
        }
        .hash(),
    );
    let frame = Frame::Live {
        space: target.space,
        lane: target.lane,
        from,
        to: to.sequence,
        pack,
        root: signed_root(store, &leaves, relay_ms),
    };
    Some(LiveBatch {
        target,
        from,
        to,
        frame: frame.encode().into(),
    })
}
