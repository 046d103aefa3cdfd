//! One model on one thread: a picture in, detections in pixels of the picture out.

use super::{
    Area, DecodeError, Detection, Image, Manifest, Task, candidates, decode, input::Resize,
    strongest,
};
use crate::{RuntimePath, catalogue::sha256, runtime};
use ort::{
    session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionOutputs},
    value::TensorRef,
};

/// Why a model cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// There is no ONNX Runtime; the reason says what to do.
    #[error("no model can run: {0}")]
    Unavailable(String),
    /// The file is not the one the manifest means.
    #[error(
        "the file of model {name:?} is damaged or another version: its SHA-256 is {actual}, the manifest says {expected}; \
         fetch it again, or correct the manifest if the change is meant"
    )]
    Hash {
        /// Which model.
        name: String,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        actual: String,
    },
    /// The runtime refused the file.
    #[error(
        "ONNX Runtime refuses model {name:?}; the file must be an ONNX model of an opset that it knows"
    )]
    Refused {
        /// Which model.
        name: String,
        /// What it said.
        #[source]
        source: ort::Error,
    },
    /// The model takes in something else than the manifest says.
    #[error(
        "model {name:?} takes in {actual}, its manifest says {expected}; correct [input] of the manifest"
    )]
    Input {
        /// Which model.
        name: String,
        /// Of the manifest.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// The model has no output of that name.
    #[error(
        "model {name:?} has no output {output:?}, it has: {known}; correct `names` in [output] of the manifest"
    )]
    Output {
        /// Which model.
        name: String,
        /// What the manifest names.
        output: String,
        /// What there is.
        known: String,
    },
}

/// Why a picture could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The runtime failed.
    #[error("cannot run model {name:?}")]
    Run {
        /// Which model.
        name: String,
        /// What it said.
        #[source]
        source: ort::Error,
    },
    /// The outputs are not what the manifest says.
    #[error("cannot read the outputs of model {name:?}")]
    Decode {
        /// Which model.
        name: String,
        /// What is wrong.
        #[source]
        source: DecodeError,
    },
    /// A classifier was asked where, or a detector was asked what.
    #[error("model {name:?} {does}; ask another one")]
    Task {
        /// Which model.
        name: String,
        /// What it can do.
        does: &'static str,
    },
}

/// A model, ready.
pub struct Detector {
    manifest: Manifest,
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    resize: Resize,
    tensor: Vec<f32>,
}

impl Detector {
    /// Opens the model of which `bytes` are the file, on `threads` threads (1 is best where several models or cameras
    /// share a machine).
    pub fn open(
        manifest: Manifest,
        bytes: &[u8],
        runtime: &RuntimePath,
        threads: usize,
    ) -> Result<Detector, DetectorError> {
        let name = manifest.name.clone();
        let actual = sha256(bytes);
        if actual != manifest.sha256 {
            return Err(DetectorError::Hash {
                name,
                expected: manifest.sha256,
                actual,
            });
        }
        let environment = runtime.environment().map_err(DetectorError::Unavailable)?;
        let refused = |source| DetectorError::Refused {
            name: manifest.name.clone(),
            source,
        };
        let session = runtime::session(&environment, bytes, threads).map_err(refused)?;
        check(&manifest, &session)?;
        let selected = manifest
            .outputs
            .iter()
            .fold(OutputSelector::no_default(), |all, name| all.with(name));
        let options = RunOptions::new().map_err(refused)?.with_outputs(selected);
        Ok(Detector {
            manifest,
            session,
            options,
            resize: Resize::new(),
            tensor: Vec::new(),
        })
    }

    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Less sure than this is not found from now on; for masking, which had rather see too much.
    pub fn set_score_min(&mut self, score_min: f32) {
        self.manifest.score_min = score_min;
    }

    /// What the model finds, the surest first, in pixels of `image` and inside it.
    pub fn detect(&mut self, image: &Image) -> Result<Vec<Detection>, DetectError> {
        if self.manifest.task == Task::Classes {
            return Err(self.asked_wrongly("says what a picture shows, not where"));
        }
        self.prepare(image);
        let found = self.run(candidates)?;
        Ok(self.finish(found, image))
    }

    /// How sure the model is of each class, in the order of its manifest. `image` is a whole picture or a crop.
    pub fn classify(&mut self, image: &Image) -> Result<Vec<f32>, DetectError> {
        if self.manifest.task != Task::Classes {
            return Err(self.asked_wrongly("says where things are, not what a picture shows"));
        }
        self.prepare(image);
        self.run(decode::scores)
    }

    /// How sure the model is of each class of what was found there; the manifest says what around it is looked at.
    /// `None` if that lies outside the picture.
    pub fn classify_found(
        &mut self,
        image: &Image,
        found: &Area,
    ) -> Result<Option<Vec<f32>>, DetectError> {
        let crop = image.crop(&self.manifest.crop.area(found));
        crop.map(|crop| self.classify(&crop)).transpose()
    }

    /// First step of [`Detector::detect`]: the picture becomes the model's input.
    pub fn prepare(&mut self, image: &Image) {
        self.resize
            .fill(&self.manifest.input, image, &mut self.tensor);
    }

    /// Second step: runs the model on what was prepared last, and gives its outputs to `read`, in the order of the
    /// manifest.
    pub fn run<T>(
        &mut self,
        read: impl FnOnce(&Manifest, &[decode::Tensor]) -> Result<T, DecodeError>,
    ) -> Result<T, DetectError> {
        let manifest = &self.manifest;
        let failed = |source| DetectError::Run {
            name: manifest.name.clone(),
            source,
        };
        let shape = manifest.input.shape();
        let tensor = TensorRef::from_array_view((shape, &self.tensor[..])).map_err(failed)?;
        let outputs = self
            .session
            .run_with_options(ort::inputs![tensor], &self.options)
            .map_err(failed)?;
        let tensors = tensors(manifest, &outputs).map_err(failed)?;
        read(manifest, &tensors).map_err(|source| DetectError::Decode {
            name: manifest.name.clone(),
            source,
        })
    }

    /// Last step: of candidates that overlap the surest, as places in `image`.
    pub fn finish(&self, found: Vec<Detection>, image: &Image) -> Vec<Detection> {
        let manifest = &self.manifest;
        strongest(found, manifest.overlap_max, manifest.across_classes)
            .into_iter()
            .map(|detection| Detection {
                area: self
                    .resize
                    .back(&detection.area)
                    .within(image.width(), image.height()),
                ..detection
            })
            .filter(|detection| detection.area.size() > 0.0)
            .collect()
    }

    fn asked_wrongly(&self, does: &'static str) -> DetectError {
        DetectError::Task {
            name: self.manifest.name.clone(),
            does,
        }
    }
}

fn tensors<'a>(
    manifest: &Manifest,
    outputs: &'a SessionOutputs,
) -> Result<Vec<decode::Tensor<'a>>, ort::Error> {
    manifest
        .outputs
        .iter()
        .map(|name| {
            let (shape, values) = outputs[name.as_str()].try_extract_tensor::<f32>()?;
            Ok(decode::Tensor { shape, values })
        })
        .collect()
}

/// The file against the manifest: one input of the right shape, and outputs of the names.
fn check(manifest: &Manifest, session: &Session) -> Result<(), DetectorError> {
    let shape = manifest.input.shape().map(|side| side as i64);
    let sides: Vec<Option<&[i64]>> = session
        .inputs()
        .iter()
        .map(|input| input.dtype().tensor_shape().map(|shape| &shape[..]))
        .collect();
    // A side of -1 is any.
    let right = matches!(&sides[..], [Some(sides)] if sides.len() == 4
        && sides.iter().zip(&shape).all(|(side, wanted)| *side == -1 || side == wanted));
    if !right {
        let inputs = session.inputs().iter();
        let words: Vec<_> = inputs
            .map(|i| format!("{} {}", i.name(), i.dtype()))
            .collect();
        return Err(DetectorError::Input {
            name: manifest.name.clone(),
            expected: format!("one input {shape:?}"),
            actual: words.join(", "),
        });
    }
    let known: Vec<_> = session
        .outputs()
        .iter()
        .map(|output| output.name())
        .collect();
    match manifest
        .outputs
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(output) => Err(DetectorError::Output {
            name: manifest.name.clone(),
            output: output.clone(),
            known: known.join(", "),
        }),
        None => Ok(()),
    }
}
