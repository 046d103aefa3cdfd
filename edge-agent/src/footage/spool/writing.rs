//! A file that is written with its hash.

use contract::hex::hex;
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

/// A file that is written with its hash.
pub struct Writing {
    path: PathBuf,
    file: io::BufWriter<fs::File>,
    hash: ring::digest::Context,
    bytes: u64,
}

impl Writing {
    /// Begins a file.
    pub fn create(path: PathBuf) -> io::Result<Writing> {
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true);
        Ok(Writing {
            file: io::BufWriter::new(file.mode(0o600).open(&path)?),
            path,
            hash: ring::digest::Context::new(&ring::digest::SHA256),
            bytes: 0,
        })
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Its path, hash and length, once it is on disk.
    pub fn finish(mut self) -> io::Result<(PathBuf, String, u64)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.path, hex(self.hash.finish().as_ref()), self.bytes))
    }
}
