//! The page of the agent itself: `/` for a browser, `/status.json` for programs.
//!
//! Promise: it only reads. Off the machine it is shown to whoever has the token, as `Authorization: Bearer TOKEN` or
//! `?token=TOKEN`.

use super::view::Sight;
use crate::{
    folder::Folder,
    http::server::{self, Answer, Asked, is_same_secret},
    section::Section,
    source::json::config::token,
    stop::Stop,
};
use bytes::Bytes;
use contract::{Timestamp, problems::Problems};
use hyper::{Method, StatusCode};
use std::{fmt, net::SocketAddr};

const PAGE: &str = include_str!("page.html");
/// Nothing but the page itself may run, and nothing is fetched from elsewhere.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
    ),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
];

/// The `[status]` part of the configuration.
#[derive(Clone)]
pub struct StatusConfig {
    /// Where the page is.
    pub listen: SocketAddr,
    /// What must be shown to see it; none on the machine itself.
    pub token: Option<String>,
}

impl fmt::Debug for StatusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.listen)
    }
}

/// Reads it.
pub fn read(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<StatusConfig> {
    let listen = match part.has("listen") {
        true => part.parsed("listen", "\"127.0.0.1:8089\"", problems),
        false => Some(SocketAddr::from(([127, 0, 0, 1], 8089))),
    };
    let token = match part.has("token_file") {
        true => token(&mut part, folder, problems),
        false => None,
    };
    if let Some(listen) = &listen
        && !listen.ip().is_loopback()
        && token.is_none()
    {
        let fix = "write token_file = \"status.token\" with a random text in it, or listen = \"127.0.0.1:8089\"";
        problems.add(
            part.place("token_file"),
            format!("{listen} can be reached from other machines and there is no token"),
            fix,
        );
    }
    part.finish(problems);
    Some(StatusConfig {
        listen: listen?,
        token,
    })
}

/// Shows it until told to stop.
pub async fn run(config: StatusConfig, sight: Sight, stop: Stop) {
    let door = format!("page {}", config.listen);
    let heard = |state| sight.board.source(&door, state);
    let answer = |asked| std::future::ready(answer(&config, &sight, &asked));
    server::serve(config.listen, 1_024, stop, heard, answer).await;
}

fn answer(config: &StatusConfig, sight: &Sight, asked: &Asked) -> Answer {
    if asked.method != Method::GET {
        return Answer::words(StatusCode::METHOD_NOT_ALLOWED, "only GET is understood");
    }
    if let Some(token) = &config.token {
        let query = asked.query.as_deref().unwrap_or("");
        let in_query = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("token="));
        let given = asked.bearer.as_deref().or(in_query).unwrap_or("");
        if !is_same_secret(given, token) {
            let words = "请在地址后加 ?token=…（见盒子上的 token_file）\nadd ?token=TOKEN to the address; it is in the token_file on the box";
            return Answer::words(StatusCode::UNAUTHORIZED, words);
        }
    }
    let (kind, body) = match asked.path.as_str() {
        "/" => (
            "text/html; charset=utf-8",
            Bytes::from_static(PAGE.as_bytes()),
        ),
        "/status.json" => {
            let status = sight.look(Timestamp::now());
            let json = serde_json::to_vec(&status).expect("a status is always JSON");
            ("application/json", json.into())
        }
        _ => return Answer::words(StatusCode::NOT_FOUND, "there is / and /status.json"),
    };
    Answer {
        status: StatusCode::OK,
        kind,
        headers: HEADERS,
        body,
    }
}
