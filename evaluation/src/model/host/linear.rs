//! Linear layers, their matrices stored in the order in which the product reads them.
//!
//! A general product has to bring the matrix into such an order at every call; a model keeps its matrices for many.

use super::{
    pairs::{pairs_of, round_panel, round_rows},
    product::{Finish, PANEL, Product},
};
use crate::instructions::arch;
use std::{ops::Range, sync::Arc};

/// What the numbers of a product are rounded to before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operands {
    /// They stay as they are.
    F32,
    /// Rows and matrices are rounded to `bf16`.
    Bf16,
}

/// A linear layer. A clone shares its matrix.
#[derive(Clone)]
pub(crate) struct Linear {
    /// Panel after panel, each `[inputs, PANEL]`; the last is filled up with zeros.
    panels: Arc<Vec<f32>>,
    /// The same in `bf16`, if operands are: each panel `[pairs_of(inputs), PANEL]`.
    pairs: Option<Arc<Vec<u32>>>,
    bias: Arc<[f32]>,
    inputs: usize,
}

/// Rows that go through linear layers.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[rows, inputs]`
    numbers: &'a [f32],
    /// The same in pairs, if operands are to be rounded.
    pairs: Option<&'a [u32]>,
}

impl<'a> Rows<'a> {
    /// Rounds rows, if operands are to be rounded, and keeps the pairs in a buffer.
    pub(crate) fn new(operands: Operands, numbers: &'a [f32], inputs: usize, buffer: &'a mut Vec<u32>) -> Self {
        match operands {
            Operands::F32 => Self { numbers, pairs: None },
            Operands::Bf16 => {
                round_rows(buffer, numbers, inputs);
                Self { numbers, pairs: Some(buffer) }
            }
        }
    }
}

impl Linear {
    /// Takes the given columns of a matrix `[inputs, outputs]`, with their bias.
    pub(crate) fn new(operands: Operands, matrix: &[f32], bias: &[f32], columns: Range<usize>) -> Self {
        let inputs = matrix.len() / bias.len();
        let outputs = columns.len().next_multiple_of(PANEL);
        let pairs = match operands {
            Operands::F32 => None,
            // Made of the numbers at the end.
            Operands::Bf16 => Some(Arc::default()),
        };
        let panels = vec![0.0; inputs * outputs];
        let mut layer = Self { panels: Arc::new(panels), pairs, bias: bias[columns.clone()].into(), inputs };
        layer.update(1.0, matrix, columns);
        layer
    }

    /// Adds `scaling` times the given columns of a matrix to this one's, and rounds the sums if operands are to be rounded.
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
        if self.pairs.is_some() {
            let size = pairs_of(self.inputs) * PANEL;
            let panels = self.panels.chunks_exact(self.inputs * PANEL);
            let mut pairs = vec![0; panels.len() * size];
            pairs.chunks_exact_mut(size).zip(panels).for_each(|(pairs, panel)| round_panel(pairs, panel));
            self.pairs = Some(Arc::new(pairs));
        }
    }

    /// Finishes `to` with `bias + from · matrix`. Row `r` of `to` lies at `r · stride`. The matrix is the rounded one for rounded rows alone.
    pub(crate) fn apply(&self, to: &mut [f32], stride: usize, from: Rows<'_>, finish: Finish) {
        let bias = Some(&*self.bias);
        let outputs = self.bias.len();
        if let (Some(panels), Some(from)) = (&self.pairs, from.pairs) {
            Product { panels, depth: pairs_of(self.inputs), outputs, bias, to, stride, from, finish }.compute();
        } else {
            let panels = &self.panels;
            let from = from.numbers;
            arch().dispatch(Product { panels, depth: self.inputs, outputs, bias, to, stride, from, finish });
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small halves are exact")]
mod tests {
    use super::*;

    #[test]
    fn ragged_rows_and_columns_are_the_plain_sums() {
        // All numbers are small halves, which `bf16` has.
        check_sums(Operands::F32);
        check_sums(Operands::Bf16);
    }

    fn check_sums(operands: Operands) {
        let rows = 8;
        let inputs = 5;
        let width = 80;
        let columns = 3..73;
        let stride = 75;
        let matrix: Vec<f32> = (0..inputs * width).map(|n| (n % 13) as f32 - 6.0).collect();
        let bias: Vec<f32> = (0..width).map(|n| n as f32).collect();
        let from: Vec<f32> = (0..rows * inputs).map(|n| (n % 7) as f32 - 3.0).collect();
        let mut to = vec![1.0; rows * stride];
        let mut layer = Linear::new(operands, &matrix, &bias, columns.clone());
        layer.update(0.5, &matrix, columns.clone());
        let mut buffer = Vec::new();
        layer.apply(&mut to, stride, Rows::new(operands, &from, inputs, &mut buffer), Finish::Add);
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
