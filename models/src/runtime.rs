//! ONNX Runtime, opened at run time. It is not linked in: a machine without it still runs everything else.

use ort::{environment::Environment, logging::LogLevel, session::Session};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where to look for the library.
#[derive(Debug, Clone, Default)]
pub struct RuntimePath(pub Option<PathBuf>);

const FILE: &str = "libonnxruntime.so";
const VERSION: &str = "1.32.0";

impl RuntimePath {
    /// The library's path, or where it was looked for. The first that exists: the configured path, the
    /// variable `ORT_DYLIB_PATH`, `lib/` beside the program, and the place where `models/setup` puts it
    /// (`onnxruntime/1.32.0/` in the build folder the program was built into, or in `target/`).
    pub fn find(&self) -> Result<PathBuf, String> {
        let mut places: Vec<PathBuf> = Vec::new();
        if let Some(path) = &self.0 {
            places.push(path.clone());
        } else {
            places.extend(std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from));
            let built = Path::new("onnxruntime").join(VERSION).join(FILE);
            if let Some(folder) = std::env::current_exe()
                .ok()
                .as_deref()
                .and_then(Path::parent)
            {
                places.push(folder.join("lib").join(FILE));
                places.extend(folder.ancestors().take(4).map(|above| above.join(&built)));
            }
            places.extend(
                std::env::var_os("CARGO_TARGET_DIR").map(|target| Path::new(&target).join(&built)),
            );
            places.push(Path::new("target").join(&built));
        }
        places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
            let list: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
            format!(
                "the ONNX Runtime library was not found; looked for {}; run models/setup, or set its path in \
                 the configuration or in ORT_DYLIB_PATH",
                list.join(", ")
            )
        })
    }

    /// The process's one environment: opened with the first library that works, and never twice, however many
    /// models are opened at once. An error says why there is none and what to do.
    pub(crate) fn environment(&self) -> Result<Environment, String> {
        static OPENED: Mutex<Option<Environment>> = Mutex::new(None);
        let path = self.find()?;
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = &*opened {
            return Ok(environment.clone());
        }
        let name = path.display().to_string();
        let environment = ort::init_from(&path)
            .map_err(|e| {
                format!(
                    "the library {name} cannot be opened: {e}; run models/setup to fetch a good one"
                )
            })?
            // The published library tells its maker about its use. The environment variable ORT_DISABLE_TELEMETRY also
            // keeps what it does before it hears this; units and cargo set it.
            .with_telemetry(false)
            .build()
            .map_err(|e| format!("ONNX Runtime in {name} cannot start: {e}"))?;
        Ok(opened.insert(environment).clone())
    }
}

/// A model on `threads` threads.
pub(crate) fn session(
    environment: &Environment,
    bytes: &[u8],
    threads: usize,
) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        // Exporters of older models leave hundreds of warnings that nobody can mend.
        .with_log_level(LogLevel::Error)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .commit_from_memory(bytes)
}
