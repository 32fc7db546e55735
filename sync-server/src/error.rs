//! What goes wrong, and what a client is told of it.
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use stunity_sync::SyncError;

/// An error of the relay. Clients see its code; the rest goes to the log.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A file or socket failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Keys on disk that cannot be read.
    #[error("keys: {0}")]
    Keys(String),
    /// The request is wrong; the code is stable.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Stored bytes that do not decode: the database was altered.
    #[error("stored bytes: {0}")]
    Stored(#[from] stunity_proto::DecodeError),
    /// Another request of the same batch failed: nothing of it was stored.
    #[error("the batch was rolled back")]
    RolledBack,
    /// The writer is gone: the relay is stopping.
    #[error("stopping")]
    Stopping,
}

impl From<ServerError> for SyncError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Refused(code) => Self::Refused {
                code: code.to_owned(),
                retry_after_ms: None,
            },
            other => Self::Store(other.to_string()),
        }
    }
}

impl IntoResponse for ServerError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Refused(code) => (StatusCode::BAD_REQUEST, *code),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "relay.stopping"),
            _ => {
                tracing::error!(error = %self, "request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "relay.failed")
            }
        };
        (status, Json(serde_json::json!({ "code": code }))).into_response()
    }
}
