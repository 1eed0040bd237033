mod check;
mod file;
mod keys;
#[cfg(test)]
mod tests;

use super::ModelError;
use file::File;
use std::path::Path;

/// The activation between the two MLP layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · σ(1.702 x)`, OpenAI's.
    QuickGelu,
    /// `x · Φ(x)` with the error function, OpenCLIP's.
    Gelu,
}

/// The sizes of a transformer encoder, of either tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderConfig {
    /// Width of a token.
    pub width: usize,
    /// Width of the MLP's inner layer.
    pub mlp_width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads per block.
    pub heads: usize,
    /// The activation in the MLP.
    pub activation: Activation,
    /// Added to the variance by each layer norm.
    pub layer_norm_eps: f32,
}

/// The image tower's configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VisionConfig {
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Edge of the image, in pixels.
    pub image_size: usize,
    /// Edge of a patch, in pixels.
    pub patch_size: usize,
}

impl VisionConfig {
    /// Patches in an image.
    pub fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Tokens of an image: its patches and the class token.
    pub fn tokens(&self) -> usize {
        self.patches() + 1
    }
}

/// The text tower's configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextConfig {
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest text, start and end token included.
    pub positions: usize,
    /// The end token as the configuration states it; 2 is the mark of old files and means "the largest id".
    pub eos_token_id: u32,
}

/// A CLIP model's `config.json`, with the defaults of Hugging Face transformers for what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipConfig {
    /// The image tower.
    pub vision: VisionConfig,
    /// The text tower.
    pub text: TextConfig,
    /// Width of the space the two towers share.
    pub projection: usize,
}

impl ClipConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, names another `model_type`, or holds a setting this crate cannot follow.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        File::read(path)?.config()
    }

    /// The keys of `config.json` that are not known, for people.
    pub(crate) fn unknown_keys(path: &Path) -> Result<Vec<String>, ModelError> {
        Ok(File::read(path)?.unknown_keys())
    }
}
