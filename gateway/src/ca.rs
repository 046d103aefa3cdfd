//! The gateway's own certificate authority: it names the gateway to its agents and the agents to it.
//!
//! Promise: keys are made here and now, never shipped; key files are readable by their owner only; nothing
//! that exists is overwritten. An agent's certificate carries its name as common name, which is the identity
//! the broker's access rules look at.
//! Not promised: revocation and renewal over the line (see docs/GAPS.md).

use contract::AgentId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How long what this authority issues is valid, in days.
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
            let mut params = CertificateParams::new(names.to_vec()).map_err(make("the gateway"))?;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let issued = self.sign(params, "gateway", now)?;
            write_new(&self.server_key(), &issued.key, 0o600)?;
            write_new(&self.server_certificate(), &issued.certificate, 0o644)?;
        }
        Ok(())
    }

    /// A certificate for an agent.
    pub fn issue(&self, agent: &AgentId, now: contract::Timestamp) -> Result<Issued, CaError> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, agent.as_str(), now)
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
        now: contract::Timestamp,
    ) -> Result<Issued, CaError> {
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
        valid_for(&mut params, now, LEAF_DAYS);
        let key = KeyPair::generate().map_err(make(name))?;
        let certificate = params.signed_by(&key, &issuer).map_err(make(name))?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
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
}
