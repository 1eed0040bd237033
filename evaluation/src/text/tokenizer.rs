use crate::{
    limits::{TOKENIZER_BYTES, read_small},
    model::{ModelError, TextConfig},
    tokenizing::BoundedTokenizer,
};
use std::path::{Path, PathBuf};

/// CLIP's tokenizer, from `tokenizer.json`; lower-casing and splitting are what that file says.
pub struct Tokenizer {
    path: PathBuf,
    inner: BoundedTokenizer,
    positions: usize,
    vocabulary: usize,
    eos: u32,
}

impl Tokenizer {
    pub(crate) fn open(path: &Path, config: &TextConfig) -> Result<Self, ModelError> {
        let bytes = read_small(path, TOKENIZER_BYTES);
        let bytes = bytes.map_err(|source| ModelError::Read { path: path.into(), source })?;
        let inner = BoundedTokenizer::from_bytes(&bytes).map_err(|source| refuse(path, &*source))?;
        Ok(Self {
            path: path.into(),
            inner,
            positions: config.positions,
            vocabulary: config.vocabulary,
            eos: config.eos_token_id,
        })
    }

    /// Turns a text into token ids with start and end token, cut to the model's positions with the end token kept.
    ///
    /// # Errors
    /// The tokenizer refuses the text, or has ids that the model does not.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.inner.encode(text, None, true).map_err(|source| refuse(&self.path, &*source))?;
        let mut ids = encoding.get_ids().to_vec();
        if ids.len() > self.positions {
            let end = ids[ids.len() - 1];
            ids.truncate(self.positions);
            ids[self.positions - 1] = end;
        }
        let beyond = |id: &&u32| **id as usize >= self.vocabulary;
        if let Some(id) = ids.iter().find(beyond) {
            let problem = format!("it gives token id {id}, the model has {} ids", self.vocabulary);
            return Err(ModelError::Tokenizer { path: self.path.clone(), problem });
        }
        if ids.is_empty() {
            let problem = format!("it gives no tokens for `{text}`");
            return Err(ModelError::Tokenizer { path: self.path.clone(), problem });
        }
        Ok(ids)
    }

    /// Whether it does not add the end token that is looked for; the old one, 2, is not looked for.
    pub(super) fn lacks_end(&self) -> bool {
        self.eos != 2 && self.encode("a").is_ok_and(|ids| !ids.contains(&self.eos))
    }

    /// The token whose output stands for the text, chosen as transformers does: the first largest id where the
    /// configuration has the old end token 2, else the first end token (the first token if there is none).
    pub(super) fn pooled(&self, ids: &[u32]) -> usize {
        let wanted = if self.eos == 2 { ids.iter().max().copied().unwrap_or_default() } else { self.eos };
        ids.iter().position(|id| *id == wanted).unwrap_or(0)
    }
}

fn refuse(path: &Path, source: &dyn std::error::Error) -> ModelError {
    ModelError::Tokenizer { path: path.into(), problem: source.to_string() }
}
