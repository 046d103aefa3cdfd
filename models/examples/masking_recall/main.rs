//! Of the faces in photographs, how many are masked? `cargo run --release -p models --example masking_recall -- SHARED`
//!
//! SHARED is the folder with `models/` and `images/` (default `../shared`); a number after it takes every so many pictures,
//! and `people` after that leaves the last way out. Nobody drew the faces of these photographs, so
//! truth comes in four ways, each with a weakness that is said beside its table:
//!
//! 1. Under helmets: a person drew helmets and persons; the face is below a helmet in the upper half of a person. It may
//!    be turned away. What masking looks like was chosen on half of these pictures; the other half is told apart.
//! 2. The same pictures side by side in frames of 1920 x 1080, as large as a camera's.
//! 3. Seen by another: faces of which UltraFace, which masking does not use, is sure. What no detector sees is not counted.
//! 4. Pasted: close-up faces, shrunk and put into scenes of 1280 x 720 without their persons, so that the person's box
//!    cannot help (no persons are looked for). How small may a face be?
//!
//! A face is masked if three quarters of its box are. Beside recall stands what it costs: the share of all pixels that
//! are masked in pictures of scenes without faces, and in those with people.

mod truth; // the pictures, and where faces are in them

use anyhow::Context;
use models::{
    RuntimePath,
    picture::{
        Area, Detection, Detector, Image,
        mask::{self, FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH, Reach},
        search::{self, Seen},
        store::read_manifest,
    },
};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use truth::{FRAME, Paste, Scenes, Truth, side_by_side};

/// The share of a face's box that must be masked.
const COVERED: f64 = 0.75;
fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let shared = PathBuf::from(arguments.next().unwrap_or("../shared".into()));
    let every: usize = arguments
        .next()
        .map_or(Ok(1), |n| n.parse())
        .context("EVERY is a number")?;
    let people_only = arguments.next().is_some_and(|what| what == "people");
    let mut scenes = Scenes::load(&shared, every)?;
    if people_only {
        scenes.faces.clear();
    }
    let truth = Truth::find(&shared, &scenes)?;
    let (frames, in_frames) = side_by_side(&scenes.people, &truth.helmets)?;
    println!(
        "{} scenes, {} places under helmets, {} of them in {} frames, {} faces that UltraFace is sure of, {} pasted",
        scenes.people.len(),
        count(&truth.helmets),
        count(&in_frames),
        frames.len(),
        count(&truth.seen),
        truth.pasted.len()
    );
    let mut finder = Finder::open(&shared)?;
    let people = finder.look_at(&scenes.people)?;
    let large = finder.look_at(&frames)?;
    finder.time(&frames)?;
    let empty = finder.look_at(&scenes.empty)?;
    let mut pasted = Vec::new();
    for paste in &truth.pasted {
        pasted.push(finder.look_for_faces(&paste.image(&scenes))?);
    }
    println!(
        "looks, faces at, persons at, growth, top, of width | under helmets: half chosen on, half held back, all, faces alone, \
         persons alone | in frames | seen by another | pasted, face 20-30, 30-45, 45-70, 70-110 px | masked in scenes without \
         faces, with people"
    );
    let third = Reach {
        person_top: 1.0 / 3.0,
        person_top_of_width: 0.0,
        ..REACH
    };
    let lines = [
        (false, FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH),
        (true, FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH),
        (true, FACE_SCORE_MIN, PERSON_SCORE_MIN, third),
        (true, 0.3, 0.2, REACH),
        (true, 0.1, 0.05, REACH),
    ];
    for (closer, face_score, person_score, reach) in lines {
        let way = Way {
            closer,
            face_score,
            person_score,
            reach,
        };
        way.report(
            [&people, &large, &empty, &pasted],
            &scenes,
            &truth,
            &in_frames,
        );
    }
    let product = Way {
        closer: true,
        face_score: FACE_SCORE_MIN,
        person_score: PERSON_SCORE_MIN,
        reach: REACH,
    };
    println!("under helmets, left open by the second line:");
    for (i, look) in people.iter().enumerate() {
        let areas = product.areas(look, [true; 2]);
        for face in truth.helmets[i].iter().filter(|f| !is_masked(f, &areas)) {
            let (left, top, wide) = (face.left, face.top, face.width());
            println!("{} at {left:.0}, {top:.0}, {wide:.0} wide", scenes.names[i]);
        }
    }
    Ok(())
}

fn count(truth: &[Vec<Area>]) -> usize {
    truth.iter().map(Vec::len).sum()
}

/// The detectors that the example configuration of an agent names.
struct Finder {
    faces: Detector,
    persons: Detector,
}

/// Everything that was found in a picture, however unsure.
struct Look {
    size: (u32, u32),
    /// By the detector of faces and by that of persons.
    seen: [Seen; 2],
}

impl Finder {
    fn open(shared: &Path) -> anyhow::Result<Finder> {
        Ok(Finder {
            faces: open(shared, "yunet-1280", "yunet")?,
            persons: open(shared, "yolox-nano", "yolox-nano")?,
        })
    }

    fn look_at(&mut self, images: &[Image]) -> anyhow::Result<Vec<Look>> {
        let looks = images.iter().map(|image| {
            let mut look = self.look_for_faces(image)?;
            look.seen[1] = search::look(&mut self.persons, image, 0.05)?;
            // The other 79 classes are not needed.
            let person = self.persons.manifest().class("person");
            for seen in [&mut look.seen[1].whole, &mut look.seen[1].closer] {
                seen.retain(|d| Some(d.class) == person);
            }
            Ok(look)
        });
        looks.collect()
    }

    /// Says how long both detectors take for a frame, as a whole and with its parts: the least of all, since other work on the
    /// machine only adds.
    fn time(&mut self, frames: &[Image]) -> anyhow::Result<()> {
        let mut least = [f64::INFINITY; 2];
        for frame in frames.iter().cycle().take(20) {
            let began = Instant::now();
            self.faces.detect(frame)?;
            self.persons.detect(frame)?;
            let whole = began.elapsed();
            self.look_at(std::slice::from_ref(frame))?;
            let both = [whole, began.elapsed() - whole];
            for (least, took) in least.iter_mut().zip(both) {
                *least = least.min(1e3 * took.as_secs_f64());
            }
        }
        println!(
            "a frame of {} x {}: {:.0} ms as a whole, {:.0} ms with its parts, at least",
            FRAME.0, FRAME.1, least[0], least[1]
        );
        Ok(())
    }

    fn look_for_faces(&mut self, image: &Image) -> anyhow::Result<Look> {
        let faces = search::look(&mut self.faces, image, 0.1)?;
        Ok(Look {
            size: (image.width(), image.height()),
            seen: [faces, Seen::default()],
        })
    }
}

/// Where masking looks and where it draws its lines.
struct Way {
    /// At parts of the picture too.
    closer: bool,
    face_score: f32,
    person_score: f32,
    reach: Reach,
}

impl Way {
    /// What is masked, by both detectors or by those that are named.
    fn areas(&self, look: &Look, [by_faces, by_persons]: [bool; 2]) -> Vec<Area> {
        let places = |seen: &Seen, least: f32, counts: bool| -> Vec<Area> {
            let closer: &[Detection] = if self.closer { &seen.closer } else { &[] };
            let all = seen.whole.iter().chain(closer);
            all.filter(|d| counts && d.score >= least)
                .map(|d| d.area)
                .collect()
        };
        let faces = places(&look.seen[0], self.face_score, by_faces);
        let persons = places(&look.seen[1], self.person_score, by_persons);
        mask::areas(&self.reach, &faces, &persons, look.size.0, look.size.1)
    }

    fn report(
        &self,
        [people, large, empty, pasted]: [&[Look]; 4],
        scenes: &Scenes,
        truth: &Truth,
        in_frames: &[Vec<Area>],
    ) {
        // Of each kind, how many of how many.
        let hits =
            |looks: &[Look], truth: &[Vec<Area>], by: [bool; 2], which: &dyn Fn(usize) -> bool| {
                let each = looks.iter().zip(truth).enumerate();
                let each = each.filter(|(i, _)| which(*i)).map(|(_, (look, faces))| {
                    let areas = self.areas(look, by);
                    (
                        faces.iter().filter(|face| is_masked(face, &areas)).count(),
                        faces.len(),
                    )
                });
                let (hits, all) = each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                match all {
                    0 => "-".to_owned(),
                    all => format!("{:.1}", 100.0 * hits as f64 / all as f64),
                }
            };
        let (both, all) = ([true; 2], |_: usize| true);
        let of = |half: bool| move |i: usize| scenes.held_back[i] == half;
        let helmets = [
            hits(people, &truth.helmets, both, &of(false)),
            hits(people, &truth.helmets, both, &of(true)),
            hits(people, &truth.helmets, both, &all),
            hits(people, &truth.helmets, [true, false], &all),
            hits(people, &truth.helmets, [false, true], &all),
        ];
        let bins = [0, 1, 2, 3].map(|bin| {
            let of_bin = |paste: &Paste| {
                if paste.bin == bin {
                    vec![paste.place]
                } else {
                    Vec::new()
                }
            };
            let places: Vec<Vec<Area>> = truth.pasted.iter().map(of_bin).collect();
            hits(pasted, &places, both, &all)
        });
        let masked = |looks: &[Look]| {
            let shares = looks
                .iter()
                .map(|look| share_masked(look.size, &self.areas(look, both)));
            100.0 * shares.sum::<f64>() / looks.len().max(1) as f64
        };
        println!(
            "{} {} {} {} {:.2} {} | {} | {} | {} | {} | {:.2} {:.1} %",
            if self.closer {
                "whole and closer"
            } else {
                "whole"
            },
            self.face_score,
            self.person_score,
            self.reach.face_growth,
            self.reach.person_top,
            self.reach.person_top_of_width,
            helmets.join(" "),
            hits(large, in_frames, both, &all),
            hits(people, &truth.seen, both, &all),
            bins.join(" "),
            masked(empty),
            masked(people),
        );
    }
}

fn is_masked(face: &Area, areas: &[Area]) -> bool {
    covered(face, areas, 16) >= COVERED
}

/// The share of `part` that is in one of `areas`, which may overlap: counted at `grid` x `grid` places.
fn covered(part: &Area, areas: &[Area], grid: usize) -> f64 {
    let inside = (0..grid * grid).filter(|i| {
        let share = |n: usize| (n as f32 + 0.5) / grid as f32;
        let x = part.left + part.width() * share(i % grid);
        let y = part.top + part.height() * share(i / grid);
        areas
            .iter()
            .any(|a| a.left <= x && x < a.right && a.top <= y && y < a.bottom)
    });
    inside.count() as f64 / (grid * grid) as f64
}

fn share_masked((width, height): (u32, u32), areas: &[Area]) -> f64 {
    let whole = Area {
        left: 0.0,
        top: 0.0,
        right: width as f32,
        bottom: height as f32,
    };
    covered(&whole, areas, 64)
}

fn open(shared: &Path, name: &str, place: &str) -> anyhow::Result<Detector> {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let (manifest, _) = read_manifest(&manifests.join(format!("{name}.toml")))?;
    let file = shared.join("models").join(place).join(&manifest.file);
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Detector::open(manifest, &bytes, &RuntimePath(None), 1)?)
}
