//! A credit platform and a gateway with the example registry and rules.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use contract::Timestamp;
use gateway::account::{self, Role};
use gateway::detect::rule::Severity;
use gateway::store::Records;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// A platform that answers as told, then 201; it keeps the keys it took, in order.
#[derive(Clone, Default)]
pub struct Platform {
    pub answers: Arc<Mutex<VecDeque<u16>>>,
    pub taken: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

pub async fn receive(
    State(platform): State<Platform>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let answer = platform.answers.lock().unwrap().pop_front().unwrap_or(201);
    if answer < 300 {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let body = serde_json::from_str(&body).unwrap();
        platform.taken.lock().unwrap().push((key, body));
    }
    let status = StatusCode::from_u16(answer).unwrap();
    (status, [(header::RETRY_AFTER, "0")], "as told")
}

impl Platform {
    pub async fn listen(&self) -> String {
        let routes = Router::new()
            .route("/credit-entries", post(receive))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/")
    }

    pub fn keys(&self) -> Vec<String> {
        self.taken
            .lock()
            .unwrap()
            .iter()
            .map(|(key, _)| key.clone())
            .collect()
    }
}

/// A gateway with the example registry and rules, and five people.
pub struct Gateway {
    pub running: gateway::app::Running,
    pub signals: gateway::detect::Signals,
    pub folder: tempfile::TempDir,
    pub http: reqwest::Client,
    pub base: String,
    pub cookies: std::collections::HashMap<&'static str, String>,
}

impl Gateway {
    pub async fn start(platform: &str) -> Gateway {
        Gateway::start_with(platform, "", "", "").await
    }

    /// With more lines of configuration, registry and rules.
    pub async fn start_with(platform: &str, more: &str, registry: &str, rules: &str) -> Gateway {
        let _before = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
        let registry = read(config.join("registry.toml")) + registry;
        std::fs::write(folder.path().join("registry.toml"), registry).unwrap();
        let packs = folder.path().join("rules");
        std::fs::create_dir(&packs).unwrap();
        for pack in std::fs::read_dir(config.join("rules")).unwrap() {
            let pack = pack.unwrap();
            std::fs::copy(pack.path(), packs.join(pack.file_name())).unwrap();
        }
        if !rules.is_empty() {
            std::fs::write(packs.join("of-the-test.toml"), rules).unwrap();
        }
        let text = format!(
            "data = {data:?}\nhttp = \"127.0.0.1:0\"\nregistry = \"registry.toml\"\nrules = \"rules\"\n\
             [broker]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"127.0.0.1:0\"\nallow_anonymous = true\n[credit]\nplatform = {platform:?}\n{more}\n"
        );
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        let mut problems = contract::problems::Problems::new();
        let config =
            gateway::config::load(&file, &mut problems).expect("the configuration is read");
        assert!(problems.is_empty(), "{problems}");
        let ca = gateway::ca::CaFolder::new(&data.join("ca"));
        ca.init(&["127.0.0.1".to_owned()], Timestamp::now())
            .unwrap();
        let records = Records::open(&data.join("records.db")).unwrap();
        let mut passwords = Vec::new();
        for (name, role) in [
            ("chen", Role::Inspector),
            ("li", Role::Reviewer),
            ("wang", Role::Reviewer),
            ("zhao", Role::Reviewer),
            ("root", Role::Admin),
        ] {
            passwords.push((name, account::add(&records, name, role).unwrap()));
        }
        let running = gateway::app::start(config).await.unwrap();
        let base = format!("http://{}", running.http);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut cookies = std::collections::HashMap::new();
        for (name, password) in passwords {
            let body = serde_json::json!({ "user": name, "password": password });
            let response = http
                .post(format!("{base}/api/session"))
                .json(&body)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            let cookie = response.headers()["set-cookie"].to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
            cookies.insert(name, cookie.split(';').next().unwrap().to_owned());
        }
        let signals = gateway::detect::Signals::open(&data.join("detect.db")).unwrap();
        Gateway {
            running,
            signals,
            folder,
            http,
            base,
            cookies,
        }
    }

    pub async fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: serde_json::Value,
    ) -> reqwest::Response {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(cookie) = self.cookies.get(who) {
            request = request.header("cookie", cookie);
        }
        if method == "POST" {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> serde_json::Value {
        let response = self.send("li", "GET", path, serde_json::Value::Null).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The answer's status, and its words.
    pub async fn post(&self, who: &str, path: &str, body: serde_json::Value) -> (u16, String) {
        let response = self.send(who, "POST", path, body).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Waits until `path` answers something that `is_there` accepts.
    pub async fn wait(
        &self,
        path: &str,
        is_there: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let answer = self.get(path).await;
            if is_there(&answer) {
                return answer;
            }
            assert!(
                std::time::Instant::now() < limit,
                "{path} still answers {answer}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The id of the first case that nobody decided.
    pub async fn undecided(&self) -> String {
        let is_there = |cases: &serde_json::Value| !cases.as_array().unwrap().is_empty();
        let cases = self.wait("/api/cases?state=open", is_there).await;
        cases[0]["id"].as_str().unwrap().to_owned()
    }

    pub fn raise(&self, device: &str, minutes_ago: i64) {
        self.raise_from(device, minutes_ago, None);
    }

    /// Raises a signal of a model, or of a rule if there is none.
    pub fn raise_from(&self, device: &str, minutes_ago: i64, model: Option<&str>) {
        let mut problems = contract::problems::Problems::new();
        let rules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/rules");
        let rules = gateway::detect::rule::load(&rules, &mut problems);
        let rule = rules.iter().find(|r| r.point == "temperature").unwrap();
        let opened_at = Timestamp::now().plus_millis(-minutes_ago * 60_000);
        let signal = gateway::detect::Signal {
            id: format!("{device}{minutes_ago}"),
            source: match model {
                Some(name) => gateway::detect::Source::Model {
                    name: name.into(),
                    version: 1,
                    sha256: "0".repeat(64),
                },
                None => gateway::detect::Source::Rule {
                    id: rule.id.clone(),
                    version: rule.version,
                },
            },
            site: contract::SiteId::new("restaurant").unwrap(),
            device: contract::DeviceId::new(device).unwrap(),
            point: contract::PointName::new("temperature").unwrap(),
            severity: if model.is_some() {
                Severity::I
            } else {
                Severity::III
            },
            escalated: None,
            opened_at,
            last_at: opened_at.plus_millis(30_000),
            closed_at: Some(opened_at.plus_millis(30_000)),
            measured: 12.5,
            peak: 13.0,
            limit: Some(8.0),
            unit: "℃".into(),
            journal_seq: 1,
        };
        self.signals.apply(&[signal]).unwrap();
    }
}

pub fn decision(which: &str, reason: &str, all: bool) -> serde_json::Value {
    let ground = (which == "confirm").then(|| serde_json::json!({ "kind": "rule", "id": "F-02a" }));
    serde_json::json!({ "decision": which, "reason": reason, "ground": ground,
        "checks": { "true": true, "complete": true, "clear": true, "accurate": all } })
}
