//! The files of the spool that say something, and their folders.

use crate::identity;
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fs, io, path::Path};

/// What a file is called while [`identity::write`] is at it.
const HALF: &str = "part";

pub(super) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    identity::write(path, &bytes, 0o600).map_err(io::Error::other)
}

/// The files of a folder by name. What cannot be read is said and set aside; what a violent end left half written goes.
pub(super) fn read_all<T: DeserializeOwned>(folder: &Path) -> io::Result<BTreeMap<String, T>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|kind| kind.to_str()) {
            Some("json") => {}
            Some(HALF) => {
                remove(&path)?;
                continue;
            }
            _ => continue,
        }
        let name = path.file_stem().and_then(|name| name.to_str());
        let read = serde_json::from_slice(&fs::read(&path)?);
        match (name, read) {
            (Some(name), Ok(value)) => {
                all.insert(name.to_owned(), value);
            }
            (_, Err(error)) => {
                tracing::error!(path = %path.display(), %error, "a file of the spool is damaged; it is set aside");
                fs::rename(&path, path.with_extension("damaged"))?;
            }
            (None, _) => {}
        }
    }
    Ok(all)
}

pub(super) fn lengths(folder: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut lengths = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            lengths.insert(name, entry.metadata()?.len());
        }
    }
    Ok(lengths)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
