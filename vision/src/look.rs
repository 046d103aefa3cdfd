//! Persons in a picture, what classifiers say of each, and what they say of the whole.

use crate::shelf::{Failure, Run};
use contract::vision::{self, Person, Seen, Verdict};
use models::picture::{Area, Crop, Detection, Image, Manifest};

/// Persons that are judged, at most; the least sure ones beyond are told without verdicts.
const JUDGED_MAX: usize = 64;

/// Models, by their names.
pub struct Wanted<'a> {
    /// The detector of persons.
    pub persons: &'a str,
    /// A detector of faces.
    pub faces: Option<&'a str>,
    /// Classifiers of persons.
    pub of_persons: &'a [String],
    /// Classifiers of the picture.
    pub of_picture: &'a [String],
}

/// What `image` shows.
pub fn look(run: &mut Run, image: &Image, wanted: &Wanted) -> Result<Seen, Failure> {
    // All are opened, so that a damaged one is told of at once and not when the first person comes.
    let mut crops = Vec::new();
    for name in wanted.of_persons {
        crops.push((name.as_str(), crop_of_person(name, run.manifest(name)?)?));
    }
    for name in wanted.of_picture {
        crop_of_picture(name, run.manifest(name)?)?;
    }
    let needs_faces = crops.iter().any(|(_, crop)| *crop == Crop::Face);
    let faces_by = wanted.faces.filter(|_| needs_faces);
    if let Some(name) = faces_by {
        run.manifest(name)?;
    }
    let manifest = run.manifest(wanted.persons)?;
    let Some(person) = manifest.class("person") else {
        let words = "it knows no class \"person\"; name a detector of persons";
        return Err(Failure::of_model(wanted.persons, words));
    };
    let own_faces = classes_of_faces(manifest);
    let found = run.with(wanted.persons, None, |model| model.detect(image))?;
    let persons: Vec<Detection> = found
        .iter()
        .filter(|d| d.class == person)
        .copied()
        .collect();
    let boxes: Vec<Area> = persons.iter().map(|d| d.area).take(JUDGED_MAX).collect();
    let faces = match (faces_by, boxes.is_empty()) {
        (Some(name), false) => {
            let classes = classes_of_faces(run.manifest(name)?);
            let found = run.with(name, None, |model| model.detect(image))?;
            of_classes(&found, &classes)
        }
        _ => of_classes(&found, &own_faces),
    };
    let faces = face_of_each(&boxes, &faces);
    let mut seen = Seen::default();
    for (n, detection) in persons.iter().enumerate() {
        let mut verdicts = Vec::new();
        if n < JUDGED_MAX {
            for &(name, crop) in &crops {
                let part = match crop {
                    Crop::Face => faces[n],
                    _ => Some(detection.area),
                };
                verdicts.push(verdict(run, name, image, part.as_ref())?);
            }
        }
        seen.persons.push(Person {
            area: shares(&detection.area, image),
            score: detection.score,
            verdicts,
        });
    }
    for name in wanted.of_picture {
        seen.picture
            .push(verdict(run, name, image, Some(&image.area()))?);
    }
    Ok(seen)
}

fn crop_of_person(name: &str, manifest: &Manifest) -> Result<Crop, Failure> {
    match manifest.crop {
        Crop::Picture => {
            let words = "it is shown whole pictures (`crop` of its manifest), not persons; name it for the picture";
            Err(Failure::of_model(name, words))
        }
        crop => Ok(crop),
    }
}

fn crop_of_picture(name: &str, manifest: &Manifest) -> Result<(), Failure> {
    match manifest.crop {
        Crop::Picture => Ok(()),
        _ => {
            let words = "it is shown parts of persons (`crop` of its manifest), not whole pictures; name it for persons";
            Err(Failure::of_model(name, words))
        }
    }
}

/// Classes in which a face can be seen; of a model that knows none, heads.
fn classes_of_faces(manifest: &Manifest) -> Vec<usize> {
    let of = |names: &[&str]| -> Vec<usize> {
        names
            .iter()
            .filter_map(|name| manifest.class(name))
            .collect()
    };
    match of(&["face", "masked_face"]) {
        faces if faces.is_empty() => of(&["head"]),
        faces => faces,
    }
}

fn of_classes(found: &[Detection], classes: &[usize]) -> Vec<Area> {
    let wanted = found.iter().filter(|d| classes.contains(&d.class));
    wanted.map(|d| d.area).collect()
}

/// The face of each person, if it has one: its centre lies in the upper half of the person's box or a little above. A face
/// belongs to one person at most, the one whose box begins nearest to it.
fn face_of_each(persons: &[Area], faces: &[Area]) -> Vec<Option<Area>> {
    let mut of_each = vec![None; persons.len()];
    for face in faces {
        let x = (face.left + face.right) / 2.0;
        let y = (face.top + face.bottom) / 2.0;
        let depth = |person: &Area| (y - person.top) / person.height().max(1.0);
        let nearest = persons
            .iter()
            .enumerate()
            .filter(|(n, person)| {
                of_each[*n].is_none()
                    && (person.left..person.right).contains(&x)
                    && (-0.1..0.5).contains(&depth(person))
            })
            .min_by(|(_, a), (_, b)| depth(a).abs().total_cmp(&depth(b).abs()));
        if let Some((n, _)) = nearest {
            of_each[n] = Some(*face);
        }
    }
    of_each
}

/// What a classifier says of what was found at `part`; nothing if that is nothing.
fn verdict(
    run: &mut Run,
    name: &str,
    image: &Image,
    part: Option<&Area>,
) -> Result<Verdict, Failure> {
    let mut verdict = Verdict {
        model: name.to_owned(),
        class: None,
        score: 0.0,
    };
    let Some(part) = part else {
        return Ok(verdict);
    };
    let scores = run.with(name, None, |model| model.classify_found(image, part))?;
    let likeliest = scores.and_then(|scores| {
        let all = scores.into_iter().enumerate();
        all.max_by(|(_, a), (_, b)| a.total_cmp(b))
    });
    if let Some((class, score)) = likeliest {
        let manifest = run.manifest(name)?;
        verdict.score = score;
        verdict.class = (score >= manifest.score_min).then(|| manifest.classes[class].clone());
    }
    Ok(verdict)
}

/// Pixels as shares of their picture.
pub(crate) fn shares(area: &Area, image: &Image) -> vision::Area {
    let (width, height) = (image.width() as f32, image.height() as f32);
    vision::Area {
        left: area.left / width,
        top: area.top / height,
        right: area.right / width,
        bottom: area.bottom / height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(left: f32, top: f32, right: f32, bottom: f32) -> Area {
        Area {
            left,
            top,
            right,
            bottom,
        }
    }

    #[test]
    fn a_face_belongs_to_one_person_and_a_hand_with_a_picture_of_one_to_none() {
        let near = area(100.0, 100.0, 200.0, 400.0);
        let behind = area(150.0, 40.0, 230.0, 300.0);
        let face = area(140.0, 110.0, 170.0, 150.0);
        let of_behind = area(175.0, 50.0, 205.0, 85.0);
        let held = area(110.0, 300.0, 140.0, 340.0);
        assert_eq!(
            face_of_each(&[near, behind], &[face, held, of_behind]),
            [Some(face), Some(of_behind)]
        );
        assert_eq!(face_of_each(&[near], &[held]), [None]);
        assert_eq!(face_of_each(&[], &[face]), []);
    }
}
