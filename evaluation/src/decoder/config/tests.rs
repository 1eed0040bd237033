use super::{
    DecoderConfig,
    keys::{ROPE, SHARED},
};
use crate::{
    decoder::family::{self, SlidingWindow},
    settings::{Keys, table_cases::check_table},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn read(file: &Value) -> Result<DecoderConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, file.to_string()).unwrap();
    DecoderConfig::read(&path).map_err(|error| jobs::error_chain(&error))
}

fn with(changes: Value) -> Value {
    let mut file = json!({"model_type": "llama"});
    file.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    file
}

fn refused(changes: Value) -> String {
    let message = read(&with(changes)).unwrap_err();
    message.split_once("`: ").map_or(message.clone(), |(_, problem)| problem.to_owned())
}

fn llama3() -> Value {
    json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    })
}

/// The tables of a family's keys, as its files are read with them.
fn keys(model_type: &str) -> [Keys; 3] {
    let [common, pretrained] = SHARED;
    [family::named(model_type).unwrap().keys, common, pretrained]
}

#[test]
fn every_key_does_what_its_table_says() {
    let shared = BTreeMap::from([
        ("model_type", json!({"model_type": "gemma"})),
        ("hidden_size", json!({"hidden_size": 2048})),
        ("intermediate_size", json!({"intermediate_size": 8192})),
        ("num_hidden_layers", json!({"num_hidden_layers": 16})),
        ("num_attention_heads", json!({"num_attention_heads": 64})),
        ("num_key_value_heads", json!({"num_key_value_heads": 4})),
        ("head_dim", json!({"head_dim": 64})),
        ("hidden_act", json!({"hidden_act": "gelu"})),
        ("rms_norm_eps", json!({"rms_norm_eps": 1e-5})),
        ("rope_theta", json!({"rope_theta": 500_000})),
        ("rope_scaling", json!({"rope_scaling": llama3()})),
        ("rope_parameters", json!({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}})),
        ("vocab_size", json!({"vocab_size": 128_256})),
        ("max_position_embeddings", json!({"max_position_embeddings": 65_536})),
        ("pad_token_id", json!({"pad_token_id": 2})),
        ("dtype", json!({"dtype": "bfloat16"})),
        ("torch_dtype", json!({"torch_dtype": "torch.float16"})),
    ]);
    let types = vec!["sliding_attention"; 32];
    let window = json!({"sliding_window": 5});
    let own = |keys: &[(&'static str, Value)]| {
        shared.iter().map(|(key, value)| (*key, value.clone())).chain(keys.to_vec()).collect()
    };
    let plain = json!({"model_type": "llama"});
    let biases = [("attention_bias", json!({"attention_bias": true})), ("mlp_bias", json!({"mlp_bias": true}))];
    check_table(&keys("llama"), &plain, &own(&biases), read);
    check_table(&keys("mistral"), &json!({"model_type": "mistral"}), &own(&[("sliding_window", window.clone())]), read);
    let of_qwen = [
        ("use_sliding_window", json!({"use_sliding_window": true})),
        ("sliding_window", window),
        ("max_window_layers", json!({"max_window_layers": 7})),
        ("layer_types", json!({"layer_types": types})),
    ];
    let plain = json!({"model_type": "qwen2", "use_sliding_window": true});
    let off = ("use_sliding_window", json!({"use_sliding_window": false}));
    let of_qwen = [&[off], &of_qwen[1..]].concat();
    check_table(&keys("qwen2"), &plain, &own(&of_qwen), read);
    let plain = json!({"model_type": "qwen3", "use_sliding_window": true});
    check_table(&keys("qwen3"), &plain, &own(&[of_qwen, biases[..1].to_vec()].concat()), read);
}

#[test]
fn every_key_of_the_rotary_frequencies_does_what_its_table_says() {
    let changed = BTreeMap::from([
        ("rope_type", json!({"rope_type": "default"})),
        ("type", json!({"rope_type": null, "type": "default"})),
        ("rope_theta", json!({"rope_theta": 5e5})),
        ("factor", json!({"factor": 32.0})),
        ("low_freq_factor", json!({"low_freq_factor": 2.0})),
        ("high_freq_factor", json!({"high_freq_factor": 3.0})),
        ("original_max_position_embeddings", json!({"original_max_position_embeddings": 4096})),
    ]);
    for part in ["rope_scaling", "rope_parameters"] {
        check_table(ROPE, &llama3(), &changed, |rope| read(&with(json!({ part: rope }))));
    }
}

#[test]
fn what_is_said_of_the_rotary_frequencies_twice_has_to_be_the_same() {
    let plain = read(&with(json!({ "rope_scaling": llama3(), "rope_theta": 5e5 }))).unwrap();
    let mut both_names = llama3();
    both_names["type"] = "llama3".into();
    let mut parameters = both_names.clone();
    parameters["rope_theta"] = 500_000.into();
    for same in [
        json!({"rope_scaling": both_names, "rope_theta": 5e5}),
        json!({"rope_parameters": parameters}),
        json!({"rope_parameters": parameters, "rope_theta": 500_000}),
        json!({"rope_parameters": parameters, "rope_scaling": both_names}),
        json!({"rope_parameters": parameters, "rope_scaling": {}}),
        json!({"rope_parameters": {"rope_type": null}, "rope_scaling": parameters}),
    ] {
        assert_eq!(read(&with(same.clone())).as_ref(), Ok(&plain), "{same}");
    }
    let mut other_name = llama3();
    other_name["type"] = "linear".into();
    assert_eq!(
        refused(json!({"rope_scaling": other_name})),
        "`rope_scaling.type` is `linear`, expected `llama3` as `rope_scaling.rope_type` says, or only one of them"
    );
    assert_eq!(
        refused(json!({"rope_parameters": parameters, "rope_theta": 10_000.0})),
        "`rope_theta` is `10000`, expected `500000` as `rope_parameters.rope_theta` says, or only one of them"
    );
    assert_eq!(
        refused(json!({"rope_parameters": parameters, "rope_scaling": {"rope_type": "default"}})),
        "`rope_scaling.rope_type` is `default`, expected `llama3` as in `rope_parameters`, or only one of the two parts"
    );
}

#[test]
fn stretching_that_is_not_computed_is_refused_by_name() {
    for kind in ["linear", "dynamic", "yarn", "longrope", "su", "ntk", "proportional"] {
        for part in ["rope_scaling", "rope_parameters"] {
            for name in ["rope_type", "type"] {
                let expected = format!("`{part}.rope_type` is `{kind}`, expected `llama3` or `default`");
                assert_eq!(refused(json!({part: {name: kind, "factor": 2.0}})), expected);
            }
        }
    }
    let missing = "`rope_scaling.rope_type` is `missing`, expected `llama3` or `default`";
    assert_eq!(refused(json!({"rope_scaling": {"factor": 2.0}})), missing);
}

#[test]
fn sizes_that_no_model_has_are_refused_before_they_are_multiplied() {
    assert_eq!(
        refused(json!({"head_dim": (1u64 << 63) + 16})),
        "`head_dim` is `9223372036854775824`, expected a width with which 32 heads (`num_attention_heads`) have at most \
         1048576 numbers"
    );
    assert_eq!(
        refused(json!({"vocab_size": 1u64 << 60})),
        "`vocab_size` is `1152921504606846976`, expected at most 67108864"
    );
    assert!(refused(json!({"hidden_size": -1})).contains("expected usize"));
    assert!(refused(json!({"hidden_size": 4096.5})).contains("expected usize"));
}

#[test]
fn the_padding_token_is_one_number_or_none() {
    let token = |id: Value| read(&with(json!({ "pad_token_id": id }))).unwrap().pad_token;
    assert_eq!(token(json!(2)), Some(2));
    assert_eq!((token(json!(-1)), token(json!(1u64 << 40)), token(Value::Null)), (None, None, None));
    for other in [json!([2]), json!("2"), json!(2.0)] {
        assert!(refused(json!({ "pad_token_id": other })).ends_with("expected one whole number, or `null`"));
    }
}

#[test]
fn a_text_is_read_at_its_last_token_that_is_no_padding() {
    let padded = |pad: Value, ids: &[u32]| read(&with(json!({ "pad_token_id": pad }))).unwrap().pooled(ids);
    for (ids, place) in [
        (&[1, 5, 9][..], 1),
        (&[1, 5, 9, 9], 1),
        (&[1, 9, 5], 2),
        (&[9, 1, 5, 9], 2),
        (&[9, 9], 0),
        (&[9], 0),
        (&[1, 5], 1),
    ] {
        assert_eq!(padded(json!(9), ids), place, "{ids:?}");
        assert_eq!(padded(Value::Null, ids), ids.len() - 1);
        assert_eq!(padded(json!(-1), ids), ids.len() - 1);
    }
}

fn of(model_type: &str, changes: Value) -> Result<DecoderConfig, String> {
    let mut changes = changes;
    changes["model_type"] = model_type.into();
    read(&with(changes))
}

fn windows(config: &DecoderConfig) -> Option<(usize, Vec<usize>)> {
    let SlidingWindow { tokens, layers } = config.window.as_ref()?;
    let places = layers.iter().enumerate().filter(|(_, has_window)| **has_window).map(|(layer, _)| layer);
    Some((*tokens, places.collect()))
}

#[test]
fn what_a_file_leaves_out_is_the_default_of_its_family() {
    for (model_type, name, [mlp, kv_heads, head, vocabulary, positions]) in [
        ("llama", "Llama", [11_008, 32, 128, 32_000, 2048]),
        ("mistral", "Mistral", [14_336, 8, 128, 32_000, 131_072]),
        ("qwen2", "Qwen2", [22_016, 32, 128, 151_936, 32_768]),
        ("qwen3", "Qwen3", [22_016, 32, 128, 151_936, 32_768]),
    ] {
        let config = of(model_type, json!({})).unwrap();
        assert_eq!((config.family, config.width, config.layers, config.heads), (name, 4096, 32, 32));
        let found = [config.mlp_width, config.kv_heads, config.head_width, config.vocabulary, config.positions];
        assert_eq!(found, [mlp, kv_heads, head, vocabulary, positions], "{model_type}");
    }
    let narrow = |model_type| of(model_type, json!({"hidden_size": 2048})).unwrap().head_width;
    assert_eq!((narrow("qwen2"), narrow("qwen3")), (64, 128), "only Qwen3 has a width of its own");
    let kv_heads = |given| of("mistral", json!({ "num_key_value_heads": given })).unwrap().kv_heads;
    assert_eq!((kv_heads(json!(null)), kv_heads(json!(4))), (32, 4), "`null` is not the default");
}

#[test]
fn windows_are_where_the_family_has_them() {
    let all: Vec<usize> = (0..32).collect();
    assert_eq!(windows(&of("mistral", json!({})).unwrap()), Some((4096, all)));
    assert_eq!(windows(&of("mistral", json!({"sliding_window": null})).unwrap()), None);
    let changes =
        json!({"use_sliding_window": true, "num_hidden_layers": 4, "max_window_layers": 2, "sliding_window": 9});
    for model_type in ["qwen2", "qwen3"] {
        assert_eq!(windows(&of(model_type, json!({"sliding_window": 9})).unwrap()), None, "it is off");
        assert_eq!(windows(&of(model_type, changes.clone()).unwrap()), Some((9, vec![2, 3])));
        let mut named = changes.clone();
        named["layer_types"] = json!(["sliding_attention", "full_attention", "sliding_attention", "full_attention"]);
        assert_eq!(windows(&of(model_type, named).unwrap()), Some((9, vec![0, 2])));
    }
}

#[test]
fn windows_that_cannot_be_meant_are_refused_by_name() {
    let refused = |model_type, changes| of(model_type, changes).unwrap_err().split_once("`: ").unwrap().1.to_owned();
    assert_eq!(
        refused("mistral", json!({"sliding_window": 0})),
        "`sliding_window` is `0`, expected at least 1, or `null` for none"
    );
    let types = |types: &[&str]| json!({"num_hidden_layers": 2, "layer_types": types});
    assert_eq!(
        refused("qwen2", types(&["full_attention"])),
        "`layer_types` is `1 entries`, expected 2, as `num_hidden_layers` says"
    );
    assert_eq!(
        refused("qwen3", types(&["full_attention", "chunked_attention"])),
        "`layer_types` is `chunked_attention`, expected `full_attention` or `sliding_attention`"
    );
    assert_eq!(
        refused("qwen2", types(&["full_attention", "sliding_attention"])),
        "`layer_types` is `sliding_attention`, expected `full_attention` alone, or `use_sliding_window` and `sliding_window`"
    );
    assert_eq!(
        refused("llama", json!({"sliding_window": 4096})),
        "`sliding_window` is `4096`, expected none: models of this family have no such thing, though others have"
    );
}

#[test]
fn a_family_that_is_not_known_is_named_before_its_settings_are_read() {
    let message = read(&json!({"model_type": "gemma2", "hidden_size": "large"})).unwrap_err();
    let tail = "`gemma2`, expected `llama`, `mistral`, `qwen2` or `qwen3`";
    assert!(message.ends_with(tail), "{message}");
}
