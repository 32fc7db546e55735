//! The calls of an [`Account`] as plain data: a page cannot hand an object to its
//! worker, but it can hand it a query.
use serde::{Deserialize, Serialize};

use crate::{Account, StunityError};

/// One call of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Query {
    /// [`Account::who`].
    Who,
    /// [`Account::courses`].
    Courses,
    /// [`Account::assignments`].
    Assignments {
        /// The course.
        course: String,
    },
    /// [`Account::drafts`].
    Drafts,
    /// [`Account::status`].
    Status {
        /// How many items at most.
        limit: u32,
    },
    /// [`Account::unsent`].
    Unsent,
    /// [`Account::releases`].
    Releases {
        /// The course.
        course: String,
    },
    /// [`Account::create_draft`].
    CreateDraft {
        /// The course.
        course: String,
        /// The assignment.
        assignment: String,
    },
    /// [`Account::write_draft`].
    WriteDraft {
        /// The draft.
        draft: String,
        /// What it shall say.
        text: String,
    },
    /// [`Account::read_draft`].
    ReadDraft {
        /// The draft.
        draft: String,
    },
    /// [`Account::undo_draft`].
    UndoDraft {
        /// The draft.
        draft: String,
    },
    /// [`Account::rest`].
    Rest,
    /// [`Account::hand_in`].
    HandIn {
        /// The draft.
        draft: String,
        /// Which attempt, from 1.
        attempt: u32,
    },
}

/// Reads what a host sent as JSON.
///
/// # Errors
/// `json.malformed`.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StunityError> {
    serde_json::from_str(text).map_err(|_| StunityError::invalid("json.malformed"))
}

/// Writes what a host reads as JSON.
#[must_use]
pub fn write(value: &impl Serialize) -> String {
    // Records of text and numbers: there is nothing in them that JSON lacks.
    serde_json::to_string(value).unwrap_or_default()
}

/// Answers a query; both are JSON.
///
/// # Errors
/// `json.malformed`, or the call's.
pub fn answer(account: &Account, query: &str) -> Result<String, StunityError> {
    Ok(match read(query)? {
        Query::Who => write(&account.who()),
        Query::Courses => write(&account.courses()?),
        Query::Assignments { course } => write(&account.assignments(course)?),
        Query::Drafts => write(&account.drafts()?),
        Query::Status { limit } => write(&account.status(limit)?),
        Query::Unsent => write(&account.unsent()?),
        Query::Releases { course } => write(&account.releases(course)?),
        Query::CreateDraft { course, assignment } => {
            write(&account.create_draft(course, assignment)?)
        }
        Query::WriteDraft { draft, text } => write(&account.write_draft(draft, text)?),
        Query::ReadDraft { draft } => write(&account.read_draft(draft)?),
        Query::UndoDraft { draft } => write(&account.undo_draft(draft)?),
        Query::Rest => write(&account.rest()?),
        Query::HandIn { draft, attempt } => write(&account.hand_in(draft, attempt)?),
    })
}
