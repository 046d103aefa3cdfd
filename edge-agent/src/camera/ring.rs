//! The last minutes of a camera on disk, as they came: a folder of segments, bounded in bytes and time.
//!
//! Two kinds of segments. `MS.frames`: JPEG pictures with their times (this module writes them); `S.ts`: MPEG transport stream as
//! ffmpeg copied the camera's packets (module `ffmpeg`). MS and S say when the first frame came, in milliseconds and seconds
//! since 1970. A segment of pictures is `ODF1`, then for each `at i64 (ms since 1970), length u32, JPEG`, little-endian.
//!
//! Promise: [`Ring::keep`] returns after the picture was handed to the system; the folder is never larger than `bytes_max`
//! plus one segment, nor older than `keep`. Not promised: what a power cut leaves of the last segment (no fsync; a torn
//! picture at its end is passed over).

use super::config::RingConfig;
use contract::Timestamp;
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// The first bytes of a segment of pictures.
pub const MAGIC: &[u8; 4] = b"ODF1";
/// Bytes before each picture.
pub const HEAD: usize = 12;
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
        "frames" => Some(Timestamp::from_millis(number)),
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
        let mut bytes = Vec::with_capacity(HEAD + jpeg.len());
        bytes.extend_from_slice(&at.as_millis().to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(jpeg.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(jpeg);
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
        let (path, mut file) = loop {
            let path = self.config.dir.join(format!("{number:013}.frames"));
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        file.write_all(MAGIC)?;
        self.segments.push_back(Segment {
            path,
            first: at,
            bytes: MAGIC.len() as u64,
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

/// A picture in a segment: its time and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// When it came.
    pub at: Timestamp,
    /// Where its record begins.
    pub from: usize,
    /// Where its record ends.
    pub to: usize,
}

/// The pictures in the bytes of a segment; one that is torn at the end is left out. `None` if it is no segment of pictures.
pub fn pictures(bytes: &[u8]) -> Option<Vec<Kept>> {
    let mut from = MAGIC.len();
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let mut kept = Vec::new();
    while let Some(head) = bytes.get(from..from + HEAD) {
        let (at, length) = head.split_at(8);
        let at = i64::from_le_bytes(at.try_into().ok()?);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let to = from + HEAD + length;
        if to > bytes.len() {
            break;
        }
        kept.push(Kept {
            at: Timestamp::from_millis(at),
            from,
            to,
        });
        from = to;
    }
    Some(kept)
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
        let last = fs::read(&segments.last().unwrap().path).unwrap();
        let kept = pictures(&last).unwrap();
        assert_eq!(kept.last().unwrap().at, at(599 * 500));
        assert_eq!(last[kept[0].from + HEAD..kept[0].to].len(), 100);
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
    fn a_torn_picture_is_passed_over_and_a_clock_set_back_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut ring = Ring::open(&config(dir.path())).unwrap();
        for ms in [0, 1_000, 500, 600, 0] {
            ring.keep(at(ms), b"picture").unwrap();
        }
        let all = segments(dir.path()).unwrap();
        assert_eq!(all.len(), 3);
        let count = |path: &Path| pictures(&fs::read(path).unwrap()).unwrap().len();
        assert_eq!(all.iter().map(|s| count(&s.path)).sum::<usize>(), 5);
        let bytes = fs::read(&all[0].path).unwrap();
        for end in 4..bytes.len() {
            assert!(pictures(&bytes[..end]).unwrap().len() < pictures(&bytes).unwrap().len());
        }
        assert_eq!(pictures(b"no"), None);
    }
}
