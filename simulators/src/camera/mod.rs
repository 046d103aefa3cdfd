//! `sim camera`: cameras that look at a kitchen and a workshop, with the truth of every frame. Read in this order: `plan`,
//! `canvas`, `digits`, `person`, `rooms`, `scene`, `picture`, `serve`, `rtsp`.
//!
//! Promise: a frame is a function of plan and number; each rendered frame is a line of the truth. Not promised: the frame rate
//! on a machine that is too slow, where frames are left out; their numbers are missing in the truth.

pub mod canvas; // shapes into pixels, and which pixel shows what
pub mod digits; // the clock in the picture
pub mod person; // who walks where in what
pub mod picture; // a frame, with what is wrong with the camera
pub mod plan; // which cameras, what happens, what fails
pub mod rooms; // what stands there
pub mod rtsp; // frames through a server nobody here wrote
pub mod scene; // kitchen and workshop
pub mod serve; // JPEG parts over HTTP

use anyhow::Context;
use bytes::Bytes;
use picture::{Camera, Truth};
use plan::Plan;
use serde::{Deserialize, Serialize};
use serve::{Served, Shot};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// What `sim camera` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan (TOML), such as config/cameras/example.toml.
    pub file: PathBuf,
    /// Where the pictures can be had over HTTP: GET /ID.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Port of the first RTSP server; the others follow. Needs GStreamer's RTSP server for Python.
    #[arg(long, default_value_t = 8554)]
    pub rtsp: u16,
    /// Writes where every camera can be had, as JSON, once all can.
    #[arg(long)]
    pub listening: Option<PathBuf>,
    /// Appends what every frame shows, as JSON lines.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

/// Where a camera can be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listening {
    /// Its name.
    pub camera: String,
    /// Over HTTP.
    pub http: String,
    /// Over RTSP, if it was asked for.
    pub rtsp: Option<String>,
}

/// Cameras that run. Dropping it stops them.
pub struct Cameras {
    /// Where they can be had.
    pub listening: Vec<Listening>,
    stop: Arc<AtomicBool>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    rtsp: Vec<rtsp::Server>,
}

impl Cameras {
    /// Starts a thread for each camera and the door.
    pub async fn start(
        plan: Plan,
        listen: SocketAddr,
        rtsp_port: u16,
        truth: Option<File>,
    ) -> anyhow::Result<Cameras> {
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        let truth = truth.map(|file| Arc::new(Mutex::new(BufWriter::new(file))));
        let stop = Arc::new(AtomicBool::new(false));
        let began_ms = plan.begins_ms();
        let (mut served, mut listening, mut servers) = (HashMap::new(), Vec::new(), Vec::new());
        for camera in plan.camera {
            let (sender, shots) = watch::channel(Shot::default());
            let id = camera.id.clone();
            let mut pipe = None;
            if let Some(codec) = camera.rtsp {
                let port = rtsp_port + servers.len() as u16;
                let (server, input) = rtsp::Server::start(&camera, codec, port).await?;
                pipe = Some(input);
                servers.push(server);
            }
            listening.push(Listening {
                http: format!("http://{address}/{id}"),
                rtsp: servers
                    .last()
                    .filter(|_| camera.rtsp.is_some())
                    .map(|s: &rtsp::Server| s.url.clone()),
                camera: id.clone(),
            });
            let login = camera.login.clone();
            served.insert(id.clone(), Served { shots, login });
            let camera = Camera::new(camera, plan.seed, began_ms);
            let (truth, stop) = (truth.clone(), stop.clone());
            std::thread::Builder::new()
                .name(format!("camera {id}"))
                .spawn(move || {
                    if let Err(error) = film(camera, &sender, pipe, truth.as_deref(), &stop) {
                        tracing::error!(camera = id, error = %format!("{error:#}"), "the camera stops");
                    }
                })?;
        }
        let router = serve::router(served, plan.seed);
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Cameras {
            listening,
            stop,
            server,
            rtsp: servers,
        })
    }

    /// Serves until cancelled, or until something breaks.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let server = &mut self.server;
        server
            .await
            .context("the door's task was lost")?
            .context("the door broke")
    }

    /// The RTSP servers, so that a test may stop or freeze them.
    pub fn rtsp(&self) -> &[rtsp::Server] {
        &self.rtsp
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.server.abort();
    }
}

/// Renders frame after frame when each is due.
fn film(
    mut camera: Camera,
    shots: &watch::Sender<Shot>,
    mut pipe: Option<std::process::ChildStdin>,
    truth: Option<&Mutex<BufWriter<File>>>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = Duration::from_secs_f64(camera.time(next));
        let wait = due.saturating_sub(began.elapsed());
        if !wait.is_zero() {
            std::thread::sleep(wait.min(Duration::from_millis(200)));
            continue;
        }
        if truth.is_some() || pipe.is_some() || shots.receiver_count() > 1 {
            let (picture, seen) = camera.frame(next);
            if let Some(file) = truth {
                write(file, &seen)?;
            }
            if let Some(picture) = picture {
                let jpeg = jpeg(&picture, camera.plan().quality)?;
                shots.send_replace(Shot { frame: next, jpeg });
                if let Some(input) = &mut pipe
                    && let Err(error) = input.write_all(picture.pixels())
                {
                    tracing::warn!(camera = camera.plan().id, %error, "the RTSP server takes no frames any more");
                    pipe = None;
                }
            }
        }
        let on_time = (began.elapsed().as_secs_f64() * camera.plan().frames_per_s).floor() as u64;
        next = (next + 1).max(on_time);
    }
    Ok(())
}

fn write(file: &Mutex<BufWriter<File>>, truth: &Truth) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(truth)?;
    line.push(b'\n');
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.write_all(&line)
        .and_then(|()| file.flush())
        .context("cannot write the truth file")
}

/// A picture as JPEG.
pub fn jpeg(picture: &canvas::Canvas, quality: u8) -> anyhow::Result<Bytes> {
    let mut bytes = Vec::with_capacity(64 << 10);
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    encoder.encode(
        picture.pixels(),
        width,
        height,
        jpeg_encoder::ColorType::Rgb,
    )?;
    Ok(bytes.into())
}

/// Runs the cameras of a plan until cancelled.
pub async fn run(
    args: Args,
    announce: impl FnOnce(&[Listening]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let plan = Plan::load(&args.file)?;
    let truth = match &args.truth {
        None => None,
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            Some(file.with_context(|| format!("cannot open the truth file {}", path.display()))?)
        }
    };
    let cameras = Cameras::start(plan, args.listen, args.rtsp, truth).await?;
    announce(&cameras.listening)?;
    cameras.run().await
}
