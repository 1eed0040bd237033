mod jpeg;
mod png;
mod problem;

pub use problem::PictureProblem;

use super::{DataError, Example, Raw};
use crate::preprocess::Rgb;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, metadata::Orientation};
use std::io::Cursor;

/// Decodes a picture, turns it upright as its EXIF data say, and makes it RGB as PIL's `convert("RGB")` does.
///
/// PNG comes out exactly as from PIL. JPEG decoders may differ by a few levels. What PIL refuses is refused: a file that is cut
/// short is no picture, though most of one could be made up.
pub(crate) fn decode(example: Example) -> Result<Rgb, DataError> {
    let Example { path, row, picture, .. } = example;
    let (bytes, row) = match picture {
        Raw::Decoded(picture) => return Ok(picture),
        Raw::Encoded(bytes) => (bytes, Some(row)),
        Raw::File(file) => (std::fs::read(&file).map_err(|source| DataError::Read { path: file, source })?, None),
    };
    upright(&bytes).map(rgb).map_err(|source| DataError::Picture { path, row, source: Box::new(source) })
}

fn upright(bytes: &[u8]) -> Result<DynamicImage, PictureProblem> {
    match image::guess_format(bytes).ok() {
        Some(ImageFormat::Png) => {}
        Some(ImageFormat::Jpeg) if jpeg::has_end(bytes) => {}
        Some(ImageFormat::Jpeg) => return Err(PictureProblem::CutShort),
        other => return Err(PictureProblem::of_other(bytes, other)),
    }
    let mut decoder = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?.into_decoder()?;
    // Damaged EXIF data do not make a picture unreadable: PIL ignores them, too.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    if picture.width() == 0 || picture.height() == 0 {
        return Err(PictureProblem::NoPixels);
    }
    Ok(picture)
}

/// Whether a picture has the beginning and the end of a PNG or JPEG. What has not may be one all the same.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => png::has_end(bytes),
        Ok(ImageFormat::Jpeg) => jpeg::has_end(bytes),
        _ => false,
    }
}

/// Drops alpha without blending, repeats grey, and cuts 16-bit colours to their high byte. PIL keeps 16-bit *grey* as
/// whole numbers and clips those above 255.
fn rgb(picture: DynamicImage) -> Rgb {
    let (width, height) = (picture.width(), picture.height());
    let high = |level: u16| (level >> 8) as u8;
    let clipped = |level: u16| u8::try_from(level).unwrap_or(u8::MAX);
    let pixels = match picture {
        DynamicImage::ImageRgb8(picture) => picture.into_raw(),
        DynamicImage::ImageRgba8(picture) => picture.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        DynamicImage::ImageLumaA8(picture) => picture.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageLuma16(picture) => picture.pixels().flat_map(|p| [clipped(p[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(picture) => picture.pixels().flat_map(|p| [high(p[0]); 3]).collect(),
        DynamicImage::ImageRgb16(picture) => picture.pixels().flat_map(|p| p.0.map(high)).collect(),
        DynamicImage::ImageRgba16(picture) => picture.pixels().flat_map(|p| [p[0], p[1], p[2]].map(high)).collect(),
        other => other.into_rgb8().into_raw(),
    };
    Rgb { width, height, pixels }
}
