//! A frame on its way from a camera to whoever looks at it, and how it becomes grey.

use bytes::Bytes;
use contract::Timestamp;
use std::time::Instant;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// The widest and highest picture that is looked at, in pixels.
pub const SIDE_MAX: usize = 4096;

/// A frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When its last byte came, by the machine's clock.
    pub at: Timestamp,
    /// The same by a clock that never goes back.
    pub came: Instant,
    /// The picture.
    pub picture: Picture,
}

/// A picture as it came.
#[derive(Debug, Clone)]
pub enum Picture {
    /// A JPEG.
    Jpeg(Bytes),
    /// Red, green, blue, row by row.
    Rgb {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Three bytes a pixel.
        pixels: Bytes,
    },
}

/// A grey picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grey {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// One byte a pixel, row by row, 0 black to 255 white.
    pub pixels: Vec<u8>,
}

/// A part of a picture: left, top, width, height, each as a share of it, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place(pub [f64; 4]);

/// A picture that cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be decoded: {0}")]
pub struct Undecodable(String);

impl Picture {
    /// Decodes it to grey.
    pub fn grey(&self) -> Result<Grey, Undecodable> {
        match self {
            // A picture that the decoder stumbles over must not end the thread that watches the camera.
            Picture::Jpeg(bytes) => std::panic::catch_unwind(|| decode(bytes))
                .unwrap_or_else(|_| Err(Undecodable("the decoder panicked".into()))),
            Picture::Rgb {
                width,
                height,
                pixels,
            } => Ok(Grey {
                width: *width,
                height: *height,
                pixels: pixels.chunks_exact(3).map(luma).collect(),
            }),
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Grey, Undecodable> {
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder
        .decode()
        .map_err(|error| Undecodable(error.to_string()))?;
    let (width, height) = decoder
        .dimensions()
        .ok_or_else(|| Undecodable("it has no size".into()))?;
    if width == 0 || height == 0 || pixels.len() != width * height {
        return Err(Undecodable(format!(
            "{width} x {height} pixels need other than {} bytes",
            pixels.len()
        )));
    }
    Ok(Grey {
        width,
        height,
        pixels,
    })
}

/// BT.601, in 1/256.
fn luma(rgb: &[u8]) -> u8 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8
}
