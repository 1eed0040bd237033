//! The keys that transformers puts into the configuration of every model.

use super::{Fate, Fate::WithoutEffect, Keys};

/// A name or a version.
pub(crate) const NAMES: &str = "it names something and is no part of the computation";
/// A setting of training.
pub(crate) const TRAINING: &str = "it is for training or for new weights";
/// A setting of speed and memory.
pub(crate) const SPEED: &str = "it changes how something is computed, and not what";
const COUNT: &str = "each task brings its own head, whose rows are the classes";

const GENERATION: &str = "it is for the generation of text";
const OUTPUT: &str = "it chooses what a call returns besides";
const HALVES: &str = "it is for models of an encoder and a decoder";
const UNREAD: &str = "nothing reads the output embedding";
const TOKENS: &str = "`tokenizer.json` alone puts tokens around a text";

/// What a model of any kind may have. The tables of the kinds come before it.
pub(crate) const PRETRAINED: Keys = &[
    ("quantization_config", Fate::Only { values: &[], expected: "none: quantised weights are not read" }),
    ("compression_config", Fate::Only { values: &[], expected: "none: compressed weights are not read" }),
    ("pruned_heads", Fate::Only { values: &["{}"], expected: "none: a pruned model has other shapes" }),
    ("_name_or_path", WithoutEffect(NAMES)),
    ("_commit_hash", WithoutEffect(NAMES)),
    ("name_or_path", WithoutEffect(NAMES)),
    ("model_type", WithoutEffect(NAMES)),
    ("transformers_version", WithoutEffect(NAMES)),
    ("architectures", WithoutEffect(NAMES)),
    ("auto_map", WithoutEffect(NAMES)),
    ("unsloth_version", WithoutEffect(NAMES)),
    ("unsloth_fixed", WithoutEffect(NAMES)),
    ("finetuning_task", WithoutEffect(NAMES)),
    ("task_specific_params", WithoutEffect(GENERATION)),
    ("tokenizer_class", WithoutEffect(NAMES)),
    ("torch_dtype", WithoutEffect("each tensor states its own format")),
    ("dtype", WithoutEffect("each tensor states its own format")),
    ("use_bfloat16", WithoutEffect("the sweep file states the format of the evaluation")),
    ("num_labels", WithoutEffect(COUNT)),
    ("_num_labels", WithoutEffect(COUNT)),
    ("id2label", WithoutEffect(COUNT)),
    ("label2id", WithoutEffect(COUNT)),
    ("problem_type", WithoutEffect("it chooses the loss of training")),
    ("classifier_dropout", WithoutEffect(TRAINING)),
    ("attention_dropout", WithoutEffect(TRAINING)),
    ("dropout", WithoutEffect(TRAINING)),
    ("initializer_range", WithoutEffect(TRAINING)),
    ("initializer_factor", WithoutEffect(TRAINING)),
    ("gradient_checkpointing", WithoutEffect(TRAINING)),
    ("use_cache", WithoutEffect(SPEED)),
    ("torchscript", WithoutEffect(SPEED)),
    ("chunk_size_feed_forward", WithoutEffect(SPEED)),
    ("_attn_implementation", WithoutEffect(SPEED)),
    ("_attn_implementation_autoset", WithoutEffect(SPEED)),
    ("attn_implementation", WithoutEffect(SPEED)),
    ("_flash_attn_2_enabled", WithoutEffect(SPEED)),
    ("_experts_implementation", WithoutEffect(SPEED)),
    ("return_dict", WithoutEffect(OUTPUT)),
    ("output_attentions", WithoutEffect(OUTPUT)),
    ("output_hidden_states", WithoutEffect(OUTPUT)),
    ("_output_attentions", WithoutEffect(OUTPUT)),
    ("tie_word_embeddings", WithoutEffect(UNREAD)),
    ("tie_encoder_decoder", WithoutEffect(HALVES)),
    ("is_encoder_decoder", WithoutEffect(HALVES)),
    ("is_decoder", WithoutEffect(HALVES)),
    ("add_cross_attention", WithoutEffect(HALVES)),
    ("cross_attention_hidden_size", WithoutEffect(HALVES)),
    ("decoder_start_token_id", WithoutEffect(HALVES)),
    ("bos_token_id", WithoutEffect(TOKENS)),
    ("eos_token_id", WithoutEffect(TOKENS)),
    ("sep_token_id", WithoutEffect(TOKENS)),
    ("pad_token_id", WithoutEffect("texts lie side by side without padding")),
    ("prefix", WithoutEffect(GENERATION)),
    ("bad_words_ids", WithoutEffect(GENERATION)),
    ("begin_suppress_tokens", WithoutEffect(GENERATION)),
    ("diversity_penalty", WithoutEffect(GENERATION)),
    ("do_sample", WithoutEffect(GENERATION)),
    ("early_stopping", WithoutEffect(GENERATION)),
    ("encoder_no_repeat_ngram_size", WithoutEffect(GENERATION)),
    ("exponential_decay_length_penalty", WithoutEffect(GENERATION)),
    ("forced_bos_token_id", WithoutEffect(GENERATION)),
    ("forced_eos_token_id", WithoutEffect(GENERATION)),
    ("length_penalty", WithoutEffect(GENERATION)),
    ("max_length", WithoutEffect(GENERATION)),
    ("max_new_tokens", WithoutEffect(GENERATION)),
    ("min_length", WithoutEffect(GENERATION)),
    ("no_repeat_ngram_size", WithoutEffect(GENERATION)),
    ("num_beam_groups", WithoutEffect(GENERATION)),
    ("num_beams", WithoutEffect(GENERATION)),
    ("num_return_sequences", WithoutEffect(GENERATION)),
    ("output_scores", WithoutEffect(GENERATION)),
    ("remove_invalid_values", WithoutEffect(GENERATION)),
    ("repetition_penalty", WithoutEffect(GENERATION)),
    ("return_dict_in_generate", WithoutEffect(GENERATION)),
    ("suppress_tokens", WithoutEffect(GENERATION)),
    ("temperature", WithoutEffect(GENERATION)),
    ("tf_legacy_loss", WithoutEffect(TRAINING)),
    ("top_k", WithoutEffect(GENERATION)),
    ("top_p", WithoutEffect(GENERATION)),
    ("typical_p", WithoutEffect(GENERATION)),
];
