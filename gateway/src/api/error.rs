//! The only place where HTTP statuses and the words of refusals are chosen. Internals never reach the caller.

use super::view::Refused;
use crate::detect::rule::Text;
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
    Forbidden(Text),
    /// It is not there.
    Absent(Text),
    /// It cannot be done as things are.
    Conflict(Text),
    /// The request is wrong.
    Bad(Text),
    /// Too many attempts.
    TooMany,
    /// Something inside failed; it is in the log.
    Internal,
}

impl ApiError {
    /// There is no such thing; `zh` and `en` name the kind.
    pub fn absent(zh: &str, en: &str, id: impl std::fmt::Display) -> Self {
        ApiError::Absent(Text::new(
            format!("没有{zh} {id}"),
            format!("there is no {en} {id}"),
        ))
    }

    /// A part of the request is wrong.
    pub fn bad(zh: impl Into<String>, en: impl Into<String>) -> Self {
        ApiError::Bad(Text::new(zh, en))
    }

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
        use StatusCode as S;
        let (status, message) = match self {
            ApiError::SignIn => (S::UNAUTHORIZED, Text::new("请先登录", "sign in first")),
            ApiError::Password => (
                S::UNAUTHORIZED,
                Text::new("用户名或密码不对", "user or password is not right"),
            ),
            ApiError::Forbidden(words) => (S::FORBIDDEN, words),
            ApiError::Absent(words) => (S::NOT_FOUND, words),
            ApiError::Conflict(words) => (S::CONFLICT, words),
            ApiError::Bad(words) => (S::BAD_REQUEST, words),
            ApiError::TooMany => (
                S::TOO_MANY_REQUESTS,
                Text::new(
                    "尝试次数过多，请一分钟后再试",
                    "too many attempts; wait a minute",
                ),
            ),
            ApiError::Internal => (
                S::INTERNAL_SERVER_ERROR,
                Text::new(
                    "网关出错，原因见其日志",
                    "the gateway failed; its log says why",
                ),
            ),
        };
        let error = message.en.clone();
        (status, Json(Refused { error, message })).into_response()
    }
}
