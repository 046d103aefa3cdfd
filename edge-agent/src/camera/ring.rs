//! The last minutes of a camera on disk, as they came: a folder of segments, bounded in bytes and time.
//!
//! Two kinds of segments. `MS.mpjpeg`: JPEG pictures with their times (this module writes them, in the format of `parts`);
//! `S.ts`: MPEG transport stream as ffmpeg copied the camera's packets (module `ffmpeg`). MS and S say when the first frame came,
//! in milliseconds and seconds since 1970.
//!
//! Promise: [`Ring::keep`] returns after the picture was handed to the system; the folder is never larger than `bytes_max`
//! plus one segment, nor older than `keep`. Not promised: what a power cut leaves of the last segment (no fsync; a torn
//! picture at its end is passed over).

use super::{config::RingConfig, parts};
use contract::Timestamp;
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a segment is.
pub const SEGMENT: Duration = Duration::from_secs(10);

/// A segment on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// When its first frame came.
    pub first: Timestamp,
    /// How long it is.
    pub bytes: u64,
}

/// A ring that is written.
#[derive(Debug)]
pub struct Ring {
    config: RingConfig,
    open: Option<(File, Timestamp, Timestamp)>,
    segments: VecDeque<Segment>,
}

/// The segments in a folder, oldest first.
pub fn segments(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(first) = first_of(&path) else {
            continue;
        };
        // Gone between the listing and now: it was the oldest.
        let Ok(meta) = fs::metadata(&path) else {
            continue;
        };
        segments.push(Segment {
            bytes: meta.len(),
            first,
            path,
        });
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

fn first_of(path: &Path) -> Option<Timestamp> {
    let number: i64 = path.file_stem()?.to_str()?.parse().ok()?;
    match path.extension()?.to_str()? {
        parts::FORMAT => Some(Timestamp::from_millis(number)),
        "ts" => number.checked_mul(1_000).map(Timestamp::from_millis),
        _ => None,
    }
}

impl Ring {
    /// Opens the folder, makes it if it is not there, and goes on with what is in it.
    pub fn open(config: &RingConfig) -> io::Result<Ring> {
        fs::create_dir_all(&config.dir)?;
        Ok(Ring {
            segments: segments(&config.dir)?.into(),
            config: config.clone(),
            open: None,
        })
    }

    /// Appends a picture.
    pub fn keep(&mut self, at: Timestamp, jpeg: &[u8]) -> io::Result<()> {
        let is_over = self.open.as_ref().is_some_and(|(_, first, last)| {
            at < *last || at.since(*first) >= SEGMENT.as_millis() as i64
        });
        if is_over {
            self.open = None;
        }
        if self.open.is_none() {
            self.begin(at)?;
            self.trim(at);
        }
        let head = parts::head(at, jpeg.len());
        let bytes = [head.as_bytes(), jpeg, parts::TAIL].concat();
        let Some((file, _, last)) = &mut self.open else {
            return Ok(());
        };
        if let Err(error) = file.write_all(&bytes) {
            // Half a picture may stand at its end: nothing more goes behind it.
            self.open = None;
            return Err(error);
        }
        *last = at;
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes += bytes.len() as u64;
        }
        if self.bytes() > self.config.bytes_max {
            self.trim(at);
        }
        Ok(())
    }

    fn begin(&mut self, at: Timestamp) -> io::Result<()> {
        // A clock that was set back may give a name that is there already.
        let mut number = at.as_millis();
        let (path, file) = loop {
            let path = self
                .config
                .dir
                .join(format!("{number:013}.{}", parts::FORMAT));
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        self.segments.push_back(Segment {
            path,
            first: at,
            bytes: 0,
        });
        self.open = Some((file, at, at));
        Ok(())
    }

    /// Looks again at what is in the folder (somebody else writes it) and lets go of what is too much.
    pub fn rescan(&mut self, now: Timestamp) -> io::Result<()> {
        self.segments = segments(&self.config.dir)?.into();
        self.trim(now);
        Ok(())
    }

    fn trim(&mut self, now: Timestamp) {
        let keep = (self.config.keep + SEGMENT).as_millis() as i64;
        while self.segments.len() > 1 {
            let is_old = self.segments[0].first.plus_millis(keep) < now;
            if !is_old && self.bytes() <= self.config.bytes_max {
                return;
            }
            if let Some(oldest) = self.segments.pop_front()
                && let Err(error) = fs::remove_file(&oldest.path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::error!(path = %oldest.path.display(), %error, "an old part of the ring cannot be removed");
            }
        }
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> RingConfig {
        RingConfig {
            dir: dir.to_owned(),
            keep: Duration::from_secs(60),
            bytes_max: 1 << 20,
        }
    }

    fn pictures(path: &Path) -> Vec<(Timestamp, Vec<u8>)> {
        let bytes = fs::read(path).unwrap();
        let mut pictures = parts::Pictures::new(bytes.as_slice());
        std::iter::from_fn(|| pictures.next_picture().unwrap()).collect()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + ms)
    }

    #[test]
    fn a_ring_is_bounded_in_time_and_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut ring = Ring::open(&config(dir.path())).unwrap();
        for n in 0..600 {
            ring.keep(at(n * 500), &[n as u8; 100]).unwrap();
            if n == 300 {
                drop(ring);
                ring = Ring::open(&config(dir.path())).unwrap();
            }
        }
        let segments = segments(dir.path()).unwrap();
        assert!((7..=9).contains(&segments.len()), "{}", segments.len());
        assert!(segments[0].first >= at(300_000 - 82_000));
        assert_eq!(segments.iter().map(|s| s.bytes).sum::<u64>(), ring.bytes());
        let kept = pictures(&segments.last().unwrap().path);
        assert_eq!(kept.last().unwrap(), &(at(599 * 500), vec![87; 100]));
    }

    #[test]
    fn a_ring_is_bounded_in_bytes_whatever_the_pictures_are() {
        let dir = tempfile::tempdir().unwrap();
        let mut ring = Ring::open(&config(dir.path())).unwrap();
        for n in 0..300 {
            ring.keep(at(n * 200), &vec![0; 40_000]).unwrap();
            let on_disk: u64 = segments(dir.path()).unwrap().iter().map(|s| s.bytes).sum();
            assert!(on_disk <= (1 << 20) + 50 * 40_100, "{on_disk}");
            assert_eq!(on_disk, ring.bytes());
        }
    }

    #[test]
    fn a_clock_set_back_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut ring = Ring::open(&config(dir.path())).unwrap();
        for ms in [0, 1_000, 500, 600, 0] {
            ring.keep(at(ms), b"picture").unwrap();
        }
        let all = segments(dir.path()).unwrap();
        assert_eq!(all.len(), 3);
        let count = |path: &Path| pictures(path).len();
        assert_eq!(all.iter().map(|s| count(&s.path)).sum::<usize>(), 5);
    }
}
