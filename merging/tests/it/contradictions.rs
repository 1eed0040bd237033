//! Adapters whose tensors are not what their configuration, their base or a complete save would have them be.

use crate::reading::{Place, Tensor, config, pair, refusal, safe, tensor};
use safetensors::Dtype;
use serde_json::{Value, json};

const NOTHING_SAVED: &str = "nothing was saved; gather the weights first (DeepSpeed ZeRO-3, FSDP) and save again";

fn empty(name: &str, shape: &[usize]) -> Tensor {
    (format!("base_model.model.{name}"), shape.to_vec(), Vec::new())
}

fn with(key: &str, value: Value) -> Value {
    let mut config = config();
    config[key] = value;
    config
}

#[test]
fn tensors_without_elements_were_not_saved() {
    let factors = [empty("layers.0.q.lora_A.weight", &[0, 6]), empty("layers.0.q.lora_B.weight", &[4, 0])];
    let expected = format!(
        "`base_model.model.layers.0.q.lora_A.weight` in `adapter/adapter_model.safetensors` has the shape [0, 6], expected two \
         dimensions that are not 0: {NOTHING_SAVED}"
    );
    assert_eq!(refusal(config(), &[pair("layers.0.k"), factors.to_vec()].concat()), expected);
    for name in ["score.weight", "classifier.bias", "wide.weight"] {
        let message = refusal(config(), &[pair("layers.0.q"), vec![empty(name, &[0])]].concat());
        let known = if name == "wide.weight" { "neither a LoRA factor" } else { NOTHING_SAVED };
        assert!(message.contains(known), "{message}");
    }
    let place = Place::with_base(&[("model.layers.0.q", [4, 6]), ("lm_head", [7, 6])], json!({}));
    place.put(config(), &[pair("model.layers.0.q"), vec![empty("lm_head.weight", &[0])]].concat());
    assert!(place.refusal_whole().ends_with(&format!("it has the shape [0]: {NOTHING_SAVED}")));
}

#[test]
fn a_base_without_elements_was_not_saved() {
    let place = Place::new();
    let base = [("layers.0.q.weight".to_owned(), vec![0], Vec::new())];
    safe(&place.folder.path().join("base/model.safetensors"), &base, Dtype::F32);
    place.put(config(), &pair("layers.0.q"));
    let message = place.refusal_whole();
    assert!(message.ends_with(&format!("its `layers.0.q.weight` has the shape [0]: {NOTHING_SAVED}")), "{message}");
}

#[test]
fn ranks_that_the_configuration_contradicts_are_refused() {
    let tensors = [pair("layers.0.q"), pair("layers.0.k")].concat();
    let expected = |says: &str, module: &str| {
        format!("{says} in `adapter/adapter_config.json`, but the factors of `{module}` have the rank 2")
    };
    assert_eq!(refusal(with("r", json!(8)), &tensors), expected("`r` is `8`", "layers.0.k"));
    let patterned = with("rank_pattern", json!({"0.q": 4, "q": 2}));
    assert_eq!(refusal(patterned, &tensors), expected("`rank_pattern` is `0.q: 4`", "layers.0.q"));
    let mut agreeing = vec![with("rank_pattern", json!({"q": 2, "layers.0.q": 4})), with("r", json!(null))];
    let mut others = with("rank_pattern", json!({"q|k": 2}));
    others["r"] = json!(8);
    agreeing.push(others);
    for config in agreeing {
        let place = Place::new();
        place.put(config.clone(), &tensors);
        assert!(place.read().is_ok(), "{config}");
    }
}

#[test]
fn an_update_of_another_width_is_held_against_its_own_side() {
    let towers = [("text_model.layers.0.q", [4, 8]), ("vision_model.layers.0.q", [4, 9])];
    let place = Place::with_base(&towers, json!({"model_type": "clip"}));
    let class = |class: &str| with("auto_mapping", json!({"base_model_class": class, "parent_library": "x"}));
    for (class_name, weight) in [
        ("CLIPVisionModel", "`vision_model.layers.0.q.weight` of the base is [4, 9]"),
        ("CLIPTextModel", "`text_model.layers.0.q.weight` of the base is [4, 8]"),
    ] {
        place.put(class(class_name), &pair("layers.0.q"));
        let message = place.refusal_whole();
        assert!(message.contains("updates a weight of shape [4, 6], but ") && message.contains(weight), "{message}");
    }
    let chance = Place::with_base(&[("text_model.layers.0.q", [4, 6]), towers[1]], json!({"model_type": "clip"}));
    chance.put(class("CLIPVisionModel"), &pair("layers.0.q"));
    let message = chance.refusal_whole();
    assert!(message.contains("but `vision_model.layers.0.q.weight` of the base is [4, 9]"), "{message}");
    place.put(config(), &pair("layers.0.q"));
    let expected = "`layers.0.q` in `adapter/adapter_model.safetensors` updates a weight of shape [4, 6], which none of the base's \
                    weights of that name has, `text_model.layers.0.q.weight` [4, 8], `vision_model.layers.0.q.weight` [4, 9]: \
                    is it an adapter of another base?";
    assert_eq!(place.refusal_whole(), expected);
}

#[test]
fn a_copy_of_either_towers_weight_changes_nothing() {
    let place = Place::new();
    let weight = |tower: &str, seed| {
        let (_, shape, values) = tensor("", 4, 6, seed);
        (format!("{tower}.layers.0.q.weight"), shape, values)
    };
    let base = [weight("text_model", 5), weight("vision_model", 6)];
    safe(&place.folder.path().join("base/model.safetensors"), &base, Dtype::F32);
    let class = with("auto_mapping", json!({"base_model_class": "CLIPVisionModel", "parent_library": "x"}));
    for (seed, is_copy) in [(5, true), (6, true), (7, false)] {
        let copy = tensor("layers.0.q.base_layer.weight", 4, 6, seed);
        place.put(class.clone(), &[pair("layers.0.q"), vec![copy]].concat());
        assert_eq!(place.read_whole().is_ok(), is_copy, "{seed}");
    }
    let message = place.refusal_whole();
    let both = "differs from the base's `text_model.layers.0.q.weight` and `vision_model.layers.0.q.weight`";
    assert!(message.contains(both), "{message}");
}
