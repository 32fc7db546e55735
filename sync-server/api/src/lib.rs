//! What a school's relay offers to those without the core: REST under `/api`, over the
//! same log that devices sync with. What is written here becomes an entry that this
//! node signs for the account (vouched), judged by the one permission table; what
//! devices write is in every answer.
//!
//! - [`problem`]: every error, as RFC 9457 says, with a stable code;
//! - [`tokens`]: access and refresh tokens, the keys that sign them;
//! - [`sessions`]: how a session goes on, and how it ends;
//! - [`letters`]: codes sent by mail;
//! - [`limits`]: how often something may be done;
//! - [`gate`]: what every request passes;
//! - [`caller`]: who asks;
//! - [`page`], [`body`], [`stated`]: how lists are read, bodies judged, anything written;
//! - [`classwork`]: what was handed in, graded and done, folded as devices fold it;
//! - [`auth`], [`users`], [`courses`], [`assignments`], [`proposals`], [`conversations`],
//!   [`messages`]: the routes;
//! - [`live`]: what is told by Socket.IO;
//! - [`state`]: what every handler shares, and the router.

pub mod assignments;
pub mod auth;
pub mod body;
pub mod caller;
pub mod classwork;
pub mod conversations;
pub mod courses;
pub mod gate;
pub mod letters;
pub mod limits;
pub mod live;
pub mod messages;
pub mod page;
pub mod people;
pub mod problem;
pub mod proposals;
pub mod reach;
pub mod sessions;
pub mod state;
pub mod stated;
pub mod tokens;
pub mod users;

pub use state::{Api, Settings, router};
