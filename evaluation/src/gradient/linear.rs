//! A frozen matrix with low-rank updates on it: forward, and backward without a gradient of the matrix.

use super::{
    branch::Branch,
    dropout::{Mask, Zeroed},
    factors::Factors,
};
use crate::model::host::{
    kernels::{View, matmul},
    real::Real,
};
use std::{ops::Range, sync::Arc};

/// A matrix as it is stored.
#[derive(Clone)]
pub(super) struct Frozen<T> {
    values: Arc<[T]>,
    /// The matrix `[inputs, outputs]` inside of `values`.
    view: View,
}

impl<T: Real> Frozen<T> {
    /// Takes the columns `outputs` of a row-major matrix `[inputs, width]`.
    pub(super) fn by_inputs(matrix: &[f32], width: usize, outputs: Range<usize>) -> Self {
        let rows = matrix.chunks_exact(width);
        let inputs = rows.len();
        let values = rows.flat_map(|row| &row[outputs.clone()]).map(|x| T::of(f64::from(*x))).collect();
        Self { values, view: View::dense(inputs, outputs.len()) }
    }

    /// Takes a row-major matrix `[outputs, inputs]`.
    pub(super) fn by_outputs(matrix: &[f32], outputs: usize, inputs: usize) -> Self {
        let values = matrix.iter().map(|x| T::of(f64::from(*x))).collect();
        Self { values, view: View::dense(outputs, inputs).transposed() }
    }
}

/// `y = x · W + bias + ((x · Aᵀ) ∘ c) · Bᵀ`, where row j of A and column j of B make direction j, and c are the scales. With
/// dropout, A takes x with some entries zeroed, and W takes x as it is.
#[derive(Clone)]
pub(super) struct Linear<T> {
    frozen: Frozen<T>,
    bias: Option<Arc<[T]>>,
    pub(super) factors: Option<Arc<Factors<T>>>,
}

/// What a forward leaves for the backward beside the inputs.
#[derive(Default)]
pub(super) struct Projected<T> {
    /// The inputs as the directions see them, `[rows, directions]`.
    rows: Vec<T>,
    /// Which inputs the directions saw, if some were zeroed.
    mask: Option<Mask<T>>,
}

/// One module in a backward pass: what a gradient by anything inside of it is made of.
#[derive(Debug)]
pub struct ModuleGradient<'a, T> {
    /// The place of the module among the adapted ones.
    pub module: usize,
    /// What the module took: `[rows, inputs]`.
    pub inputs: &'a [T],
    /// The same as A took it, with what dropout left of it.
    pub seen_inputs: &'a [T],
    /// The gradient of the loss by what it gave: `[rows, outputs]`.
    pub deltas: &'a [T],
    /// `seen_inputs · Aᵀ`: `[rows, directions]`.
    pub projected: &'a [T],
    /// `deltas · B`: `[rows, directions]`.
    pub pulled: &'a [T],
    /// The rows of each example.
    pub examples: &'a [Range<usize>],
}

impl<T: Real> Linear<T> {
    pub(super) fn new(frozen: Frozen<T>, bias: Option<&[f32]>) -> Self {
        let bias = bias.map(|bias| bias.iter().map(|x| T::of(f64::from(*x))).collect());
        Self { frozen, bias, factors: None }
    }

    pub(super) fn outputs(&self) -> usize {
        self.frozen.view.columns
    }

    pub(super) fn inputs(&self) -> usize {
        self.frozen.view.rows
    }

    /// The outputs, and the inputs as the directions see them. The rows are pooled ones, one of each example, or all.
    pub(super) fn forward(&self, x: &[T], is_pooled: bool, branch: &Branch<'_, T>) -> (Vec<T>, Projected<T>) {
        let inputs = self.inputs();
        let outputs = self.outputs();
        let rows = x.len() / inputs;
        let mut y = match &self.bias {
            Some(bias) => bias.repeat(rows),
            None => vec![T::ZERO; rows * outputs],
        };
        let x_view = View::dense(rows, inputs);
        let y_view = View::dense(rows, outputs);
        matmul((&mut y, y_view), self.bias.is_some(), T::ONE, (x, x_view), (&self.frozen.values, self.frozen.view));
        let Some(factors) = &self.factors else { return (y, Projected::default()) };
        let zeroed = Zeroed { module: factors.module, rows, width: inputs };
        let mask = branch.dropout.map(|dropout| dropout.mask(is_pooled, zeroed));
        let seen = mask.as_ref().map(|mask| mask.of(x));
        let count = factors.directions;
        let mut projected = vec![T::ZERO; rows * count];
        let square = View::dense(rows, count);
        let a = View::dense(count, inputs).transposed();
        matmul((&mut projected, square), false, T::ONE, (seen.as_deref().unwrap_or(x), x_view), (&factors.a, a));
        let scaled = scaled(&projected, branch.scales.of(factors.module));
        let b = View::dense(outputs, count).transposed();
        matmul((&mut y, y_view), true, T::ONE, (&scaled, square), (&factors.b, b));
        (y, Projected { rows: projected, mask })
    }

    /// Hands the module to `see`, and adds the gradient by the inputs to `to`, if it is wanted.
    pub(super) fn backward(
        &self,
        to: Option<&mut [T]>,
        step: BackwardStep<'_, T>,
        branch: &Branch<'_, T>,
        see: &mut dyn FnMut(ModuleGradient<'_, T>),
    ) {
        let BackwardStep { inputs: x, deltas, projected, examples } = step;
        let inputs = self.inputs();
        let outputs = self.outputs();
        let rows = deltas.len() / outputs;
        let deltas_of = (deltas, View::dense(rows, outputs));
        let mut pulled = Vec::new();
        if let Some(factors) = &self.factors {
            let count = factors.directions;
            pulled = vec![T::ZERO; rows * count];
            let b = (&*factors.b, View::dense(outputs, count));
            matmul((&mut pulled, View::dense(rows, count)), false, T::ONE, deltas_of, b);
            let seen = projected.mask.as_ref().map(|mask| mask.of(x));
            let seen_inputs = seen.as_deref().unwrap_or(x);
            let module = factors.module;
            let projected = &*projected.rows;
            see(ModuleGradient { module, inputs: x, seen_inputs, deltas, projected, pulled: &pulled, examples });
        }
        let Some(to) = to else { return };
        let view = View::dense(rows, inputs);
        matmul((&mut *to, view), true, T::ONE, deltas_of, (&self.frozen.values, self.frozen.view.transposed()));
        if let Some(factors) = &self.factors {
            let scaled = scaled(&pulled, branch.scales.of(factors.module));
            let scaled = (&*scaled, View::dense(rows, factors.directions));
            let a = (&*factors.a, View::dense(factors.directions, inputs));
            match &projected.mask {
                None => matmul((to, view), true, T::ONE, scaled, a),
                Some(mask) => {
                    let mut by_seen = vec![T::ZERO; to.len()];
                    matmul((&mut by_seen, view), false, T::ONE, scaled, a);
                    mask.add(to, &by_seen);
                }
            }
        }
    }
}

/// What a linear layer needs for its step backward.
pub(super) struct BackwardStep<'a, T> {
    pub(super) inputs: &'a [T],
    pub(super) deltas: &'a [T],
    pub(super) projected: &'a Projected<T>,
    pub(super) examples: &'a [Range<usize>],
}

/// Each row times the scales, entry by entry.
fn scaled<T: Real>(rows: &[T], scales: &[T]) -> Vec<T> {
    rows.chunks_exact(scales.len().max(1)).flat_map(|row| row.iter().zip(scales).map(|(x, c)| *x * *c)).collect()
}
