//! TLS for the broker: files to a rustls configuration that requires a client certificate.
//!
//! A certificate that has run out is let through for some time: whether its holder may come in then is for
//! [`super::access`], which knows whom it was given to. The gateway's own certificate is read anew when it was renewed.

use contract::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Certificate, key and the authority whose client certificates are accepted.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// PEM file: the gateway's certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file: the gateway's private key.
    pub key: PathBuf,
    /// PEM file: the authority (or several) that signs agents' certificates.
    pub client_ca: PathBuf,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read {what} from {}", path.display())]
    File {
        /// Certificate, key or authority.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// There is no authority in the file.
    #[error("there is no usable certificate in {}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// rustls refuses the authority.
    #[error("the client authority cannot be used")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// rustls refuses certificate or key.
    #[error("the certificate and key cannot be used")]
    Config(#[source] rustls::Error),
}

/// A configuration that requires a client certificate signed by the authority, run out for at most `expired_max`.
pub fn server_config(
    files: &TlsFiles,
    expired_max: Duration,
) -> Result<(Arc<rustls::ServerConfig>, Arc<OwnCertificate>), TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Authority(verifier) = Authority::open(files, expired_max)?;
    let own = Arc::new(OwnCertificate {
        files: files.clone(),
        current: RwLock::new(certified(files)?),
    });
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own.clone());
    Ok((Arc::new(config), own))
}

/// Who stands for clients' certificates.
#[derive(Debug, Clone)]
pub struct Authority(Arc<Verifier>);

impl Authority {
    /// Reads the authority from its file. A certificate counts until `expired_max` after it has run out.
    pub fn open(files: &TlsFiles, expired_max: Duration) -> Result<Authority, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates("the client authority", &files.client_ca)?);
        if roots.is_empty() {
            return Err(TlsError::Empty {
                path: files.client_ca.clone(),
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(TlsError::Verifier)?;
        Ok(Authority(Arc::new(Verifier { inner, expired_max })))
    }

    /// Whether the authority stood for a certificate at a time; the error says why not.
    pub fn vouches(&self, certificate: &CertificateDer<'_>, at: Timestamp) -> Result<(), String> {
        let since_1970 = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
        let at = UnixTime::since_unix_epoch(since_1970);
        let verified = self.0.verify_client_cert(certificate, &[], at);
        verified.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The gateway's certificate and key.
#[derive(Debug)]
pub struct OwnCertificate {
    files: TlsFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

impl OwnCertificate {
    /// Reads the files again; the next handshake uses them.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = certified(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.clone())
    }
}

fn certified(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates("the certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        what: "the private key",
        path: files.key.clone(),
        source,
    })?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider)
        .map(Arc::new)
        .map_err(TlsError::Config)
}

/// webpki's verifier, but for certificates that ran out not long ago.
#[derive(Debug)]
struct Verifier {
    inner: Arc<dyn ClientCertVerifier>,
    expired_max: Duration,
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verify = |at| self.inner.verify_client_cert(end_entity, intermediates, at);
        match verify(now) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) if now.as_secs() - not_after.as_secs() <= self.expired_max.as_secs() => {
                verify(not_after)
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrap = |source| TlsError::File {
        what,
        path: path.to_owned(),
        source,
    };
    CertificateDer::pem_file_iter(path)
        .map_err(wrap)?
        .collect::<Result<_, _>>()
        .map_err(wrap)
}
