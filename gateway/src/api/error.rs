//! The only place where HTTP statuses and the words of refusals are chosen. Internals never reach the caller.

use super::view::Refused;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Why a request was not served.
#[derive(Debug)]
pub enum ApiError {
    /// Nobody is signed in.
    SignIn,
    /// Name or password is wrong.
    Password,
    /// The role does not allow it.
    Forbidden(String),
    /// It is not there.
    Absent(String),
    /// It cannot be done as things are.
    Conflict(String),
    /// The request is wrong.
    Bad(String),
    /// Too many attempts.
    TooMany,
    /// Something inside failed; it is in the log.
    Internal,
}

impl ApiError {
    /// Logs what failed inside and says no more than that.
    pub fn internal(error: impl std::error::Error + 'static) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request failed inside"
        );
        ApiError::Internal
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            ApiError::SignIn => (StatusCode::UNAUTHORIZED, "sign in first".into()),
            ApiError::Password => (
                StatusCode::UNAUTHORIZED,
                "user or password is not right".into(),
            ),
            ApiError::Forbidden(words) => (StatusCode::FORBIDDEN, words),
            ApiError::Absent(words) => (StatusCode::NOT_FOUND, words),
            ApiError::Conflict(words) => (StatusCode::CONFLICT, words),
            ApiError::Bad(words) => (StatusCode::BAD_REQUEST, words),
            ApiError::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many attempts; wait a minute".into(),
            ),
            ApiError::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the gateway failed; its log says why".into(),
            ),
        };
        (status, Json(Refused { error })).into_response()
    }
}
