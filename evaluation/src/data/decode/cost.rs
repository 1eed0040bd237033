//! What decoding an image takes, by its header.

use super::ImageProblem;
use crate::limits::{Ceiling, DECODING_BYTES, IMAGE_EDGE, IMAGE_PIXELS};
use image::{ColorType, ImageDecoder, ImageFormat, metadata::Orientation};

const PIXELS: Ceiling = Ceiling {
    limit: IMAGE_PIXELS,
    unit: "pixels",
    what: "the image has too many pixels",
    remedy: "scale the image down",
};

const EDGE: Ceiling = Ceiling {
    limit: IMAGE_EDGE as u64,
    unit: "pixels",
    what: "the image has too long an edge",
    remedy: "cut the image to a shape nearer to a square",
};

const MEMORY: Ceiling = Ceiling {
    limit: DECODING_BYTES,
    unit: "bytes",
    what: "decoding the image takes too much memory",
    remedy: "scale the image down, or save it with 8 bits for each colour",
};

/// Bytes that a progressive JPEG's coefficients take for a pixel.
const COEFFICIENT_BYTES: u64 = 6;

/// What decoding an image takes.
pub(super) struct Cost {
    /// Width and height once it is turned upright.
    pub(super) upright: (u32, u32),
    /// Bytes from its first pixel to RGB, without the encoded image.
    pub(super) bytes: u64,
}

impl Cost {
    /// # Errors
    /// The image has no pixels, more than are read, or takes more memory than it may.
    pub(super) fn of(
        decoder: &impl ImageDecoder,
        format: ImageFormat,
        orientation: Orientation,
    ) -> Result<Self, ImageProblem> {
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(ImageProblem::NoPixels);
        }
        if pixels > PIXELS.limit {
            return Err(PIXELS.exceeded(format!("{width} × {height} pixels, {pixels}")).into());
        }
        EDGE.check(width.max(height).into())?;
        let is_turned = orientation != Orientation::NoTransforms;
        let copies = 1 + u64::from(is_turned);
        let plain = decoder.total_bytes().saturating_mul(copies);
        let converted = if decoder.color_type() == ColorType::Rgb8 { 0 } else { 3 * pixels };
        let coefficients = if format == ImageFormat::Jpeg { COEFFICIENT_BYTES * pixels } else { 0 };
        let bytes = plain.saturating_add(converted).saturating_add(coefficients);
        MEMORY.check(bytes)?;
        Ok(Self { upright: upright(width, height, orientation), bytes })
    }
}

fn upright(width: u32, height: u32, orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (height, width)
        }
        Orientation::NoTransforms
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical
        | Orientation::Rotate180 => (width, height),
    }
}
