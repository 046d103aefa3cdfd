//! What is masked in each frame of a clip, given what detectors found in each. Pure.
//!
//! Promise: a frame is covered where anything was found in it, in the [`NEAR`] frames before and after it, and along the way
//! of what was found before and after it but missed in between ([`CARRY_MS`]). A frame that nobody looked at is not shown
//! at all: its masks would be guesses.

use contract::{Timestamp, vision::Area};

/// Frames on each side whose masks a frame has too, if they are at most [`NEAR_MS`] away.
pub const NEAR: usize = 2;
/// See [`NEAR`].
pub const NEAR_MS: i64 = 1_000;
/// A face that was missed between two frames no further apart than this is masked in all between.
pub const CARRY_MS: i64 = 3_000;

/// What was found in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// Its time.
    pub at: Timestamp,
    /// Where; nothing if nobody could look.
    pub found: Option<Vec<Area>>,
}

/// For each frame what is masked in it; nothing for a frame that must not be shown.
pub fn cover(frames: &[Looked]) -> Vec<Option<Vec<Area>>> {
    let mut masks: Vec<Option<Vec<Area>>> = frames.iter().map(|f| f.found.clone()).collect();
    for (n, frame) in frames.iter().enumerate() {
        let Some(found) = &frame.found else { continue };
        let is_near = |other: &Looked| other.at.since(frame.at).abs() <= NEAR_MS;
        let from = n.saturating_sub(NEAR);
        let to = (n + NEAR + 1).min(frames.len());
        for near in (from..to).filter(|near| *near != n && is_near(&frames[*near])) {
            if let Some(mask) = &mut masks[near] {
                mask.extend(found);
            }
        }
        for area in found {
            carry(frames, &mut masks, n, area);
        }
    }
    masks
}

/// From a place in frame `n` to where the same thing is found next: the frames between have the hull of both.
fn carry(frames: &[Looked], masks: &mut [Option<Vec<Area>>], n: usize, area: &Area) {
    let later = frames.iter().enumerate().skip(n + 1);
    let mut within = later.take_while(|(_, f)| f.at.since(frames[n].at) <= CARRY_MS);
    let next = within.find_map(|(k, frame)| {
        let same: Vec<&Area> = frame
            .found
            .iter()
            .flatten()
            .filter(|other| could_be(area, other))
            .collect();
        (!same.is_empty()).then_some((k, same))
    });
    let Some((k, same)) = next else { return };
    for other in same {
        let hull = hull(area, other);
        for mask in masks[n + 1..k].iter_mut().flatten() {
            mask.push(hull);
        }
    }
}

/// Whether two places may be of one thing: each, grown by its own size on every side, reaches the other.
fn could_be(a: &Area, b: &Area) -> bool {
    let reach = |a: &Area| {
        let (x, y) = (a.right - a.left, a.bottom - a.top);
        Area {
            left: a.left - x,
            top: a.top - y,
            right: a.right + x,
            bottom: a.bottom + y,
        }
    };
    meets(&reach(a), b) && meets(&reach(b), a)
}

fn meets(a: &Area, b: &Area) -> bool {
    a.left <= b.right && b.left <= a.right && a.top <= b.bottom && b.top <= a.bottom
}

fn hull(a: &Area, b: &Area) -> Area {
    Area {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(left: f32, top: f32) -> Area {
        Area {
            left,
            top,
            right: left + 0.1,
            bottom: top + 0.1,
        }
    }

    fn frames(step: i64, found: &[Option<&[Area]>]) -> Vec<Looked> {
        let frame = |(n, found): (usize, &Option<&[Area]>)| Looked {
            at: Timestamp::from_millis(n as i64 * step),
            found: found.map(<[Area]>::to_vec),
        };
        found.iter().enumerate().map(frame).collect()
    }

    fn covers(mask: &Option<Vec<Area>>, place: &Area) -> bool {
        let inside = |a: &Area| {
            a.left <= place.left
                && a.top <= place.top
                && a.right >= place.right
                && a.bottom >= place.bottom
        };
        mask.iter().flatten().any(inside)
    }

    #[test]
    fn a_face_missed_in_the_middle_is_masked_all_along_its_way() {
        // It goes to the right by a hundredth a frame and is seen in the first and the twelfth only.
        let places: Vec<Area> = (0..12).map(|n| area(0.2 + 0.01 * n as f32, 0.3)).collect();
        let mut found: Vec<Option<&[Area]>> = vec![Some(&[]); 12];
        (found[0], found[11]) = (Some(&places[..1]), Some(&places[11..]));
        for (n, mask) in cover(&frames(200, &found)).iter().enumerate() {
            assert!(covers(mask, &places[n]), "frame {n}: {mask:?}");
        }
        // Over more than three seconds it may be somebody else.
        let masks = cover(&frames(400, &found));
        assert!(!covers(&masks[6], &places[6]));
    }

    #[test]
    fn neighbours_lend_their_masks_but_not_over_a_second() {
        let here = area(0.5, 0.5);
        let found: Vec<Option<&[Area]>> = vec![
            Some(&[]),
            Some(&[]),
            Some(&[]),
            Some(std::slice::from_ref(&here)),
            Some(&[]),
        ];
        let covered = |step| {
            let masks = cover(&frames(step, &found));
            masks.iter().map(|m| covers(m, &here)).collect::<Vec<_>>()
        };
        assert_eq!(covered(200), [false, true, true, true, true]);
        assert_eq!(covered(700), [false, false, true, true, true]);
        assert_eq!(covered(1_500), [false, false, false, true, false]);
    }

    #[test]
    fn a_frame_that_nobody_looked_at_is_not_shown_and_others_far_away_are_not_joined() {
        let (one, two) = ([area(0.1, 0.1)], [area(0.8, 0.8)]);
        let masks = cover(&frames(
            200,
            &[
                Some(&one),
                None,
                Some(&[]),
                Some(&[]),
                Some(&[]),
                Some(&[]),
                Some(&two),
            ],
        ));
        assert_eq!(masks[1], None);
        assert_eq!(masks[2].as_deref(), Some(&one[..]));
        assert_eq!(masks[3].as_deref(), Some(&[][..]));
        assert_eq!(masks[4].as_deref(), Some(&two[..]));
    }
}
