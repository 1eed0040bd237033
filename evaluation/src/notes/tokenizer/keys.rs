//! The keys of `tokenizer_config.json` and the parts of `tokenizer.json`: what becomes of each.

const DECODING: &str = "it is for turning tokens into text";
const NAMES: &str = "it names something";
const ENDS: &str = "the post-processor of `tokenizer.json` puts special tokens around texts, by their ids";
const LENGTH: &str = "`max_length` of a task says where texts are cut";
const PADDING: &str = "texts lie side by side without padding";
const CHAT: &str = "it is for conversations";

/// The keys of `tokenizer_config.json` of which a note says so where `tokenizer.json` does not follow them.
pub(super) const NOTED: [&str; 7] = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "added_tokens_decoder",
    "do_lower_case",
    "split_special_tokens",
    "truncation_side",
];

/// The keys of `tokenizer_config.json` and `special_tokens_map.json` that change no token, and why. Of any other key
/// the same is true, since tokens come from `tokenizer.json` alone.
pub(super) const WITHOUT_EFFECT: [(&str, &str); 27] = [
    ("clean_up_tokenization_spaces", DECODING),
    ("spaces_between_special_tokens", DECODING),
    ("skip_special_tokens", DECODING),
    ("padding_side", PADDING),
    ("padding", PADDING),
    ("pad_token", PADDING),
    ("pad_token_type_id", PADDING),
    ("model_max_length", LENGTH),
    ("max_length", LENGTH),
    ("truncation", LENGTH),
    ("truncation_strategy", LENGTH),
    ("stride", LENGTH),
    ("sep_token", ENDS),
    ("cls_token", ENDS),
    ("unk_token", "the model of `tokenizer.json` names its own"),
    ("mask_token", "no text is masked"),
    ("additional_special_tokens", "added tokens lie in `tokenizer.json`"),
    ("extra_special_tokens", "added tokens lie in `tokenizer.json`"),
    ("legacy", "it is for reading `tokenizer.model`, which nothing reads"),
    ("sp_model_kwargs", "it is for reading `tokenizer.model`, which nothing reads"),
    ("errors", DECODING),
    ("use_default_system_prompt", CHAT),
    ("chat_template", CHAT),
    ("model_input_names", NAMES),
    ("name_or_path", NAMES),
    ("special_tokens_map_file", NAMES),
    ("auto_map", NAMES),
];

/// The parts of `tokenizer.json` that decide tokens.
pub(super) const FOLLOWED: [&str; 5] = ["added_tokens", "normalizer", "pre_tokenizer", "model", "post_processor"];

/// The parts of `tokenizer.json` that do not, and why.
pub(super) const NOT_FOLLOWED: [(&str, &str); 3] =
    [("truncation", LENGTH), ("padding", PADDING), ("decoder", DECODING)];
