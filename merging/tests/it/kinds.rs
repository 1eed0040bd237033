//! Heads, copies of the base's tensors, and every kind of adapter that PEFT knows: read right or refused by name.

use crate::reading::{Place, Tensor, config, pair, read, refusal, safe, tensor};
use safetensors::Dtype;
use serde_json::json;

/// The members of PEFT's `PeftType` (0.21.2). `scripts/check-peft-kinds` fails when PEFT has another.
const KINDS: [&str; 45] = [
    "PROMPT_TUNING",
    "MULTITASK_PROMPT_TUNING",
    "P_TUNING",
    "PREFIX_TUNING",
    "ADALORA",
    "ADAMSS",
    "BOFT",
    "ADAPTION_PROMPT",
    "IA3",
    "BEFT",
    "LILY",
    "LOHA",
    "LOKR",
    "OFT",
    "POLY",
    "LN_TUNING",
    "VERA",
    "FROD",
    "PVERA",
    "FOURIERFT",
    "GLORA",
    "XLORA",
    "HRA",
    "VBLORA",
    "UNILORA",
    "CPT",
    "MISS",
    "RANDLORA",
    "ROAD",
    "TRAINABLE_TOKENS",
    "HIRA",
    "SHIRA",
    "C3A",
    "WAVEFT",
    "OSF",
    "DELORA",
    "GRALORA",
    "CARTRIDGE",
    "TINYLORA",
    "PSOFT",
    "PEANUT",
    "SHADOW",
    "SUPERTUNING",
    "DEFT",
    "BONE",
];

#[test]
fn every_kind_but_lora_is_refused_by_its_name() {
    for kind in KINDS {
        let mut config = config();
        config["peft_type"] = json!(kind);
        let expected =
            format!("`peft_type` is `{kind}` in `adapter/adapter_config.json`: only LoRA adapters can be merged");
        assert_eq!(refusal(config, &[]), expected);
    }
}

#[test]
fn another_kind_is_named_though_its_keys_have_other_types() {
    let mut config = config();
    config["peft_type"] = json!("SUPERTUNING");
    config["lora_alpha"] = json!(null);
    config["bias"] = json!(3);
    assert!(refusal(config, &[]).starts_with("`peft_type` is `SUPERTUNING`"));
}

/// A tensor by its whole name.
fn whole(name: &str, shape: &[usize]) -> Tensor {
    (format!("base_model.model.{name}"), shape.to_vec(), vec![0.5; shape.iter().product()])
}

#[test]
fn heads_with_biases_and_layers_are_kept_apart() {
    /// The names and shapes of saved tensors.
    type Saved<'a> = &'a [(&'a str, &'a [usize])];
    let table: [(&str, Saved<'_>); 6] = [
        // BERT, ViT; RoBERTa; DistilBERT; question answering; BART; a Llama with a bias.
        ("classifier", &[("classifier.bias", &[2]), ("classifier.weight", &[2, 4])]),
        (
            "classifier",
            &[
                ("classifier.dense.bias", &[4]),
                ("classifier.dense.weight", &[4, 4]),
                ("classifier.out_proj.bias", &[2]),
                ("classifier.out_proj.weight", &[2, 4]),
            ],
        ),
        (
            "pre_classifier",
            &[("classifier.bias", &[2]), ("classifier.weight", &[2, 4]), ("pre_classifier.weight", &[4, 4])],
        ),
        ("qa_outputs", &[("qa_outputs.bias", &[2]), ("qa_outputs.weight", &[2, 4])]),
        ("classification_head", &[("classification_head.dense.weight", &[4, 4])]),
        ("score", &[("score.bias", &[2]), ("score.weight", &[2, 4])]),
    ];
    for (saved, tensors) in table {
        let mut config = config();
        config["modules_to_save"] = json!([saved]);
        let head = tensors.iter().map(|(name, shape)| whole(name, shape)).collect();
        let adapter = read(config, &[pair("layers.0.q"), head].concat());
        assert_eq!(adapter.modules.len(), 1);
        let names: Vec<_> = adapter.saved.keys().map(String::as_str).collect();
        assert_eq!(names, tensors.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert!(adapter.head.is_none(), "not one matrix alone");
        assert!(!adapter.origin().has_plain_head);
    }
}

#[test]
fn the_trained_head_counts_and_not_the_original_one() {
    let tensors = [
        pair("layers.0.q"),
        vec![tensor("score.modules_to_save.default.weight", 3, 4, 5), tensor("score.original_module.weight", 3, 4, 6)],
    ];
    let adapter = read(config(), &tensors.concat());
    assert_eq!(adapter.head.unwrap().into_data(), tensors[1][0].2);
}

/// A base with embeddings that an output layer reads or has its own of.
fn language_model(is_tied: bool) -> Place {
    let output = if is_tied { None } else { Some(("lm_head", [7, 6])) };
    let weights: Vec<_> =
        [("model.layers.0.q", [4, 6]), ("model.embed_tokens", [7, 6])].into_iter().chain(output).collect();
    Place::with_base(&weights, json!({"tie_word_embeddings": is_tied}))
}

#[test]
fn copies_of_the_bases_own_weights_change_nothing() {
    for is_tied in [false, true] {
        let place = language_model(is_tied);
        for name in ["lm_head.base_layer.weight", "lm_head.weight", "model.embed_tokens.base_layer.weight"] {
            let copy = (format!("base_model.model.{name}"), vec![7, 6], vec![0.0; 42]);
            place.put(config(), &[pair("model.layers.0.q"), vec![copy]].concat());
            assert_eq!(place.read_whole().unwrap().modules.len(), 1, "{name}");
        }
    }
}

#[test]
fn a_copy_in_a_narrower_type_is_still_one() {
    let place = language_model(false);
    let value = 0.123_456_78;
    let base = [
        ("model.layers.0.q.weight".to_owned(), vec![4, 6], vec![0.0; 24]),
        ("lm_head.weight".to_owned(), vec![7, 6], vec![value; 42]),
    ];
    safe(&place.folder.path().join("base/model.safetensors"), &base, Dtype::F32);
    let copy = ("base_model.model.lm_head.base_layer.weight".to_owned(), vec![7, 6], vec![value; 42]);
    place.put(config(), &[]);
    safe(
        &place.adapter_file("adapter_model.safetensors"),
        &[pair("model.layers.0.q"), vec![copy]].concat(),
        Dtype::BF16,
    );
    assert!(place.read_whole().is_ok());
}

#[test]
fn what_was_saved_whole_and_is_not_the_bases_is_refused() {
    let place = language_model(false);
    let because = |name: &str, shape: &[usize]| {
        place.put(config(), &[pair("model.layers.0.q"), vec![whole(name, shape)]].concat());
        place.refusal_whole()
    };
    let trained = because("lm_head.base_layer.weight", &[7, 6]);
    assert!(trained.contains("differs from the base's `lm_head.weight`, so it was trained"), "{trained}");
    let resized = because("model.embed_tokens.weight", &[9, 6]);
    assert!(
        resized.ends_with("and the base's `model.embed_tokens.weight` is [7, 6]: was the vocabulary resized?"),
        "{resized}"
    );
    let bias = because("model.layers.0.q.bias", &[4]);
    assert!(bias.ends_with("it is a trained bias, not a low-rank update"), "{bias}");
    let norm = because("model.layers.0.norm.weight", &[4]);
    assert!(norm.ends_with("it is neither a LoRA factor nor a classifier head"), "{norm}");
}

#[test]
fn variants_of_lora_are_refused_by_their_tensors() {
    let table: [(&str, &[usize], &str); 6] = [
        ("layers.0.q.lora_magnitude_vector", &[4], "DoRA"),
        ("layers.0.q.lora_magnitude_vector.weight", &[4], "DoRA"),
        ("layers.0.q.lora_B.bias", &[4], "`lora_bias`"),
        ("embed.lora_embedding_A", &[2, 7], "embeddings"),
        ("embed.token_adapter.trainable_tokens_delta", &[1, 6], "trained tokens"),
        ("layers.0.q.lora_down.weight", &[2, 6], "kohya-ss and diffusers"),
    ];
    for (name, shape, kind) in table {
        let message = refusal(config(), &[pair("layers.0.q"), vec![whole(name, shape)]].concat());
        assert!(message.contains(kind), "{message}");
    }
    let convolution =
        [whole("layers.0.q.lora_A.weight", &[2, 3, 3, 3]), whole("layers.0.q.lora_B.weight", &[4, 2, 1, 1])];
    assert!(refusal(config(), &convolution).contains("convolutions"));
}
