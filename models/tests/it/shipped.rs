//! The models for pictures that are shipped: each is whole, gives its golden outputs, and judges photographs that it never
//! learned from as its figures say.
//!
//! The photographs are not part of this repository: `ONEDOOR_SHARED`, or `../shared` beside the checkout, has them. Where
//! they are not, that test says so and checks nothing.

use crate::{folder, runtime};
use models::{
    RuntimePath,
    picture::{Area, Detector, Image, Task, golden, store::Folder},
};
use std::path::PathBuf;

const CLASSIFIERS: [&str; 4] = ["fire-smoke", "helmet", "mask", "vest"];

fn shipped() -> Folder {
    Folder::new(folder().join("files"))
}

fn open(name: &str, runtime: &RuntimePath) -> Detector {
    shipped()
        .open(name, runtime, 1)
        .unwrap_or_else(|e| panic!("{name}: {}", crate::words(&e)))
}

#[test]
fn every_shipped_model_is_small_free_and_has_a_card_and_a_known_input() {
    let names = shipped().names().unwrap();
    for name in CLASSIFIERS {
        assert!(names.iter().any(|n| n == name), "{name} of {names:?}");
    }
    for name in names {
        let manifest = shipped().manifest(&name).unwrap();
        assert_eq!(manifest.licence, "Apache-2.0", "{name}");
        assert!(!manifest.golden.is_empty(), "{name}");
        let file = folder().join("files").join(&manifest.file);
        assert!(file.metadata().unwrap().len() < 1 << 20, "{name}");
        let card = std::fs::read_to_string(file.with_extension("md")).unwrap();
        for part in ["Trained on", "How good", "No good for", "Licence"] {
            assert!(
                card.contains(part),
                "{name}: its card does not say {part:?}"
            );
        }
    }
}

#[test]
fn every_shipped_model_gives_its_golden_outputs() {
    let Some(runtime) = runtime() else { return };
    for name in shipped().names().unwrap() {
        let mut detector = open(&name, &runtime);
        let words = golden::check(&mut detector, |picture| Err(format!("no {picture}"))).unwrap();
        assert!(words.is_empty(), "{name}: {words:?}");
    }
}

/// What training wrote beside a model: photographs kept out of training, and what it gave for them there.
#[derive(serde::Deserialize)]
struct Figures {
    sha256: String,
    examples: Vec<Example>,
}

#[derive(serde::Deserialize)]
struct Example {
    file: String,
    #[serde(rename = "box")]
    edges: [f32; 4],
    label: u8,
    chance: f32,
}

#[test]
fn the_classifiers_judge_kept_out_photographs_here_as_where_they_were_trained() {
    let Some(runtime) = runtime() else { return };
    let Some(photographs) = photographs() else {
        return;
    };
    for name in CLASSIFIERS {
        let mut detector = open(name, &runtime);
        assert_eq!(detector.manifest().task, Task::Classes);
        let text = std::fs::read_to_string(
            folder()
                .join("files")
                .join(&detector.manifest().file)
                .with_extension("figures.json"),
        );
        let figures: Figures = serde_json::from_str(&text.unwrap()).unwrap();
        assert_eq!(figures.sha256, detector.manifest().sha256, "{name}");
        assert!(figures.examples.len() >= 12, "{name}");
        let (mut right, mut far) = (0, 0.0_f32);
        for example in &figures.examples {
            let path = photographs.join(&example.file);
            let image = Image::from_jpeg(&std::fs::read(&path).unwrap()).unwrap();
            let [left, top, right_edge, bottom] = example.edges;
            let found = Area {
                left,
                top,
                right: right_edge,
                bottom,
            };
            let scores = detector.classify_found(&image, &found).unwrap();
            let chance = scores.expect("the box lies in the picture")[0];
            far = far.max((chance - example.chance).abs());
            right += usize::from((chance >= 0.5) == (example.label == 1));
        }
        let count = figures.examples.len();
        println!("{name}: {right} of {count} right; {far:.4} from training at most");
        // Two JPEG decoders differ by a byte here and there.
        assert!(far < 0.05, "{name}: {far}");
        assert!(right * 4 >= count * 3, "{name}: {right} of {count}");
    }
}

fn photographs() -> Option<PathBuf> {
    let place = std::env::var_os("ONEDOOR_SHARED").map(PathBuf::from);
    let place = place
        .unwrap_or_else(|| folder().join("../../shared"))
        .join("images");
    if place.is_dir() {
        return Some(place);
    }
    println!(
        "not checked: there are no photographs in {} (set ONEDOOR_SHARED)",
        place.display()
    );
    None
}
