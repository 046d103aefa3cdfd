//! A picture in which some places are pixelated, as a JPEG. It is made anew from pixels: nothing else of the file that came
//! (EXIF, a thumbnail) is in it.

use crate::shelf::Failure;
use contract::vision;
use models::picture::{Area, Image};

/// The JPEG of `image` without what is in `areas`.
pub fn masked(mut image: Image, areas: &[vision::Area], quality: u8) -> Result<Vec<u8>, Failure> {
    let (Ok(width), Ok(height)) = (u16::try_from(image.width()), u16::try_from(image.height()))
    else {
        let (width, height) = (image.width(), image.height());
        let words = format!("a JPEG of {width} x {height} pixels there is not; 65,535 at most");
        return Err(Failure::other(words));
    };
    if !(1..=100).contains(&quality) {
        let words = format!("a JPEG of quality {quality} there is not; give 1 to 100");
        return Err(Failure::other(words));
    }
    let (wide, high) = (f32::from(width), f32::from(height));
    let pixels = |area: &vision::Area| Area {
        left: area.left * wide,
        top: area.top * high,
        right: area.right * wide,
        bottom: area.bottom * high,
    };
    image.pixelate(&areas.iter().map(pixels).collect::<Vec<_>>());
    let mut jpeg = Vec::with_capacity(image.rgb().len() / 8);
    jpeg_encoder::Encoder::new(&mut jpeg, quality)
        .encode(image.rgb(), width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(|error| {
            Failure::other(format!("the picture cannot be written as JPEG: {error}"))
        })?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_flat_and_the_rest_stays() {
        let rgb = (0..64 * 64).flat_map(|i| if (i / 3) % 2 == 0 { [0; 3] } else { [255; 3] });
        let image = Image::new(64, 64, rgb.collect()).unwrap();
        let left_half = vision::Area {
            right: 0.5,
            bottom: 1.0,
            ..vision::Area::default()
        };
        let jpeg = masked(image, &[left_half], 95).unwrap();
        let image = Image::from_jpeg(&jpeg).unwrap();
        let spread = |from: usize, to: usize| {
            let columns = (0..64).flat_map(|y| (from..to).map(move |x| (y * 64 + x) * 3));
            let bytes: Vec<u8> = columns.map(|i| image.rgb()[i]).collect();
            bytes.iter().max().unwrap() - bytes.iter().min().unwrap()
        };
        assert!(spread(0, 24) < 90, "{}", spread(0, 24));
        assert!(spread(40, 64) > 200, "{}", spread(40, 64));
        let one = Image::plain(1, 1, [9; 3]).unwrap();
        assert!(masked(one, &[], 0).is_err());
    }
}
