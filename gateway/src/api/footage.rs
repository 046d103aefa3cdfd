//! Footage: looking, and asking for originals.

use super::{Answer, Api, Inner, SignedIn, error::ApiError, view::*};
use crate::{
    account::{Act, User},
    case,
    detect::{Signal, rule::Text},
    footage::{Announced, FootageError, Unmasking, Which, unmask},
};
use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State as Shared},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use contract::{
    DeviceId, SiteId, Timestamp,
    footage::{Part, Role},
};
use serde::Deserialize;
use std::io::Read;
use tokio::io::AsyncReadExt;

/// Footage that is listed at once, at most and if nothing is said.
const LIST_MAX: usize = 500;
const LIST: usize = 50;
/// Characters of a reason at most.
const REASON_MAX: usize = 500;
/// Bytes of footage in one bundle at most.
const BUNDLE_BYTES_MAX: u64 = 128 << 20;
/// A file is given in pieces of this size.
const PIECE: usize = 64 << 10;

/// Which footage.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct FootageQuery {
    /// Of this site.
    site: Option<String>,
    /// Of this camera.
    camera: Option<String>,
    /// Of this case: of its signals' cameras, points and times. It is listed as a whole, the oldest first.
    case: Option<String>,
    /// The newest so many, 50 if left out, at most 500.
    limit: Option<usize>,
}

/// Footage, the newest first.
#[utoipa::path(get, path = "/api/footage", params(FootageQuery), responses((status = 200, body = Vec<FootageView>), (status = 400, body = Refused), (status = 404, body = Refused)))]
pub async fn footage(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Query(q): Query<FootageQuery>,
) -> Answer<Vec<FootageView>> {
    let bad = |error: contract::IdError| ApiError::bad("场所或摄像机的名称不对", error.to_string());
    let which = Which {
        site: q.site.map(SiteId::new).transpose().map_err(bad)?,
        camera: q.camera.map(DeviceId::new).transpose().map_err(bad)?,
        between: None,
        limit: q.limit.unwrap_or(LIST).clamp(1, LIST_MAX),
    };
    let views = api.blocking(move |inner| {
        let mut found = match &q.case {
            None => inner.footage.list(&which).map_err(ApiError::internal)?,
            Some(id) => {
                let case = case::store::one(&inner.records, id).map_err(ApiError::internal)?;
                let case = case.ok_or_else(|| ApiError::absent("线索", "case", id))?;
                let signals = inner.signals_of(&case);
                let found = inner.footage.of_signals(&signals);
                found.map_err(ApiError::internal)?
            }
        };
        found.retain(|f| which.site.as_ref().is_none_or(|site| f.site == *site));
        found.retain(|f| {
            which
                .camera
                .as_ref()
                .is_none_or(|camera| f.camera == *camera)
        });
        found
            .into_iter()
            .map(|one| inner.footage_view(one))
            .collect()
    });
    views.await.map(Json)
}

/// One.
#[utoipa::path(get, path = "/api/footage/{id}", params(("id" = String, Path)), responses((status = 200, body = FootageView), (status = 404, body = Refused)))]
pub async fn one(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
) -> Answer<FootageView> {
    let view = api.blocking(move |inner| inner.footage_view(inner.announced(&id)?));
    view.await.map(Json)
}

/// The bytes of a part, as they are on disk; who fetches them is in the history before the first one is given. An original is
/// given only after it was approved, and is encrypted for two custodians.
#[utoipa::path(get, path = "/api/footage/{id}/parts/{role}", params(("id" = String, Path), ("role" = PartRole, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn part(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path((id, role)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let absent = || ApiError::absent("影像部分", "part", &role);
    let word = serde_json::Value::from(role.as_str());
    let wanted: Role = serde_json::from_value(word).map_err(|_| absent())?;
    if wanted == Role::Original {
        user.must(Act::AskUnmasking)?;
    }
    let now = Timestamp::now();
    let opened = api.blocking(move |inner| {
        let footage = inner.announced(&id)?;
        let parts = footage.manifest.iter().flat_map(|m| &m.parts);
        let mut parts = parts.filter(|part| part.role == wanted).cloned();
        let part = parts.next().ok_or_else(not_here)?;
        if wanted == Role::Original {
            let wish = unmask::one(&inner.records, &id).map_err(ApiError::internal)?;
            if !wish.as_ref().is_some_and(Unmasking::is_approved) {
                return Err(ApiError::Forbidden(Text::new(
                    "原始影像须经两名复核员同意后才能调取",
                    "an original is given only after two reviewers have approved it",
                )));
            }
        }
        let file = inner.footage.view(&footage, &part, &user.name, now);
        let file = file.map_err(failed)?.ok_or_else(not_here)?;
        Ok((file, part))
    });
    let (file, part) = opened.await?;
    api.told();
    let file = tokio::fs::File::from_std(file);
    let pieces = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let n = file.read_buf(&mut piece).await?;
        Ok::<Option<(Bytes, tokio::fs::File)>, std::io::Error>(
            (n > 0).then(|| (piece.freeze(), file)),
        )
    });
    let headers = [
        (header::CONTENT_TYPE, media_type(wanted).to_owned()),
        (header::CONTENT_LENGTH, part.bytes.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!(
                "attachment; filename=\"{}-{}\"",
                &part.sha256[..12],
                file_name(wanted)
            ),
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Asks for the original, with a reason. Two reviewers, neither of whom asked, must approve.
#[utoipa::path(post, path = "/api/footage/{id}/unmask", params(("id" = String, Path)), request_body = AskUnmasking,
    responses((status = 200, body = FootageView), (status = 400, body = Refused), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn unmask(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
    Json(body): Json<AskUnmasking>,
) -> Answer<FootageView> {
    user.must(Act::AskUnmasking)?;
    is_short(&body.reason)?;
    let now = Timestamp::now();
    let view = api.blocking(move |inner| {
        let footage = inner.announced(&id)?;
        let mut parts = footage.manifest.iter().flat_map(|m| &m.parts);
        let original = parts.find(|p| p.role == Role::Original);
        let has_original = match original {
            Some(part) if inner.footage.not_taken(&footage).is_none() => {
                let lost = inner.footage.lost(&footage, part);
                lost.map_err(ApiError::internal)?.is_none()
            }
            _ => false,
        };
        let decide = |known: Option<Unmasking>| {
            let of = (id.as_str(), &footage.site);
            unmask::ask(of, known.as_ref(), has_original, &user, &body.reason, now)
        };
        stepped(unmask::step(&inner.records, &id, &user, now, decide))?;
        inner.footage_view(footage)
    });
    let view = view.await?;
    api.told();
    Ok(Json(view))
}

/// Approves that somebody else may have the original.
#[utoipa::path(post, path = "/api/footage/{id}/unmask/approve", params(("id" = String, Path)),
    responses((status = 200, body = FootageView), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn approve(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
) -> Answer<FootageView> {
    user.must(Act::ApproveUnmasking)?;
    decided(&api, id, user, unmask::approve).await
}

/// Refuses that somebody else has the original, with a reason.
#[utoipa::path(post, path = "/api/footage/{id}/unmask/refuse", params(("id" = String, Path)), request_body = EndUnmasking,
    responses((status = 200, body = FootageView), (status = 400, body = Refused), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn refuse(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
    Json(body): Json<EndUnmasking>,
) -> Answer<FootageView> {
    user.must(Act::ApproveUnmasking)?;
    is_short(&body.reason)?;
    let refuse = move |known, user: &User, now| unmask::refuse(known, user, &body.reason, now);
    decided(&api, id, user, refuse).await
}

/// Takes back one's own wish for the original, with a reason, before it was approved.
#[utoipa::path(post, path = "/api/footage/{id}/unmask/withdraw", params(("id" = String, Path)), request_body = EndUnmasking,
    responses((status = 200, body = FootageView), (status = 400, body = Refused), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn withdraw(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
    Json(body): Json<EndUnmasking>,
) -> Answer<FootageView> {
    is_short(&body.reason)?;
    let withdraw = move |known, user: &User, now| unmask::withdraw(known, user, &body.reason, now);
    decided(&api, id, user, withdraw).await
}

fn is_short(reason: &str) -> Result<(), ApiError> {
    match reason.chars().count() <= REASON_MAX {
        true => Ok(()),
        false => Err(ApiError::bad(
            format!("理由不超过 {REASON_MAX} 字"),
            format!("a reason has at most {REASON_MAX} characters"),
        )),
    }
}

/// Decides on a wish, writes that down, and shows the footage.
async fn decided(
    api: &Api,
    id: String,
    user: User,
    decide: impl FnOnce(Option<Unmasking>, &User, Timestamp) -> Result<Unmasking, unmask::Refusal>
    + Send
    + 'static,
) -> Answer<FootageView> {
    let now = Timestamp::now();
    let view = api.blocking(move |inner| {
        let footage = inner.announced(&id)?;
        let decide = |known| decide(known, &user, now);
        stepped(unmask::step(&inner.records, &id, &user, now, decide))?;
        inner.footage_view(footage)
    });
    let view = view.await?;
    api.told();
    Ok(Json(view))
}

fn stepped(
    step: Result<Result<Unmasking, unmask::Refusal>, crate::store::RecordsError>,
) -> Result<(), ApiError> {
    use unmask::Refusal as R;
    let refusal = match step.map_err(ApiError::internal)? {
        Ok(_) => return Ok(()),
        Err(refusal) => refusal,
    };
    let words = refusal.words();
    Err(match refusal {
        R::Role(..) | R::Asker | R::NotAsker(_) => ApiError::Forbidden(words),
        R::Reason => ApiError::Bad(words),
        R::NoOriginal | R::Asked(_) | R::NotAsked | R::Twice | R::Approved | R::Ended => {
            ApiError::Conflict(words)
        }
    })
}

fn failed(error: FootageError) -> ApiError {
    match error {
        FootageError::Altered { .. } => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "footage is not shown"
            );
            ApiError::Conflict(Text::new(
                "磁盘上的影像文件已不是收到时的内容，不予显示",
                "the file on disk is no longer what was received; it is not shown",
            ))
        }
        error => ApiError::internal(error),
    }
}

fn not_here() -> ApiError {
    ApiError::Absent(Text::new(
        "这部分影像不在网关上",
        "this part of the footage is not at the gateway",
    ))
}

/// What a browser is told, whatever the agent said: nothing that a browser would run.
fn media_type(role: Role) -> &'static str {
    match role {
        Role::Before | Role::Still | Role::After => "image/jpeg",
        Role::Clip => "multipart/x-mixed-replace",
        Role::Detections => "application/json",
        Role::Original => "application/octet-stream",
    }
}

/// What a file is called in a download or a bundle.
fn file_name(role: Role) -> &'static str {
    match role {
        Role::Before => "before.jpg",
        Role::Still => "still.jpg",
        Role::After => "after.jpg",
        Role::Clip => "clip.mjpeg",
        Role::Detections => "detections.json",
        Role::Original => "original.age",
    }
}

/// What of the footage of these signals goes into a sealed bundle: each manifest as its agent signed it, and the masked pictures
/// and detections that are here and unharmed; no original. `footage.json` says of each file whether it is in the bundle, and why
/// if it is not.
pub fn sealed(inner: &Inner, signals: &[Signal]) -> Result<Vec<(String, Vec<u8>)>, ApiError> {
    let footage = inner
        .footage
        .of_signals(signals)
        .map_err(ApiError::internal)?;
    let (mut parts, mut list, mut room) = (Vec::new(), Vec::new(), BUNDLE_BYTES_MAX);
    for one in &footage {
        let folder = format!("footage/{}", &one.id[..16]);
        let signed = serde_json::to_vec_pretty(&one.signed).expect("a manifest is always JSON");
        parts.push((format!("{folder}/manifest.json"), signed));
        let mut files = Vec::new();
        let of = one.manifest.iter().flat_map(|m| &m.parts);
        // The clip comes last, so that it takes no room from what is small.
        for (role, part) in [false, true].into_iter().flat_map(|is_clip| {
            let of = of.clone().map(|part| (part.role, part));
            of.filter(move |(role, _)| (*role == Role::Clip) == is_clip)
        }) {
            let name = format!("{folder}/{}", file_name(role));
            let left_out = match in_bundle(inner, part, room)? {
                Ok(bytes) => {
                    room -= part.bytes;
                    parts.push((name.clone(), bytes));
                    None
                }
                Err(why) => Some(why),
            };
            files.push(serde_json::json!({
                "name": name, "role": role, "sha256": part.sha256, "bytes": part.bytes, "left_out": left_out,
            }));
        }
        list.push(serde_json::json!({
            "id": one.id, "camera": one.camera, "at": one.at.to_string(), "received_at": one.received_at.to_string(),
            "not_signed": one.refusal.as_ref().map(|refusal| refusal.words().en), "files": files,
        }));
    }
    if !list.is_empty() {
        let list = serde_json::to_vec_pretty(&list).expect("a list is always JSON");
        parts.push(("footage.json".to_owned(), list));
    }
    Ok(parts)
}

/// A file for a bundle, or why it is not in it.
fn in_bundle(
    inner: &Inner,
    part: &Part,
    room: u64,
) -> Result<Result<Vec<u8>, &'static str>, ApiError> {
    if part.role == Role::Original {
        return Ok(Err(
            "an original is not evidence here; it stays encrypted for its custodians",
        ));
    }
    if part.role == Role::Clip && part.bytes > inner.footage.plan().bundle_clip_bytes_max {
        return Ok(Err("longer than footage.bundle_clip_bytes_max"));
    }
    if part.bytes > room {
        return Ok(Err(
            "all footage of one bundle may not be longer than 128 MiB",
        ));
    }
    let mut file = match inner.footage.read(&part.sha256) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(Err("not at the gateway when the case was confirmed")),
        Err(FootageError::Altered { .. }) => return Ok(Err("altered on the gateway's disk")),
        Err(error) => return Err(ApiError::internal(error)),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(ApiError::internal)?;
    Ok(Ok(bytes))
}

impl Inner {
    fn announced(&self, id: &str) -> Result<Announced, ApiError> {
        let found = self.footage.one(id).map_err(ApiError::internal)?;
        found.ok_or_else(|| ApiError::absent("影像", "footage", id))
    }

    fn footage_view(&self, announced: Announced) -> Result<FootageView, ApiError> {
        let camera = self.registry.device(&announced.site, &announced.camera);
        let name = match camera {
            Some(camera) => camera.name.clone(),
            None => Text::new(announced.camera.as_str(), announced.camera.as_str()),
        };
        let shown = self.footage.shown(announced).map_err(ApiError::internal)?;
        Ok(FootageView::of(shown, name))
    }
}
