//! Which part of a picture a classifier looks at, given where a detector found something.
//!
//! Pure. Training cuts the same parts: models/train/pictures/areas.py.

use super::{Area, mask::grown};

/// What of a picture a classifier looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// All of it.
    Picture,
    /// A person's box, a little grown.
    Person,
    /// The part of a person's box in which the head is, and a little above it: a hard hat may stand out of the box.
    PersonTop,
    /// A face's or head's box, grown.
    Face,
}

/// The head lies in this share of a person's height, from above,
const HEAD_OF_HEIGHT: f32 = 0.42;
/// and not lower than so many widths of the box.
const HEAD_OF_WIDTH: f32 = 1.1;
/// A hard hat stands out of the box by at most this share of its height.
const ABOVE: f32 = 0.06;
/// What a person's box grows by on each side, as a share of its width or height.
const ASIDE: f32 = 0.05;

/// What a face's box grows by, as a share of its sides: a detector's box ends at brow and chin.
const FACE_GROWTH: f32 = 0.3;

impl Crop {
    /// The part that belongs to the box `found`; it may reach out of the picture. Of a whole picture `found` is the picture.
    pub fn area(self, found: &Area) -> Area {
        let (wide, high) = (found.width(), found.height());
        match self {
            Crop::Picture => *found,
            Crop::Person => grown(found, 2.0 * ASIDE),
            Crop::PersonTop => Area {
                left: found.left - ASIDE * wide,
                top: found.top - ABOVE * high,
                right: found.right + ASIDE * wide,
                bottom: found.top + (HEAD_OF_HEIGHT * high).min(HEAD_OF_WIDTH * wide),
            },
            Crop::Face => grown(found, FACE_GROWTH),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_person_is_a_share_of_its_height_or_of_its_width_if_that_is_less() {
        let person = |right: f32| Area {
            left: 100.0,
            top: 50.0,
            right,
            bottom: 250.0,
        };
        let near = |got: Area, expected: [f32; 4]| {
            let edges = [got.left, got.top, got.right, got.bottom];
            assert!(
                edges
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-3),
                "{edges:?}, {expected:?}"
            );
        };
        near(
            Crop::PersonTop.area(&person(200.0)),
            [95.0, 38.0, 205.0, 134.0],
        );
        near(
            Crop::PersonTop.area(&person(140.0)),
            [98.0, 38.0, 142.0, 94.0],
        );
        near(
            Crop::Person.area(&person(200.0)),
            [95.0, 40.0, 205.0, 260.0],
        );
        near(Crop::Face.area(&person(200.0)), [85.0, 20.0, 215.0, 280.0]);
    }
}
