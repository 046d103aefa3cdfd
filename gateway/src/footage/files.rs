//! The files of footage on disk, each known by its SHA-256.
//!
//! Promise: a file under `here/` is whole and has the hash that it is named by; it gets there by one rename, after fsync. What
//! has come of a file that is under way stands under `partial/`, and its length is where the sender goes on.
//! Not promised: that a file stays unharmed by the disk; who reads one for evidence checks its hash.
//!
//! `here/ab/abcd…`, `partial/abcd…`. Everything here blocks for as long as the disk takes.

use ring::digest::{Context, SHA256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// What a file was found to be when all of it had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// What was announced.
    Here,
    /// Something else; it was thrown away. The hash it has.
    Another(String),
}

/// The folder.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    bytes: AtomicU64,
    whole: AtomicU64,
}

impl Files {
    /// Opens or makes the folder, and counts what is in it.
    pub fn open(folder: &Path) -> io::Result<Files> {
        let (mut bytes, mut whole) = (0, 0);
        for part in ["here", "partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        for shelf in fs::read_dir(folder.join("here"))? {
            for file in fs::read_dir(shelf?.path())? {
                bytes += file?.metadata()?.len();
                whole += 1;
            }
        }
        for file in fs::read_dir(folder.join("partial"))? {
            bytes += file?.metadata()?.len();
        }
        Ok(Files {
            folder: folder.to_owned(),
            bytes: AtomicU64::new(bytes),
            whole: AtomicU64::new(whole),
        })
    }

    fn here(&self, hash: &str) -> PathBuf {
        self.folder.join("here").join(&hash[..2]).join(hash)
    }

    fn partial(&self, hash: &str) -> PathBuf {
        self.folder.join("partial").join(hash)
    }

    /// Bytes in the folder, those under way included.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many files are here as a whole.
    pub fn count(&self) -> u64 {
        self.whole.load(Ordering::Relaxed)
    }

    /// True if the file is here as a whole.
    pub fn has(&self, hash: &str) -> bool {
        self.here(hash).is_file()
    }

    /// How much of a file that is under way has come.
    pub fn offset(&self, hash: &str) -> u64 {
        fs::metadata(self.partial(hash)).map_or(0, |file| file.len())
    }

    /// Opens a file for reading; nothing if it is not here.
    pub fn read(&self, hash: &str) -> io::Result<Option<File>> {
        match File::open(self.here(hash)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds to what has come of a file; one caller at a time for each.
    pub fn append(&self, hash: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.partial(hash);
        let mut file = File::options().create(true).append(true).open(&path)?;
        let before = file.metadata()?.len();
        let written = file.write_all(bytes);
        if written.is_err() {
            // What a full disk took of it is no length to go on from: the bytes beyond are not counted.
            let _may_fail_too = file.set_len(before);
        }
        written?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Makes what has come so far outlive a power cut.
    pub fn sync(&self, hash: &str) -> io::Result<()> {
        match File::open(self.partial(hash)) {
            Ok(file) => file.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Looks at a file of which everything has come, and puts it where whole files are, or throws it away.
    pub fn finish(&self, hash: &str) -> io::Result<Finished> {
        let partial = self.partial(hash);
        let mut file = File::open(&partial)?;
        let found = digest(&mut file)?;
        if found != hash {
            drop(file);
            self.throw_away(hash)?;
            return Ok(Finished::Another(found));
        }
        file.sync_all()?;
        let here = self.here(hash);
        let shelf = here.parent().expect("a file stands on a shelf");
        if !shelf.is_dir() {
            fs::create_dir_all(shelf)?;
            File::open(self.folder.join("here"))?.sync_all()?;
        }
        fs::rename(&partial, &here)?;
        self.whole.fetch_add(1, Ordering::Relaxed);
        File::open(shelf)?.sync_all()?;
        Ok(Finished::Here)
    }

    /// Throws away what has come of a file.
    pub fn throw_away(&self, hash: &str) -> io::Result<()> {
        self.delete(&self.partial(hash)).map(|_| ())
    }

    /// Deletes a file, and what has come of it.
    pub fn remove(&self, hash: &str) -> io::Result<()> {
        self.delete(&self.partial(hash))?;
        if self.delete(&self.here(hash))? {
            self.whole.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Hashes of all files, those under way included.
    pub fn all(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut names = |folder: &Path| -> io::Result<()> {
            for file in fs::read_dir(folder)? {
                found.push(file?.file_name().to_string_lossy().into_owned());
            }
            Ok(())
        };
        names(&self.folder.join("partial"))?;
        for shelf in fs::read_dir(self.folder.join("here"))? {
            names(&shelf?.path())?;
        }
        Ok(found)
    }

    /// False if it was not there.
    fn delete(&self, path: &Path) -> io::Result<bool> {
        let length = match fs::metadata(path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        fs::remove_file(path)?;
        self.bytes.fetch_sub(length, Ordering::Relaxed);
        Ok(true)
    }
}

/// SHA-256 of what is left to read, hexadecimal.
pub fn digest(from: &mut impl Read) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(crate::store::hex(context.finish().as_ref())),
            n => context.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sha256;

    #[test]
    fn a_file_is_here_only_as_a_whole_and_with_its_own_hash() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path()).unwrap();
        let hash = sha256(b"seen");
        files.append(&hash, b"se").unwrap();
        assert_eq!((files.offset(&hash), files.has(&hash)), (2, false));
        // What had come is counted after a new start, and goes on.
        let files = Files::open(folder.path()).unwrap();
        assert_eq!(files.bytes(), 2);
        files.append(&hash, b"en").unwrap();
        assert_eq!(files.finish(&hash).unwrap(), Finished::Here);
        assert_eq!((files.offset(&hash), files.has(&hash)), (0, true));
        let other = sha256(b"other");
        files.append(&other, b"seen").unwrap();
        assert_eq!(
            files.finish(&other).unwrap(),
            Finished::Another(hash.clone())
        );
        assert_eq!((files.offset(&other), files.has(&other)), (0, false));
        assert_eq!((files.bytes(), files.count()), (4, 1));
        assert_eq!(Files::open(folder.path()).unwrap().count(), 1);
        files.remove(&hash).unwrap();
        files.remove(&hash).unwrap();
        assert_eq!((files.bytes(), files.has(&hash)), (0, false));
        assert_eq!(files.count(), 0);
    }
}
