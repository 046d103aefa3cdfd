//! Which parts of a picture nobody sees but two custodians: faces, heads, and the top of every person.
//!
//! Pure. Faces are found twice over: by a face detector, and by where they must be in the box of a person, so that a
//! face that the detector misses does not leak. Nothing here tells one person from another.

use super::{Area, Detection, Image, Manifest};

/// How far masking reaches beyond what was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// A face's box grows by this share of its width and height, half of it on each side: a detector's box ends at
    /// brow and chin.
    pub face_growth: f32,
    /// The share of a person's box, from above, in which the head is.
    pub person_top: f32,
    /// What is masked of a person is at least this share of the box's width high: of a person whom the picture cuts
    /// off, or who sits or bends, two fifths of the box may be less than the head.
    pub person_top_of_width: f32,
}

/// A face less sure than this is not masked; far below what a detector would call found, since a missed face is worse than
/// a square on a wall.
pub const FACE_SCORE_MIN: f32 = 0.2;
/// The same for persons.
pub const PERSON_SCORE_MIN: f32 = 0.1;

/// What the product uses, with what [`search`](super::search) finds. docs/MEASURED.d/models.md has the numbers,
/// `examples/masking_recall` makes them.
pub const REACH: Reach = Reach {
    face_growth: 0.3,
    person_top: 0.4,
    person_top_of_width: 0.9,
};

/// What to pixelate, given the boxes of faces (and heads) and of persons, all in pixels of a picture of that size.
pub fn areas(
    reach: &Reach,
    faces: &[Area],
    persons: &[Area],
    width: u32,
    height: u32,
) -> Vec<Area> {
    let faces = faces.iter().map(|face| grown(face, reach.face_growth));
    let persons = persons.iter().map(|person| top(reach, person));
    faces
        .chain(persons)
        .map(|area| area.within(width, height))
        .filter(|area| area.size() > 0.0)
        .collect()
}

/// Faces and persons among detections, by the names of their classes: `face`, `masked_face` and `head`; `person`.
pub fn faces_and_persons(manifest: &Manifest, found: &[Detection]) -> (Vec<Area>, Vec<Area>) {
    let named = |names: &[&str]| {
        let wanted = |d: &&Detection| names.contains(&manifest.classes[d.class].as_str());
        found.iter().filter(wanted).map(|d| d.area).collect()
    };
    (named(&["face", "masked_face", "head"]), named(&["person"]))
}

/// A picture without its faces.
pub fn masked(mut image: Image, faces: &[Area], persons: &[Area]) -> Image {
    let areas = areas(&REACH, faces, persons, image.width(), image.height());
    image.pixelate(&areas);
    image
}

/// An area larger by `share` of its sides, its centre kept.
pub fn grown(area: &Area, share: f32) -> Area {
    let (x, y) = (area.width() * share / 2.0, area.height() * share / 2.0);
    Area {
        left: area.left - x,
        top: area.top - y,
        right: area.right + x,
        bottom: area.bottom + y,
    }
}

/// The part of a person's box in which the head is.
fn top(reach: &Reach, person: &Area) -> Area {
    let high = (person.height() * reach.person_top).max(person.width() * reach.person_top_of_width);
    Area {
        bottom: person.bottom.min(person.top + high),
        ..*person
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
    fn a_face_grows_by_three_tenths_and_stays_inside_the_picture() {
        assert_eq!(
            areas(
                &REACH,
                &[
                    area(100.0, 100.0, 140.0, 160.0),
                    area(-9.0, -9.0, 11.0, 11.0)
                ],
                &[],
                200,
                165
            ),
            [area(94.0, 91.0, 146.0, 165.0), area(0.0, 0.0, 14.0, 14.0)]
        );
    }

    #[test]
    fn the_upper_part_of_a_standing_person_goes_and_more_of_one_that_is_cut_off() {
        assert_eq!(
            areas(
                &REACH,
                &[],
                &[
                    area(10.0, 10.0, 40.0, 100.0),
                    area(50.0, 100.0, 150.0, 160.0)
                ],
                200,
                200
            ),
            [
                area(10.0, 10.0, 40.0, 46.0),
                area(50.0, 100.0, 150.0, 160.0)
            ]
        );
    }

    #[test]
    fn nothing_seen_masks_nothing() {
        let image = Image::plain(20, 20, [1, 2, 3]).unwrap();
        assert_eq!(
            masked(image.clone(), &[], &[area(30.0, 0.0, 40.0, 9.0)]),
            image
        );
    }
}
