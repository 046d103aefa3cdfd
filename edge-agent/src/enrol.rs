//! `edge-agent enroll`: a one-time code becomes a key, a certificate and the knowledge of the gateway.
//!
//! Promise: the key is made here and stays; the code is not sent; an answer that was not made with the code changes nothing
//! on this box, so plain HTTP will do. What was cut short can be done again with the same code, while it is valid.
//!
//! Writes `agent.key`, `agent.crt`, `ca.crt` and `enrolment.toml` (who this is, where the gateway is) and, if there is none,
//! an `edge-agent.toml` that names it. With that the agent runs.

use crate::identity::{Files, read, write};
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use contract::enrol::{Answer, Code, GATEWAY_NAME, Request, Sealed};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What to do.
#[derive(Debug)]
pub struct Enrolment {
    /// The gateway's HTTP, `http://host:port` or `https://host:port`.
    pub gateway: Uri,
    /// The one-time code.
    pub code: Code,
    /// Where the files go.
    pub folder: PathBuf,
    /// This box may be enrolled already.
    pub is_again: bool,
}

impl Enrolment {
    /// Enrols this box; gives the file with which the agent runs.
    pub async fn run(&self) -> anyhow::Result<(Answer, PathBuf)> {
        let files = self.files();
        ensure!(
            self.is_again || !files.certificate.exists(),
            "this box is enrolled already: {} is there; --again enrols it anew",
            files.certificate.display()
        );
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let csr = files.request()?;
        let secret = self.code.secret();
        let request = Request {
            code: secret.id(),
            seal: secret.seal_request(&csr),
            csr,
        };
        let asked = timeout(LIMIT, self.post(&request)).await;
        let sealed = asked.context("the gateway did not answer within 30 s")??;
        ensure!(
            secret.is_of_answer(&request.csr, &sealed.answer, &sealed.seal),
            "the answer was not made by a gateway that knows the code: somebody is between this box and the gateway; nothing was changed"
        );
        let answer: Answer =
            serde_json::from_str(&sealed.answer).context("the gateway's answer cannot be read")?;
        let config = self.keep(&files, &answer)?;
        Ok((answer, config))
    }

    fn files(&self) -> Files {
        Files {
            authority: self.folder.join("ca.crt"),
            certificate: self.folder.join("agent.crt"),
            key: self.folder.join("agent.key"),
        }
    }

    /// The pair takes its place last: until then the box is what it was.
    fn keep(&self, files: &Files, answer: &Answer) -> anyhow::Result<PathBuf> {
        files.keep(&answer.certificate)?;
        write(&files.authority, answer.authority.as_bytes(), 0o644)?;
        let host = match &answer.host {
            Some(host) => host.as_str(),
            None => self
                .gateway
                .host()
                .context("the gateway's URL has no host")?,
        };
        let text = enrolment_text(answer, host.trim_matches(['[', ']']));
        write(&self.folder.join("enrolment.toml"), text.as_bytes(), 0o644)?;
        let config = self.folder.join("edge-agent.toml");
        if read(&config).is_err() {
            write(&config, FIRST_CONFIG.as_bytes(), 0o644)?;
        }
        files.replace()?;
        Ok(config)
    }

    async fn post(&self, request: &Request) -> anyhow::Result<Sealed> {
        let host = self
            .gateway
            .host()
            .context("the gateway's URL has no host")?;
        let host = host.trim_matches(['[', ']']);
        let is_tls = match self.gateway.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!(
                "{} is not http://host:port or https://host:port",
                self.gateway
            ),
        };
        let port = self.gateway.port_u16();
        let port = port.unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port))
            .await
            .with_context(|| format!("cannot reach {host} port {port}"))?;
        if !is_tls {
            return exchange(stream, &self.gateway, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).context("the host is not a name")?;
        let connector = tokio_rustls::TlsConnector::from(sealed_anyway()?);
        let stream = connector.connect(name, stream).await;
        exchange(
            stream.context("no TLS with the gateway")?,
            &self.gateway,
            request,
        )
        .await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    gateway: &Uri,
    request: &Request,
) -> anyhow::Result<Sealed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let authority = gateway
        .authority()
        .context("the gateway's URL has no host")?;
    let body = serde_json::to_vec(request).context("a request is always JSON")?;
    let path = format!("{}/api/enroll", gateway.path().trim_end_matches('/'));
    let post = hyper::Request::post(path)
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answer = async move {
        let answer = sender.send_request(post).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|e| anyhow::anyhow!(e))?;
        Ok::<_, anyhow::Error>((status, body.to_bytes()))
    };
    // The connection ends when the sender is dropped.
    let (answer, _ended) = tokio::join!(answer, connection);
    let (status, body) = answer.context("the gateway does not answer")?;
    if status != StatusCode::OK {
        bail!("the gateway refuses ({status}): {}", words(&body));
    }
    serde_json::from_slice(&body).context("this is not an answer of a gateway")
}

/// The words of a refusal, in both languages.
fn words(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: Words,
    }
    #[derive(serde::Deserialize)]
    struct Words {
        zh: String,
        en: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { message }) => format!("{}\n{}", message.en, message.zh),
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
    }
}

fn enrolment_text(answer: &Answer, host: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "# Written by `edge-agent enroll`: who this agent is, and where its gateway is.\n\
         site = {}\nagent = {}\n\n[gateway]\nhost = {}\nport = {}\nserver_name = {}\n\
         ca_file = \"ca.crt\"\ncertificate_file = \"agent.crt\"\nkey_file = \"agent.key\"\n",
        quoted(answer.site.as_str()),
        quoted(answer.agent.as_str()),
        quoted(host),
        answer.port,
        quoted(GATEWAY_NAME),
    )
}

const FIRST_CONFIG: &str = "# The edge agent; `edge-agent check-config --config FILE` lists every problem.\n\
    enrolment = \"enrolment.toml\"   # who this is and where the gateway is; written by `edge-agent enroll`\n\n\
    [buffer]\npath = \"buffer.db\"\n\n\
    # The box's own page, and `edge-agent status`.\n[status]\nlisten = \"127.0.0.1:8089\"\n\n\
    # What to ask, one [[device]] each:\n\
    # [[device]]\n# id = \"cold-room\"\n# profile = \"devices/cold-room-logger.toml\"\n\
    # address = \"192.168.1.20:502\"\n# every = \"5s\"\n";

/// TLS for an exchange that needs none: the seals show who is at the other end, and a box that is not yet enrolled knows no
/// authority and perhaps not the time.
fn sealed_anyway() -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Sealing(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("no TLS")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Sealing(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Sealing {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
