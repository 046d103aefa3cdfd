//! Signing in and out.

use super::{Api, SignedIn, error::ApiError, view::*};
use crate::account;
use axum::{
    Json,
    extract::State as Shared,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::Timestamp;
use std::sync::PoisonError;

/// Failed sign-ins of a name before it has to wait.
const FAILURES_MAX: u32 = 5;
const WAIT_MS: i64 = 60_000;

/// Who is signed in.
#[utoipa::path(get, path = "/api/session", responses((status = 200, body = UserView), (status = 401, body = Refused)))]
pub async fn whoami(SignedIn(user): SignedIn) -> Json<UserView> {
    Json(UserView {
        user: user.name.clone(),
        name: user.name,
        role: user.role,
        may: user.role.acts(),
    })
}

/// Signs in; the answer sets the session's cookie.
#[utoipa::path(post, path = "/api/session", request_body = SignIn, responses((status = 200, body = UserView), (status = 401, body = Refused)))]
pub async fn sign_in(
    Shared(api): Shared<Api>,
    Json(body): Json<SignIn>,
) -> Result<Response, ApiError> {
    let now = Timestamp::now();
    let name = body.user.clone();
    {
        let failed = api.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed
            .get(&name)
            .is_some_and(|(n, last)| *n >= FAILURES_MAX && now.since(*last) < WAIT_MS)
        {
            return Err(ApiError::TooMany);
        }
    }
    let opened = api
        .blocking(move |inner| {
            account::sign_in(&inner.records, &body.user, &body.password, now)
                .map_err(ApiError::internal)
        })
        .await?;
    let mut failed = api.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((token, user)) = opened else {
        failed.retain(|_, (_, last)| now.since(*last) < WAIT_MS);
        let entry = failed.entry(name).or_insert((0, now));
        *entry = (entry.0 + 1, now);
        return Err(ApiError::Password);
    };
    failed.remove(&name);
    let cookie = format!("onedoor={token}; HttpOnly; SameSite=Strict; Path=/");
    let view = UserView {
        user: user.name.clone(),
        name: user.name,
        role: user.role,
        may: user.role.acts(),
    };
    Ok(([(header::SET_COOKIE, cookie)], Json(view)).into_response())
}

/// Signs out.
#[utoipa::path(delete, path = "/api/session", responses((status = 204)))]
pub async fn sign_out(
    Shared(api): Shared<Api>,
    request: axum::extract::Request,
) -> Result<StatusCode, ApiError> {
    let (parts, _) = request.into_parts();
    if let Some(token) = super::token(&parts) {
        api.blocking(move |inner| {
            account::sign_out(&inner.records, &token).map_err(ApiError::internal)
        })
        .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
