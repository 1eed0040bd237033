//! What linear layers take: a model runs layer by layer over a split and hands the inputs of its modules to an observer.
//!
//! Evaluation does not come here: its forward leaves out what no feature depends on, and notes nothing.

mod hook;
mod sites;

pub(crate) use hook::{Hook, Noted};
pub(crate) use sites::{Observation, Site};

use crate::{
    ModelError,
    device::Accelerator,
    model::host::kernels::{View, matmul},
};
use candle_core::{DType, Tensor};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Rows of a Gram matrix that one thread computes at a time.
const GRAM_ROWS: usize = 64;

/// Bytes of inputs that are held at once on the processor before an observer takes them.
pub(crate) const HELD_BYTES: usize = 256 << 20;

/// Receives the inputs of modules while a model runs.
pub trait InputObserver {
    /// Takes the inputs of some examples, in the order of the examples.
    ///
    /// # Errors
    /// The device fails.
    fn observe(&mut self, inputs: &ModuleInputs<'_>) -> Result<(), ModelError>;
}

/// Which modules are observed, and by whom.
pub struct Observed<'a> {
    /// Names of [modules](crate::Model::modules); the inputs of all others are left alone.
    pub modules: &'a BTreeSet<String>,
    /// Takes the inputs.
    pub observer: &'a mut dyn InputObserver,
}

/// Rows that one or more modules took: one row for each token, padding excluded.
pub struct ModuleInputs<'a> {
    modules: &'a [String],
    width: usize,
    rows: InputRows<'a>,
}

/// Where the rows lie.
pub(crate) enum InputRows<'a> {
    /// `[rows, width]` each.
    Host(Vec<&'a [f32]>),
    Device {
        /// `[rows, width]`
        rows: &'a Tensor,
        on: &'a Accelerator,
    },
}

impl<'a> ModuleInputs<'a> {
    pub(crate) fn new(site: &'a Site<impl Copy>, rows: InputRows<'a>) -> Self {
        Self { modules: &site.modules, width: site.width, rows }
    }

    /// All modules that took these rows, observed or not, such as queries, keys and values of a layer.
    pub fn modules(&self) -> &[String] {
        self.modules
    }

    /// Numbers of one row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.rows {
            InputRows::Host(parts) => parts.iter().map(|part| part.len() / self.width).sum(),
            InputRows::Device { rows, on: _ } => rows.elem_count() / self.width,
        }
    }

    /// Adds `Σ x·xᵀ` over the rows x to `gram`.
    ///
    /// # Shapes
    /// `gram`: `[width, width]`, row-major.
    ///
    /// # Numerics
    /// Products of a few hundred rows in `f32` (on other devices those of one batch), summed in `f64` in the order of
    /// the examples. On the processor the sum does not depend on the number of threads.
    ///
    /// # Errors
    /// The device fails.
    pub fn add_gram(&self, gram: &mut [f64]) -> Result<(), ModelError> {
        let width = self.width;
        assert_eq!(gram.len(), width * width, "a Gram matrix is square");
        match &self.rows {
            InputRows::Host(parts) => {
                let blocks = gram.par_chunks_mut(GRAM_ROWS * width).enumerate();
                blocks.for_each_init(Vec::new, |product, (n, block)| {
                    for part in parts {
                        add_block(block, part, width, n * GRAM_ROWS, product);
                    }
                });
            }
            InputRows::Device { rows, on } => {
                let rows = rows.to_dtype(DType::F32)?;
                let product = on.take_back(&on.product(&rows.t()?, &rows)?)?;
                gram.iter_mut().zip(product).for_each(|(sum, x)| *sum += f64::from(x));
            }
        }
        Ok(())
    }

    /// Adds `Σ x` over the rows x to `sum`, `[width]`, in `f64`.
    ///
    /// # Errors
    /// The device fails.
    pub fn add_sum(&self, sum: &mut [f64]) -> Result<(), ModelError> {
        let mut add = |row: &[f32]| sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        match &self.rows {
            InputRows::Host(parts) => parts.iter().for_each(|part| part.chunks_exact(self.width).for_each(&mut add)),
            InputRows::Device { rows, on } => add(&on.take_back(&rows.to_dtype(DType::F32)?.sum(0)?)?),
        }
        Ok(())
    }
}

/// Adds rows `first..` of `Σ x·xᵀ` over the rows of `part` to `block`.
fn add_block(block: &mut [f64], part: &[f32], width: usize, first: usize, product: &mut Vec<f32>) {
    let rows = part.len() / width;
    let count = block.len() / width;
    product.resize(block.len(), 0.0);
    let own = View::columns(rows, width, first, count).transposed();
    matmul((product, View::dense(count, width)), false, 1.0, (part, own), (part, View::dense(rows, width)));
    block.iter_mut().zip(&*product).for_each(|(sum, x)| *sum += f64::from(*x));
}
