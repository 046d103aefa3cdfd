//! A model's outputs become candidates: what, how sure, where in the input.
//!
//! Pure: numbers in, candidates out. Nothing else of an output is read; YuNet's eyes, nose and mouth have no way in.

use super::{Activation, Area, Decoding, Detection, Manifest};

/// One output.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Its dimensions.
    pub shape: &'a [i64],
    /// Its numbers.
    pub values: &'a [f32],
}

/// Why outputs cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another shape than the decoding wants.
    #[error(
        "output {name:?} has the shape {shape:?}, its decoding wants {wanted}; correct `decoding`, `names` or `classes` \
         of the manifest"
    )]
    Shape {
        /// Which output.
        name: String,
        /// What came.
        shape: Vec<i64>,
        /// What is wanted.
        wanted: String,
    },
    /// Not a number.
    #[error(
        "the model gave something that is no number; its file or its normalisation is not the right one"
    )]
    NotANumber,
}

/// Every candidate that is at least as sure as the manifest asks, in pixels of the input. `outputs` stand in the
/// order of [`Manifest::outputs`].
pub fn candidates(manifest: &Manifest, outputs: &[Tensor]) -> Result<Vec<Detection>, DecodeError> {
    let found = match &manifest.decoding {
        Decoding::Yolox { strides } => yolox(manifest, outputs, strides)?,
        Decoding::Yolov5 => rows(manifest, outputs)?,
        Decoding::Yolov8 => yolov8(manifest, outputs)?,
        Decoding::Yunet { strides } => yunet(manifest, outputs, strides)?,
        Decoding::Ultraface => ultraface(manifest, outputs)?,
        Decoding::Fastestdet => fastestdet(manifest, outputs)?,
        Decoding::Classifier { .. } => Vec::new(),
    };
    let sound = |d: &Detection| d.score.is_finite() && d.area.is_finite();
    if found.iter().all(sound) {
        Ok(found)
    } else {
        Err(DecodeError::NotANumber)
    }
}

/// The score of each class, in the order of the manifest.
pub fn scores(manifest: &Manifest, outputs: &[Tensor]) -> Result<Vec<f32>, DecodeError> {
    let classes = manifest.classes.len();
    let output = output(manifest, outputs, 0, &[None, Some(classes)])?;
    let activation = match manifest.decoding {
        Decoding::Classifier { activation } => activation,
        _ => Activation::None,
    };
    let mut scores = output.values[..classes].to_vec();
    match activation {
        Activation::None => {}
        Activation::Sigmoid => scores.iter_mut().for_each(|v| *v = sigmoid(*v)),
        Activation::Softmax => {
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.iter_mut().for_each(|v| *v = (*v - most).exp());
            let sum: f32 = scores.iter().sum();
            scores.iter_mut().for_each(|v| *v /= sum);
        }
    }
    if scores.iter().all(|v| v.is_finite()) {
        Ok(scores)
    } else {
        Err(DecodeError::NotANumber)
    }
}

/// Output `which`, if its dimensions are `wanted` (`None`: any).
fn output<'a>(
    manifest: &Manifest,
    outputs: &[Tensor<'a>],
    which: usize,
    wanted: &[Option<usize>],
) -> Result<Tensor<'a>, DecodeError> {
    let tensor = outputs[which];
    let fits = tensor.shape.len() == wanted.len()
        && tensor.shape[0] == 1
        && tensor
            .shape
            .iter()
            .zip(wanted)
            .all(|(&is, wanted)| wanted.is_none_or(|w| is == w as i64))
        && tensor.values.len() as i64 == tensor.shape.iter().product::<i64>();
    if fits {
        return Ok(tensor);
    }
    let sides: Vec<_> = wanted
        .iter()
        .skip(1)
        .map(|side| side.map_or("any".into(), |side| side.to_string()))
        .collect();
    Err(DecodeError::Shape {
        name: manifest.outputs[which].clone(),
        shape: tensor.shape.to_vec(),
        wanted: format!("[1, {}]", sides.join(", ")),
    })
}

/// The surest class of a row and how sure it is.
fn surest(scores: impl Iterator<Item = f32>) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, score) in scores.enumerate() {
        if score > best.1 || score.is_nan() {
            best = (class, score);
        }
    }
    best
}

/// Left and upper corner of each cell in cells, and its stride, in the order of the outputs.
fn cells(manifest: &Manifest, stride: u32) -> impl Iterator<Item = (f32, f32)> {
    let (columns, rows) = (
        manifest.input.width / stride,
        manifest.input.height / stride,
    );
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (x as f32, y as f32)))
}

fn cell_count(manifest: &Manifest, stride: u32) -> usize {
    (manifest.input.width / stride) as usize * (manifest.input.height / stride) as usize
}

// In all of these a score that is not a number passes the threshold, so that it is found and refused.

fn yolox(
    manifest: &Manifest,
    outputs: &[Tensor],
    strides: &[u32],
) -> Result<Vec<Detection>, DecodeError> {
    let side = 5 + manifest.classes.len();
    let count: usize = strides
        .iter()
        .map(|&stride| cell_count(manifest, stride))
        .sum();
    let output = output(manifest, outputs, 0, &[None, Some(count), Some(side)])?;
    let places = strides
        .iter()
        .flat_map(|&stride| cells(manifest, stride).map(move |(x, y)| (x, y, stride as f32)));
    let mut found = Vec::new();
    for (row, (x, y, stride)) in output.values.chunks_exact(side).zip(places) {
        if row[4] < manifest.score_min {
            continue;
        }
        let (class, score) = surest(row[5..].iter().map(|class| class * row[4]));
        if score < manifest.score_min {
            continue;
        }
        let area = Area::centred(
            (x + row[0]) * stride,
            (y + row[1]) * stride,
            row[2].exp() * stride,
            row[3].exp() * stride,
        );
        found.push(Detection { class, score, area });
    }
    Ok(found)
}

fn rows(manifest: &Manifest, outputs: &[Tensor]) -> Result<Vec<Detection>, DecodeError> {
    let side = 5 + manifest.classes.len();
    let output = output(manifest, outputs, 0, &[None, None, Some(side)])?;
    let mut found = Vec::new();
    for row in output.values.chunks_exact(side) {
        if row[4] < manifest.score_min {
            continue;
        }
        let (class, score) = surest(row[5..].iter().map(|class| class * row[4]));
        if score < manifest.score_min {
            continue;
        }
        let area = Area::centred(row[0], row[1], row[2], row[3]);
        found.push(Detection { class, score, area });
    }
    Ok(found)
}

fn yolov8(manifest: &Manifest, outputs: &[Tensor]) -> Result<Vec<Detection>, DecodeError> {
    let side = 4 + manifest.classes.len();
    let output = output(manifest, outputs, 0, &[None, Some(side), None])?;
    let count = output.values.len() / side;
    let at = |row: usize, place: usize| output.values[row * count + place];
    let mut found = Vec::new();
    for place in 0..count {
        let (class, score) = surest((4..side).map(|row| at(row, place)));
        if score < manifest.score_min {
            continue;
        }
        let area = Area::centred(at(0, place), at(1, place), at(2, place), at(3, place));
        found.push(Detection { class, score, area });
    }
    Ok(found)
}

fn yunet(
    manifest: &Manifest,
    outputs: &[Tensor],
    strides: &[u32],
) -> Result<Vec<Detection>, DecodeError> {
    let mut found = Vec::new();
    for (level, &stride) in strides.iter().enumerate() {
        let count = cell_count(manifest, stride);
        let class = output(manifest, outputs, 3 * level, &[None, Some(count), Some(1)])?;
        let object = output(
            manifest,
            outputs,
            3 * level + 1,
            &[None, Some(count), Some(1)],
        )?;
        let boxes = output(
            manifest,
            outputs,
            3 * level + 2,
            &[None, Some(count), Some(4)],
        )?;
        let scores = class.values.iter().zip(object.values);
        let rows = scores
            .zip(boxes.values.chunks_exact(4))
            .zip(cells(manifest, stride));
        let stride = stride as f32;
        for (((&class, &object), row), (x, y)) in rows {
            let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
            if score < manifest.score_min {
                continue;
            }
            let area = Area::centred(
                (x + row[0]) * stride,
                (y + row[1]) * stride,
                row[2].exp() * stride,
                row[3].exp() * stride,
            );
            found.push(Detection {
                class: 0,
                score,
                area,
            });
        }
    }
    Ok(found)
}

fn ultraface(manifest: &Manifest, outputs: &[Tensor]) -> Result<Vec<Detection>, DecodeError> {
    let side = 1 + manifest.classes.len();
    let scores = output(manifest, outputs, 0, &[None, None, Some(side)])?;
    let boxes = output(
        manifest,
        outputs,
        1,
        &[None, Some(scores.values.len() / side), Some(4)],
    )?;
    let (width, height) = (manifest.input.width as f32, manifest.input.height as f32);
    let mut found = Vec::new();
    for (scores, row) in scores
        .values
        .chunks_exact(side)
        .zip(boxes.values.chunks_exact(4))
    {
        let (class, score) = surest(scores[1..].iter().copied());
        if score < manifest.score_min {
            continue;
        }
        let area = Area {
            left: row[0] * width,
            top: row[1] * height,
            right: row[2] * width,
            bottom: row[3] * height,
        };
        found.push(Detection { class, score, area });
    }
    Ok(found)
}

/// The score is class^0.4 x objectness^0.6, as the model's authors combine them.
fn fastestdet(manifest: &Manifest, outputs: &[Tensor]) -> Result<Vec<Detection>, DecodeError> {
    let side = 5 + manifest.classes.len();
    let output = output(manifest, outputs, 0, &[None, Some(side), None, None])?;
    let (rows, columns) = (output.shape[2] as usize, output.shape[3] as usize);
    let (width, height) = (manifest.input.width as f32, manifest.input.height as f32);
    let at = |plane: usize, cell: usize| output.values[plane * rows * columns + cell];
    let mut found = Vec::new();
    for cell in 0..rows * columns {
        let object = at(0, cell);
        if object.powf(0.6) < manifest.score_min {
            continue;
        }
        let (class, sure) = surest((5..side).map(|plane| at(plane, cell)));
        let score = object.powf(0.6) * sure.powf(0.4);
        if score < manifest.score_min {
            continue;
        }
        let (x, y) = ((cell % columns) as f32, (cell / columns) as f32);
        let area = Area::centred(
            (x + at(1, cell).tanh()) / columns as f32 * width,
            (y + at(2, cell).tanh()) / rows as f32 * height,
            sigmoid(at(3, cell)) * width,
            sigmoid(at(4, cell)) * height,
        );
        found.push(Detection { class, score, area });
    }
    Ok(found)
}

fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}
