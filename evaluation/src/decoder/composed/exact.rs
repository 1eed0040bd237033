//! Matrices as their file has them, where the model computes with rounded ones.

use crate::{
    ModelError,
    decoder::{
        half::Half,
        stored::{Format, Stored},
    },
    device::Accelerator,
};
use candle_core::{DType, Tensor};
use std::sync::{Arc, OnceLock};

/// A matrix of a file whose format is wider than the model's, or another one of 16 bits. An update is added to it, so that the sum is rounded
/// once. A clone shares it.
///
/// It goes to the device with the first update, in the format of the file, and stays there for all merges of the base.
#[derive(Clone)]
pub(super) struct Exact {
    stored: Stored,
    placed: Arc<OnceLock<Tensor>>,
}

impl Exact {
    /// The matrix, if a model in this format rounds it.
    pub(super) fn of(stored: &Stored, dtype: DType) -> Option<Self> {
        let file = match stored.format {
            Format::Full => DType::F32,
            Format::Half(Half::Bf16) => DType::BF16,
            Format::Half(Half::F16) => DType::F16,
        };
        let is_rounded = dtype != DType::F32 && dtype != file;
        is_rounded.then(|| Self { stored: stored.clone(), placed: Arc::default() })
    }

    pub(super) fn on_device(&self, on: &Accelerator) -> Result<Tensor, ModelError> {
        if let Some(placed) = self.placed.get() {
            return Ok(placed.clone());
        }
        let tensor = self.stored.load(on.device())?;
        on.was_put(&tensor);
        Ok(self.placed.get_or_init(|| tensor).clone())
    }
}
