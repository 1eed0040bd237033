use super::ModelError;
use serde::Deserialize;
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
    /// Edge of the picture, in pixels.
    pub image_size: usize,
    /// Edge of a patch, in pixels.
    pub patch_size: usize,
}

impl VisionConfig {
    /// Patches in a picture.
    pub fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Tokens of a picture: its patches and the class token.
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

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    model_type: String,
    projection_dim: Option<usize>,
    #[serde(default)]
    vision_config: TowerFile,
    #[serde(default)]
    text_config: TowerFile,
}

#[derive(Deserialize, Default)]
struct TowerFile {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
    num_channels: Option<usize>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    eos_token_id: Option<u32>,
}

impl ClipConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, names another `model_type`, or holds a setting this crate cannot follow.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let invalid = |source| ModelError::Json { path: path.into(), what: "CLIP configuration", source };
        let file: File = serde_json::from_str(&text).map_err(invalid)?;
        if file.model_type != "clip" {
            let found = file.model_type;
            return Err(ModelError::ModelType { path: path.into(), kind: "CLIP", found, expected: "clip" });
        }
        let check = Check { path };
        let (v, t) = (&file.vision_config, &file.text_config);
        check.is("vision_config.num_channels", v.num_channels.unwrap_or(3), |n| n == 3, "3")?;
        let config = Self {
            vision: VisionConfig {
                encoder: check.encoder(v, [768, 3072, 12, 12])?,
                image_size: v.image_size.unwrap_or(224),
                patch_size: v.patch_size.unwrap_or(32),
            },
            text: TextConfig {
                encoder: check.encoder(t, [512, 2048, 12, 8])?,
                vocabulary: t.vocab_size.unwrap_or(49408),
                positions: t.max_position_embeddings.unwrap_or(77),
                eos_token_id: t.eos_token_id.unwrap_or(49407),
            },
            projection: check.is("projection_dim", file.projection_dim.unwrap_or(512), |n| n > 0, "at least 1")?,
        };
        let (image, patch) = (config.vision.image_size, config.vision.patch_size);
        check.is("vision_config.patch_size", patch, |p| p > 0 && p <= image, "between 1 and `image_size`")?;
        check.is("text_config.max_position_embeddings", config.text.positions, |n| n >= 2, "at least 2")?;
        Ok(config)
    }
}

struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    fn is(&self, key: &'static str, v: usize, holds: impl Fn(usize) -> bool, wants: &str) -> Result<usize, ModelError> {
        if holds(v) { Ok(v) } else { Err(self.refuse(key, v.to_string(), wants)) }
    }

    fn refuse(&self, key: &'static str, found: String, expected: &str) -> ModelError {
        ModelError::Setting { path: self.path.into(), key, found, expected: expected.into() }
    }

    fn encoder(&self, file: &TowerFile, defaults: [usize; 4]) -> Result<EncoderConfig, ModelError> {
        let width = file.hidden_size.unwrap_or(defaults[0]);
        let heads = file.num_attention_heads.unwrap_or(defaults[3]);
        let activation = match file.hidden_act.as_deref() {
            None | Some("quick_gelu") => Activation::QuickGelu,
            Some("gelu") => Activation::Gelu,
            Some(other) => return Err(self.refuse("hidden_act", other.into(), "`quick_gelu` or `gelu`")),
        };
        self.is("hidden_size", width, |w| w > 0, "at least 1")?;
        let divides = |h| h > 0 && width.is_multiple_of(h);
        self.is("num_attention_heads", heads, divides, "a divisor of `hidden_size`")?;
        Ok(EncoderConfig {
            width,
            mlp_width: self.is(
                "intermediate_size",
                file.intermediate_size.unwrap_or(defaults[1]),
                |n| n > 0,
                "at least 1",
            )?,
            layers: file.num_hidden_layers.unwrap_or(defaults[2]),
            heads,
            activation,
            layer_norm_eps: file.layer_norm_eps.unwrap_or(1e-5),
        })
    }
}
