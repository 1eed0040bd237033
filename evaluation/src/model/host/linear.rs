//! Linear layers, their matrices stored in the order in which the product reads them.
//!
//! A general product has to bring the matrix into such an order at every call; a model keeps its matrices for many.

use super::activation::{gelu, quick_gelu};
use crate::model::Activation;
use pulp::{Arch, Simd, WithSimd};
use std::{ops::Range, sync::Arc};

/// Columns of one panel: four vector registers of AVX-512, two tiles or more of anything else.
const PANEL: usize = 64;

/// Rows of one tile: with four vectors of columns, 24 of 32 registers hold sums; with two, 12 of 16.
const ROWS: usize = 6;

/// Bytes of panels that go over all rows before the next ones do: they stay in a core's second cache.
const GROUP_BYTES: usize = 512 << 10;

/// A linear layer. A clone shares its matrix.
#[derive(Clone)]
pub(crate) struct Linear {
    /// Panel after panel, each `[inputs, PANEL]`; the last is filled up with zeros.
    panels: Arc<Vec<f32>>,
    bias: Arc<[f32]>,
    inputs: usize,
}

/// What becomes of a product.
#[derive(Clone, Copy)]
pub(crate) enum Finish {
    /// It replaces what was there.
    Write,
    /// It is added to what was there.
    Add,
    /// It goes through the activation, and replaces what was there.
    Activate(Activation),
}

impl Linear {
    /// Takes the given columns of a matrix `[inputs, outputs]`, with their bias.
    pub(crate) fn new(matrix: &[f32], bias: &[f32], columns: Range<usize>) -> Self {
        let inputs = matrix.len() / bias.len();
        let panels = vec![0.0; inputs * columns.len().next_multiple_of(PANEL)];
        let mut layer = Self { panels: Arc::new(panels), bias: bias[columns.clone()].into(), inputs };
        layer.update(1.0, matrix, columns);
        layer
    }

    /// Adds `scaling` times the given columns of a matrix to this one's.
    pub(crate) fn update(&mut self, scaling: f32, matrix: &[f32], columns: Range<usize>) {
        let width = matrix.len() / self.inputs;
        let panels = Arc::make_mut(&mut self.panels).chunks_exact_mut(self.inputs * PANEL);
        Arch::new().dispatch(|| {
            for (panel, start) in panels.zip(columns.clone().step_by(PANEL)) {
                let end = columns.end.min(start + PANEL);
                for (to, row) in panel.chunks_exact_mut(PANEL).zip(matrix.chunks_exact(width)) {
                    to.iter_mut().zip(&row[start..end]).for_each(|(to, x)| *to += scaling * x);
                }
            }
        });
    }

    /// Finishes `to` with `bias + from · matrix`. Row `r` of `to` lies at `r · stride`.
    pub(crate) fn apply(&self, to: &mut [f32], stride: usize, from: &[f32], finish: Finish) {
        Arch::new().dispatch(Product { layer: self, to, stride, from, finish });
    }
}

struct Product<'a> {
    layer: &'a Linear,
    to: &'a mut [f32],
    stride: usize,
    from: &'a [f32],
    finish: Finish,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 { self.run::<S, 4>(simd) } else { self.run::<S, 2>(simd) }
    }
}

impl Product<'_> {
    /// Goes over the rows once for each group of panels, a few rows at a time, with tiles `VECTORS` registers wide.
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize>(self, simd: S) {
        let Linear { panels, bias, inputs } = self.layer;
        let size = inputs * PANEL;
        let group = (GROUP_BYTES / size_of::<f32>() / size).max(1);
        let mut sums = [[0.0; PANEL]; ROWS];
        for (panels, first) in panels.chunks(group * size).zip((0..).step_by(group * PANEL)) {
            for (to, from) in self.to.chunks_mut(ROWS * self.stride).zip(self.from.chunks(ROWS * inputs)) {
                for (panel, start) in panels.chunks_exact(size).zip((first..).step_by(PANEL)) {
                    let columns = start..bias.len().min(start + PANEL);
                    sum_rows::<S, VECTORS>(simd, &mut sums, (from, *inputs), panel);
                    for (to, (sums, _)) in to.chunks_mut(self.stride).zip(sums.iter().zip(from.chunks(*inputs))) {
                        self.finish.row(&mut to[columns.clone()], sums, &bias[columns.clone()]);
                    }
                }
            }
        }
    }
}

impl Finish {
    #[inline(always)]
    fn row(self, to: &mut [f32], sums: &[f32; PANEL], bias: &[f32]) {
        let items = to.iter_mut().zip(sums).zip(bias);
        match self {
            Self::Write => items.for_each(|((to, sum), bias)| *to = sum + bias),
            Self::Add => items.for_each(|((to, sum), bias)| *to += sum + bias),
            Self::Activate(Activation::QuickGelu) => items.for_each(|((to, sum), bias)| *to = quick_gelu(sum + bias)),
            Self::Activate(Activation::Gelu) => items.for_each(|((to, sum), bias)| *to = gelu(sum + bias)),
        }
    }
}

/// `sums = from · panel` for up to `ROWS` rows.
#[inline(always)]
fn sum_rows<S: Simd, const VECTORS: usize>(
    simd: S,
    sums: &mut [[f32; PANEL]; ROWS],
    (from, inputs): (&[f32], usize),
    panel: &[f32],
) {
    for column in (0..PANEL).step_by(VECTORS * S::F32_LANES) {
        match from.len() / inputs {
            1 => sum_tile::<S, 1, VECTORS>(simd, sums, column, from, panel),
            2 => sum_tile::<S, 2, VECTORS>(simd, sums, column, from, panel),
            3 => sum_tile::<S, 3, VECTORS>(simd, sums, column, from, panel),
            4 => sum_tile::<S, 4, VECTORS>(simd, sums, column, from, panel),
            5 => sum_tile::<S, 5, VECTORS>(simd, sums, column, from, panel),
            _ => sum_tile::<S, ROWS, VECTORS>(simd, sums, column, from, panel),
        }
    }
}

/// The same for `R` rows and the columns from `column` on that fill `V` registers.
#[inline(always)]
fn sum_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    sums: &mut [[f32; PANEL]; ROWS],
    column: usize,
    from: &[f32],
    panel: &[f32],
) {
    let inputs = from.len() / R;
    let rows: [&[f32]; R] = std::array::from_fn(|r| &from[r * inputs..(r + 1) * inputs]);
    let mut tile = [[simd.splat_f32s(0.0); V]; R];
    for (k, weights) in panel.chunks_exact(PANEL).enumerate().take(inputs) {
        let (weights, _) = S::as_simd_f32s(&weights[column..]);
        for (tile, row) in tile.iter_mut().zip(rows) {
            let x = simd.splat_f32s(row[k]);
            for (sum, weight) in tile.iter_mut().zip(&weights[..V]) {
                *sum = simd.mul_add_e_f32s(x, *weight, *sum);
            }
        }
    }
    for (sums, tile) in sums.iter_mut().zip(tile) {
        S::as_mut_simd_f32s(&mut sums[column..]).0[..V].copy_from_slice(&tile);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small halves are exact")]
mod tests {
    use super::*;

    #[test]
    fn ragged_rows_and_columns_are_the_plain_sums() {
        let (rows, inputs, width, columns, stride) = (8, 5, 80, 3..73, 75);
        let matrix: Vec<f32> = (0..inputs * width).map(|n| (n % 13) as f32 - 6.0).collect();
        let bias: Vec<f32> = (0..width).map(|n| n as f32).collect();
        let from: Vec<f32> = (0..rows * inputs).map(|n| (n % 7) as f32 - 3.0).collect();
        let mut to = vec![1.0; rows * stride];
        let mut layer = Linear::new(&matrix, &bias, columns.clone());
        layer.update(0.5, &matrix, columns.clone());
        layer.apply(&mut to, stride, &from, Finish::Add);
        for (r, to) in to.chunks_exact(stride).enumerate() {
            for (c, to) in to.iter().enumerate() {
                let sum = |c: usize| (0..inputs).map(|k| from[r * inputs + k] * matrix[k * width + c]).sum::<f32>();
                let column = columns.start + c;
                let want = if column < columns.end { 1.0 + bias[column] + 1.5 * sum(column) } else { 1.0 };
                assert_eq!(*to, want, "row {r}, column {c}");
            }
        }
    }
}
