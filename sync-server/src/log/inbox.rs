//! What a session is told by others, until it takes it.
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stunity_proto::{Lane, SpaceId};
use stunity_sync::relay::LiveBatch;
use tokio::sync::Notify;

/// What a session hears.
#[derive(Clone, Debug)]
pub enum Message {
    /// New entries.
    Batch(Arc<LiveBatch>),
    /// What the account may read has changed, or batches were lost.
    Rights,
    /// Presence or typing of another device.
    Ephemeral(SpaceId, Lane, Arc<[u8]>),
    /// The device opened another session: this one ends.
    Replaced,
}

/// Batches and presence that a slow session may leave waiting.
const BACKLOG: usize = 64;

#[derive(Debug, Default)]
struct Waiting {
    is_replaced: bool,
    is_closed: bool,
    looks_again: bool,
    messages: VecDeque<Message>,
}

/// A session's inbox; it takes little memory while nothing waits. A session that is
/// too slow loses batches and presence, never that it has to look into the log.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
    closed: Notify,
}

impl Inbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // It is whole after each step, whatever panicked meanwhile.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in; false if it was lost, and others with it.
    pub(super) fn put(&self, message: Message) -> bool {
        let mut waiting = self.waiting();
        let is_full = waiting.messages.len() >= BACKLOG;
        match message {
            Message::Replaced => waiting.is_replaced = true,
            Message::Rights => waiting.looks_again = true,
            Message::Batch(_) if is_full => {
                waiting.messages = VecDeque::new();
                waiting.looks_again = true;
            }
            Message::Ephemeral(..) if is_full => {}
            Message::Batch(_) | Message::Ephemeral(..) => waiting.messages.push_back(message),
        }
        drop(waiting);
        self.changed.notify_one();
        !is_full
    }

    /// The next message, if one waits.
    pub fn take(&self) -> Option<Message> {
        let mut waiting = self.waiting();
        if waiting.is_replaced {
            return Some(Message::Replaced);
        }
        if std::mem::take(&mut waiting.looks_again) {
            return Some(Message::Rights);
        }
        waiting.messages.pop_front()
    }

    /// Waits until the device has opened another session; the task that waits for
    /// messages does, in between.
    pub async fn replaced(&self) {
        while !self.waiting().is_replaced {
            self.changed.notified().await;
        }
    }

    /// The session is over, and has stored what it received.
    pub(super) fn close(&self) {
        self.waiting().is_closed = true;
        self.closed.notify_waiters();
    }

    /// Waits until the session is over.
    pub(super) async fn closed(&self) {
        let mut closed = pin!(self.closed.notified());
        // It listens before it looks.
        closed.as_mut().enable();
        if !self.waiting().is_closed {
            closed.await;
        }
    }

    /// The next message; one task waits for it.
    pub async fn next(&self) -> Message {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use stunity_sync::{Running, Target};

    use super::*;

    fn batch() -> Message {
        let target = Target {
            space: SpaceId([1; 16]),
            lane: None,
        };
        Message::Batch(Arc::new(LiveBatch {
            target,
            from: 0,
            to: Running::START,
            frame: Vec::new().into(),
        }))
    }

    #[test]
    fn a_session_that_is_too_slow_is_told_to_look_into_the_log() {
        let inbox = Inbox::default();
        assert!((0..BACKLOG).all(|_| inbox.put(batch())));
        assert!(!inbox.put(batch()));
        assert!(inbox.put(batch()));
        assert!(matches!(inbox.take(), Some(Message::Rights)));
        assert!(matches!(inbox.take(), Some(Message::Batch(_))));
        assert!(inbox.take().is_none());
    }

    #[test]
    fn what_decides_is_heard_whatever_waits() {
        let inbox = Inbox::default();
        while inbox.put(Message::Ephemeral(
            SpaceId([1; 16]),
            Lane::All,
            Arc::default(),
        )) {}
        inbox.put(Message::Rights);
        assert!(matches!(inbox.take(), Some(Message::Rights)));
        inbox.put(Message::Replaced);
        assert!(matches!(inbox.take(), Some(Message::Replaced)));
    }

    #[tokio::test]
    async fn the_end_of_a_session_is_heard_by_who_waits_and_by_who_asks_later() {
        let inbox = Arc::new(Inbox::default());
        let waiting = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.closed().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        inbox.close();
        waiting.await.unwrap();
        inbox.closed().await;
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let inbox = Arc::new(Inbox::default());
        let waiting = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.next().await }
        });
        tokio::task::yield_now().await;
        inbox.put(Message::Rights);
        assert!(matches!(waiting.await, Ok(Message::Rights)));
    }
}
