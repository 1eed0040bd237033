//! Operations of composed models in two forms: fused for speed, and composed so that gradients pass through them.

use candle_core::{D, Result, Tensor};
use candle_nn::{ops, rotary_emb};

/// How operations run that have a fused form.
///
/// The fused forms have no backward: a gradient ends at them without an error. Whatever is differentiated must run the
/// composed forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernels {
    Fused,
    Differentiable,
}

impl Kernels {
    pub(crate) fn layer_norm(self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
        match self {
            Self::Fused => ops::layer_norm(&x.contiguous()?, weight, bias, eps),
            Self::Differentiable => ops::layer_norm_slow(x, weight, bias, eps),
        }
    }

    pub(crate) fn rms_norm(self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        match self {
            Self::Fused => ops::rms_norm(&x.contiguous()?, weight, eps),
            Self::Differentiable => ops::rms_norm_slow(x, weight, eps),
        }
    }

    pub(crate) fn softmax(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Fused => ops::softmax_last_dim(x),
            Self::Differentiable => ops::softmax(x, D::Minus1),
        }
    }

    pub(crate) fn rope(self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
        match self {
            Self::Fused => rotary_emb::rope(&x.contiguous()?, cos, sin),
            Self::Differentiable => rotary_emb::rope_slow(&x.contiguous()?, cos, sin),
        }
    }
}
