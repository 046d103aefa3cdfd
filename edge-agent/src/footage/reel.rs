//! The frames of a clip that was cut, one after the other, a few a second: JPEG pictures as they are, transport stream by a
//! child of ffmpeg, segment by segment, with the times that [`Piece`] gives. The same clip gives the same frames each time.

use super::job::blocking;
use crate::camera::{
    clip::{Clip, Piece},
    parts,
};
use bytes::Bytes;
use contract::{Timestamp, vision::Pixels};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};

/// A frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its time.
    pub at: Timestamp,
    /// How its pixels are written.
    pub pixels: Pixels,
    /// Its pixels.
    pub body: Bytes,
}

/// What is shown of a clip.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub to: Timestamp,
    /// At most so many frames a second.
    pub frames_per_s: f64,
    /// A picture of exactly this time in any case.
    pub at: Timestamp,
}

/// The longest JPEG and the largest picture that is taken, in bytes.
const BYTES_MAX: u64 = contract::vision::BODY_MAX as u64;
/// Wider pictures of a transport stream are made so wide.
const WIDE_MAX: u32 = 1920;
/// A child that gives nothing for so long is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame that comes after this share of a step is on time: a camera of the same rate is never quite even.
const EARLY: f64 = 0.9;

/// Why frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReelError {
    /// The clip.
    #[error("cannot read the clip {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// ffmpeg.
    #[error("cannot start {program} to decode a clip")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A clip whose frames are read.
pub struct Reel {
    path: PathBuf,
    program: PathBuf,
    choice: Choice,
    last: Option<Timestamp>,
    kind: Kind,
}

type Pictures = parts::Pictures<io::BufReader<std::fs::File>>;

enum Kind {
    /// Gone while it is read.
    Pictures(Option<Pictures>),
    Stream {
        pieces: VecDeque<Piece>,
        running: Option<(Piece, Decoder)>,
    },
}

impl Reel {
    /// Opens a clip; `program` is the ffmpeg that decodes a transport stream.
    pub async fn open(
        path: &Path,
        clip: &Clip,
        pieces: &[Piece],
        program: &Path,
        choice: Choice,
    ) -> Result<Reel, ReelError> {
        let kind = match clip.format {
            parts::FORMAT => {
                let read = |source| ReelError::Read {
                    path: path.to_owned(),
                    source,
                };
                let file = File::open(path).await.map_err(read)?.into_std().await;
                Kind::Pictures(Some(Pictures::new(io::BufReader::new(file))))
            }
            _ => Kind::Stream {
                pieces: pieces.iter().cloned().collect(),
                running: None,
            },
        };
        Ok(Reel {
            path: path.to_owned(),
            program: program.to_owned(),
            choice,
            last: None,
            kind,
        })
    }

    /// The next frame; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Frame>, ReelError> {
        match &mut self.kind {
            Kind::Pictures(_) => self.picture().await,
            Kind::Stream { .. } => self.decoded().await,
        }
    }

    /// Whether a frame is shown: the one that was asked for, and of the others few enough.
    fn takes(&mut self, at: Timestamp) -> bool {
        let step = (1_000.0 * EARLY / self.choice.frames_per_s) as i64;
        let is_due = self.last.is_none_or(|last| at.since(last) >= step);
        let is_within = self.choice.from <= at && at <= self.choice.to;
        let takes = is_within && (is_due || at == self.choice.at);
        if takes {
            self.last = Some(at);
        }
        takes
    }

    async fn picture(&mut self) -> Result<Option<Frame>, ReelError> {
        loop {
            let Kind::Pictures(kept) = &mut self.kind else {
                return Ok(None);
            };
            let Some(mut pictures) = kept.take() else {
                return Ok(None);
            };
            let read = |source| ReelError::Read {
                path: self.path.clone(),
                source,
            };
            let next = blocking(move || Ok((pictures.next_picture()?, pictures)));
            let (picture, pictures) = next.await.map_err(read)?;
            *kept = Some(pictures);
            let Some((at, body)) = picture else {
                return Ok(None);
            };
            if body.len() as u64 <= BYTES_MAX && self.takes(at) {
                return Ok(Some(Frame {
                    at,
                    pixels: Pixels::Jpeg,
                    body: body.into(),
                }));
            }
        }
    }

    async fn decoded(&mut self) -> Result<Option<Frame>, ReelError> {
        loop {
            let Kind::Stream { pieces, running } = &mut self.kind else {
                return Ok(None);
            };
            if running.is_none() {
                let Some(piece) = pieces.pop_front() else {
                    return Ok(None);
                };
                let rate = self.choice.frames_per_s;
                let decoder = Decoder::start(&self.program, &self.path, &piece, rate).await?;
                *running = Some((piece, decoder));
            }
            let Some((piece, decoder)) = running else {
                return Ok(None);
            };
            match decoder.next().await {
                None => *running = None,
                Some((pts, pixels, body)) => {
                    let at = piece.at(pts);
                    if self.takes(at) {
                        return Ok(Some(Frame { at, pixels, body }));
                    }
                }
            }
        }
    }
}

/// A child of ffmpeg that decodes one segment. Dropping it kills it.
struct Decoder {
    _child: Child,
    stdout: BufReader<ChildStdout>,
    shown: mpsc::Receiver<u64>,
}

impl Decoder {
    async fn start(
        program: &Path,
        path: &Path,
        piece: &Piece,
        frames_per_s: f64,
    ) -> Result<Decoder, ReelError> {
        let step = EARLY / frames_per_s;
        // showinfo says the presentation time of each frame that leaves, in the order in which they leave.
        let filter = format!(
            "select=isnan(prev_selected_t)+gte(t-prev_selected_t\\,{step:.3}),scale=w=min({WIDE_MAX}\\,iw):h=-2,showinfo=checksum=0"
        );
        let mut command = Command::new(program);
        command
            .args([
                "-nostdin",
                "-hide_banner",
                "-nostats",
                "-loglevel",
                "info",
                "-copyts",
            ])
            .args([
                "-f", "mpegts", "-i", "pipe:0", "-map", "0:v:0", "-an", "-vf",
            ])
            .arg(filter)
            .args([
                "-fps_mode",
                "passthrough",
                "-f",
                "image2pipe",
                "-c:v",
                "ppm",
                "pipe:1",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| ReelError::Start {
            program: program.display().to_string(),
            source,
        })?;
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let read = |source| ReelError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).await.map_err(read)?;
        file.seek(io::SeekFrom::Start(piece.from))
            .await
            .map_err(read)?;
        let mut bytes = file.take(piece.to - piece.from);
        tokio::spawn(async move {
            // An error is the end of the child, which is noticed by its frames.
            let _ = tokio::io::copy(&mut bytes, &mut stdin).await;
        });
        let (tell, shown) = mpsc::channel(4_096);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(pts) = shown_at(&line)
                    && tell.send(pts).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(Decoder {
            _child: child,
            stdout: BufReader::new(stdout),
            shown,
        })
    }

    /// Presentation time and pixels of the next frame; nothing when there are no more, or the child hangs.
    async fn next(&mut self) -> Option<(u64, Pixels, Bytes)> {
        let frame = async {
            let (width, height) = self.head().await?;
            let mut body = vec![0; width as usize * height as usize * 3];
            self.stdout.read_exact(&mut body).await.ok()?;
            let pts = self.shown.recv().await?;
            Some((pts, Pixels::Rgb { width, height }, body.into()))
        };
        timeout(PATIENCE, frame).await.ok().flatten()
    }

    /// `P6`, width, height and 255, a line each or all in one, as ffmpeg writes it.
    async fn head(&mut self) -> Option<(u32, u32)> {
        let mut words = Vec::new();
        while words.len() < 4 {
            let mut line = String::new();
            let mut some = (&mut self.stdout).take(64);
            if some.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            words.extend(line.split_ascii_whitespace().map(str::to_owned));
        }
        let (width, height) = (words[1].parse().ok()?, words[2].parse().ok()?);
        let fits = u64::from(width) * u64::from(height) * 3 <= BYTES_MAX;
        (words[0] == "P6" && words[3] == "255" && fits).then_some((width, height))
    }
}

/// The presentation time in a line of ffmpeg's filter `showinfo`.
fn shown_at(line: &str) -> Option<u64> {
    if !line.contains("showinfo") {
        return None;
    }
    let (_, rest) = line.split_once(" pts:")?;
    let word = rest.split_ascii_whitespace().next()?;
    let pts: i64 = word.parse().ok()?;
    Some(pts.rem_euclid(crate::camera::packets::WRAP as i64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_frame_is_read_from_what_ffmpeg_says() {
        let line = "[Parsed_showinfo_2 @ 0x5581] n:   3 pts: 126000 pts_time:1.4     duration:   3600 fmt:rgb24";
        assert_eq!(shown_at(line), Some(126_000));
        assert_eq!(
            shown_at("[Parsed_showinfo_2 @ 0x5581] config in time_base: 1/90000"),
            None
        );
        assert_eq!(shown_at("frame pts:7"), None);
    }
}
