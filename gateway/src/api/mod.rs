//! HTTP: the console's and other systems' door. Every endpoint is authenticated (enrolment by the seal
//! of a one-time code); every refusal says why.
//!
//! Handlers parse, call, and turn the result into a view. `openapi.json` is generated from them and committed;
//! a test fails when it drifts.

mod assets; // the console's files
mod cameras; // cameras, and how good the rules on what they see are
mod cases; // cases and their decisions
mod configuration; // what an agent is to run
mod control; // orders to devices
mod coverage; // completeness and agents
mod credit; // credit records
pub mod error; // statuses and words of refusals
mod fleet; // agents: enrolment, the list, revocation
mod footage; // footage, and asking for originals
mod pages; // domain records become pages
mod plan; // the visit plan
mod session; // signing in and out
mod sites; // sites, points, signals, series
mod status; // the gateway itself, and live updates
pub mod view; // what goes over the wire

use crate::{
    account::{self, Act, User},
    control::Control,
    coverage::Coverage,
    credit::Action,
    detect::{Signals, rule::Rule},
    evidence::Vault,
    fleet::Fleet,
    footage::Footage,
    ingest::Ingest,
    inspection::frequency::Frequency,
    metrics::Metrics,
    registry::Registry,
    series::{Series, influx},
    store::Records,
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::{HeaderName, HeaderValue, header, request::Parts},
};
use contract::Timestamp;
use error::ApiError;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Everything handlers need.
#[derive(Clone)]
pub struct Api(pub Arc<Inner>);

/// See [`Api`].
pub struct Inner {
    /// The records.
    pub records: Records,
    /// The registry.
    pub registry: Arc<Registry>,
    /// The agents.
    pub fleet: Fleet,
    /// Orders to devices.
    pub control: Control,
    /// The rules in force.
    pub rules: Vec<Rule>,
    /// 1 in earnest.
    pub time_scale: f64,
    /// How often somebody may visit.
    pub frequency: Frequency,
    /// Signals.
    pub signals: Signals,
    /// Series.
    pub series: Series,
    /// The coverage ledger.
    pub coverage: Coverage,
    /// The footage.
    pub footage: Footage,
    /// Ingest.
    pub ingest: Ingest,
    /// Sealed evidence.
    pub vault: Vault,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The last block detection has looked at.
    pub detected: Arc<AtomicU64>,
    /// Whether a model scores.
    pub scoring: Scoring,
    /// How writing to InfluxDB goes, if it is configured.
    pub influx: Option<watch::Receiver<influx::State>>,
    /// When the gateway started.
    pub started_at: Timestamp,
    /// Told whenever records changed.
    pub changed: watch::Sender<u64>,
    /// Ends event streams.
    pub stopping: watch::Receiver<bool>,
    /// Failed sign-ins by name: how many, and when the last was.
    pub failed: Mutex<HashMap<String, (u32, Timestamp)>>,
}

/// Whether a model scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scoring {
    /// No model is configured.
    Off,
    /// The model scores.
    Ready,
    /// It cannot, and why.
    Unavailable(String),
}

impl Api {
    fn told(&self) {
        self.0.changed.send_modify(|n| *n += 1);
    }

    /// Runs something that waits for the disk on a thread that may.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Inner) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let inner = self.0.clone();
        tokio::task::spawn_blocking(move || act(&inner))
            .await
            .map_err(ApiError::internal)?
    }
}

/// What a handler answers.
type Answer<T> = Result<Json<T>, ApiError>;

/// The signed-in user; extracting it is the authentication.
pub struct SignedIn(pub User);

const COOKIE: &str = "onedoor=";

fn token(parts: &Parts) -> Option<String> {
    let cookies = parts.headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split(';')
        .find_map(|c| c.trim().strip_prefix(COOKIE))
        .map(str::to_owned)
}

impl User {
    /// Refuses, with who may, what the role does not allow.
    fn must(&self, act: Act) -> Result<(), ApiError> {
        match self.role.may(act) {
            true => Ok(()),
            false => Err(ApiError::Forbidden(self.role.refusal(act))),
        }
    }
}

impl FromRequestParts<Api> for SignedIn {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let token = token(parts).ok_or(ApiError::SignIn)?;
        let now = Timestamp::now();
        let user = api
            .blocking(move |inner| {
                account::session(&inner.records, &token, now).map_err(ApiError::internal)
            })
            .await?;
        user.map(SignedIn).ok_or(ApiError::SignIn)
    }
}

/// The routes with their description.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(
            session::sign_in,
            session::whoami,
            session::sign_out
        ))
        .routes(routes!(sites::overview))
        .routes(routes!(sites::site))
        .routes(routes!(sites::site_signals))
        .routes(routes!(sites::series))
        .routes(routes!(cases::cases))
        .routes(routes!(cases::case))
        .routes(routes!(cases::take))
        .routes(routes!(cases::decide))
        .routes(routes!(credit::businesses))
        .routes(routes!(credit::credit))
        .routes(routes!(credit::act))
        .routes(routes!(plan::plan))
        .routes(routes!(cases::bundle))
        .routes(routes!(coverage::coverage))
        .routes(routes!(coverage::fleet))
        .routes(routes!(coverage::fleet_agent))
        .routes(routes!(status::status))
        .routes(routes!(fleet::enroll))
        .routes(routes!(fleet::agents, fleet::add))
        .routes(routes!(fleet::revoke))
        .routes(routes!(configuration::versions, configuration::propose))
        .routes(routes!(control::orders, control::order))
        .routes(routes!(footage::footage))
        .routes(routes!(footage::one))
        .routes(routes!(footage::part))
        .routes(routes!(footage::unmask))
        .routes(routes!(footage::approve))
        .routes(routes!(footage::refuse))
        .routes(routes!(footage::withdraw))
        .routes(routes!(cameras::cameras))
}

/// The description, as JSON text.
pub fn openapi() -> String {
    let (_, mut api) = described().split_for_parts();
    // A path parameter's type is not collected from its route.
    if let Some(components) = api.components.as_mut() {
        components
            .schemas
            .insert(Action::name().into(), Action::schema());
    }
    api.info = utoipa::openapi::Info::new("OneDoor gateway", env!("CARGO_PKG_VERSION"));
    api.to_pretty_json().expect("a description is always JSON") + "\n"
}

/// The whole door: API, events and console.
pub fn router(api: Api) -> Router {
    let (routes, _) = described().split_for_parts();
    routes
        .route("/api/events", axum::routing::get(status::events))
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(64 << 10))
        .layer(axum::middleware::map_response(secured))
        .with_state(api)
}

/// Headers that browsers heed.
async fn secured(mut response: axum::response::Response) -> axum::response::Response {
    const HEADERS: [(&str, &str); 4] = [
        (
            "content-security-policy",
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        if !response.headers().contains_key(&name) {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

impl Inner {
    fn detected(&self) -> u64 {
        self.detected.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn openapi_json_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let generated = super::openapi();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == generated,
            "gateway/openapi.json drifted; run UPDATE_OPENAPI=1 cargo test -p gateway openapi"
        );
    }
}
