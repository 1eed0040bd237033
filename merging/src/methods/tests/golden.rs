use super::distance;
use crate::{Adapter, BaseHeader, LoraModule, align::Factors, linalg, linalg::ThinQr};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One file of `testdata/methods`.
pub(super) struct Golden {
    pub(super) name: String,
    document: Value,
    /// The complete updates of some weights.
    whole: BTreeMap<String, Mat<f64>>,
}

/// All tasks' updates of one weight.
pub(super) struct Weight {
    pub(super) factors: Vec<Factors>,
}

impl Weight {
    /// ΔWₜ.
    pub(super) fn updates(&self) -> Vec<Mat<f64>> {
        self.factors.iter().map(|factors| linalg::product(factors.b.as_ref(), factors.at.transpose())).collect()
    }

    /// Orthonormal bases of the stacked factors, and the tasks between them.
    pub(super) fn core(&self) -> Core {
        let [rows, cols] = self.shape();
        let left = ThinQr::new(linalg::side_by_side(rows, self.factors.iter().map(|factors| factors.b.as_ref()))).q();
        let right = ThinQr::new(linalg::side_by_side(cols, self.factors.iter().map(|factors| factors.at.as_ref()))).q();
        let inside = |factors: &Factors| {
            let b = linalg::product(left.transpose(), factors.b.as_ref());
            linalg::product(b.as_ref(), linalg::product(right.transpose(), factors.at.as_ref()).transpose())
        };
        let cores = self.factors.iter().map(inside).collect();
        Core { left, right, cores }
    }

    pub(super) fn references(&self) -> Vec<&Factors> {
        self.factors.iter().collect()
    }

    /// The factors once more.
    pub(super) fn copies(&self) -> Vec<Factors> {
        self.factors.iter().map(|factors| Factors { b: factors.b.clone(), at: factors.at.clone() }).collect()
    }

    pub(super) fn shape(&self) -> [usize; 2] {
        [self.factors[0].b.nrows(), self.factors[0].at.nrows()]
    }

    pub(super) fn ranks(&self) -> Vec<usize> {
        self.factors.iter().map(|factors| factors.b.ncols()).collect()
    }
}

/// All tasks' updates of one weight between two orthonormal bases.
pub(super) struct Core {
    left: Mat<f64>,
    right: Mat<f64>,
    pub(super) cores: Vec<Mat<f64>>,
}

impl Core {
    pub(super) fn lift(&self, merged: &Mat<f64>) -> Mat<f64> {
        &self.left * merged * self.right.transpose()
    }
}

/// All goldens of one method.
pub(super) fn goldens(method: &str) -> Vec<Golden> {
    let folder = root().join("testdata/methods");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    names.sort();
    let read = |name: &String| Golden::read(&folder, name);
    let found: Vec<_> = names.iter().map(read).filter(|golden| golden.text("/method") == method).collect();
    assert!(!found.is_empty(), "no golden of {method}");
    found
}

impl Golden {
    fn read(folder: &Path, name: &str) -> Self {
        let document = serde_json::from_slice(&fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        let whole = fs::read(folder.join(format!("{name}.safetensors")));
        let whole = whole.map(|bytes| whole_updates(&bytes)).unwrap_or_default();
        Self { name: name.to_owned(), document, whole }
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn number(&self, pointer: &str) -> Option<f64> {
        self.document.pointer(pointer).and_then(Value::as_f64)
    }

    pub(super) fn numbers(&self, pointer: &str) -> Vec<f64> {
        let list = self.document.pointer(pointer).and_then(Value::as_array).unwrap();
        list.iter().map(|number| number.as_f64().unwrap()).collect()
    }

    pub(super) fn flag(&self, pointer: &str) -> bool {
        self.document.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn tasks(&self) -> Vec<String> {
        let tasks = self.document["tasks"].as_array().unwrap();
        tasks.iter().map(|task| task.as_str().unwrap().to_owned()).collect()
    }

    /// The factors of all tasks, by weight.
    pub(super) fn weights(&self) -> BTreeMap<String, Weight> {
        let example = root().join("examples").join(self.text("/fixture"));
        let base = BaseHeader::open(&example.join("base")).unwrap();
        let mut weights: BTreeMap<String, Weight> = BTreeMap::new();
        for task in self.tasks() {
            let adapter = Adapter::read(&task, &example.join("adapters").join(&task), &base).unwrap();
            for (name, module) in &adapter.modules {
                weights.entry(name.clone()).or_insert(Weight { factors: Vec::new() }).factors.push(factors(module));
            }
        }
        weights
    }

    /// Compares what `merge` makes of every weight: norms, first entries, and the weights that are given as a whole.
    pub(super) fn check(&self, tolerance: f64, merge: impl Fn(&str, &Weight) -> Mat<f64> + Sync) {
        let weights = self.weights();
        let expected = self.document["update"].as_object().unwrap();
        assert_eq!(expected.len(), weights.len(), "{}", self.name);
        weights.par_iter().for_each(|(name, weight)| {
            let found = merge(name, weight);
            let norm = expected[name]["norm"].as_f64().unwrap();
            let error = (found.norm_l2() / norm - 1.0).abs();
            assert!(error < tolerance, "{}: the norm of {name} is off by {error:e}", self.name);
            let rms = norm / ((found.nrows() * found.ncols()) as f64).sqrt();
            for (col, entry) in expected[name]["first"].as_array().unwrap().iter().enumerate() {
                let error = (found[(0, col)] - entry.as_f64().unwrap()).abs() / rms;
                // A single entry may be off by several times the mean error of all.
                assert!(error < 8.0 * tolerance, "{}: entry {col} of {name} is off by {error:e}", self.name);
            }
            if let Some(whole) = self.whole.get(name) {
                let error = distance(&found, whole);
                assert!(error < tolerance, "{}: {name} is off by {error:e}", self.name);
            }
        });
    }

    /// The mean norm of every weight, for random merges.
    pub(super) fn mean_norms(&self) -> BTreeMap<String, f64> {
        let updates = self.document["update"].as_object().unwrap();
        updates.iter().map(|(name, update)| (name.clone(), update["mean_norm"].as_f64().unwrap())).collect()
    }
}

fn factors(module: &LoraModule) -> Factors {
    let mut b = module.lora_b.to_f64();
    linalg::scale_columns(&mut b, &vec![module.scale; module.rank()]);
    Factors { b, at: module.lora_a.transposed_to_f64() }
}

fn whole_updates(bytes: &[u8]) -> BTreeMap<String, Mat<f64>> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let [rows, cols] = view.shape() else { panic!("{name} is no matrix") };
        let entries: Vec<f64> = match view.dtype() {
            Dtype::F64 => view.data().as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
            Dtype::F32 => view.data().as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect(),
            other => panic!("{name} is {other:?}"),
        };
        let matrix = MatRef::from_row_major_slice(&entries, *rows, *cols).to_owned();
        (name.strip_suffix(".weight").unwrap_or(&name).to_owned(), matrix)
    };
    tensors.tensors().into_iter().map(read).collect()
}
