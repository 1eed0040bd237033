//! What is known of the inputs of modules: Gram matrices, means and counts of the tokens of one task.

mod error;
mod read;
mod write;

pub use error::StatisticsError;
pub use read::TaskStatistics;
pub use write::StatisticsWriter;

use crate::{BaseHeader, Matrix};
use faer::Mat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The file that names all others of a task's statistics.
const INDEX: &str = "statistics.json";

/// The version of the layout of these files.
const VERSION: u32 = 1;

/// The bytes that Fisher information of `modules` takes while it is made: the whole base once more in 32 bits, and sums in 64 bits.
pub fn fisher_memory(header: &BaseHeader, modules: &BTreeSet<String>) -> u64 {
    let count = |shape: &[usize]| shape.iter().map(|size| *size as u64).product::<u64>();
    let all: u64 = header.tensors().values().map(|tensor| count(&tensor.shape)).sum();
    let adapted = modules.iter().filter_map(|module| header.tensor(&format!("{module}.weight")));
    4 * all + 8 * adapted.map(|tensor| count(&tensor.shape)).sum::<u64>()
}

/// Sums over the inputs x of one or more modules that take the same ones.
#[derive(Debug, Clone, PartialEq)]
pub struct InputStatistics {
    /// The modules that take these inputs.
    pub modules: Vec<String>,
    /// How many inputs there were: tokens, padding excluded.
    pub tokens: u64,
    /// `Σ x`, `[width]`.
    pub sum: Vec<f64>,
    /// `Σ x·xᵀ`, `[width, width]`: the rows of its lower triangle, one after the other.
    pub gram: Vec<f64>,
}

/// The index of a task's statistics, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u32,
    examples: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fisher: Vec<FisherEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    solutions: Vec<SolutionEntry>,
}

/// Where a module of a merge that was made layer by layer lies, and how its system was solved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SolutionEntry {
    file: String,
    module: String,
    shape: [usize; 2],
    condition: f64,
    residual: f64,
}

impl SolutionEntry {
    fn tensor(&self) -> String {
        format!("{}.a", self.module)
    }
}

/// The right factor of a module of a merge that was made layer by layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Solution {
    /// `[R, I]`
    pub(crate) a: Matrix,
    pub(crate) condition: f64,
    pub(crate) residual: f64,
}

/// Where the Fisher information of a module lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FisherEntry {
    file: String,
    module: String,
    shape: [usize; 2],
}

/// Where the statistics of some modules lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    modules: Vec<String>,
    tokens: u64,
    width: usize,
}

impl Entry {
    /// The name of a tensor: the first module stands for all that take the same inputs.
    fn tensor(&self, what: &str) -> String {
        tensor_name(&self.modules, what)
    }
}

fn tensor_name(modules: &[String], what: &str) -> String {
    format!("{}.{what}", modules.first().map_or("", String::as_str))
}

/// The number of entries of a lower triangle.
fn triangle(width: usize) -> usize {
    width * (width + 1) / 2
}

impl InputStatistics {
    /// Takes a whole symmetric matrix `Σ x·xᵀ`, row by row.
    pub fn new(modules: Vec<String>, tokens: u64, sum: Vec<f64>, gram: &[f64]) -> Self {
        let width = sum.len();
        let rows = gram.chunks_exact(width.max(1)).enumerate();
        let gram = rows.flat_map(|(row, entries)| &entries[..=row]).copied().collect();
        Self { modules, tokens, sum, gram }
    }

    /// Numbers of one input.
    pub fn width(&self) -> usize {
        self.sum.len()
    }

    /// Sums over no inputs of this width.
    pub(crate) fn nothing(width: usize) -> Self {
        Self { modules: Vec::new(), tokens: 0, sum: vec![0.0; width], gram: vec![0.0; triangle(width)] }
    }

    /// Adds the sums over other inputs of the same width.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.sum.iter_mut().zip(&other.sum).for_each(|(sum, x)| *sum += x);
        self.gram.iter_mut().zip(&other.gram).for_each(|(sum, x)| *sum += x);
    }

    /// `weight · Σ x·xᵀ / n` with every entry off the diagonal multiplied by `off_diagonal`.
    pub(crate) fn weighed_gram(&self, off_diagonal: f64, weight: f64) -> Mat<f64> {
        let factor = 1.0 / self.tokens.max(1) as f64;
        let share = |row, col| if row == col { factor } else { factor * off_diagonal };
        self.symmetric(|row, col, entry| entry * share(row, col) * weight)
    }

    /// `Σ (x − x̄)(x − x̄)ᵀ`.
    pub(crate) fn centred_gram(&self) -> Mat<f64> {
        let n = self.tokens.max(1) as f64;
        self.symmetric(|row, col, entry| entry - self.sum[row] * self.sum[col] / n)
    }

    fn symmetric(&self, entry: impl Fn(usize, usize, f64) -> f64) -> Mat<f64> {
        Mat::from_fn(self.width(), self.width(), |row, col| {
            let low = row.min(col);
            let high = row.max(col);
            entry(row, col, self.gram[triangle(high) + low])
        })
    }
}
