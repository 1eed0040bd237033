//! The keys of `config.json` that all families of decoders share.

use crate::settings::{
    Fate::{Honoured, Only, WithoutEffect},
    Keys, PRETRAINED, SPEED,
};

/// At the top, beside those of the family.
pub(super) const SHARED: [Keys; 2] = [COMMON, PRETRAINED];

/// In `rope_scaling` and `rope_parameters`.
pub(super) const ROPE: &[Keys] = &[OF_ROPE];

const NO_SUCH_THING: &str = "none: models of this family have no such thing, though others have";

const COMMON: Keys = &[
    ("model_type", Honoured),
    ("hidden_size", Honoured),
    ("intermediate_size", Honoured),
    ("num_hidden_layers", Honoured),
    ("num_attention_heads", Honoured),
    ("num_key_value_heads", Honoured),
    ("head_dim", Honoured),
    ("hidden_act", Honoured),
    ("rms_norm_eps", Honoured),
    ("rope_theta", Honoured),
    ("rope_scaling", Honoured),
    ("rope_parameters", Honoured),
    ("vocab_size", Honoured),
    ("max_position_embeddings", Honoured),
    ("pad_token_id", Honoured),
    ("dtype", Honoured),
    ("torch_dtype", Honoured),
    ("attention_bias", Only { values: &["false"], expected: "`false`" }),
    ("mlp_bias", Only { values: &["false"], expected: "`false`" }),
    ("is_causal", Only { values: &["true"], expected: "`true`: no token sees a later one" }),
    ("use_bidirectional_attention", Only { values: &["false"], expected: "`false`: no token sees a later one" }),
    ("partial_rotary_factor", Only { values: &["1"], expected: "1" }),
    ("attention_chunk_size", Only { values: &[], expected: NO_SUCH_THING }),
    ("no_rope_layers", Only { values: &["[]"], expected: NO_SUCH_THING }),
    ("use_qk_norm", Only { values: &["false"], expected: NO_SUCH_THING }),
    ("qk_layernorm", Only { values: &["false"], expected: NO_SUCH_THING }),
    ("clip_qkv", Only { values: &[], expected: NO_SUCH_THING }),
    ("attn_logit_softcapping", Only { values: &[], expected: NO_SUCH_THING }),
    ("final_logit_softcapping", Only { values: &[], expected: NO_SUCH_THING }),
    ("query_pre_attn_scalar", Only { values: &[], expected: NO_SUCH_THING }),
    ("attention_multiplier", Only { values: &[], expected: NO_SUCH_THING }),
    ("embedding_multiplier", Only { values: &["1"], expected: NO_SUCH_THING }),
    ("residual_multiplier", Only { values: &["1"], expected: NO_SUCH_THING }),
    ("logits_scaling", WithoutEffect("nothing reads the output embedding")),
    ("pretraining_tp", WithoutEffect(SPEED)),
    ("original_max_position_embeddings", WithoutEffect(OTHER_ROPE)),
];

const OTHER_ROPE: &str = "it belongs to ways to stretch the rotary frequencies that are refused by name";

const OF_ROPE: Keys = &[
    ("rope_type", Honoured),
    ("type", Honoured),
    ("rope_theta", Honoured),
    ("factor", Honoured),
    ("low_freq_factor", Honoured),
    ("high_freq_factor", Honoured),
    ("original_max_position_embeddings", Honoured),
    ("partial_rotary_factor", Only { values: &["1"], expected: "1" }),
    ("attention_factor", WithoutEffect(OTHER_ROPE)),
    ("beta_fast", WithoutEffect(OTHER_ROPE)),
    ("beta_slow", WithoutEffect(OTHER_ROPE)),
    ("short_factor", WithoutEffect(OTHER_ROPE)),
    ("long_factor", WithoutEffect(OTHER_ROPE)),
    ("mscale", WithoutEffect(OTHER_ROPE)),
    ("mscale_all_dim", WithoutEffect(OTHER_ROPE)),
    ("truncate", WithoutEffect(OTHER_ROPE)),
    ("finetuned", WithoutEffect(OTHER_ROPE)),
];
