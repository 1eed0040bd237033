//! Which weight of the base an adapter's key means, and what is said where none is meant.

use crate::reading::{Place, config, pair, tensor};
use merging::Adapter;
use serde_json::{Value, json};

const TOWERS: [(&str, [usize; 2]); 4] = [
    ("text_model.layers.0.q", [4, 6]),
    ("text_model.layers.1.q", [4, 6]),
    ("vision_model.layers.0.q", [4, 6]),
    ("vision_model.layers.1.q", [4, 6]),
];

fn of_class(class: &str) -> Value {
    let mut config = config();
    config["auto_mapping"] = json!({"base_model_class": class, "parent_library": "transformers.models.clip"});
    config
}

fn targets(adapter: &Adapter) -> Vec<&str> {
    adapter.modules.keys().map(String::as_str).collect()
}

/// What is said of a module that the base does not have.
fn unmatched(base: &[(&str, [usize; 2])], base_config: Value, module: &str) -> String {
    let place = Place::with_base(base, base_config);
    place.put(config(), &pair(module));
    let message = place.refusal_whole();
    let (_, because) = message.split_once("matches no weight of the base `base`: ").unwrap_or(("", &message));
    because.to_owned()
}

#[test]
fn the_class_decides_between_towers_of_one_width() {
    let place = Place::with_base(&TOWERS, json!({"model_type": "clip"}));
    for (class, tower) in [
        ("CLIPTextModel", "text_model"),
        ("CLIPTextModelWithProjection", "text_model"),
        ("SiglipTextModel", "text_model"),
        ("CLIPVisionModel", "vision_model"),
        ("CLIPVisionTransformer", "vision_model"),
    ] {
        place.put(of_class(class), &pair("layers.0.q"));
        assert_eq!(targets(&place.read_whole().unwrap()), [format!("{tower}.layers.0.q")], "{class}");
    }
}

#[test]
fn without_a_class_both_towers_are_named() {
    let place = Place::with_base(&TOWERS, json!({}));
    place.put(config(), &pair("layers.0.q"));
    let expected = "`base_model.model.layers.0.q.lora_A.weight` in `adapter/adapter_model.safetensors` matches several weights of \
                    the base, `text_model.layers.0.q.weight`, `vision_model.layers.0.q.weight`, and `auto_mapping` in its \
                    `adapter_config.json` names no class: set its `base_model_class` to the class that was trained";
    assert_eq!(place.refusal_whole(), expected);
    place.put(of_class("CLIPModel"), &pair("layers.0.q"));
    assert!(place.refusal_whole().contains("says `CLIPModel`"), "{}", place.refusal_whole());
}

#[test]
fn shapes_and_the_other_modules_decide_where_they_can() {
    let place = Place::with_base(&[("text_model.layers.0.q", [4, 5]), ("vision_model.layers.0.q", [4, 6])], json!({}));
    place.put(config(), &pair("layers.0.q"));
    assert_eq!(targets(&place.read_whole().unwrap()), ["vision_model.layers.0.q"]);
    // Towers of one width, whose other matrices differ.
    let mlp = [("text_model.layers.0.fc", [4, 5]), ("vision_model.layers.0.fc", [4, 6])];
    let place = Place::with_base(&[TOWERS.as_slice(), &mlp].concat(), json!({}));
    place.put(config(), &[pair("layers.0.q"), pair("layers.0.fc")].concat());
    assert_eq!(targets(&place.read_whole().unwrap()), ["vision_model.layers.0.fc", "vision_model.layers.0.q"]);
    let deeper = [TOWERS.as_slice(), &[("vision_model.layers.2.q", [4, 6])]].concat();
    let place = Place::with_base(&deeper, json!({}));
    place.put(config(), &[pair("layers.0.q"), pair("layers.2.q")].concat());
    assert_eq!(targets(&place.read_whole().unwrap()), ["vision_model.layers.0.q", "vision_model.layers.2.q"]);
}

#[test]
fn an_adapter_of_one_tower_is_never_put_into_the_other() {
    // A base with one tower alone, and one whose tower has no prefix of its own.
    let alone = Place::with_base(&TOWERS[2..], json!({}));
    alone.put(of_class("CLIPTextModel"), &pair("layers.0.q"));
    let expected = "`adapter/adapter_model.safetensors` is an adapter of a text tower (`CLIPTextModel`), but the base's only weight \
                    for `base_model.model.layers.0.q.lora_A.weight` is `vision_model.layers.0.q.weight`, of its image tower";
    assert_eq!(alone.refusal_whole(), expected);
    let bare = Place::with_base(&[("layers.0.q", [4, 6])], json!({"architectures": ["CLIPTextModel"]}));
    bare.put(config(), &pair("vision_model.layers.0.q"));
    assert!(bare.refusal_whole().contains("is an adapter of an image tower"), "{}", bare.refusal_whole());
    bare.put(config(), &pair("text_model.layers.0.q"));
    assert_eq!(targets(&bare.read_whole().unwrap()), ["layers.0.q"]);
}

#[test]
fn an_adapter_of_both_towers_is_read() {
    let place = Place::with_base(&TOWERS, json!({"model_type": "clip"}));
    place.put(of_class("CLIPModel"), &[pair("text_model.layers.0.q"), pair("vision_model.layers.0.q")].concat());
    assert_eq!(targets(&place.read_whole().unwrap()), ["text_model.layers.0.q", "vision_model.layers.0.q"]);
}

#[test]
fn bases_with_and_without_the_prefix_of_a_head_are_meant() {
    for prefix in ["model", "transformer", "bert", "roberta", "vit", "swin", "base_model.model"] {
        let place = Place::with_base(&[("layers.0.q", [4, 6])], json!({}));
        place.put(config(), &pair(&format!("{prefix}.layers.0.q")));
        assert_eq!(targets(&place.read_whole().unwrap()), ["layers.0.q"], "{prefix}");
        let module = format!("{prefix}.layers.0.q");
        let place = Place::with_base(&[(&module, [4, 6])], json!({}));
        place.put(config(), &pair("layers.0.q"));
        assert_eq!(targets(&place.read_whole().unwrap()), [module]);
    }
}

#[test]
fn modules_that_transformers_5_renamed_are_found() {
    let table = [
        ("vit.encoder.layer.0.attention.attention.query", "vit.layers.0.attention.q_proj"),
        ("encoder.layer.0.attention.attention.query", "vit.layers.0.attention.q_proj"),
        ("vit.encoder.layer.0.intermediate.dense", "layers.0.mlp.fc1"),
        ("dinov2.encoder.layer.0.attention.output.dense", "dinov2.encoder.layer.0.attention.o_proj"),
        ("model.layers.0.self_attn.q_proj", "model.language_model.layers.0.self_attn.q_proj"),
        ("visual.blocks.0.attn.qkv", "model.visual.blocks.0.attn.qkv"),
        ("language_model.model.layers.0.q", "model.language_model.layers.0.q"),
        ("swin.encoder.layers.0.blocks.0.attention.self.key", "swin.encoder.layers.0.blocks.0.attention.k_proj"),
    ];
    // Beside each, what models of its family alone have.
    let marks = [
        ("other.attention.attention.query", [1, 1]),
        ("visual.merger", [1, 1]),
        ("language_model.model.other", [1, 1]),
        ("other.attention.self.query", [1, 1]),
    ];
    for (file, memory) in table {
        let place = Place::with_base(&[&marks[..], &[(file, [4, 6])]].concat(), json!({}));
        place.put(config(), &pair(memory));
        assert_eq!(targets(&place.read_whole().unwrap()), [file], "{memory}");
        assert_eq!(place.read_whole().unwrap().modules[file].source, memory);
    }
    let bert = Place::with_base(&[("bert.encoder.layer.0.intermediate.dense", [4, 6])], json!({}));
    bert.put(config(), &pair("layers.0.mlp.fc1"));
    assert!(bert.refusal_whole().contains("matches no weight of the base"), "of another family");
}

#[test]
fn quantised_bases_are_called_that() {
    let gptq = json!({"quantization_config": {"quant_method": "gptq"}});
    let expected = "the base is quantised with `gptq`, as `model.layers.0.q.qweight` shows; merge into the model that it was made \
                    from, and quantise the result";
    let table = [
        ("model.layers.0.q.qweight", "model.layers.0.q"),
        ("model.layers.0.q.weight_packed", "layers.0.q"),
        ("model.layers.0.q.W_q", "model.layers.0.q"),
        ("model.layers.0.q.SCB", "layers.0.q"),
        ("model.layers.0.q.weight.quant_state.bitsandbytes__nf4", "model.layers.0.q"),
    ];
    for (part, module) in table {
        let place = Place::with_base(&[], gptq.clone());
        let part = (part.to_owned(), vec![2, 1], vec![0.0; 2]);
        crate::reading::safe(&place.folder.path().join("base/model.safetensors"), &[part], safetensors::Dtype::F32);
        place.put(config(), &pair(module));
        assert!(place.refusal_whole().contains("the base is quantised with `gptq`"), "{}", place.refusal_whole());
        if module == "model.layers.0.q" && place.refusal_whole().contains("qweight") {
            assert!(place.refusal_whole().ends_with(expected), "{}", place.refusal_whole());
        }
    }
    // bitsandbytes packs 4-bit weights into a column of bytes.
    let place = Place::with_base(&[], json!({}));
    let packed = ("layers.0.q.weight".to_owned(), vec![12, 1], vec![0.0; 12]);
    crate::reading::safe(&place.folder.path().join("base/model.safetensors"), &[packed], safetensors::Dtype::I32);
    place.put(config(), &pair("layers.0.q"));
    assert!(place.refusal_whole().contains("the base is quantised, as `layers.0.q.weight` shows"));
}

#[test]
fn the_reason_for_a_missing_weight_is_said() {
    let llama = [("model.layers.0.q_proj", [4, 6]), ("model.layers.1.q_proj", [4, 6]), ("model.embed_tokens", [9, 6])];
    let because = |module: &str| unmatched(&llama, json!({"tie_word_embeddings": true}), module);
    let deeper = "the last of that name is `model.layers.1.q_proj.weight`: is it an adapter of a larger model?";
    assert_eq!(because("model.layers.2.q_proj"), deeper);
    assert!(because("lm_head").contains("`tie_word_embeddings`"), "{}", because("lm_head"));
    let kind =
        "its weights of that kind are named like `model.layers.0.q_proj.weight`: is it an adapter of another base?";
    assert_eq!(because("decoder.block.0.q_proj"), kind);
    assert_eq!(because("model.layers.0.to_q"), "is it an adapter of another base?");
    assert!(because("model.layers.0.mlp.experts.3.up_proj").contains("all experts of a layer in one tensor"));
    let place = Place::with_base(&llama, json!({}));
    let mut config = config();
    config["base_model_name_or_path"] = json!("owner/other");
    place.put(config, &pair("model.layers.0.to_q"));
    assert!(place.refusal_whole().ends_with("is it an adapter of another base? It names `owner/other`"));
}

#[test]
fn wrapped_keys_are_the_same_adapter() {
    let place = Place::new();
    place.put(config(), &pair("layers.0.q"));
    let expected = place.read().unwrap();
    let renamed = |rename: &dyn Fn(&str) -> String| {
        let tensors: Vec<_> =
            pair("layers.0.q").into_iter().map(|(name, shape, values)| (rename(&name), shape, values)).collect();
        place.put(config(), &tensors);
        place.read().unwrap()
    };
    assert_eq!(renamed(&|name| format!("_orig_mod.{name}")), expected);
    assert_eq!(renamed(&|name| format!("module.{name}")), expected);
    assert_eq!(
        renamed(&|name| name.replace("layers.0", "_fsdp_wrapped_module.layers.0._checkpoint_wrapped_module")),
        expected
    );
    assert_eq!(renamed(&|name| name.replace(".weight", ".digits.weight")), expected);
    assert_eq!(renamed(&|name| name.replace("base_model.model.", "")), expected);
    let inner = renamed(&|name| name.replace("layers.0", "module.layers.0.module"));
    assert_eq!(inner.modules["vision_model.layers.0.q"].lora_a, expected.modules["vision_model.layers.0.q"].lora_a);
}

#[test]
fn keys_that_are_the_same_without_wrappers_are_refused() {
    let place = Place::new();
    let twice = (pair("layers.0.q")[0].0.replace("layers", "_orig_mod.layers"), vec![2, 6], vec![1.0; 12]);
    place.put(config(), &[pair("layers.0.q"), vec![twice]].concat());
    let message = place.refusal();
    assert!(message.ends_with("are the same factor but for the names of wrappers"), "{message}");
    let other = tensor("layers.0.q.lora_A.other.weight", 2, 6, 1);
    let one = tensor("layers.0.q.lora_A.one.weight", 2, 6, 1);
    place.put(config(), &[one, other]);
    let expected =
        "`adapter/adapter_model.safetensors` holds several adapters, `one`, `other`: save each in a folder of its own";
    assert_eq!(place.refusal(), expected);
}

#[test]
fn a_part_of_a_model_is_never_taken_for_another() {
    let place = Place::with_base(&[("layers.0.q", [4, 6])], json!({}));
    for prefix in ["encoder", "decoder", "model.decoder", "bert.encoder", "one.two"] {
        place.put(config(), &pair(&format!("{prefix}.layers.0.q")));
        assert!(place.refusal_whole().contains("matches no weight of the base"), "{prefix}");
    }
}
