//! One GET: a connection of its own, one answer, no redirects. Plain, or TLS against the certificates of a given file.
//! Whoever reads an endless answer takes the connection alone ([`connect`]).

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{fmt, str::FromStr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// An address that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// True for `https`.
    pub is_tls: bool,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("{text:?} is not a URL: {error}"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("{text:?} begins with neither http:// nor https://")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("{text:?} names no host"))?;
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err("a password does not belong into a URL".into());
        }
        let usual = if is_tls { 443 } else { 80 };
        Ok(Url {
            is_tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(usual),
            path: uri
                .path_and_query()
                .map_or("/".to_owned(), |path| path.as_str().to_owned()),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("no answer in HTTP")]
    Http(#[from] hyper::Error),
    /// The answer is too long.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer broke off.
    #[error("the answer broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is asked cannot stand in a request.
    #[error("the request cannot be written")]
    Request(#[from] hyper::http::Error),
}

/// TLS against certificates of our choice.
#[derive(Clone)]
pub struct Trust {
    pem: Vec<u8>,
    config: Arc<ClientConfig>,
}

impl PartialEq for Trust {
    fn eq(&self, other: &Trust) -> bool {
        self.pem == other.pem
    }
}

/// TLS against the certificates in `pem`.
pub fn tls(pem: &[u8]) -> Result<Trust, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Trust {
        pem: pem.to_owned(),
        config: Arc::new(config),
    })
}

/// A connection, plain or TLS.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Connects. The caller bounds the time. Cancel-safe.
pub async fn connect(url: &Url, tls: Option<&Trust>) -> Result<Box<dyn Wire>, GetError> {
    let stream = TcpStream::connect((url.host.as_str(), url.port))
        .await
        .map_err(GetError::Connect)?;
    let Some(trust) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(url.host.clone()).map_err(|error| {
        GetError::Connect(std::io::Error::new(std::io::ErrorKind::InvalidInput, error))
    })?;
    let stream = TlsConnector::from(trust.config.clone())
        .connect(name, stream)
        .await
        .map_err(GetError::Connect)?;
    Ok(Box::new(stream))
}

/// Asks once. The caller bounds the time. Cancel-safe.
pub async fn get(
    url: &Url,
    tls: Option<&Trust>,
    authorization: Option<&str>,
    body_max: usize,
) -> Result<(StatusCode, Bytes), GetError> {
    let wire = connect(url, tls).await?;
    let mut request = Request::get(&url.path)
        .header(header::HOST, format!("{}:{}", url.host, url.port))
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close");
    if let Some(text) = authorization {
        let mut value = HeaderValue::from_str(text).map_err(hyper::http::Error::from)?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request.body(Empty::new())?;
    exchange(wire, request, body_max).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
    body_max: usize,
) -> Result<(StatusCode, Bytes), GetError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), body_max).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                GetError::TooLong(body_max)
            } else {
                GetError::Body(error)
            }
        })?;
        Ok((status, body.to_bytes()))
    };
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        // The connection may end before the answer has been looked at.
        ended = connection => match ended {
            Ok(()) => asking.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_in_words() {
        let url: Url = "http://192.168.1.30/rpc?x=1".parse().unwrap();
        assert_eq!((url.port, url.path.as_str()), (80, "/rpc?x=1"));
        let url: Url = "https://[::1]:8443".parse().unwrap();
        assert_eq!(
            (url.is_tls, url.host.as_str(), url.port, url.path.as_str()),
            (true, "::1", 8443, "/")
        );
        for bad in ["192.168.1.30", "ftp://x/", "http://u:p@x/", "http:///x", ""] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
