//! Masking reaches the faces under helmets that a person drew, turned away or half hidden ones among them, and leaves the rest of a
//! picture to be seen. `examples/masking_recall` measures more, on all pictures; the figures are in docs/MEASURED.d/models.md.

use crate::public_models::{open, shared};
use models::picture::{
    Area, Image,
    mask::{self, REACH},
    search::search,
};
use std::path::Path;

/// Every so many pictures, so that the test is done in a minute.
const EVERY: usize = 4;

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

#[test]
fn faces_under_helmets_are_masked_turned_away_or_half_hidden_too() {
    let (Some(mut faces_by), Some(mut persons_by)) = (
        open("yunet-1280", "yunet"),
        open("yolox-nano", "yolox-nano"),
    ) else {
        return;
    };
    let folder = shared()
        .expect("looked for before")
        .join("images/helmet-vest");
    let mut files: Vec<_> = std::fs::read_dir(folder.join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let (mut all, mut masked, mut pictures, mut hidden) = (0, 0, 0, 0.0);
    for file in files.iter().step_by(EVERY) {
        let image = Image::from_jpeg(&std::fs::read(file).unwrap()).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let faces = faces(&folder.join(format!("labels/{name}.txt")), &image);
        if faces.is_empty() {
            continue;
        }
        let found = search(&mut faces_by, &image).unwrap().faces;
        let persons = search(&mut persons_by, &image).unwrap().persons;
        let areas = mask::areas(&REACH, &found, &persons, image.width(), image.height());
        all += faces.len();
        masked += faces.iter().filter(|f| covered(f, &areas) >= 0.75).count();
        pictures += 1;
        hidden += covered(&image.area(), &areas);
    }
    let (recall, hidden) = (masked as f64 / all as f64, hidden / f64::from(pictures));
    println!(
        "{masked} of {all} faces masked ({recall:.4}) in {pictures} pictures, of which {hidden:.3} is hidden"
    );
    assert!(all >= 80, "{all}");
    assert!(recall >= 0.98, "{masked} of {all}");
    assert!(hidden < 0.55, "too much is hidden: {hidden}");
}
