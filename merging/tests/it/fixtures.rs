//! Adapters from the repository and random ones.

use faer::Mat;
use jobs::{Axis, Sigma, SigmaCut, Space};
use merging::{Adapter, BaseHeader, LoraModule, Matrix};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub(crate) const COLUMNS: Space = knots(Axis::Columns);
pub(crate) const ROWS: Space = knots(Axis::Rows);

const fn knots(axis: Axis) -> Space {
    Space::Knots { axis, cut: SigmaCut { absolute: 1e-5, relative: 0.0 }, sigma: Sigma::Folded }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn base() -> BaseHeader {
    BaseHeader::open(&root().join("examples/mini8/base")).unwrap()
}

/// An adapter of mini8 from the folder `set`, as goldens name it.
pub(crate) fn mini8(set: &str, task: &str) -> Adapter {
    let folder = match set {
        "adapters" => root().join("examples/mini8/adapters"),
        other => root().join("testdata/mini8").join(other),
    };
    Adapter::read(task, &folder.join(task), &base()).unwrap()
}

/// Numbers between −1 and 1.
pub(crate) fn random(rows: usize, cols: usize, rng: &mut ChaCha8Rng) -> Matrix {
    Matrix::from_fn(rows, cols, |_, _| rng.next_u32() as f32 / (1u64 << 31) as f32 - 1.0)
}

/// What a random adapter looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Random factors of this rank.
    Rank(usize),
    /// B is zero.
    Zero(usize),
    /// The factors of the first adapter again.
    Duplicate,
    /// A rank-one update dressed as one of this rank.
    Deficient(usize),
    /// The module is missing.
    Missing,
}

/// One adapter per kind, each with the modules `m0`, `m1`, ... of the given shapes.
pub(crate) fn adapters(kinds: &[Kind], shapes: &[[usize; 2]], seed: u64) -> Vec<Adapter> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut made: Vec<Adapter> = Vec::new();
    for (task, kind) in kinds.iter().enumerate() {
        let mut modules = BTreeMap::new();
        for (index, shape) in shapes.iter().enumerate() {
            let name = format!("m{index}");
            let first = made.first().and_then(|first| first.modules.get(&name));
            if let Some(module) = module(*kind, &name, *shape, first, &mut rng) {
                modules.insert(name, module);
            }
        }
        made.push(adapter(&format!("task{task}"), modules));
    }
    made
}

fn module(
    kind: Kind,
    name: &str,
    [rows, cols]: [usize; 2],
    first: Option<&LoraModule>,
    rng: &mut ChaCha8Rng,
) -> Option<LoraModule> {
    let (lora_b, lora_a) = match kind {
        Kind::Missing => return None,
        Kind::Duplicate if first.is_some() => return first.cloned(),
        Kind::Duplicate => (random(rows, 2, rng), random(2, cols, rng)),
        Kind::Rank(rank) => (random(rows, rank, rng), random(rank, cols, rng)),
        Kind::Zero(rank) => (Matrix::zeros(rows, rank), random(rank, cols, rng)),
        Kind::Deficient(rank) => {
            let column = random(rows, 1, rng);
            let row = random(1, cols, rng);
            (Matrix::from_fn(rows, rank, |r, _| column.data()[r]), Matrix::from_fn(rank, cols, |_, c| row.data()[c]))
        }
    };
    Some(LoraModule { source: name.to_owned(), lora_b, lora_a, scale: 0.5 })
}

pub(crate) fn adapter(name: &str, modules: BTreeMap<String, LoraModule>) -> Adapter {
    Adapter { name: name.to_owned(), modules, ..Adapter::default() }
}

/// ΔW of one module of an adapter in `f64`, zero where it is missing.
pub(crate) fn dense(adapter: &Adapter, module: &str, [rows, cols]: [usize; 2]) -> Mat<f64> {
    match adapter.modules.get(module) {
        Some(module) => module.lora_b.to_f64() * module.lora_a.to_f64() * faer::Scale(module.scale),
        None => Mat::zeros(rows, cols),
    }
}

/// The distance of two matrices as a share of the size of the second.
pub(crate) fn distance(found: &Mat<f64>, expected: &Mat<f64>) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let size = expected.norm_l2();
    (found - expected).norm_l2() / if size > 0.0 { size } else { 1.0 }
}
