//! Of the faces in photographs, how many are masked? `cargo run --release -p models --example masking_recall -- SHARED`
//!
//! SHARED is the folder with `models/` and `images/` (default `../shared`); a number after it takes every so many pictures,
//! and `people` after that leaves the third way out. Nobody drew the faces of these photographs, so
//! truth comes in three ways, each with a weakness that is said beside its table:
//!
//! 1. Under helmets: a person drew helmets and persons; the face is below a helmet in the upper half of a person. It may
//!    be turned away.
//! 2. Seen by another: faces of which UltraFace, which masking does not use, is sure. What no detector sees is not counted.
//! 3. Pasted: close-up faces, shrunk and put into scenes of 1280 x 720 without their persons, so that the person's box
//!    cannot help. How small may a face be?
//!
//! A face is masked if three quarters of its box are. Beside recall stands what it costs: the share of all pixels that
//! are masked in pictures of scenes without faces.

use anyhow::Context;
use models::{
    RuntimePath,
    picture::{
        Area, Detector, Image,
        mask::{self, FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH, Reach},
        store::read_manifest,
    },
};
use std::path::{Path, PathBuf};

/// The share of a face's box that must be masked.
const COVERED: f64 = 0.75;
/// Faces narrower than this are not counted, pixels of the picture.
const SIZE_MIN: f32 = 20.0;

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
    println!(
        "{} scenes, {} places under helmets, {} faces that UltraFace is sure of, {} pasted",
        scenes.people.len(),
        count(&truth.helmets),
        count(&truth.seen),
        truth.pasted.len()
    );
    let mut finder = Finder::open(&shared)?;
    let people = finder.look_at(scenes.people.iter())?;
    let empty = finder.look_at(scenes.empty.iter())?;
    let mut pasted = Vec::new();
    for paste in &truth.pasted {
        pasted.push(finder.look(&paste.image(&scenes))?);
    }
    println!(
        "faces at, persons at, growth, top, of width | under helmets: both, faces alone, persons alone | seen by \
         another: the same | pasted, face 20-30, 30-45, 45-70, 70-110 px | masked in scenes without faces"
    );
    let third = Reach {
        person_top: 1.0 / 3.0,
        person_top_of_width: 0.0,
        ..REACH
    };
    let deeper = Reach {
        person_top: 0.5,
        person_top_of_width: 1.0,
        ..REACH
    };
    let lines = [
        (0.6, 0.3, third),
        (0.6, 0.3, REACH),
        (0.3, 0.2, REACH),
        (FACE_SCORE_MIN, PERSON_SCORE_MIN, third),
        (FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH),
        (FACE_SCORE_MIN, PERSON_SCORE_MIN, deeper),
        (0.1, 0.05, REACH),
    ];
    for (face_score, person_score, reach) in lines {
        let way = Way {
            face_score,
            person_score,
            reach,
        };
        report(&way, [&people, &empty, &pasted], &truth);
    }
    Ok(())
}

fn count(truth: &[Vec<Area>]) -> usize {
    truth.iter().map(Vec::len).sum()
}

/// Where masking draws its lines.
struct Way {
    face_score: f32,
    person_score: f32,
    reach: Reach,
}

/// Everything that was found in a picture, however unsure.
struct Seen {
    size: (u32, u32),
    faces: Vec<(f32, Area)>,
    persons: Vec<(f32, Area)>,
}

impl Seen {
    /// What is masked: by faces and persons, by faces alone, by persons alone.
    fn areas(&self, way: &Way) -> [Vec<Area>; 3] {
        let sure = |all: &[(f32, Area)], least: f32| -> Vec<Area> {
            let all = all.iter().filter(|(score, _)| *score >= least);
            all.map(|(_, area)| *area).collect()
        };
        let faces = sure(&self.faces, way.face_score);
        let persons = sure(&self.persons, way.person_score);
        let (width, height) = self.size;
        let areas = |faces: &[Area], persons: &[Area]| {
            mask::areas(&way.reach, faces, persons, width, height)
        };
        [
            areas(&faces, &persons),
            areas(&faces, &[]),
            areas(&[], &persons),
        ]
    }
}

/// The detectors of masking: YuNet at 640, or at 1920 for wider pictures, and YOLOX-nano.
struct Finder {
    small: Detector,
    wide: Detector,
    persons: Detector,
}

impl Finder {
    fn open(shared: &Path) -> anyhow::Result<Finder> {
        let mut finder = Finder {
            small: open(shared, "yunet-640", "yunet")?,
            wide: open(shared, "yunet-1920", "yunet")?,
            persons: open(shared, "yolox-nano", "yolox-nano")?,
        };
        // Everything: of overlapping ones the surest stays, so the unsure can be left out afterwards.
        finder.small.set_score_min(0.1);
        finder.wide.set_score_min(0.1);
        finder.persons.set_score_min(0.05);
        Ok(finder)
    }

    fn look_at<'a>(
        &mut self,
        mut images: impl Iterator<Item = &'a Image>,
    ) -> anyhow::Result<Vec<Seen>> {
        images.try_fold(Vec::new(), |mut all, image| {
            all.push(self.look(image)?);
            Ok(all)
        })
    }

    fn look(&mut self, image: &Image) -> anyhow::Result<Seen> {
        let detector = match image.width().max(image.height()) {
            0..=640 => &mut self.small,
            _ => &mut self.wide,
        };
        let found = detector.detect(image)?;
        let faces = found.iter().map(|d| (d.score, d.area)).collect();
        let person = self.persons.manifest().class("person");
        let found = self.persons.detect(image)?;
        let persons = found.iter().filter(|d| Some(d.class) == person);
        Ok(Seen {
            size: (image.width(), image.height()),
            faces,
            persons: persons.map(|d| (d.score, d.area)).collect(),
        })
    }
}

fn report(way: &Way, [people, empty, pasted]: [&[Seen]; 3], truth: &Truth) {
    let mut hits = [[0_usize; 3]; 2];
    for (i, seen) in people.iter().enumerate() {
        for (which, areas) in seen.areas(way).iter().enumerate() {
            let kinds = [&truth.helmets[i], &truth.seen[i]];
            for (hits, all) in hits.iter_mut().zip(kinds) {
                hits[which] += all.iter().filter(|face| is_masked(face, areas)).count();
            }
        }
    }
    let mut bins = [[0_usize; 2]; 4];
    for (paste, seen) in truth.pasted.iter().zip(pasted) {
        let [areas, ..] = seen.areas(way);
        bins[paste.bin][1] += 1;
        bins[paste.bin][0] += usize::from(is_masked(&paste.place, &areas));
    }
    let masked = empty
        .iter()
        .map(|seen| share_masked(seen.size, &seen.areas(way)[0]));
    let masked = 100.0 * masked.sum::<f64>() / empty.len().max(1) as f64;
    let percent = |hits: usize, all: usize| match all {
        0 => "-".to_owned(),
        all => format!("{:.1}", 100.0 * hits as f64 / all as f64),
    };
    let r = way.reach;
    print!(
        "{} {} {} {:.2} {}",
        way.face_score, way.person_score, r.face_growth, r.person_top, r.person_top_of_width
    );
    for (hits, all) in hits.iter().zip([count(&truth.helmets), count(&truth.seen)]) {
        print!(" | {}", hits.map(|hits| percent(hits, all)).join(" "));
    }
    let bins = bins.map(|[hits, all]| percent(hits, all));
    println!(" | {} | {masked:.2} %", bins.join(" "));
}

/// Photographs with people, with their helmets, and without.
struct Scenes {
    people: Vec<Image>,
    helmets: Vec<Vec<Area>>,
    empty: Vec<Image>,
    faces: Vec<Image>,
}

impl Scenes {
    fn load(shared: &Path, every: usize) -> anyhow::Result<Scenes> {
        let images = shared.join("images");
        let (mut people, mut helmets) = (Vec::new(), Vec::new());
        for path in files(&images.join("helmet-vest/images"), every)? {
            let image = picture(&path)?;
            let name = path
                .file_stem()
                .context("a name")?
                .to_string_lossy()
                .into_owned();
            let labels = images.join(format!("helmet-vest/labels/{name}.txt"));
            let text =
                std::fs::read_to_string(&labels).with_context(|| labels.display().to_string())?;
            helmets.push(worn(&text, &image));
            people.push(image);
        }
        let empty: anyhow::Result<_> = files(&images.join("fire/normal"), every)?
            .iter()
            .map(|p| picture(p))
            .collect();
        let mut faces = Vec::new();
        for folder in ["face-mask/with_mask", "face-mask/without_mask"] {
            for path in files(&images.join(folder), 6 * every)? {
                faces.push(picture(&path)?);
            }
        }
        Ok(Scenes {
            people,
            helmets,
            empty: empty?,
            faces,
        })
    }
}

/// Helmets in the upper half of a person, of label lines `CLASS X Y WIDTH HEIGHT` (centre and size as shares of the
/// picture); class 3 is a helmet, classes 1, 2 and 4 are persons.
fn worn(labels: &str, image: &Image) -> Vec<Area> {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let (mut helmets, mut persons) = (Vec::new(), Vec::new());
    for line in labels.lines() {
        let mut words = line.split_whitespace();
        let class = words.next();
        let numbers: Vec<f32> = words.filter_map(|word| word.parse().ok()).collect();
        let [x, y, w, h] = numbers[..] else { continue };
        let area = Area::centred(x * width, y * height, w * width, h * height);
        match class {
            Some("3") => helmets.push(area),
            Some("1" | "2" | "4") => persons.push(area),
            _ => {}
        }
    }
    helmets.retain(|helmet| {
        let (x, y) = (
            (helmet.left + helmet.right) / 2.0,
            (helmet.top + helmet.bottom) / 2.0,
        );
        persons.iter().any(|person| {
            // A helmet may stand a little out of the person's box.
            let top = person.top - 0.1 * person.height();
            let middle = person.top + 0.5 * person.height();
            (person.left..person.right).contains(&x) && (top..middle).contains(&y)
        })
    });
    helmets
}

/// Where faces are.
struct Truth {
    helmets: Vec<Vec<Area>>,
    seen: Vec<Vec<Area>>,
    pasted: Vec<Paste>,
}

/// A close-up face, put into a scene.
struct Paste {
    face: usize,
    scene: usize,
    /// Pixels of the shrunk picture, and where its left upper corner comes.
    size: (u32, u32),
    at: (u32, u32),
    /// Where the face is then.
    place: Area,
    /// Which column of the table.
    bin: usize,
}

/// Columns of the table: widths of the face, from and to.
const BINS: [(f32, f32); 4] = [(20.0, 30.0), (30.0, 45.0), (45.0, 70.0), (70.0, 110.0)];

impl Truth {
    fn find(shared: &Path, scenes: &Scenes) -> anyhow::Result<Truth> {
        let helmets = scenes
            .helmets
            .iter()
            .zip(&scenes.people)
            .map(|(all, image)| {
                let faces = all
                    .iter()
                    .map(|helmet| below(helmet).within(image.width(), image.height()));
                faces
                    .filter(|face| face.width() >= SIZE_MIN && face.height() >= SIZE_MIN / 2.0)
                    .collect()
            });
        let mut another = open(shared, "ultraface-640", "ultraface")?;
        another.set_score_min(0.95);
        let mut seen = Vec::new();
        for image in &scenes.people {
            let found = another.detect(image)?;
            seen.push(
                found
                    .iter()
                    .map(|d| d.area)
                    .filter(|face| face.width() >= SIZE_MIN)
                    .collect(),
            );
        }
        let mut truth = Truth {
            helmets: helmets.collect(),
            seen,
            pasted: Vec::new(),
        };
        for (i, face) in scenes.faces.iter().enumerate() {
            // Where the face is in its close-up: UltraFace again, on a canvas of twice the size.
            let canvas = pasted(
                &Image::plain(face.width() * 2, face.height() * 2, [127; 3])?,
                face,
                (face.width() / 2, face.height() / 2),
            );
            let found = another.detect(&canvas)?;
            let Some(surest) = found.first().map(|d| d.area) else {
                continue;
            };
            let (x, y) = (face.width() as f32 / 2.0, face.height() as f32 / 2.0);
            let inside = Area {
                left: surest.left - x,
                top: surest.top - y,
                right: surest.right - x,
                bottom: surest.bottom - y,
            };
            for (bin, (least, most)) in BINS.iter().enumerate() {
                // Spread evenly over the bin and over the scene, by the face's number.
                let width = least + (most - least) * (i % 7) as f32 / 7.0;
                let factor = width / inside.width();
                let size = (
                    (face.width() as f32 * factor) as u32,
                    (face.height() as f32 * factor) as u32,
                );
                if size.0 < 8 || size.1 < 8 || factor > 1.0 {
                    continue;
                }
                let at = (
                    (i as u32 * 97 + bin as u32 * 31) % (1280 - size.0),
                    (i as u32 * 61 + bin as u32 * 17) % (720 - size.1),
                );
                let (left, top) = (at.0 as f32, at.1 as f32);
                let place = Area {
                    left: left + inside.left * factor,
                    top: top + inside.top * factor,
                    right: left + inside.right * factor,
                    bottom: top + inside.bottom * factor,
                };
                truth.pasted.push(Paste {
                    face: i,
                    scene: i % scenes.empty.len().max(1),
                    size,
                    at,
                    place,
                    bin,
                });
            }
        }
        Ok(truth)
    }
}

impl Paste {
    fn image(&self, scenes: &Scenes) -> Image {
        let scene = resized(&scenes.empty[self.scene], 1280, 720);
        pasted(
            &scene,
            &resized(&scenes.faces[self.face], self.size.0, self.size.1),
            self.at,
        )
    }
}

/// The face below a helmet: seven tenths as wide and as high.
fn below(helmet: &Area) -> Area {
    Area {
        left: helmet.left + 0.15 * helmet.width(),
        top: helmet.bottom,
        right: helmet.right - 0.15 * helmet.width(),
        bottom: helmet.bottom + 0.7 * helmet.height(),
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

fn files(folder: &Path, every: usize) -> anyhow::Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    Ok(files.into_iter().step_by(every).collect())
}

fn picture(path: &Path) -> anyhow::Result<Image> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Image::from_jpeg(&bytes).with_context(|| path.display().to_string())
}

/// Shrunk by the mean of what falls together, or enlarged by repeating.
fn resized(image: &Image, width: u32, height: u32) -> Image {
    let (w, h) = (image.width() as usize, image.height() as usize);
    let span = |i: usize, to: u32, from: usize| {
        let begin = i * from / to as usize;
        (begin, ((i + 1) * from / to as usize).max(begin + 1))
    };
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height as usize {
        for x in 0..width as usize {
            let ((left, right), (top, bottom)) = (span(x, width, w), span(y, height, h));
            for colour in 0..3 {
                let bytes = (top..bottom)
                    .flat_map(|y| (left..right).map(move |x| (y * w + x) * 3 + colour));
                let sum: usize = bytes.map(|i| usize::from(image.rgb()[i])).sum();
                rgb.push((sum / ((right - left) * (bottom - top))) as u8);
            }
        }
    }
    Image::new(width, height, rgb).expect("the size is that of the bytes")
}

fn pasted(onto: &Image, face: &Image, (left, top): (u32, u32)) -> Image {
    let mut rgb = onto.rgb().to_vec();
    let (row, part) = (onto.width() as usize * 3, face.width() as usize * 3);
    for y in 0..face.height() as usize {
        let at = (top as usize + y) * row + left as usize * 3;
        rgb[at..at + part].copy_from_slice(&face.rgb()[y * part..(y + 1) * part]);
    }
    Image::new(onto.width(), onto.height(), rgb).expect("the size is that of the bytes")
}
