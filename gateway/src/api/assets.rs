//! The console's files, built into the binary if they were there when it was built.

use axum::{
    http::{StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};

#[derive(rust_embed::RustEmbed)]
#[folder = "console/dist"]
#[allow_missing = true]
struct Console;

const ABSENT: &str = "<!doctype html><meta charset=utf-8><title>OneDoor</title><h1>OneDoor</h1>\
<p>网关运行正常，但编译时没有控制台。The gateway runs, but was built without the console.</p>\
<pre>cd gateway/console &amp;&amp; npm ci &amp;&amp; npm run build\ncargo build --release -p gateway</pre>";

/// A file of the console; its start page for every path that is not a file, so that links lead into it.
pub async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return super::error::ApiError::absent("接口", "endpoint", uri.path()).into_response();
    }
    let file = Console::get(path)
        .map(|file| (path, file))
        .or_else(|| Some(("index.html", Console::get("index.html")?)));
    let Some((name, file)) = file else {
        return (StatusCode::OK, Html(ABSENT)).into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    let cache = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)],
        file.data.into_owned(),
    )
        .into_response()
}
