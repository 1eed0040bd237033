//! Gradients by the factors of updates, which training takes.

use super::{GradientTower, ModuleGradient, Scales};
use crate::model::host::{
    kernels::{View, matmul},
    real::Real,
};

/// The gradients of a loss by the factors of every adapted module, in the order of the modules.
///
/// With inputs x as A takes them, gradients δ by the outputs, and scales c of the directions, the gradient by B is
/// `Σ δ · (A x ∘ c)ᵀ` over all rows, and that by A is `Σ (Bᵀ δ ∘ c) · xᵀ`.
///
/// # Shapes
/// By A `[directions, inputs]`, by B `[outputs, directions]`, row-major.
#[derive(Debug, Clone)]
pub struct FactorGradients<T> {
    modules: Vec<ModuleFactors<T>>,
}

#[derive(Debug, Clone)]
struct ModuleFactors<T> {
    outputs: usize,
    inputs: usize,
    directions: usize,
    a: Vec<T>,
    b: Vec<T>,
}

impl<T: Real> FactorGradients<T> {
    /// Zeros for every adapted module of a tower.
    pub fn zeros(tower: &GradientTower<T>) -> Self {
        let module = |module: usize| {
            let [outputs, inputs] = tower.module_shape(module);
            let directions = tower.modules()[module].directions();
            let a = vec![T::ZERO; directions * inputs];
            let b = vec![T::ZERO; outputs * directions];
            ModuleFactors { outputs, inputs, directions, a, b }
        };
        Self { modules: (0..tower.modules().len()).map(module).collect() }
    }

    /// Adds what a [pass](super::Recorded::backward) hands over of one module.
    pub fn add(&mut self, module: &ModuleGradient<'_, T>, scales: &Scales<T>) {
        let scales = scales.of(module.module);
        let ModuleFactors { outputs, inputs, directions, a, b } = &mut self.modules[module.module];
        let rows = module.pulled.len() / *directions;
        let by_direction = View::dense(rows, *directions);
        let pulled = scaled(module.pulled, scales);
        let seen = (module.seen_inputs, View::dense(rows, *inputs));
        let to = (a.as_mut_slice(), View::dense(*directions, *inputs));
        matmul(to, true, T::ONE, (&pulled, by_direction.transposed()), seen);
        let projected = scaled(module.projected, scales);
        let deltas = (module.deltas, View::dense(rows, *outputs).transposed());
        let to = (b.as_mut_slice(), View::dense(*outputs, *directions));
        matmul(to, true, T::ONE, deltas, (&projected, by_direction));
    }

    /// The gradient by `lora_A` of a module, by its place among the adapted ones.
    pub fn a(&self, module: usize) -> &[T] {
        &self.modules[module].a
    }

    /// The gradient by `lora_B` of a module.
    pub fn b(&self, module: usize) -> &[T] {
        &self.modules[module].b
    }
}

fn scaled<T: Real>(rows: &[T], scales: &[T]) -> Vec<T> {
    rows.chunks_exact(scales.len().max(1)).flat_map(|row| row.iter().zip(scales).map(|(x, c)| *x * *c)).collect()
}
