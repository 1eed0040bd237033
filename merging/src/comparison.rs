//! How the updates of several adapters relate to each other, before anything is merged.

use crate::{
    Adapter, Aligned, LoraModule, MergeError,
    align::AlignedMatrix,
    linalg::{self, ThinSvd},
};
use faer::Mat;
use jobs::Space;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeSet;

/// Directions below this share of the largest are rounding noise of `f32` factors.
const NUMERICALLY_THERE: f64 = 1e-6;

/// Signs are compared in at most this many rows of a weight, evenly spaced.
const MOST_ROWS: usize = 64;

/// What the factors of some adapters say about each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// One for each adapter, in their order.
    pub adapters: Vec<AdapterSummary>,
    /// One for each ordered pair of two adapters: those of the first one, then those of the second one, and so on.
    pub pairs: Vec<PairSummary>,
}

/// The updates of one adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// The task.
    pub task: String,
    /// The number of weights that it updates.
    pub modules: usize,
    /// The smallest and the largest rank of its factors.
    pub rank: [usize; 2],
    /// The smallest and the largest scale: α/r, or α/√r.
    pub scale: [f64; 2],
    /// √Σ‖ΔW‖²: the Frobenius norm over all its weights.
    pub norm: f64,
    /// The mean over its weights of exp(H(σ/Σσ)), from 1 to the rank (Roy and Vetterli 2007).
    pub effective_rank: f64,
    /// How strongly the other adapters, added together, change the outputs of its own input directions, as a share of
    /// its own update: √(Σ‖(Σⱼ ΔWⱼ)·V·Vᵀ‖² / Σ‖ΔW‖²), where V spans the rows of ΔW. 0 without interference.
    pub interference: f64,
}

/// The updates of two adapters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairSummary {
    /// Whose input directions are looked at.
    pub task: String,
    /// The adapter beside it.
    pub other: String,
    /// Σ⟨ΔW, ΔW′⟩ as a share of the product of the norms, from −1 to 1.
    pub cosine: f64,
    /// ‖UᵀU′‖² over the smaller rank, the mean over the weights that both update: 0 for orthogonal output
    /// spaces, 1 for spaces of which one holds the other.
    pub output_overlap: f64,
    /// The same for the input spaces.
    pub input_overlap: f64,
    /// The share of opposite signs, weighted with the smaller magnitude of the two entries: 0.5 for updates that have
    /// nothing to do with each other. Over at most 64 rows of every weight.
    pub sign_conflict: f64,
    /// What `other` alone adds to the interference of `task`: √(Σ‖ΔW′·V·Vᵀ‖² / Σ‖ΔW‖²).
    pub interference: f64,
}

/// One task's update of one weight in the coordinates of the core space.
struct Update {
    matrix: Mat<f64>,
    svd: ThinSvd,
}

/// What one weight adds to the sums over weights.
struct Parts {
    /// ‖ΔWₜ‖².
    squares: Vec<f64>,
    effective_ranks: Vec<Option<f64>>,
    /// ‖(Σⱼ ΔWⱼ)VVᵀ‖² of every task.
    others: Vec<f64>,
    pairs: Vec<PairParts>,
}

#[derive(Default, Clone)]
struct PairParts {
    inner: f64,
    interference: f64,
    output_overlap: f64,
    input_overlap: f64,
    /// 1 where both tasks update the weight.
    both: f64,
    opposite: f64,
    compared: f64,
}

impl Comparison {
    /// Compares the updates of `adapters`.
    ///
    /// # Numerics
    /// In the coordinates of the core space, in `f64`; signs from the entries of ΔW in `f32`. Costs one alignment, an
    /// SVD of a core matrix for every task and weight, and `MOST_ROWS` rows of every update.
    ///
    /// # Errors
    /// Those of [`Aligned::new`].
    pub fn new(adapters: &[Adapter]) -> Result<Self, MergeError> {
        let aligned = Aligned::new(adapters, Space::Core)?;
        let parts = aligned.matrices.par_iter().map(|matrix| Parts::new(matrix, adapters));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let tasks = adapters.len();
        let norms: Vec<f64> = (0..tasks).map(|task| parts.iter().map(|part| part.squares[task]).sum()).collect();
        let adapters_of =
            adapters.iter().enumerate().map(|(task, adapter)| summary(adapter, task, &parts, norms[task]));
        let mut pairs = Vec::new();
        for task in 0..tasks {
            for other in (0..tasks).filter(|other| *other != task) {
                let of_pair = parts.iter().map(|part| &part.pairs[task * tasks + other]);
                let sum = of_pair.fold(PairParts::default(), |sum, part| sum.plus(part));
                pairs.push(PairSummary {
                    task: adapters[task].name.clone(),
                    other: adapters[other].name.clone(),
                    cosine: ratio(sum.inner, (norms[task] * norms[other]).sqrt()),
                    output_overlap: ratio(sum.output_overlap, sum.both),
                    input_overlap: ratio(sum.input_overlap, sum.both),
                    sign_conflict: ratio(sum.opposite, sum.compared),
                    interference: ratio(sum.interference, norms[task]).sqrt(),
                });
            }
        }
        Ok(Self { adapters: adapters_of.collect(), pairs })
    }

    /// What is known of `task` beside `other`.
    pub fn pair(&self, task: &str, other: &str) -> Option<&PairSummary> {
        self.pairs.iter().find(|pair| pair.task == task && pair.other == other)
    }
}

fn summary(adapter: &Adapter, task: usize, parts: &[Parts], square: f64) -> AdapterSummary {
    let modules = || adapter.modules.values();
    let ranks: BTreeSet<usize> = modules().map(LoraModule::rank).collect();
    let effective: Vec<f64> = parts.iter().filter_map(|part| part.effective_ranks[task]).collect();
    let others: f64 = parts.iter().map(|part| part.others[task]).sum();
    let smallest = modules().map(|module| module.scale).fold(f64::INFINITY, f64::min);
    let largest = modules().map(|module| module.scale).fold(f64::NEG_INFINITY, f64::max);
    AdapterSummary {
        task: adapter.name.clone(),
        modules: adapter.modules.len(),
        rank: [ranks.first().copied().unwrap_or(0), ranks.last().copied().unwrap_or(0)],
        scale: [smallest, largest],
        norm: square.sqrt(),
        effective_rank: effective.iter().sum::<f64>() / effective.len().max(1) as f64,
        interference: ratio(others, square).sqrt(),
    }
}

/// 0 where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Parts {
    fn new(matrix: &AlignedMatrix, adapters: &[Adapter]) -> Result<Self, MergeError> {
        let tasks = adapters.len();
        let updates = (0..tasks).map(|task| Update::new(matrix, task)).collect::<Result<Vec<_>, _>>()?;
        let modules: Vec<_> = adapters.iter().map(|adapter| adapter.modules.get(&matrix.name)).collect();
        let rows = sampled_rows(matrix.shape[0]);
        let entries: Vec<_> = modules.iter().map(|module| module.map(|module| entries(module, &rows))).collect();
        let [p, q] = matrix.entry_shape();
        let all = updates.iter().flatten().fold(Mat::<f64>::zeros(p, q), |sum, update| sum + &update.matrix);
        let mut others = Vec::with_capacity(tasks);
        let mut pairs = vec![PairParts::default(); tasks * tasks];
        for task in 0..tasks {
            let Some(update) = &updates[task] else {
                others.push(0.0);
                continue;
            };
            others.push(update.on_own_inputs(&(&all - &update.matrix)));
            for other in (0..tasks).filter(|other| *other != task) {
                let (Some(beside), Some(mine), Some(theirs)) = (&updates[other], &entries[task], &entries[other])
                else {
                    continue;
                };
                pairs[task * tasks + other] = PairParts::new(update, beside, mine, theirs);
            }
        }
        let squares = updates.iter().map(|update| update.as_ref().map_or(0.0, Update::square)).collect();
        let effective_ranks = updates.iter().map(|update| update.as_ref().and_then(Update::effective_rank)).collect();
        Ok(Self { squares, effective_ranks, others, pairs })
    }
}

impl Update {
    /// `None` where the task does not update the weight.
    fn new(matrix: &AlignedMatrix, task: usize) -> Result<Option<Self>, MergeError> {
        if matrix.ranks[task] == 0 {
            return Ok(None);
        }
        let entries = matrix.entries(task).to_f64();
        let svd = ThinSvd::new(entries.as_ref());
        let svd = svd.map_err(|_| MergeError::NoConvergence { module: matrix.name.clone() })?;
        Ok(Some(Self { matrix: entries, svd: svd.above(NUMERICALLY_THERE) }))
    }

    fn square(&self) -> f64 {
        self.svd.sigma.iter().map(|sigma| sigma * sigma).sum()
    }

    /// exp of the entropy of σ/Σσ; `None` for an update of nothing but zeros.
    fn effective_rank(&self) -> Option<f64> {
        let sum: f64 = self.svd.sigma.iter().sum();
        let entropy: f64 = self.svd.sigma.iter().map(|sigma| sigma / sum).map(|share| -share * share.ln()).sum();
        (sum > 0.0).then(|| entropy.exp())
    }

    /// ‖`matrix`·V·Vᵀ‖², where V spans the inputs of this update.
    fn on_own_inputs(&self, matrix: &Mat<f64>) -> f64 {
        linalg::product(matrix.as_ref(), self.svd.v.as_ref()).squared_norm_l2()
    }
}

impl PairParts {
    fn new(update: &Update, beside: &Update, mine: &[f32], theirs: &[f32]) -> Self {
        let overlap = |left: &Mat<f64>, right: &Mat<f64>| {
            let smaller = left.ncols().min(right.ncols());
            ratio(linalg::product(left.transpose(), right.as_ref()).squared_norm_l2(), smaller as f64)
        };
        let mut opposite = 0.0;
        let mut compared = 0.0;
        for (mine, theirs) in mine.iter().zip(theirs) {
            let smaller = f64::from(mine.abs().min(theirs.abs()));
            compared += smaller;
            if mine.is_sign_negative() != theirs.is_sign_negative() {
                opposite += smaller;
            }
        }
        let products = update.matrix.col_iter().zip(beside.matrix.col_iter());
        Self {
            inner: products.map(|(left, right)| left.transpose() * right).sum(),
            interference: update.on_own_inputs(&beside.matrix),
            output_overlap: overlap(&update.svd.u, &beside.svd.u),
            input_overlap: overlap(&update.svd.v, &beside.svd.v),
            both: 1.0,
            opposite,
            compared,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            inner: self.inner + other.inner,
            interference: self.interference + other.interference,
            output_overlap: self.output_overlap + other.output_overlap,
            input_overlap: self.input_overlap + other.input_overlap,
            both: self.both + other.both,
            opposite: self.opposite + other.opposite,
            compared: self.compared + other.compared,
        }
    }
}

fn sampled_rows(rows: usize) -> Vec<usize> {
    let count = rows.min(MOST_ROWS);
    (0..count).map(|index| index * rows / count).collect()
}

/// The entries of ΔW in some rows.
fn entries(module: &LoraModule, rows: &[usize]) -> Vec<f32> {
    let cols = module.lora_a.cols();
    let mut entries = vec![0.0; rows.len() * cols];
    for (row, out) in rows.iter().zip(entries.chunks_mut(cols.max(1))) {
        for (part, factor) in module.lora_b.row_block(*row..row + 1).iter().enumerate() {
            let factor = factor * module.scale as f32;
            let a = module.lora_a.row_block(part..part + 1);
            out.iter_mut().zip(a).for_each(|(out, a)| *out += factor * a);
        }
    }
    entries
}
