//! TLS towards the gateway, with an authority that is pinned and a clock that may be wrong.
//!
//! The gateway's certificate must be signed by the pinned authority, be for the right name and be a server's. Its validity
//! is looked at and then not held against it: a box that woke up in 1970 or 2040 must still reach its gateway, and has no
//! clock to judge by. What that gives up: a certificate of the gateway that has run out, together with its key, would still
//! be believed. Whoever lost that key makes a new authority and enrols anew.

use crate::identity::{Files, IdentityError, Pair, read};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    sign::SingleCertAndKey,
};
use std::sync::Arc;

/// Certificates of a chain whose times may have to be stepped into.
const CHAIN_MAX: usize = 4;

/// What a connection to the gateway uses. `name` is looked for in the gateway's certificate instead of the host.
pub fn client_config(
    files: &Files,
    which: Pair,
    name: Option<&ServerName<'static>>,
) -> Result<Arc<ClientConfig>, IdentityError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = roots(files)?;
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|_| IdentityError::Unreadable(files.authority.clone(), "certificate"))?;
    let verifier = Pinned {
        inner,
        name: name.cloned(),
    };
    let pair = files.pair(which)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(IdentityError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    Ok(Arc::new(config))
}

fn roots(files: &Files) -> Result<RootCertStore, IdentityError> {
    let unreadable = || IdentityError::Unreadable(files.authority.clone(), "certificate");
    let pem = read(&files.authority)?;
    let certificates: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&pem).collect();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.map_err(|_| unreadable())?);
    match roots.is_empty() {
        true => Err(unreadable()),
        false => Ok(roots),
    }
}

#[derive(Debug)]
struct Pinned {
    inner: Arc<WebPkiServerVerifier>,
    name: Option<ServerName<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        dialled: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(dialled);
        let verify = |at| {
            let inner = &self.inner;
            inner.verify_server_cert(end_entity, intermediates, name, ocsp, at)
        };
        let mut verified = verify(now);
        for _ in 0..CHAIN_MAX {
            verified = match verified {
                Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                    not_after,
                    ..
                })) => verify(not_after),
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before,
                    ..
                })) => verify(not_before),
                done => return done,
            };
        }
        verified
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        date_time_ymd,
    };
    use std::time::Duration;

    struct Authority(CertificateParams, KeyPair);

    impl Authority {
        fn new() -> Authority {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Authority(params, KeyPair::generate().unwrap())
        }

        fn leaf(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateDer<'static> {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            params.not_before = date_time_ymd(2026, 1, 1);
            params.not_after = date_time_ymd(2028, 1, 1);
            let issuer = Issuer::from_params(&self.0, &self.1);
            let key = KeyPair::generate().unwrap();
            params.signed_by(&key, &issuer).unwrap().der().clone()
        }

        fn verifier(&self, name: Option<&'static str>) -> Pinned {
            let mut roots = RootCertStore::empty();
            let own = self.0.self_signed(&self.1).unwrap();
            roots.add(own.der().clone()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            Pinned {
                inner: WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .unwrap(),
                name: name.map(|name| ServerName::try_from(name).unwrap()),
            }
        }
    }

    fn accepts(verifier: &Pinned, leaf: &CertificateDer<'_>, dialled: &str, at: u64) -> bool {
        let (name, at) = (ServerName::try_from(dialled.to_owned()).unwrap(), at);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let verified = verifier.verify_server_cert(leaf, &[], &name, &[], now);
        verified.is_ok()
    }

    #[test]
    fn whatever_the_clock_says_the_right_gateway_is_believed_and_no_other() {
        const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;
        let (ours, theirs) = (Authority::new(), Authority::new());
        let verifier = ours.verifier(None);
        let good = ours.leaf("gateway.example", SERVER);
        let by_a_stranger = theirs.leaf("gateway.example", SERVER);
        let of_an_agent = ours.leaf("gateway.example", ExtendedKeyUsagePurpose::ClientAuth);
        for at in [0, 1, 1_790_000_000, 2_500_000_000, 4_000_000_000] {
            assert!(accepts(&verifier, &good, "gateway.example", at), "{at}");
            assert!(!accepts(&verifier, &good, "other.example", at), "{at}");
            for bad in [&by_a_stranger, &of_an_agent] {
                assert!(!accepts(&verifier, bad, "gateway.example", at), "{at}");
            }
        }
    }

    #[test]
    fn an_enrolled_agent_knows_its_gateway_by_its_name_under_any_address() {
        const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;
        let ours = Authority::new();
        let verifier = ours.verifier(Some(contract::enrol::GATEWAY_NAME));
        let gateway = ours.leaf(contract::enrol::GATEWAY_NAME, SERVER);
        assert!(accepts(&verifier, &gateway, "192.168.7.9", 0));
        let other = ours.leaf("other.example", SERVER);
        assert!(!accepts(&verifier, &other, "other.example", 0));
    }
}
