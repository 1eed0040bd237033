mod file;
mod keys;
mod resample;
#[cfg(test)]
mod tests;

use crate::{
    ModelError,
    limits::{Ceiling, IMAGE_EDGE, LimitExceeded, RESIZED_PIXELS},
    settings,
};
use file::File;
use resample::{resample, rows_are_first};
use serde::Serialize;
use std::path::Path;

const RESIZED: Ceiling = Ceiling {
    limit: RESIZED_PIXELS,
    unit: "pixels",
    what: "resizing makes too large an image of it",
    remedy: "cut the image to a shape nearer to a square",
};

const EDGE: Ceiling = Ceiling {
    limit: IMAGE_EDGE as u64,
    unit: "pixels",
    what: "the image has too long an edge before or after it is resized",
    remedy: RESIZED.remedy,
};

/// What an image processor does with an image before the tower sees it: Hugging Face's `preprocessor_config.json`, or
/// the part `image_processor` of `processor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocess {
    /// How the image is resized, if it is.
    pub resize: Option<Resize>,
    /// Height and width cut out of the middle, if any; a smaller image gets a black border.
    pub crop: Option<(u32, u32)>,
    /// Factor from levels to numbers, if they are rescaled.
    pub rescale: Option<f64>,
    /// Mean and standard deviation per channel, if the image is normalised.
    pub normalise: Option<([f32; 3], [f32; 3])>,
}

/// The size an image is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Resize {
    /// The shorter edge becomes this long, the longer one follows, rounded down.
    ShortestEdge(u32, Filter),
    /// Height and width become these.
    Exact(u32, u32, Filter),
}

/// How pixels are weighed when resizing, by PIL's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Filter {
    /// `resample` 1.
    Lanczos,
    /// `resample` 2.
    Bilinear,
    /// `resample` 3.
    Bicubic,
}

/// An RGB image, row by row, one byte per channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
}

impl Default for Preprocess {
    /// CLIP's at 224 pixels, as Hugging Face fills in what a file leaves out.
    fn default() -> Self {
        Self {
            resize: Some(Resize::ShortestEdge(224, Filter::Bicubic)),
            crop: Some((224, 224)),
            rescale: Some(1.0 / 255.0),
            normalise: Some(([0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1])),
        }
    }
}

impl Preprocess {
    /// Reads a `preprocessor_config.json`; keys it leaves out have CLIP's values.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, or holds a setting that this crate cannot follow.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        File::at_the_top(path)?.preprocess()
    }

    /// Reads the image processor of a model: `preprocessor_config.json`, or the part `image_processor` of
    /// `processor_config.json`, where transformers 5 writes it.
    ///
    /// Of both, transformers 5 reads the new file and transformers 4 the old one. So they have to say the same; a new
    /// file without an image processor says nothing.
    ///
    /// # Errors
    /// As [`read`](Self::read); neither file is there, or they contradict each other.
    pub fn of(folder: &Path) -> Result<Self, ModelError> {
        let (old, new) = files(folder)?;
        match (old, new) {
            (None, Some(new)) => new.preprocess(),
            (Some(old), None) => old.preprocess(),
            (Some(old), Some(new)) => {
                let wanted = old.preprocess()?;
                let found = new.preprocess()?;
                if found == wanted { Ok(found) } else { Err(new.contradiction(&old)) }
            }
            (None, None) => File::at_the_top(&folder.join(file::OLD))?.preprocess(),
        }
    }

    /// Notes on keys of the files of [`of`](Self::of) that are not known.
    pub(crate) fn notes(folder: &Path) -> Result<Vec<String>, ModelError> {
        let (old, new) = files(folder)?;
        let path = folder.join(file::NEW);
        let mut of_new = if path.exists() { file::unknown_at_the_top(&path)? } else { Vec::new() };
        of_new.extend(new.iter().flat_map(File::unknown_keys));
        let of_old = old.iter().flat_map(File::unknown_keys).collect::<Vec<_>>();
        let notes = [(file::OLD, of_old), (file::NEW, of_new)];
        Ok(notes.iter().filter_map(|(name, unknown)| settings::note(&folder.join(name), unknown)).collect())
    }

    /// Height and width of all images, if they do not depend on what these were.
    pub(crate) fn edges(&self) -> Option<[u32; 2]> {
        match (self.crop, self.resize) {
            (Some((height, width)), _) | (None, Some(Resize::Exact(height, width, _))) => Some([height, width]),
            (None, Some(Resize::ShortestEdge(..)) | None) => None,
        }
    }

    /// Checks what an image of this size becomes, before memory is allocated for it, and returns how many bytes that
    /// takes at most.
    ///
    /// # Errors
    /// The image becomes too large while it is resized or afterwards, such as a strip whose shorter edge grows.
    pub(crate) fn check(&self, width: u32, height: u32) -> Result<u64, LimitExceeded> {
        let Some(resize) = self.resize else { return Ok(self.cropped_bytes()) };
        let (to_height, to_width) = resize.size(width, height);
        let halfway = if rows_are_first([height, width], [to_height, to_width]) {
            [height, to_width]
        } else {
            [to_height, width]
        };
        let sizes = [halfway, [to_height, to_width]];
        EDGE.check(height.max(width).max(to_height).max(to_width).into())?;
        for [height, width] in sizes {
            let pixels = u64::from(width) * u64::from(height);
            if pixels > RESIZED.limit {
                return Err(RESIZED.exceeded(format!("{width} × {height} pixels, {pixels}")));
            }
        }
        let bytes = |[height, width]: [u32; 2]| 3 * u64::from(height) * u64::from(width);
        Ok(sizes.into_iter().map(bytes).sum::<u64>() + self.cropped_bytes())
    }

    fn cropped_bytes(&self) -> u64 {
        self.crop.map_or(0, |(height, width)| 3 * u64::from(height) * u64::from(width))
    }

    /// Resizes and crops an image whose size was [checked](Self::check).
    pub(crate) fn apply(&self, image: Rgb) -> Rgb {
        let resized = match self.resize {
            Some(resize) => resize.apply(image),
            None => image,
        };
        match self.crop {
            Some((height, width)) => centre(resized, height, width),
            None => resized,
        }
    }

    /// The number that each level of each channel becomes.
    ///
    /// # Numerics
    /// As the reference: levels times the factor in `f64`, rounded to `f32`; then `(x − mean) / std` in `f32`.
    pub(crate) fn levels(&self) -> [[f32; 256]; 3] {
        let mut levels = [[0.0; 256]; 3];
        for (channel, levels) in levels.iter_mut().enumerate() {
            for (level, to) in levels.iter_mut().enumerate() {
                let value = self.rescale.map_or(level as f32, |factor| (level as f64 * factor) as f32);
                *to = self.normalise.map_or(value, |(mean, std)| (value - mean[channel]) / std[channel]);
            }
        }
        levels
    }
}

impl Resize {
    /// Height and width of what an image becomes.
    fn size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Exact(height, width, _) => (height, width),
            Self::ShortestEdge(edge, _) => {
                let long = |longer: u32, shorter: u32| {
                    u32::try_from(u64::from(edge) * u64::from(longer) / u64::from(shorter.max(1))).unwrap_or(u32::MAX)
                };
                if width <= height { (long(height, width), edge) } else { (edge, long(width, height)) }
            }
        }
    }

    fn apply(self, image: Rgb) -> Rgb {
        let (height, width) = self.size(image.width, image.height);
        let (Self::Exact(_, _, filter) | Self::ShortestEdge(_, filter)) = self;
        if (width, height) == (image.width, image.height) { image } else { resample(image, height, width, filter) }
    }
}

/// Cuts the middle out; what lies beyond the image is black.
fn centre(image: Rgb, height: u32, width: u32) -> Rgb {
    if (image.height, image.width) == (height, width) {
        return image;
    }
    let (top, above) = offsets(image.height, height);
    let (left, before) = offsets(image.width, width);
    let mut pixels = vec![0; 3 * height as usize * width as usize];
    let rows = image.height.min(height) as usize;
    let bytes = 3 * image.width.min(width) as usize;
    for row in 0..rows {
        let from = 3 * ((top + row) * image.width as usize + left);
        let to = 3 * ((above + row) * width as usize + before);
        pixels[to..to + bytes].copy_from_slice(&image.pixels[from..from + bytes]);
    }
    Rgb { width, height, pixels }
}

/// The first row taken and the rows of border before it: both as Hugging Face rounds them.
fn offsets(has: u32, wants: u32) -> (usize, usize) {
    (has.saturating_sub(wants) as usize / 2, (wants.saturating_sub(has) as usize).div_ceil(2))
}

/// The old and the new file of a folder, as far as they are there and have an image processor.
fn files(folder: &Path) -> Result<(Option<File>, Option<File>), ModelError> {
    let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    let new = there(file::NEW).map(|path| File::of_processor(&path)).transpose()?.flatten();
    Ok((there(file::OLD).map(|path| File::at_the_top(&path)).transpose()?, new))
}
