//! The catalogue: name, version, file and hash of each model.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Which model made a score; travels with every model signal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelRef {
    /// Name in the catalogue.
    pub name: String,
    /// Version in the catalogue.
    pub version: u32,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Row>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    version: u32,
    file: PathBuf,
    sha256: String,
}

/// Why a model could not be taken from the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file could not be read.
    #[error("cannot read {path}; check the path and its permissions")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The catalogue is not valid.
    #[error("catalogue {path} is not valid")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The model is not listed.
    #[error("catalogue {path} has no model {name:?}; it has: {known}")]
    Unknown {
        /// Which catalogue.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file is not the one the catalogue means.
    #[error(
        "model file {path} is damaged or another version: its SHA-256 is {actual}, the catalogue says {expected}; \
         put back the file of the release, or correct the catalogue if the change is meant"
    )]
    Hash {
        /// Which file.
        path: PathBuf,
        /// What the catalogue says.
        expected: String,
        /// What the file has.
        actual: String,
    },
}

/// Reads the model file named `name`, checked against its hash.
pub fn load(catalogue: &Path, name: &str) -> Result<(ModelRef, Vec<u8>), CatalogueError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| CatalogueError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let text = String::from_utf8_lossy(&read(catalogue)?).into_owned();
    let file: File = toml::from_str(&text).map_err(|source| CatalogueError::Parse {
        path: catalogue.to_owned(),
        source: Box::new(source),
    })?;
    let Some(row) = file.model.iter().find(|row| row.name == name) else {
        let known: Vec<_> = file.model.iter().map(|row| row.name.as_str()).collect();
        return Err(CatalogueError::Unknown {
            path: catalogue.to_owned(),
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    let path = catalogue.parent().unwrap_or(Path::new(".")).join(&row.file);
    let bytes = read(&path)?;
    let actual = sha256(&bytes);
    if actual != row.sha256 {
        return Err(CatalogueError::Hash {
            path,
            expected: row.sha256.clone(),
            actual,
        });
    }
    Ok((
        ModelRef {
            name: row.name.clone(),
            version: row.version,
            sha256: actual,
        },
        bytes,
    ))
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
