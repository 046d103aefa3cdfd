//! What health needs of a frame: a small grey picture, and the clock in it somewhat larger. Pure.

use super::frame::{Grey, Place};

/// Width of the small picture.
pub const WIDE: usize = 160;
/// Height of the small picture.
pub const HIGH: usize = 90;
/// Width of the picture of the clock.
pub const CLOCK_WIDE: usize = 96;
/// Height of the picture of the clock.
pub const CLOCK_HIGH: usize = 12;

/// A frame as health sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// When it came, milliseconds of a clock that never goes back.
    pub at_ms: u64,
    /// The picture, [`WIDE`] by [`HIGH`], row by row, 0 black to 255 white.
    pub grey: Vec<u8>,
    /// The clock in it, [`CLOCK_WIDE`] by [`CLOCK_HIGH`]; empty where no place of one was configured.
    pub clock: Vec<u8>,
}

impl Look {
    /// Of a grey picture.
    pub fn of(picture: &Grey, clock: Option<&Place>, at_ms: u64) -> Look {
        let whole = Place([0.0, 0.0, 1.0, 1.0]);
        Look {
            at_ms,
            grey: shrink(picture, &whole, WIDE, HIGH),
            clock: match clock {
                Some(place) => shrink(picture, place, CLOCK_WIDE, CLOCK_HIGH),
                None => Vec::new(),
            },
        }
    }
}

/// Part of a picture as means over a grid of `wide` by `high` cells.
fn shrink(picture: &Grey, Place([x, y, w, h]): &Place, wide: usize, high: usize) -> Vec<u8> {
    let edges = |from: f64, length: f64, cells: usize, pixels: usize| -> Vec<(usize, usize)> {
        let at = |n: usize| ((from + length * n as f64 / cells as f64) * pixels as f64) as usize;
        let edge = |n: usize| {
            let begin = at(n).min(pixels - 1);
            (begin, at(n + 1).clamp(begin + 1, pixels.max(begin + 1)))
        };
        (0..cells).map(edge).collect()
    };
    let columns = edges(*x, *w, wide, picture.width);
    let rows = edges(*y, *h, high, picture.height);
    let mut cells = Vec::with_capacity(wide * high);
    let mut sums = vec![0u32; wide];
    for (top, bottom) in rows {
        sums.fill(0);
        for row in top..bottom {
            let line = &picture.pixels[row * picture.width..(row + 1) * picture.width];
            for (sum, (left, right)) in sums.iter_mut().zip(&columns) {
                *sum += line[*left..*right]
                    .iter()
                    .map(|p| u32::from(*p))
                    .sum::<u32>();
            }
        }
        let means = sums.iter().zip(&columns);
        cells.extend(means.map(|(sum, (left, right))| {
            let count = ((right - left) * (bottom - top)) as u32;
            ((sum + count / 2) / count) as u8
        }));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_means_whatever_the_size_of_the_picture() {
        for (width, height) in [(160, 90), (640, 360), (1920, 1080), (352, 288), (64, 36)] {
            let pixel = |n: usize| ((n % width) * 255 / width) as u8;
            let grey = Grey {
                width,
                height,
                pixels: (0..width * height).map(pixel).collect(),
            };
            let clock = Place([0.5, 0.0, 0.5, 0.1]);
            let look = Look::of(&grey, Some(&clock), 7);
            assert_eq!(
                (look.grey.len(), look.clock.len()),
                (WIDE * HIGH, CLOCK_WIDE * CLOCK_HIGH)
            );
            let middle = look.grey[45 * WIDE + 80];
            assert!((120..136).contains(&middle), "{width}: {middle}");
            assert!(look.grey[0] < 6 && look.grey[WIDE - 1] > 248, "{width}");
            assert!(look.clock[0] >= 120, "{width}: {}", look.clock[0]);
        }
    }
}
