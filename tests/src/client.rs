//! The API as the console uses it: a session cookie, JSON in, JSON out; refusals carry their words.

use anyhow::Context;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    cookie: String,
}

/// TLS for HTTP clients and MQTT clients of this crate; safe to call more than once.
pub fn install_tls() {
    // An error means that a provider is installed already, and it can only be this one.
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
}

impl Client {
    /// Signs in at `base` (scheme, host and port).
    pub async fn sign_in(base: &str, name: &str, password: &str) -> anyhow::Result<Self> {
        install_tls();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        let body = serde_json::json!({ "name": name, "password": password });
        let response = http
            .post(format!("{base}/api/session"))
            .json(&body)
            .send()
            .await
            .with_context(|| format!("cannot reach {base}"))?;
        let status = response.status();
        let cookie = response
            .headers()
            .get(header::SET_COOKIE)
            .and_then(|c| c.to_str().ok())
            .map(|c| c.split(';').next().unwrap_or_default().to_owned());
        let text = response.text().await.unwrap_or_default();
        anyhow::ensure!(
            status.is_success(),
            "signing in as {name} was refused ({status}): {text}"
        );
        let cookie = cookie.context("signing in set no cookie")?;
        Ok(Client {
            base: base.to_owned(),
            http,
            cookie,
        })
    }

    /// GET of a path below /api.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let bytes = self.bytes(path).await?;
        serde_json::from_slice(&bytes).with_context(|| format!("GET {path} did not answer JSON"))
    }

    /// GET of a path, as bytes.
    pub async fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let (status, bytes) = self.send(Method::GET, path, None).await?;
        anyhow::ensure!(
            status.is_success(),
            "GET {path}: {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(bytes)
    }

    /// POST of JSON; `Null` when the answer has no body.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, bytes) = self.send(Method::POST, path, Some(body)).await?;
        anyhow::ensure!(
            status.is_success(),
            "POST {path}: {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        if bytes.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&bytes).context("not JSON")
        }
    }

    /// The event stream, as it comes.
    pub async fn events(&self) -> anyhow::Result<reqwest::Response> {
        let request = self
            .http
            .get(format!("{}/api/events", self.base))
            .header(header::COOKIE, &self.cookie);
        let response = request.send().await.context("no event stream")?;
        response
            .error_for_status()
            .context("the event stream was refused")
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .header(header::COOKIE, &self.cookie);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{method} {path} got no answer"))?;
        let status = response.status();
        Ok((
            status,
            response
                .bytes()
                .await
                .context("the answer broke off")?
                .to_vec(),
        ))
    }
}

/// The items of a list answer: the answer itself, or the one list in it.
pub fn items(answer: &Value) -> Vec<Value> {
    match answer {
        Value::Array(list) => list.clone(),
        Value::Object(fields) => fields
            .values()
            .find_map(Value::as_array)
            .cloned()
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}
