//! A picture of RGB bytes that shapes are painted on, and which thing each pixel shows.
//!
//! Shapes are given in the units of the scene (640 wide, 360 high, y down); the view says which part of the scene the
//! camera looks at. Every pixel keeps the tag of the last thing painted there, so that the truth says what can be seen
//! and not what was meant to be drawn.

/// Width of a scene in its own units.
pub const WIDE: f32 = 640.0;
/// Height of a scene in its own units.
pub const HIGH: f32 = 360.0;

/// Red, green, blue, 0 to 255.
pub type Rgb = [f32; 3];

/// A rectangle in pixels: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Area(pub [u32; 4]);

/// Where the camera looks: the scene's point at the top left corner, and how much is enlarged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Left edge in scene units.
    pub x: f32,
    /// Upper edge in scene units.
    pub y: f32,
    /// 1: the whole scene is as wide as the picture.
    pub zoom: f32,
}

impl View {
    /// The whole scene.
    pub const WHOLE: View = View {
        x: 0.0,
        y: 0.0,
        zoom: 1.0,
    };
}

/// The picture.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    scale: f32,
    view: View,
    pixels: Vec<u8>,
    tags: Vec<u8>,
    tag: u8,
}

impl Canvas {
    /// A black picture of this many pixels.
    pub fn new(width: usize, height: usize, view: View) -> Canvas {
        Canvas {
            width,
            height,
            scale: view.zoom * width as f32 / WIDE,
            view,
            pixels: vec![0; width * height * 3],
            tags: vec![0; width * height],
            tag: 0,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, row by row, three bytes each.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Which part of the scene is shown.
    pub fn view(&self) -> View {
        self.view
    }

    /// What is painted from now on belongs to this thing; 0 is the background.
    pub fn set_tag(&mut self, tag: u8) {
        self.tag = tag;
    }

    /// For each tag, where it can be seen, and in how many pixels.
    pub fn seen(&self) -> Vec<Option<(Area, u32)>> {
        let mut found: Vec<Option<([u32; 4], u32)>> = vec![None; 256];
        for (y, row) in self.tags.chunks_exact(self.width).enumerate() {
            for (x, tag) in row.iter().enumerate().filter(|(_, tag)| **tag != 0) {
                let (x, y) = (x as u32, y as u32);
                let (edges, count) = found[usize::from(*tag)].get_or_insert(([x, y, x, y], 0));
                *edges = [
                    edges[0].min(x),
                    edges[1].min(y),
                    edges[2].max(x),
                    edges[3].max(y),
                ];
                *count += 1;
            }
        }
        let area = |[x0, y0, x1, y1]: [u32; 4]| Area([x0, y0, x1 - x0 + 1, y1 - y0 + 1]);
        let areas = found.into_iter();
        areas
            .map(|found| found.map(|(edges, count)| (area(edges), count)))
            .collect()
    }

    /// Paints what `shade` says within these edges (left, top, right, bottom): a colour and how much it covers, 0 to 1.
    pub fn paint(
        &mut self,
        (x0, y0, x1, y1): (f32, f32, f32, f32),
        shade: impl Fn(f32, f32) -> Option<(Rgb, f32)>,
    ) {
        let at = |v: f32, from: f32, most: usize| {
            (((v - from) * self.scale).max(0.0) as usize).min(most)
        };
        let (left, right) = (
            at(x0, self.view.x, self.width),
            at(x1 + 1.0 / self.scale, self.view.x, self.width),
        );
        let (top, bottom) = (
            at(y0, self.view.y, self.height),
            at(y1 + 1.0 / self.scale, self.view.y, self.height),
        );
        let step = 1.0 / self.scale;
        for row in top..bottom {
            let y = self.view.y + (row as f32 + 0.5) * step;
            for column in left..right {
                let x = self.view.x + (column as f32 + 0.5) * step;
                let Some((rgb, cover)) = shade(x, y) else {
                    continue;
                };
                let index = row * self.width + column;
                let pixel = &mut self.pixels[index * 3..index * 3 + 3];
                for (channel, wanted) in pixel.iter_mut().zip(rgb) {
                    let is = f32::from(*channel);
                    *channel = (is + (wanted - is) * cover) as u8;
                }
                if cover >= 0.5 {
                    self.tags[index] = self.tag;
                }
            }
        }
    }

    /// A rectangle, lighter at its left and upper side by `light` (0: flat).
    pub fn rectangle(&mut self, x: f32, y: f32, w: f32, h: f32, rgb: Rgb, light: f32) {
        self.paint((x, y, x + w, y + h), |px, py| {
            let inside = px >= x && px < x + w && py >= y && py < y + h;
            let across = (px - x) / w + (py - y) / h - 1.0;
            inside.then(|| (lit(rgb, 1.0 - light * across * 0.5), 1.0))
        });
    }

    /// An ellipse, shaded like a ball.
    pub fn ellipse(&mut self, x: f32, y: f32, rx: f32, ry: f32, rgb: Rgb, cover: f32) {
        self.paint((x - rx, y - ry, x + rx, y + ry), |px, py| {
            let (dx, dy) = ((px - x) / rx, (py - y) / ry);
            let far = dx * dx + dy * dy;
            (far <= 1.0).then(|| (lit(rgb, 1.06 - 0.16 * dx - 0.14 * dy - 0.12 * far), cover))
        });
    }

    /// A cloud that is thinner at its edge.
    pub fn puff(&mut self, x: f32, y: f32, r: f32, rgb: Rgb, cover: f32) {
        self.paint((x - r, y - r, x + r, y + r), |px, py| {
            let (dx, dy) = ((px - x) / r, (py - y) / r);
            let far = dx * dx + dy * dy;
            (far < 1.0).then_some((rgb, cover * (1.0 - far)))
        });
    }

    /// A thick line with round ends.
    pub fn limb(&mut self, (ax, ay): (f32, f32), (bx, by): (f32, f32), r: f32, rgb: Rgb) {
        let (dx, dy) = (bx - ax, by - ay);
        let long = (dx * dx + dy * dy).max(1e-3);
        let edges = (
            ax.min(bx) - r,
            ay.min(by) - r,
            ax.max(bx) + r,
            ay.max(by) + r,
        );
        self.paint(edges, |px, py| {
            let along = (((px - ax) * dx + (py - ay) * dy) / long).clamp(0.0, 1.0);
            let (ox, oy) = (px - ax - along * dx, py - ay - along * dy);
            (ox * ox + oy * oy <= r * r).then(|| (lit(rgb, 1.0 - 0.18 * ox / r), 1.0))
        });
    }

    /// A trapezium: two horizontal edges around the middle `x`.
    pub fn trapezium(&mut self, x: f32, (y0, w0): (f32, f32), (y1, w1): (f32, f32), rgb: Rgb) {
        let wide = w0.max(w1) / 2.0;
        self.paint((x - wide, y0, x + wide, y1), |px, py| {
            let part = ((py - y0) / (y1 - y0)).clamp(0.0, 1.0);
            let half = (w0 + (w1 - w0) * part) / 2.0;
            let across = (px - x) / half.max(1e-3);
            (py >= y0 && py < y1 && across.abs() <= 1.0)
                .then(|| (lit(rgb, 1.03 - 0.15 * across - 0.08 * part), 1.0))
        });
    }

    /// Blurs the whole picture by three passes of a box of this radius in pixels, as a lens out of focus does.
    pub fn blur(&mut self, radius: usize) {
        for _ in 0..3 {
            box_blur(&mut self.pixels, self.width, self.height, radius, true);
            box_blur(&mut self.pixels, self.width, self.height, radius, false);
        }
    }
}

/// A colour in more or less light.
pub fn lit(rgb: Rgb, light: f32) -> Rgb {
    rgb.map(|c| (c * light).clamp(0.0, 255.0))
}

fn box_blur(pixels: &mut [u8], width: usize, height: usize, radius: usize, is_row: bool) {
    let (lines, length, line_step, step) = match is_row {
        true => (height, width, width * 3, 3),
        false => (width, height, 3, width * 3),
    };
    let mut line = vec![0u8; length];
    for n in 0..lines {
        for channel in 0..3 {
            let first = n * line_step + channel;
            for (i, kept) in line.iter_mut().enumerate() {
                *kept = pixels[first + i * step];
            }
            let pick = |i: isize| u32::from(line[i.clamp(0, length as isize - 1) as usize]);
            let r = radius as isize;
            let mut sum: u32 = (-r..=r).map(pick).sum();
            for i in 0..length {
                pixels[first + i * step] = (sum / (2 * radius as u32 + 1)) as u8;
                sum += pick(i as isize + r + 1);
                sum -= pick(i as isize - r);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_seen() {
        let mut canvas = Canvas::new(64, 36, View::WHOLE);
        canvas.set_tag(1);
        canvas.rectangle(100.0, 100.0, 100.0, 100.0, [200.0; 3], 0.0);
        assert_eq!(canvas.seen()[1], Some((Area([10, 10, 10, 10]), 100)));
        canvas.set_tag(2);
        canvas.rectangle(150.0, 100.0, 200.0, 100.0, [10.0; 3], 0.0);
        let seen = canvas.seen();
        assert_eq!(seen[1], Some((Area([10, 10, 5, 10]), 50)));
        assert_eq!(seen[2], Some((Area([15, 10, 20, 10]), 200)));
        canvas.set_tag(0);
        canvas.rectangle(0.0, 0.0, 640.0, 360.0, [0.0; 3], 0.0);
        assert_eq!(canvas.seen()[1], None);
    }

    #[test]
    fn blurring_keeps_the_light_and_takes_the_edge() {
        let mut canvas = Canvas::new(64, 36, View::WHOLE);
        canvas.rectangle(320.0, 0.0, 320.0, 360.0, [200.0; 3], 0.0);
        let light = |canvas: &Canvas| {
            let sum: u64 = canvas.pixels().iter().map(|b| u64::from(*b)).sum();
            sum / canvas.pixels().len() as u64
        };
        let step = |canvas: &Canvas| {
            let row = &canvas.pixels()[..64 * 3];
            let pairs = row.chunks(3).zip(row.chunks(3).skip(1));
            pairs.map(|(a, b)| a[0].abs_diff(b[0])).max()
        };
        let (before, edge) = (light(&canvas), step(&canvas));
        canvas.blur(4);
        assert!(light(&canvas).abs_diff(before) <= 3);
        assert!(edge == Some(200) && step(&canvas) < Some(40));
    }
}
