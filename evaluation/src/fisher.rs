//! The diagonal of the Fisher information of a model's matrices.

use crate::{ModelError, observe::Passed};
use candle_core::{D, DType, Device, Result, Tensor};
use std::collections::BTreeMap;

/// The diagonal of the Fisher information by module: `[outputs, inputs]` each, row-major.
pub type Fisher = BTreeMap<String, Vec<f64>>;

/// Bytes of the gradients of one matrix, of all examples that go through a model together.
const GRADIENT_BYTES: usize = 64 << 20;

/// Examples that go through a model together at most.
const MOST_EXAMPLES: usize = 32;

/// Examples that go through a model together whose largest observed matrix has so many entries.
pub(crate) fn batch(entries: usize) -> usize {
    (GRADIENT_BYTES / size_of::<f32>() / entries.max(1)).clamp(1, MOST_EXAMPLES)
}

/// Sums of squared gradients by matrix.
pub(crate) struct FisherSums<S> {
    /// `[outputs, inputs]` each.
    pub(crate) of: BTreeMap<S, Vec<f64>>,
    pub(crate) examples: usize,
}

impl<S: Copy + Ord> FisherSums<S> {
    pub(crate) fn new() -> Self {
        Self { of: BTreeMap::new(), examples: 0 }
    }

    /// Adds `Σ_n Σ_c p(c|x_n)·(∂log p(c|x_n)/∂W)²` of some examples.
    ///
    /// With δ the gradient of the outputs of a matrix, that of the matrix is `Σ_tokens δ·xᵀ`. Examples do not mix, so that one
    /// backward pass for each class gives the gradients of all examples: that of their sum.
    ///
    /// # Shapes
    /// `logits` `[examples, classes]`, a masked class −∞.
    ///
    /// # Numerics
    /// Gradients in `f32`; the sum over the examples of one call in `f32`, over calls in `f64`.
    pub(crate) fn add(&mut self, logits: &Tensor, passed: &[Passed<S>]) -> Result<()> {
        let (examples, classes) = logits.dims2()?;
        self.examples += examples;
        let log_p = log_softmax(logits)?;
        let shares = log_p.exp()?.detach();
        for class in 0..classes {
            let own = log_p.narrow(1, class, 1)?;
            let share = shares.narrow(1, class, 1)?.reshape((examples, 1, 1))?;
            if share.sum_all()?.to_scalar::<f32>()? <= 0.0 {
                continue;
            }
            let gradients = own.sum_all()?.backward()?;
            for Passed { matrix, x, probe } in passed {
                let Some(delta) = gradients.get(probe.as_tensor()) else { continue };
                let delta = delta.to_dtype(DType::F32)?.transpose(1, 2)?.contiguous()?;
                let gradient = delta.matmul(&x.to_dtype(DType::F32)?.contiguous()?)?;
                let weighed = gradient.sqr()?.broadcast_mul(&share)?.sum(0)?;
                let values = weighed.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
                let sums = self.of.entry(*matrix).or_insert_with(|| vec![0.0; values.len()]);
                sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += f64::from(x));
            }
        }
        Ok(())
    }

    /// The means over all examples.
    pub(crate) fn means(self) -> BTreeMap<S, Vec<f64>> {
        let factor = 1.0 / self.examples.max(1) as f64;
        let mean = |sums: Vec<f64>| sums.into_iter().map(|sum| sum * factor).collect();
        self.of.into_iter().map(|(matrix, sums)| (matrix, mean(sums))).collect()
    }
}

/// Fails if a mean is not finite.
pub(crate) fn check<S>(means: &BTreeMap<S, Vec<f64>>) -> std::result::Result<(), ModelError> {
    let is_finite = means.values().flatten().all(|x| x.is_finite());
    if is_finite { Ok(()) } else { Err(ModelError::NotFinite) }
}

/// Of rows of which some entries may be −∞.
fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    // The largest is a constant: the gradient of the result does not depend on it.
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}
