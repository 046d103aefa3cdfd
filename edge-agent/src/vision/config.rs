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
    let runtime = part.text_if_there("runtime", problems).map(path);
    for (key, file) in [("program", &program), ("runtime", &runtime)] {
        if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
            let what = format!("there is no file {}", file.display());
            problems.add(part.place(key), what, "correct the path, or leave it out");
        }
    }
    let program = program.unwrap_or(usual.program);
    let shipped = beside_of(&program);
    if shipped.is_dir() || models.is_empty() {
        models.push(shipped);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(place: &Path, text: &str) -> Result<VisionConfig, String> {
        let mut problems = Problems::new();
        let part = Section::parse("agent.toml", text, &mut problems).unwrap();
        let config = read(part, &Folder::own(place), &mut problems);
        match problems.is_empty() {
            true => Ok(config.unwrap()),
            false => Err(problems.to_string()),
        }
    }

    #[test]
    fn own_models_go_before_those_that_come_with_the_program() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("vision/models")).unwrap();
        std::fs::create_dir(path("own")).unwrap();
        std::fs::write(path("vision/edge-vision"), "").unwrap();
        let text = "program = \"vision/edge-vision\"\nmodels = [\"own\"]\npatience = \"3s\"";
        let config = read_text(place.path(), text).unwrap();
        assert_eq!(config.program, path("vision/edge-vision"));
        assert_eq!(config.models, [path("own"), path("vision/models")]);
        assert_eq!(config.patience, Duration::from_secs(3));
        let usual = VisionConfig::default();
        assert_eq!((config.threads, config.memory_max), (1, usual.memory_max));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let place = tempfile::tempdir().unwrap();
        let text = "program = \"no-program\"\nruntime = \"no-library\"\nmodels = [\"no-folder\"]\nmemory_max = 5\nthread = 2";
        let problems = read_text(place.path(), text).unwrap_err();
        for part in [
            "no-program",
            "no-library",
            "no-folder",
            "memory_max",
            "thread:",
        ] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
        assert_eq!(problems.lines().count(), 5, "{problems}");
    }
}
