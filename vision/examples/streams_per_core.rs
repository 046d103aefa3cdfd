//! How many cameras does a core carry? `cargo build --release -p vision && cargo run --release -p vision --example
//! streams_per_core -- SHARED [ROUNDS]`; SHARED is the folder with `models/yolox-nano` (default `../shared`).
//!
//! Bare: ffmpeg decodes 1080p25 H.264 into nothing on one thread, and ONNX Runtime runs YOLOX-nano five times for each second of
//! it on one input. Product: the agent's own ffmpeg child gives five frames a second of 640 x 360, the agent hands each to
//! `edge-vision`, which looks at it with YOLOX-nano. Both in turn, in processor time (user and system, of all processes), since
//! others may use the machine. Nobody is in the picture; a person costs what its classifiers cost, which is not counted here.

use anyhow::{Context, bail};
use contract::{
    Timestamp,
    vision::{Pixels, Said, What},
};
use edge_agent::{
    camera::{config::Ffmpeg, ffmpeg},
    metrics::Metrics,
    status::Board,
    stop::Stop,
    vision::{Vision, config::VisionConfig},
};
use models::{
    RuntimePath,
    picture::{Image, store::Folder},
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

const SECONDS: u32 = 20;
const FRAMES_PER_S: f64 = 5.0;
const SESSION_RUNS: u32 = 300;
const NAME: &str = "yolox-nano";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let shared = PathBuf::from(arguments.next().unwrap_or("../shared".into()));
    let rounds: u32 = arguments.next().map_or(Ok(3), |n| n.parse())?;
    let folder = tempfile::tempdir()?;
    model(&shared, folder.path())?;
    let clip = clip(folder.path())?;
    println!(
        "processor ms for each second of a stream: decode, session | product: child, process, agent | share"
    );
    let mut shares = Vec::new();
    for _ in 0..rounds {
        let decode = decode(&clip)?;
        let session = session(folder.path())?;
        let bare = decode + session;
        let (children, own) = product(folder.path(), &clip)?;
        let whole = children.iter().sum::<f64>() + own;
        println!(
            "{decode:.1}, {session:.1} | {:.1}, {:.1}, {own:.1} | {:.1} %; streams for each core: bare {:.2}, product {:.2}",
            children[0],
            children[1],
            100.0 * bare / whole,
            1e3 / bare,
            1e3 / whole
        );
        shares.push(100.0 * bare / whole);
    }
    shares.sort_by(f64::total_cmp);
    println!(
        "the product carries {:.1} % of the bare streams (median of {rounds}; {:.1} to {:.1})",
        shares[shares.len() / 2],
        shares[0],
        shares[shares.len() - 1]
    );
    Ok(())
}

/// The public model and its manifest in a folder.
fn model(shared: &Path, folder: &Path) -> anyhow::Result<()> {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/manifests");
    let manifest = Folder::new(&manifests).manifest(NAME)?;
    let file = shared.join("models").join(NAME).join(&manifest.file);
    std::fs::copy(&file, folder.join(&manifest.file))
        .with_context(|| file.display().to_string())?;
    let text = format!("{NAME}.toml");
    std::fs::copy(manifests.join(&text), folder.join(&text))?;
    Ok(())
}

/// 1080p25 H.264 High at 4 Mbit/s: a picture that moves, with noise.
fn clip(folder: &Path) -> anyhow::Result<PathBuf> {
    let clip = folder.join("clip.mp4");
    let source = format!("testsrc2=size=1920x1080:rate=25:duration={SECONDS},noise=alls=12:allf=t");
    let made = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            &source,
        ])
        .args([
            "-c:v",
            "libx264",
            "-profile:v",
            "high",
            "-preset",
            "veryfast",
            "-g",
            "50",
        ])
        .args([
            "-b:v", "4M", "-maxrate", "4M", "-bufsize", "8M", "-pix_fmt", "yuv420p",
        ])
        .arg(&clip)
        .status()
        .context("ffmpeg makes the clip")?;
    if !made.success() {
        bail!("ffmpeg could not make the clip");
    }
    Ok(clip)
}

fn decode(clip: &Path) -> anyhow::Result<f64> {
    let before = Cpu::now()?;
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-threads", "1", "-i"])
        .arg(clip)
        .args(["-map", "0:v:0", "-f", "null", "-"])
        .stdout(Stdio::null())
        .status()?;
    if !decoded.success() {
        bail!("ffmpeg could not decode the clip");
    }
    Ok((Cpu::now()?.children - before.children) * 1e3 / f64::from(SECONDS))
}

fn session(folder: &Path) -> anyhow::Result<f64> {
    let mut detector = Folder::new(folder).open(NAME, &RuntimePath(None), 1)?;
    detector.prepare(&Image::plain(640, 360, [90, 120, 60])?);
    for _ in 0..10 {
        detector.run(|_, _| Ok(()))?;
    }
    let before = Cpu::now()?;
    for _ in 0..SESSION_RUNS {
        detector.run(|_, _| Ok(()))?;
    }
    let each = (Cpu::now()?.own - before.own) / f64::from(SESSION_RUNS);
    Ok(each * FRAMES_PER_S * 1e3)
}

/// Of ffmpeg and of edge-vision, and of this process, which is in the agent's place.
fn product(folder: &Path, clip: &Path) -> anyhow::Result<([f64; 2], f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = Cpu::now()?;
    let (frames, after_child, after) = runtime.block_on(async {
        let program = std::env::current_exe()?;
        let beside = program.ancestors().nth(2).context("the build folder")?;
        let config = VisionConfig {
            program: beside.join("edge-vision"),
            models: vec![folder.to_owned()],
            runtime: RuntimePath(None).find().ok(),
            ..VisionConfig::default()
        };
        let board = Board::new(&[], Timestamp::now());
        let (vision, attendant) = Vision::open(config, Arc::new(Metrics::default()), board);
        let stop = watch::Sender::new(false);
        let attendant = tokio::spawn(attendant.run(Stop::of(&stop)));
        let camera = Ffmpeg {
            program: "ffmpeg".into(),
            url: format!("file://{}", clip.display()),
            sub_url: None,
            input_options: Vec::new(),
            width: 640,
            height: 360,
        };
        let arguments = ffmpeg::arguments(&camera, None, FRAMES_PER_S, None);
        let mut frames = ffmpeg::Frames::start(&camera, &arguments, None)?;
        let mut count = 0;
        while let Ok(frame) = frames.next(Duration::from_secs(10)).await {
            let what = What::Look {
                pixels: Pixels::Rgb {
                    width: 640,
                    height: 360,
                },
                persons: NAME.into(),
                faces: None,
                of_persons: Vec::new(),
                of_picture: Vec::new(),
            };
            let (answer, _) = vision.ask(what, frame).await?;
            if !matches!(answer.said, Said::Seen(_)) {
                bail!("{answer:?}");
            }
            count += 1;
        }
        let after_child = Cpu::now()?;
        stop.send_replace(true);
        attendant.await?;
        Ok((count, after_child, Cpu::now()?))
    })?;
    let wanted = SECONDS * FRAMES_PER_S as u32;
    if !(wanted - 1..=wanted + 1).contains(&frames) {
        bail!("{frames} frames came, not {wanted}: the machine is too busy to measure");
    }
    let each = |seconds: f64| seconds * 1e3 / f64::from(SECONDS);
    let children = [
        each(after_child.children - before.children),
        each(after.children - after_child.children),
    ];
    Ok((children, each(after.own - before.own)))
}

/// Processor seconds, user and system.
#[derive(Clone, Copy)]
struct Cpu {
    own: f64,
    /// Of children that were waited for.
    children: f64,
}

impl Cpu {
    fn now() -> anyhow::Result<Cpu> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // proc(5): after the name in brackets come state (3), …, utime (14), stime, cutime, cstime; ticks are 10 ms.
        let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat")?;
        let ticks: Vec<f64> = rest
            .split_whitespace()
            .skip(11)
            .take(4)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Cpu {
            own: (ticks[0] + ticks[1]) / 100.0,
            children: (ticks[2] + ticks[3]) / 100.0,
        })
    }
}
