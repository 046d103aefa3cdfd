//! How many cameras does a core carry? `cargo build --release -p vision && cargo run --release -p vision --example
//! streams_per_core -- SHARED [ROUNDS] [INPUT_OPTION...]`; SHARED is the folder with `models/yolox-nano` (default `../shared`),
//! input options are those of a camera (`input_options`), such as `-skip_frame noref`.
//!
//! Bare: ffmpeg decodes 1080p25 H.264 into nothing on one thread, and ONNX Runtime runs YOLOX-nano five times for each second of
//! it on one input. Product: the agent's own ffmpeg child gives five frames a second of 640 x 360, the agent hands each to
//! `edge-vision`, which looks at it with YOLOX-nano. Both in turn, in processor time (user and system, of all processes), since
//! others may use the machine. What `edge-vision` takes to open the model is told and not counted, on neither side. Nobody is in
//! the picture; a person costs what its classifiers cost, which is not counted here.

use anyhow::{Context, bail};
use bytes::Bytes;
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

const SECONDS: u32 = 30;
const FRAMES_PER_S: f64 = 5.0;
const SESSION_RUNS: u32 = 300;
const NAME: &str = "yolox-nano";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let shared = PathBuf::from(arguments.next().unwrap_or("../shared".into()));
    let rounds: u32 = arguments.next().map_or(Ok(3), |n| n.parse())?;
    let input_options: Vec<String> = arguments.collect();
    let folder = tempfile::tempdir()?;
    model(&shared, folder.path())?;
    let clip = clip(folder.path())?;
    println!(
        "processor ms for each second of a stream: decode, session | product: child, process (opening apart), agent | share"
    );
    let mut shares = Vec::new();
    for _ in 0..rounds {
        let decode = decode(&clip)?;
        let session = session(folder.path())?;
        let bare = decode + session;
        let product = product(folder.path(), &clip, &input_options)?;
        let Product {
            child,
            opening,
            process,
            agent,
        } = product;
        let whole = child + process + agent;
        println!(
            "{decode:.1}, {session:.1} | {child:.1}, {process:.1} ({opening:.0} ms), {agent:.1} | {:.1} %; streams for each core: bare \
             {:.2}, product {:.2}",
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

/// Processor ms for each second of the stream.
struct Product {
    /// ffmpeg.
    child: f64,
    /// What `edge-vision` takes to start and to look once; in all.
    opening: f64,
    /// The rest of what it takes.
    process: f64,
    /// This process, which is in the agent's place.
    agent: f64,
}

fn product(folder: &Path, clip: &Path, input_options: &[String]) -> anyhow::Result<Product> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let camera = Ffmpeg {
            program: "ffmpeg".into(),
            url: format!("file://{}", clip.display()),
            sub_url: None,
            input_options: input_options.to_vec(),
            width: 640,
            height: 360,
        };
        let start = Cpu::now()?;
        let eyes = Eyes::open(folder).await?;
        eyes.close().await?;
        let opened = Cpu::now()?;
        let eyes = Eyes::open(folder).await?;
        let before = Cpu::now()?;
        let arguments = ffmpeg::arguments(&camera, None, FRAMES_PER_S, None);
        let mut frames = ffmpeg::Frames::start(&camera, &arguments, None)?;
        let mut count = 0;
        while let Ok(frame) = frames.next(Duration::from_secs(10)).await {
            eyes.look(frame).await?;
            count += 1;
        }
        let after_child = Cpu::now()?;
        eyes.close().await?;
        let after = Cpu::now()?;
        let wanted = SECONDS * FRAMES_PER_S as u32;
        if !(wanted - 1..=wanted + 1).contains(&count) {
            bail!("{count} frames came, not {wanted}: the machine is too busy to measure");
        }
        let opening = opened.children - start.children;
        let each = |seconds: f64| seconds * 1e3 / f64::from(SECONDS);
        Ok(Product {
            child: each(after_child.children - before.children),
            opening: opening * 1e3,
            process: each(after.children - after_child.children - opening),
            agent: each(after.own - before.own),
        })
    })
}

/// A vision process, ready to look.
struct Eyes {
    vision: Vision,
    stop: watch::Sender<bool>,
    attendant: tokio::task::JoinHandle<()>,
}

impl Eyes {
    /// Starts it and lets it look once, so that the model is open.
    async fn open(folder: &Path) -> anyhow::Result<Eyes> {
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
        let eyes = Eyes {
            vision,
            stop,
            attendant,
        };
        eyes.look(vec![90; 640 * 360 * 3].into()).await?;
        Ok(eyes)
    }

    async fn look(&self, frame: Bytes) -> anyhow::Result<()> {
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
        let (answer, _) = self.vision.ask(what, frame).await?;
        if !matches!(answer.said, Said::Seen(_)) {
            bail!("{answer:?}");
        }
        Ok(())
    }

    async fn close(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        Ok(self.attendant.await?)
    }
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
