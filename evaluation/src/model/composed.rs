use super::{
    Activation, ClipConfig, EncoderConfig, ModelError, Watch,
    patch::{BlockMatrix, TowerMatrix},
    weights::{BlockWeights, LinearWeights, NormWeights, VisionWeights},
};
use crate::images::Images;
use crate::observe::{Hook, InputRows, Noted, Observation};
use candle_core::{D, DType, Device, IndexOp, Result, Tensor};
use candle_nn::ops::{layer_norm, sigmoid, softmax_last_dim};
use std::collections::BTreeMap;

/// Token rows of one forward: enough to fill an accelerator, little enough for its memory.
const STEP_ROWS: usize = 32_768;

/// The image tower composed of candle's operations, for any device; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct ComposedTower {
    config: ClipConfig,
    device: Device,
    patch: Tensor,
    position: Tensor,
    pre: Norm,
    blocks: Vec<Block>,
    post: Norm,
    projection: Tensor,
}

#[derive(Clone)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl Norm {
    fn new(read: NormWeights, eps: f32, device: &Device) -> Result<Self> {
        let width = read.weight.len();
        let put = |values| Tensor::from_vec(values, width, device);
        Ok(Self { weight: put(read.weight)?, bias: put(read.bias)?, eps })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(&x.contiguous()?, &self.weight, &self.bias, self.eps)
    }
}

/// A linear layer, its matrix stored `[inputs, outputs]`.
#[derive(Clone)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(read: LinearWeights, device: &Device) -> Result<Self> {
        let outputs = read.bias.len();
        let inputs = read.weight.len() / outputs;
        Ok(Self {
            weight: Tensor::from_vec(read.weight, (inputs, outputs), device)?,
            bias: Tensor::from_vec(read.bias, outputs, device)?,
        })
    }

    /// Rows of any leading shape times the matrix, as one product.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let inputs = shape.pop().unwrap_or(0);
        shape.push(self.bias.elem_count());
        x.reshape(((), inputs))?.matmul(&self.weight)?.broadcast_add(&self.bias)?.reshape(shape)
    }
}

#[derive(Clone)]
struct Block {
    norm1: Norm,
    qkv: Linear,
    out: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(read: BlockWeights, eps: f32, device: &Device) -> Result<Self> {
        Ok(Self {
            norm1: Norm::new(read.norm1, eps, device)?,
            qkv: Linear::new(read.qkv, device)?,
            out: Linear::new(read.out, device)?,
            norm2: Norm::new(read.norm2, eps, device)?,
            fc1: Linear::new(read.fc1, device)?,
            fc2: Linear::new(read.fc2, device)?,
        })
    }

    /// With `pooled`, only the class token comes out: `[images, 1, width]`.
    fn apply(
        &self,
        x: &Tensor,
        config: &EncoderConfig,
        pooled: bool,
        hook: &mut dyn Hook<BlockMatrix>,
    ) -> Result<Tensor> {
        let (images, tokens, width) = x.dims3()?;
        let depth = width / config.heads;
        let normed = self.norm1.apply(x)?;
        let qkv = self.project(BlockMatrix::Qkv, &normed, hook)?;
        let qkv = qkv.reshape((images, tokens, 3, config.heads, depth))?;
        let part = |n: usize| qkv.i((.., .., n))?.transpose(1, 2)?.contiguous();
        let query = part(0)?;
        let key = part(1)?;
        let value = part(2)?;
        let (query, x) = if pooled {
            (query.narrow(2, 0, 1)?.contiguous()?, x.narrow(1, 0, 1)?.contiguous()?)
        } else {
            (query, x.clone())
        };
        let scores = (query.matmul(&key.t()?)? * (1.0 / (depth as f64).sqrt()))?;
        let context = softmax_last_dim(&scores)?.matmul(&value)?.transpose(1, 2)?.contiguous()?;
        let context = context.reshape((images, (), width))?;
        let x = (x + self.project(BlockMatrix::Out, &context, hook)?)?;
        let normed = self.norm2.apply(&x)?;
        let inner = self.project(BlockMatrix::Fc1, &normed, hook)?;
        let inner = match config.activation {
            Activation::QuickGelu => (&inner * sigmoid(&(&inner * 1.702)?)?)?,
            Activation::Gelu => inner.gelu_erf()?,
        };
        x + self.project(BlockMatrix::Fc2, &inner, hook)?
    }

    fn project(&self, matrix: BlockMatrix, x: &Tensor, hook: &mut dyn Hook<BlockMatrix>) -> Result<Tensor> {
        hook.takes(matrix, x);
        self.linear(matrix).apply(x)
    }
}

impl ComposedTower {
    pub(crate) fn new(config: ClipConfig, read: VisionWeights, device: &Device) -> Result<Self> {
        let vision = &config.vision;
        let eps = config.vision.encoder.layer_norm_eps;
        let width = vision.encoder.width;
        let depth = 3 * vision.patch_size.pow(2);
        Ok(Self {
            device: device.clone(),
            patch: Tensor::from_vec(read.patch, (depth, width), device)?,
            position: Tensor::from_vec(read.position, (1, vision.tokens(), width), device)?,
            pre: Norm::new(read.pre, eps, device)?,
            blocks: read.blocks.into_iter().map(|block| Block::new(block, eps, device)).collect::<Result<_>>()?,
            post: Norm::new(read.post, eps, device)?,
            projection: Tensor::from_vec(read.projection, (width, config.projection), device)?,
            config,
        })
    }

    /// Puts updates on the device once; they are then added at any scaling.
    pub(crate) fn upload(&self, updates: super::patch::Updates) -> Result<BTreeMap<TowerMatrix, Tensor>> {
        let mut placed = BTreeMap::new();
        for (id, values) in updates {
            let shape = self.matrix(id).shape().clone();
            placed.insert(id, Tensor::from_vec(values, shape, &self.device)?);
        }
        Ok(placed)
    }

    pub(crate) fn patched(&self, updates: &BTreeMap<TowerMatrix, Tensor>, scaling: f32) -> Result<Self> {
        let mut tower = self.clone();
        for (id, delta) in updates {
            let matrix = (tower.matrix(*id) + (delta * f64::from(scaling))?)?;
            match *id {
                TowerMatrix::Projection => tower.projection = matrix,
                TowerMatrix::Block(layer, kind) => tower.blocks[layer].linear_mut(kind).weight = matrix,
            }
        }
        Ok(tower)
    }

    fn matrix(&self, id: TowerMatrix) -> &Tensor {
        match id {
            TowerMatrix::Projection => &self.projection,
            TowerMatrix::Block(layer, kind) => &self.blocks[layer].linear(kind).weight,
        }
    }

    /// Images of one forward.
    fn step(&self) -> usize {
        (STEP_ROWS / self.config.vision.tokens()).max(1)
    }

    /// Embeds all images into one tensor `[images, tokens, width]` per step.
    pub(crate) fn embed(&self, images: &Images, watch: &Watch<'_>) -> std::result::Result<Vec<Tensor>, ModelError> {
        let starts = (0..images.len()).step_by(self.step());
        starts.map(|first| self.embed_step(images, first, watch)).collect()
    }

    fn embed_step(&self, images: &Images, first: usize, watch: &Watch<'_>) -> std::result::Result<Tensor, ModelError> {
        if watch.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let vision = &self.config.vision;
        let width = vision.encoder.width;
        let patches = vision.patches();
        let count = self.step().min(images.len() - first);
        let size = patches * 3 * vision.patch_size.pow(2);
        let mut values = vec![0.0; count * size];
        for (n, values) in values.chunks_exact_mut(size).enumerate() {
            images.write_patches(first + n, vision.patch_size, values);
        }
        let values = Tensor::from_vec(values, (count * patches, size / patches), &self.device)?;
        let tokens = values.matmul(&self.patch)?.reshape((count, patches, width))?;
        let class = Tensor::zeros((count, 1, width), DType::F32, &self.device)?;
        let tokens = Tensor::cat(&[&class, &tokens], 1)?.broadcast_add(&self.position)?;
        let tokens = self.pre.apply(&tokens)?;
        watch.done(count);
        Ok(tokens)
    }

    /// Projected features `[images, projection]`, from embedded tokens.
    pub(crate) fn features(&self, tokens: &[Tensor], watch: &Watch<'_>) -> std::result::Result<Vec<f32>, ModelError> {
        let mut features = Vec::new();
        for tokens in tokens {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            features.extend(self.features_step(tokens)?);
            watch.done(tokens.dim(0)?);
        }
        Ok(features)
    }

    /// Projected features of images that were not embedded beforehand.
    pub(crate) fn features_of(&self, images: &Images, watch: &Watch<'_>) -> std::result::Result<Vec<f32>, ModelError> {
        let mut features = Vec::with_capacity(images.len() * self.config.projection);
        for first in (0..images.len()).step_by(self.step()) {
            features.extend(self.features_step(&self.embed_step(images, first, watch)?)?);
        }
        Ok(features)
    }

    /// Runs one block over all tokens of all images, given as steps `[images, tokens, width]`.
    pub(crate) fn run_layer(
        &self,
        layer: usize,
        steps: &mut [Tensor],
        observation: &mut Observation<'_, TowerMatrix>,
        watch: &Watch<'_>,
    ) -> std::result::Result<(), ModelError> {
        for x in steps {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let wants = |kind| observation.wants(TowerMatrix::Block(layer, kind));
            let mut noted = Noted { wants: &wants, rows: Vec::new() };
            *x = self.blocks[layer].apply(x, &self.config.vision.encoder, false, &mut noted)?;
            for (kind, rows) in noted.rows {
                let rows = rows.flatten_to(D::Minus2)?;
                observation.hand_over(TowerMatrix::Block(layer, kind), InputRows::Device(&rows))?;
            }
            watch.done(x.dim(0)?);
        }
        Ok(())
    }

    /// Hands over what the projection takes: one row for each image.
    pub(crate) fn observe_projection(
        &self,
        steps: &[Tensor],
        observation: &mut Observation<'_, TowerMatrix>,
    ) -> std::result::Result<(), ModelError> {
        for x in steps {
            let pooled = self.post.apply(&x.narrow(1, 0, 1)?.squeeze(D::Minus2)?)?;
            observation.hand_over(TowerMatrix::Projection, InputRows::Device(&pooled))?;
        }
        Ok(())
    }

    fn features_step(&self, tokens: &Tensor) -> Result<Vec<f32>> {
        let mut x = tokens.clone();
        for (n, block) in self.blocks.iter().enumerate() {
            x = block.apply(&x, &self.config.vision.encoder, n + 1 == self.blocks.len(), &mut ())?;
        }
        let pooled = x.narrow(1, 0, 1)?.squeeze(D::Minus2)?;
        let features = self.post.apply(&pooled)?.matmul(&self.projection)?;
        features.broadcast_add(&overflows(&pooled)?)?.flatten_all()?.to_vec1()
    }
}

/// The numbers of all tensors, one after the other.
pub(crate) fn flat(tensors: &[Tensor]) -> Result<Vec<f32>> {
    let parts = tensors.iter().map(|tensor| tensor.flatten_all()?.to_vec1());
    Ok(parts.collect::<Result<Vec<Vec<f32>>>>()?.concat())
}

/// Some images of steps `[images, tokens, width]`, in steps of the same size.
pub(crate) fn select(steps: &[Tensor], places: &[u64]) -> Result<Vec<Tensor>> {
    let Some(first) = steps.first() else { return Ok(Vec::new()) };
    let step = first.dim(0)?;
    let image = |place: &u64| steps[*place as usize / step].narrow(0, *place as usize % step, 1);
    let group = |places: &[u64]| Tensor::cat(&places.iter().map(image).collect::<Result<Vec<_>>>()?, 0);
    places.chunks(step).map(group).collect()
}

/// For each row 0, or NaN where its squares overflow in `f32`: a norm makes zeros of such a row, as if it held nothing.
pub(crate) fn overflows(rows: &Tensor) -> Result<Tensor> {
    rows.to_dtype(DType::F32)?.sqr()?.sum_keepdim(D::Minus1)? * 0.0
}

impl Block {
    fn linear(&self, kind: BlockMatrix) -> &Linear {
        match kind {
            BlockMatrix::Qkv => &self.qkv,
            BlockMatrix::Out => &self.out,
            BlockMatrix::Fc1 => &self.fc1,
            BlockMatrix::Fc2 => &self.fc2,
        }
    }

    fn linear_mut(&mut self, kind: BlockMatrix) -> &mut Linear {
        match kind {
            BlockMatrix::Qkv => &mut self.qkv,
            BlockMatrix::Out => &mut self.out,
            BlockMatrix::Fc1 => &mut self.fc1,
            BlockMatrix::Fc2 => &mut self.fc2,
        }
    }
}
