//! RTSP and files by ffmpeg, one child process for what is looked at and, if the ring takes another stream, one for that.
//!
//! A child is believed by its frames and not by its exit code: it ends with 0 when the server dies, and hangs when the server
//! freezes. Whoever runs [`frames`] kills it (SIGKILL) when no frame came for too long, and begins again.
//!
//! The password stands on the command line of the child, since ffmpeg takes it from nowhere else; it is never in our log
//! (docs/GAPS.md).

use super::{config::Ffmpeg, login::Login, ring::SEGMENT};
use bytes::Bytes;
use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// One thread decodes and scales a camera: each further one keeps a frame back, wants memory, and takes processor time for
/// waiting on the others. A picture that is too much for one core needs `input_options = ["-threads", "2"]`.
const ONE_THREAD: [&str; 4] = ["-filter_threads", "1", "-threads", "1"];

/// Why there are no more frames.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// The program cannot be started.
    #[error("cannot start {program}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing came for too long; the child was killed.
    #[error("ffmpeg gave no frame for {0:?} and was killed{1}")]
    Silent(Duration, Said),
    /// The child ended.
    #[error("ffmpeg ended{0}")]
    Ended(Said),
}

/// The last thing that ffmpeg complained of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(pub String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.0),
        }
    }
}

/// A child that gives frames. Dropping it kills it.
pub struct Frames {
    child: Child,
    stdout: ChildStdout,
    said: tokio::task::JoinHandle<String>,
    size: (usize, usize),
}

/// The arguments for looking, and for the ring where it takes the same stream.
pub fn arguments(
    ffmpeg: &Ffmpeg,
    login: Option<&Login>,
    frames_per_s: f64,
    ring: Option<&Path>,
) -> Vec<OsString> {
    let url = ffmpeg.sub_url.as_deref().unwrap_or(&ffmpeg.url);
    let mut arguments = input(ffmpeg, url, login, &ONE_THREAD);
    let step = 1.0 / frames_per_s - 0.001;
    // Frames are chosen and never repeated, unlike with the filter fps: a repeated frame would look frozen.
    // Means of areas take less processor time than the usual bicubic filter, and make no edges that are not there.
    let choose = format!(
        "select=isnan(prev_selected_t)+gte(t-prev_selected_t\\,{step:.3}),scale={}:{}:flags=area",
        ffmpeg.width, ffmpeg.height
    );
    let output = [
        "-map",
        "0:v:0",
        "-an",
        "-vf",
        &choose,
        "-fps_mode",
        "passthrough",
    ];
    arguments.extend(output.map(OsString::from));
    arguments.extend(["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"].map(OsString::from));
    if let Some(dir) = ring.filter(|_| ffmpeg.sub_url.is_none()) {
        arguments.extend(segments(dir));
    }
    arguments
}

/// The arguments for the ring alone.
pub fn ring_arguments(ffmpeg: &Ffmpeg, login: Option<&Login>, dir: &Path) -> Vec<OsString> {
    let mut arguments = input(ffmpeg, &ffmpeg.url, login, &[]);
    arguments.extend(segments(dir));
    arguments
}

fn input(ffmpeg: &Ffmpeg, url: &str, login: Option<&Login>, decoding: &[&str]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-nostdin", "-hide_banner", "-loglevel", "warning"]
        .map(OsString::from)
        .into();
    arguments.extend(decoding.iter().map(OsString::from));
    // Last, since the last of two equal options holds.
    arguments.extend(ffmpeg.input_options.iter().map(OsString::from));
    match ffmpeg.is_file() {
        true => arguments.push("-re".into()),
        false => {
            // Over UDP lost packets would be holes that nobody sees; -timeout is in microseconds.
            arguments.extend(["-rtsp_transport", "tcp", "-timeout", "5000000"].map(OsString::from));
        }
    }
    arguments.extend(["-i".into(), with_login(url, login).into()]);
    arguments
}

/// Segments of the packets as they come, without re-encoding; named by the second of their first packet.
fn segments(dir: &Path) -> Vec<OsString> {
    let seconds = SEGMENT.as_secs().to_string();
    let options = [
        "-map",
        "0:v:0",
        "-an",
        "-c",
        "copy",
        "-f",
        "segment",
        "-segment_format",
        "mpegts",
        "-strftime",
        "1",
    ];
    let mut arguments: Vec<OsString> = options.map(OsString::from).into();
    arguments.extend([
        "-segment_time".into(),
        seconds.into(),
        dir.join("%s.ts").into(),
    ]);
    arguments
}

fn with_login(url: &str, login: Option<&Login>) -> String {
    match (login, url.strip_prefix("rtsp://")) {
        (Some(login), Some(rest)) => format!(
            "rtsp://{}:{}@{rest}",
            escaped(&login.user),
            escaped(&login.password)
        ),
        _ => url.to_owned(),
    }
}

/// Percent-encoded as RFC 3986 3.2.1 wants it in a user or password.
fn escaped(text: &str) -> String {
    let sign = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(sign).collect()
}

/// A line of ffmpeg without what must not be read: the login, however it is written.
fn without_login(line: &str, login: Option<&Login>) -> String {
    let Some(login) = login else {
        return line.to_owned();
    };
    let mut line = line.to_owned();
    for secret in [&login.password, &escaped(&login.password)] {
        line = line.replace(secret.as_str(), "***");
    }
    line
}

impl Frames {
    /// Starts a child with arguments of [`arguments`]; its frames have this width and height.
    pub fn start(
        ffmpeg: &Ffmpeg,
        arguments: &[OsString],
        login: Option<&Login>,
    ) -> Result<Frames, FfmpegError> {
        let mut command = Command::new(&ffmpeg.program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let start = |source| FfmpegError::Start {
            program: ffmpeg.program.display().to_string(),
            source,
        };
        let mut child = command.kill_on_drop(true).spawn().map_err(start)?;
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let login = login.cloned();
        let said = tokio::spawn(async move {
            let (mut last, mut lines) =
                (String::new(), BufReader::new(stderr.take(1 << 20)).lines());
            while let Ok(Some(line)) = lines.next_line().await {
                last = without_login(line.trim(), login.as_ref());
                tracing::debug!(line = last, "ffmpeg");
            }
            // What comes after a mebibyte of complaints is thrown away, so that the child does not wait for us.
            let mut rest = lines.into_inner().into_inner().into_inner();
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
            last
        });
        Ok(Frames {
            child,
            stdout,
            said,
            size: (ffmpeg.width, ffmpeg.height),
        })
    }

    /// The next frame, RGB. Not cancel-safe: whoever stops waiting lets go of the child.
    pub async fn next(&mut self, patience: Duration) -> Result<Bytes, FfmpegError> {
        let mut frame = vec![0; self.size.0 * self.size.1 * 3];
        match timeout(patience, self.stdout.read_exact(&mut frame)).await {
            Ok(Ok(_)) => Ok(frame.into()),
            Ok(Err(_)) => Err(FfmpegError::Ended(self.end().await)),
            Err(_) => Err(FfmpegError::Silent(patience, self.end().await)),
        }
    }

    /// Kills it, waits for its end, and gives its last words.
    pub async fn end(&mut self) -> Said {
        // An error means that it has ended already.
        let _ = self.child.kill().await;
        let said = timeout(Duration::from_secs(1), &mut self.said).await;
        Said(said.ok().and_then(Result::ok).unwrap_or_default())
    }

    /// Waits until it ends by itself; its output is thrown away.
    pub async fn ended(&mut self) -> Said {
        let _ = tokio::io::copy(&mut self.stdout, &mut tokio::io::sink()).await;
        self.end().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_escaped_for_the_child_and_never_in_a_line() {
        let login = Login {
            user: "viewer".into(),
            password: "p@ss:/ 1".into(),
        };
        let url = with_login("rtsp://192.168.1.50/stream1", Some(&login));
        assert_eq!(url, "rtsp://viewer:p%40ss%3A%2F%201@192.168.1.50/stream1");
        for line in [
            format!("{url}: Connection refused"),
            "bad p@ss:/ 1".to_owned(),
        ] {
            let shown = without_login(&line, Some(&login));
            assert!(
                !shown.contains("p@ss") && !shown.contains("p%40") && shown.contains("***"),
                "{shown}"
            );
        }
    }

    #[test]
    fn the_ring_takes_the_main_stream_and_looking_the_small_one() {
        let mut ffmpeg = Ffmpeg {
            program: "ffmpeg".into(),
            url: "rtsp://h/main".into(),
            sub_url: None,
            input_options: vec!["-hwaccel".into(), "auto".into()],
            width: 640,
            height: 360,
        };
        let line = |arguments: Vec<OsString>| arguments.join(" ".as_ref()).into_string().unwrap();
        let one = line(arguments(&ffmpeg, None, 5.0, Some(Path::new("/ring"))));
        assert!(
            one.contains("-threads 1 -hwaccel auto -rtsp_transport tcp")
                && one.contains("-i rtsp://h/main"),
            "{one}"
        );
        assert!(
            one.contains("-c copy") && one.contains("gte(t-prev_selected_t\\,0.199)"),
            "{one}"
        );
        ffmpeg.sub_url = Some("rtsp://h/sub".into());
        let look = line(arguments(&ffmpeg, None, 5.0, Some(Path::new("/ring"))));
        assert!(
            look.contains("-i rtsp://h/sub") && !look.contains("copy"),
            "{look}"
        );
        let ring = line(ring_arguments(&ffmpeg, None, Path::new("/ring")));
        assert!(
            ring.contains("-i rtsp://h/main")
                && ring.ends_with("/ring/%s.ts")
                && !ring.contains("-threads"),
            "{ring}"
        );
        ffmpeg.url = "file:///video.mp4".into();
        let file = line(ring_arguments(&ffmpeg, None, Path::new("/ring")));
        assert!(
            file.contains("-re -i file:///video.mp4") && !file.contains("rtsp"),
            "{file}"
        );
    }
}
