//! A folder of models: `NAME.toml` beside the files that the manifests name. Files in, models out; nothing else is kept.

use super::{Detector, DetectorError, Manifest, Problems};
use crate::{RuntimePath, catalogue::sha256};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// Why the folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder could not be read or written.
    #[error("cannot {act} {path}; check the path and its permissions")]
    Io {
        /// `read`, `write`.
        act: &'static str,
        /// Which.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The manifest is not valid.
    #[error("the manifest is not valid:\n{0}")]
    Manifest(Problems),
    /// The folder has no model of that name.
    #[error(
        "{folder} has no model {name:?}, it has: {known}; `models add` or `models fetch` put one there"
    )]
    Unknown {
        /// Which folder.
        folder: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Another model has a file of that name.
    #[error(
        "the file {file:?} of {folder} belongs to model {other:?} and is another one; give it another name in the manifest (`file`)"
    )]
    Taken {
        /// Which folder.
        folder: PathBuf,
        /// Which file.
        file: String,
        /// Whose it is.
        other: String,
    },
    /// The model cannot be opened.
    #[error(transparent)]
    Open(#[from] DetectorError),
}

impl Folder {
    /// A folder, which need not exist before something is put there.
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        Folder(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Names of all manifests, sorted; none if there is no such folder.
    pub fn names(&self) -> Result<Vec<String>, FolderError> {
        let entries = match self.0.read_dir() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| self.io("read", &self.0, source))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(|source| self.io("read", &self.0, source))?
                .path();
            if path.extension().is_some_and(|e| e == "toml") {
                names.extend(
                    path.file_stem()
                        .and_then(|stem| Some(stem.to_str()?.to_owned())),
                );
            }
        }
        names.sort();
        Ok(names)
    }

    /// The manifest of `name`.
    pub fn manifest(&self, name: &str) -> Result<Manifest, FolderError> {
        let path = self.0.join(format!("{name}.toml"));
        if !path.is_file() {
            return Err(FolderError::Unknown {
                folder: self.0.clone(),
                name: name.to_owned(),
                known: self.names()?.join(", "),
            });
        }
        Ok(read_manifest(&path)?.0)
    }

    /// Opens `name` on `threads` threads, its file checked against the manifest's hash.
    pub fn open(
        &self,
        name: &str,
        runtime: &RuntimePath,
        threads: usize,
    ) -> Result<Detector, FolderError> {
        let manifest = self.manifest(name)?;
        let bytes = read(&self.0.join(&manifest.file))?;
        Ok(Detector::open(manifest, &bytes, runtime, threads)?)
    }

    /// Copies a model into the folder: file, golden pictures, manifest, each replaced as a whole, the manifest last. Only
    /// what can be opened gets in. Gives the model, opened from the bytes that were copied.
    pub fn add(
        &self,
        file: &Path,
        manifest_file: &Path,
        runtime: &RuntimePath,
    ) -> Result<Detector, FolderError> {
        let (manifest, text) = read_manifest(manifest_file)?;
        let bytes = read(file)?;
        let detector = Detector::open(manifest.clone(), &bytes, runtime, 1)?;
        self.not_taken(&manifest)?;
        std::fs::create_dir_all(&self.0).map_err(|source| self.io("write", &self.0, source))?;
        self.put(&manifest.file, &bytes)?;
        let beside = manifest_file.parent().unwrap_or(Path::new("."));
        for golden in manifest
            .golden
            .iter()
            .filter(|golden| golden.picture != super::golden::RAMPS)
        {
            self.put(&golden.picture, &read(&beside.join(&golden.picture))?)?;
        }
        self.put(&format!("{}.toml", manifest.name), text.as_bytes())?;
        Ok(detector)
    }

    fn not_taken(&self, manifest: &Manifest) -> Result<(), FolderError> {
        for other in self
            .names()?
            .into_iter()
            .filter(|other| *other != manifest.name)
        {
            let there = self.manifest(&other)?;
            if there.file == manifest.file && there.sha256 != manifest.sha256 {
                return Err(FolderError::Taken {
                    folder: self.0.clone(),
                    file: manifest.file.clone(),
                    other,
                });
            }
        }
        Ok(())
    }

    /// Writes a file under another name and then gives it its own: there is never half of one.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let (path, part) = (self.0.join(name), self.0.join(format!(".{name}.part")));
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        std::fs::write(&part, bytes)
            .and_then(|()| std::fs::File::open(&part)?.sync_all())
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|source| self.io("write", &path, source))
    }

    fn io(&self, act: &'static str, path: &Path, source: io::Error) -> FolderError {
        FolderError::Io {
            act,
            path: path.to_owned(),
            source,
        }
    }
}

/// A manifest and its text.
pub fn read_manifest(path: &Path) -> Result<(Manifest, String), FolderError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let place = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let manifest = Manifest::parse(&place, &text).map_err(FolderError::Manifest)?;
    Ok((manifest, text))
}

/// True if `path` has the file that `sha256_wanted` means.
pub fn is_there(path: &Path, sha256_wanted: &str) -> bool {
    std::fs::read(path).is_ok_and(|bytes| sha256(&bytes) == sha256_wanted)
}

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    std::fs::read(path).map_err(|source| FolderError::Io {
        act: "read",
        path: path.to_owned(),
        source,
    })
}
