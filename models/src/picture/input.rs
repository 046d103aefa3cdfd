//! A picture becomes the numbers that a model wants: resized, padded, normalised, in the model's layout.
//!
//! Bilinear as OpenCV's INTER_LINEAR places its samples (pixel centres at halves), weights in steps of 1/256. One pass
//! blends two rows of the picture, a second one takes the samples along the blended row and writes them out.

use super::{Area, Image};

/// Order of numbers in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[1, 3, height, width]`: one plane for each colour.
    Nchw,
    /// `[1, height, width, 3]`: the colours of a pixel together.
    Nhwc,
}

/// Order of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV reads pictures.
    Bgr,
}

/// How a picture of another shape gets into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Shape kept, at the left and upper edge; the rest is padding (YOLOX).
    Letterbox,
    /// Shape kept, in the middle; the rest is padding (YOLOv5, YOLOv8).
    LetterboxCentred,
    /// Width and height each stretched to the input.
    Stretch,
}

/// What a model takes in.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Order of numbers.
    pub layout: Layout,
    /// Order of colours.
    pub colour: Colour,
    /// Taken from each byte, in the order of `colour`.
    pub mean: [f32; 3],
    /// What is left is divided by this, in the order of `colour`.
    pub std: [f32; 3],
    /// How a picture gets in.
    pub fit: Fit,
    /// The byte of padding, before normalisation.
    pub pad: u8,
}

impl Input {
    /// The shape of the tensor.
    pub fn shape(&self) -> [usize; 4] {
        let (width, height) = (self.width as usize, self.height as usize);
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }
}

/// Pictures of one size on their way into one input; made anew when the size changes.
#[derive(Debug)]
pub struct Resize {
    /// Size of the pictures.
    from: (u32, u32),
    /// Size and place of the picture in the input.
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    /// For each column of the picture in the input: where its left sample begins in a row of bytes, and the
    /// weight of its right neighbour in 1/256.
    columns: Vec<(u32, u32)>,
    /// For each row: the upper row of the picture and the weight of the lower one.
    rows: Vec<(u32, u32)>,
    /// Two rows blended, in 1/256, and the last pixel once more.
    blended: Vec<u16>,
}

impl Resize {
    /// Nothing has been resized yet.
    pub fn new() -> Resize {
        Resize {
            from: (0, 0),
            width: 0,
            height: 0,
            left: 0,
            top: 0,
            columns: Vec::new(),
            rows: Vec::new(),
            blended: Vec::new(),
        }
    }

    /// Writes `image` into `tensor`, which has the numbers of [`Input::shape`] afterwards. The same `tensor` must come
    /// back as it was: what a picture of the same size does not touch is not written again.
    pub fn fill(&mut self, input: &Input, image: &Image, tensor: &mut Vec<f32>) {
        let (width, height) = (input.width as usize, input.height as usize);
        if self.from != (image.width(), image.height()) || tensor.len() != width * height * 3 {
            self.plan(input, image);
            pad(input, tensor);
        }
        // byte * scale + shift is (byte - mean) / std; the bytes come in 1/65536.
        let scale = input.std.map(|std| 1.0 / (65_536.0 * std));
        let shift = [0, 1, 2].map(|i| -input.mean[i] / input.std[i]);
        // For each colour of the input: its byte among R, G, B.
        let byte = match input.colour {
            Colour::Rgb => [0, 1, 2],
            Colour::Bgr => [2, 1, 0],
        };
        for (y, &(upper, weight)) in self.rows.iter().enumerate() {
            let upper = upper as usize;
            let lower = (upper + 1).min(image.height() as usize - 1);
            blend(
                image.row(upper),
                image.row(lower),
                weight as u16,
                &mut self.blended,
            );
            let begin = (self.top + y) * width + self.left;
            let end = begin + self.width;
            let places = self.columns.iter().map(|place| {
                let pixel = pixel(&self.blended, place);
                [0, 1, 2].map(|i| pixel[byte[i]] * scale[i] + shift[i])
            });
            match input.layout {
                Layout::Nchw => {
                    let (first, rest) = tensor.split_at_mut(width * height);
                    let (second, third) = rest.split_at_mut(width * height);
                    let planes = first[begin..end].iter_mut().zip(&mut second[begin..end]);
                    let planes = planes.zip(&mut third[begin..end]);
                    for (((a, b), c), value) in planes.zip(places) {
                        [*a, *b, *c] = value;
                    }
                }
                Layout::Nhwc => {
                    let pixels = tensor[begin * 3..end * 3].chunks_exact_mut(3);
                    for (out, value) in pixels.zip(places) {
                        out.copy_from_slice(&value);
                    }
                }
            }
        }
    }

    /// An area of the input as an area of the picture that went in last.
    pub fn back(&self, area: &Area) -> Area {
        let x = self.from.0 as f32 / self.width.max(1) as f32;
        let y = self.from.1 as f32 / self.height.max(1) as f32;
        let (left, top) = (self.left as f32, self.top as f32);
        Area {
            left: (area.left - left) * x,
            top: (area.top - top) * y,
            right: (area.right - left) * x,
            bottom: (area.bottom - top) * y,
        }
    }

    fn plan(&mut self, input: &Input, image: &Image) {
        self.from = (image.width(), image.height());
        let (width, height) = (input.width as f32, input.height as f32);
        let factor = (width / image.width() as f32).min(height / image.height() as f32);
        let kept = |side: u32, most: u32| {
            ((side as f32 * factor).round() as usize).clamp(1, most as usize)
        };
        (self.width, self.height) = match input.fit {
            Fit::Stretch => (input.width as usize, input.height as usize),
            Fit::Letterbox | Fit::LetterboxCentred => (
                kept(image.width(), input.width),
                kept(image.height(), input.height),
            ),
        };
        (self.left, self.top) = match input.fit {
            Fit::LetterboxCentred => (
                (input.width as usize - self.width) / 2,
                (input.height as usize - self.height) / 2,
            ),
            Fit::Stretch | Fit::Letterbox => (0, 0),
        };
        self.columns = places(image.width(), self.width, 3);
        self.rows = places(image.height(), self.height, 1);
        self.blended = vec![0; (image.width() as usize + 1) * 3];
    }
}

impl Default for Resize {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the samples of `to` places lie among `from`: the lower one, times `step`, and the weight of the next in 1/256.
fn places(from: u32, to: usize, step: u32) -> Vec<(u32, u32)> {
    let ratio = f64::from(from) / to as f64;
    let last = f64::from(from - 1);
    (0..to)
        .map(|i| {
            let place = ((i as f64 + 0.5) * ratio - 0.5).clamp(0.0, last);
            let weight = ((place - place.floor()) * 256.0).round() as u32;
            (place as u32 * step, weight)
        })
        .collect()
}

/// Two rows of bytes blended, in 1/256; the last pixel stands twice, so that the last sample has a right neighbour.
fn blend(upper: &[u8], lower: &[u8], weight: u16, out: &mut [u16]) {
    for ((out, &a), &b) in out.iter_mut().zip(upper).zip(lower) {
        *out = u16::from(a) * (256 - weight) + u16::from(b) * weight;
    }
    let end = upper.len();
    out.copy_within(end - 3..end, end);
}

/// R, G, B of the blended row at one column, in 1/65536.
fn pixel(row: &[u16], &(at, weight): &(u32, u32)) -> [f32; 3] {
    let two: &[u16; 6] = row[at as usize..]
        .first_chunk()
        .expect("the last pixel stands twice");
    // At most 255 * 65536, exact in f32.
    [0, 1, 2].map(|i| {
        let (left, right) = (u32::from(two[i]), u32::from(two[i + 3]));
        (left * (256 - weight) + right * weight) as i32 as f32
    })
}

/// The whole tensor as padding.
fn pad(input: &Input, tensor: &mut Vec<f32>) {
    let plane = input.width as usize * input.height as usize;
    let value = [0, 1, 2].map(|i| (f32::from(input.pad) - input.mean[i]) / input.std[i]);
    tensor.clear();
    match input.layout {
        Layout::Nchw => value
            .iter()
            .for_each(|&v| tensor.resize(tensor.len() + plane, v)),
        Layout::Nhwc => (0..plane).for_each(|_| tensor.extend_from_slice(&value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(width: u32, height: u32, fit: Fit) -> Input {
        Input {
            width,
            height,
            layout: Layout::Nchw,
            colour: Colour::Rgb,
            mean: [0.0; 3],
            std: [1.0; 3],
            fit,
            pad: 114,
        }
    }

    fn filled(input: &Input, image: &Image) -> (Resize, Vec<f32>) {
        let (mut resize, mut tensor) = (Resize::new(), Vec::new());
        resize.fill(input, image, &mut tensor);
        (resize, tensor)
    }

    /// What bilinear resizing is, one sample at a time in f64.
    fn slowly(
        image: &Image,
        width: usize,
        height: usize,
        x: usize,
        y: usize,
        colour: usize,
    ) -> f64 {
        let place = |i: usize, to: usize, from: u32| {
            ((i as f64 + 0.5) * f64::from(from) / to as f64 - 0.5).clamp(0.0, f64::from(from - 1))
        };
        let (px, py) = (
            place(x, width, image.width()),
            place(y, height, image.height()),
        );
        let byte = |x: f64, y: f64| {
            let x = x.min(f64::from(image.width() - 1)) as usize;
            let y = y.min(f64::from(image.height() - 1)) as usize;
            f64::from(image.row(y)[x * 3 + colour])
        };
        let (x0, y0, wx, wy) = (px.floor(), py.floor(), px.fract(), py.fract());
        let upper = byte(x0, y0) * (1.0 - wx) + byte(x0 + 1.0, y0) * wx;
        let lower = byte(x0, y0 + 1.0) * (1.0 - wx) + byte(x0 + 1.0, y0 + 1.0) * wx;
        upper * (1.0 - wy) + lower * wy
    }

    fn noise(width: u32, height: u32) -> Image {
        let mut state = 1_u32;
        let rgb = (0..width * height * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        Image::new(width, height, rgb).unwrap()
    }

    #[test]
    fn a_picture_of_the_inputs_size_goes_in_as_it_is() {
        let image = noise(8, 6);
        let (_, tensor) = filled(&input(8, 6, Fit::Letterbox), &image);
        for y in 0..6 {
            for x in 0..8 {
                for colour in 0..3 {
                    assert_eq!(
                        tensor[(colour * 6 + y) * 8 + x],
                        f32::from(image.row(y)[x * 3 + colour])
                    );
                }
            }
        }
    }

    #[test]
    fn resizing_is_bilinear_up_and_down_and_for_pictures_of_one_pixel() {
        for (from, to) in [
            ((61, 37), (20, 31)),
            ((13, 9), (40, 30)),
            ((1, 1), (5, 4)),
            ((2, 90), (7, 3)),
        ] {
            let image = noise(from.0, from.1);
            let (_, tensor) = filled(&input(to.0, to.1, Fit::Stretch), &image);
            let (width, height) = (to.0 as usize, to.1 as usize);
            for colour in 0..3 {
                for y in 0..height {
                    for x in 0..width {
                        let got = f64::from(tensor[(colour * height + y) * width + x]);
                        let expected = slowly(&image, width, height, x, y, colour);
                        assert!(
                            (got - expected).abs() < 1.1,
                            "{from:?} to {to:?} at {x}, {y}: {got}, {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_letterbox_keeps_the_shape_pads_the_rest_and_finds_the_way_back() {
        let image = Image::plain(200, 100, [10, 20, 30]).unwrap();
        for (fit, top) in [(Fit::Letterbox, 0), (Fit::LetterboxCentred, 5)] {
            let (resize, tensor) = filled(&input(20, 20, fit), &image);
            for y in 0..20 {
                let expected = if (top..top + 10).contains(&y) {
                    10.0
                } else {
                    114.0
                };
                assert_eq!(tensor[y * 20 + 3], expected, "{fit:?}, row {y}");
            }
            let back = resize.back(&Area {
                left: 2.0,
                top: top as f32 + 1.0,
                right: 12.0,
                bottom: top as f32 + 6.0,
            });
            assert_eq!(
                (back.left, back.top, back.right, back.bottom),
                (20.0, 10.0, 120.0, 60.0)
            );
        }
    }

    #[test]
    fn colours_and_normalisation_stand_in_the_models_order() {
        let image = Image::plain(2, 2, [10, 20, 30]).unwrap();
        let mut bgr = input(2, 2, Fit::Stretch);
        bgr.colour = Colour::Bgr;
        bgr.mean = [30.0, 10.0, 0.0];
        bgr.std = [1.0, 5.0, 10.0];
        let (_, planes) = filled(&bgr, &image);
        assert_eq!(
            [planes[0], planes[4], planes[8]].map(|v| v.round()),
            [0.0, 2.0, 1.0]
        );
        bgr.layout = Layout::Nhwc;
        let (_, pixels) = filled(&bgr, &image);
        assert_eq!(
            [pixels[0], pixels[1], pixels[2]].map(|v| v.round()),
            [0.0, 2.0, 1.0]
        );
    }

    #[test]
    fn the_next_picture_of_another_size_leaves_nothing_of_the_one_before() {
        let spec = input(16, 16, Fit::Letterbox);
        let (mut resize, mut tensor) = filled(&spec, &noise(16, 16));
        let wide = noise(32, 8);
        resize.fill(&spec, &wide, &mut tensor);
        assert_eq!(tensor, filled(&spec, &wide).1);
    }
}
