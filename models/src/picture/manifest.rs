//! What has to be said of a model file so that it can be run: a TOML file beside it.
//!
//! Promise: [`Manifest::parse`] names every problem of a manifest in one run, each with place, fault and mending.
//! The keys are described in models/manifests/README.md.

use super::{Area, Colour, Crop, Fit, Input, Layout, reader::Reader};
use std::fmt;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Finds things, persons among them.
    Objects,
    /// Finds faces.
    Faces,
    /// Finds faces and says whether each wears a mask.
    Masks,
    /// Says what a picture, or a part of one, shows.
    Classes,
}

/// How the outputs are to be read; `N` places, `C` classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoding {
    /// One output `[1, N, 5 + C]`: offsets within the cell, logarithms of the size, objectness, classes; cells of each
    /// stride row by row.
    Yolox {
        /// Pixels of a cell.
        strides: Vec<u32>,
    },
    /// One output `[1, N, 5 + C]`: centre and size in pixels of the input, objectness, classes.
    Yolov5,
    /// One output `[1, 4 + C, N]`: centre and size in pixels of the input, classes.
    Yolov8,
    /// For each stride three outputs: class `[1, N, 1]`, objectness `[1, N, 1]`, box `[1, N, 4]`.
    Yunet {
        /// Pixels of a cell.
        strides: Vec<u32>,
    },
    /// Two outputs: scores `[1, N, 1 + C]`, the background first; corners `[1, N, 4]` as shares of the input.
    Ultraface,
    /// One output `[1, 5 + C, rows, columns]`: objectness, box, classes.
    Fastestdet,
    /// One output `[1, C]`.
    Classifier {
        /// What makes a score of a number.
        activation: Activation,
    },
}

/// What makes a score of the number that a classifier gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// It is a score already.
    None,
    /// Each class for itself.
    Sigmoid,
    /// All classes together are 1.
    Softmax,
}

/// A known input and what the model gave for it on the machine of whoever wrote the manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// [`super::golden::RAMPS`], or the name of a JPEG file beside the manifest.
    pub picture: String,
    /// Every output that is read.
    pub outputs: Vec<GoldenOutput>,
    /// What was found.
    pub found: Vec<GoldenFound>,
}

/// One output: enough of it to know another one from it.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenOutput {
    /// Its name in the model.
    pub name: String,
    /// Mean over all numbers.
    pub mean: f64,
    /// Standard deviation over all numbers.
    pub deviation: f64,
    /// Numbers at even distances, the first among them.
    pub samples: Vec<f64>,
}

/// One detection; of a classifier one class.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenFound {
    /// Name of the class.
    pub class: String,
    /// How sure.
    pub score: f64,
    /// Where; of a classifier the whole picture.
    pub area: Area,
}

/// A model, as its manifest says.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Short name: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Raised whenever file or manifest change what is found.
    pub version: u32,
    /// What it is for.
    pub task: Task,
    /// The file's name, without a folder.
    pub file: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// SPDX name of the weights' licence, or words.
    pub licence: String,
    /// Where its authors give it out; `None` for a model of one's own.
    pub source: Option<String>,
    /// What of a picture goes in; of a detector the whole.
    pub crop: Crop,
    /// What it takes in.
    pub input: Input,
    /// How its outputs are read.
    pub decoding: Decoding,
    /// The outputs that are read, in the order of `decoding`. Others are not computed.
    pub outputs: Vec<String>,
    /// Names of the classes. `person`, `face`, `masked_face` and `head` are those that masking knows.
    pub classes: Vec<String>,
    /// Less sure than this is not found; 0 to 1.
    pub score_min: f32,
    /// Of two that overlap more, the surer stays; 0 to 1.
    pub overlap_max: f32,
    /// Two that overlap are one thing even if their classes differ.
    pub across_classes: bool,
    /// Known inputs.
    pub golden: Vec<Golden>,
}

/// One problem of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File and key.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

/// All problems of a manifest; `Display` prints one a line as `PLACE: WHAT; FIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Problem { place, what, fix }) in self.0.iter().enumerate() {
            let line = if i > 0 { "\n" } else { "" };
            write!(f, "{line}{place}: {what}; {fix}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Manifest {
    /// Reads `text`; `place` is the file's name as it stands in problems.
    pub fn parse(place: &str, text: &str) -> Result<Manifest, Problems> {
        let table = text.parse::<toml::Table>().map_err(|e| {
            Problems(vec![Problem {
                place: place.to_owned(),
                what: format!(
                    "is not TOML: {}",
                    e.to_string().trim_end().replace('\n', " ")
                ),
                fix: "mend the line".into(),
            }])
        })?;
        let mut problems = Vec::new();
        let manifest = read(&mut Reader::new(place, &table, &mut problems));
        match manifest {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(Problems(problems)),
        }
    }

    /// The place of a class in the list.
    pub fn class(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|class| class == name)
    }
}

/// `None` only where a problem was noted.
fn read(top: &mut Reader) -> Option<Manifest> {
    let name = top.text("name").filter(|name| {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fine = name.chars().all(good) && !name.starts_with('.');
        top.check(
            "name",
            fine,
            "has other signs than letters, digits, - _ .",
            "choose a plain name",
        );
        fine
    });
    let version = top.whole("version", 1, 1_000_000);
    let task = top.choice(
        "task",
        &[
            ("objects", Task::Objects),
            ("faces", Task::Faces),
            ("masks", Task::Masks),
            ("classes", Task::Classes),
        ],
    );
    let file = top.text("file").filter(|file| file_name(top, "file", file));
    let sha256 = top
        .text("sha256")
        .map(|hash| hash.to_lowercase())
        .filter(|hash| {
            let fine = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            top.check(
                "sha256",
                fine,
                "is no SHA-256",
                "write the 64 digits that `sha256sum FILE` prints",
            );
            fine
        });
    let licence = top.text("licence");
    let source = top.may_have("source").then(|| top.text("source")).flatten();
    if let Some(source) = &source {
        let fine = source.starts_with("https://") || source.starts_with("http://");
        top.check(
            "source",
            fine,
            "is no web address",
            "write https://…, or leave it out for a model of your own",
        );
    }
    let classes = top.texts("classes").unwrap_or_default();
    check_classes(top, task, &classes);
    let crop = match top.may_have("crop") {
        true => top.choice(
            "crop",
            &[
                ("picture", Crop::Picture),
                ("person", Crop::Person),
                ("person_top", Crop::PersonTop),
                ("face", Crop::Face),
            ],
        ),
        false => Some(Crop::Picture),
    };
    let input = top.within("input", read_input).flatten();
    let output = top
        .within("output", |at| read_output(at, classes.len()))
        .flatten();
    let classifier = matches!(&output, Some((Decoding::Classifier { .. }, _)));
    if let (Some(task), Some(_)) = (task, &output) {
        let right = (task == Task::Classes) == classifier;
        top.check(
            "task",
            right,
            "does not go with the decoding",
            "task \"classes\" goes with decoding \"classifier\" and with no other",
        );
    }
    top.check(
        "crop",
        classifier || output.is_none() || crop.is_none_or(|crop| crop == Crop::Picture),
        "is for classifiers",
        "leave it out: a detector looks at the whole picture",
    );
    let (score_min, overlap_max, across_classes) = top
        .within("thresholds", |at| {
            let score = at.share("score");
            let overlap = if classifier {
                Some(1.0)
            } else {
                at.share("overlap")
            };
            let across = at
                .may_have("across_classes")
                .then(|| at.flag("across_classes"));
            Some((score?, overlap?, across.flatten().unwrap_or(false)))
        })
        .flatten()
        .unwrap_or_default();
    let golden = top.each("golden", |at| read_golden(at, &classes));
    top.no_others();
    let (decoding, outputs) = output?;
    Some(Manifest {
        name: name?,
        version: version?,
        task: task?,
        file: file?,
        sha256: sha256?,
        licence: licence?,
        source,
        crop: crop?,
        input: input?,
        decoding,
        outputs,
        classes,
        score_min,
        overlap_max,
        across_classes,
        golden,
    })
}

/// A name without a folder: a manifest points at nothing outside its own.
fn file_name(at: &mut Reader, key: &str, name: &str) -> bool {
    let fine = !name.contains(['/', '\\']) && !name.starts_with('.') && !name.is_empty();
    at.check(
        key,
        fine,
        "is no plain file name",
        "the file stands in the folder of the manifest; leave the folder out",
    );
    fine
}

fn check_classes(top: &mut Reader, task: Option<Task>, classes: &[String]) {
    let mut seen = std::collections::HashSet::new();
    for class in classes {
        top.check(
            "classes",
            seen.insert(class),
            format!("has {class:?} twice"),
            "name each class once",
        );
    }
    let wanted: &[&str] = match task {
        Some(Task::Faces) => &["face"],
        Some(Task::Masks) => &["face", "masked_face"],
        _ => &[],
    };
    for name in wanted {
        let has = classes.iter().any(|class| class == name);
        top.check(
            "classes",
            has,
            format!("has no {name:?}"),
            format!("name the class that means it {name:?}; its task needs it"),
        );
    }
}

fn read_input(at: &mut Reader) -> Option<Input> {
    let width = at.whole("width", 8, 4096);
    let height = at.whole("height", 8, 4096);
    let layout = at.choice("layout", &[("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc)]);
    let colour = at.choice("colour", &[("rgb", Colour::Rgb), ("bgr", Colour::Bgr)]);
    let mean = at.three("mean");
    let std = at.three("std").filter(|std| {
        let fine = std.iter().all(|v| *v > 0.0);
        at.check(
            "std",
            fine,
            "has a number that is not above 0",
            "write what the bytes are divided by",
        );
        fine
    });
    let fit = at.choice(
        "fit",
        &[
            ("letterbox", Fit::Letterbox),
            ("letterbox_centred", Fit::LetterboxCentred),
            ("stretch", Fit::Stretch),
        ],
    );
    let pad = match fit {
        Some(Fit::Stretch) => Some(0),
        _ => at.whole("pad", 0, 255),
    };
    at.no_others();
    Some(Input {
        width: width?,
        height: height?,
        layout: layout?,
        colour: colour?,
        mean: mean?,
        std: std?,
        fit: fit?,
        pad: pad? as u8,
    })
}

/// Decoding and the names of its outputs.
fn read_output(at: &mut Reader, classes: usize) -> Option<(Decoding, Vec<String>)> {
    let kinds = [
        "yolox",
        "yolov5",
        "yolov8",
        "yunet",
        "ultraface",
        "fastestdet",
        "classifier",
    ];
    let kind = at.choice("decoding", &kinds.map(|kind| (kind, kind)));
    let names = at.texts("names");
    let strides = match kind {
        Some("yolox" | "yunet") => at.wholes("strides", 1, 1024),
        _ => None,
    };
    let activation = match kind {
        Some("classifier") => at.choice(
            "activation",
            &[
                ("none", Activation::None),
                ("sigmoid", Activation::Sigmoid),
                ("softmax", Activation::Softmax),
            ],
        ),
        _ => None,
    };
    at.no_others();
    let decoding = match kind? {
        "yolox" => Decoding::Yolox { strides: strides? },
        "yolov5" => Decoding::Yolov5,
        "yolov8" => Decoding::Yolov8,
        "yunet" => Decoding::Yunet { strides: strides? },
        "ultraface" => Decoding::Ultraface,
        "fastestdet" => Decoding::Fastestdet,
        _ => Decoding::Classifier {
            activation: activation?,
        },
    };
    let names = names?;
    let (wanted, which) = match &decoding {
        Decoding::Yunet { strides } => (
            3 * strides.len(),
            "class, objectness and box of the first stride, then of the next",
        ),
        Decoding::Ultraface => (2, "scores, then boxes"),
        _ => (1, "the one that is read"),
    };
    at.check(
        "names",
        names.len() == wanted,
        format!("has {} names, this decoding needs {wanted}", names.len()),
        format!("name the model's outputs in this order: {which}"),
    );
    let one_face = !matches!(decoding, Decoding::Yunet { .. }) || classes == 1;
    at.check(
        "decoding",
        one_face,
        "knows one class",
        "leave one name in `classes`",
    );
    Some((decoding, names))
}

fn read_golden(at: &mut Reader, classes: &[String]) -> Option<Golden> {
    let picture = at
        .text("picture")
        .filter(|name| file_name(at, "picture", name));
    let outputs = at.each("output", |at| {
        let (name, mean, deviation) = (at.text("name"), at.number("mean"), at.number("deviation"));
        let samples = at.numbers("samples");
        at.no_others();
        Some(GoldenOutput {
            name: name?,
            mean: mean?,
            deviation: deviation?,
            samples: samples?,
        })
    });
    let found = at.each("found", |at| {
        let class = at.text("class");
        if let Some(class) = &class {
            at.check(
                "class",
                classes.contains(class),
                format!("{class:?} is not among `classes`"),
                "name one of them",
            );
        }
        let score = at.number("score");
        let edges = at.numbers("box").filter(|edges| {
            at.check(
                "box",
                edges.len() == 4,
                "has not four numbers",
                "write left, top, right, bottom in pixels of the picture",
            );
            edges.len() == 4
        });
        at.no_others();
        let [left, top, right, bottom] = edges?.try_into().ok()?;
        let area = Area {
            left: left as f32,
            top: top as f32,
            right: right as f32,
            bottom: bottom as f32,
        };
        Some(GoldenFound {
            class: class?,
            score: score?,
            area,
        })
    });
    at.no_others();
    Some(Golden {
        picture: picture?,
        outputs,
        found,
    })
}
