//! A picture in memory: bytes R, G, B of each pixel, row by row.

use super::Area;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Pixels of a picture, at most; 8,192 x 8,192, 201 MB.
pub const PIXELS_MAX: usize = 8_192 * 8_192;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

/// Why bytes are no picture.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Size and bytes do not belong together.
    #[error(
        "a picture of {width} x {height} pixels needs {} bytes (R, G, B of each), there are {bytes}; \
         give frames as rgb24 without padding",
        u64::from(*.width) * u64::from(*.height) * 3
    )]
    Bytes {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// What came.
        bytes: usize,
    },
    /// Nothing, or too much.
    #[error(
        "a picture of {width} x {height} pixels cannot be used; it must have 1 to {PIXELS_MAX}"
    )]
    Size {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// Not a JPEG file, or a damaged one.
    #[error("this is no JPEG file, or it is damaged or cut short ({0}); only JPEG is read")]
    Jpeg(String),
}

impl Image {
    /// `rgb` has `width` x `height` x 3 bytes.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Image, ImageError> {
        check_size(width as usize, height as usize)?;
        if rgb.len() != width as usize * height as usize * 3 {
            return Err(ImageError::Bytes {
                width,
                height,
                bytes: rgb.len(),
            });
        }
        Ok(Image { width, height, rgb })
    }

    /// One colour everywhere.
    pub fn plain(width: u32, height: u32, colour: [u8; 3]) -> Result<Image, ImageError> {
        check_size(width as usize, height as usize)?;
        let rgb = colour.repeat(width as usize * height as usize);
        Ok(Image { width, height, rgb })
    }

    /// Decodes a JPEG file, baseline or progressive, colour or grey. One that was cut short is refused and not shown
    /// half grey. Its EXIF orientation is not looked at.
    pub fn from_jpeg(bytes: &[u8]) -> Result<Image, ImageError> {
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(PIXELS_MAX)
            .set_max_height(PIXELS_MAX)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        let wrong = |e: zune_jpeg::errors::DecodeErrors| ImageError::Jpeg(e.to_string());
        decoder.decode_headers().map_err(wrong)?;
        let Some((width, height)) = decoder.dimensions() else {
            return Err(ImageError::Jpeg("it has no size".into()));
        };
        check_size(width, height)?;
        let rgb = decoder.decode().map_err(wrong)?;
        Image::new(width as u32, height as u32, rgb)
    }

    /// Pixels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// R, G, B of each pixel, row by row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Row `y`.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        let row = self.width as usize * 3;
        &self.rgb[y * row..(y + 1) * row]
    }

    /// The whole picture as an area.
    pub fn area(&self) -> Area {
        Area {
            left: 0.0,
            top: 0.0,
            right: self.width as f32,
            bottom: self.height as f32,
        }
    }

    /// Every pixel that `area` touches, as a picture of its own; `None` if it touches none.
    pub fn crop(&self, area: &Area) -> Option<Image> {
        let pixels = Pixels::of(area, self)?;
        let mut rgb = Vec::with_capacity(pixels.width() * (pixels.bottom - pixels.top) * 3);
        for y in pixels.top..pixels.bottom {
            rgb.extend_from_slice(&self.row(y)[pixels.left * 3..pixels.right * 3]);
        }
        Some(Image {
            width: pixels.width() as u32,
            height: (pixels.bottom - pixels.top) as u32,
            rgb,
        })
    }

    /// Makes what is in `areas` unknowable: squares of one colour each, [`CELLS`] of them along the shorter side of the
    /// area, none smaller than [`CELL_MIN`] pixels.
    pub fn pixelate(&mut self, areas: &[Area]) {
        for area in areas {
            let Some(pixels) = Pixels::of(area, self) else {
                continue;
            };
            let shorter = pixels.width().min(pixels.bottom - pixels.top);
            let cell = shorter.div_ceil(CELLS).max(CELL_MIN);
            for top in (pixels.top..pixels.bottom).step_by(cell) {
                for left in (pixels.left..pixels.right).step_by(cell) {
                    self.flatten(&Pixels {
                        left,
                        top,
                        right: (left + cell).min(pixels.right),
                        bottom: (top + cell).min(pixels.bottom),
                    });
                }
            }
        }
    }

    /// One colour, the mean, for all pixels of a part.
    fn flatten(&mut self, part: &Pixels) {
        let row = self.width as usize * 3;
        let (from, to) = (part.left * 3, part.right * 3);
        let mut sum = [0_u64; 3];
        for y in part.top..part.bottom {
            for pixel in self.rgb[y * row + from..y * row + to].chunks_exact(3) {
                for (sum, byte) in sum.iter_mut().zip(pixel) {
                    *sum += u64::from(*byte);
                }
            }
        }
        let count = (part.width() * (part.bottom - part.top)) as u64;
        let mean = sum.map(|sum| ((sum + count / 2) / count) as u8);
        for y in part.top..part.bottom {
            for pixel in self.rgb[y * row + from..y * row + to].chunks_exact_mut(3) {
                pixel.copy_from_slice(&mean);
            }
        }
    }
}

/// Squares along the shorter side of a pixelated area.
pub const CELLS: usize = 5;
/// Pixels of the side of such a square, at least.
pub const CELL_MIN: usize = 8;

fn check_size(width: usize, height: usize) -> Result<(), ImageError> {
    match width.checked_mul(height) {
        Some(1..=PIXELS_MAX) => Ok(()),
        _ => Err(ImageError::Size { width, height }),
    }
}

/// An area in whole pixels inside its picture, never empty.
#[derive(Debug, Clone, Copy)]
struct Pixels {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Pixels {
    /// All pixels of `image` that `area` touches.
    fn of(area: &Area, image: &Image) -> Option<Pixels> {
        let inside = area.within(image.width, image.height);
        let pixels = Pixels {
            left: inside.left.floor() as usize,
            top: inside.top.floor() as usize,
            right: inside.right.ceil() as usize,
            bottom: inside.bottom.ceil() as usize,
        };
        (pixels.left < pixels.right && pixels.top < pixels.bottom).then_some(pixels)
    }

    fn width(&self) -> usize {
        self.right - self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture in which every pixel differs from its neighbours.
    fn mixed(width: u32, height: u32) -> Image {
        let rgb = (0..width * height * 3)
            .map(|i| (i * 37 % 251) as u8)
            .collect();
        Image::new(width, height, rgb).unwrap()
    }

    fn area(left: f32, top: f32, right: f32, bottom: f32) -> Area {
        Area {
            left,
            top,
            right,
            bottom,
        }
    }

    #[test]
    fn a_picture_has_as_many_bytes_as_its_size_says() {
        let error = Image::new(4, 3, vec![0; 35]).unwrap_err().to_string();
        for part in ["4 x 3", "36", "35", "rgb24"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(Image::new(0, 3, vec![]).is_err());
        assert!(Image::plain(u32::MAX, u32::MAX, [0; 3]).is_err());
    }

    #[test]
    fn pixelating_leaves_squares_of_one_colour_and_nothing_else_changes() {
        let before = mixed(100, 80);
        let mut after = before.clone();
        after.pixelate(&[area(10.4, 20.9, 49.2, 59.1)]);
        for y in 0..80 {
            for x in 0..100 {
                let inside = (10..50).contains(&x) && (20..60).contains(&y);
                let pixel =
                    |image: &Image, x: usize, y: usize| image.row(y)[x * 3..x * 3 + 3].to_vec();
                if inside {
                    let (left, top) = (10 + (x - 10) / 8 * 8, 20 + (y - 20) / 8 * 8);
                    assert_eq!(pixel(&after, x, y), pixel(&after, left, top), "at {x}, {y}");
                } else {
                    assert_eq!(pixel(&after, x, y), pixel(&before, x, y), "at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn an_area_outside_or_without_size_is_passed_over_and_one_without_numbers_is_everything() {
        let before = mixed(30, 20);
        let mut after = before.clone();
        after.pixelate(&[
            area(-50.0, -50.0, -1.0, -1.0),
            area(30.0, 0.0, 90.0, 20.0),
            area(9.0, 9.0, 3.0, 3.0),
        ]);
        assert_eq!(after, before);
        let mut all = before.clone();
        all.pixelate(&[area(-1e9, -1e9, 1e9, 1e9)]);
        after.pixelate(&[area(f32::NAN, f32::NAN, f32::NAN, f32::NAN)]);
        assert_ne!(all, before);
        assert_eq!(after, all);
    }

    #[test]
    fn a_crop_has_the_pixels_of_its_area() {
        let whole = mixed(30, 20);
        let part = whole.crop(&area(3.0, 4.0, 8.0, 6.5)).unwrap();
        assert_eq!((part.width(), part.height()), (5, 3));
        assert_eq!(part.row(2), &whole.row(6)[9..24]);
        assert_eq!(whole.crop(&area(30.0, 0.0, 31.0, 1.0)), None);
    }

    #[test]
    fn what_is_no_jpeg_is_refused_in_words() {
        for bytes in [&b""[..], b"GIF89a", &[0xFF, 0xD8, 0xFF, 0xE0, 0, 16]] {
            let error = Image::from_jpeg(bytes).unwrap_err().to_string();
            assert!(error.contains("JPEG"), "{error}");
        }
    }
}
