//! The box's key and certificate: three files, and how a new pair takes the place of the old one.
//!
//! Promise: whenever the program or the machine stops, a pair that the gateway accepts is left. A new key lies beside the
//! old one (`….new`), its certificate comes to lie beside it, both are shown to the gateway, and only when that has
//! answered do they take the old names, first the key and then the certificate. A new certificate without a new key beside
//! it is therefore a replacement that was cut short, and is finished.
//!
//! The key is made here and never leaves: only [`Files::request`] and [`Files::pair`] touch it. A key in a TPM or behind
//! PKCS #11 would come in there, as rcgen's and rustls' own signing traits.

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    SignatureScheme,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why key or certificate cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file.
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
    /// It is not PEM, or not what it should be.
    #[error("{0} holds no usable {1}")]
    Unreadable(PathBuf, &'static str),
    /// The certificate is for another key.
    #[error("the certificate {0} and its key do not belong together")]
    Mismatch(PathBuf),
    /// rustls refuses them.
    #[error("the certificates cannot be used")]
    Tls(#[source] rustls::Error),
    /// rcgen refuses to make a key or a request.
    #[error("no key or certificate request can be made")]
    Make(#[source] rcgen::Error),
}

/// Where authority, certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The authority that signed the gateway's certificate.
    pub authority: PathBuf,
    /// The agent's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Which pair is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// The one in use.
    Current,
    /// The one that is to follow it.
    Next,
}

impl Files {
    fn new_key(&self) -> PathBuf {
        beside(&self.key, ".new")
    }

    fn new_certificate(&self) -> PathBuf {
        beside(&self.certificate, ".new")
    }

    /// True if a new pair waits to be shown.
    pub fn has_next(&self) -> bool {
        self.new_certificate().exists() && self.new_key().exists()
    }

    /// Key and certificate, checked against each other.
    pub fn pair(&self, which: Pair) -> Result<Arc<CertifiedKey>, IdentityError> {
        let is_cut_short = self.new_certificate().exists() && !self.new_key().exists();
        let (certificate, key) = match which {
            Pair::Next => (self.new_certificate(), self.new_key()),
            Pair::Current if is_cut_short => (self.new_certificate(), self.key.clone()),
            Pair::Current => (self.certificate.clone(), self.key.clone()),
        };
        certified(&read(&certificate)?, &certificate, &key).map(Arc::new)
    }

    /// Signs with the key in use (ECDSA with SHA-256, ASN.1, if it is a P-256 key, as those made here are); gives the
    /// certificate that belongs to it (PEM) and the signature.
    pub fn sign(&self, message: &[u8]) -> Result<(String, Vec<u8>), IdentityError> {
        let is_cut_short = self.new_certificate().exists() && !self.new_key().exists();
        let path = match is_cut_short {
            true => self.new_certificate(),
            false => self.certificate.clone(),
        };
        let pem = read(&path)?;
        let pair = certified(&pem, &path, &self.key)?;
        let scheme = [SignatureScheme::ECDSA_NISTP256_SHA256];
        let signer = pair.key.choose_scheme(&scheme);
        let signer =
            signer.ok_or_else(|| IdentityError::Unreadable(self.key.clone(), "P-256 key"))?;
        let signature = signer.sign(message).map_err(IdentityError::Tls)?;
        let pem =
            String::from_utf8(pem).map_err(|_| IdentityError::Unreadable(path, "certificate"))?;
        Ok((pem, signature))
    }

    /// A certificate request (PEM) for the key that is to follow; it is made if it is not there, and the same one until it
    /// was replaced.
    pub fn request(&self) -> Result<String, IdentityError> {
        self.settle()?;
        let path = self.new_key();
        let known = fs::read_to_string(&path).ok();
        let key = match known.and_then(|pem| KeyPair::from_pem(&pem).ok()) {
            Some(key) => key,
            None => {
                let key = KeyPair::generate().map_err(IdentityError::Make)?;
                write(&path, key.serialize_pem().as_bytes(), 0o600)?;
                key
            }
        };
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(IdentityError::Make)?;
        request.pem().map_err(IdentityError::Make)
    }

    /// Keeps the certificate (PEM) that answers the request.
    pub fn keep(&self, certificate: &str) -> Result<(), IdentityError> {
        let path = self.new_certificate();
        certified(certificate.as_bytes(), &path, &self.new_key())?;
        write(&path, certificate.as_bytes(), 0o600)
    }

    /// The new pair takes the place of the old one: the gateway has accepted it.
    pub fn replace(&self) -> Result<(), IdentityError> {
        rename(&self.new_key(), &self.key)?;
        rename(&self.new_certificate(), &self.certificate)
    }

    /// Finishes a replacement that was cut short.
    pub fn settle(&self) -> Result<(), IdentityError> {
        match self.new_certificate().exists() && !self.new_key().exists() {
            true => rename(&self.new_certificate(), &self.certificate),
            false => Ok(()),
        }
    }

    /// Forgets the new pair; the certificate goes first, since alone it would mean something else.
    pub fn discard(&self) -> Result<(), IdentityError> {
        for path in [self.new_certificate(), self.new_key()] {
            fs::remove_file(&path).map_err(|source| IdentityError::File {
                doing: "remove",
                path,
                source,
            })?;
        }
        Ok(())
    }
}

fn certified(pem: &[u8], path: &Path, key: &Path) -> Result<CertifiedKey, IdentityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| IdentityError::Unreadable(path.to_owned(), "certificate"))?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| IdentityError::Unreadable(key.to_owned(), "key"))?;
    CertifiedKey::from_der(chain, secret, &rustls::crypto::ring::default_provider())
        .map_err(|_| IdentityError::Mismatch(path.to_owned()))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source| IdentityError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), IdentityError> {
    let part = beside(path, ".part");
    let refuse = |source| IdentityError::File {
        doing: "write",
        path: part.clone(),
        source,
    };
    // What a time that was cut short left; its mode may be another.
    let _absent = fs::remove_file(&part);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&part)
        .map_err(refuse)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(refuse)?;
    rename(&part, path)
}

fn rename(from: &Path, to: &Path) -> Result<(), IdentityError> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::rename(from, to)
        .and_then(|()| fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(|source| IdentityError::File {
            doing: "replace",
            path: to.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{Issuer, PublicKeyData};
    use std::os::unix::fs::PermissionsExt;

    /// Signs a request as an authority would; rcgen reads requests only with a feature the agent does not have.
    fn sign(files: &Files) -> String {
        let key = KeyPair::from_pem(&fs::read_to_string(files.new_key()).unwrap()).unwrap();
        let authority = KeyPair::generate().unwrap();
        let issuer = Issuer::new(CertificateParams::default(), authority);
        let params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        params.signed_by(&key, &issuer).unwrap().pem()
    }

    fn public(files: &Files) -> Vec<u8> {
        let key = KeyPair::from_pem(&fs::read_to_string(&files.key).unwrap()).unwrap();
        key.der_bytes().to_vec()
    }

    fn enrolled(folder: &Path) -> Files {
        let files = Files {
            authority: folder.join("ca.crt"),
            certificate: folder.join("agent.crt"),
            key: folder.join("agent.key"),
        };
        files.request().unwrap();
        files.keep(&sign(&files)).unwrap();
        files.replace().unwrap();
        files
    }

    #[test]
    fn whenever_a_renewal_is_cut_short_a_whole_pair_is_left_and_the_renewal_goes_on() {
        for cut_after in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let files = enrolled(folder.path());
            let before = public(&files);
            let steps: [&dyn Fn(); 4] = [
                &|| drop(files.request().unwrap()),
                &|| files.keep(&sign(&files)).unwrap(),
                &|| rename(&files.new_key(), &files.key).unwrap(),
                &|| rename(&files.new_certificate(), &files.certificate).unwrap(),
            ];
            steps.iter().take(cut_after).for_each(|step| step());
            files.pair(Pair::Current).unwrap();
            assert_eq!(files.has_next(), cut_after == 2, "cut after {cut_after}");
            if files.has_next() {
                files.pair(Pair::Next).unwrap();
                files.replace().unwrap();
            }
            files.settle().unwrap();
            files.pair(Pair::Current).unwrap();
            assert_eq!(public(&files) != before, cut_after >= 2);
            files.request().unwrap();
            files.keep(&sign(&files)).unwrap();
            files.replace().unwrap();
            files.pair(Pair::Current).unwrap();
        }
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_with_the_same_key_and_a_torn_key_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let files = enrolled(folder.path());
        files.request().unwrap();
        let key = fs::read(files.new_key()).unwrap();
        files.request().unwrap();
        assert_eq!(key, fs::read(files.new_key()).unwrap());
        fs::write(files.new_key(), &key[..key.len() / 2]).unwrap();
        files.request().unwrap();
        assert_ne!(key, fs::read(files.new_key()).unwrap());
    }

    #[test]
    fn what_is_signed_is_verified_with_the_key_of_the_certificate_that_comes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = enrolled(folder.path());
        let key = KeyPair::from_pem(&fs::read_to_string(&files.key).unwrap()).unwrap();
        let verify = |message: &[u8], signature: &[u8]| {
            let how = &ring::signature::ECDSA_P256_SHA256_ASN1;
            ring::signature::UnparsedPublicKey::new(how, key.public_key_raw())
                .verify(message, signature)
        };
        let (pem, signature) = files.sign(b"manifest").unwrap();
        assert_eq!(pem, fs::read_to_string(&files.certificate).unwrap());
        assert!(verify(b"manifest", &signature).is_ok());
        assert!(verify(b"manifesto", &signature).is_err());
        fs::remove_file(&files.key).unwrap();
        assert!(files.sign(b"manifest").is_err());
    }

    #[test]
    fn a_certificate_of_another_key_is_not_kept_and_what_is_discarded_leaves_the_old_pair() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (files, others) = (enrolled(folder.path()), enrolled(other.path()));
        files.request().unwrap();
        others.request().unwrap();
        let foreign = files.keep(&sign(&others));
        assert!(matches!(foreign, Err(IdentityError::Mismatch(_))));
        assert!(!files.has_next());
        files.keep(&sign(&files)).unwrap();
        files.discard().unwrap();
        assert!(!files.has_next() && files.pair(Pair::Current).is_ok());
        let mode = fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
