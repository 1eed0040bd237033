use super::{
    ClipConfig,
    keys::{MODEL, TEXT, VISION},
};
use crate::settings::table_cases::check_table;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn read(file: &Value) -> Result<ClipConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, file.to_string()).unwrap();
    ClipConfig::read(&path).map_err(|error| jobs::error_chain(&error))
}

fn refused(file: &Value) -> String {
    let message = read(file).unwrap_err();
    message.split_once("`: ").map_or(message.clone(), |(_, problem)| problem.to_owned())
}

#[test]
fn every_key_does_what_its_table_says() {
    let changed = BTreeMap::from([
        ("model_type", json!({"model_type": "clipseg"})),
        ("projection_dim", json!({"projection_dim": 768})),
        ("text_config", json!({"text_config": {"vocab_size": 12}})),
        ("vision_config", json!({"vision_config": {"patch_size": 14}})),
        ("text_config_dict", json!({"text_config_dict": {"hidden_size": 768}})),
        ("vision_config_dict", json!({"vision_config_dict": {"hidden_act": "gelu"}})),
    ]);
    check_table(MODEL, &json!({"model_type": "clip"}), &changed, read);
}

#[test]
fn every_key_of_a_tower_does_what_its_table_says() {
    let common = [
        ("hidden_size", json!({"hidden_size": 1536})),
        ("intermediate_size", json!({"intermediate_size": 12})),
        ("num_hidden_layers", json!({"num_hidden_layers": 3})),
        ("num_attention_heads", json!({"num_attention_heads": 4})),
        ("hidden_act", json!({"hidden_act": "gelu"})),
        ("layer_norm_eps", json!({"layer_norm_eps": 1e-6})),
    ];
    let vision = [
        ("num_channels", json!({"num_channels": 1})),
        ("image_size", json!({"image_size": 336})),
        ("patch_size", json!({"patch_size": 14})),
    ];
    let text = [
        ("vocab_size", json!({"vocab_size": 49409})),
        ("max_position_embeddings", json!({"max_position_embeddings": 78})),
        ("eos_token_id", json!({"eos_token_id": 2})),
    ];
    let both = |own: [(&'static str, Value); 3]| common.clone().into_iter().chain(own).collect::<BTreeMap<_, _>>();
    for part in ["vision_config", "vision_config_dict"] {
        check_table(VISION, &json!({}), &both(vision.clone()), |tower| {
            read(&json!({"model_type": "clip", part: tower}))
        });
    }
    for part in ["text_config", "text_config_dict"] {
        check_table(TEXT, &json!({}), &both(text.clone()), |tower| read(&json!({"model_type": "clip", part: tower})));
    }
}

#[test]
fn a_tower_that_is_there_twice_has_to_be_the_same() {
    let twice = |own: Value, old: Value| json!({"model_type": "clip", "vision_config": own, "vision_config_dict": old});
    let plain = read(&json!({"model_type": "clip", "vision_config": {"patch_size": 16}}));
    // As in files of OpenAI's models: one part leaves out what has its default.
    assert_eq!(read(&twice(json!({"patch_size": 16, "image_size": 224}), json!({"patch_size": 16}))), plain);
    assert_eq!(read(&twice(Value::Null, json!({"patch_size": 16}))), plain);
    assert_eq!(read(&twice(json!({"patch_size": 16}), Value::Null)), plain);
    assert_eq!(
        refused(&twice(json!({"hidden_act": "quick_gelu", "image_size": 224}), json!({"hidden_act": "gelu"}))),
        "`vision_config_dict.hidden_act` is `gelu`, expected `quick_gelu` as in `vision_config`, or only one of the two parts"
    );
    assert_eq!(
        refused(&json!({"model_type": "clip", "text_config": {"eos_token_id": 2}, "text_config_dict": {}})),
        "`text_config_dict.eos_token_id` is `null`, expected `2` as in `text_config`, or only one of the two parts"
    );
}

#[test]
fn sizes_that_no_model_has_are_refused_before_they_are_multiplied() {
    let vision = |tower: Value| refused(&json!({"model_type": "clip", "vision_config": tower}));
    assert_eq!(
        vision(json!({"image_size": 1u64 << 40, "patch_size": 1})),
        "`vision_config.image_size` is `1099511627776`, expected at most 8192"
    );
    assert_eq!(vision(json!({"hidden_size": 0})), "`vision_config.hidden_size` is `0`, expected at least 1");
    assert_eq!(
        vision(json!({"patch_size": 0})),
        "`vision_config.patch_size` is `0`, expected between 1 and `image_size`"
    );
    assert_eq!(
        vision(json!({"layer_norm_eps": -1e-5})),
        "`vision_config.layer_norm_eps` is `-0.00001`, expected a finite number, at least 0"
    );
    assert_eq!(
        vision(json!({"hidden_act": "gelu_new"})),
        "`vision_config.hidden_act` is `gelu_new`, expected `quick_gelu` or `gelu`"
    );
}
