//! A gateway's door for footage, made here: HTTPS with client certificates, and a line and a server that misbehave.

use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// An authority with a server's certificate, and those of an agent in a folder.
pub struct Certificates {
    pub server: Arc<ServerConfig>,
}

impl Certificates {
    /// Writes `ca.crt`, `agent.crt` and `agent.key` into the folder.
    pub fn make(folder: &Path) -> Certificates {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let issue = |names: Vec<String>, common: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, common);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (agent, agent_key) = issue(Vec::new(), "a");
        let (server, server_key) = issue(vec!["127.0.0.1".into()], "gateway");
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("ca.crt", &authority.pem());
        write("agent.crt", &agent);
        write("agent.key", &agent_key);
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let certificate = CertificateDer::from_pem_slice(server.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(server_key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Certificates {
            server: Arc::new(config),
        }
    }

    /// The lines of `[gateway]` that name them.
    pub fn lines() -> &'static str {
        "ca_file = \"ca.crt\"\ncertificate_file = \"agent.crt\"\nkey_file = \"agent.key\"\n"
    }

    /// A door with TLS before a plain one; its port.
    pub async fn before(&self, plain: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(self.server.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    let mut to = TcpStream::connect(("127.0.0.1", plain)).await.ok()?;
                    tokio::io::copy_bidirectional(&mut stream, &mut to)
                        .await
                        .ok()
                });
            }
        });
        port
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mischief {
    /// Nothing.
    None,
    /// The connection is cut after the head.
    CutEarly,
    /// It is cut after half of the body, which counts.
    CutHalf,
    /// It is cut after all was taken, before the answer.
    CutLate,
    /// 503.
    Busy,
    /// HEAD: more than there is. PUT: another offset than the true one.
    Lie,
    /// What came so far is forgotten.
    Forget,
    /// Everything takes its time.
    Slow,
    /// The answer is no HTTP.
    Rubbish,
}

const ALL: [Mischief; 9] = [
    Mischief::None,
    Mischief::CutEarly,
    Mischief::CutHalf,
    Mischief::CutLate,
    Mischief::Busy,
    Mischief::Lie,
    Mischief::Forget,
    Mischief::Slow,
    Mischief::Rubbish,
];

#[derive(Debug, Default)]
struct State {
    announced: HashMap<String, u64>,
    parts: HashMap<String, Vec<u8>>,
    whole: HashMap<String, Vec<u8>>,
    /// Files that became whole, in order; one that came twice is here twice.
    completed: Vec<String>,
    /// Files that are never taken, and why.
    refused: HashMap<String, &'static str>,
    /// Requests for each of them.
    refusals: HashMap<String, u64>,
    /// Things that a careful gateway would not have been told.
    faults: Vec<String>,
    dice: u64,
    requests: u64,
}

/// The door.
pub struct Gateway {
    pub port: u16,
    /// Of so many requests in a hundred something goes wrong.
    mischief: Mutex<u64>,
    state: Mutex<State>,
}

impl Gateway {
    pub async fn start(certificates: &Certificates, seed: u64, mischief: u64) -> Arc<Gateway> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Arc::new(Gateway {
            port: listener.local_addr().unwrap().port(),
            mischief: Mutex::new(mischief),
            state: Mutex::new(State {
                dice: seed | 1,
                ..State::default()
            }),
        });
        let acceptor = TlsAcceptor::from(certificates.server.clone());
        let accepting = gateway.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, gateway) = (acceptor.clone(), accepting.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let mut stream = BufReader::new(stream);
                        while gateway.request(&mut stream).await.is_some() {}
                    }
                });
            }
        });
        gateway
    }

    pub fn set_mischief(&self, percent: u64) {
        *self.mischief.lock().unwrap() = percent;
    }

    /// The manifest of a file has come.
    pub fn announce(&self, sha256: &str, bytes: u64) {
        let mut state = self.state.lock().unwrap();
        state.announced.insert(sha256.to_owned(), bytes);
    }

    /// A file is never taken, for this reason.
    pub fn refuse(&self, sha256: &str, why: &'static str) {
        let mut state = self.state.lock().unwrap();
        state.refused.insert(sha256.to_owned(), why);
    }

    /// How often a file that is never taken was asked for or sent.
    pub fn refusals(&self, sha256: &str) -> u64 {
        let state = self.state.lock().unwrap();
        state.refusals.get(sha256).copied().unwrap_or(0)
    }

    fn is_refused(&self, sha256: &str) -> Option<&'static str> {
        let mut state = self.state.lock().unwrap();
        let why = state.refused.get(sha256).copied()?;
        *state.refusals.entry(sha256.to_owned()).or_default() += 1;
        Some(why)
    }

    pub fn file(&self, sha256: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().whole.get(sha256).cloned()
    }

    pub fn completed(&self) -> Vec<String> {
        self.state.lock().unwrap().completed.clone()
    }

    pub fn faults(&self) -> Vec<String> {
        self.state.lock().unwrap().faults.clone()
    }

    pub fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }

    fn choose(&self) -> Mischief {
        let percent = *self.mischief.lock().unwrap();
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        // Xorshift64.
        state.dice ^= state.dice << 13;
        state.dice ^= state.dice >> 7;
        state.dice ^= state.dice << 17;
        let dice = state.dice >> 11;
        match dice % 100 < percent {
            true => ALL[1 + (dice / 100) as usize % (ALL.len() - 1)],
            false => Mischief::None,
        }
    }

    /// One request; nothing when the connection is over.
    async fn request<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
    ) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut words = head.split_ascii_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?);
        let sha256 = path.strip_prefix("/footage/")?.to_owned();
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length").map_or(0, |n| n.parse().unwrap());
        let mischief = self.choose();
        if mischief == Mischief::CutEarly {
            return None;
        }
        if mischief == Mischief::Slow {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let taken = if mischief == Mischief::CutHalf {
            length / 2
        } else {
            length
        };
        let mut body = vec![0; taken];
        stream.read_exact(&mut body).await.ok()?;
        if let Some(why) = self.is_refused(&sha256) {
            let text =
                format!("HTTP/1.1 403 -\r\nContent-Length: 0\r\nFootage-Refused: {why}\r\n\r\n");
            stream.write_all(text.as_bytes()).await.ok()?;
            return stream.flush().await.ok();
        }
        let (status, offset) = match mischief {
            Mischief::Busy => (503, None),
            _ => self.answer(&method, &sha256, header("content-range"), &body, mischief),
        };
        let text = match mischief {
            Mischief::CutHalf | Mischief::CutLate => return None,
            Mischief::Rubbish => "what do you want\r\n\r\n".to_owned(),
            _ => {
                let offset = offset.map_or(String::new(), |n| format!("Upload-Offset: {n}\r\n"));
                let length = if status == 204 {
                    ""
                } else {
                    "Content-Length: 0\r\n"
                };
                format!("HTTP/1.1 {status} -\r\n{length}{offset}\r\n")
            }
        };
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.flush().await.ok()
    }

    fn answer(
        &self,
        method: &str,
        sha256: &str,
        range: Option<String>,
        body: &[u8],
        mischief: Mischief,
    ) -> (u16, Option<u64>) {
        let mut state = self.state.lock().unwrap();
        let Some(total) = state.announced.get(sha256).copied() else {
            return (404, None);
        };
        if mischief == Mischief::Forget {
            state.parts.remove(sha256);
        }
        if state.whole.contains_key(sha256) {
            return (200, None);
        }
        let have = state.parts.get(sha256).map_or(0, Vec::len) as u64;
        if method == "HEAD" {
            let lie = if mischief == Mischief::Lie {
                total + 7
            } else {
                have
            };
            return (204, Some(lie));
        }
        let range = range.unwrap_or_default();
        let parsed = range.strip_prefix("bytes ").and_then(|rest| {
            let (span, total) = rest.split_once('/')?;
            let (from, to) = span.split_once('-')?;
            Some((
                from.parse::<u64>().ok()?,
                to.parse::<u64>().ok()?,
                total.parse::<u64>().ok()?,
            ))
        });
        let Some((from, to, said)) = parsed else {
            state.faults.push(format!("no range: {range:?}"));
            return (400, None);
        };
        if said != total || to >= total {
            state.faults.push(format!("{range} of {total}"));
            return (413, None);
        }
        if mischief == Mischief::Lie {
            return (409, Some(have / 2));
        }
        if from != have {
            return (409, Some(have));
        }
        let part = state.parts.entry(sha256.to_owned()).or_default();
        part.extend_from_slice(body);
        if (part.len() as u64) < total {
            return (202, None);
        }
        let whole = state.parts.remove(sha256).unwrap();
        if contract::hex::sha256(&whole) != sha256 {
            state
                .faults
                .push(format!("{sha256} came with another content"));
            return (422, None);
        }
        state.whole.insert(sha256.to_owned(), whole);
        state.completed.push(sha256.to_owned());
        (201, None)
    }
}
