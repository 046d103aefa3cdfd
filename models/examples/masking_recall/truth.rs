//! The pictures, and where faces are in them; `main.rs` says how.

use crate::open;
use anyhow::Context;
use models::{
    catalogue::sha256,
    picture::{Area, Image},
};
use std::path::{Path, PathBuf};

/// Faces narrower than this are not counted, pixels of the picture.
const SIZE_MIN: f32 = 20.0;
/// Size of the frames in which pictures lie side by side.
pub const FRAME: (u32, u32) = (1920, 1080);

/// Pictures with a face under a helmet, side by side from the left, row by row, in frames, with where the faces are then.
pub fn side_by_side(
    pictures: &[Image],
    faces: &[Vec<Area>],
) -> anyhow::Result<(Vec<Image>, Vec<Vec<Area>>)> {
    let (mut frames, mut places) = (Vec::new(), Vec::new());
    let (mut x, mut y, mut row) = (FRAME.0, FRAME.1, 0);
    for (picture, faces) in pictures
        .iter()
        .zip(faces)
        .filter(|(_, faces)| !faces.is_empty())
    {
        if x + picture.width() > FRAME.0 {
            (x, y, row) = (0, y + row, 0);
        }
        if y + picture.height() > FRAME.1 {
            frames.push(Image::plain(FRAME.0, FRAME.1, [127; 3])?);
            places.push(Vec::new());
            (x, y, row) = (0, 0, 0);
        }
        let (frame, place) = frames
            .last_mut()
            .zip(places.last_mut())
            .context("a frame")?;
        *frame = pasted(frame, picture, (x, y));
        let (left, top) = (x as f32, y as f32);
        place.extend(faces.iter().map(|face| Area {
            left: face.left + left,
            top: face.top + top,
            right: face.right + left,
            bottom: face.bottom + top,
        }));
        x += picture.width();
        row = row.max(picture.height());
    }
    Ok((frames, places))
}

/// Photographs with people, with their helmets, and without.
pub struct Scenes {
    pub people: Vec<Image>,
    pub helmets: Vec<Vec<Area>>,
    /// Of each with people: the name of its file,
    pub names: Vec<String>,
    /// and whether it was held back when masking was chosen.
    pub held_back: Vec<bool>,
    pub empty: Vec<Image>,
    pub faces: Vec<Image>,
}

impl Scenes {
    pub fn load(shared: &Path, every: usize) -> anyhow::Result<Scenes> {
        let images = shared.join("images");
        let (mut people, mut helmets) = (Vec::new(), Vec::new());
        let (mut names, mut held_back) = (Vec::new(), Vec::new());
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
            let file = path.file_name().context("a name")?.to_string_lossy();
            // By the lowest bit of the first byte of the name's hash.
            let hash = sha256(file.as_bytes());
            held_back.push(u8::from_str_radix(&hash[..2], 16)? % 2 == 1);
            names.push(file.into_owned());
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
            names,
            held_back,
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
pub struct Truth {
    pub helmets: Vec<Vec<Area>>,
    pub seen: Vec<Vec<Area>>,
    pub pasted: Vec<Paste>,
}

/// A close-up face, put into a scene.
pub struct Paste {
    pub face: usize,
    pub scene: usize,
    /// Pixels of the shrunk picture, and where its left upper corner comes.
    pub size: (u32, u32),
    pub at: (u32, u32),
    /// Where the face is then.
    pub place: Area,
    /// Which column of the table.
    pub bin: usize,
}

/// Columns of the table: widths of the face, from and to.
const BINS: [(f32, f32); 4] = [(20.0, 30.0), (30.0, 45.0), (45.0, 70.0), (70.0, 110.0)];

impl Truth {
    pub fn find(shared: &Path, scenes: &Scenes) -> anyhow::Result<Truth> {
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
    pub fn image(&self, scenes: &Scenes) -> Image {
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
