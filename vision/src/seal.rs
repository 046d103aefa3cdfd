//! A file encrypted for two custodians, so that neither reads it alone: age v1 (age-encryption.org/v1) for the first, and what
//! comes of it once more for the second. `age -d -i SECOND | age -d -i FIRST` opens it.
//!
//! Promise: the sealed file is there as a whole or not at all, and on disk when this returns; a file of any length takes
//! little memory. Not promised: that the file that is read is gone; whoever asks removes it.

use age::{Encryptor, Recipient, x25519};
use ring::digest::{Context, SHA256};
use std::{
    fs::{self, File},
    io::{self, BufReader, Write},
    iter::once,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Why a file is not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not a public key.
    #[error(
        "the key {key:?} of a custodian cannot be used ({why}); write the line age1… that age-keygen -y gives"
    )]
    Key {
        /// Which.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// One person would open it alone.
    #[error("both custodians have the same key; two persons must hold one each")]
    Same,
    /// A file cannot be read or written.
    #[error("cannot {act} {path}")]
    File {
        /// `read`, `write`.
        act: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Seals `from` into `to`; gives the SHA-256 (hexadecimal) and the length of what was written.
pub fn seal(from: &Path, to: &Path, custodians: &[String; 2]) -> Result<(String, u64), SealError> {
    let [first, second] = [key(&custodians[0])?, key(&custodians[1])?];
    if first.to_string() == second.to_string() {
        return Err(SealError::Same);
    }
    let failed = |act, path: &Path| {
        let path = path.to_owned();
        move |source| SealError::File { act, path, source }
    };
    let mut input = File::open(from).map_err(failed("read", from))?;
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write(&mut input, &part, &first, &second)
        .and_then(|written| fs::rename(&part, to).map(|()| written))
        .and_then(|written| sync_folder(to).map(|()| written));
    if written.is_err() {
        // What cannot be removed either is written over the next time.
        let _ = fs::remove_file(&part);
    }
    written.map_err(failed("write", to))
}

fn key(text: &str) -> Result<x25519::Recipient, SealError> {
    text.trim().parse().map_err(|why| SealError::Key {
        key: text.to_owned(),
        why,
    })
}

fn write(
    input: &mut File,
    path: &Path,
    first: &x25519::Recipient,
    second: &x25519::Recipient,
) -> io::Result<(String, u64)> {
    let mut options = File::options();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let counted = Counted {
        file,
        digest: Context::new(&SHA256),
        bytes: 0,
    };
    let encryptor = |key: &x25519::Recipient| {
        Encryptor::with_recipients(once(key as &dyn Recipient)).map_err(io::Error::other)
    };
    let outer = encryptor(second)?.wrap_output(counted)?;
    let mut inner = encryptor(first)?.wrap_output(outer)?;
    io::copy(&mut BufReader::with_capacity(64 << 10, input), &mut inner)?;
    let counted = inner.finish()?.finish()?;
    counted.file.sync_all()?;
    let digest = counted.digest.finish();
    let sha256 = contract::hex::hex(digest.as_ref());
    Ok((sha256, counted.bytes))
}

fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// A file, and what was written to it.
struct Counted {
    file: File,
    digest: Context,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
