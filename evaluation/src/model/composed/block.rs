use super::super::{
    Activation, EncoderConfig,
    patch::BlockMatrix,
    weights::{BlockWeights, LinearWeights, NormWeights},
};
use crate::{
    device::{Accelerator, fused},
    observe::Hook,
};
use candle_core::{DType, IndexOp, Result, Tensor};

/// A layer norm, computed in `f32`.
#[derive(Clone)]
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl Norm {
    pub(super) fn new(read: NormWeights, eps: f32, on: &Accelerator) -> Result<Self> {
        let width = read.weight.len();
        Ok(Self { weight: on.put(read.weight, width)?, bias: on.put(read.bias, width)?, eps })
    }

    /// Norms rows in `f32`, and rounds them to `format`.
    pub(super) fn apply(&self, x: &Tensor, format: DType) -> Result<Tensor> {
        fused::norm(&x.contiguous()?, &self.weight, &self.bias, self.eps, format)
    }
}

/// A matrix that updates reach, stored `[inputs, outputs]`.
#[derive(Clone)]
pub(super) struct Matrix {
    /// As it was read, in `f32`: updates are added to it, and the sum is rounded once.
    exact: Tensor,
    /// In the tower's number format: what rows are multiplied by. In `f32` it shares the memory of the other.
    rounded: Tensor,
}

impl Matrix {
    pub(super) fn new(values: Vec<f32>, inputs: usize, on: &Accelerator) -> Result<Self> {
        let outputs = values.len() / inputs;
        Self::of(on.put(values, (inputs, outputs))?, on)
    }

    /// A matrix `[inputs, outputs]` that is on the device in `f32`.
    pub(super) fn of(exact: Tensor, on: &Accelerator) -> Result<Self> {
        Ok(Self { rounded: exact.to_dtype(on.dtype())?, exact })
    }

    /// The matrix in `f32`.
    pub(super) fn exact(&self) -> &Tensor {
        &self.exact
    }

    /// Rows `[rows, inputs]` times the matrix.
    pub(super) fn apply(&self, rows: &Tensor, on: &Accelerator) -> Result<Tensor> {
        on.product(rows, &self.rounded)
    }
}

/// A linear layer.
#[derive(Clone)]
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    bias: Tensor,
}

impl Linear {
    fn new(read: LinearWeights, on: &Accelerator) -> Result<Self> {
        let outputs = read.bias.len();
        let inputs = read.weight.len() / outputs;
        let bias = on.put(read.bias, outputs)?;
        Ok(Self { matrix: Matrix::new(read.weight, inputs, on)?, bias })
    }

    /// Rows of any leading shape times the matrix, as one product in the tower's format, without the bias.
    fn product(&self, x: &Tensor, on: &Accelerator) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let inputs = shape.pop().unwrap_or(0);
        shape.push(self.bias.elem_count());
        self.matrix.apply(&x.reshape(((), inputs))?, on)?.reshape(shape)
    }

    /// The product with its bias, through an activation, in the tower's format.
    fn finished(&self, x: &Tensor, activation: Option<Activation>, on: &Accelerator) -> Result<Tensor> {
        fused::finish(&self.product(x, on)?, &self.bias, activation)
    }

    /// The product with its bias, added to a stream in `f32`.
    fn added_to(&self, stream: &Tensor, x: &Tensor, on: &Accelerator) -> Result<Tensor> {
        fused::add(&self.product(x, on)?, &self.bias, stream)
    }
}

/// An encoder block.
///
/// # Numerics
/// What goes through matrices is in the tower's number format, as are the products, queries, keys, values and their shares. A product
/// is summed in `f32` and rounded; its bias is added to that in `f32`, and queries, keys and values are rounded again. Everything else is
/// in `f32`, and rounded where it goes through the next matrix: the stream of tokens, norms, activations, and the logits and softmax of
/// attention.
#[derive(Clone)]
pub(super) struct Block {
    norm1: Norm,
    qkv: Linear,
    out: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    pub(super) fn new(read: BlockWeights, eps: f32, on: &Accelerator) -> Result<Self> {
        Ok(Self {
            norm1: Norm::new(read.norm1, eps, on)?,
            qkv: Linear::new(read.qkv, on)?,
            out: Linear::new(read.out, on)?,
            norm2: Norm::new(read.norm2, eps, on)?,
            fc1: Linear::new(read.fc1, on)?,
            fc2: Linear::new(read.fc2, on)?,
        })
    }

    /// Runs tokens `[images, tokens, width]` of either format through the block; they come out in `f32`. With `pooled`,
    /// only the class token comes out: `[images, 1, width]`.
    pub(super) fn apply(
        &self,
        x: &Tensor,
        Running { config, on, pooled }: Running<'_>,
        hook: &mut dyn Hook<BlockMatrix>,
    ) -> Result<Tensor> {
        let x = x.to_dtype(DType::F32)?;
        let (images, tokens, width) = x.dims3()?;
        let depth = width / config.heads;
        let normed = self.norm1.apply(&x, on.dtype())?;
        hook.takes(BlockMatrix::Qkv, &normed);
        let qkv = self.qkv.finished(&normed, None, on)?;
        let qkv = qkv.reshape((images, tokens, 3, config.heads, depth))?;
        let part = |n: usize| qkv.i((.., .., n))?.transpose(1, 2)?.contiguous();
        let query = part(0)?;
        let key = part(1)?;
        let value = part(2)?;
        let (query, x) =
            if pooled { (query.narrow(2, 0, 1)?.contiguous()?, x.narrow(1, 0, 1)?.contiguous()?) } else { (query, x) };
        // Logits in 16 bits would be off by a percent after the exponential.
        let query = query.to_dtype(DType::F32)?;
        let key = key.to_dtype(DType::F32)?;
        let shares = fused::shares(&on.product(&query, &key.t()?)?, 1.0 / (depth as f32).sqrt(), on.dtype())?;
        let context = on.product(&shares, &value)?.transpose(1, 2)?.contiguous()?;
        let context = context.reshape((images, (), width))?;
        hook.takes(BlockMatrix::Out, &context);
        let x = self.out.added_to(&x, &context, on)?;
        let normed = self.norm2.apply(&x, on.dtype())?;
        hook.takes(BlockMatrix::Fc1, &normed);
        let inner = self.fc1.finished(&normed, Some(config.activation), on)?;
        hook.takes(BlockMatrix::Fc2, &inner);
        self.fc2.added_to(&x, &inner, on)
    }

    pub(super) fn linear(&self, kind: BlockMatrix) -> &Linear {
        match kind {
            BlockMatrix::Qkv => &self.qkv,
            BlockMatrix::Out => &self.out,
            BlockMatrix::Fc1 => &self.fc1,
            BlockMatrix::Fc2 => &self.fc2,
        }
    }

    pub(super) fn linear_mut(&mut self, kind: BlockMatrix) -> &mut Linear {
        match kind {
            BlockMatrix::Qkv => &mut self.qkv,
            BlockMatrix::Out => &mut self.out,
            BlockMatrix::Fc1 => &mut self.fc1,
            BlockMatrix::Fc2 => &mut self.fc2,
        }
    }
}

/// How a block is run.
#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) config: &'a EncoderConfig,
    pub(super) on: &'a Accelerator,
    pub(super) pooled: bool,
}
