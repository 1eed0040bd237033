//! The norm of each head of queries or keys.

use crate::model::host::kernels::rms_norm_in_place;
use std::sync::Arc;

/// An RMS norm over single heads; a clone shares the weight.
#[derive(Clone)]
pub(crate) struct HeadNorm {
    /// `[head_width]`
    pub(crate) weight: Arc<[f32]>,
    pub(crate) eps: f32,
}

impl HeadNorm {
    /// Normalises heads that lie side by side.
    pub(crate) fn apply(&self, heads: &mut [f32]) {
        rms_norm_in_place(heads, &self.weight, self.eps);
    }
}
