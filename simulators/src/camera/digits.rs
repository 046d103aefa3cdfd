//! The clock burned into a picture: digits of 5 by 7 dots, white on black.

use super::canvas::Canvas;

/// Left and upper edge of the clock in scene units, whatever the camera looks at.
pub const AT: (f32, f32) = (10.0, 8.0);
/// Width and height of one dot in scene units.
const DOT: f32 = 2.0;
/// Dots from one sign to the next.
const ADVANCE: usize = 6;

/// Rows of a sign from above, the leftmost dot in bit 4.
fn rows(sign: char) -> [u8; 7] {
    match sign {
        '0' => [14, 17, 19, 21, 25, 17, 14],
        '1' => [4, 12, 4, 4, 4, 4, 14],
        '2' => [14, 17, 1, 2, 4, 8, 31],
        '3' => [31, 2, 4, 2, 1, 17, 14],
        '4' => [2, 6, 10, 18, 31, 2, 2],
        '5' => [31, 16, 30, 1, 1, 17, 14],
        '6' => [6, 8, 16, 30, 17, 17, 14],
        '7' => [31, 1, 2, 4, 8, 8, 8],
        '8' => [14, 17, 17, 14, 17, 17, 14],
        '9' => [14, 17, 17, 15, 1, 2, 12],
        '-' => [0, 0, 0, 31, 0, 0, 0],
        ':' => [0, 12, 12, 0, 12, 12, 0],
        _ => [0; 7],
    }
}

/// The share of the picture that the clock takes: left, top, width, height, each 0 to 1.
pub const PLACE: [f64; 4] = [0.012, 0.016, 0.364, 0.05];

/// Writes signs over the picture, at the same place of it wherever the camera looks.
pub fn write(canvas: &mut Canvas, text: &str) {
    let dot = (canvas.width() as f32 * DOT / super::canvas::WIDE).max(1.0);
    let (left, top) = (
        canvas.width() as f32 * AT.0 / super::canvas::WIDE,
        canvas.height() as f32 * AT.1 / super::canvas::HIGH,
    );
    for (n, sign) in text.chars().enumerate() {
        let rows = rows(sign);
        for y in -1..8_isize {
            for x in -1..6_isize {
                let is_on = |x: isize, y: isize| {
                    (0..7).contains(&y)
                        && (0..5).contains(&x)
                        && rows[y as usize] >> (4 - x) & 1 == 1
                };
                let near = (-1..=1).any(|dy| (-1..=1).any(|dx| is_on(x + dx, y + dy)));
                let grey = match (is_on(x, y), near) {
                    (true, _) => 250,
                    (false, true) => 8,
                    (false, false) => continue,
                };
                let px = left + (n * ADVANCE) as f32 * dot + x as f32 * dot;
                let py = top + y as f32 * dot;
                square(canvas, px, py, dot, grey);
            }
        }
    }
}

fn square(canvas: &mut Canvas, x: f32, y: f32, side: f32, grey: u8) {
    let (width, height) = (canvas.width(), canvas.height());
    let span = |from: f32, most: usize| {
        let begin = (from.max(0.0) as usize).min(most);
        begin..((from + side).max(0.0) as usize).min(most)
    };
    let (columns, rows) = (span(x, width), span(y, height));
    for row in rows {
        let first = row * width;
        canvas.pixels_mut()[(first + columns.start) * 3..(first + columns.end) * 3].fill(grey);
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::View;
    use super::*;

    #[test]
    fn every_second_changes_the_picture_inside_the_place_of_the_clock_only() {
        for (width, height) in [(640, 360), (320, 180), (1280, 720)] {
            let written = |text: &str| {
                let mut canvas = Canvas::new(width, height, View::WHOLE);
                write(&mut canvas, text);
                canvas
            };
            for second in 0..9 {
                let a = written(&format!("2026-11-28 13:45:0{second}"));
                let b = written(&format!("2026-11-28 13:45:0{}", second + 1));
                let pixels = a.pixels().chunks(3).zip(b.pixels().chunks(3));
                let changed: Vec<usize> = pixels
                    .enumerate()
                    .filter(|(_, (a, b))| a != b)
                    .map(|(n, _)| n)
                    .collect();
                assert!(changed.len() > 3, "{width}: {second}");
                let [x, y, w, h] = PLACE;
                for n in changed {
                    let at = (
                        (n % width) as f64 / width as f64,
                        (n / width) as f64 / height as f64,
                    );
                    assert!(
                        at.0 >= x && at.0 < x + w && at.1 >= y && at.1 < y + h,
                        "{at:?}"
                    );
                }
            }
        }
    }
}
