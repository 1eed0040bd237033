//! The file of a CLIP model's configuration.

use super::{
    ClipConfig, TextConfig, VisionConfig,
    check::{Check, LARGEST, TextFile, VisionFile},
    keys::{MODEL, TEXT, VISION},
};
use crate::{
    ModelError,
    limits::{CONFIG_BYTES, read_small_text},
    settings::{Keys, Object, Section, difference, object, part, shown},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `config.json` as it lies on disk.
pub(super) struct File {
    path: PathBuf,
    object: Object,
    typed: Typed,
}

/// What is followed of it. The parts that end in `_dict` are those of files from before transformers 4.25.
#[derive(Deserialize)]
struct Typed {
    model_type: Option<String>,
    projection_dim: Option<usize>,
    vision_config: Option<VisionFile>,
    text_config: Option<TextFile>,
    vision_config_dict: Option<VisionFile>,
    text_config_dict: Option<TextFile>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let text =
            read_small_text(path, CONFIG_BYTES).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let what = "CLIP configuration";
        let invalid = |source| ModelError::Json { path: path.into(), what, source };
        let typed: Typed = serde_json::from_str(&text).map_err(invalid)?;
        let found = typed.model_type.clone().unwrap_or_default();
        if found != "clip" {
            return Err(ModelError::ModelType { path: path.into(), kind: "CLIP", found, expected: "clip" });
        }
        Ok(Self { path: path.into(), object: object(path, what, &text)?, typed })
    }

    pub(super) fn config(&self) -> Result<ClipConfig, ModelError> {
        self.sections().try_for_each(|section| section.check())?;
        let top = Check { path: &self.path, prefix: "" };
        let projection = self.typed.projection_dim.unwrap_or(512);
        Ok(ClipConfig {
            vision: self.vision()?,
            text: self.text()?,
            projection: top.within("projection_dim", projection, 1..=LARGEST)?,
        })
    }

    pub(super) fn unknown_keys(&self) -> Vec<String> {
        self.sections().flat_map(|section| section.unknown()).collect()
    }

    fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let path = &self.path;
        let parts: [(&str, &[Keys]); 4] = [
            ("vision_config.", VISION),
            ("text_config.", TEXT),
            ("vision_config_dict.", VISION),
            ("text_config_dict.", TEXT),
        ];
        let parts = parts.into_iter().filter_map(move |(prefix, keys)| {
            let object = part(&self.object, prefix.trim_end_matches('.'))?;
            Some(Section { path, prefix, object, keys })
        });
        [Section { path, prefix: "", object: &self.object, keys: MODEL }].into_iter().chain(parts)
    }

    fn vision(&self) -> Result<VisionConfig, ModelError> {
        let read = |prefix, tower: &VisionFile| Check { path: &self.path, prefix }.vision(tower);
        let own = self.typed.vision_config.as_ref().map(|tower| read("vision_config.", tower)).transpose()?;
        let old = self.typed.vision_config_dict.as_ref().map(|tower| read("vision_config_dict.", tower)).transpose()?;
        match self.one_of(["vision_config", "vision_config_dict"], VISION, own, old)? {
            Some(config) => Ok(config),
            None => read("vision_config.", &VisionFile::default()),
        }
    }

    fn text(&self) -> Result<TextConfig, ModelError> {
        let read = |prefix, tower: &TextFile| Check { path: &self.path, prefix }.text(tower);
        let own = self.typed.text_config.as_ref().map(|tower| read("text_config.", tower)).transpose()?;
        let old = self.typed.text_config_dict.as_ref().map(|tower| read("text_config_dict.", tower)).transpose()?;
        match self.one_of(["text_config", "text_config_dict"], TEXT, own, old)? {
            Some(config) => Ok(config),
            None => read("text_config.", &TextFile::default()),
        }
    }

    /// The configuration of a tower that may stand in the file twice. transformers uses the older part. If the two
    /// differ, the intention of their author is not known.
    fn one_of<T: PartialEq>(
        &self,
        names: [&str; 2],
        keys: &[Keys],
        own: Option<T>,
        old: Option<T>,
    ) -> Result<Option<T>, ModelError> {
        match (own, old) {
            (Some(own), Some(old)) if own != old => Err(self.contradiction(names, keys)),
            (own, old) => Ok(own.or(old)),
        }
    }

    fn contradiction(&self, [own, old]: [&str; 2], keys: &[Keys]) -> ModelError {
        let parts = [own, old].map(|name| part(&self.object, name).cloned().unwrap_or_default());
        let (key, [should, is]) = difference(keys, &parts[0], &parts[1]).unwrap_or_default();
        let expected = format!("`{}` as in `{own}`, or only one of the two parts", shown(&should));
        ModelError::Setting { path: self.path.clone(), key: format!("{old}.{key}"), found: shown(&is), expected }
    }
}
