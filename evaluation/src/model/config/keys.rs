//! The keys of a CLIP model's `config.json`.

use crate::settings::{
    Fate::{Honoured, WithoutEffect},
    Keys, PRETRAINED, TRAINING,
};

/// At the top.
pub(super) const MODEL: &[Keys] = &[AT_THE_TOP, PRETRAINED];

const AT_THE_TOP: Keys = &[
    ("model_type", Honoured),
    ("projection_dim", Honoured),
    ("text_config", Honoured),
    ("vision_config", Honoured),
    ("text_config_dict", Honoured),
    ("vision_config_dict", Honoured),
    ("logit_scale_init_value", WithoutEffect("the weights hold the factor as it was trained")),
    ("initializer_factor", WithoutEffect(TRAINING)),
];

const OWN_PROJECTION: &str = "a whole CLIP model projects to the width that the top of the file states";

/// In `vision_config`.
pub(super) const VISION: &[Keys] = &[OF_IMAGES, PRETRAINED];

const OF_IMAGES: Keys = &[
    ("hidden_size", Honoured),
    ("intermediate_size", Honoured),
    ("num_hidden_layers", Honoured),
    ("num_attention_heads", Honoured),
    ("num_channels", Honoured),
    ("image_size", Honoured),
    ("patch_size", Honoured),
    ("hidden_act", Honoured),
    ("layer_norm_eps", Honoured),
    ("projection_dim", WithoutEffect(OWN_PROJECTION)),
];

/// In `text_config`.
pub(super) const TEXT: &[Keys] = &[OF_TEXTS, PRETRAINED];

const OF_TEXTS: Keys = &[
    ("hidden_size", Honoured),
    ("intermediate_size", Honoured),
    ("num_hidden_layers", Honoured),
    ("num_attention_heads", Honoured),
    ("vocab_size", Honoured),
    ("max_position_embeddings", Honoured),
    ("hidden_act", Honoured),
    ("layer_norm_eps", Honoured),
    ("eos_token_id", Honoured),
    ("projection_dim", WithoutEffect(OWN_PROJECTION)),
    ("pad_token_id", WithoutEffect("what comes after the end token reaches no state that is read")),
];
