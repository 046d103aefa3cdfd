//! How the vision process is written down: `[vision]`, in the box's own file alone.

use crate::{folder::Folder, section::Section};
use contract::problems::Problems;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The vision process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisionConfig {
    /// The program.
    pub program: PathBuf,
    /// Folders of models for pictures; of several the first that has a model of a name.
    pub models: Vec<PathBuf>,
    /// The ONNX Runtime library; without it the process looks for it.
    pub runtime: Option<PathBuf>,
    /// Threads for a model.
    pub threads: u16,
    /// Bytes of memory that it may write to; the kernel refuses more.
    pub memory_max: u64,
    /// Without an answer for so long it is killed; opening a model may take [`OPENING`] more.
    pub patience: Duration,
}

/// What opening a model may take.
pub const OPENING: Duration = Duration::from_secs(15);
/// What sealing a file may take.
pub const SEALING: Duration = Duration::from_secs(120);

const MEMORY_MAX: i64 = 512 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

impl Default for VisionConfig {
    /// The program beside the agent's own: in the folder `vision` of a package, or where both were built.
    fn default() -> VisionConfig {
        let own = std::env::current_exe().unwrap_or_default();
        let beside = own.parent().unwrap_or(Path::new(""));
        let packaged = beside.join("vision/edge-vision");
        let program = match packaged.is_file() {
            true => packaged,
            false => beside.join("edge-vision"),
        };
        VisionConfig {
            models: vec![beside_of(&program)],
            program,
            runtime: None,
            threads: 1,
            memory_max: MEMORY_MAX.unsigned_abs(),
            patience: PATIENCE,
        }
    }
}

/// The folder of models that comes with a program.
fn beside_of(program: &Path) -> PathBuf {
    program.parent().unwrap_or(Path::new("")).join("models")
}

/// Reads `[vision]`. The folder `models` beside the program, if there is one, comes after those that are named.
pub fn read(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<VisionConfig> {
    let usual = VisionConfig::default();
    let path = |name: String| folder.path().join(name);
    let program = part.text_if_there("program", problems).map(path);
    let named = part.texts_if_there("models", "[\"models\"]", problems);
    let mut models: Vec<PathBuf> = named.into_iter().map(path).collect();
    for missing in models.iter().filter(|models| !models.is_dir()) {
        let what = format!("there is no folder {}", missing.display());
        problems.add(part.place("models"), what, "make it, or correct the path");
    }
    let program = program.unwrap_or(usual.program);
    let shipped = beside_of(&program);
    if shipped.is_dir() || models.is_empty() {
        models.push(shipped);
    }
    let runtime = part.text_if_there("runtime", problems).map(path);
    for (key, file) in [("program", Some(&program)), ("runtime", runtime.as_ref())] {
        if let Some(file) = file.filter(|file| !file.is_file()) {
            let what = format!("there is no file {}", file.display());
            problems.add(part.place(key), what, "correct the path, or leave it out");
        }
    }
    let threads = part.integer_or("threads", 1, 1, 64, problems);
    let memory_max = part.integer_or("memory_max", MEMORY_MAX, 64 << 20, 1 << 40, problems);
    let limits = (Duration::from_secs(1), Duration::from_secs(60));
    let patience = part.duration("patience", Some(PATIENCE), limits, problems);
    part.finish(problems);
    Some(VisionConfig {
        program,
        models,
        runtime,
        threads: u16::try_from(threads).ok()?,
        memory_max: memory_max.unsigned_abs(),
        patience: patience?,
    })
}
