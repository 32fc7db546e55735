//! Plain records. Times are milliseconds since 1970, points hundredths.
use stunity_client::DraftRow;
use stunity_store as store;
use stunity_sync::client::Event;

/// A record in every language.
macro_rules! record {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
        #[cfg_attr(feature = "json", derive(serde::Serialize), serde(rename_all = "camelCase"))]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
    )*};
}

record! {
    /// Whose device it is.
    pub struct Who {
        /// The school.
        pub school: String,
        /// The account.
        pub account: String,
        /// The device.
        pub device: String,
        /// The relay's base URL.
        pub relay: String,
    }

    /// A course.
    pub struct Course {
        /// Its id.
        pub id: String,
        /// Title.
        pub title: String,
        /// Khmer title.
        pub title_km: Option<String>,
        /// Description.
        pub description: String,
        /// Pupils, as far as they can be seen here.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub students: u64,
    }

    /// An assignment.
    pub struct Assignment {
        /// Its id.
        pub id: String,
        /// Title.
        pub title: String,
        /// Khmer title.
        pub title_km: Option<String>,
        /// What is to be done.
        pub text: String,
        /// Most points.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub max_points: u64,
        /// When it is due.
        #[cfg_attr(feature = "typescript", ts(type = "number | null"))]
        pub due_ms: Option<u64>,
        /// How many attempts; 0 for any number.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub attempts: u64,
    }

    /// A draft of this account.
    pub struct Draft {
        /// Its id.
        pub id: String,
        /// The course of its assignment.
        pub course: Option<String>,
        /// Its assignment.
        pub assignment: Option<String>,
        /// What it says.
        pub text: String,
    }

    /// An own item with how far it came.
    pub struct Item {
        /// What it is about, if that has an id.
        pub about: Option<String>,
        /// The space that it belongs to.
        pub space: String,
        /// Its event type, as on page 7 of the protocol; none for a step of a
        /// document or a file.
        pub event: Option<u16>,
        /// When it was queued, by this device's clock.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub queued_ms: u64,
        /// How far it came.
        pub state: ItemState,
    }

    /// What has not reached the relay.
    pub struct Unsent {
        /// Items that no relay has yet.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub waiting: u64,
        /// Items that were refused and are kept.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub refused: u64,
    }

    /// A grade released to this account.
    pub struct Release {
        /// The assignment.
        pub assignment: String,
        /// Points.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub points: u64,
        /// What is said about it.
        pub feedback: String,
    }

    /// What a sync did.
    pub struct SyncReport {
        /// Whether everything went and came.
        pub caught_up: bool,
        /// Bytes sent.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub sent: u64,
        /// Bytes received.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub received: u64,
        /// New entries.
        pub new_entries: u32,
    }
}

/// How far an own item came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize),
    serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ItemState {
    /// On this device.
    Queued,
    /// On its way.
    Sending {
        /// Of its pack, 0–99.
        percent: u8,
    },
    /// In a file that somebody carries; it is sent as well.
    Carried,
    /// The relay has it.
    Received {
        /// The relay's time.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        received_ms: u64,
    },
    /// The relay has it, but staff must accept it first.
    Pending {
        /// Why.
        code: String,
    },
    /// A submission was graded and the grade released.
    Graded {
        /// When the release was received, if a receipt says so.
        #[cfg_attr(feature = "typescript", ts(type = "number | null"))]
        released_ms: Option<u64>,
    },
    /// Needs attention: refused by the relay, kept here.
    Refused {
        /// Why.
        code: String,
    },
}

/// What a sync tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize),
    serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum SyncEvent {
    /// Bytes of a pack that were handed to the connection.
    Sending {
        /// Bytes sent.
        sent: u32,
        /// Bytes in all.
        total: u32,
    },
    /// Bytes of a pack that are held.
    Receiving {
        /// Bytes held.
        held: u32,
        /// Bytes in all.
        total: u32,
    },
    /// What came was applied: screens read anew.
    Applied {
        /// New entries.
        new_entries: u32,
        /// Entries that wait for something.
        held: u32,
        /// Entries that were invalid.
        rejected: u32,
    },
    /// Everything that was there is here, and all that waited is there.
    CaughtUp {
        /// The relay's time.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        relay_ms: u64,
    },
}

impl SyncEvent {
    /// What shells show of a session's event; presence is shown elsewhere.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Sending { sent, total, .. } => Self::Sending {
                sent: *sent,
                total: *total,
            },
            Event::Receiving { held, total, .. } => Self::Receiving {
                held: *held,
                total: *total,
            },
            Event::Applied(applied) => Self::Applied {
                new_entries: applied.new_entries,
                held: applied.held.len() as u32,
                rejected: applied.rejected.len() as u32,
            },
            Event::CaughtUp { relay_ms } => Self::CaughtUp {
                relay_ms: *relay_ms,
            },
            _ => return None,
        })
    }
}

impl From<store::CourseRow> for Course {
    fn from(row: store::CourseRow) -> Self {
        Self {
            id: row.space.to_string(),
            title: row.title,
            title_km: row.title_km,
            description: row.description,
            students: row.students,
        }
    }
}

impl From<store::AssignmentRow> for Assignment {
    fn from(row: store::AssignmentRow) -> Self {
        Self {
            id: row.assignment.to_string(),
            title: row.title,
            title_km: row.title_km,
            text: row.text,
            max_points: row.max_points,
            due_ms: row.due_ms,
            attempts: row.attempts,
        }
    }
}

impl From<DraftRow> for Draft {
    fn from(row: DraftRow) -> Self {
        Self {
            id: row.doc.to_string(),
            course: row.course.map(|id| id.to_string()),
            assignment: row.assignment.map(|id| id.to_string()),
            text: row.text,
        }
    }
}

impl From<store::Item> for Item {
    fn from(item: store::Item) -> Self {
        Self {
            about: item.object.map(|id| id.to_string()),
            space: item.space.to_string(),
            event: item.event,
            queued_ms: item.queued_ms,
            state: match item.state {
                store::ItemState::Queued => ItemState::Queued,
                store::ItemState::Sending { percent } => ItemState::Sending { percent },
                store::ItemState::Carried => ItemState::Carried,
                store::ItemState::Received { received_ms } => ItemState::Received { received_ms },
                store::ItemState::Pending { code } => ItemState::Pending { code },
                store::ItemState::Graded { released_ms } => ItemState::Graded { released_ms },
                store::ItemState::Refused { code } => ItemState::Refused { code },
            },
        }
    }
}

impl From<store::ReleaseRow> for Release {
    fn from(row: store::ReleaseRow) -> Self {
        Self {
            assignment: row.assignment.to_string(),
            points: row.points,
            feedback: row.feedback,
        }
    }
}
