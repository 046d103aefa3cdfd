//! Known inputs and what comes of them: does this model give here what it gave where its manifest was written?

use super::{
    DetectError, Detection, Detector, Image, Manifest, Task,
    decode::{self, Tensor},
    manifest::{Golden, GoldenFound, GoldenOutput},
};
use std::fmt::Write;

/// The name of the built-in picture.
pub const RAMPS: &str = "ramps";

/// Numbers of an output that stand in a manifest.
const SAMPLES: usize = 9;
/// What an output's numbers may differ by, as a share of their standard deviation: processors add in different orders.
const NEAR: f64 = 0.01;
/// What a score may differ by, and what two boxes must have in common.
const SCORE_NEAR: f64 = 0.02;
const OVERLAP: f32 = 0.9;

/// The built-in picture, 320 x 240: ramps of red and green with a blue checker. It is larger or smaller than the input
/// of every model, so that resizing and normalising are tried as well.
pub fn ramps() -> Image {
    let (width, height) = (320_u32, 240_u32);
    let rgb = (0..width * height).flat_map(|i| {
        let (x, y) = (i % width, i / width);
        let checker = if (x / 16 + y / 16) % 2 == 0 { 200 } else { 40 };
        [(x * 255 / width) as u8, (y * 255 / height) as u8, checker]
    });
    Image::new(width, height, rgb.collect()).expect("the size is that of the bytes")
}

/// What the model gives for `image`, as a manifest's `[[golden]]`.
pub fn observe(
    detector: &mut Detector,
    picture: &str,
    image: &Image,
) -> Result<Golden, DetectError> {
    detector.prepare(image);
    let outputs = detector.run(|manifest, tensors| {
        let named = manifest.outputs.iter().zip(tensors);
        Ok(named.map(|(name, tensor)| summary(name, tensor)).collect())
    })?;
    let found = if detector.manifest().task == Task::Classes {
        let scores = detector.run(decode::scores)?;
        let all = scores
            .into_iter()
            .enumerate()
            .map(|(class, score)| Detection {
                class,
                score,
                area: image.area(),
            });
        all.collect()
    } else {
        detector.detect(image)?
    };
    let name = |class: usize| detector.manifest().classes[class].clone();
    let found = found.iter().map(|d| GoldenFound {
        class: name(d.class),
        score: f64::from(d.score),
        area: d.area,
    });
    Ok(Golden {
        picture: picture.to_owned(),
        outputs,
        found: found.collect(),
    })
}

fn summary(name: &str, tensor: &Tensor) -> GoldenOutput {
    let count = tensor.values.len().max(1);
    let mean = tensor.values.iter().map(|v| f64::from(*v)).sum::<f64>() / count as f64;
    let square = |v: &f32| (f64::from(*v) - mean) * (f64::from(*v) - mean);
    let deviation = (tensor.values.iter().map(square).sum::<f64>() / count as f64).sqrt();
    let every = count.div_ceil(SAMPLES);
    GoldenOutput {
        name: name.to_owned(),
        mean,
        deviation,
        samples: tensor
            .values
            .iter()
            .step_by(every)
            .map(|v| f64::from(*v))
            .collect(),
    }
}

/// Where `actual` is not what `expected` says, in words; empty if they agree.
pub fn differences(expected: &Golden, actual: &Golden) -> Vec<String> {
    let mut words = Vec::new();
    for wanted in &expected.outputs {
        let Some(got) = actual.outputs.iter().find(|got| got.name == wanted.name) else {
            words.push(format!("output {:?} is not read", wanted.name));
            continue;
        };
        let near = NEAR * wanted.deviation + 1e-6;
        let mut compare = |what: &str, got: f64, wanted: f64| {
            // Written so that NaN differs.
            if (got - wanted).abs() <= near {
                return;
            }
            words.push(format!("{what} is {got:.6}, the manifest says {wanted:.6}"));
        };
        let name = &wanted.name;
        compare(&format!("mean of output {name:?}"), got.mean, wanted.mean);
        compare(
            &format!("deviation of output {name:?}"),
            got.deviation,
            wanted.deviation,
        );
        for (i, (got, wanted)) in got.samples.iter().zip(&wanted.samples).enumerate() {
            compare(
                &format!("sample {} of output {name:?}", i + 1),
                *got,
                *wanted,
            );
        }
        if got.samples.len() != wanted.samples.len() {
            words.push(format!("output {name:?} has another number of values"));
        }
    }
    let mut left: Vec<_> = actual.found.iter().collect();
    for wanted in &expected.found {
        let same = |got: &&GoldenFound| {
            got.class == wanted.class
                && (got.score - wanted.score).abs() <= SCORE_NEAR
                && got.area.overlap(&wanted.area) >= OVERLAP
        };
        match left.iter().position(same) {
            Some(place) => drop(left.remove(place)),
            None => words.push(format!("not found: {} {:.2}", wanted.class, wanted.score)),
        }
    }
    words.extend(
        left.iter()
            .map(|got| format!("found in addition: {} {:.2}", got.class, got.score)),
    );
    words
}

/// A golden as text for a manifest.
pub fn to_toml(golden: &Golden) -> String {
    let mut text = format!("[[golden]]\npicture = {:?}\n", golden.picture);
    for output in &golden.outputs {
        let samples: Vec<_> = output.samples.iter().map(|v| format!("{v:.6}")).collect();
        let _infallible = write!(
            text,
            "[[golden.output]]\nname = {:?}\nmean = {:.6}\ndeviation = {:.6}\nsamples = [{}]\n",
            output.name,
            output.mean,
            output.deviation,
            samples.join(", ")
        );
    }
    for found in &golden.found {
        let a = &found.area;
        let _infallible = write!(
            text,
            "[[golden.found]]\nclass = {:?}\nscore = {:.3}\nbox = [{:.1}, {:.1}, {:.1}, {:.1}]\n",
            found.class, found.score, a.left, a.top, a.right, a.bottom
        );
    }
    text
}

/// Runs every golden of a model; differences in words, empty if there are none. A manifest without one is tried
/// with [`RAMPS`], so that at least running and decoding are.
pub fn check(
    detector: &mut Detector,
    picture: impl Fn(&str) -> Result<Image, String>,
) -> Result<Vec<String>, DetectError> {
    let manifest: Manifest = detector.manifest().clone();
    if manifest.golden.is_empty() {
        observe(detector, RAMPS, &ramps())?;
    }
    let mut words = Vec::new();
    for golden in &manifest.golden {
        let image = match golden.picture.as_str() {
            RAMPS => Ok(ramps()),
            name => picture(name),
        };
        match image {
            Ok(image) => {
                let actual = observe(detector, &golden.picture, &image)?;
                let found = differences(golden, &actual);
                words.extend(
                    found
                        .into_iter()
                        .map(|word| format!("{}: {word}", golden.picture)),
                );
            }
            Err(word) => words.push(word),
        }
    }
    Ok(words)
}
