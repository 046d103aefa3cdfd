//! How a camera is written down: `[[camera]]`.

use super::{
    frame::Place,
    health::Finding,
    login::Login,
    watch::{
        config::{self as watch, Published, WatchConfig},
        decide::Watch,
    },
};
use crate::{
    folder::Folder,
    http::client::{self, Url},
    section::Section,
    source::{Described, PointInfo},
};
use contract::{DeviceId, PointName, problems::Problems};
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// A camera.
#[derive(Clone, PartialEq)]
pub struct Camera {
    /// Its name.
    pub id: DeviceId,
    /// Where its pictures come from.
    pub from: From,
    /// What it is shown when it asks who wants them.
    pub login: Option<Login>,
    /// How many frames a second are looked at, at most.
    pub frames_per_s: f64,
    /// Time between two readings.
    pub every: Duration,
    /// Without a frame for so long, something is wrong.
    pub no_frames_after: Duration,
    /// Where the clock stands in the picture, if it has one.
    pub clock: Option<Place>,
    /// The last minutes on disk.
    pub ring: Option<RingConfig>,
    /// What was told to the public of it; without it there is nothing but its health.
    pub published: Option<Published>,
    /// Detectors of faces, heads and persons, whose places are masked.
    pub faces: Vec<String>,
    /// What its pictures are watched for.
    pub watch: Option<WatchConfig>,
}

/// Where pictures come from.
#[derive(Clone, PartialEq)]
pub enum From {
    /// JPEG parts over HTTP.
    Mjpeg {
        /// What is asked.
        url: Url,
        /// The certificates that are trusted, for https.
        tls: Option<client::Trust>,
    },
    /// Whatever ffmpeg reads, by a child process.
    Ffmpeg(Ffmpeg),
}

/// What ffmpeg is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Ffmpeg {
    /// The program.
    pub program: PathBuf,
    /// `rtsp://…` or `file:///…`, without a password.
    pub url: String,
    /// A smaller stream of the same camera, for looking.
    pub sub_url: Option<String>,
    /// Arguments before the input, such as `-hwaccel vaapi`.
    pub input_options: Vec<String>,
    /// Width of the frames that are looked at, in pixels.
    pub width: usize,
    /// Their height.
    pub height: usize,
}

impl Ffmpeg {
    /// True for a file, which is read at its own pace.
    pub fn is_file(&self) -> bool {
        self.url.starts_with("file:")
    }
}

/// The last minutes on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingConfig {
    /// A folder of this camera alone.
    pub dir: PathBuf,
    /// For how long a frame is kept.
    pub keep: Duration,
    /// How many bytes at most; the oldest go first.
    pub bytes_max: u64,
}

impl fmt::Debug for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.id, self.from)
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            From::Mjpeg { url, .. } => write!(f, "{url}"),
            From::Ffmpeg(ffmpeg) => f.write_str(&ffmpeg.url),
        }
    }
}

impl Camera {
    /// Its points, as it will tell them.
    pub fn described(&self) -> Described {
        let point = |name: &str, unit: &str| PointInfo {
            name: PointName::new(name).expect("points of health are names"),
            unit: unit.to_owned(),
            factor: None,
            every: Some(self.every),
        };
        let findings = Finding::ALL
            .into_iter()
            .filter(|finding| self.tells(*finding));
        let findings = findings.map(|finding| point(finding.point(), ""));
        let mut points = vec![point(FRAMES_PER_S, "Hz")];
        points.extend(findings);
        if let Some(watch) = &self.watch {
            let names = Watch::new(watch.clone(), self.frames_per_s).names();
            points.extend(names.iter().map(|name| point(name.as_str(), "")));
        }
        Described {
            id: self.id.clone(),
            points,
        }
    }

    /// A clock that stopped is told only where the place of one is known.
    pub fn tells(&self, finding: Finding) -> bool {
        finding != Finding::ClockStopped || self.clock.is_some()
    }
}

/// The point that says how many frames came.
pub const FRAMES_PER_S: &str = "frames_per_s";
const EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const KEEP: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(86_400));

/// Reads `[[camera]]`.
pub fn read(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<Camera> {
    let id: Option<DeviceId> = part.parsed("id", "\"kitchen-camera\"", problems);
    let from = from(&mut part, folder, problems);
    let login = login(&mut part, folder, problems);
    let place = part.place("frames_per_s");
    let frames_per_s = part.number_or("frames_per_s", 5.0, problems);
    if !(0.5..=30.0).contains(&frames_per_s) {
        let what = format!("{frames_per_s} is not from 0.5 to 30");
        problems.add(place, what, "write frames_per_s = 5");
    }
    let every = part.duration("every", Some(Duration::from_secs(5)), EVERY, problems);
    let limits = (Duration::from_secs(2), Duration::from_secs(20));
    let no_frames_after = part.duration(
        "no_frames_after",
        Some(Duration::from_secs(10)),
        limits,
        problems,
    );
    let clock = clock(&mut part, problems);
    let ring = match part.has("ring") {
        true => part
            .section("ring", problems)
            .and_then(|part| ring(part, folder, problems)),
        false => None,
    };
    let name = id.as_ref().map_or("", DeviceId::as_str);
    let watch = watch::read(&mut part, name, problems);
    part.finish(problems);
    Some(Camera {
        id: id?,
        from: from?,
        login,
        frames_per_s,
        every: every?,
        no_frames_after: no_frames_after?,
        clock,
        ring,
        published: watch.published,
        faces: watch.faces,
        watch: watch.watch,
    })
}

fn from(part: &mut Section, folder: &Folder, problems: &mut Problems) -> Option<From> {
    let place = part.place("url");
    let text: String = part.parsed("url", "\"rtsp://192.168.1.50/stream1\"", problems)?;
    let has_password = text
        .split('/')
        .nth(2)
        .is_some_and(|host| host.contains('@'));
    if has_password {
        let fix = "write USER:PASSWORD into a file and name it in login_file";
        problems.add(place, "a password does not belong into a URL", fix);
        return None;
    }
    if text.starts_with("rtsp://") || text.starts_with("file:///") {
        if folder.is_sent() {
            own_only(&text, part, problems);
        }
        return ffmpeg(text, part, problems).map(From::Ffmpeg);
    }
    let fix = "write http:// or https:// (MJPEG), rtsp:// or file:///";
    let url = text
        .parse::<Url>()
        .map_err(|error| problems.add(place, error, fix))
        .ok();
    let ca = part.text_if_there("ca_file", problems).and_then(|name| {
        let fix = "correct the path, and let the agent's user read it";
        folder.secret(&name, fix, problems).map(|(_, text)| text)
    });
    let tls = ca.map(|pem| client::tls(pem.as_bytes()));
    if let Some(Err(error)) = &tls {
        let fix = "name a PEM file of the authority that signed the camera's certificate, or of that certificate";
        problems.add(
            part.place("ca_file"),
            format!("it cannot be used ({error})"),
            fix,
        );
    }
    let url = url?;
    if url.is_tls != tls.is_some() {
        let what = format!("{url} and ca_file do not go together");
        let fix = "https needs the ca_file that is trusted, http cannot use one";
        problems.add(part.place("ca_file"), what, fix);
    }
    Some(From::Mjpeg {
        url,
        tls: tls.and_then(Result::ok),
    })
}

/// Who keeps the gateway may neither start programs on the box nor look into its files.
fn own_only(url: &str, part: &Section, problems: &mut Problems) {
    let what = "only the box's own file may say this";
    let fix = "leave it out, or configure this camera on the box";
    for key in ["ffmpeg", "input_options"] {
        if part.has(key) {
            problems.add(part.place(key), what, fix);
        }
    }
    if url.starts_with("file:") {
        problems.add(part.place("url"), what, fix);
    }
}

fn ffmpeg(url: String, part: &mut Section, problems: &mut Problems) -> Option<Ffmpeg> {
    let program = part.text_if_there("ffmpeg", problems);
    let sub_url = part.text_if_there("sub_url", problems);
    if let Some(sub) = &sub_url
        && (!sub.starts_with("rtsp://") || sub.contains('@'))
    {
        let fix = "write the rtsp:// address of the smaller stream, without a password";
        problems.add(
            part.place("sub_url"),
            format!("{sub:?} cannot be used"),
            fix,
        );
    }
    let input_options = match part.has("input_options") {
        true => part.texts("input_options", "[\"-hwaccel\", \"vaapi\"]", problems),
        false => Vec::new(),
    };
    let mut side = |key, default| {
        let side = part.integer_or(key, default, 64, 1920, problems);
        if side % 2 != 0 {
            problems.add(
                part.place(key),
                format!("{side} is odd"),
                "write an even number",
            );
        }
        usize::try_from(side).ok()
    };
    let (width, height) = (side("width", 640)?, side("height", 360)?);
    Some(Ffmpeg {
        program: program.map_or("ffmpeg".into(), PathBuf::from),
        url,
        sub_url,
        input_options,
        width,
        height,
    })
}

fn login(part: &mut Section, folder: &Folder, problems: &mut Problems) -> Option<Login> {
    let name = part.text_if_there("login_file", problems)?;
    let fix = "write USER:PASSWORD into it, one line, and let the agent's user alone read it";
    let (_, text) = folder.secret(&name, fix, problems)?;
    let login = Login::parse(&text);
    if login.is_none() {
        problems.add(
            part.place("login_file"),
            "it does not hold USER:PASSWORD",
            fix,
        );
    }
    login
}

fn clock(part: &mut Section, problems: &mut Problems) -> Option<Place> {
    if !part.has("clock") {
        return None;
    }
    let place = part.place("clock");
    let list = part.numbers("clock", "[0.01, 0.02, 0.36, 0.05]", problems)?;
    let fits = |from: f64, length: f64| from >= 0.0 && length >= 0.01 && from + length <= 1.0;
    match list[..] {
        [x, y, w, h] if fits(x, w) && fits(y, h) => Some(Place([x, y, w, h])),
        _ => {
            let what = format!("{list:?} is no part of a picture");
            let fix = "write clock = [LEFT, TOP, WIDTH, HEIGHT] of the date and time in the picture, each as a share of it from 0 to 1";
            problems.add(place, what, fix);
            None
        }
    }
}

fn ring(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<RingConfig> {
    let dir: Option<String> = part.parsed("dir", "\"ring/kitchen-camera\"", problems);
    let keep = part.duration("keep", Some(Duration::from_secs(600)), KEEP, problems);
    let bytes_max = part.integer_or("bytes_max", 512 << 20, 1 << 20, 1 << 42, problems);
    let place = part.place("dir");
    part.finish(problems);
    let dir = folder.dir(&dir?, place.as_str(), problems)?;
    let parent = dir.parent().unwrap_or(Path::new(""));
    if !parent.as_os_str().is_empty() && !parent.is_dir() {
        let what = format!("the folder {} is not there", parent.display());
        problems.add(place, what, "make it, or correct the path");
        return None;
    }
    Some(RingConfig {
        dir,
        keep: keep?,
        bytes_max: u64::try_from(bytes_max).ok()?,
    })
}
