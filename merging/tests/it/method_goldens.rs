//! Merges by the authors' own code, in `testdata/methods`: its README says how they were made, and how near two correct
//! programs come.

mod recipes;

use crate::fixtures::{mini8, root};
use jobs::RecipeSpec;
use merging::{Adapter, Aligned, BaseHeader, Matrix, MergedUpdate};
use recipes::{Checked, checked};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// One file.
#[derive(Deserialize)]
struct Golden {
    fixture: String,
    tasks: Vec<String>,
    method: String,
    config: Value,
    update: BTreeMap<String, Layer>,
}

/// The merged update of one weight.
#[derive(Deserialize)]
struct Layer {
    shape: [usize; 2],
    #[serde(default)]
    norm: Option<f64>,
    #[serde(default)]
    first: Vec<f64>,
    #[serde(default)]
    mean_norm: Option<f64>,
}

/// How many seeds the mean of a random merge is of, as in the goldens.
const SEEDS: u64 = 20;

fn names() -> Vec<String> {
    let files = fs::read_dir(root().join("testdata/methods")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    names.sort();
    names
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = root().join(format!("testdata/methods/{name}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    fn adapters(&self) -> Vec<Adapter> {
        let nli6 = |task: &String| {
            let base = BaseHeader::open(&root().join("examples/nli6/base")).unwrap();
            Adapter::read(task, &root().join("examples/nli6/adapters").join(task), &base).unwrap()
        };
        match self.fixture.as_str() {
            "nli6" => self.tasks.iter().map(nli6).collect(),
            "mini8" => self.tasks.iter().map(|task| mini8("adapters", task)).collect(),
            other => unreachable!("there are no adapters of `{other}`"),
        }
    }

    fn merge(&self, spec: &RecipeSpec) -> MergedUpdate {
        let recipe = spec.resolve().unwrap();
        Aligned::for_recipe(&self.adapters(), &recipe).unwrap().merge(&recipe).unwrap()
    }
}

/// The largest relative difference in norms and first values of every matrix, and in all values of one.
fn worst(name: &str, golden: &Golden, spec: &RecipeSpec) -> f64 {
    let update = golden.merge(spec);
    assert_eq!(update.modules.len(), golden.update.len(), "{name}");
    let mut worst = 0.0f64;
    for (layer, expected) in &golden.update {
        let found = update.dense(layer).unwrap();
        assert_eq!(found.shape(), expected.shape, "{name}: {layer}");
        let norm = expected.norm.unwrap();
        worst = worst.max((found.frobenius() / norm - 1.0).abs());
        // One entry of the first eight is off by as much as the whole matrix at most.
        for (found, expected) in found.data().iter().zip(&expected.first) {
            worst = worst.max((f64::from(*found) - expected).abs() / norm);
        }
    }
    worst.max(whole(name, &update))
}

/// The relative difference of the one matrix that is given whole.
fn whole(name: &str, update: &MergedUpdate) -> f64 {
    let file = fs::read(root().join(format!("testdata/methods/{name}.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensors.len(), 1, "{name}");
    let mut worst = 0.0f64;
    for (key, view) in tensors.tensors() {
        let expected: Vec<f64> = match view.dtype() {
            Dtype::F64 => view.data().as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
            Dtype::F32 => view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
            other => unreachable!("{name}: {other:?}"),
        };
        let found = update.dense(key.strip_suffix(".weight").unwrap_or(&key)).unwrap();
        worst = worst.max(difference(&found, &expected));
    }
    worst
}

fn difference(found: &Matrix, expected: &[f64]) -> f64 {
    assert_eq!(found.data().len(), expected.len());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let mut differences = found.data().iter().zip(expected).map(|(found, expected)| f64::from(*found) - expected);
    (squares(&mut differences) / squares(&mut expected.iter().copied())).sqrt()
}

/// The largest relative difference in mean norms over many seeds.
fn worst_mean(golden: &Golden, spec: &RecipeSpec) -> f64 {
    let seeded = |seed| golden.merge(&RecipeSpec { seed: Some(seed), ..spec.clone() });
    let updates: Vec<_> = (0..SEEDS).map(seeded).collect();
    let mut worst = 0.0f64;
    for (layer, expected) in &golden.update {
        let norms = updates.iter().map(|update| update.dense(layer).unwrap().frobenius());
        let mean = norms.sum::<f64>() / SEEDS as f64;
        worst = worst.max((mean / expected.mean_norm.unwrap() - 1.0).abs());
    }
    worst
}

#[test]
fn merges_equal_those_of_the_authors_code() {
    let names = names();
    assert_eq!(names.len(), 59, "{names:?}");
    let mut beyond = Vec::new();
    let mut records = Vec::new();
    for name in names {
        let golden = Golden::read(&name);
        let (worst, tolerance) = match checked(&golden.method, &golden.config, &golden.tasks) {
            Checked::Whole { spec, tolerance } => (worst(&name, &golden, &spec), tolerance),
            Checked::MeanNorm { spec, tolerance } => (worst_mean(&golden, &spec), tolerance),
            Checked::Not(reason) => {
                eprintln!("{name}: not compared: {reason}");
                records.push(name);
                continue;
            }
        };
        eprintln!("{name}: {worst:.1e} (within {tolerance:.0e})");
        if worst >= tolerance {
            beyond.push(format!("{name}: off by {worst:.1e}, not within {tolerance:.0e}"));
        }
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
    // The first depends on where its iteration stops, the second on rounding noise.
    assert_eq!(records, ["nli6_ctm_r16_b0.25_sum", "sub4_core_qr_ties_asis_d0.2"]);
}
