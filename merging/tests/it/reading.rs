//! What adapters may look like, and what is said about those that may not.

use crate::fixtures::{mini8, random};
use half::{bf16, f16};
use merging::{Adapter, BaseHeader, Matrix};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::{error::Error, fs, path::Path};

/// A base with the weights `layers.<n>.{q,k}.weight` `[4, 6]`, once per tower, and `wide.weight` `[6, 4]`.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) type Tensor = (String, Vec<usize>, Vec<f32>);

pub(crate) fn safe(path: &Path, tensors: &[Tensor], dtype: Dtype) {
    let bytes = |values: &[f32]| -> Vec<u8> {
        match dtype {
            Dtype::F16 => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            Dtype::BF16 => values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            Dtype::I32 => values.iter().flat_map(|x| (*x as i32).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    };
    let data: Vec<_> = tensors.iter().map(|(name, shape, values)| (name, shape, bytes(values))).collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(dtype, (*shape).clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub(crate) fn tensor(name: &str, rows: usize, cols: usize, seed: u64) -> Tensor {
    let values = random(rows, cols, &mut ChaCha8Rng::seed_from_u64(seed)).into_data();
    (format!("base_model.model.{name}"), vec![rows, cols], values)
}

pub(crate) fn pair(module: &str) -> Vec<Tensor> {
    vec![tensor(&format!("{module}.lora_A.weight"), 2, 6, 1), tensor(&format!("{module}.lora_B.weight"), 4, 2, 2)]
}

pub(crate) fn config() -> Value {
    json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", "target_modules": ["q", "k"]})
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        fs::create_dir(folder.path().join("adapter")).unwrap();
        let towers = ["vision_model", "text_model"].into_iter().flat_map(|tower| {
            ["layers.0.q", "layers.0.k", "layers.1.q"].map(|module| format!("{tower}.{module}.weight"))
        });
        let mut weights: Vec<Tensor> = towers.map(|name| (name, vec![4, 6], vec![0.0; 24])).collect();
        weights.push(("wide.weight".to_owned(), vec![6, 4], vec![0.0; 24]));
        safe(&folder.path().join("base/model.safetensors"), &weights, Dtype::F32);
        Self { folder }
    }

    pub(crate) fn adapter_file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("adapter").join(name)
    }

    pub(crate) fn put(&self, config: Value, tensors: &[Tensor]) {
        fs::write(self.adapter_file("adapter_config.json"), config.to_string()).unwrap();
        safe(&self.adapter_file("adapter_model.safetensors"), tensors, Dtype::F32);
    }

    /// A place whose base has other weights of zeros, and perhaps a configuration.
    pub(crate) fn with_base(weights: &[(&str, [usize; 2])], config: Value) -> Self {
        let place = Self::new();
        let zeros = |(name, shape): &(&str, [usize; 2])| {
            (format!("{name}.weight"), shape.to_vec(), vec![0.0; shape[0] * shape[1]])
        };
        let weights: Vec<Tensor> = weights.iter().map(zeros).collect();
        safe(&place.folder.path().join("base/model.safetensors"), &weights, Dtype::F32);
        fs::write(place.folder.path().join("base/config.json"), config.to_string()).unwrap();
        place
    }

    /// Reads the adapter with the whole base in sight.
    pub(crate) fn read_whole(&self) -> Result<Adapter, merging::AdapterError> {
        Adapter::read("task", &self.folder.path().join("adapter"), &self.base())
    }

    /// The message of a refusal with the whole base in sight.
    pub(crate) fn refusal_whole(&self) -> String {
        let message = self.read_whole().unwrap_err().to_string();
        message.replace(&format!("{}/", self.folder.path().display()), "")
    }

    pub(crate) fn base(&self) -> BaseHeader {
        BaseHeader::open(&self.folder.path().join("base")).unwrap()
    }

    pub(crate) fn read(&self) -> Result<Adapter, merging::AdapterError> {
        Adapter::read("task", &self.folder.path().join("adapter"), &self.base().within("vision_model."))
    }

    /// The message of a refusal, with the temporary folder taken out.
    pub(crate) fn refusal(&self) -> String {
        let message = self.read().unwrap_err().to_string();
        message.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

pub(crate) fn refusal(config: Value, tensors: &[Tensor]) -> String {
    let place = Place::new();
    place.put(config, tensors);
    place.refusal()
}

fn refused_config(key: &str, value: Value) -> String {
    let mut config = config();
    config[key] = value;
    refusal(config, &pair("layers.0.q"))
}

pub(crate) fn read(config: Value, tensors: &[Tensor]) -> Adapter {
    let place = Place::new();
    place.put(config, tensors);
    place.read().unwrap()
}

#[test]
fn an_adapter_of_mini8_is_read() {
    let adapter = mini8("adapters", "mnist");
    assert_eq!(adapter.modules.len(), 24);
    let module = &adapter.modules["vision_model.encoder.layers.0.self_attn.q_proj"];
    assert_eq!(module.source, "encoder.layers.0.self_attn.q_proj");
    assert_eq!((module.lora_b.shape(), module.lora_a.shape()), ([192, 16], [16, 192]));
    assert!((module.scale - 1.0).abs() < 1e-12);
    assert_eq!(adapter.target_modules.unwrap(), ["k_proj", "out_proj", "q_proj", "v_proj"]);
    assert!((mini8("adapters_a32", "scripts").modules.values().next().unwrap().scale - 2.0).abs() < 1e-12);
}

#[test]
fn names_match_with_and_without_wrappers() {
    for module in ["layers.0.q", "vision_model.layers.0.q"] {
        let adapter = read(config(), &pair(module));
        assert_eq!(adapter.modules["vision_model.layers.0.q"].source, module);
    }
    let place = Place::new();
    place.put(
        config(),
        &[tensor("vision_model.wide.lora_A.weight", 2, 4, 1), tensor("vision_model.wide.lora_B.weight", 6, 2, 2)],
    );
    let adapter = Adapter::read("t", &place.folder.path().join("adapter"), &place.base()).unwrap();
    assert_eq!(adapter.modules["wide"].source, "vision_model.wide");
}

#[test]
fn a_text_tower_never_stands_in_for_a_vision_tower() {
    let place = Place::new();
    place.put(config(), &pair("vision_model.layers.1.q"));
    let text = place.base().within("text_model.");
    let message = Adapter::read("t", &place.folder.path().join("adapter"), &text).unwrap_err().to_string();
    assert!(message.contains("matches no weight of the base"), "{message}");
}

#[test]
fn scales_follow_peft() {
    let scale = |change: Value| {
        let mut config = config();
        change.as_object().unwrap().iter().for_each(|(key, value)| config[key] = value.clone());
        read(config, &pair("layers.0.q")).modules["vision_model.layers.0.q"].scale
    };
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    close(scale(json!({})), 2.0);
    close(scale(json!({"use_rslora": true})), 4.0 / 2f64.sqrt());
    // The rank is that of the tensors.
    close(scale(json!({"r": null})), 2.0);
    close(scale(json!({"alpha_pattern": {"q": 6}})), 3.0);
    close(scale(json!({"alpha_pattern": {r"layers\.\d\.q": 10, "q": 6}})), 5.0);
    close(scale(json!({"alpha_pattern": {"ers.0.q": 6, "k": 8}})), 2.0);
}

#[test]
fn the_first_pattern_that_matches_counts() {
    let place = Place::new();
    place.put(config(), &pair("layers.0.q"));
    let text = r#"{"peft_type": "LORA", "lora_alpha": 4, "alpha_pattern": {"q": 6, "layers.0.q": 10}}"#;
    fs::write(place.adapter_file("adapter_config.json"), text).unwrap();
    assert!((place.read().unwrap().modules["vision_model.layers.0.q"].scale - 3.0).abs() < 1e-12);
}

#[test]
fn half_width_adapters_are_widened() {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let place = Place::new();
        place.put(config(), &[]);
        safe(&place.adapter_file("adapter_model.safetensors"), &pair("layers.0.q"), dtype);
        let found = &place.read().unwrap().modules["vision_model.layers.0.q"].lora_a;
        let exact = Matrix::new(2, 6, pair("layers.0.q")[0].2.clone());
        let pairs = found.data().iter().zip(exact.data());
        assert!(pairs.clone().all(|(found, exact)| (found - exact).abs() < 0.004), "{dtype:?}");
        assert!(pairs.clone().any(|(found, exact)| found.to_bits() != exact.to_bits()), "{dtype:?}");
    }
    let place = Place::new();
    place.put(config(), &[]);
    safe(&place.adapter_file("adapter_model.safetensors"), &pair("layers.0.q"), Dtype::I32);
    assert!(place.refusal().ends_with("has the type I32; expected F32, F16 or BF16"), "{}", place.refusal());
}

#[test]
fn fan_in_fan_out_transposes() {
    let mut config = config();
    config["fan_in_fan_out"] = json!(true);
    // The base stores `layers.0.q` as [in 4, out 6].
    let tensors = [tensor("layers.0.q.lora_A.weight", 2, 4, 1), tensor("layers.0.q.lora_B.weight", 6, 2, 2)];
    let adapter = read(config, &tensors);
    let module = &adapter.modules["vision_model.layers.0.q"];
    assert_eq!(module.lora_b, Matrix::new(2, 4, tensors[0].2.clone()).transposed());
    assert_eq!(module.lora_a, Matrix::new(6, 2, tensors[1].2.clone()).transposed());
}

#[test]
fn heads_are_kept() {
    let mut tensors = pair("layers.0.q");
    tensors.push(tensor("score.weight", 3, 4, 5));
    let mut config = config();
    config["modules_to_save"] = json!(["classifier", "score"]);
    assert_eq!(read(config.clone(), &tensors).head.unwrap().shape(), [3, 4]);
    tensors.push(tensor("classifier.weight", 3, 4, 6));
    let twice = "`base_model.model.score.weight` in `adapter/adapter_model.safetensors` cannot be merged: there is another classifier \
                 head";
    assert_eq!(refusal(config, &tensors), twice);
}

#[test]
fn options_that_change_nothing_are_accepted() {
    let mut config = config();
    for (key, value) in [
        ("init_lora_weights", json!("gaussian")),
        ("megatron_core", json!("megatron.core")),
        ("qalora_group_size", json!(16)),
        ("some_new_option", json!(null)),
        ("other_new_option", json!(false)),
        ("loftq_config", json!({})),
        ("base_model_name_or_path", json!("owner/base")),
    ] {
        config[key] = value;
    }
    assert_eq!(read(config, &pair("layers.0.q")).base_model.unwrap(), "owner/base");
}

#[test]
fn options_that_are_not_plain_lora_are_refused_by_name() {
    let table = [
        ("use_dora", json!(true), "`use_dora` is `true`"),
        ("layer_replication", json!([[0, 2]]), "`layer_replication` is `[[0,2]]`"),
        ("init_lora_weights", json!("pissa_niter_16"), "`init_lora_weights` is `pissa_niter_16`"),
        ("init_lora_weights", json!("olora"), "`init_lora_weights` is `olora`"),
        ("init_lora_weights", json!("loftq"), "`init_lora_weights` is `loftq`"),
        ("lora_bias", json!(true), "`lora_bias` is `true`"),
        ("bias", json!("all"), "`bias` is `all`"),
        ("modules_to_save", json!(["embed_tokens"]), "`modules_to_save` is `embed_tokens`"),
        ("target_parameters", json!(["experts.w1"]), "`target_parameters` is"),
        ("trainable_token_indices", json!([1, 2]), "`trainable_token_indices` is `[1,2]`"),
        ("peft_type", json!("LOHA"), "`peft_type` is `LOHA`"),
        ("brand_new", json!(3), "`brand_new` is `3`"),
        ("alpha_pattern", json!({"q(": 3}), "`alpha_pattern` is `q(`"),
        ("rank_pattern", json!({"q(": 2}), "`rank_pattern` is `q(`"),
        ("lora_alpha", json!(null), "`lora_alpha` is `null`"),
        ("lora_alpha", json!("16"), "`lora_alpha` is `16`"),
    ];
    for (key, value, expected) in table {
        let message = refused_config(key, value);
        assert!(message.starts_with(expected), "{message}");
        assert!(message.contains(" in `adapter/adapter_config.json`: "), "{message}");
    }
}

#[test]
fn tensors_that_match_nothing_are_refused() {
    let message = refusal(config(), &[pair("layers.0.q"), pair("layers.7.q")].concat());
    let expected = "`base_model.model.layers.7.q.lora_A.weight` in `adapter/adapter_model.safetensors` matches no weight of \
                    the base `base`: the last of that name is `vision_model.layers.1.q.weight`: is it an adapter of a \
                    larger model?";
    assert_eq!(message, expected);
    let mut tensors = pair("layers.0.q");
    tensors.push(tensor("layers.0.q.lora_magnitude_vector", 4, 1, 3));
    assert!(refusal(config(), &tensors).contains("DoRA"));
    let mut tensors = pair("layers.0.q");
    tensors.push(tensor("layers.0.norm.weight", 4, 1, 3));
    assert!(refusal(config(), &tensors).ends_with("it is neither a LoRA factor nor a classifier head"));
}

#[test]
fn a_missing_factor_is_named() {
    let expected = "`adapter/adapter_model.safetensors` holds `base_model.model.layers.0.q.lora_A.weight` but not \
                    `base_model.model.layers.0.q.lora_B.weight`";
    assert_eq!(refusal(config(), &pair("layers.0.q")[..1]), expected);
    assert!(
        refusal(config(), &pair("layers.0.q")[1..]).ends_with("but not `base_model.model.layers.0.q.lora_A.weight`")
    );
}

#[test]
fn shapes_that_do_not_fit_are_shown() {
    let tensors = [tensor("layers.0.q.lora_A.weight", 2, 6, 1), tensor("layers.0.q.lora_B.weight", 4, 3, 2)];
    let expected = "`base_model.model.layers.0.q.lora_B.weight` in `adapter/adapter_model.safetensors` has the shape [4, 3], \
                    expected [4, 2], the rank of `base_model.model.layers.0.q.lora_A.weight`";
    assert_eq!(refusal(config(), &tensors), expected);
    let tensors = [tensor("layers.0.q.lora_A.weight", 2, 8, 1), tensor("layers.0.q.lora_B.weight", 4, 2, 2)];
    let expected = "`layers.0.q` in `adapter/adapter_model.safetensors` updates a weight of shape [4, 8], but \
                    `vision_model.layers.0.q.weight` of the base is [4, 6]: is it an adapter of another base?";
    assert_eq!(refusal(config(), &tensors), expected);
    let mut tensors = pair("layers.0.q");
    tensors[0].1 = vec![2, 3, 2];
    assert!(
        refusal(config(), &tensors)
            .ends_with("has the shape [2, 3, 2], expected two dimensions: updates of convolutions are not merged")
    );
    tensors[0].1 = vec![0];
    tensors[0].2.clear();
    assert!(
        refusal(config(), &tensors)
            .contains("expected two dimensions that are not 0: nothing was saved; gather the weights first")
    );
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let mut tensors = pair("layers.0.q");
        tensors[1].2[3] = value;
        let expected =
            format!("`base_model.model.layers.0.q.lora_B.weight` in `adapter/adapter_model.safetensors` holds {shown}");
        assert_eq!(refusal(config(), &tensors), expected);
    }
}

#[test]
fn an_adapter_that_changes_nothing_is_refused() {
    let mut tensors = [pair("layers.0.q"), pair("layers.0.k")].concat();
    tensors[1].2.fill(0.0);
    assert_eq!(read(config(), &tensors).modules.len(), 2);
    tensors[3].2.fill(0.0);
    assert!(refusal(config(), &tensors).starts_with("every update in `adapter/adapter_model.safetensors` is zero"));
    let nothing = "`adapter/adapter_model.safetensors` holds no tensors: the adapter's weights were not saved";
    assert_eq!(refusal(config(), &[]), nothing);
    for zero in [json!(0), json!(0.0)] {
        let expected = "in `adapter/adapter_config.json`: α is 0, so every update is zero";
        let message = refused_config("lora_alpha", zero);
        assert!(message.starts_with("`lora_alpha` is `0") && message.ends_with(expected), "{message}");
    }
}

#[test]
fn two_updates_of_one_weight_are_refused() {
    let message = refusal(config(), &[pair("layers.0.q"), pair("vision_model.layers.0.q")].concat());
    assert!(message.ends_with("both update `vision_model.layers.0.q`"), "{message}");
}

#[test]
fn damaged_files_are_refused() {
    let place = Place::new();
    place.put(config(), &pair("layers.0.q"));
    let path = place.adapter_file("adapter_model.safetensors");
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 40, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = place.read().unwrap_err();
        assert!(error.to_string().ends_with("adapter_model.safetensors` are truncated or corrupt"), "{error}");
        assert!(error.source().is_some());
    }
    fs::write(place.adapter_file("adapter_config.json"), "{").unwrap();
    assert_eq!(place.refusal(), "the adapter configuration `adapter/adapter_config.json` is not valid");
    fs::remove_file(place.adapter_file("adapter_config.json")).unwrap();
    assert_eq!(place.refusal(), "cannot read `adapter/adapter_config.json`");
}

#[test]
fn a_damaged_base_is_refused() {
    let place = Place::new();
    let folder = place.folder.path().join("base");
    let path = place.folder.path().join("base/model.safetensors");
    let whole = fs::read(&path).unwrap();
    for length in [0, 7, 30, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let message = BaseHeader::open(&folder).unwrap_err().to_string();
        assert!(message.contains("model.safetensors` is truncated or corrupt: its header needs "), "{message}");
    }
    // Headers that give a tensor other bytes than its shape has, and shapes whose product wraps.
    for (shape, expected) in [("[6,5]", "120 bytes"), ("[4611686018427387904,16]", "a shape that a file can hold")] {
        let header = format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":[0,96]}}}}"#);
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length[..], header.as_bytes(), &[0; 96]].concat()).unwrap();
        let message = BaseHeader::open(&folder).unwrap_err().to_string();
        let problem = format!("expected {expected}: the file is corrupt, so fetch or save it again");
        assert!(message.contains("gives `x` of type F32") && message.ends_with(&problem), "{message}");
    }
    fs::remove_file(&path).unwrap();
    let message = BaseHeader::open(&folder).unwrap_err().to_string();
    assert!(
        message
            .ends_with("holds neither `model.safetensors` nor `model.safetensors.index.json`, nor `pytorch_model.bin`"),
        "{message}"
    );
    let index = json!({"weight_map": {"x.weight": "model-1.safetensors"}}).to_string();
    fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    fs::write(folder.join("model-1.safetensors"), &whole).unwrap();
    let message = BaseHeader::open(&folder).unwrap_err().to_string();
    assert!(message.starts_with("`x.weight` is not in `"), "{message}");
}

#[test]
fn a_base_in_shards_is_read() {
    let place = Place::new();
    let folder = place.folder.path().join("base");
    fs::rename(folder.join("model.safetensors"), folder.join("model-1.safetensors")).unwrap();
    let index = json!({"weight_map": {"wide.weight": "model-1.safetensors"}}).to_string();
    fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    let header = BaseHeader::open(&folder).unwrap();
    assert_eq!(header.tensors().len(), 1);
    assert_eq!(header.tensor("wide.weight").unwrap().shape, [6, 4]);
}

#[test]
fn a_tensor_of_a_base_lies_where_its_type_and_shape_need_it() {
    let place = Place::new();
    let folder = place.folder.path().join("base");
    let entry = |shape: Value, offsets: [u64; 2]| json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
    let refusal = |misplaced: Value| {
        let header = json!({"a": misplaced, "b": entry(json!([6]), [0, 24])}).to_string();
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 24]].concat();
        fs::write(folder.join("model.safetensors"), bytes).unwrap();
        BaseHeader::open(&folder).unwrap_err().to_string()
    };
    let message = refusal(entry(json!([2, 3]), [0, 16]));
    assert!(message.contains("gives `a` of type F32 and shape [2, 3] the bytes 0 to 16"), "{message}");
    assert!(message.contains("expected 24 bytes: the file is corrupt"), "{message}");
    let message = refusal(entry(json!([0]), [24, 16]));
    assert!(message.contains("the bytes 24 to 16 of its data; expected 0 bytes"), "{message}");
    // The product wraps to 6.
    let message = refusal(entry(json!([4_294_967_297_u64, 4_294_967_296_u64, 6]), [0, 24]));
    assert!(message.contains("expected a shape that a file can hold"), "{message}");
}

#[test]
fn a_scale_that_overflows_is_refused() {
    let message = refused_config("lora_alpha", json!(1e300));
    assert!(message.starts_with("`lora_alpha` is `1e"), "{message}");
    assert!(message.ends_with("α over the rank is more than 32-bit floats hold"), "{message}");
    let message = refused_config("alpha_pattern", json!({"q": 1e300}));
    assert!(message.starts_with("`alpha_pattern` is `q: 1e300`"), "{message}");
}
