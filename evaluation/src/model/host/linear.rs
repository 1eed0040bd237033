//! Linear layers, their matrices stored in the order in which the product reads them.
//!
//! A general product has to bring the matrix into such an order at every call; a model keeps its matrices for many.

use super::product::{Finish, PANEL, Product};
use crate::instructions::arch;
use std::{ops::Range, sync::Arc};

/// A linear layer. A clone shares its matrix.
#[derive(Clone)]
pub(crate) struct Linear {
    /// Panel after panel, each `[inputs, PANEL]`; the last is filled up with zeros.
    panels: Arc<Vec<f32>>,
    bias: Arc<[f32]>,
    inputs: usize,
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
        arch().dispatch(|| {
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
        let bias = Some(&*self.bias);
        arch().dispatch(Product {
            panels: &self.panels,
            inputs: self.inputs,
            outputs: self.bias.len(),
            bias,
            to,
            stride,
            from,
            finish,
        });
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small halves are exact")]
mod tests {
    use super::*;

    #[test]
    fn ragged_rows_and_columns_are_the_plain_sums() {
        let rows = 8;
        let inputs = 5;
        let width = 80;
        let columns = 3..73;
        let stride = 75;
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
