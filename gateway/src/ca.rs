//! The gateway's own certificate authority: it names the gateway to its agents and the agents to it.
//!
//! Promise: keys are made here and now, never shipped; key files are readable by their owner only; nothing
//! that exists is overwritten. An agent's certificate carries its name as common name, which is the identity
//! the broker's access rules look at.
//! The gateway's own certificate also carries [`GATEWAY_NAME`] and is signed again when a third of its life is left; its
//! key stays.
//! Not promised: a new authority. Who is enrolled, renewed and revoked is kept by `fleet`.

use crate::certificate::Certificate;
use contract::{AgentId, enrol::GATEWAY_NAME};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SerialNumber,
};
use ring::rand::SecureRandom;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How long the authority, the gateway's certificate and those issued by command are valid, in days.
const AUTHORITY_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 825;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file could not be read or written.
    #[error("cannot {doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The authority is not there.
    #[error("there is no certificate authority in {0}; make one with `gateway ca init`")]
    Absent(PathBuf),
    /// The library refused.
    #[error("cannot make the certificate of {name:?}")]
    Make {
        /// Whose certificate.
        name: String,
        /// Why it failed.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate request is not one, its signature is wrong, or its key is of another kind.
    #[error("the certificate request cannot be used; it must be PKCS #10 with an ECDSA P-256 key")]
    Request,
    /// The gateway's certificate is not one.
    #[error("{0} is not a certificate")]
    Unreadable(PathBuf),
}

/// The files of an authority and of the gateway's own identity, in one folder.
#[derive(Debug, Clone)]
pub struct CaFolder {
    folder: PathBuf,
}

/// What was issued, as PEM text.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl CaFolder {
    /// The authority in `folder`; nothing is read or made yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The authority's certificate, which agents are given to recognise the gateway.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The gateway's own certificate.
    pub fn server_certificate(&self) -> PathBuf {
        self.folder.join("gateway.crt")
    }

    /// The gateway's own key.
    pub fn server_key(&self) -> PathBuf {
        self.folder.join("gateway.key")
    }

    /// Makes what is not there yet: the authority, and the gateway's certificate for `names` (host names and
    /// addresses under which agents reach it).
    pub fn init(&self, names: &[String], now: contract::Timestamp) -> Result<(), CaError> {
        fs::create_dir_all(&self.folder).map_err(|source| CaError::File {
            doing: "create the folder",
            path: self.folder.clone(),
            source,
        })?;
        if !self.authority().exists() {
            let key = KeyPair::generate().map_err(make("the authority"))?;
            let certificate = authority_params(now)
                .self_signed(&key)
                .map_err(make("the authority"))?;
            write_new(&self.key_path(), &key.serialize_pem(), 0o600)?;
            write_new(&self.authority(), &certificate.pem(), 0o644)?;
        }
        if !self.server_certificate().exists() {
            let key = KeyPair::generate().map_err(make("the gateway"))?;
            let certificate = self.sign_server(names, &key, now)?;
            write_new(&self.server_key(), &key.serialize_pem(), 0o600)?;
            write_new(&self.server_certificate(), &certificate, 0o644)?;
        }
        Ok(())
    }

    /// True if there is an authority that can sign.
    pub fn is_there(&self) -> bool {
        self.key_path().exists()
    }

    /// The authority's certificate, PEM.
    pub fn authority_pem(&self) -> Result<String, CaError> {
        read(&self.authority())
    }

    /// Signs the gateway's certificate again if a third of its life is left, or if it lacks [`GATEWAY_NAME`]. Returns
    /// whether it did.
    pub fn renew_server(&self, now: contract::Timestamp) -> Result<bool, CaError> {
        let path = self.server_certificate();
        let pem = read(&path)?;
        let current = Certificate::from_pem(&pem).ok_or(CaError::Unreadable(path.clone()))?;
        if !current.is_due(now) && current.names.iter().any(|name| name == GATEWAY_NAME) {
            return Ok(false);
        }
        let key = KeyPair::from_pem(&read(&self.server_key())?).map_err(make("the gateway"))?;
        let certificate = self.sign_server(&current.names, &key, now)?;
        let fresh = self.folder.join("gateway.crt.new");
        // It may be there from a time that was cut short.
        let _absent = fs::remove_file(&fresh);
        write_new(&fresh, &certificate, 0o644)?;
        let doing = "replace";
        fs::rename(&fresh, &path).map_err(|source| CaError::File {
            doing,
            path,
            source,
        })?;
        Ok(true)
    }

    fn sign_server(
        &self,
        names: &[String],
        key: &KeyPair,
        now: contract::Timestamp,
    ) -> Result<String, CaError> {
        let mut names = names.to_vec();
        if !names.iter().any(|name| name == GATEWAY_NAME) {
            names.push(GATEWAY_NAME.to_owned());
        }
        let mut params = CertificateParams::new(names).map_err(make("the gateway"))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, "gateway", key, LEAF_DAYS, now)
    }

    /// A certificate for an agent, with a key made here.
    pub fn issue(&self, agent: &AgentId, now: contract::Timestamp) -> Result<Issued, CaError> {
        let key = KeyPair::generate().map_err(make(agent.as_str()))?;
        let certificate = self.sign_agent(agent, &key, LEAF_DAYS, now)?;
        Ok(Issued {
            certificate,
            key: key.serialize_pem(),
        })
    }

    /// A certificate (PEM) for an agent's certificate request, valid for `days`. Nothing of the request but its key is
    /// taken over.
    pub fn answer(
        &self,
        agent: &AgentId,
        csr: &str,
        days: i64,
        now: contract::Timestamp,
    ) -> Result<String, CaError> {
        let request = request(csr)?;
        self.sign_agent(agent, &request.public_key, days, now)
    }

    fn sign_agent(
        &self,
        agent: &AgentId,
        key: &impl PublicKeyData,
        days: i64,
        now: contract::Timestamp,
    ) -> Result<String, CaError> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, agent.as_str(), key, days, now)
    }

    /// Writes an agent's certificate, key and the authority's certificate into `out`
    /// (`agent.crt`, `agent.key`, `ca.crt`).
    pub fn issue_into(
        &self,
        agent: &AgentId,
        out: &Path,
        now: contract::Timestamp,
    ) -> Result<(), CaError> {
        let issued = self.issue(agent, now)?;
        let authority = read(&self.authority())?;
        fs::create_dir_all(out).map_err(|source| CaError::File {
            doing: "create the folder",
            path: out.to_owned(),
            source,
        })?;
        write_new(&out.join("agent.key"), &issued.key, 0o600)?;
        write_new(&out.join("agent.crt"), &issued.certificate, 0o644)?;
        write_new(&out.join("ca.crt"), &authority, 0o644)
    }

    fn key_path(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        name: &str,
        key: &impl PublicKeyData,
        days: i64,
        now: contract::Timestamp,
    ) -> Result<String, CaError> {
        if !self.key_path().exists() {
            return Err(CaError::Absent(self.folder.clone()));
        }
        let authority_key =
            KeyPair::from_pem(&read(&self.key_path())?).map_err(make("the authority"))?;
        let issuer = Issuer::new(authority_params(now), authority_key);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let mut serial = [0; 16];
        ring::rand::SystemRandom::new()
            .fill(&mut serial)
            .expect("the system gives random bytes");
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        valid_for(&mut params, now, days);
        let certificate = params.signed_by(key, &issuer).map_err(make(name))?;
        Ok(certificate.pem())
    }
}

/// SHA-256 of the public key of a certificate request; an error if the request does not prove that it has the key.
pub fn requested_key(csr: &str) -> Result<String, CaError> {
    Ok(crate::store::sha256(request(csr)?.public_key.der_bytes()))
}

fn request(csr: &str) -> Result<CertificateSigningRequestParams, CaError> {
    let request = CertificateSigningRequestParams::from_pem(csr).map_err(|_| CaError::Request)?;
    match request.public_key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256 {
        true => Ok(request),
        false => Err(CaError::Request),
    }
}

/// The authority is always called the same, so that certificates issued later name the same issuer.
fn authority_params(now: contract::Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "OneDoor gateway authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, now, AUTHORITY_DAYS);
    params
}

/// One day back, for an agent whose clock is a little behind.
fn valid_for(params: &mut CertificateParams, now: contract::Timestamp, days: i64) {
    let day = |days: i64| {
        let at = jiff::Timestamp::from_millisecond(now.plus_millis(days * 86_400_000).as_millis())
            .unwrap_or_default();
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

fn make(name: &str) -> impl Fn(rcgen::Error) -> CaError {
    let name = name.to_owned();
    move |source| CaError::Make {
        name: name.clone(),
        source,
    }
}

fn read(path: &Path) -> Result<String, CaError> {
    fs::read_to_string(path).map_err(|source| CaError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    use std::os::unix::fs::OpenOptionsExt;
    let refuse = |source| CaError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(refuse)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_agent_certificate_is_issued_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let ca = CaFolder::new(&folder.path().join("ca"));
        let now = contract::Timestamp::now();
        let agent = AgentId::new("agent-1").unwrap();
        assert!(matches!(ca.issue(&agent, now), Err(CaError::Absent(_))));
        ca.init(&["localhost".into(), "127.0.0.1".into()], now)
            .unwrap();
        let first = fs::read_to_string(ca.authority()).unwrap();
        ca.init(&["localhost".into()], now).unwrap();
        assert_eq!(
            first,
            fs::read_to_string(ca.authority()).unwrap(),
            "the authority was replaced"
        );
        let out = folder.path().join("agent");
        ca.issue_into(&agent, &out, now).unwrap();
        let mode = fs::metadata(out.join("agent.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            matches!(ca.issue_into(&agent, &out, now), Err(CaError::File { .. })),
            "a key was overwritten"
        );
    }

    #[test]
    fn the_gateways_certificate_is_signed_again_in_its_last_third_with_the_same_key_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let ca = CaFolder::new(folder.path());
        let now = contract::Timestamp::from_millis(1_800_000_000_000);
        ca.init(&["door.example".into(), "10.0.0.7".into()], now)
            .unwrap();
        let read = || Certificate::from_pem(&fs::read_to_string(ca.server_certificate()).unwrap());
        let (first, key) = (read().unwrap(), fs::read(ca.server_key()).unwrap());
        let days = |days: i64| now.plus_millis(days * 86_400_000);
        assert!(!ca.renew_server(days(540)).unwrap());
        assert!(ca.renew_server(days(560)).unwrap());
        let second = read().unwrap();
        assert!(second.not_after > first.not_after && second.names == first.names);
        assert_eq!(
            second.names,
            ["door.example", "10.0.0.7", GATEWAY_NAME],
            "an agent could no longer reach it"
        );
        assert_eq!(key, fs::read(ca.server_key()).unwrap());
    }

    #[test]
    fn a_request_gives_its_key_and_nothing_else_and_a_forged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ca = CaFolder::new(folder.path());
        let now = contract::Timestamp::now();
        ca.init(&[], now).unwrap();
        let agent = AgentId::new("box-7").unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "somebody else");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let csr = params.serialize_request(&key).unwrap();
        let pem = ca.answer(&agent, &csr.pem().unwrap(), 90, now).unwrap();
        let issued = Certificate::from_pem(&pem).unwrap();
        assert_eq!((issued.name.as_str(), issued.names.len()), ("box-7", 0));
        assert!(issued.not_after.since(now) <= 90 * 86_400_000);
        // A letter of the last line belongs to the signature.
        let pem = csr.pem().unwrap();
        let place = pem.find("\n-----END").unwrap() - 6;
        let other = if pem.as_bytes()[place] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut forged = pem.clone();
        forged.replace_range(place..=place, other);
        for bad in [forged.as_str(), "", "-----BEGIN CERTIFICATE REQUEST-----"] {
            assert!(matches!(
                ca.answer(&agent, bad, 90, now),
                Err(CaError::Request)
            ));
        }
    }
}
