//! The keys of `preprocessor_config.json` and `processor_config.json`.

use crate::settings::{
    Fate::{Honoured, Only, WithoutEffect},
    Keys, NAMES, SPEED,
};

/// Of an image processor: `preprocessor_config.json`, and `image_processor` in `processor_config.json`.
pub(super) const IMAGES: &[Keys] = &[IMAGE_PROCESSOR];

/// At the top of `processor_config.json`.
pub(super) const PROCESSOR: &[Keys] = &[OF_PROCESSOR];

/// What decides what an image becomes.
const IMAGE_PROCESSOR: Keys = &[
    ("do_resize", Honoured),
    ("size", Honoured),
    ("resample", Honoured),
    ("do_center_crop", Honoured),
    ("crop_size", Honoured),
    ("do_rescale", Honoured),
    ("rescale_factor", Honoured),
    ("do_normalize", Honoured),
    ("image_mean", Honoured),
    ("image_std", Honoured),
    ("image_processor_type", Honoured),
    ("feature_extractor_type", Honoured),
    ("do_pad", Only { values: &["false"], expected: "`false`: images are not padded" }),
    ("pad_size", Only { values: &[], expected: "none: images are not padded" }),
    ("default_to_square", Only { values: &["false"], expected: "`false`: write `size` with `height` and `width`" }),
    ("use_square_size", Only { values: &["false"], expected: "`false`: write `size` with `height` and `width`" }),
    ("do_convert_rgb", WithoutEffect("every image has three channels here; transformers fails on others without it")),
    ("processor_class", WithoutEffect(NAMES)),
    ("_processor_class", WithoutEffect(NAMES)),
    ("auto_map", WithoutEffect(NAMES)),
    ("_valid_processor_keys", WithoutEffect(NAMES)),
    ("model_input_names", WithoutEffect(NAMES)),
    ("data_format", WithoutEffect("it says how numbers lie in memory")),
    ("input_data_format", WithoutEffect("images are read from files, whose format says it")),
    ("return_tensors", WithoutEffect("it says in which type numbers come")),
    ("device", WithoutEffect(SPEED)),
    ("disable_grouping", WithoutEffect(SPEED)),
    ("use_fast", WithoutEffect(SPEED)),
    ("image_seq_length", WithoutEffect("it is for models that write")),
];

const OTHER_KINDS: &str = "it is not of images";

const OF_PROCESSOR: Keys = &[
    ("image_processor", Honoured),
    ("processor_class", WithoutEffect(NAMES)),
    ("auto_map", WithoutEffect(NAMES)),
    ("tokenizer", WithoutEffect(OTHER_KINDS)),
    ("video_processor", WithoutEffect(OTHER_KINDS)),
    ("feature_extractor", WithoutEffect(OTHER_KINDS)),
    ("audio_processor", WithoutEffect(OTHER_KINDS)),
    ("chat_template", WithoutEffect(OTHER_KINDS)),
];
