//! How masking looks: each detector at the whole picture, and closer at parts of it that overlap.
//!
//! A detector's input is small: of a picture of 1920 x 1080 pixels a face of 20 is 4 wide in YOLOX-nano's 416 x 416 and 13 in
//! YuNet's 1280 x 736. Seen in parts, small things come larger, and a person half hidden by the frame or by another is found
//! more often. It is slow, which masking can afford: it is done once for each frame of a clip and not for every look.
//!
//! Pure but for the detector that runs.

use super::{
    Area, DetectError, Detection, Detector, Image, Input, Manifest,
    mask::{FACE_SCORE_MIN, PERSON_SCORE_MIN, faces_and_persons},
};

/// Of the width and of the height of a part, the share that its neighbour has too, for detectors of persons: who is no larger
/// than that is whole in one of them.
pub const OVERLAP: f32 = 0.35;
/// The same for detectors of faces alone. Larger ones are large enough in the whole picture.
pub const OVERLAP_OF_FACES: f32 = 0.15;
/// A detector of persons looks at two parts in each direction, and at three where the whole picture goes into its input shrunk to
/// less than this: for YOLOX-nano pictures wider than 1,664 pixels.
pub const SHRUNK: f32 = 0.25;
/// A detector of faces alone does not look closer at a picture that goes into its input so many times enlarged: there a face
/// of 20 pixels has 40 already.
pub const ENLARGED_ENOUGH: f32 = 2.0;
/// A person that begins within this share of a part's height below its upper edge, where that is not the picture's, is cut
/// off: the head is elsewhere.
const CUT: f32 = 0.02;

/// Faces (and heads), and persons, in pixels of the picture. The same thing may stand there several times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Places of the classes `face`, `masked_face` and `head`.
    pub faces: Vec<Area>,
    /// Places of the class `person`.
    pub persons: Vec<Area>,
}

/// What `detector` finds in `image` for masking: rather too much than one too few. Its least score is another one afterwards.
pub fn search(detector: &mut Detector, image: &Image) -> Result<Found, DetectError> {
    let seen = look(detector, image, FACE_SCORE_MIN.min(PERSON_SCORE_MIN))?;
    let all = [seen.whole, seen.closer].concat();
    let manifest = detector.manifest();
    Ok(found(manifest, &all, FACE_SCORE_MIN, PERSON_SCORE_MIN))
}

/// What was seen, in pixels of the picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// In the picture as a whole.
    pub whole: Vec<Detection>,
    /// In its [`parts`].
    pub closer: Vec<Detection>,
}

/// Everything of at least that score.
pub fn look(detector: &mut Detector, image: &Image, score_min: f32) -> Result<Seen, DetectError> {
    detector.set_score_min(score_min);
    let whole = detector.detect(image)?;
    let person = detector.manifest().class("person");
    let mut closer = Vec::new();
    for part in parts(detector.manifest(), image) {
        let Some(crop) = image.crop(&part) else {
            continue;
        };
        let seen = detector.detect(&crop)?;
        let headed = seen
            .iter()
            .filter(|seen| Some(seen.class) != person || !is_beheaded(&seen.area, &part));
        closer.extend(headed.map(|seen| placed(seen, &part)));
    }
    Ok(Seen { whole, closer })
}

/// Faces and persons among detections, as sure as that.
pub fn found(manifest: &Manifest, seen: &[Detection], face_min: f32, person_min: f32) -> Found {
    let sure = |score_min: f32| -> Vec<Detection> {
        let sure = seen.iter().filter(|seen| seen.score >= score_min);
        sure.copied().collect()
    };
    let (faces, _) = faces_and_persons(manifest, &sure(face_min));
    let (_, persons) = faces_and_persons(manifest, &sure(person_min));
    Found { faces, persons }
}

/// The parts of a picture that are looked at closer, in whole pixels; none where the whole is enlarged enough.
pub fn parts(manifest: &Manifest, image: &Image) -> Vec<Area> {
    let factor = enlarged(&manifest.input, image);
    let (count, overlap) = match manifest.class("person") {
        Some(_) if factor < SHRUNK => (3, OVERLAP),
        Some(_) => (2, OVERLAP),
        None if factor < ENLARGED_ENOUGH => (2, OVERLAP_OF_FACES),
        None => return Vec::new(),
    };
    let across = pieces(image.width(), count, overlap);
    let down = pieces(image.height(), count, overlap);
    let all = down.iter().flat_map(|&(top, bottom)| {
        across.iter().map(move |&(left, right)| Area {
            left,
            top,
            right,
            bottom,
        })
    });
    all.collect()
}

/// How many times the picture is enlarged in the input; below 1 it is shrunk.
fn enlarged(input: &Input, image: &Image) -> f32 {
    let across = input.width as f32 / image.width() as f32;
    let down = input.height as f32 / image.height() as f32;
    across.min(down)
}

/// The parts of a side, from and to in whole pixels: each has `overlap` of its length in common with the next.
fn pieces(side: u32, count: u8, overlap: f32) -> Vec<(f32, f32)> {
    let side = side as f32;
    let gaps = f32::from(count - 1);
    let length = (side / (1.0 + gaps * (1.0 - overlap))).ceil();
    let piece = |n: u8| {
        let from = ((side - length) * f32::from(n) / gaps).floor();
        (from, from + length)
    };
    (0..count).map(piece).collect()
}

/// Whether a person seen in a part, at that place of it, is cut off at its upper end by the part and not by the picture.
fn is_beheaded(seen: &Area, part: &Area) -> bool {
    part.top > 0.0 && seen.top <= CUT * part.height()
}

/// What was seen in a part, as a place in the picture.
fn placed(seen: &Detection, part: &Area) -> Detection {
    let area = Area {
        left: seen.area.left + part.left,
        top: seen.area.top + part.top,
        right: seen.area.right + part.left,
        bottom: seen.area.bottom + part.top,
    };
    Detection { area, ..*seen }
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
    fn every_place_no_larger_than_the_overlap_is_whole_in_a_part() {
        for (side, count) in [(1, 2), (2, 3), (183, 2), (416, 2), (1_081, 3), (1_920, 3)] {
            for overlap in [OVERLAP, OVERLAP_OF_FACES] {
                let all = pieces(side, count, overlap);
                assert_eq!(all.len(), usize::from(count));
                assert_eq!((all[0].0, all[all.len() - 1].1), (0.0, side as f32));
                for two in all.windows(2) {
                    let common = two[0].1 - two[1].0;
                    let length = two[0].1 - two[0].0;
                    assert!(common >= overlap * length - 2.0, "{side}: {all:?}");
                }
            }
        }
    }

    #[test]
    fn a_person_whose_head_is_in_another_part_is_left_to_that_part() {
        let (upper, lower) = (
            area(0.0, 0.0, 500.0, 300.0),
            area(250.0, 160.0, 700.0, 460.0),
        );
        let at_edge = area(10.0, 2.0, 60.0, 200.0);
        assert!(!is_beheaded(&at_edge, &upper));
        assert!(is_beheaded(&at_edge, &lower));
        assert!(!is_beheaded(&area(10.0, 20.0, 60.0, 200.0), &lower));
        let seen = Detection {
            class: 3,
            score: 0.5,
            area: at_edge,
        };
        assert_eq!(placed(&seen, &lower).area, area(260.0, 162.0, 310.0, 360.0));
    }
}
