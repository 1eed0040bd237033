//! Opening, patching and running the language model.

use crate::{
    fixture::{chain, close, tensors, values},
    nli6::{all_texts, example},
};
use candle_core::{DType, Device, Tensor};
use evaluation::{DecoderConfig, DecoderModel, DecoderPlacement, Delta, ModelError, Texts, Watch};
use jobs::Precision;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

fn base() -> DecoderModel {
    open(&example("base"), Precision::F32)
}

fn open(folder: &Path, precision: Precision) -> DecoderModel {
    DecoderModel::open(folder, &Device::Cpu, precision).unwrap()
}

fn composed(folder: &Path, precision: Precision) -> DecoderModel {
    DecoderModel::open_composed(folder, &Device::Cpu, precision).unwrap()
}

fn weights() -> HashMap<String, Tensor> {
    let shard = |n| tensors(&example(&format!("base/model-0000{n}-of-00002.safetensors")));
    shard(1).into_iter().chain(shard(2)).collect()
}

fn config() -> Value {
    crate::fixture::json(&example("base/config.json"))
}

/// The configuration with some keys set, or taken out where the value is null.
fn config_with(changes: Value) -> Value {
    let mut config = config();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(config.as_object_mut().unwrap().remove(key)),
            value => config[key] = value.clone(),
        }
    }
    config
}

/// A model folder with this configuration and these weights in one file.
fn folder(config: &Value, weights: &HashMap<String, Tensor>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    candle_core::safetensors::save(weights, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn converted(dtype: DType) -> HashMap<String, Tensor> {
    weights().into_iter().map(|(key, tensor)| (key, tensor.to_dtype(dtype).unwrap())).collect()
}

fn refused(folder: &Path) -> String {
    chain(&DecoderModel::open(folder, &Device::Cpu, Precision::F32).map(|_| ()).unwrap_err())
}

fn features(model: &DecoderModel, texts: &Texts) -> Vec<f32> {
    model.features(texts, &Watch::default()).unwrap().values().unwrap().to_vec()
}

/// As [`close`], relative to the largest number.
#[track_caller]
fn near(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    close(got, want, tolerance * want.iter().fold(0.0, |top, x| x.abs().max(top)), what);
}

/// Texts of many lengths, 1 among them.
fn mixed() -> Texts {
    let text = |n: u32| (0..1 + n * 29 % 57).map(|token| (n * 131 + token * 37) % 1000).collect();
    Texts::new((0..40).map(|n| (text(n), n)))
}

/// `[outputs, inputs]` numbers of a pattern.
fn pattern(outputs: usize, inputs: usize) -> Vec<f32> {
    (0..outputs * inputs).map(|n| ((n * 37 % 101) as f32 - 50.0) / 4000.0).collect()
}

#[test]
fn both_ways_of_computing_agree() {
    let long = Texts::new([500, 131].map(|length| ((0..length).map(|n| n * 37 % 1000).collect(), 0)));
    for texts in [all_texts(), mixed(), long] {
        let want = features(&composed(&example("base"), Precision::F32), &texts);
        near(&features(&base(), &texts), &want, 1e-5, "host against composed");
    }
}

#[test]
fn texts_together_are_the_texts_one_by_one() {
    let texts = mixed();
    for model in [base(), composed(&example("base"), Precision::F32)] {
        let alone = (0..texts.len()).flat_map(|n| features(&model, &Texts::new([(texts.ids(n).to_vec(), 0)])));
        close(&features(&model, &texts), &alone.collect::<Vec<_>>(), 1e-5, "together against alone");
    }
}

#[test]
fn features_carry_the_labels_in_the_texts_order() {
    let features = base().features(&mixed(), &Watch::default()).unwrap();
    assert_eq!(features.labels(), (0..40).collect::<Vec<_>>());
    assert_eq!((features.width(), features.classes(), features.values().unwrap().len()), (128, None, 40 * 128));
    assert!(base().features(&Texts::default(), &Watch::default()).unwrap().values().unwrap().is_empty());
}

#[test]
fn the_threads_do_not_change_the_numbers() {
    let model = base();
    let texts = mixed();
    let name = "model.layers.2.self_attn.k_proj";
    let a = pattern(16, 128);
    let b = pattern(32, 16);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let deltas = model.deltas([(name, Delta::LowRank { b: &b, a: &a, rank: 16 })]).unwrap();
            features(&model.patched(&deltas, 2.0).unwrap(), &texts)
        })
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn half_width_files_are_computed_with_exactly_their_weights() {
    let texts = mixed();
    for (dtype, precision) in [(DType::BF16, Precision::Bf16), (DType::F16, Precision::F16)] {
        let half = converted(dtype);
        let widened = half.iter().map(|(key, tensor)| (key.clone(), tensor.to_dtype(DType::F32).unwrap())).collect();
        let half = folder(&config(), &half);
        let widened = folder(&config(), &widened);
        let want = features(&open(widened.path(), Precision::F32), &texts);
        let model = open(half.path(), Precision::F32);
        assert_eq!(features(&model, &texts), want, "{dtype:?}: widened in the product");
        // In `bf16` rows are rounded as well, so that another reading of the same weights is what they are held against.
        let want = if precision == Precision::Bf16 { features(&open(widened.path(), precision), &texts) } else { want };
        assert_eq!(features(&open(half.path(), precision), &texts), want, "{dtype:?}: as it is stored");
        assert_eq!(features(&open(&example("base"), precision), &texts), want, "{dtype:?}: rounded when opened");
        let deltas = |model: &DecoderModel| {
            let update = pattern(128, 256);
            let deltas = model.deltas([("model.layers.1.mlp.down_proj", Delta::Dense(&update))]).unwrap();
            model.patched(&deltas, 0.5).unwrap()
        };
        let patched = features(&deltas(&open(widened.path(), Precision::F32)), &texts);
        assert_eq!(features(&deltas(&model), &texts), patched, "{dtype:?}: patched");
        let rounded = |folder: &tempfile::TempDir| features(&deltas(&open(folder.path(), precision)), &texts);
        assert_eq!(rounded(&half), rounded(&widened), "{dtype:?}: patched and rounded");
    }
}

#[test]
fn a_patch_in_16_bits_is_rounded_once() {
    let texts = all_texts();
    let update = pattern(128, 256);
    let key = "model.layers.1.mlp.down_proj";
    let mut changed = weights();
    let added = (Tensor::from_slice(&update, (128, 256), &Device::Cpu).unwrap() * 0.5).unwrap();
    let sum = (&changed[&format!("{key}.weight")] + added).unwrap();
    changed.insert(format!("{key}.weight"), sum);
    let changed = folder(&config(), &changed);
    for precision in [Precision::Bf16, Precision::F16] {
        for open in [open, composed] {
            let model = open(&example("base"), precision);
            let deltas = model.deltas([(key, Delta::Dense(&update))]).unwrap();
            let patched = model.patched(&deltas, 0.5).unwrap();
            let want = features(&open(changed.path(), precision), &texts);
            assert_eq!(features(&patched, &texts), want, "{precision:?}: the sum of the file's matrix and the update");
            // Another patch of the patched model starts from what that has.
            let back = patched.patched(&deltas, -0.5).unwrap();
            assert_ne!(features(&back, &texts), features(&model, &texts), "{precision:?}: rounded in between");
        }
    }
}

#[test]
fn a_device_is_sent_an_exact_matrix_once_and_counts_its_memory() {
    let update = pattern(128, 256);
    let model = composed(&example("base"), Precision::Bf16);
    let sent = || model.transfers().unwrap().up_bytes;
    let before = sent();
    let deltas = model.deltas([("model.layers.1.mlp.down_proj", Delta::Dense(&update))]).unwrap();
    let matrix = 4 * 128 * 256;
    assert_eq!(sent() - before, matrix, "the update");
    model.patched(&deltas, 0.5).unwrap();
    assert_eq!(sent() - before, 2 * matrix, "the matrix of the file with the first update");
    model.patched(&deltas, 0.7).unwrap();
    let others = model.deltas([("model.layers.1.mlp.down_proj", Delta::Dense(&update))]).unwrap();
    model.patched(&others, 0.7).unwrap();
    assert_eq!(sent() - before, 3 * matrix, "another update alone");

    let config = DecoderConfig::read(&example("base").join("config.json")).unwrap();
    let adapted = |stored, precision| {
        let place = DecoderPlacement { on_host: false, precision, stored, threads: 2, longest: 60 };
        config.memory(place, ["model.layers.1.mlp.down_proj"]).unwrap().adapted
    };
    assert_eq!(adapted(Precision::F32, Precision::Bf16), matrix + matrix / 2);
    assert_eq!(adapted(Precision::Bf16, Precision::Bf16), matrix / 2, "nothing is rounded");
    assert_eq!(adapted(Precision::Bf16, Precision::F32), matrix, "nothing is rounded");
}

/// States are up to 10 in size; with 8 (bf16) or 11 (f16) significant bits and 6 layers these are loose bounds.
#[test]
fn lower_precision_is_near_full_precision() {
    let texts = all_texts();
    let want = features(&base(), &texts);
    let a = pattern(16, 128);
    let b = pattern(128, 16);
    for (precision, tolerance) in [(Precision::Bf16, 0.5), (Precision::F16, 0.06)] {
        for model in [open(&example("base"), precision), composed(&example("base"), precision)] {
            close(&features(&model, &texts), &want, tolerance, &format!("{precision:?}"));
            let update = Delta::LowRank { b: &b, a: &a, rank: 16 };
            let patch = |model: &DecoderModel| {
                let deltas = model.deltas([("model.layers.4.self_attn.o_proj", update)]).unwrap();
                features(&model.patched(&deltas, 4.0).unwrap(), &texts)
            };
            close(&patch(&model), &patch(&base()), tolerance, &format!("{precision:?}, patched"));
        }
    }
}

#[test]
fn a_patch_equals_a_model_whose_weights_were_changed_on_disk() {
    let texts = all_texts();
    let models = [base(), composed(&example("base"), Precision::F32)];
    let unpatched = features(&models[0], &texts);
    let modules = models[0].modules();
    assert_eq!(modules.len(), 6 * 7);
    for module in modules.iter().filter(|module| module.name.starts_with("model.layers.3.")) {
        let delta = pattern(module.outputs, module.inputs);
        let key = format!("{}.weight", module.name);
        let mut changed = weights();
        let update = Tensor::from_slice(&delta, (module.outputs, module.inputs), &Device::Cpu).unwrap();
        let sum = (&changed[&key] + (update * 0.5).unwrap()).unwrap();
        changed.insert(key, sum);
        let want = features(&open(folder(&config(), &changed).path(), Precision::F32), &texts);
        for model in &models {
            let deltas = model.deltas([(&module.name, Delta::Dense(&delta))]).unwrap();
            let got = features(&model.patched(&deltas, 0.5).unwrap(), &texts);
            close(&got, &want, 1e-4, &module.name);
            assert!(got.iter().zip(&unpatched).any(|(a, b)| (a - b).abs() > 1e-3), "{} has no effect", module.name);
        }
    }
}

#[test]
fn a_low_rank_update_is_its_product_and_scaling_is_linear() {
    let model = base();
    let texts = all_texts();
    let a = pattern(4, 128);
    let b = pattern(32, 4);
    let tensor = |values: &[f32], shape: (usize, usize)| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
    let dense = values(&tensor(&b, (32, 4)).matmul(&tensor(&a, (4, 128))).unwrap());
    let name = "model.layers.1.self_attn.v_proj";
    let low = model.deltas([(name, Delta::LowRank { b: &b, a: &a, rank: 4 })]).unwrap();
    let full = model.deltas([(name, Delta::Dense(&dense))]).unwrap();
    let with = |deltas, scaling| features(&model.patched(deltas, scaling).unwrap(), &texts);
    close(&with(&low, 40.0), &with(&full, 40.0), 1e-4, "low rank against dense");
    assert_eq!(with(&low, 0.0), features(&model, &texts));
    let twice = model.patched(&low, 20.0).unwrap().patched(&low, 20.0).unwrap();
    close(&features(&twice, &texts), &with(&low, 40.0), 1e-4, "in two steps");
}

/// Numbers of 1e25 are finite, but their squares are not: a norm would make zeros of them, as if there were nothing.
#[test]
fn states_that_overflow_are_not_finite_rather_than_zero() {
    let texts = mixed();
    let update = pattern(128, 128);
    for model in [base(), composed(&example("base"), Precision::F32)] {
        for (scaling, is_finite) in [(1.0, true), (1e25, false), (1e38, false)] {
            let deltas = model.deltas([("model.layers.5.self_attn.o_proj", Delta::Dense(&update))]).unwrap();
            let features = features(&model.patched(&deltas, scaling).unwrap(), &texts);
            let finite = features.chunks(128).filter(|row| row.iter().all(|x| x.is_finite())).count();
            assert_eq!(finite, if is_finite { 40 } else { 0 }, "scaling {scaling}");
        }
    }
}

#[test]
fn updates_that_do_not_fit_are_refused_by_module() {
    let base = base();
    let name = "model.layers.0.self_attn.k_proj";
    let a = vec![0.0; 4 * 128];
    let b = vec![0.0; 4 * 32];
    let nan = vec![f32::NAN; 32 * 128];
    let refused = |updates: Vec<(&str, Delta<'_>)>| base.deltas(updates).map(|_| ()).unwrap_err().to_string();
    let low = |rank| Delta::LowRank { b: &b, a: &a, rank };
    for unknown in ["model.layers.6.mlp.up_proj", "model.layers.01.mlp.up_proj", "model.norm", "score"] {
        let message = refused(vec![(unknown, low(4))]);
        let tail = "the language model has no linear layer of that name (it has `model.layers.0.self_attn.q_proj` and the like)";
        assert_eq!(message, format!("an update is for `{unknown}`: {tail}"));
    }
    let twice = refused(vec![(name, low(4)), (name, low(4))]);
    assert_eq!(twice, format!("an update is for `{name}`: it is named twice"));
    let short = "lora_b holds 128 numbers, expected 160 for a [32, 128] matrix";
    assert_eq!(refused(vec![(name, low(5))]), format!("an update is for `{name}`: {short}"));
    let infinite = refused(vec![(name, Delta::Dense(&nan))]);
    assert_eq!(infinite, format!("an update is for `{name}`: it holds a value that is not finite"));
    let deltas = base.deltas([(name, low(4))]).unwrap();
    let foreign = self::base().patched(&deltas, 1.0).map(|_| ()).unwrap_err();
    assert_eq!(foreign.to_string(), "the updates were laid out for another base model");
}

#[test]
fn texts_that_the_model_cannot_take_are_named() {
    let refused = |text: Vec<u32>| {
        let texts = Texts::new([(vec![1], 0), (text, 0)]);
        base().features(&texts, &Watch::default()).unwrap_err().to_string()
    };
    assert_eq!(refused(vec![]), "text 1 is empty");
    assert_eq!(refused(vec![1; 513]), "text 1 has 513 tokens, the model takes at most 512");
    assert_eq!(refused(vec![0, 1024]), "text 1 has token 1024, the model's vocabulary ends before 1024");
}

#[test]
fn one_file_opens_as_shards_do_and_the_prefix_and_heads_do_not_matter() {
    let texts = all_texts();
    let want = features(&base(), &texts);
    assert_eq!(features(&open(folder(&config(), &weights()).path(), Precision::F32), &texts), want);
    let bare = weights().into_iter().filter(|(key, _)| key != "lm_head.weight");
    let mut bare: HashMap<String, Tensor> =
        bare.map(|(key, tensor)| (key.strip_prefix("model.").unwrap().to_owned(), tensor)).collect();
    bare.insert("score.weight".into(), Tensor::zeros((7, 3), DType::U8, &Device::Cpu).unwrap());
    assert_eq!(features(&open(folder(&config(), &bare).path(), Precision::F32), &texts), want);
}

#[test]
fn a_missing_misshapen_or_quantised_tensor_is_named() {
    let key = "model.layers.3.self_attn.k_proj.weight";
    let with = |tensor: Option<Tensor>| {
        let mut changed = weights();
        changed.remove(key);
        changed.extend(tensor.map(|tensor| (key.to_owned(), tensor)));
        refused(folder(&config(), &changed).path())
    };
    let message = with(None);
    let tail =
        format!("model.safetensors` has no tensor `{key}`, which `config.json` expects with the shape [32, 128]");
    assert!(message.ends_with(&tail), "{message}");
    let zeros = |shape: (usize, usize), dtype| Some(Tensor::zeros(shape, dtype, &Device::Cpu).unwrap());
    let message = with(zeros((128, 32), DType::F32));
    assert!(message.starts_with(&format!("tensor `{key}` in `")), "{message}");
    assert!(message.ends_with("has shape [128, 32], and `config.json` expects [32, 128]"), "{message}");
    let message = with(zeros((32, 128), DType::U8));
    assert!(message.ends_with("model.safetensors` holds U8, expected F32, BF16 or F16"), "{message}");
}

#[test]
fn a_tensor_that_the_index_leaves_out_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        std::fs::copy(example("base").join(name), folder.path().join(name)).unwrap();
    }
    let mut index = crate::fixture::json(&example("base/model.safetensors.index.json"));
    index["weight_map"].as_object_mut().unwrap().remove("model.norm.weight").unwrap();
    std::fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    let message = refused(folder.path());
    let tail = "model.safetensors.index.json` has no tensor `model.norm.weight`, which `config.json` expects with the shape [128]";
    assert!(message.ends_with(tail), "{message}");
    std::fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
    assert!(refused(folder.path()).contains("model-00002-of-00002.safetensors`"));
}

#[test]
fn settings_that_cannot_be_followed_are_refused_by_key() {
    let refuse = |changes: Value| refused(folder(&config_with(changes), &HashMap::new()).path());
    let expect = |changes: Value, tail: &str| {
        let message = refuse(changes);
        assert!(message.ends_with(tail), "{message}");
    };
    let families = "expected `llama`, `mistral`, `qwen2` or `qwen3`";
    expect(json!({"model_type": "gemma"}), &format!("is no language model: its `model_type` is `gemma`, {families}"));
    expect(json!({"model_type": null}), &format!("its `model_type` is ``, {families}"));
    expect(json!({"hidden_act": "gelu"}), "`hidden_act` is `gelu`, expected `silu`");
    expect(
        json!({"num_key_value_heads": 3}),
        "`num_key_value_heads` is `3`, expected a divisor of `num_attention_heads`",
    );
    expect(json!({"num_attention_heads": 6}), "`num_attention_heads` is `6`, expected a divisor of `hidden_size`");
    expect(json!({"head_dim": 5}), "`head_dim` is `5`, expected an even number, at least 2");
    expect(json!({"rms_norm_eps": 0.0}), "`rms_norm_eps` is `0`, expected a finite number above 0");
    expect(json!({"rms_norm_eps": -1e-5}), "`rms_norm_eps` is `-0.00001`, expected a finite number above 0");
    expect(json!({"rope_theta": 0.0}), "`rope_theta` is `0`, expected a finite number above 0");
    expect(json!({"vocab_size": 0}), "`vocab_size` is `0`, expected at least 1");
    let quantised = r#"`quantization_config` is `{"bits":4}`, expected none: quantised weights are not read"#;
    expect(json!({"quantization_config": {"bits": 4}}), quantised);
    let kind = "`rope_scaling.rope_type` is `yarn`, expected `llama3` or `default`";
    expect(json!({"rope_scaling": {"type": "yarn", "factor": 2.0}}), kind);
    let factor = "`rope_parameters.factor` is `missing`, expected a number above 0";
    expect(json!({"rope_parameters": {"rope_type": "llama3"}}), factor);
    assert!(refuse(json!({"hidden_size": "wide"})).contains("is not a valid configuration of a language model"));
}

#[test]
fn the_configuration_is_read_in_its_old_and_new_forms() {
    let read = |changes: Value| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config_with(changes).to_string()).unwrap();
        DecoderConfig::read(&folder.path().join("config.json")).unwrap()
    };
    let plain = read(json!({}));
    assert_eq!((plain.width, plain.layers, plain.kv_heads, plain.head_width), (128, 6, 2, 16));
    assert_eq!((plain.pad_token, plain.stored, plain.rope_scaling), (Some(1001), Some(Precision::F32), None));
    let new = json!({
        "rope_theta": null, "rope_scaling": null, "torch_dtype": null, "dtype": "bfloat16", "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}, "pad_token_id": 1001,
    });
    assert_eq!(read(new), DecoderConfig { stored: Some(Precision::Bf16), ..plain });
    assert_eq!(read(json!({"pad_token_id": null})).pad_token, None);
    let factors = json!({
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    });
    let with = |key: &str| {
        let mut factors = factors.clone();
        factors[key] = "llama3".into();
        read(json!({ "rope_scaling": factors })).rope_scaling.unwrap()
    };
    assert_eq!(with("type"), with("rope_type"));
    assert!((with("type").original_positions - 8192.0).abs() < f32::EPSILON);
}

/// `LlamaRotaryEmbedding(LlamaConfig(…)).inv_freq` of transformers 5.23.0 for Llama 3.1 8B's settings (head width 128,
/// theta 500000, factor 8, frequency factors 1 and 4, 8192 positions before): every fourth pair, and those around the
/// two ends of the blend.
#[test]
fn stretched_frequencies_are_the_references() {
    let scaling = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    });
    let folder = tempfile::tempdir().unwrap();
    let config = config_with(json!({ "rope_scaling": scaling, "head_dim": 128 }));
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let got = DecoderConfig::read(&folder.path().join("config.json")).unwrap().rope_frequencies();
    assert_eq!(got.len(), 64);
    let want = [
        (0, 1.0f32),
        (4, 0.440_366_63),
        (8, 0.193_922_76),
        (12, 0.085_397_1),
        (16, 0.037_606_03),
        (20, 0.016_560_44),
        (24, 0.007_292_665),
        (28, 0.003_211_446),
        (29, 0.002_166_570_6),
        (30, 0.001_371_893_7),
        (31, 0.000_856_751_46),
        (32, 0.000_524_846),
        (33, 0.000_312_693_65),
        (34, 0.000_178_507_8),
        (35, 9.556_212e-5),
        (36, 7.784_655e-5),
        (40, 3.428_102_4e-5),
        (48, 6.647_869_7e-6),
        (56, 1.289_173_2e-6),
        (63, 3.068_926e-7),
    ];
    for (pair, want) in want {
        assert!((got[pair] - want).abs() <= 1e-6 * want, "pair {pair}: {} against {want}", got[pair]);
    }
}

/// The first eight numbers of transformers' `LlamaModel` (5.23.0, eager, f32) on the base with this `rope_scaling` set,
/// for the tokens 1000, then `37 i mod 1000` for i in 1..40: the last token's `last_hidden_state`.
#[test]
fn a_model_with_stretched_frequencies_gives_the_references_states() {
    let scaling = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    });
    let folder = folder(&config_with(json!({ "rope_scaling": scaling })), &weights());
    let ids = [1000].into_iter().chain((1..40).map(|n| n * 37 % 1000)).collect();
    let texts = Texts::new([(ids, 0)]);
    let want = [-0.464_082, -0.440_878, -0.009_476, 0.015_778, 0.467_745, 0.023_779, 2.502_103, -0.551_563];
    for model in [open(folder.path(), Precision::F32), composed(folder.path(), Precision::F32)] {
        close(&features(&model, &texts)[..8], &want, 2e-5, "stretched");
    }
}

#[test]
fn progress_counts_every_text_and_cancelling_ends_the_work() {
    let texts = all_texts();
    for model in [base(), composed(&example("base"), Precision::F32)] {
        let seen = AtomicUsize::new(0);
        let count = |texts| {
            seen.fetch_add(texts, Ordering::Relaxed);
        };
        model.features(&texts, &Watch { progress: Some(&count), cancelled: None }).unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), texts.len());
        let refused = model.features(&texts, &Watch { progress: None, cancelled: Some(&|| true) }).unwrap_err();
        assert!(matches!(refused, ModelError::Cancelled));
    }
}

#[test]
fn a_model_is_tried_out_on_made_up_texts() {
    base().try_out(3, 20).unwrap();
    composed(&example("base"), Precision::F32).try_out(0, 0).unwrap();
    let mut broken = weights();
    let nan = (&broken["model.norm.weight"] * f64::NAN).unwrap();
    broken.insert("model.norm.weight".into(), nan);
    let refused = open(folder(&config(), &broken).path(), Precision::F32).try_out(1, 1 << 20).unwrap_err();
    assert_eq!(refused.to_string(), "a trial gave features that are not finite");
}

/// Llama 3 8B has 8,030,261,248 weights, 525,336,576 of them in `lm_head`, which is not loaded.
#[test]
fn the_memory_of_a_large_model_is_told_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256, "max_position_embeddings": 8192,
        "torch_dtype": "bfloat16",
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let config = DecoderConfig::read(&folder.path().join("config.json")).unwrap();
    let attention = (0..32).flat_map(|n| ["q", "k", "v", "o"].map(|p| format!("model.layers.{n}.self_attn.{p}_proj")));
    let attention: Vec<String> = attention.collect();
    let place = DecoderPlacement {
        on_host: true,
        precision: Precision::F32,
        stored: config.stored.unwrap(),
        threads: 2,
        longest: 60,
    };
    let weights = 8_030_261_248 - 525_336_576;
    let host = config.memory(place, &attention).unwrap();
    let norms = 65 * 4096;
    assert_eq!(host.base, 2 * (weights - norms) + 4 * norms);
    assert_eq!(host.adapted, 32 * (2 * 4096 + 2 * 1024) * 4096 * 4);
    assert!(host.activations < 1 << 30, "{}", host.activations);
    let full = config.memory(DecoderPlacement { stored: Precision::F32, ..place }, &attention).unwrap();
    assert_eq!(full.base, 4 * weights);
    let device = DecoderPlacement { on_host: false, precision: Precision::Bf16, ..place };
    let device = config.memory(device, &attention).unwrap();
    assert_eq!((device.base, device.adapted), (host.base, host.adapted / 2));
    assert!(device.total() < 24 << 30, "{}", device.total());
    let refused = config.memory(place, ["score"]).unwrap_err().to_string();
    assert!(refused.starts_with("an update is for `score`: the language model has no linear layer"), "{refused}");
}

#[test]
fn texts_that_are_on_a_device_are_not_sent_again_and_have_the_same_features() {
    for precision in [Precision::F32, Precision::Bf16] {
        let model = composed(&example("base"), precision);
        let texts = all_texts();
        let sent = |before: evaluation::TransferCounts| model.transfers().unwrap().since(before).up_bytes;
        let before = model.transfers().unwrap();
        let expected = features(&model, &texts);
        let each_time = sent(before);

        let before = model.transfers().unwrap();
        assert!(model.place(&texts, model.placed_bytes(&texts) - 1).unwrap().is_none(), "they do not fit");
        assert_eq!(sent(before), 0);
        let placed = model.place(&texts, model.placed_bytes(&texts)).unwrap().unwrap();
        assert_eq!((sent(before), placed.bytes()), (each_time, each_time));

        let before = model.transfers().unwrap();
        let watch = Watch::default();
        let found = model.features_of_placed(&texts, &placed, &watch).unwrap();
        assert_eq!(found.values().unwrap(), expected);
        assert_eq!(sent(before), 0);

        let foreign = |model: &DecoderModel, texts: &Texts| model.features_of_placed(texts, &placed, &watch).map(drop);
        let other = composed(&example("base"), precision);
        assert!(matches!(foreign(&other, &texts), Err(ModelError::ForeignEmbedding)), "another base");
        assert!(matches!(foreign(&model, &texts.select(&[0])), Err(ModelError::ForeignEmbedding)), "other texts");
        assert!(matches!(foreign(&base(), &texts), Err(ModelError::ForeignEmbedding)), "plain slices place nothing");
    }
    assert_eq!(base().placed_bytes(&all_texts()), 0);
    assert!(base().place(&all_texts(), u64::MAX).unwrap().is_none());
}
