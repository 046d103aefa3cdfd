//! Masking reaches the faces under helmets that a person drew, turned away or half hidden ones among them, and leaves the rest of a
//! picture to be seen. `examples/masking_recall` measures more, on all pictures; the figures are in docs/MEASURED.d/models.md.

use crate::public_models::{open, shared};
use models::picture::{
    Area, Detector, Image,
    mask::{self, FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH},
    search::{Seen, look, search},
};
use std::path::Path;

/// Every so many pictures, so that the test is done in a minute.
const EVERY: usize = 6;

/// The face below each helmet in the upper half of a person, of label lines `CLASS X Y WIDTH HEIGHT`: 3 is a helmet; 1, 2, 4 are
/// persons. Only faces of 20 pixels and more.
fn faces(labels: &Path, image: &Image) -> Vec<Area> {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let text = std::fs::read_to_string(labels).unwrap();
    let boxes = text.lines().filter_map(|line| {
        let (class, rest) = line.split_once(' ')?;
        let numbers: Vec<f32> = rest.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [x, y, w, h] = numbers[..] else {
            return None;
        };
        let area = Area::centred(x * width, y * height, w * width, h * height);
        Some((class.to_owned(), area))
    });
    let (helmets, others): (Vec<_>, Vec<_>) = boxes.partition(|(class, _)| class == "3");
    let worn = |helmet: &Area| {
        let (x, y) = (
            (helmet.left + helmet.right) / 2.0,
            (helmet.top + helmet.bottom) / 2.0,
        );
        others.iter().any(|(class, person)| {
            let upper = person.top - 0.1 * person.height()..person.top + 0.5 * person.height();
            ["1", "2", "4"].contains(&class.as_str())
                && (person.left..person.right).contains(&x)
                && upper.contains(&y)
        })
    };
    let worn = helmets.iter().map(|(_, helmet)| helmet).filter(|h| worn(h));
    let below = worn.map(|helmet| {
        let face = Area {
            left: helmet.left + 0.15 * helmet.width(),
            top: helmet.bottom,
            right: helmet.right - 0.15 * helmet.width(),
            bottom: helmet.bottom + 0.7 * helmet.height(),
        };
        face.within(image.width(), image.height())
    });
    below
        .filter(|face| face.width() >= 20.0 && face.height() >= 10.0)
        .collect()
}

/// The share of `part` that lies in one of the areas.
fn covered(part: &Area, areas: &[Area]) -> f64 {
    const GRID: usize = 32;
    let inside = (0..GRID * GRID).filter(|i| {
        let share = |n: usize| (n as f32 + 0.5) / GRID as f32;
        let x = part.left + part.width() * share(i % GRID);
        let y = part.top + part.height() * share(i / GRID);
        areas
            .iter()
            .any(|a| a.left <= x && x < a.right && a.top <= y && y < a.bottom)
    });
    inside.count() as f64 / (GRID * GRID) as f64
}

/// Every so many pictures with a face under a helmet, with where the faces are.
fn pictures(every: usize) -> Vec<(Image, Vec<Area>)> {
    let folder = shared()
        .expect("looked for before")
        .join("images/helmet-vest");
    let mut files: Vec<_> = std::fs::read_dir(folder.join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let all = files.iter().step_by(every).map(|file| {
        let image = Image::from_jpeg(&std::fs::read(file).unwrap()).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let faces = faces(&folder.join(format!("labels/{name}.txt")), &image);
        (image, faces)
    });
    all.filter(|(_, faces)| !faces.is_empty()).collect()
}

/// The detectors that the example configuration of an agent names.
fn detectors() -> Option<[Detector; 2]> {
    Some([
        open("yunet-1280", "yunet")?,
        open("yolox-nano", "yolox-nano")?,
    ])
}

fn masked(faces: &[Area], areas: &[Area]) -> usize {
    let masked = faces.iter().filter(|face| covered(face, areas) >= 0.75);
    masked.count()
}

#[test]
fn faces_under_helmets_are_masked_turned_away_or_half_hidden_too() {
    let Some([mut by_faces, mut by_persons]) = detectors() else {
        return;
    };
    let pictures = pictures(EVERY);
    let (mut all, mut hits, mut hidden) = (0, 0, 0.0);
    for (image, faces) in &pictures {
        let found = search(&mut by_faces, image).unwrap().faces;
        let persons = search(&mut by_persons, image).unwrap().persons;
        let areas = mask::areas(&REACH, &found, &persons, image.width(), image.height());
        all += faces.len();
        hits += masked(faces, &areas);
        hidden += covered(&image.area(), &areas);
    }
    let (recall, hidden) = (hits as f64 / all as f64, hidden / pictures.len() as f64);
    println!(
        "{hits} of {all} faces masked ({recall:.4}) in {} pictures, of which {hidden:.3} is hidden",
        pictures.len()
    );
    assert!(all >= 60, "{all}");
    assert!(recall >= 0.98, "{hits} of {all}");
    assert!(hidden < 0.5, "too much is hidden: {hidden}");
}

/// A frame as large as a camera's, full of small pictures: of the whole alone the detectors see too little.
#[test]
fn in_a_frame_of_1920_x_1080_the_parts_show_what_the_whole_does_not() {
    let Some([mut by_faces, mut by_persons]) = detectors() else {
        return;
    };
    let (width, height) = (1_920_usize, 1_080_usize);
    let mut rgb = vec![127; width * height * 3];
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut places = Vec::new();
    for (image, faces) in pictures(3) {
        let (wide, high) = (image.width() as usize, image.height() as usize);
        if wide > 300 || high > 200 {
            continue;
        }
        if x + wide > width {
            (x, y, row) = (0, y + row, 0);
        }
        if y + high > height {
            break;
        }
        for line in 0..high {
            let at = ((y + line) * width + x) * 3;
            rgb[at..at + wide * 3].copy_from_slice(&image.rgb()[line * wide * 3..][..wide * 3]);
        }
        let (left, top) = (x as f32, y as f32);
        places.extend(faces.iter().map(|face| Area {
            left: face.left + left,
            top: face.top + top,
            right: face.right + left,
            bottom: face.bottom + top,
        }));
        x += wide;
        row = row.max(high);
    }
    let frame = Image::new(width as u32, height as u32, rgb).unwrap();
    let faces = look(&mut by_faces, &frame, FACE_SCORE_MIN).unwrap();
    let persons = look(&mut by_persons, &frame, PERSON_SCORE_MIN).unwrap();
    let person = by_persons.manifest().class("person");
    let count = |closer: bool| {
        let of = |seen: &Seen| match closer {
            true => [&seen.whole[..], &seen.closer[..]].concat(),
            false => seen.whole.clone(),
        };
        let faces: Vec<Area> = of(&faces).iter().map(|d| d.area).collect();
        let persons = of(&persons).into_iter().filter(|d| Some(d.class) == person);
        let persons: Vec<Area> = persons.map(|d| d.area).collect();
        let areas = mask::areas(&REACH, &faces, &persons, frame.width(), frame.height());
        masked(&places, &areas)
    };
    let (whole, closer) = (count(false), count(true));
    println!(
        "of {} faces the whole shows {whole}, with its parts {closer}",
        places.len()
    );
    assert!(places.len() >= 15, "{}", places.len());
    assert!(closer as f64 >= 0.94 * places.len() as f64, "{closer}");
    assert!(closer > whole, "{closer}, {whole}");
}
