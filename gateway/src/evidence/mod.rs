//! What a person confirmed is sealed: gathered, digested, signed, kept by content, and checked offline.
//!
//! Promise: whoever has a bundle and nothing else finds every altered, missing or added byte of its parts, by
//! name. With the gateway's public key at hand they also know who sealed it.
//! Not promised: that the readings were true; that is what device fitness and the reviewer are for.

use crate::store::{hex, sha256};
use contract::{
    Timestamp,
    evidence::{Manifest, Part, Signature},
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::{
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "signature.json";

/// Why evidence could not be sealed or read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file could not be read or written.
    #[error("cannot {doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key file is not a key.
    #[error(
        "{0} is not an Ed25519 key; put the gateway's key back, evidence sealed with another would not match"
    )]
    Key(PathBuf),
    /// The bundle cannot be packed.
    #[error("cannot pack the bundle")]
    Pack(#[source] zip::result::ZipError),
}

/// The folder of sealed bundles and the key that seals them.
pub struct Vault {
    folder: PathBuf,
    key: Ed25519KeyPair,
    /// Held while a bundle is sealed, so that each names the one before it.
    sealing: Mutex<()>,
}

impl Vault {
    /// Opens the vault; makes folder and key if there are none yet.
    pub fn open(folder: &Path) -> Result<Vault, EvidenceError> {
        let file = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| EvidenceError::File {
                doing,
                path,
                source,
            }
        };
        fs::create_dir_all(folder).map_err(file("create", folder))?;
        let path = folder.join("seal.key");
        if !path.exists() {
            use std::os::unix::fs::OpenOptionsExt;
            let made = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
                .expect("random bytes are there");
            let mut out = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(file("write", &path))?;
            out.write_all(made.as_ref())
                .and_then(|()| out.sync_all())
                .map_err(file("write", &path))?;
        }
        let bytes = fs::read(&path).map_err(file("read", &path))?;
        let key = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| EvidenceError::Key(path))?;
        Ok(Vault {
            folder: folder.to_owned(),
            key,
            sealing: Mutex::new(()),
        })
    }

    /// The public key, hexadecimal.
    pub fn public_key(&self) -> String {
        hex(self.key.public_key().as_ref())
    }

    /// Seals parts into a bundle on disk; returns its id, the SHA-256 of its manifest.
    pub fn seal(
        &self,
        of: Subject<'_>,
        parts: &[(&str, Vec<u8>)],
    ) -> Result<String, EvidenceError> {
        let _one_at_a_time = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.folder.join("last");
        let previous = fs::read_to_string(&last).unwrap_or_default();
        let (id, bytes) = seal(&self.key, of, previous.trim(), parts)?;
        let path = self.path(&id);
        let write = |path: &Path, bytes: &[u8]| -> std::io::Result<()> {
            let partial = path.with_extension("partial");
            let mut file = fs::File::create(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&partial, path)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        for (path, bytes) in [(&path, &bytes[..]), (&last, id.as_bytes())] {
            write(path, bytes).map_err(|source| EvidenceError::File {
                doing: "write",
                path: path.clone(),
                source,
            })?;
        }
        Ok(id)
    }

    /// The bytes of a sealed bundle.
    pub fn read(&self, id: &str) -> Result<Option<Vec<u8>>, EvidenceError> {
        if !id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let path = self.path(id);
        if !path.exists() {
            return Ok(None);
        }
        fs::read(&path)
            .map(Some)
            .map_err(|source| EvidenceError::File {
                doing: "read",
                path,
                source,
            })
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.zip"))
    }
}

/// What a bundle is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The case.
    pub case: &'a str,
    /// The business's code.
    pub uscc: &'a str,
    /// The site.
    pub site: &'a str,
    /// When it is sealed.
    pub now: Timestamp,
}

/// Packs and signs. Pure but for the signature.
fn seal(
    key: &Ed25519KeyPair,
    of: Subject<'_>,
    previous: &str,
    parts: &[(&str, Vec<u8>)],
) -> Result<(String, Vec<u8>), EvidenceError> {
    let listed = parts
        .iter()
        .map(|(name, bytes)| Part {
            name: (*name).to_owned(),
            length: bytes.len() as u64,
            sha256: sha256(bytes),
        })
        .collect();
    let manifest = Manifest {
        format: 1,
        case: of.case.to_owned(),
        uscc: of.uscc.to_owned(),
        site: of.site.to_owned(),
        sealed_at: of.now,
        previous: previous.to_owned(),
        parts: listed,
    };
    let manifest = serde_json::to_vec_pretty(&manifest).expect("a manifest is always JSON");
    let signature = Signature {
        algorithm: "ed25519".into(),
        public_key: hex(key.public_key().as_ref()),
        signature: hex(key.sign(&manifest).as_ref()),
    };
    let signature = serde_json::to_vec_pretty(&signature).expect("a signature is always JSON");
    let files = [(MANIFEST, &manifest), (SIGNATURE, &signature)]
        .into_iter()
        .chain(parts.iter().map(|(n, b)| (*n, b)));
    let packed = pack(files).map_err(EvidenceError::Pack)?;
    Ok((sha256(&manifest), packed))
}

/// The one way in which a bundle is packed (stored, in this order, without times), so that it can be packed again
/// from its parts and compared byte by byte.
fn pack<'a>(
    files: impl Iterator<Item = (&'a str, &'a Vec<u8>)>,
) -> Result<Vec<u8>, zip::result::ZipError> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// What checking a bundle found.
#[derive(Debug)]
pub struct Verified {
    /// What it says it is.
    pub manifest: Manifest,
    /// The key that signed it, hexadecimal.
    pub public_key: String,
}

/// Checks a bundle offline. Every alteration is named; with `expected_key` also another sealer is.
pub fn verify(bytes: &[u8], expected_key: Option<&str>) -> Result<Verified, Vec<String>> {
    let mut found = Vec::new();
    let mut zip = match zip::ZipArchive::new(Cursor::new(bytes)) {
        Ok(zip) => zip,
        Err(error) => {
            return Err(vec![format!(
                "the bundle is not a readable ZIP file: {error}"
            )]);
        }
    };
    let names: Vec<String> = zip.file_names().map(str::to_owned).collect();
    let mut read = |name: &str| -> Result<Vec<u8>, String> {
        let mut file = zip
            .by_name(name)
            .map_err(|e| format!("{name}: missing or damaged ({e})"))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .map_err(|e| format!("{name}: altered, it no longer unpacks ({e})"))?;
        Ok(content)
    };
    let (manifest_bytes, signature_bytes) = match (read(MANIFEST), read(SIGNATURE)) {
        (Ok(manifest), Ok(signature)) => (manifest, signature),
        (manifest, signature) => {
            return Err([manifest.err(), signature.err()]
                .into_iter()
                .flatten()
                .collect());
        }
    };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&manifest_bytes) else {
        return Err(vec![format!(
            "{MANIFEST}: altered, it is no longer a manifest"
        )]);
    };
    let Ok(signature) = serde_json::from_slice::<Signature>(&signature_bytes) else {
        return Err(vec![format!(
            "{SIGNATURE}: altered, it is no longer a signature"
        )]);
    };
    let key = unhex(&signature.public_key);
    let is_signed = signature.algorithm == "ed25519"
        && UnparsedPublicKey::new(&ED25519, key)
            .verify(&manifest_bytes, &unhex(&signature.signature))
            .is_ok();
    if !is_signed {
        found.push(format!(
            "{MANIFEST}: altered, or its signature is; they do not belong together"
        ));
    }
    if expected_key.is_some_and(|expected| !expected.eq_ignore_ascii_case(&signature.public_key)) {
        found.push(format!(
            "{SIGNATURE}: sealed by another key, {}",
            signature.public_key
        ));
    }
    let mut files = vec![
        (MANIFEST, manifest_bytes.clone()),
        (SIGNATURE, signature_bytes.clone()),
    ];
    for part in &manifest.parts {
        match read(&part.name) {
            Err(problem) => found.push(problem),
            Ok(content) if sha256(&content) != part.sha256 => found.push(format!(
                "{}: altered; its SHA-256 is {}, the manifest says {}",
                part.name,
                sha256(&content),
                part.sha256
            )),
            Ok(content) => files.push((&part.name, content)),
        }
    }
    for name in names.iter().filter(|n| *n != MANIFEST && *n != SIGNATURE) {
        if !manifest.parts.iter().any(|p| p.name == *name) {
            found.push(format!("{name}: added; the manifest does not list it"));
        }
    }
    if found.is_empty() {
        let packed = pack(files.iter().map(|(name, bytes)| (*name, bytes))).unwrap_or_default();
        if packed != bytes {
            let same = packed.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            found.push(format!(
                "the container: altered at byte {same}; the parts in it are as they were sealed"
            ));
        }
    }
    if found.is_empty() {
        Ok(Verified {
            manifest,
            public_key: signature.public_key,
        })
    } else {
        Err(found)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .filter_map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_verifies_and_every_altered_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let of = Subject {
            case: "1",
            uscc: "914403001922038216",
            site: "s",
            now: Timestamp::from_millis(5),
        };
        let parts = [
            ("readings.csv", b"time,value\n1,9.5\n".to_vec()),
            ("decision.json", b"{}".to_vec()),
        ];
        let id = vault.seal(of, &parts).unwrap();
        let bytes = vault.read(&id).unwrap().unwrap();
        let verified = verify(&bytes, Some(&vault.public_key())).unwrap();
        assert_eq!(verified.manifest.case, "1");
        assert!(
            verify(&bytes, Some("00")).is_err(),
            "another sealer was accepted"
        );
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(
                verify(&altered, None).is_err(),
                "byte {at} was altered unseen"
            );
        }
        assert!(verify(&[&bytes[..], b"more"].concat(), None).is_err());
        assert!(verify(&bytes[..bytes.len() - 1], None).is_err());
        let second = vault.seal(of, &parts).unwrap();
        let second = verify(&vault.read(&second).unwrap().unwrap(), None).unwrap();
        assert_eq!(second.manifest.previous, id, "bundles are chained");
    }

    #[test]
    fn an_altered_reading_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let of = Subject {
            case: "1",
            uscc: "u",
            site: "s",
            now: Timestamp::from_millis(5),
        };
        let id = vault
            .seal(of, &[("readings.csv", b"9.5".to_vec())])
            .unwrap();
        let bytes = vault.read(&id).unwrap().unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let mut forged = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for n in 0..zip.len() {
            let mut file = zip.by_index(n).unwrap();
            forged
                .start_file(
                    file.name().to_owned(),
                    zip::write::SimpleFileOptions::default(),
                )
                .unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            if file.name() == "readings.csv" {
                content = b"7.5".to_vec();
            }
            forged.write_all(&content).unwrap();
        }
        let found = verify(&forged.finish().unwrap().into_inner(), None).unwrap_err();
        assert!(
            found.len() == 1 && found[0].starts_with("readings.csv: altered"),
            "{found:?}"
        );
    }
}
