//! The crate as its users meet it: the shipped model file, the library, the commands.

mod commands;
mod decode;
mod detector;
mod engine;
mod manifest;
mod masking;
mod public_models;
mod score;
mod shipped;
mod tiny;

use models::{Availability, Engine, RuntimePath};
use std::path::{Path, PathBuf};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn catalogue() -> PathBuf {
    folder().join("catalogue.toml")
}

/// The shipped engine. `None`, with the reason printed, where the ONNX Runtime library is not on this machine;
/// under CI that is a failure.
fn engine() -> Option<Engine> {
    let engine =
        Engine::open(&catalogue(), "forecaster", &RuntimePath(None)).expect("the shipped model");
    if let Availability::Unavailable(reason) = engine.availability() {
        assert!(std::env::var_os("CI").is_none(), "{reason}");
        println!("not checked: {reason}");
        return None;
    }
    Some(engine)
}

/// Where ONNX Runtime is. `None`, with the reason printed, where it is not on this machine; under CI that is a failure.
fn runtime() -> Option<RuntimePath> {
    match RuntimePath(None).find() {
        Ok(path) => Some(RuntimePath(Some(path))),
        Err(reason) => {
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            println!("not checked: {reason}");
            None
        }
    }
}

/// The whole chain of an error, as a person sees it.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
