mod cost;
mod jpeg;
mod png;
mod problem;

pub use problem::ImageProblem;

use super::{DataError, Example, Raw, read_error};
use crate::{
    limits::{DECODING_BYTES, ENCODED_BYTES, Gate, PNG_CHUNK_BYTES, SMALL_ENCODED_BYTES, read_at_most, room_for},
    preprocess::{Preprocess, Rgb},
};
use cost::Cost;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, metadata::Orientation};
use std::{
    fs::File,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Decodes images on many threads, which together take no more than [`DECODING_BYTES`].
pub(crate) struct Decoder<'a> {
    /// What becomes of an image, if anything.
    preprocess: Option<&'a Preprocess>,
    gate: Gate,
}

impl<'a> Decoder<'a> {
    /// A decoder that leaves images as they are.
    pub(crate) fn new() -> Self {
        Self { preprocess: None, gate: Gate::new(DECODING_BYTES) }
    }

    /// A decoder that resizes and crops.
    pub(crate) fn preprocessing(preprocess: &'a Preprocess) -> Self {
        Self { preprocess: Some(preprocess), ..Self::new() }
    }

    /// Decodes an image, turns it upright as its EXIF data say, makes it RGB as PIL's `convert("RGB")` does, and
    /// preprocesses it.
    ///
    /// PNG comes out exactly as from PIL. JPEG decoders may differ by a few levels. What PIL refuses is refused: a file
    /// that is cut short is no image, though most of one could be made up.
    ///
    /// # Errors
    /// Names the file and the row. An image that claims more pixels than are read is refused before memory is taken for
    /// them.
    pub(crate) fn decode(&self, example: Example) -> Result<Rgb, DataError> {
        let Example { path, row, image, .. } = example;
        let (decoded, row) = match image {
            Raw::Decoded(image) => (self.finish(image), Some(row)),
            Raw::Encoded(bytes) => (self.decode_bytes(&bytes), Some(row)),
            Raw::File(file) => (self.decode_file(&file)?, None),
        };
        decoded.map_err(|source| DataError::Image { path, row, source: Box::new(source) })
    }

    fn decode_file(&self, path: &Path) -> Result<Result<Rgb, ImageProblem>, DataError> {
        let failed = read_error(path);
        let file = File::open(path).map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        // A long file is read while no other thread decodes: its bytes count as well.
        let alone = (length > SMALL_ENCODED_BYTES).then(|| self.gate.take(DECODING_BYTES));
        let bytes = read_at_most(file, ENCODED_BYTES).map_err(&failed)?;
        Ok(self.decode_held(&bytes, alone.is_some()))
    }

    fn decode_bytes(&self, bytes: &[u8]) -> Result<Rgb, ImageProblem> {
        let alone = (bytes.len() as u64 > SMALL_ENCODED_BYTES).then(|| self.gate.take(DECODING_BYTES));
        self.decode_held(bytes, alone.is_some())
    }

    /// Decodes; `is_alone` says that this thread holds the whole gate already.
    fn decode_held(&self, bytes: &[u8], is_alone: bool) -> Result<Rgb, ImageProblem> {
        let format = format(bytes)?;
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(PNG_CHUNK_BYTES);
        reader.limits(limits);
        let mut decoder = guarded(|| reader.into_decoder())?;
        // Damaged EXIF data do not make an image unreadable: PIL ignores them, too.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let cost = Cost::of(&decoder, format, orientation)?;
        let (width, height) = cost.upright;
        let resizing = self.preprocess.map_or(Ok(0), |preprocess| preprocess.check(width, height))?;
        let bytes = cost.bytes.saturating_add(resizing);
        let share = (!is_alone).then(|| self.gate.take(bytes));
        room_for(cost.bytes)?;
        let mut image = guarded(|| DynamicImage::from_decoder(decoder))?;
        image.apply_orientation(orientation);
        let image = self.preprocessed(rgb(image));
        drop(share);
        Ok(image)
    }

    /// Preprocesses an image that was never encoded.
    fn finish(&self, image: Rgb) -> Result<Rgb, ImageProblem> {
        let Some(preprocess) = self.preprocess else { return Ok(image) };
        let bytes = preprocess.check(image.width, image.height)?;
        let share = self.gate.take(bytes);
        let image = preprocess.apply(image);
        drop(share);
        Ok(image)
    }

    fn preprocessed(&self, image: Rgb) -> Rgb {
        match self.preprocess {
            Some(preprocess) => preprocess.apply(image),
            None => image,
        }
    }
}

/// What a decoder makes of an image. Where an image contradicts itself, decoders panic now and then: that of PNG over a
/// palette that ends within a colour.
fn guarded<T>(decode: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageProblem> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| ImageProblem::Contradiction)?.map_err(ImageProblem::from)
}

/// The format of an image that is complete according to its end.
fn format(bytes: &[u8]) -> Result<ImageFormat, ImageProblem> {
    match image::guess_format(bytes).ok() {
        Some(ImageFormat::Png) => Ok(ImageFormat::Png),
        Some(ImageFormat::Jpeg) if jpeg::has_end(bytes) => Ok(ImageFormat::Jpeg),
        Some(ImageFormat::Jpeg) => Err(ImageProblem::CutShort),
        other => Err(ImageProblem::of_other(bytes, other)),
    }
}

/// Whether an image has the beginning and the end of a PNG or JPEG. What has not may be one all the same.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => png::has_end(bytes),
        Ok(ImageFormat::Jpeg) => jpeg::has_end(bytes),
        _ => false,
    }
}

/// Drops alpha without blending, repeats grey, and cuts 16-bit colours to their high byte. PIL keeps 16-bit *grey* as
/// whole numbers and clips those above 255.
fn rgb(image: DynamicImage) -> Rgb {
    let width = image.width();
    let height = image.height();
    let high = |level: u16| (level >> 8) as u8;
    let clipped = |level: u16| u8::try_from(level).unwrap_or(u8::MAX);
    // The exact size at once: a vector that grows takes up to three times as much.
    let mut pixels = Vec::new();
    let mut collect = |all: &mut dyn Iterator<Item = [u8; 3]>| {
        pixels.reserve_exact(3 * width as usize * height as usize);
        all.for_each(|pixel| pixels.extend(pixel));
    };
    match image {
        DynamicImage::ImageRgb8(image) => pixels = image.into_raw(),
        DynamicImage::ImageRgba8(image) => collect(&mut image.pixels().map(|p| [p[0], p[1], p[2]])),
        DynamicImage::ImageLumaA8(image) => collect(&mut image.pixels().map(|p| [p[0]; 3])),
        DynamicImage::ImageLuma16(image) => collect(&mut image.pixels().map(|p| [clipped(p[0]); 3])),
        DynamicImage::ImageLumaA16(image) => collect(&mut image.pixels().map(|p| [high(p[0]); 3])),
        DynamicImage::ImageRgb16(image) => collect(&mut image.pixels().map(|p| p.0.map(high))),
        DynamicImage::ImageRgba16(image) => collect(&mut image.pixels().map(|p| [p[0], p[1], p[2]].map(high))),
        other => pixels = other.into_rgb8().into_raw(),
    }
    Rgb { width, height, pixels }
}
