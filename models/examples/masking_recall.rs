//! Of the faces in photographs, how many are masked? `cargo run --release -p models --example masking_recall -- SHARED`
//!
//! SHARED is the folder with `models/` and `images/` (default `../shared`). Nobody drew the faces of these photographs, so
//! truth comes in three ways, each with a weakness that is said beside its table:
//!
//! 1. Under helmets: a person drew the helmets; the face is below. It may be turned away.
//! 2. Seen by another: faces of which UltraFace, which masking does not use, is sure. What no detector sees is not counted.
//! 3. Pasted: close-up faces, shrunk and put into scenes of 1280 x 720 without their persons, so that the person's box
//!    cannot help. How small may a face be?
//!
//! A face is masked if three quarters of its box are. Beside recall stands what it costs: the share of all pixels that
//! are masked in pictures of scenes without faces.

use anyhow::Context;
use models::{
    RuntimePath,
    picture::{Area, Detector, Image, mask, store::read_manifest},
};
use std::path::{Path, PathBuf};

/// The share of a face's box that must be masked.
const COVERED: f32 = 0.75;
/// Faces narrower than this are not counted, pixels of the picture.
const SIZE_MIN: f32 = 20.0;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let shared = PathBuf::from(arguments.next().unwrap_or("../shared".into()));
    let every: usize = arguments
        .next()
        .map_or(Ok(1), |n| n.parse())
        .context("EVERY is a number")?;
    let scenes = Scenes::load(&shared, every)?;
    let truth = Truth::find(&shared, &scenes)?;
    println!(
        "{} scenes, {} places under helmets, {} faces that UltraFace is sure of, {} pasted",
        scenes.people.len(),
        count(&truth.helmets),
        count(&truth.seen),
        truth.pasted.len()
    );
    println!(
        "faces at / persons at | under helmets: both, faces alone, persons alone | seen by another: both, faces alone, persons alone | pasted 20-30 30-45 45-70 70-110 px | pixels masked for nothing"
    );
    for face_score in [0.6, 0.4, 0.3, 0.2] {
        for person_score in [0.3, 0.2, 0.1] {
            let route = Route::open(&shared, face_score, person_score)?;
            print!("{face_score} / {person_score}");
            report(route, &scenes, &truth)?;
        }
    }
    Ok(())
}

fn count(truth: &[Vec<Area>]) -> usize {
    truth.iter().map(Vec::len).sum()
}

/// Detectors as masking uses them.
struct Route {
    small: Detector,
    wide: Detector,
    persons: Detector,
}

impl Route {
    fn open(shared: &Path, face_score: f32, person_score: f32) -> anyhow::Result<Route> {
        let mut route = Route {
            small: open(shared, "yunet-640", "yunet")?,
            wide: open(shared, "yunet-1280", "yunet")?,
            persons: open(shared, "yolox-nano", "yolox-nano")?,
        };
        route.small.set_score_min(face_score);
        route.wide.set_score_min(face_score);
        route.persons.set_score_min(person_score);
        Ok(route)
    }

    /// Faces and persons in a picture.
    fn look(&mut self, image: &Image) -> anyhow::Result<(Vec<Area>, Vec<Area>)> {
        let faces = match image.width().max(image.height()) {
            0..=640 => &mut self.small,
            _ => &mut self.wide,
        };
        let found = faces.detect(image)?;
        let (faces, _) = mask::faces_and_persons(faces.manifest(), &found);
        let found = self.persons.detect(image)?;
        let (_, persons) = mask::faces_and_persons(self.persons.manifest(), &found);
        Ok((faces, persons))
    }
}

fn report(mut route: Route, scenes: &Scenes, truth: &Truth) -> anyhow::Result<()> {
    let mut hits = [[0_usize; 3]; 2];
    for (i, image) in scenes.people.iter().enumerate() {
        let (faces, persons) = route.look(image)?;
        let (width, height) = (image.width(), image.height());
        let ways = [
            mask::areas(&faces, &persons, width, height),
            mask::areas(&faces, &[], width, height),
            mask::areas(&[], &persons, width, height),
        ];
        for (way, areas) in ways.iter().enumerate() {
            for (kind, all) in [&truth.helmets[i], &truth.seen[i]].into_iter().enumerate() {
                hits[kind][way] += all.iter().filter(|face| is_masked(face, areas)).count();
            }
        }
    }
    let mut pasted = [[0_usize; 2]; 4];
    for paste in &truth.pasted {
        let image = paste.image(scenes);
        let (faces, persons) = route.look(&image)?;
        let areas = mask::areas(&faces, &persons, image.width(), image.height());
        let bin = &mut pasted[paste.bin];
        bin[1] += 1;
        bin[0] += usize::from(is_masked(&paste.place, &areas));
    }
    let mut masked = 0.0;
    for image in &scenes.empty {
        let (faces, persons) = route.look(image)?;
        masked += share_masked(
            image,
            &mask::areas(&faces, &persons, image.width(), image.height()),
        );
    }
    let percent =
        |hits: usize, all: usize| format!("{:.1}", 100.0 * hits as f64 / all.max(1) as f64);
    for (kind, all) in [count(&truth.helmets), count(&truth.seen)]
        .into_iter()
        .enumerate()
    {
        print!(" | {}", hits[kind].map(|hits| percent(hits, all)).join(" "));
    }
    print!(
        " | {}",
        pasted.map(|[hits, all]| percent(hits, all)).join(" ")
    );
    println!(
        " | {:.2} %",
        100.0 * masked / scenes.empty.len().max(1) as f64
    );
    Ok(())
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
            helmets.push(
                text.lines()
                    .filter_map(|line| helmet(line, &image))
                    .collect(),
            );
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

/// The helmet of a label line `CLASS X Y WIDTH HEIGHT` (centre and size as shares of the picture); class 3.
fn helmet(line: &str, image: &Image) -> Option<Area> {
    let mut words = line.split_whitespace();
    if words.next()? != "3" {
        return None;
    }
    let numbers: Vec<f32> = words.filter_map(|word| word.parse().ok()).collect();
    let (width, height) = (image.width() as f32, image.height() as f32);
    let [x, y, w, h] = numbers[..] else {
        return None;
    };
    Some(Area::centred(x * width, y * height, w * width, h * height))
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

/// The face below a helmet: as wide, and nine tenths as high.
fn below(helmet: &Area) -> Area {
    Area {
        top: helmet.bottom - 0.1 * helmet.height(),
        bottom: helmet.bottom + 0.8 * helmet.height(),
        ..*helmet
    }
}

fn is_masked(face: &Area, areas: &[Area]) -> bool {
    // Counted on a grid of 16 x 16 places, since areas may overlap.
    let mut inside = 0;
    for i in 0..256 {
        let x = face.left + face.width() * ((i % 16) as f32 + 0.5) / 16.0;
        let y = face.top + face.height() * ((i / 16) as f32 + 0.5) / 16.0;
        inside += u32::from(
            areas
                .iter()
                .any(|a| a.left <= x && x < a.right && a.top <= y && y < a.bottom),
        );
    }
    inside as f32 >= COVERED * 256.0
}

fn share_masked(image: &Image, areas: &[Area]) -> f64 {
    let whole = image.area();
    let cells = (0..64 * 64).filter(|i| {
        let x = whole.right * ((i % 64) as f32 + 0.5) / 64.0;
        let y = whole.bottom * ((i / 64) as f32 + 0.5) / 64.0;
        areas
            .iter()
            .any(|a| a.left <= x && x < a.right && a.top <= y && y < a.bottom)
    });
    cells.count() as f64 / 4096.0
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
