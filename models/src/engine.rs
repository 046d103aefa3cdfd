//! Many series in one run of the model.

use crate::{
    Due, ModelRef, RuntimePath, Score, SeriesState,
    catalogue::{self, CatalogueError},
    runtime,
    series::{AHEAD, Forecast, WINDOW},
};
use ort::{session::Session, value::TensorRef};
use std::path::Path;

/// Windows that go into one run.
pub const BATCH: usize = 256;

/// Whether scores can be made, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// They can.
    Available,
    /// They cannot; the reason says what to do.
    Unavailable(String),
}

/// Why an engine could not be opened. A missing library is not among them: see [`Availability`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The model could not be taken from the catalogue.
    #[error("cannot take model {name:?} from its catalogue")]
    Catalogue {
        /// Which model.
        name: String,
        /// Why.
        #[source]
        source: CatalogueError,
    },
    /// The runtime refused the model.
    #[error(
        "ONNX Runtime refuses model {name:?}; the file is intact, so the library is of the wrong version"
    )]
    Refused {
        /// Which model.
        name: String,
        /// What it said.
        #[source]
        source: ort::Error,
    },
}

/// A run of the model failed.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// There is no model to run.
    #[error("scoring is unavailable: {0}")]
    Unavailable(String),
    /// The runtime failed.
    #[error("cannot run the model")]
    Run(#[source] ort::Error),
}

/// A model, ready to run on one thread.
#[derive(Debug)]
pub struct Engine {
    session: Option<Session>,
    availability: Availability,
    model: ModelRef,
    fine: Vec<f32>,
    coarse: Vec<f32>,
}

impl Engine {
    /// Opens the model `name` of the catalogue file. If the ONNX Runtime library is missing the engine opens
    /// and is unavailable; a damaged model file is an error.
    pub fn open(catalogue: &Path, name: &str, runtime: &RuntimePath) -> Result<Engine, OpenError> {
        let (model, bytes) =
            catalogue::load(catalogue, name).map_err(|source| OpenError::Catalogue {
                name: name.to_owned(),
                source,
            })?;
        let (session, availability) = match runtime.environment() {
            Ok(environment) => {
                let session = runtime::session(&environment, &bytes, 1).map_err(|source| {
                    OpenError::Refused {
                        name: name.to_owned(),
                        source,
                    }
                })?;
                (Some(session), Availability::Available)
            }
            Err(reason) => (None, Availability::Unavailable(reason)),
        };
        Ok(Engine {
            session,
            availability,
            model,
            fine: Vec::new(),
            coarse: Vec::new(),
        })
    }

    /// Whether scores can be made.
    pub fn availability(&self) -> &Availability {
        &self.availability
    }

    /// Which model this is.
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The scores of due samples, each with the state of its series, in batches of [`BATCH`]. Dues of one
    /// series stand in their order.
    pub fn score(&mut self, due: &mut [(&mut SeriesState, Due)]) -> Result<Vec<Score>, ScoreError> {
        let mut scores = Vec::with_capacity(due.len());
        for part in due.chunks_mut(BATCH) {
            let forecasts = self.forecast(part.iter().map(|(_, due)| due))?;
            scores.extend(
                part.iter_mut()
                    .zip(forecasts)
                    .map(|((state, due), f)| state.judge(due, f)),
            );
        }
        Ok(scores)
    }

    /// What the model says of the next sample of each window; at most [`BATCH`] of them run well at once.
    pub fn forecast<'a>(
        &mut self,
        due: impl Iterator<Item = &'a Due>,
    ) -> Result<Vec<Forecast>, ScoreError> {
        self.fine.clear();
        self.coarse.clear();
        for due in due {
            self.fine.extend_from_slice(&due.fine);
            self.coarse.extend_from_slice(&due.coarse);
        }
        self.run_assembled()
    }

    /// What the model says of one pair of windows as they are; for comparing a model file with its golden
    /// outputs.
    pub fn forecast_raw(
        &mut self,
        fine: &[f32],
        coarse: &[f32],
    ) -> Result<Vec<Forecast>, ScoreError> {
        self.fine.clear();
        self.coarse.clear();
        self.fine.extend_from_slice(fine);
        self.coarse.extend_from_slice(coarse);
        self.run_assembled()
    }

    /// Runs the model on what was assembled last; for measuring the bare session.
    pub fn run_assembled(&mut self) -> Result<Vec<Forecast>, ScoreError> {
        let Some(session) = &mut self.session else {
            let Availability::Unavailable(reason) = &self.availability else {
                return Ok(Vec::new());
            };
            return Err(ScoreError::Unavailable(reason.clone()));
        };
        let n = self.fine.len() / WINDOW;
        let fine =
            TensorRef::from_array_view(([n, WINDOW], &self.fine[..])).map_err(ScoreError::Run)?;
        let coarse =
            TensorRef::from_array_view(([n, WINDOW], &self.coarse[..])).map_err(ScoreError::Run)?;
        let outputs = session
            .run(ort::inputs!["fine" => fine, "coarse" => coarse])
            .map_err(ScoreError::Run)?;
        let get = |name: &str| {
            outputs[name]
                .try_extract_tensor::<f32>()
                .map(|(_, values)| values)
                .map_err(ScoreError::Run)
        };
        let (loc, scale, median, spread) =
            (get("loc")?, get("scale")?, get("median")?, get("spread")?);
        Ok((0..n)
            .map(|i| Forecast {
                loc: f64::from(loc[i * AHEAD]),
                scale: f64::from(scale[i * AHEAD]),
                median: f64::from(median[i]),
                spread: f64::from(spread[i]),
            })
            .collect())
    }
}
