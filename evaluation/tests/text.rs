//! Tokens and heads against the reference.

use crate::fixture::{TASKS, chain, close, example, head, json, tensors, testdata, values};
use candle_core::{DType, Device, Tensor};
use evaluation::{Head, TextModel, prompts};
use std::{collections::HashMap, path::Path};

fn model() -> TextModel {
    TextModel::open(&example("base")).unwrap()
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn odd_strings_get_the_references_tokens() {
    let model = model();
    for probe in json(&testdata("goldens/tokenizer_probes.json")).as_array().unwrap() {
        let text = probe["text"].as_str().unwrap();
        let want: Vec<u32> = serde_json::from_value(probe["truncated_to_32"].clone()).unwrap();
        assert_eq!(model.tokenizer().encode(text).unwrap(), want, "{text:?}");
    }
}

#[test]
fn a_head_is_made_as_the_reference_makes_it() {
    let model = model();
    let steps = json(&testdata("goldens/text_head_fashion_mnist.json"));
    let golden = tensors(&testdata("goldens/text_head_fashion_mnist.safetensors"));
    let texts = strings(&steps["prompts"]);
    for (text, ids) in texts.iter().zip(steps["token_ids"].as_array().unwrap()) {
        let want: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
        assert_eq!(model.tokenizer().encode(text).unwrap(), want, "{text:?}");
    }
    close(&model.features(&texts).unwrap(), &values(&golden["projected"]), 1e-4, "projected features");
    let per_class: Vec<Vec<String>> = texts.chunks(3).map(<[String]>::to_vec).collect();
    let made = Head::from_prompts(&model, &per_class).unwrap();
    close(made.weight(), &values(&golden["head"]), 1e-4, "head");
}

#[test]
fn every_shipped_head_follows_from_its_classes_and_templates() {
    let model = model();
    let classes = json(&example("heads/classes.json"));
    let templates = json(&example("heads/templates.json"));
    for task in TASKS {
        let made = Head::from_prompts(&model, &prompts(&strings(&classes[task]), &strings(&templates[task]))).unwrap();
        assert_eq!((made.classes(), made.width()), (head(task).classes(), 128));
        close(made.weight(), head(task).weight(), 1e-4, task);
    }
    let joint = json(&example("heads/joint_map.json"));
    let per_class: Vec<Vec<String>> =
        strings(&joint["classes"]).iter().map(|class| strings(&joint["prompts"][class])).collect();
    let made = Head::from_prompts(&model, &per_class).unwrap();
    close(made.weight(), head("joint").weight(), 1e-4, "joint");
}

#[test]
fn a_written_head_reads_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.safetensors");
    head("flags").write(&path).unwrap();
    assert_eq!(Head::read(&path).unwrap(), head("flags"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn a_head_that_cannot_be_is_refused_with_its_reason() {
    let refused = |path: &Path| chain(&Head::read(path).unwrap_err());
    let adapter = refused(&example("adapters/mnist/adapter_model.safetensors"));
    assert!(
        adapter.contains(
            "adapter_model.safetensors` has no matrix `weight`, `score.weight` or `classifier.weight` of shape"
        ),
        "{adapter}"
    );
    let text = refused(&example("base/config.json"));
    assert!(text.contains("config.json` is not a readable safetensors file"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.safetensors");
    Head::from_rows(vec![1.0, f32::NAN], 2).unwrap().write(&path).unwrap();
    assert!(refused(&path).ends_with("nan.safetensors` holds a value that is not finite"));
    let matrix = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let bias = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let several = |tensors: [(&str, Tensor); 2]| {
        candle_core::safetensors::save(&HashMap::from(tensors), &path).unwrap();
        refused(&path)
    };
    let biased = several([("score.weight", matrix((3, 4))), ("score.bias", bias)]);
    assert!(
        biased.contains("nan.safetensors` holds `score.bias` [3], `score.weight` [3, 4]; expected one"),
        "{biased}"
    );
    let twice = several([("weight", matrix((3, 4))), ("score.weight", matrix((3, 4)))]);
    assert!(twice.contains("nan.safetensors` holds `score.weight` [3, 4], `weight` [3, 4]; expected one"), "{twice}");
    let none = Head::from_prompts(&model(), &[vec!["a cat".into()], vec![]]).unwrap_err();
    assert_eq!(none.to_string(), "class 1 has no prompts");
}

#[test]
fn a_head_carries_the_names_of_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.safetensors");
    let names = ["cat", "a \"dog\""].map(str::to_owned);
    let head = Head::new(vec![1.0, 2.0, 3.0, 4.0], 2, 2).unwrap();
    head.write(&path).unwrap();
    assert_eq!(Head::read(&path).unwrap().names(), None);
    head.clone().named(&names).unwrap().write(&path).unwrap();
    let read = Head::read(&path).unwrap();
    assert_eq!((read.names().unwrap(), read.weight()), (&names[..], head.weight()));
    assert_eq!(head.clone().named(&names[..1]).unwrap_err().to_string(), "the head has 2 rows, and 1 class names");
    let twice = head.named(&["cat".to_owned(), "cat".to_owned()]).unwrap_err();
    assert_eq!(chain(&twice), "the class names of the head cannot be used: classes 0 and 1 are both called `cat`");
}

#[test]
fn names_in_a_head_that_cannot_be_its_own_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.safetensors");
    let tensor = candle_core::Tensor::zeros((2, 2), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    for (classes, problem) in [
        (r#"["a"]"#, "it has 1 names"),
        (r#"["a", "a"]"#, "classes 0 and 1 are both called `a`"),
        ("a, b", "it is not a JSON list of names: expected value at line 1 column 1"),
    ] {
        let metadata = Some([("classes".to_owned(), classes.to_owned())].into());
        let bytes = safetensors::serialize([("weight", &tensor)], metadata).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let refused = Head::read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("`classes`, which cannot name its 2 rows: ") && refused.ends_with(problem),
            "{refused}"
        );
    }
}
