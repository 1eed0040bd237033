mod resample;

use crate::ModelError;
use resample::resample;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What an image processor does with a picture before the tower sees it: Hugging Face's `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocess {
    /// How the picture is resized, if it is.
    pub resize: Option<Resize>,
    /// Height and width cut out of the middle, if any; a smaller picture gets a black border.
    pub crop: Option<(u32, u32)>,
    /// Factor from levels to numbers, if they are rescaled.
    pub rescale: Option<f64>,
    /// Mean and standard deviation per channel, if the picture is normalised.
    pub normalise: Option<([f32; 3], [f32; 3])>,
}

/// The size a picture is resized to.
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

#[derive(Deserialize)]
struct File {
    do_resize: Option<bool>,
    size: Option<Size>,
    resample: Option<u8>,
    do_center_crop: Option<bool>,
    crop_size: Option<Size>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Edge(u32),
    Shortest { shortest_edge: u32 },
    Exact { height: u32, width: u32 },
}

/// An RGB picture, row by row, one byte per channel.
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
    /// Reads `preprocessor_config.json`; keys it leaves out have CLIP's values.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, or names a filter this crate does not have.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let file: File = serde_json::from_str(&text).map_err(|source| ModelError::Json {
            path: path.into(),
            what: "image processor configuration",
            source,
        })?;
        let refuse = |key, found: String, expected: &str| ModelError::Setting {
            path: path.into(),
            key,
            found,
            expected: expected.into(),
        };
        let default = Self::default();
        let filter = match file.resample.unwrap_or(3) {
            1 => Filter::Lanczos,
            2 => Filter::Bilinear,
            3 => Filter::Bicubic,
            other => return Err(refuse("resample", other.to_string(), "1, 2 or 3")),
        };
        let resize = match file.size {
            None => default.resize,
            Some(Size::Edge(edge) | Size::Shortest { shortest_edge: edge }) => Some(Resize::ShortestEdge(edge, filter)),
            Some(Size::Exact { height, width }) => Some(Resize::Exact(height, width, filter)),
        };
        let crop = match file.crop_size {
            None => default.crop,
            Some(Size::Edge(edge) | Size::Shortest { shortest_edge: edge }) => Some((edge, edge)),
            Some(Size::Exact { height, width }) => Some((height, width)),
        };
        let (mean, std) = default.normalise.unwrap_or_default();
        let on = |flag: Option<bool>| flag.unwrap_or(true);
        let normalise = on(file.do_normalize).then(|| (file.image_mean.unwrap_or(mean), file.image_std.unwrap_or(std)));
        if normalise.is_some_and(|(_, std)| std.iter().any(|s| !s.is_normal())) {
            return Err(refuse("image_std", format!("{:?}", file.image_std), "numbers other than 0"));
        }
        Ok(Self {
            resize: resize.filter(|_| on(file.do_resize)),
            crop: crop.filter(|_| on(file.do_center_crop)),
            rescale: on(file.do_rescale).then(|| file.rescale_factor.unwrap_or(1.0 / 255.0)),
            normalise,
        })
    }

    /// Resizes and crops a picture.
    pub(crate) fn apply(&self, picture: Rgb) -> Rgb {
        let resized = match self.resize {
            Some(resize) => resize.apply(picture),
            None => picture,
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
    fn apply(self, picture: Rgb) -> Rgb {
        let (height, width, filter) = match self {
            Self::Exact(height, width, filter) => (height, width, filter),
            Self::ShortestEdge(edge, filter) => {
                let long = |longer: u32, shorter: u32| {
                    u32::try_from(u64::from(edge) * u64::from(longer) / u64::from(shorter.max(1))).unwrap_or(u32::MAX)
                };
                if picture.width <= picture.height {
                    (long(picture.height, picture.width), edge, filter)
                } else {
                    (edge, long(picture.width, picture.height), filter)
                }
            }
        };
        if (width, height) == (picture.width, picture.height) {
            picture
        } else {
            resample(picture, height, width, filter)
        }
    }
}

/// Cuts the middle out; what lies beyond the picture is black.
fn centre(picture: Rgb, height: u32, width: u32) -> Rgb {
    if (picture.height, picture.width) == (height, width) {
        return picture;
    }
    let (top, above) = offsets(picture.height, height);
    let (left, before) = offsets(picture.width, width);
    let mut pixels = vec![0; 3 * height as usize * width as usize];
    let rows = picture.height.min(height) as usize;
    let bytes = 3 * picture.width.min(width) as usize;
    for row in 0..rows {
        let from = 3 * ((top + row) * picture.width as usize + left);
        let to = 3 * ((above + row) * width as usize + before);
        pixels[to..to + bytes].copy_from_slice(&picture.pixels[from..from + bytes]);
    }
    Rgb { width, height, pixels }
}

/// The first row taken and the rows of border before it: both as Hugging Face rounds them.
fn offsets(has: u32, wants: u32) -> (usize, usize) {
    (has.saturating_sub(wants) as usize / 2, (wants.saturating_sub(has) as usize).div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Rgb {
        let pixels = (0..3 * width * height).map(|n| (n % 251) as u8 + 1).collect();
        Rgb { width, height, pixels }
    }

    #[test]
    fn the_shorter_edge_is_exact_and_the_longer_rounds_down() {
        let resize = Resize::ShortestEdge(7, Filter::Bicubic);
        let (tall, wide) = (resize.apply(picture(3, 5)), resize.apply(picture(10, 3)));
        assert_eq!((tall.width, tall.height), (7, 11));
        assert_eq!((wide.width, wide.height), (23, 7));
    }

    #[test]
    fn a_crop_takes_the_middle_and_borders_in_black() {
        let cut = centre(picture(3, 3), 1, 1);
        assert_eq!(cut.pixels, picture(3, 3).pixels[12..15]);
        let bordered = centre(picture(1, 1), 2, 4);
        assert_eq!((bordered.height, bordered.width), (2, 4));
        let lit: Vec<usize> = (0..8).filter(|n| bordered.pixels[3 * n] != 0).collect();
        assert_eq!(lit, [6], "one pixel, at row 1 of 2 and column 2 of 4");
    }
}
