//! Rectangles in pixels, and which of several that overlap stay.

/// A rectangle in pixels, real numbers; the left top corner of the picture is (0, 0).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Area {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

impl Area {
    /// From its centre and its size.
    pub fn centred(x: f32, y: f32, width: f32, height: f32) -> Area {
        Area {
            left: x - width / 2.0,
            top: y - height / 2.0,
            right: x + width / 2.0,
            bottom: y + height / 2.0,
        }
    }

    /// Its width; 0 if there is none.
    pub fn width(&self) -> f32 {
        (self.right - self.left).max(0.0)
    }

    /// Its height; 0 if there is none.
    pub fn height(&self) -> f32 {
        (self.bottom - self.top).max(0.0)
    }

    /// Pixels in it.
    pub fn size(&self) -> f32 {
        self.width() * self.height()
    }

    /// What both have.
    pub fn common(&self, other: &Area) -> Area {
        Area {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Common part over union, 0 to 1.
    pub fn overlap(&self, other: &Area) -> f32 {
        let common = self.common(other).size();
        let union = self.size() + other.size() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }

    /// The part inside a picture of that size.
    pub fn within(&self, width: u32, height: u32) -> Area {
        self.common(&Area {
            left: 0.0,
            top: 0.0,
            right: width as f32,
            bottom: height as f32,
        })
    }

    /// True if all four edges are numbers.
    pub fn is_finite(&self) -> bool {
        [self.left, self.top, self.right, self.bottom]
            .iter()
            .all(|edge| edge.is_finite())
    }
}

/// One thing that a model sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Place of its class in the manifest's list.
    pub class: usize,
    /// How sure the model is, 0 to 1.
    pub score: f32,
    /// Where.
    pub area: Area,
}

/// Candidates that are compared with each other; of more than these the least sure ones are not looked at.
pub const CANDIDATES_MAX: usize = 3000;
/// Detections of one picture.
pub const DETECTIONS_MAX: usize = 500;

/// The surest first; one that overlaps a surer one of its class by more than `overlap_max` goes. With `across` the
/// class does not matter: one place has one verdict.
pub fn strongest(mut candidates: Vec<Detection>, overlap_max: f32, across: bool) -> Vec<Detection> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(CANDIDATES_MAX);
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in candidates {
        let beaten = kept.iter().any(|stronger| {
            (across || stronger.class == candidate.class)
                && stronger.area.overlap(&candidate.area) > overlap_max
        });
        if !beaten {
            kept.push(candidate);
            if kept.len() == DETECTIONS_MAX {
                break;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(class: usize, score: f32, left: f32) -> Detection {
        let area = Area {
            left,
            top: 0.0,
            right: left + 10.0,
            bottom: 10.0,
        };
        Detection { class, score, area }
    }

    #[test]
    fn overlap_is_common_part_over_union() {
        let (a, b) = (seen(0, 1.0, 0.0).area, seen(0, 1.0, 5.0).area);
        assert!((a.overlap(&b) - 50.0 / 150.0).abs() < 1e-6);
        assert_eq!(a.overlap(&seen(0, 1.0, 10.0).area), 0.0);
        let none = Area::centred(3.0, 3.0, 0.0, 0.0);
        assert_eq!(none.overlap(&none), 0.0);
    }

    #[test]
    fn of_two_that_overlap_the_surer_stays_unless_they_are_of_two_classes() {
        let all = vec![
            seen(0, 0.5, 0.0),
            seen(0, 0.9, 1.0),
            seen(1, 0.4, 1.0),
            seen(0, 0.3, 9.0),
        ];
        let per_class = strongest(all.clone(), 0.5, false);
        assert_eq!(
            per_class
                .iter()
                .map(|d| (d.class, d.score))
                .collect::<Vec<_>>(),
            [(0, 0.9), (1, 0.4), (0, 0.3)]
        );
        let across = strongest(all, 0.5, true);
        assert_eq!(
            across.iter().map(|d| d.score).collect::<Vec<_>>(),
            [0.9, 0.3]
        );
    }

    #[test]
    fn a_flood_of_candidates_is_bounded() {
        let flood = (0..20_000)
            .map(|i| seen(0, i as f32 / 20_000.0, i as f32 * 20.0))
            .collect();
        let kept = strongest(flood, 0.5, false);
        assert_eq!(kept.len(), DETECTIONS_MAX);
        assert!(kept[0].score > kept[499].score && kept[499].score > 0.97);
    }
}
