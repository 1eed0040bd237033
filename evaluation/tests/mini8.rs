//! Numbers of the reference implementation.

use crate::fixture::{
    SPLITS, TASKS, base, close, embedded, example, head, images, json, tensors, testdata, values, with_adapter,
    with_update,
};
use candle_core::Device;
use evaluation::{Features, HITS, ImageModel, ScoreError, Watch, accuracy, ensemble_hits, joint_hits};
use jobs::{Precision, Rows};
use serde_json::Value;

fn correct(model: &ImageModel, embedded: &evaluation::Embedded, task: &str) -> (usize, usize) {
    let score = accuracy(&model.features(embedded, &Watch::default()).unwrap(), &head(task)).unwrap();
    assert_eq!(score.right.len(), score.n);
    (score.correct, score.n)
}

#[track_caller]
fn expect_accuracy(model: &ImageModel, golden: &Value, base: &ImageModel, task: &str, slack: usize) {
    for split in SPLITS {
        let (correct, n) = correct(model, &embedded(base, task, split), task);
        let golden = &golden[task][split];
        assert_eq!(n as u64, golden["n"].as_u64().unwrap(), "{task} {split}: images");
        let want = golden["correct"]
            .as_u64()
            .unwrap_or_else(|| (golden["accuracy"].as_f64().unwrap() / 100.0 * n as f64).round() as u64);
        let off = want.abs_diff(correct as u64);
        assert!(off <= slack as u64, "{task} {split}: {correct} right, the reference has {want} of {n}");
    }
}

#[test]
fn pixels_are_the_references() {
    let goldens = tensors(&testdata("goldens/pixels_test_first8.safetensors"));
    for task in TASKS {
        let images = images(task, "test", &Rows::Indices((0..8).collect()));
        let got: Vec<f32> = (0..8).flat_map(|n| images.normalised(n)).collect();
        close(&got, &values(&goldens[task]), 1e-5, task);
    }
}

#[test]
fn features_of_the_base_and_of_a_merge_are_the_references() {
    let goldens = tensors(&testdata("goldens/features_mnist_test_first64.safetensors"));
    let first = images("mnist", "test", &Rows::Indices((0..64).collect()));
    for model in [base(), ImageModel::open_composed(&example("base"), &Device::Cpu, Precision::F32).unwrap()] {
        let tokens = model.embed(&first, u64::MAX, &Watch::default()).unwrap();
        let merged = with_update(&model, "knots_ties_k20_a0.6");
        for (model, name) in [(&model, "base"), (&merged, "knots_ties_k20_a0.6")] {
            let features = model.features(&tokens, &Watch::default()).unwrap();
            close(features.values().unwrap(), &values(&goldens[name]), 1e-4, name);
        }
    }
}

#[test]
fn the_base_scores_as_the_reference_on_every_task_and_split() {
    let base = base();
    let golden = json(&testdata("results/finetuned.json"));
    for task in TASKS {
        expect_accuracy(&base, &golden["zero_shot"], &base, task, 1);
    }
}

#[test]
fn every_single_adapter_scores_as_the_reference() {
    let base = base();
    let golden = json(&testdata("results/finetuned.json"));
    let folders = [("finetuned_r16", 1.0), ("finetuned_r4", 1.0), ("finetuned_a32", 2.0)];
    for (set, scaling) in folders {
        for task in TASKS.iter().filter(|task| golden[set].get(task).is_some()) {
            let folder = match set {
                "finetuned_r16" => example(&format!("adapters/{task}")),
                other => testdata(&format!("adapters_{}/{task}", other.trim_start_matches("finetuned_"))),
            };
            expect_accuracy(&with_adapter(&base, &folder, scaling), &golden[set], &base, task, 1);
        }
    }
}

/// Per-task accuracy and joint hits of one merged golden.
fn expect_merged(name: &str) {
    let golden = json(&testdata(&format!("goldens/{name}.json")));
    let map = json(&example("heads/joint_map.json"));
    let base = base();
    let joint = head("joint");
    let merged = with_update(&base, name);
    let tasks: Vec<String> = serde_json::from_value(golden["tasks"].clone()).unwrap();
    for split in SPLITS {
        let mut totals = [0; 4];
        let mut images = 0;
        for task in &tasks {
            let features = merged.features(&embedded(&base, task, split), &Watch::default()).unwrap();
            let correct = accuracy(&features, &head(task)).unwrap().correct;
            let want = golden["per_task"][task][split]["correct"].as_u64().unwrap();
            assert!(want.abs_diff(correct as u64) <= 1, "{name} {task} {split}: {correct}, the reference has {want}");
            let map: Vec<usize> = serde_json::from_value(map["map"][task].clone()).unwrap();
            let score = joint_hits(&features, &joint, &map).unwrap();
            for (k, hits) in HITS.iter().zip(score.hits) {
                let want = golden["joint_hits_per_task"][task][split][format!("hits@{k}")].as_u64().unwrap();
                assert!(want.abs_diff(hits as u64) <= 1, "{name} {task} {split} hits@{k}: {hits} against {want}");
            }
            totals.iter_mut().zip(score.hits).for_each(|(total, hits)| *total += hits);
            images += score.n;
        }
        let golden = &golden["joint"][split];
        assert_eq!(golden["n"].as_u64().unwrap(), images as u64);
        for (k, total) in HITS.iter().zip(totals) {
            let want = golden[format!("hits@{k}")].as_f64().unwrap() / 100.0 * images as f64;
            assert!((want - total as f64).abs() < 2.5, "{name} {split} joint hits@{k}: {total} against {want}");
        }
    }
}

#[test]
fn the_knots_ties_merge_scores_as_the_reference() {
    expect_merged("knots_ties_k20_a0.6");
}

#[test]
fn the_ties_merge_scores_as_the_reference() {
    expect_merged("ties_k20_a0.5");
}

#[test]
fn the_task_arithmetic_merge_scores_as_the_reference() {
    expect_merged("tv_a0.3");
}

#[test]
fn the_merge_of_small_adapters_scores_as_the_reference() {
    expect_merged("r4_knots_ties_k20_a0.6");
}

#[test]
fn an_ensemble_takes_the_largest_score_of_every_class() {
    let base = base();
    let joint = head("joint");
    let map = json(&example("heads/joint_map.json"));
    let map: Vec<usize> = serde_json::from_value(map["map"]["emoji"].clone()).unwrap();
    let embedded = embedded(&base, "emoji", "validation");
    let experts: Vec<Features> = ["emoji", "mnist", "flags"]
        .map(|task| with_adapter(&base, &example(&format!("adapters/{task}")), 1.0))
        .map(|expert| expert.features(&embedded, &Watch::default()).unwrap())
        .into();
    let score = ensemble_hits(experts.iter().cloned().map(Ok::<_, ScoreError>), &joint, &map).unwrap();
    // All scores of all experts, by the definition.
    let width = joint.width();
    let cosine = |features: &Features, image: usize, class: usize| {
        let x = &features.values().unwrap()[image * width..][..width];
        let row = &joint.weight()[class * width..][..width];
        let length = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        x.iter().zip(row).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>() / length
    };
    let labels = experts[0].labels();
    let mut hits = [0_u64; 4];
    for (image, label) in labels.iter().enumerate() {
        let of_class = |class| experts.iter().map(|own| cosine(own, image, class)).fold(f64::NEG_INFINITY, f64::max);
        let scores: Vec<f64> = (0..joint.classes()).map(of_class).collect();
        let rank = scores.iter().filter(|score| **score > scores[map[*label as usize]]).count();
        HITS.iter().zip(&mut hits).for_each(|(k, hits)| *hits += u64::from(rank < *k));
    }
    assert_eq!(score.n, labels.len());
    for (found, naive) in score.hits.iter().zip(hits) {
        assert!(naive.abs_diff(*found as u64) <= 1, "{:?} against {hits:?}", score.hits);
    }
    let alone = joint_hits(&experts[0], &joint, &map).unwrap();
    assert_ne!(alone.ranks, score.ranks);
    let one = ensemble_hits([Ok::<_, ScoreError>(experts[0].clone())], &joint, &map).unwrap();
    assert_eq!(one, alone, "an ensemble of one is that one");
}
