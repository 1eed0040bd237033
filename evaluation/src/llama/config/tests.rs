use super::{
    LlamaConfig,
    keys::{MODEL, ROPE},
};
use crate::settings::walk::{chain, walk};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn read(file: &Value) -> Result<LlamaConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, file.to_string()).unwrap();
    LlamaConfig::read(&path).map_err(|error| chain(&error))
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

#[test]
fn every_key_does_what_its_table_says() {
    let changed = BTreeMap::from([
        ("model_type", json!({"model_type": "mistral"})),
        ("hidden_size", json!({"hidden_size": 2048})),
        ("intermediate_size", json!({"intermediate_size": 8192})),
        ("num_hidden_layers", json!({"num_hidden_layers": 16})),
        ("num_attention_heads", json!({"num_attention_heads": 64})),
        ("num_key_value_heads", json!({"num_key_value_heads": 8})),
        ("head_dim", json!({"head_dim": 64})),
        ("hidden_act", json!({"hidden_act": "gelu"})),
        ("rms_norm_eps", json!({"rms_norm_eps": 1e-5})),
        ("rope_theta", json!({"rope_theta": 500_000})),
        ("rope_scaling", json!({"rope_scaling": llama3()})),
        ("rope_parameters", json!({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}})),
        ("vocab_size", json!({"vocab_size": 128_256})),
        ("max_position_embeddings", json!({"max_position_embeddings": 131_072})),
        ("pad_token_id", json!({"pad_token_id": 2})),
        ("dtype", json!({"dtype": "bfloat16"})),
        ("torch_dtype", json!({"torch_dtype": "torch.float16"})),
    ]);
    walk(MODEL, &json!({"model_type": "llama"}), &changed, read);
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
        walk(ROPE, &llama3(), &changed, |rope| read(&with(json!({ part: rope }))));
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
