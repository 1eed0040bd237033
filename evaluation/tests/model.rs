//! Opening, patching and running the image tower.

use crate::fixture::{base, chain, close, embedded, example, head, images, source, values};
use candle_core::{Device, Tensor};
use evaluation::{Delta, Head, ImageModel, Images, ModelError, Preprocess, Watch, accuracy, joint_hits, outline};
use jobs::{DataFiles, Precision, Rows};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

fn weights() -> HashMap<String, Tensor> {
    crate::fixture::tensors(&example("base/model.safetensors"))
}

/// A model folder with this configuration and these weights.
fn folder(config: &str, weights: &HashMap<String, Tensor>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    candle_core::safetensors::save(weights, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn config() -> String {
    std::fs::read_to_string(example("base/config.json")).unwrap()
}

fn refused(folder: &Path) -> String {
    chain(&ImageModel::open(folder, &Device::Cpu).map(|_| ()).unwrap_err())
}

fn first(count: u64) -> Arc<Images> {
    images("emoji", "test", &Rows::Indices((0..count).collect()))
}

fn features(model: &ImageModel, images: &Arc<Images>, budget_bytes: u64) -> Vec<f32> {
    let embedded = model.embed(images, budget_bytes, &Watch::default()).unwrap();
    model.features(&embedded, &Watch::default()).unwrap().values().unwrap().to_vec()
}

#[test]
fn shards_and_half_precision_open_as_the_whole_file() {
    let sharded = tempfile::tempdir().unwrap();
    std::fs::write(sharded.path().join("config.json"), config()).unwrap();
    let mut shards = [HashMap::new(), HashMap::new()];
    let mut map = HashMap::new();
    for (n, (key, tensor)) in weights().into_iter().enumerate() {
        map.insert(key.clone(), format!("model-{}.safetensors", n % 2));
        shards[n % 2].insert(key, tensor);
    }
    for (n, shard) in shards.iter().enumerate() {
        candle_core::safetensors::save(shard, sharded.path().join(format!("model-{n}.safetensors"))).unwrap();
    }
    let index = serde_json::json!({"weight_map": map}).to_string();
    std::fs::write(sharded.path().join("model.safetensors.index.json"), index).unwrap();
    let model = ImageModel::open(sharded.path(), &Device::Cpu).unwrap();
    let want = features(&base(), &first(3), u64::MAX);
    assert_eq!(features(&model, &first(3), u64::MAX), want);
    for dtype in [candle_core::DType::F16, candle_core::DType::BF16] {
        let half = weights().into_iter().map(|(k, t)| (k, t.to_dtype(dtype).unwrap())).collect();
        let folder = folder(&config(), &half);
        let got = features(&ImageModel::open(folder.path(), &Device::Cpu).unwrap(), &first(3), u64::MAX);
        close(&got, &want, 0.15, "half precision");
        assert_ne!(got, want);
    }
    std::fs::remove_file(sharded.path().join("model-1.safetensors")).unwrap();
    assert!(refused(sharded.path()).contains("model-1.safetensors`"));
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let mut without = weights();
    without.remove("vision_model.embeddings.class_embedding");
    let message = refused(folder(&config(), &without).path());
    let tail = "model.safetensors` has no tensor `vision_model.embeddings.class_embedding`, which `config.json` \
                expects with the shape [192]";
    assert!(message.ends_with(tail), "{message}");
    let mut other = weights();
    let key = "vision_model.encoder.layers.3.mlp.fc1.weight";
    other.insert(key.into(), Tensor::zeros((192, 384), candle_core::DType::F32, &Device::Cpu).unwrap());
    let message = refused(folder(&config(), &other).path());
    assert!(message.starts_with(&format!("tensor `{key}` in `")), "{message}");
    assert!(message.ends_with("has shape [192, 384], and `config.json` expects [384, 192]"), "{message}");
}

#[test]
fn headers_are_enough_to_find_what_a_model_lacks() {
    let preprocessor = std::fs::read(example("base/preprocessor_config.json")).unwrap();
    let outline = |weights: &HashMap<String, Tensor>| {
        let folder = folder(&config(), weights);
        std::fs::write(folder.path().join("preprocessor_config.json"), &preprocessor).unwrap();
        let refused = outline(folder.path()).map(|_| ()).map_err(|error| chain(&error));
        (refused, ImageModel::open(folder.path(), &Device::Cpu).map(|_| ()).map_err(|error| chain(&error)))
    };
    assert_eq!(outline(&weights()), (Ok(()), Ok(())));
    let kept: Vec<String> = weights().into_keys().filter(|key| !key.contains("layers.")).collect();
    let tower = |key: &String| key.starts_with("vis") && !key.contains("position_ids");
    let layer = |key: &String| key.starts_with("vision_model.encoder.layers.2.");
    let read: Vec<String> = kept.into_iter().filter(tower).chain(weights().into_keys().filter(layer)).collect();
    assert_eq!(read.len(), 8 + 16, "{read:?}");
    for key in read {
        let mut changed = weights();
        let tensor = changed.remove(&key).unwrap();
        let (found, wanted) = outline(&changed);
        assert!(found.is_err() && wanted.is_err(), "{key}");
        changed.insert(key.clone(), tensor.unsqueeze(0).unwrap());
        let (found, _) = outline(&changed);
        assert!(found.unwrap_err().starts_with(&format!("tensor `{key}` in `")), "{key}");
    }
}

#[test]
fn an_image_processor_for_another_size_is_refused_with_the_headers() {
    let folder = folder(&config(), &weights());
    let outline = |processor: &str| {
        std::fs::write(folder.path().join("processor_config.json"), processor).unwrap();
        outline(folder.path()).map(|_| ()).map_err(|error| error.to_string())
    };
    let wrong = Err("the images are 224 pixels wide, the model takes 32".to_owned());
    assert_eq!(outline(r#"{"image_processor": {"do_resize": true}}"#), wrong);
    let exact = r#"{"image_processor": {"do_center_crop": false, "size": {"height": 32, "width": 224}}}"#;
    assert_eq!(outline(exact), wrong);
    assert_eq!(outline(r#"{"image_processor": {"size": 32, "crop_size": 32}}"#), Ok(()));
}

#[test]
fn a_damaged_weight_file_is_refused() {
    let folder = folder(&config(), &weights());
    let path = folder.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 5, 1000, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let message = refused(folder.path());
        assert!(message.contains("model.safetensors` is not a readable safetensors file"), "{cut}: {message}");
    }
}

#[test]
fn a_folder_that_holds_no_clip_model_is_refused_by_its_type() {
    let refuse = |config: &str| refused(folder(config, &HashMap::new()).path());
    assert!(refuse(r#"{"model_type": "llama"}"#).ends_with("its `model_type` is `llama`, expected `clip`"));
    assert!(refuse(r#"{"projection_dim": 4}"#).ends_with("its `model_type` is ``, expected `clip`"));
    let activation = config().replace("quick_gelu", "relu");
    assert!(refuse(&activation).contains("_config.hidden_act` is `relu`, expected `quick_gelu` or `gelu`"));
    let heads = config().replace(r#""num_attention_heads": 3"#, r#""num_attention_heads": 5"#);
    assert!(refuse(&heads).contains("_config.num_attention_heads` is `5`, expected a divisor of `hidden_size`"));
    assert!(refuse("{").contains("is not a valid CLIP configuration"));
    assert!(refused(Path::new("nowhere")).starts_with("cannot read `nowhere/config.json`"));
}

#[test]
fn both_towers_agree_with_either_activation() {
    for config in [config(), config().replace("quick_gelu", "gelu")] {
        let folder = folder(&config, &weights());
        let host = ImageModel::open(folder.path(), &Device::Cpu).unwrap();
        let composed = ImageModel::open_composed(folder.path(), &Device::Cpu, Precision::F32).unwrap();
        let want = features(&composed, &first(40), u64::MAX);
        close(&features(&host, &first(40), u64::MAX), &want, 1e-4, "host against composed");
        close(&features(&composed, &first(40), 0), &want, 1e-5, "composed, embedded again");
    }
}

#[test]
fn images_over_the_budget_are_embedded_again_to_the_same_numbers() {
    let model = base();
    let images = first(40);
    let needed = 40 * model.embedded_bytes_per_image();
    assert_eq!(needed, 40 * 17 * 192 * 4);
    let held = |budget| model.embed(&images, budget, &Watch::default()).unwrap().is_held();
    assert!(held(needed) && !held(needed - 1));
    assert_eq!(features(&model, &images, needed), features(&model, &images, needed - 1));
}

#[test]
fn the_threads_do_not_change_the_numbers() {
    let model = base();
    let images = first(100);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| features(&model, &images, u64::MAX))
    };
    assert_eq!(with(1), with(3));
}

/// `[outputs, inputs]` numbers of a pattern.
fn pattern(outputs: usize, inputs: usize) -> Vec<f32> {
    (0..outputs * inputs).map(|n| ((n * 37 % 101) as f32 - 50.0) / 4000.0).collect()
}

#[test]
fn a_patch_equals_a_model_whose_weights_were_changed_on_disk() {
    let base = base();
    let images = first(8);
    for module in base.modules() {
        let layer = module.name.strip_prefix("vision_model.encoder.layers.");
        if layer.is_some_and(|rest| !rest.starts_with('2')) {
            continue;
        }
        let delta = pattern(module.outputs, module.inputs);
        let key = format!("{}.weight", module.name);
        let mut changed = weights();
        let update = Tensor::from_slice(&delta, (module.outputs, module.inputs), &Device::Cpu).unwrap();
        let sum = (&changed[&key] + (update * 0.5).unwrap()).unwrap();
        changed.insert(key, sum);
        let folder = folder(&config(), &changed);
        let want = features(&ImageModel::open(folder.path(), &Device::Cpu).unwrap(), &images, u64::MAX);
        let deltas = base.deltas([(&module.name, Delta::Dense(&delta))]).unwrap();
        let got = features(&base.patched(&deltas, 0.5).unwrap(), &images, u64::MAX);
        close(&got, &want, 1e-5, &module.name);
        let unpatched = features(&base, &images, u64::MAX);
        assert!(got.iter().zip(&unpatched).any(|(a, b)| (a - b).abs() > 1e-3), "{} has no effect", module.name);
    }
}

#[test]
fn a_low_rank_update_is_its_product_and_scaling_is_linear() {
    let base = base();
    let images = first(8);
    let a = pattern(4, 192);
    let b = pattern(192, 4);
    let product = Tensor::from_slice(&b, (192, 4), &Device::Cpu)
        .unwrap()
        .matmul(&Tensor::from_slice(&a, (4, 192), &Device::Cpu).unwrap())
        .unwrap();
    let dense = values(&product);
    let name = "vision_model.encoder.layers.1.self_attn.v_proj";
    let low = base.deltas([(name, Delta::LowRank { b: &b, a: &a, rank: 4 })]).unwrap();
    let full = base.deltas([(name, Delta::Dense(&dense))]).unwrap();
    let with = |deltas, scaling| features(&base.patched(deltas, scaling).unwrap(), &images, u64::MAX);
    close(&with(&low, 40.0), &with(&full, 40.0), 1e-4, "low rank against dense");
    assert_eq!(with(&low, 0.0), features(&base, &images, u64::MAX));
    let twice = base.patched(&low, 20.0).unwrap().patched(&low, 20.0).unwrap();
    close(&features(&twice, &images, u64::MAX), &with(&low, 40.0), 1e-4, "in two steps");
}

#[test]
fn updates_that_do_not_fit_are_refused_by_module() {
    let base = base();
    let name = "vision_model.encoder.layers.0.self_attn.q_proj";
    let a = vec![0.0; 4 * 192];
    let b = vec![0.0; 4 * 192];
    let nan = vec![f32::NAN; 192 * 192];
    let refused = |updates: Vec<(&str, Delta<'_>)>| base.deltas(updates).map(|_| ()).unwrap_err().to_string();
    let low = |rank| Delta::LowRank { b: &b, a: &a, rank };
    for unknown in ["vision_model.encoder.layers.6.mlp.fc1", "x"] {
        let message = refused(vec![(unknown, low(4))]);
        assert!(message.starts_with(&format!("an update is for `{unknown}`: the image tower has no linear layer")));
    }
    for text in ["text_model.encoder.layers.0.mlp.fc1", "text_projection"] {
        let message = refused(vec![(text, low(4))]);
        assert!(message.starts_with(&format!("an update is for `{text}`: it lies in the text tower")), "{message}");
    }
    let twice = refused(vec![(name, low(4)), (name, low(4))]);
    assert_eq!(twice, format!("an update is for `{name}`: it is named twice"));
    let short = "lora_b holds 768 numbers, expected 960 for a [192, 192] matrix";
    assert_eq!(refused(vec![(name, low(5))]), format!("an update is for `{name}`: {short}"));
    let infinite = refused(vec![(name, Delta::Dense(&nan))]);
    assert_eq!(infinite, format!("an update is for `{name}`: it holds a value that is not finite"));
}

#[test]
fn what_belongs_to_another_base_is_refused() {
    let one = base();
    let other = base();
    let embedded = one.embed(&first(2), u64::MAX, &Watch::default()).unwrap();
    let refused = other.features(&embedded, &Watch::default()).unwrap_err();
    assert!(matches!(refused, ModelError::ForeignEmbedding));
    let deltas = one.deltas(Vec::<(&str, Delta<'_>)>::new()).unwrap();
    assert!(matches!(other.patched(&deltas, 1.0).map(|_| ()).unwrap_err(), ModelError::ForeignUpdates));
}

#[test]
fn images_of_another_size_are_refused() {
    let files = DataFiles::Parquet(vec![example("data/mnist/validation-00000-of-00001.parquet")]);
    let rows = Rows::Indices(vec![0]);
    let large = Images::read(&source(&files, &rows), &Preprocess::default(), None).unwrap();
    assert_eq!(large.edge(), 224);
    let refused = base().embed(&Arc::new(large), u64::MAX, &Watch::default()).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "the images are 224 pixels wide, the model takes 32");
}

#[test]
fn progress_counts_every_image_and_cancelling_ends_the_work() {
    let model = base();
    let images = first(100);
    let seen = AtomicUsize::new(0);
    let count = |images| {
        seen.fetch_add(images, Ordering::Relaxed);
    };
    let watch = Watch { progress: Some(&count), cancelled: None };
    let embedded = model.embed(&images, u64::MAX, &watch).unwrap();
    model.features(&embedded, &watch).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 200);
    let enough = || seen.load(Ordering::Relaxed) > 200;
    let refused = model.features(&embedded, &Watch { progress: Some(&count), cancelled: Some(&enough) }).unwrap_err();
    assert!(matches!(refused, ModelError::Cancelled));
    assert!(seen.load(Ordering::Relaxed) < 300, "not every image was run");
}

#[test]
fn a_head_of_another_size_names_both_numbers() {
    let model = base();
    let features = model.features(&embedded(&model, "icons", "validation"), &Watch::default()).unwrap();
    let refused = accuracy(&features, &head("letters")).unwrap_err();
    assert!(refused.to_string().starts_with("the head has 26 classes, the data set has 8: `"), "{refused}");
    let narrow = Head::from_rows(vec![1.0; 8 * 4], 8).unwrap();
    let refused = accuracy(&features, &narrow).unwrap_err();
    assert_eq!(refused.to_string(), "the head has vectors of 4 numbers, the features have 128");
    let refused = joint_hits(&features, &head("icons"), &[0, 1, 2, 3, 4, 5, 6, 8]).unwrap_err();
    assert_eq!(refused.to_string(), "class 7 of the task is joint class 8, but the joint head has 8 classes");
}

#[test]
fn images_whose_features_are_not_finite_are_not_wrong_answers() {
    let name = "vision_model.encoder.layers.1.self_attn.v_proj";
    let update = pattern(192, 192);
    for base in [base(), ImageModel::open_composed(&example("base"), &Device::Cpu, Precision::F32).unwrap()] {
        let deltas = base.deltas([(name, Delta::Dense(&update))]).unwrap();
        for scaling in [1e25, 1e38] {
            let model = base.patched(&deltas, scaling).unwrap();
            let features = model.features(&embedded(&base, "icons", "validation"), &Watch::default()).unwrap();
            let n = features.labels().len();
            let words = format!("{n} of {n} examples have features that are not finite: a `scaling` may be too large");
            let refused = accuracy(&features, &head("icons")).unwrap_err().to_string();
            assert!(refused.starts_with(&words), "{refused}");
            let refused = joint_hits(&features, &head("icons"), &[0, 1, 2, 3, 4, 5, 6, 7]).unwrap_err().to_string();
            assert!(refused.starts_with(&words), "{refused}");
        }
    }
}

#[test]
fn a_model_is_tried_out_on_blank_images() {
    base().try_out(3).unwrap();
    ImageModel::open_composed(&example("base"), &Device::Cpu, Precision::F32).unwrap().try_out(0).unwrap();
    let mut broken = weights();
    let key = "visual_projection.weight";
    let nan = (&broken[key] * f64::NAN).unwrap();
    broken.insert(key.to_owned(), nan);
    let folder = folder(&config(), &broken);
    let refused = ImageModel::open(folder.path(), &Device::Cpu).unwrap().try_out(1).unwrap_err();
    assert!(matches!(refused, ModelError::NotFinite), "{refused}");
}
