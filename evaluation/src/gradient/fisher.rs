//! The diagonal of the Fisher information of a task's matrices.

use super::{GradientTower, ModuleGradient, Recorded, Scales, Sequences};
use crate::{
    ModelError, Watch,
    model::host::{
        kernels::{View, matmul},
        real::Real,
    },
    tune::{Readout, shares},
};
use rayon::prelude::*;
use std::{collections::BTreeMap, ops::Range};

/// The diagonal of the Fisher information by module: `[outputs, inputs]` each, row-major.
pub type Fisher = BTreeMap<String, Vec<f64>>;

/// Groups of examples that are recorded at once. It does not depend on the number of threads, and neither do sums.
const GROUPS: usize = 16;

/// Information of one matrix `[outputs, inputs]`.
struct Sum {
    values: Vec<f64>,
    outputs: usize,
    inputs: usize,
}

/// A group of examples that went through the tower.
struct Run<'a, T> {
    recorded: Recorded<'a, T>,
    /// The probability of every class, by example.
    shares: Vec<Vec<f64>>,
}

/// What one matrix took in a pass, and the gradient by what it gave.
struct Part<T> {
    inputs: Vec<T>,
    deltas: Vec<T>,
    /// The rows of each example.
    examples: Vec<Range<usize>>,
}

// Not generic in the number format: see `Trainer`.
impl GradientTower<f32> {
    /// The diagonal of the Fisher information of the matrices that `task` updates, in the task's own model:
    /// `E_x Σ_c p(c|x)·(∂log p(c|x)/∂W)²`, per example and class. Labels play no part.
    ///
    /// With δ the gradient by the outputs of a matrix, that by the matrix is `Σ_tokens δ·xᵀ`. Examples do not mix, so that one
    /// backward pass for each class gives the gradients of all examples of a group: that of their sum.
    ///
    /// # Shapes
    /// One `[outputs, inputs]` for each module, row-major.
    ///
    /// # Numerics
    /// Gradients in `f32`, probabilities and sums over examples and classes in `f64`. The numbers do not depend on the threads of
    /// the current rayon pool. A class of probability 0 counts nothing. Costs a backward pass for each class, and for each
    /// example and class the product of every matrix's gradients and inputs.
    ///
    /// # Errors
    /// [`ModelError::HeadWidth`]; gradients that are not finite; the caller cancels.
    pub fn fisher(
        &self,
        task: usize,
        sequences: &Sequences,
        readout: &Readout,
        watch: &Watch<'_>,
    ) -> Result<Fisher, ModelError> {
        if readout.width() != self.width() {
            return Err(ModelError::HeadWidth { head: readout.width(), features: self.width() });
        }
        let scales = self.own(task);
        let examples: Vec<usize> = (0..sequences.len()).collect();
        let mut sums: Vec<Sum> = (0..self.modules.len()).map(|module| self.sum(module)).collect();
        for groups in self.groups(sequences, &examples).chunks(GROUPS) {
            let record = |group: &&[usize]| Run::new(self.record(sequences, group, &scales), readout);
            let runs: Vec<Run<'_, f32>> = groups.par_iter().with_max_len(1).map(record).collect();
            for class in 0..readout.classes() {
                if watch.is_cancelled() {
                    return Err(ModelError::Cancelled);
                }
                let pass = |run: &Run<'_, f32>| run.pass(class, readout, &scales, self.modules.len());
                let passes: Vec<Vec<Option<Part<f32>>>> = runs.par_iter().with_max_len(1).map(pass).collect();
                sums.par_iter_mut().with_max_len(1).enumerate().for_each_init(Vec::new, |gradient, (module, sum)| {
                    for (run, parts) in runs.iter().zip(&passes) {
                        if let Some(part) = &parts[module] {
                            sum.add(part, run.shares.iter().map(|shares| shares[class]), gradient);
                        }
                    }
                });
            }
            watch.done(groups.iter().map(|group| group.len()).sum());
        }
        let factor = 1.0 / sequences.len().max(1) as f64;
        let mean = |sum: Sum| sum.values.into_iter().map(|x| x * factor).collect::<Vec<f64>>();
        let means: Fisher =
            self.modules.iter().map(|module| module.name.clone()).zip(sums.into_iter().map(mean)).collect();
        let is_finite = means.values().flatten().all(|x| x.is_finite());
        if is_finite { Ok(means) } else { Err(ModelError::NotFinite) }
    }

    fn sum(&self, module: usize) -> Sum {
        let [outputs, inputs] = self.module_shape(module);
        Sum { values: vec![0.0; outputs * inputs], outputs, inputs }
    }
}

impl<'a, T: Real> Run<'a, T> {
    fn new(recorded: Recorded<'a, T>, readout: &Readout) -> Self {
        let shares = readout.logits(recorded.features()).iter().map(|logits| shares(logits)).collect();
        Self { recorded, shares }
    }

    /// The gradients of log p(class) of every example, by module; none where no example gives the class a chance.
    fn pass(&self, class: usize, readout: &Readout, scales: &Scales<T>, modules: usize) -> Vec<Option<Part<T>>> {
        let mut parts: Vec<Option<Part<T>>> = (0..modules).map(|_| None).collect();
        if self.shares.iter().all(|shares| shares[class] <= 0.0) {
            return parts;
        }
        let features = self.recorded.features().chunks_exact(readout.width());
        let mut deltas = Vec::with_capacity(self.recorded.features().len());
        for (features, shares) in features.zip(&self.shares) {
            // ∂log p(c)/∂logit_j = [j = c] − p(j).
            let mut by_logits: Vec<f64> = shares.iter().map(|share| -share).collect();
            by_logits[class] += 1.0;
            deltas.extend(readout.backward(features, &by_logits));
        }
        self.recorded.backward(&deltas, scales, &mut |ModuleGradient { module, inputs, deltas, examples, .. }| {
            let part = Part { inputs: inputs.to_vec(), deltas: deltas.to_vec(), examples: examples.to_vec() };
            parts[module] = Some(part);
        });
        parts
    }
}

impl Sum {
    /// Adds the squared gradients of every example, times its share. `gradient` is room for one of them.
    fn add<T: Real>(&mut self, part: &Part<T>, shares: impl Iterator<Item = f64>, gradient: &mut Vec<T>) {
        let outputs = self.outputs;
        let inputs = self.inputs;
        gradient.resize(outputs * inputs, T::ZERO);
        for (rows, share) in part.examples.iter().zip(shares) {
            if share <= 0.0 {
                continue;
            }
            let deltas = &part.deltas[rows.start * outputs..rows.end * outputs];
            let x = &part.inputs[rows.start * inputs..rows.end * inputs];
            let to = (gradient.as_mut_slice(), View::dense(outputs, inputs));
            let deltas = (deltas, View::dense(rows.len(), outputs).transposed());
            matmul(to, false, T::ONE, deltas, (x, View::dense(rows.len(), inputs)));
            for (sum, x) in self.values.iter_mut().zip(gradient.iter()) {
                let x = x.wide();
                *sum += share * x * x;
            }
        }
    }
}
