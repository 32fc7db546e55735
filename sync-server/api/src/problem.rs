//! Errors as clients see them: `application/problem+json` of RFC 9457, with a stable
//! code, and for a body that is wrong one error a field.
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use stunity_server::error::ServerError;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// What is wrong with one field of a body.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name.
    pub field: String,
    /// A stable code.
    pub code: String,
}

/// What a client is told. A reader that knows only RFC 9457 gets along with `title`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `/problems/` and the code: a name, nothing to fetch.
    #[serde(rename = "type")]
    pub name: String,
    /// The status in words.
    pub title: String,
    /// The status, as in the answer itself.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// Fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds to wait before the next try, also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a stable code.
    #[must_use]
    pub fn new(status: StatusCode, code: &str) -> Self {
        Self {
            name: format!("/problems/{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// No token, or one that does not hold.
    #[must_use]
    pub fn unauthorized(code: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code)
    }

    /// Not for this account.
    #[must_use]
    pub fn forbidden(code: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code)
    }

    /// Nothing there, or nothing that this account may know of.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found")
    }

    /// What the log refused, with the status that its code has.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        Self::new(status_of(code), code)
    }

    /// Fields that are wrong.
    #[must_use]
    pub fn fields(errors: &[(&str, &str)]) -> Self {
        let error = |(field, code): &(&str, &str)| FieldError {
            field: (*field).to_owned(),
            code: (*code).to_owned(),
        };
        Self {
            errors: errors.iter().map(error).collect(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "body.invalid")
        }
    }
}

/// The status of a code of the relay.
fn status_of(code: &str) -> StatusCode {
    match code {
        "login.wrong" => StatusCode::UNAUTHORIZED,
        "login.taken" | "account.registered" | "invitation.used" | "space.exists" => {
            StatusCode::CONFLICT
        }
        "account.unknown" | "space.unknown" => StatusCode::NOT_FOUND,
        "role.missing" | "vouched.never" | "lane.mismatch" | "enrolment.closed" => {
            StatusCode::FORBIDDEN
        }
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Refused(code) => Self::refused(code),
            ServerError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "relay.stopping"),
            other => {
                tracing::error!(error = %other, "request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "relay.failed")
            }
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection {
            JsonRejection::JsonDataError(_) => "body.invalid",
            JsonRejection::MissingJsonContentType(_) => "body.media-type",
            JsonRejection::BytesRejection(_) => "body.too-large",
            _ => "body.malformed",
        };
        Self::new(rejection.status(), code)
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "query.malformed")
    }
}

fn described(description: &str) -> RefOr<Described> {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", problem.build())
        .into()
}

/// What every route with a body answers to one that is wrong.
pub struct BadBody;

impl IntoResponses for BadBody {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        [
            ("400", "The body is not JSON"),
            ("413", "The body is too large"),
            ("415", "The body is not said to be JSON"),
            ("422", "A field is wrong; `errors` says which"),
        ]
        .into_iter()
        .map(|(status, description)| (status.to_owned(), described(description)))
        .collect()
    }
}

/// Answers that many routes share: a status, and in which case.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident $status:literal $description:literal)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Described>> {
                BTreeMap::from([($status.to_owned(), described($description))])
            }
        }
    )*};
}

answers! {
    /// What every route for those who signed in answers to others.
    SignedOut "401" "No access token, or one that does not hold"
    /// What every page answers to a wrong question.
    BadPage "400" "Not a cursor or a limit"
    /// What the permission table does not give the caller.
    Forbidden "403" "Not for this caller; `code` says why"
    /// Nothing there, or nothing that the caller may know of.
    NotFound "404" "Nothing that the caller may see"
    /// What is done too often.
    TooMany "429" "Too often; `retryAfter` says how long to wait"
}

/// What a route about something answers to those who may not: see [`SignedOut`],
/// [`Forbidden`], [`NotFound`].
pub struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        [
            SignedOut::responses(),
            Forbidden::responses(),
            NotFound::responses(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
