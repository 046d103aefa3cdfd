//! The frames around an event, cut out of a ring as they are, and whether any are missing.
//!
//! Promise: every frame that the ring has between two times is in the clip, byte for byte; the clip is complete only if no
//! two frames are further apart than [`longest`], the ends included, else the holes are listed. A clip of pictures has the
//! format of `parts`; one of a transport stream is its whole segments one after the other, and may begin and end earlier
//! and later than was asked for.

use super::{
    packets, parts,
    ring::{self, Segment},
};
use contract::Timestamp;
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Frames are missing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// The last frame before it, or the beginning that was asked for.
    pub from: Timestamp,
    /// The next frame, or the end that was asked for.
    pub to: Timestamp,
}

/// What a clip is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clip {
    /// The beginning that was asked for.
    pub from: Timestamp,
    /// The end that was asked for.
    pub to: Timestamp,
    /// `mpjpeg` (pictures with their times) or `mpegts`, as ffmpeg calls them.
    pub format: &'static str,
    /// Frames in the file.
    pub frames: usize,
    /// The first and the last of them.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// True if nothing is missing.
    pub complete: bool,
    /// What is missing.
    pub holes: Vec<Hole>,
}

/// A segment of transport stream in a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where its bytes begin in the clip.
    pub from: u64,
    /// Where they end.
    pub to: u64,
    /// The presentation time of its first frame.
    pub first: u64,
    /// When that frame came.
    pub begin: Timestamp,
}

impl Piece {
    /// When the frame came that is to be shown at `pts`.
    pub fn at(&self, pts: u64) -> Timestamp {
        self.begin
            .plus_millis(ms(packets::between(self.first, pts)))
    }
}

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The end is not after the beginning.
    #[error("the clip would end before it begins")]
    Order,
    /// The ring cannot be read.
    #[error("cannot read the ring {}", dir.display())]
    Ring {
        /// Its folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The ring has nothing between the two times.
    #[error("the ring {} has no frame from {from} to {to}", dir.display())]
    Nothing {
        /// Its folder.
        dir: PathBuf,
        /// The beginning.
        from: Timestamp,
        /// The end.
        to: Timestamp,
    },
    /// The clip cannot be written.
    #[error("cannot write the clip {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How far apart two frames may be: a second, or three times what is usual in this clip. Milliseconds.
pub fn longest(times: &[Timestamp]) -> i64 {
    let mut steps: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[1].since(pair[0]))
        .collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    (3 * usual).clamp(1_000, 10_000)
}

/// Where frames are missing between two times, given those that are there in order. Pure.
pub fn holes(times: &[Timestamp], from: Timestamp, to: Timestamp) -> Vec<Hole> {
    let longest = longest(times);
    let inner = times.iter().copied().filter(|at| *at > from && *at < to);
    let edges: Vec<Timestamp> = std::iter::once(from).chain(inner).chain([to]).collect();
    let pairs = edges
        .windows(2)
        .filter(|pair| pair[1].since(pair[0]) > longest);
    pairs
        .map(|pair| Hole {
            from: pair[0],
            to: pair[1],
        })
        .collect()
}

/// Cuts what a ring has between two times into a file.
pub fn cut(dir: &Path, from: Timestamp, to: Timestamp, file: &Path) -> Result<Clip, ClipError> {
    cut_pieces(dir, from, to, file).map(|(clip, _)| clip)
}

/// The same, and of which segments a clip of transport stream is.
pub fn cut_pieces(
    dir: &Path,
    from: Timestamp,
    to: Timestamp,
    file: &Path,
) -> Result<(Clip, Vec<Piece>), ClipError> {
    if to <= from {
        return Err(ClipError::Order);
    }
    let ring = |source| ClipError::Ring {
        dir: dir.to_owned(),
        source,
    };
    let segments = ring::segments(dir).map_err(ring)?;
    let is_stream = segments.iter().any(|segment| is_stream(&segment.path));
    let mut writer = Writer::create(file)?;
    let (mut times, pieces) = match is_stream {
        true => cut_stream(&segments, from, to, &mut writer)?,
        false => (cut_pictures(&segments, from, to, &mut writer)?, Vec::new()),
    };
    let (bytes, sha256) = writer.finish()?;
    if times.is_empty() {
        // An empty file is no clip.
        let _ = fs::remove_file(file);
        let dir = dir.to_owned();
        return Err(ClipError::Nothing { dir, from, to });
    }
    times.sort_unstable();
    let holes = holes(&times, from, to);
    let clip = Clip {
        from,
        to,
        format: if is_stream { "mpegts" } else { parts::FORMAT },
        frames: times.len(),
        span: times.first().copied().zip(times.last().copied()),
        bytes,
        sha256,
        complete: holes.is_empty(),
        holes,
    };
    Ok((clip, pieces))
}

fn is_stream(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "ts")
}

/// The segment's bytes; nothing if the ring let go of it meanwhile, which becomes a hole.
fn read(segment: &Segment) -> Result<Option<Vec<u8>>, ClipError> {
    match fs::read(&segment.path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ClipError::Ring {
            dir: segment.path.clone(),
            source,
        }),
    }
}

fn cut_pictures(
    segments: &[Segment],
    from: Timestamp,
    to: Timestamp,
    out: &mut Writer,
) -> Result<Vec<Timestamp>, ClipError> {
    let mut times = Vec::new();
    for segment in segments.iter().filter(|segment| segment.first <= to) {
        // A segment that was over long before is not read.
        let longest = 2 * ring::SEGMENT.as_millis() as i64;
        if segment.first.plus_millis(longest) < from {
            continue;
        }
        let unreadable = |source| ClipError::Ring {
            dir: segment.path.clone(),
            source,
        };
        let file = match File::open(&segment.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(unreadable)?,
        };
        let mut pictures = parts::Pictures::new(io::BufReader::new(file));
        loop {
            let (at, picture) = match pictures.next_picture() {
                Ok(Some(picture)) => picture,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!(path = %segment.path.display(), %error, "the rest of this segment is a hole");
                    break;
                }
                Err(error) => return Err(unreadable(error)),
            };
            if from <= at && at <= to {
                out.write(parts::head(at, picture.len()).as_bytes())?;
                out.write(&picture)?;
                out.write(parts::TAIL)?;
                times.push(at);
            }
        }
    }
    out.write(parts::END)?;
    Ok(times)
}

/// Whole segments. The last frame of a segment came when the file was last written; the others, and those of segments that go
/// on from it, stand before and after it by their presentation times.
fn cut_stream(
    segments: &[Segment],
    from: Timestamp,
    to: Timestamp,
    out: &mut Writer,
) -> Result<(Vec<Timestamp>, Vec<Piece>), ClipError> {
    let mut times: Vec<Timestamp> = Vec::new();
    let mut pieces = Vec::new();
    let mut before: Option<(u64, Timestamp)> = None;
    for segment in segments
        .iter()
        .filter(|segment| is_stream(&segment.path) && segment.first <= to)
    {
        if segment.first.plus_millis(120_000) < from {
            continue;
        }
        let Some(mut bytes) = read(segment)? else {
            continue;
        };
        let frames = packets::frames(&bytes);
        let (Some(&(_, first)), Some(&newest)) = (frames.first(), frames.last()) else {
            continue;
        };
        // Frames stand in the order in which they are decoded.
        let mut shown: Vec<u64> = frames.iter().map(|(_, pts)| *pts).collect();
        shown.sort_by_key(|pts| packets::between(first, *pts));
        let (first, last) = (shown[0], shown[shown.len() - 1]);
        let begin = match before {
            Some((last, at)) if (0..ms_ticks(2_000)).contains(&packets::between(last, first)) => {
                at.plus_millis(ms(packets::between(last, first)))
            }
            _ => begin_of(segment, ms(packets::between(first, last))),
        };
        let mut piece = Piece {
            from: out.bytes,
            to: out.bytes,
            first,
            begin,
        };
        before = Some((last, piece.at(last)));
        if piece.at(last) < from || begin > to {
            continue;
        }
        // ffmpeg may be in the middle of the newest frame of all; if that came after what is asked for, it is left out.
        if segments.last() == Some(segment) && piece.at(newest.1) > to && shown.len() > 1 {
            bytes.truncate(newest.0);
            shown.retain(|pts| *pts != newest.1);
        }
        piece.to += bytes.len() as u64;
        times.extend(shown.iter().map(|pts| piece.at(*pts)));
        out.write(&bytes)?;
        pieces.push(piece);
    }
    Ok((times, pieces))
}

fn ms(ticks: i64) -> i64 {
    ticks * 1_000 / packets::TICKS as i64
}

/// When the first frame came of a segment that is so many milliseconds long: so long before it was last written, or what its
/// name says if that cannot be (a copy of a ring).
fn begin_of(segment: &Segment, length: i64) -> Timestamp {
    let modified = fs::metadata(&segment.path).and_then(|meta| meta.modified());
    let since = modified
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let at = since
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map(Timestamp::from_millis);
    // ffmpeg names a segment when it opens it, some seconds after the first packet came.
    const APART: i64 = 15_000;
    at.map(|at| at.plus_millis(-length))
        .filter(|begin| begin.since(segment.first).abs() <= APART)
        .unwrap_or(segment.first)
}

const fn ms_ticks(ms: i64) -> i64 {
    ms * packets::TICKS as i64 / 1_000
}

struct Writer {
    path: PathBuf,
    file: File,
    bytes: u64,
    hash: ::ring::digest::Context,
}

impl Writer {
    fn create(path: &Path) -> Result<Writer, ClipError> {
        let file = File::create(path).map_err(|source| ClipError::Write {
            path: path.to_owned(),
            source,
        })?;
        Ok(Writer {
            path: path.to_owned(),
            file,
            bytes: 0,
            hash: ::ring::digest::Context::new(&::ring::digest::SHA256),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ClipError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|source| ClipError::Write {
                path: self.path.clone(),
                source,
            })
    }

    fn finish(self) -> Result<(u64, String), ClipError> {
        let path = self.path;
        self.file
            .sync_all()
            .map_err(|source| ClipError::Write { path, source })?;
        Ok((self.bytes, contract::hex::hex(self.hash.finish().as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{config::RingConfig, ring::Ring};
    use std::time::Duration;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + ms)
    }

    #[test]
    fn holes_are_found_in_the_middle_and_at_both_ends() {
        let every =
            |from: i64, to: i64, step: usize| (from..to).step_by(step).map(at).collect::<Vec<_>>();
        let list = |found: Vec<Hole>| {
            found
                .iter()
                .map(|h| (h.from.since(at(0)), h.to.since(at(0))))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            list(holes(&every(0, 20_000, 200), at(1_000), at(19_000))),
            []
        );
        let two = [every(3_000, 8_000, 200), every(12_000, 15_000, 200)].concat();
        assert_eq!(
            list(holes(&two, at(0), at(20_000))),
            [(0, 3_000), (7_800, 12_000), (14_800, 20_000)]
        );
        assert_eq!(
            list(holes(&every(0, 60_000, 2_000), at(0), at(58_000))),
            [],
            "a slow camera has no holes"
        );
        assert_eq!(list(holes(&[], at(0), at(5_000))), [(0, 5_000)]);
    }

    #[test]
    fn a_clip_has_the_pictures_of_its_time_byte_for_byte_and_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let config = RingConfig {
            dir: dir.path().join("ring"),
            keep: Duration::from_secs(600),
            bytes_max: 1 << 30,
        };
        let mut ring = Ring::open(&config).unwrap();
        let picture = |n: i64| vec![n as u8; 50 + n as usize % 7];
        // Five a second, none from 40 s to 47 s.
        for n in (0..500).filter(|n| !(200..235).contains(n)) {
            ring.keep(at(n * 200), &picture(n)).unwrap();
        }
        let file = dir.path().join("clip.mpjpeg");
        let clip = cut(&config.dir, at(10_000), at(30_000), &file).unwrap();
        assert_eq!(
            (clip.frames, clip.complete, clip.format),
            (101, true, "mpjpeg")
        );
        let bytes = fs::read(&file).unwrap();
        assert_eq!(bytes.len() as u64, clip.bytes);
        let mut pictures = parts::Pictures::new(bytes.as_slice());
        for n in 50..=150 {
            let kept = pictures.next_picture().unwrap();
            assert_eq!(kept, Some((at(n * 200), picture(n))));
        }
        assert_eq!(pictures.next_picture().unwrap(), None);
        let clip = cut(&config.dir, at(35_000), at(50_000), &file).unwrap();
        assert_eq!(
            (clip.complete, clip.holes),
            (
                false,
                vec![Hole {
                    from: at(39_800),
                    to: at(47_000)
                }]
            )
        );
        let clip = cut(&config.dir, at(90_000), at(120_000), &file).unwrap();
        assert_eq!(
            clip.holes,
            [Hole {
                from: at(99_800),
                to: at(120_000)
            }]
        );
        assert!(matches!(
            cut(&config.dir, at(500_000), at(510_000), &file),
            Err(ClipError::Nothing { .. })
        ));
        assert!(!file.exists());
        assert!(matches!(
            cut(&config.dir, at(5), at(5), &file),
            Err(ClipError::Order)
        ));
    }
}
