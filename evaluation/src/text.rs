//! The text tower, which makes heads. It runs on the processor: a head is built once and takes seconds.

mod tokenizer;

pub use tokenizer::Tokenizer;

use crate::model::{
    ClipConfig, ModelError,
    host::{
        encoder::{Encoder, Norm, Scratch, Shape},
        kernels::{View, matmul},
        linear::Operands,
    },
    weights::Weights,
};
use rayon::prelude::*;
use std::path::Path;

/// Texts that one thread takes through the layers at once.
const STEP: usize = 16;

/// A CLIP text tower with its tokenizer and projection.
pub struct TextModel {
    config: ClipConfig,
    tokenizer: Tokenizer,
    /// `[vocabulary, width]`
    token: Vec<f32>,
    /// `[positions, width]`
    position: Vec<f32>,
    encoder: Encoder,
    norm: Norm,
    /// `[width, projection]`
    projection: Vec<f32>,
    logit_scale: f32,
}

impl TextModel {
    /// Opens a Hugging Face `CLIPModel` folder: `config.json`, `tokenizer.json` and the weights.
    ///
    /// # Errors
    /// Names the file, the key or tensor, and what was expected; see [`ModelError`].
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let config = ClipConfig::read(&folder.join("config.json"))?;
        let weights = Weights::open(folder)?;
        let text = &config.text;
        let width = config.text.encoder.width;
        let embedding = |name: &str, rows| weights.get(&format!("text_model.embeddings.{name}.weight"), &[rows, width]);
        let norm = weights.norm("text_model.final_layer_norm", width)?;
        let tokenizer = Tokenizer::open(&folder.join("tokenizer.json"), text)?;
        Ok(Self {
            tokenizer,
            token: embedding("token_embedding", text.vocabulary)?,
            position: embedding("position_embedding", text.positions)?,
            encoder: Encoder::new(text.encoder, Operands::F32, weights.blocks("text_model", &text.encoder)?),
            norm: Norm::new(norm, text.encoder.layer_norm_eps),
            projection: weights.linear("text_projection", config.projection, width)?,
            logit_scale: weights.get("logit_scale", &[])?.first().copied().unwrap_or_default(),
            config,
        })
    }

    /// Checks that [`open`](Self::open) would find what it reads, from the headers of the weights.
    ///
    /// # Errors
    /// As there.
    pub fn check(folder: &Path) -> Result<(), ModelError> {
        let config = ClipConfig::read(&folder.join("config.json"))?;
        Weights::open(folder)?.check_text(&config)?;
        Tokenizer::open(&folder.join("tokenizer.json"), &config.text).map(drop)
    }

    /// A note on an end token in `config.json` that the tokenizer ends no text with; nothing where one of the two
    /// cannot be read.
    pub fn note(folder: &Path) -> Option<String> {
        let config = ClipConfig::read(&folder.join("config.json")).ok()?;
        let tokenizer = Tokenizer::open(&folder.join("tokenizer.json"), &config.text).ok()?;
        tokenizer.lacks_end().then(|| {
            format!(
                "`config.json` has `text_config.eos_token_id: {}` (49407 where it says none), which `tokenizer.json` does not add to \
                 texts: prompts without that token are read at their first one, as in transformers",
                config.text.eos_token_id
            )
        })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Numbers in a text's features.
    pub fn width(&self) -> usize {
        self.config.projection
    }

    /// The logarithm of the factor on cosines, as trained.
    pub fn logit_scale(&self) -> f32 {
        self.logit_scale
    }

    /// Computes the projected features of texts, not normalised: `[texts, width]`.
    ///
    /// A token sees only those before it, so what a batch pads behind the end token changes nothing.
    ///
    /// # Errors
    /// The tokenizer refuses a text.
    pub fn features(&self, texts: &[String]) -> Result<Vec<f32>, ModelError> {
        let ids = texts.iter().map(|text| self.tokenizer.encode(text)).collect::<Result<Vec<_>, _>>()?;
        let mut features = vec![0.0; texts.len() * self.config.projection];
        let steps = features.par_chunks_mut(STEP * self.config.projection).zip(ids.par_chunks(STEP));
        steps.for_each_init(Scratch::default, |scratch, (to, ids)| self.step(to, ids, scratch));
        Ok(features)
    }

    fn step(&self, to: &mut [f32], texts: &[Vec<u32>], scratch: &mut Scratch) {
        let width = self.config.text.encoder.width;
        let tokens = texts.iter().map(Vec::len).max().unwrap_or(0);
        let mut x = vec![0.0; texts.len() * tokens * width];
        for (ids, rows) in texts.iter().zip(x.chunks_exact_mut(tokens * width)) {
            for ((id, row), position) in
                ids.iter().zip(rows.chunks_exact_mut(width)).zip(self.position.chunks_exact(width))
            {
                let token = &self.token[*id as usize * width..][..width];
                row.iter_mut().zip(token).zip(position).for_each(|((x, t), p)| *x = t + p);
            }
        }
        let pool: Vec<usize> = texts.iter().map(|ids| self.tokenizer.pooled(ids)).collect();
        let mut pooled = vec![0.0; texts.len() * width];
        self.encoder.pooled(&mut pooled, &mut x, Shape { tokens, pool: &pool, causal: true }, scratch);
        let mut normed = vec![0.0; pooled.len()];
        self.norm.apply(&mut normed, &pooled);
        let rows = texts.len();
        let projection = self.config.projection;
        let from = (normed.as_slice(), View::dense(rows, width));
        matmul(
            (to, View::dense(rows, projection)),
            false,
            1.0,
            from,
            (&self.projection, View::dense(width, projection)),
        );
    }
}
