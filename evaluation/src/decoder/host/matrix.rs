//! A matrix of the model and the products with it, whatever it is stored as.

use super::vector;
use crate::{
    decoder::{
        half::Half,
        half_of,
        stored::{Format, Stored},
        updates::Update,
        weights::LinearWeights,
    },
    instructions::arch,
    model::host::{
        kernels::{View, matmul},
        product::{Finish, NO_BIAS, PANEL, Partial, Product},
    },
};
use jobs::Precision;
use rayon::prelude::*;
use std::sync::Arc;

/// Inputs of one slab: with `PANEL` outputs, 256 KiB that stay in a core's second cache.
const DEPTH: usize = 1024;

/// A matrix `[outputs, inputs]` and what is added after it. A clone shares its numbers.
#[derive(Clone)]
pub(crate) struct Matrix {
    outputs: usize,
    inputs: usize,
    values: Values,
    bias: Option<Arc<[f32]>>,
}

/// Panels hold `[inputs, PANEL]` numbers each; the last is filled up with zeros.
#[derive(Clone)]
enum Values {
    Full(Arc<Vec<f32>>),
    Rounded(Half, Arc<Vec<u16>>),
    /// Rows of the file, in the model's own precision or narrower: turned and widened at every product.
    Stored(Stored),
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Slabs {
    slab: Vec<f32>,
    /// `[rows, depth]`
    part: Vec<f32>,
    /// `[rows, PANEL]` for every panel.
    sums: Vec<[f32; PANEL]>,
}

impl Matrix {
    /// Takes a matrix of a file: as it lies there if it is half-width and the model can compute with that.
    pub(crate) fn new(found: &LinearWeights, precision: Precision) -> Self {
        let stored = &found.matrix;
        let outputs = stored.rows;
        let inputs = stored.columns;
        let values = match (half_of(precision), stored.format) {
            (None, Format::Half(_)) => Values::Stored(stored.clone()),
            (Some(wanted), Format::Half(half)) if wanted == half => Values::Stored(stored.clone()),
            (wanted, _) => Values::packed(wanted, outputs, inputs, |n, panel| stored.slab(n * PANEL, 0, panel)),
        };
        Self { outputs, inputs, values, bias: found.bias.as_ref().map(|bias| vector(bias, precision)) }
    }

    /// True if products widen the numbers.
    pub(crate) fn is_widened(&self) -> bool {
        !matches!(self.values, Values::Full(_))
    }

    /// The matrix with `scaling` times the update added, in `f32` and then rounded to the model's precision.
    pub(crate) fn patched(&self, update: &Update<Vec<f32>>, scaling: f32, precision: Precision) -> Self {
        let outputs = self.outputs;
        let inputs = self.inputs;
        let values = Values::packed(half_of(precision), outputs, inputs, |n, panel| {
            self.read(n, 0, panel);
            add(panel, update, scaling, n * PANEL, [outputs, inputs]);
        });
        Self { outputs, inputs, values, bias: self.bias.clone() }
    }

    /// Finishes `to` with `from · matrixᵀ + bias`. Row `r` of `to` lies at `r · stride`.
    pub(crate) fn apply(&self, (to, stride): (&mut [f32], usize), from: &[f32], finish: Finish, own: &mut Slabs) {
        match &self.values {
            Values::Full(panels) if self.inputs <= 2 * DEPTH => {
                let inputs = self.inputs;
                let outputs = self.outputs;
                let bias = self.bias.as_deref();
                arch().dispatch(Product { panels, inputs, outputs, bias, to, stride, from, finish });
            }
            Values::Full(_) | Values::Rounded(..) | Values::Stored(_) => {
                self.apply_by_slabs((to, stride), from, finish, own);
            }
        }
    }

    /// Some inputs at a time: their part of `from` is brought together, and stays in a cache for all panels.
    fn apply_by_slabs(&self, (to, stride): (&mut [f32], usize), from: &[f32], finish: Finish, own: &mut Slabs) {
        let Slabs { slab: buffer, part, sums } = own;
        let rows = from.len() / self.inputs;
        sums.clear();
        sums.resize(rows * self.outputs.div_ceil(PANEL), [0.0; PANEL]);
        for first in (0..self.inputs).step_by(DEPTH) {
            let depth = DEPTH.min(self.inputs - first);
            part.clear();
            part.extend(from.chunks_exact(self.inputs).flat_map(|row| &row[first..first + depth]));
            for (n, sums) in sums.chunks_exact_mut(rows).enumerate() {
                let slab = match &self.values {
                    Values::Full(panels) => &panels[(n * self.inputs + first) * PANEL..][..depth * PANEL],
                    Values::Rounded(..) | Values::Stored(_) => {
                        buffer.resize(depth * PANEL, 0.0);
                        self.read(n, first, buffer);
                        &*buffer
                    }
                };
                arch().dispatch(Partial { sums, from: part, slab });
            }
        }
        arch().dispatch(|| {
            for (sums, start) in sums.chunks_exact(rows).zip((0..).step_by(PANEL)) {
                let columns = start..self.outputs.min(start + PANEL);
                let bias = self.bias.as_ref().map_or(&NO_BIAS[..columns.len()], |bias| &bias[columns.clone()]);
                for (to, sums) in to.chunks_mut(stride).zip(sums) {
                    finish.row(&mut to[columns.clone()], sums, bias);
                }
            }
        });
    }

    /// Reads `[depth, PANEL]` numbers of panel `n`, from input `first` on.
    fn read(&self, n: usize, first: usize, slab: &mut [f32]) {
        let range = (n * self.inputs + first) * PANEL..(n * self.inputs + first) * PANEL + slab.len();
        match &self.values {
            Values::Full(panels) => slab.copy_from_slice(&panels[range]),
            Values::Rounded(half, panels) => half.widen(slab, &panels[range]),
            Values::Stored(stored) => stored.slab(n * PANEL, first, slab),
        }
    }
}

impl Values {
    /// Makes every panel, several threads side by side.
    fn packed(half: Option<Half>, outputs: usize, inputs: usize, make: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let size = inputs * PANEL;
        let all = outputs.div_ceil(PANEL) * size;
        let Some(half) = half else {
            let mut panels = vec![0.0; all];
            panels.par_chunks_exact_mut(size).enumerate().for_each(|(n, panel)| make(n, panel));
            return Self::Full(Arc::new(panels));
        };
        let mut panels = vec![0; all];
        panels.par_chunks_exact_mut(size).enumerate().for_each_init(
            || vec![0.0; size],
            |panel, (n, to)| {
                make(n, panel);
                to.iter_mut().zip(panel).for_each(|(to, x)| *to = half.narrow(*x));
            },
        );
        Self::Rounded(half, Arc::new(panels))
    }
}

/// Adds `scaling` times the rows from `output` on of an update to a panel `[inputs, PANEL]`.
fn add(panel: &mut [f32], update: &Update<Vec<f32>>, scaling: f32, output: usize, [outputs, inputs]: [usize; 2]) {
    let count = PANEL.min(outputs - output);
    match update {
        Update::LowRank { b, a, rank } => {
            let to = (panel, View::columns(inputs, PANEL, 0, count));
            let b = (&b[output * rank..], View::dense(count, *rank).transposed());
            matmul(to, true, scaling, (a, View::dense(*rank, inputs).transposed()), b);
        }
        Update::Dense(values) => {
            for (row, values) in values.chunks_exact(inputs).skip(output).take(count).enumerate() {
                panel[row..].iter_mut().step_by(PANEL).zip(values).for_each(|(to, x)| *to += scaling * x);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small integers are exact")]
mod tests {
    use super::*;

    /// More inputs than two slabs hold, and neither slabs nor panels come out even.
    #[test]
    fn deep_and_ragged_products_are_the_plain_sums() {
        let rows = 7;
        let outputs = 70;
        let inputs = 2 * DEPTH + 300;
        let stride = 75;
        let number = |n: usize| (n % 13) as f32 - 6.0;
        let from: Vec<f32> = (0..rows * inputs).map(|n| (n % 7) as f32 - 3.0).collect();
        let make = |n: usize, panel: &mut [f32]| {
            for (input, line) in panel.chunks_exact_mut(PANEL).enumerate() {
                for (output, to) in (n * PANEL..outputs).zip(line) {
                    *to = number(output * inputs + input);
                }
            }
        };
        let update = Update::Dense((0..outputs * inputs).map(number).collect());
        let mut own = Slabs::default();
        for (half, precision) in [(None, Precision::F32), (Some(Half::Bf16), Precision::Bf16)] {
            let matrix = Matrix { outputs, inputs, values: Values::packed(half, outputs, inputs, make), bias: None };
            let matrix = matrix.patched(&update, 2.0, precision);
            for (finish, before) in [(Finish::Write, 0.0), (Finish::Add, 1.0)] {
                let mut to = vec![1.0; rows * stride];
                matrix.apply((&mut to, stride), &from, finish, &mut own);
                for (r, to) in to.chunks_exact(stride).enumerate() {
                    let sum =
                        |c: usize| (0..inputs).map(|k| from[r * inputs + k] * number(c * inputs + k)).sum::<f32>();
                    let want = |c: usize| if c < outputs { before + 3.0 * sum(c) } else { 1.0 };
                    to.iter().enumerate().for_each(|(c, to)| assert_eq!(*to, want(c), "row {r}, column {c}"));
                }
            }
        }
    }
}
