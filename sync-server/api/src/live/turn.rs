//! What one socket asks is done in the order in which it came, though handlers run each
//! as a task of its own.
use std::convert::Infallible;
use std::sync::Arc;

use socketioxide::adapter::Adapter;
use socketioxide::handler::{FromMessageParts, Value};
use socketioxide::socket::Socket;
use tokio::sync::oneshot;

use super::session::Session;

/// A place in the order: taken as the message comes, left when this is dropped.
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _leave: Option<oneshot::Sender<()>>,
}

impl Turn {
    /// Waits until what came before is done.
    pub async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // That it was left is all there is to hear.
            let _ = before.await;
        }
    }
}

impl<A: Adapter> FromMessageParts<A> for Turn {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket<A>>,
        _: &mut Value,
        _: &Option<i64>,
    ) -> Result<Self, Infallible> {
        let session = socket.extensions.get::<Arc<Session>>();
        let (before, leave) = session.map(|session| session.line_up()).unzip();
        Ok(Self {
            before: before.flatten(),
            _leave: leave,
        })
    }
}
