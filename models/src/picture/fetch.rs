//! A model's file from where its authors give it out.
//!
//! Promise: a file stands under its name only when all of it is there and its SHA-256 is the one asked for. What came of
//! it before a break is in `NAME.part` and is not asked for again, where the server can go on from a place.

use crate::catalogue::sha256;
use reqwest::{StatusCode, header};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// A model's file, at most.
pub const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Nothing has come for so long: given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address could not be asked, or the line broke.
    #[error(
        "cannot fetch {address}; check the network and the proxy (HTTPS_PROXY), then run it again: it goes on where it broke"
    )]
    Request {
        /// Where from.
        address: String,
        /// Why it failed.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused.
    #[error(
        "{address} answers {status}; look whether its authors moved it, and correct `source` of the manifest"
    )]
    Refused {
        /// Where from.
        address: String,
        /// What it said.
        status: StatusCode,
    },
    /// More than [`BYTES_MAX`].
    #[error(
        "{address} is larger than {BYTES_MAX} bytes; that is no model, correct `source` of the manifest"
    )]
    TooLarge {
        /// Where from.
        address: String,
    },
    /// Something else came.
    #[error(
        "what {address} gave is not the file of the manifest: its SHA-256 is {actual}, the manifest says {expected}; it \
         was thrown away. If the authors put out a new one, take their hash after looking at what changed"
    )]
    Hash {
        /// Where from.
        address: String,
        /// What the manifest says.
        expected: String,
        /// What came.
        actual: String,
    },
    /// The file could not be written.
    #[error("cannot write {path}; check its folder and the space on the disk")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Fetches `address` into `path`, if its SHA-256 is `expected`. `progress` hears bytes that are there and bytes in
/// all, if the server says how many.
pub async fn fetch(
    address: &str,
    expected: &str,
    path: &Path,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<(), FetchError> {
    let failed = |source: reqwest::Error| FetchError::Request {
        address: address.to_owned(),
        source: source.without_url(),
    };
    let part = part_of(path);
    let write = |source| FetchError::Write {
        path: part.clone(),
        source,
    };
    // The provider may be set already, by a test or by whoever uses this library.
    let _set_before = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(30))
        .read_timeout(SILENCE_MAX)
        .build()
        .map_err(failed)?;
    let before = std::fs::metadata(&part).map_or(0, |meta| meta.len());
    let ask = |from: u64| {
        let request = client.get(address);
        match from {
            0 => request,
            from => request.header(header::RANGE, format!("bytes={from}-")),
        }
    };
    let mut response = ask(before).send().await.map_err(failed)?;
    if before > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        response = ask(0).send().await.map_err(failed)?;
    }
    if !response.status().is_success() {
        return Err(FetchError::Refused {
            address: address.to_owned(),
            status: response.status(),
        });
    }
    let goes_on = response.status() == StatusCode::PARTIAL_CONTENT;
    let mut there = if goes_on { before } else { 0 };
    let all = response.content_length().map(|left| there + left);
    let mut file = open(&part, goes_on).map_err(write)?;
    progress(there, all);
    while let Some(bytes) = response.chunk().await.map_err(failed)? {
        there += bytes.len() as u64;
        if there > BYTES_MAX {
            return Err(FetchError::TooLarge {
                address: address.to_owned(),
            });
        }
        file.write_all(&bytes).map_err(write)?;
        progress(there, all);
    }
    file.sync_all().map_err(write)?;
    let actual = sha256(&std::fs::read(&part).map_err(write)?);
    if actual != expected {
        std::fs::remove_file(&part).map_err(write)?;
        return Err(FetchError::Hash {
            address: address.to_owned(),
            expected: expected.to_owned(),
            actual,
        });
    }
    std::fs::rename(&part, path).map_err(|source| FetchError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Where the beginning of `path` waits.
pub fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn open(part: &Path, goes_on: bool) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .append(goes_on)
        .truncate(!goes_on)
        .open(part)
}
