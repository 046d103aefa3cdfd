//! Models that are open. Each is opened when it is first named and kept; one that cannot be opened is tried again after a
//! while, since its file may have been mended.

use contract::{
    problems::chain,
    vision::{ModelUsed, Said},
};
use models::{
    RuntimePath,
    picture::{DetectError, Detector, Manifest, store::Folder},
};
use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

/// A model that could not be opened is not tried again for so long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Why an ask cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    of_model: Option<String>,
    words: String,
}

impl Failure {
    /// The model is the cause.
    pub fn of_model(name: &str, words: impl Into<String>) -> Failure {
        Failure {
            of_model: Some(name.to_owned()),
            words: words.into(),
        }
    }

    /// Something else is.
    pub fn other(words: impl Into<String>) -> Failure {
        Failure {
            of_model: None,
            words: words.into(),
        }
    }

    /// As an answer.
    pub fn said(self) -> Said {
        Said::Failed {
            of_model: self.of_model,
            words: self.words,
        }
    }
}

/// A model, and how sure it must be by its manifest.
struct Model {
    detector: Detector,
    score_min: f32,
}

/// The models of some folders.
pub struct Shelf {
    folders: Vec<Folder>,
    runtime: RuntimePath,
    threads: usize,
    open: HashMap<String, Model>,
    failed: HashMap<String, (Instant, Failure)>,
}

impl Shelf {
    /// Of these folders: the first that has a manifest of a name has the model. Each model runs on `threads` threads.
    pub fn new(folders: &[PathBuf], runtime: RuntimePath, threads: usize) -> Shelf {
        Shelf {
            folders: folders.iter().map(Folder::new).collect(),
            runtime,
            threads,
            open: HashMap::new(),
            failed: HashMap::new(),
        }
    }

    /// Closes all.
    pub fn clear(&mut self) {
        self.open.clear();
        self.failed.clear();
    }

    fn model(&mut self, name: &str) -> Result<&mut Model, Failure> {
        if !self.open.contains_key(name) {
            if let Some((at, failure)) = self.failed.get(name)
                && at.elapsed() < AGAIN_AFTER
            {
                return Err(failure.clone());
            }
            match self.opened(name) {
                Ok(model) => {
                    self.failed.remove(name);
                    self.open.insert(name.to_owned(), model);
                }
                Err(failure) => {
                    let noted = (Instant::now(), failure.clone());
                    self.failed.insert(name.to_owned(), noted);
                    return Err(failure);
                }
            }
        }
        Ok(self.open.get_mut(name).expect("it is open"))
    }

    fn opened(&self, name: &str) -> Result<Model, Failure> {
        let has = |folder: &&Folder| folder.path().join(format!("{name}.toml")).is_file();
        // Where none has it, the last one's error says what it has.
        let folder = self.folders.iter().find(has).or(self.folders.last());
        let folder = folder
            .ok_or_else(|| Failure::of_model(name, "there is no folder of models; give one"))?;
        let detector = folder
            .open(name, &self.runtime, self.threads)
            .map_err(|error| Failure::of_model(name, chain(&error)))?;
        Ok(Model {
            score_min: detector.manifest().score_min,
            detector,
        })
    }
}

/// What one ask uses of the shelf.
pub struct Run<'a> {
    shelf: &'a mut Shelf,
    used: Vec<Used>,
}

struct Used {
    model: ModelUsed,
    runs: u32,
    took: Duration,
}

impl<'a> Run<'a> {
    /// Nothing was used yet.
    pub fn of(shelf: &'a mut Shelf) -> Run<'a> {
        Run {
            shelf,
            used: Vec::new(),
        }
    }

    /// The manifest of a model, which is open afterwards.
    pub fn manifest(&mut self, name: &str) -> Result<&Manifest, Failure> {
        Ok(self.shelf.model(name)?.detector.manifest())
    }

    /// Runs a model once. `score_min` in place of what its manifest says, where one is given. A model that fails is closed, and with
    /// it goes the memory that it has.
    pub fn with<T>(
        &mut self,
        name: &str,
        score_min: Option<f32>,
        act: impl FnOnce(&mut Detector) -> Result<T, DetectError>,
    ) -> Result<T, Failure> {
        let model = self.shelf.model(name)?;
        let detector = &mut model.detector;
        detector.set_score_min(score_min.unwrap_or(model.score_min));
        let began = Instant::now();
        let done = act(detector);
        let took = began.elapsed();
        let sha256 = detector.manifest().sha256.clone();
        match self.used.iter_mut().find(|used| used.model.name == name) {
            Some(used) => {
                used.runs += 1;
                used.took += took;
            }
            None => self.used.push(Used {
                model: ModelUsed {
                    name: name.to_owned(),
                    sha256,
                },
                runs: 1,
                took,
            }),
        }
        done.map_err(|error| {
            self.shelf.open.remove(name);
            Failure::of_model(name, chain(&error))
        })
    }

    /// What was run, and the milliseconds of one run on average.
    pub fn used(self) -> Vec<(ModelUsed, f64)> {
        let each = |used: Used| {
            let ms = used.took.as_secs_f64() * 1e3 / f64::from(used.runs);
            (used.model, ms)
        };
        self.used.into_iter().map(each).collect()
    }
}
