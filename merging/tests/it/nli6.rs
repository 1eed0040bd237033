//! Merges of the reference implementation on the language tasks: grouped queries give matrices of two shapes, of which
//! the smaller has fewer directions than the adapters have ranks.

use crate::fixtures::root;
use jobs::RecipeSpec;
use merging::{Adapter, Aligned, BaseHeader, Matrix, MergedUpdate};
use safetensors::SafeTensors;
use serde_json::Value;
use std::fs;

fn goldens() -> Vec<Value> {
    let text = fs::read(root().join("testdata/nli6/goldens/merges.json")).unwrap();
    let all: Vec<Value> = serde_json::from_slice(&text).unwrap();
    // Masks are random: they are compared by their accuracies.
    all.into_iter().filter(|golden| golden["method"] != "knots_dare_ties").collect()
}

fn merge(golden: &Value) -> MergedUpdate {
    let base = BaseHeader::open(&root().join("examples/nli6/base")).unwrap();
    let tasks = golden["tasks"].as_array().unwrap().iter().map(|task| task.as_str().unwrap());
    let read = |task| Adapter::read(task, &root().join("examples/nli6/adapters").join(task), &base).unwrap();
    let adapters: Vec<Adapter> = tasks.map(read).collect();
    let preset = match golden["method"].as_str().unwrap() {
        "tv" => "task_arithmetic",
        other => other,
    };
    let density = golden["topK"].as_f64().map(|percent| percent / 100.0).filter(|_| preset != "task_arithmetic");
    let scaling = golden["alpha"].as_f64();
    let spec = RecipeSpec { preset: Some(preset.to_owned()), density, scaling, ..RecipeSpec::default() };
    let recipe = spec.resolve().unwrap();
    Aligned::new(&adapters, recipe.space).unwrap().merge(&recipe).unwrap()
}

#[test]
fn merges_have_the_norms_of_the_reference() {
    let goldens = goldens();
    assert_eq!(goldens.len(), 17);
    for golden in goldens {
        let update = merge(&golden);
        let norms = golden["frobenius"].as_object().unwrap();
        assert_eq!((norms.len(), update.modules.len()), (24, 24));
        for (weight, norm) in norms {
            let found = update.dense(weight.strip_suffix(".weight").unwrap()).unwrap().frobenius();
            let error = (found / norm.as_f64().unwrap() - 1.0).abs();
            assert!(error < 1e-3, "{} {} {weight}: {found}, not {norm}", golden["method"], golden["topK"]);
        }
    }
}

#[test]
fn whole_updates_equal_the_reference() {
    let goldens = goldens();
    for (index, name, tolerance) in [(0, "knots_ties_k40_a1.0", 1e-3), (1, "ties_k50_a0.5", 1e-5)] {
        let update = merge(&goldens[index]);
        let file = fs::read(root().join(format!("testdata/nli6/goldens/update_{name}.safetensors"))).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(tensors.len(), 24);
        for (key, view) in tensors.tensors() {
            let expected: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            let expected = Matrix::new(view.shape()[0], view.shape()[1], expected);
            let found = update.dense(key.strip_suffix(".weight").unwrap()).unwrap();
            let pairs = found.data().iter().zip(expected.data());
            let squares: f64 = pairs.map(|(found, expected)| f64::from(found - expected).powi(2)).sum();
            let error = squares.sqrt() / expected.frobenius();
            assert!(error < tolerance, "{name}: {key} is off by {error:e}");
        }
    }
}
