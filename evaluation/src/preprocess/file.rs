//! Reading an image processor's configuration.

use super::{
    Filter, Preprocess, Resize,
    keys::{IMAGES, PROCESSOR},
};
use crate::{
    ModelError,
    limits::{CONFIG_BYTES, RESIZED_EDGE, read_small_text},
    settings::{Object, Section, difference, object, part, says_something, shown},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The file of transformers until version 4.
pub(super) const OLD: &str = "preprocessor_config.json";
/// The file of transformers 5, in which the image processor is a part of its own.
pub(super) const NEW: &str = "processor_config.json";

const WHAT: &str = "image processor configuration";

/// The image processors that do what [`Preprocess`] does. The fast ones differ in how they round when they resize.
const CLIP: [&str; 4] =
    ["CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor"];

/// An image processor's settings as they lie in a file.
pub(super) struct File {
    path: PathBuf,
    prefix: &'static str,
    object: Object,
}

impl File {
    /// The settings in a file whose top they are.
    pub(super) fn at_the_top(path: &Path) -> Result<Self, ModelError> {
        Ok(Self { path: path.into(), prefix: "", object: read(path)? })
    }

    /// The settings in a `processor_config.json`, if it has any.
    pub(super) fn of_processor(path: &Path) -> Result<Option<Self>, ModelError> {
        let top = read(path)?;
        let found = top.get("image_processor").filter(|value| says_something(value));
        let Some(found) = found else { return Ok(None) };
        let Some(object) = part(&top, "image_processor").cloned() else {
            return Err(ModelError::Setting {
                path: path.into(),
                key: "image_processor".to_owned(),
                found: shown(found),
                expected: "the settings of an image processor".to_owned(),
            });
        };
        Ok(Some(Self { path: path.into(), prefix: "image_processor.", object }))
    }

    /// The keys that are not known, for people.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        self.section().unknown()
    }

    /// The error of settings that are not those of `other`, which lie beside them.
    pub(super) fn contradiction(&self, other: &Self) -> ModelError {
        let (key, [found, wanted]) = difference(IMAGES, &self.object, &other.object).unwrap_or_default();
        let expected = format!(
            "`{}` as in `{OLD}`: transformers 5 reads this file, transformers 4 that; remove one",
            shown(&wanted)
        );
        self.section().refuse(key, &found, &expected)
    }

    /// What the settings say; keys that are left out have CLIP's values.
    pub(super) fn preprocess(&self) -> Result<Preprocess, ModelError> {
        self.section().check()?;
        self.check_kind()?;
        self.check_steps()?;
        let default = Preprocess::default();
        let (mean, std) = default.normalise.unwrap_or_default();
        let mean = self.channels("image_mean", mean)?;
        let std = self.channels("image_std", std)?;
        if let Some(found) = std.iter().find(|s| !s.is_normal()) {
            return Err(self.refuse("image_std", &(*found).into(), "numbers other than 0"));
        }
        let resize = self.resize()?;
        let crop = self.crop()?;
        let factor = self.factor()?;
        Ok(Preprocess {
            resize: self.is_on("do_resize")?.then_some(resize),
            crop: self.is_on("do_center_crop")?.then_some(crop),
            rescale: self.is_on("do_rescale")?.then_some(factor),
            normalise: self.is_on("do_normalize")?.then_some((mean, std)),
        })
    }

    fn section(&self) -> Section<'_> {
        Section { path: &self.path, prefix: self.prefix, object: &self.object, keys: IMAGES }
    }

    fn refuse(&self, key: &str, found: &Value, expected: &str) -> ModelError {
        self.section().refuse(key, found, expected)
    }

    /// A value that says something; `null` is the same as no value, but for those that ask [`given`](Self::given).
    fn value(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// A value of which `null` means one thing to transformers 4 and another to transformers 5.
    fn given(&self, key: &str, expected: &str) -> Result<Option<&Value>, ModelError> {
        match self.object.get(key) {
            Some(null @ Value::Null) => Err(self.refuse(key, null, expected)),
            value => Ok(value),
        }
    }

    fn check_kind(&self) -> Result<(), ModelError> {
        for key in ["image_processor_type", "feature_extractor_type"] {
            let is_other = |kind: &&Value| !kind.as_str().is_some_and(|kind| CLIP.contains(&kind));
            if let Some(other) = self.value(key).filter(is_other) {
                let expected = "`CLIPImageProcessor`: others have other defaults and steps";
                return Err(self.refuse(key, other, expected));
            }
        }
        Ok(())
    }

    /// Refuses unknown steps: a step changes images.
    fn check_steps(&self) -> Result<(), ModelError> {
        let is_step =
            |key: &str| key.starts_with("do_") && !IMAGES.iter().copied().flatten().any(|(known, _)| *known == key);
        match self.object.iter().find(|(key, value)| is_step(key) && says_something(value)) {
            Some((key, value)) => Err(self.refuse(key, value, "`false`: no such step is known")),
            None => Ok(()),
        }
    }

    fn is_on(&self, key: &str) -> Result<bool, ModelError> {
        let expected = "`true` or `false`";
        match self.given(key, expected)? {
            None => Ok(true),
            Some(value) => value.as_bool().ok_or_else(|| self.refuse(key, value, expected)),
        }
    }

    fn factor(&self) -> Result<f64, ModelError> {
        let expected = "a finite number other than 0";
        match self.given("rescale_factor", expected)? {
            None => Ok(1.0 / 255.0),
            Some(value) => {
                let factor = value.as_f64().filter(|factor| factor.is_normal());
                factor.ok_or_else(|| self.refuse("rescale_factor", value, expected))
            }
        }
    }

    /// One number for all channels, or one for each.
    fn channels(&self, key: &str, default: [f32; 3]) -> Result<[f32; 3], ModelError> {
        let Some(value) = self.value(key) else { return Ok(default) };
        let number = |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        let each = || value.as_array()?.iter().map(number).collect::<Option<Vec<f32>>>()?.try_into().ok();
        let found = number(value).map(|number| [number; 3]).or_else(each);
        found.ok_or_else(|| self.refuse(key, value, "three numbers, or one for all channels"))
    }

    fn filter(&self) -> Result<Filter, ModelError> {
        let Some(value) = self.given("resample", "1, 2 or 3")? else { return Ok(Filter::Bicubic) };
        match value.as_u64() {
            Some(1) => Ok(Filter::Lanczos),
            Some(2) => Ok(Filter::Bilinear),
            Some(3) => Ok(Filter::Bicubic),
            _ => Err(self.refuse("resample", value, "1, 2 or 3")),
        }
    }

    fn resize(&self) -> Result<Resize, ModelError> {
        let filter = self.filter()?;
        let Some(value) = self.value("size") else { return Ok(Resize::ShortestEdge(224, filter)) };
        let one_edge = if value.is_object() { exact(value, ["shortest_edge"]).map(|[edge]| edge) } else { edge(value) };
        match (one_edge, two_edges(value)) {
            (Some(edge), _) => Ok(Resize::ShortestEdge(edge, filter)),
            (None, Some([height, width])) => Ok(Resize::Exact(height, width, filter)),
            (None, None) => Err(self.refuse("size", value, "`shortest_edge`, or `height` and `width`, from 1 to 8192")),
        }
    }

    fn crop(&self) -> Result<(u32, u32), ModelError> {
        let Some(value) = self.value("crop_size") else { return Ok((224, 224)) };
        match (edge(value), two_edges(value)) {
            (Some(edge), _) => Ok((edge, edge)),
            (None, Some([height, width])) => Ok((height, width)),
            (None, None) => Err(self.refuse("crop_size", value, "`height` and `width`, from 1 to 8192")),
        }
    }
}

/// The keys at the top of a `processor_config.json` that are not known, for people.
pub(super) fn unknown_at_the_top(path: &Path) -> Result<Vec<String>, ModelError> {
    let object = read(path)?;
    Ok(Section { path, prefix: "", object: &object, keys: PROCESSOR }.unknown())
}

fn read(path: &Path) -> Result<Object, ModelError> {
    let text = read_small_text(path, CONFIG_BYTES).map_err(|source| ModelError::Read { path: path.into(), source })?;
    object(path, WHAT, &text)
}

fn edge(value: &Value) -> Option<u32> {
    value.as_u64().filter(|edge| (1..=RESIZED_EDGE).contains(edge)).and_then(|edge| u32::try_from(edge).ok())
}

/// Height and width, by their names or in this order.
fn two_edges(value: &Value) -> Option<[u32; 2]> {
    match value.as_array().map(Vec::as_slice) {
        Some([height, width]) => Some([edge(height)?, edge(width)?]),
        Some(_) => None,
        None => exact(value, ["height", "width"]),
    }
}

/// The edges under `keys`, if the object has these and no others that say something.
fn exact<const N: usize>(value: &Value, keys: [&str; N]) -> Option<[u32; N]> {
    let object = value.as_object()?;
    if object.iter().any(|(key, value)| !keys.contains(&key.as_str()) && !value.is_null()) {
        return None;
    }
    let edges: Vec<u32> = keys.iter().map(|key| edge(object.get(*key)?)).collect::<Option<_>>()?;
    edges.try_into().ok()
}
