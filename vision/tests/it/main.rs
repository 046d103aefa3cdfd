//! The real process on rendered frames and, where the shared folder is, on photographs; and everything that can happen to it,
//! seen from the agent that has it.

mod footage; // masked pictures of what was seen
mod looks; // persons and what they wear
mod masking; // no face is left
mod process; // killed, stopped, starved, talking rubbish
mod seal; // it takes two
mod switch; // another model while it runs
mod watched; // a whole agent with two cameras, killed in the middle

use bytes::Bytes;
use contract::{
    Timestamp,
    vision::{Answer, Pixels, Said, What},
};
use edge_agent::{
    metrics::Metrics,
    status::Board,
    stop::Stop,
    vision::{Vision, config::VisionConfig},
};
use models::RuntimePath;
use simulators::camera::{
    canvas::Canvas,
    picture::{Camera, Truth},
    plan::{CameraPlan, Place},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

/// The shipped models.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/files")
}

/// Where the shared folder has something; nothing, with the reason printed, where it does not.
fn shared(what: &str) -> Option<PathBuf> {
    let place = std::env::var_os("ONEDOOR_SHARED").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = place.unwrap_or(beside).join(what);
    if !path.exists() {
        println!(
            "not checked: {} is not there (set ONEDOOR_SHARED)",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// False, with the reason printed, where ONNX Runtime is not on this machine; under CI that is a failure.
fn can_run() -> bool {
    match RuntimePath(None).find() {
        Ok(_) => true,
        Err(reason) => {
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            println!("not checked: {reason}");
            false
        }
    }
}

/// The real program with models of these folders.
fn config(models: Vec<PathBuf>) -> VisionConfig {
    VisionConfig {
        program: env!("CARGO_BIN_EXE_edge-vision").into(),
        models,
        runtime: RuntimePath(None).find().ok(),
        threads: 1,
        memory_max: 512 << 20,
        patience: Duration::from_secs(20),
    }
}

/// An agent's end of the process.
struct Agent {
    vision: Vision,
    metrics: Arc<Metrics>,
    board: Board,
    stop: watch::Sender<bool>,
    attendant: JoinHandle<()>,
}

impl Agent {
    fn start(config: VisionConfig) -> Agent {
        let metrics = Arc::new(Metrics::default());
        let board = Board::new(&[], Timestamp::now());
        let (vision, attendant) = Vision::open(config, metrics.clone(), board.clone());
        let stop = watch::Sender::new(false);
        let attendant = tokio::spawn(attendant.run(Stop::of(&stop)));
        Agent {
            vision,
            metrics,
            board,
            stop,
            attendant,
        }
    }

    /// Whether that stands on its board, or why not.
    fn shown(&self, name: &str) -> Option<Result<(), String>> {
        self.board
            .state()
            .sources
            .get(name)
            .map(|link| link.state.clone())
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.attendant.await.unwrap();
    }
}

/// A camera that renders frames of 640 x 360.
fn camera(scene: Place, seed: u64) -> Camera {
    let plan = CameraPlan {
        id: "rendered".into(),
        scene,
        width: 640,
        height: 360,
        frames_per_s: 5.0,
        quality: 85,
        people: 3,
        worn: 0.6,
        login: None,
        rtsp: None,
        happening: Vec::new(),
        fault: Vec::new(),
    };
    Camera::new(plan, seed, 1_790_000_000_000)
}

/// Frames some seconds apart.
fn frames(scene: Place, seed: u64, count: u64) -> Vec<(Canvas, Truth)> {
    let mut camera = camera(scene, seed);
    let frames = (0..count).map(|n| camera.frame(n * 35));
    frames
        .filter_map(|(picture, truth)| Some((picture?, truth)))
        .collect()
}

fn rgb(picture: &Canvas) -> (Pixels, Bytes) {
    let pixels = Pixels::Rgb {
        width: picture.width() as u32,
        height: picture.height() as u32,
    };
    (pixels, Bytes::copy_from_slice(picture.pixels()))
}

/// A look at persons alone.
fn look(pixels: Pixels, of_persons: &[&str], of_picture: &[&str]) -> What {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    What::Look {
        pixels,
        persons: "simulated-persons".into(),
        faces: None,
        of_persons: names(of_persons),
        of_picture: names(of_picture),
    }
}

fn failed(answer: &Answer) -> (Option<&str>, &str) {
    match &answer.said {
        Said::Failed { of_model, words } => (of_model.as_deref(), words),
        other => panic!("it did not fail: {other:?}"),
    }
}

/// A folder with copies of shipped models.
fn copied(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let manifest = format!("{name}.toml");
        for file in [manifest, format!("{name}-1.onnx")] {
            std::fs::copy(shipped().join(&file), folder.path().join(&file)).unwrap();
        }
    }
    folder
}

/// Waits until it is so; fails with `what` if it is not within the limit.
async fn until(what: &str, limit_s: u64, is: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + Duration::from_secs(limit_s);
    while !is() {
        assert!(
            std::time::Instant::now() < limit,
            "{what}: not within {limit_s} s"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
