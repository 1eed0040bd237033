//! The image tower composed of candle's operations, for any device.

mod block;
mod factors;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use factors::PlacedUpdates;
pub(crate) use steps::{PixelStep, select, select_pixels};

use super::{
    ClipConfig, ModelError, Watch,
    patch::{Arrangement, TowerMatrix},
    weights::VisionWeights,
};
use crate::{
    device::Accelerator,
    images::Images,
    observe::{InputRows, Noted, Observation},
};
use block::{Block, Matrix, Norm, Running};
use candle_core::{D, DType, Result, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use steps::Step;

/// Token rows of one forward: enough to fill an accelerator, little enough for its memory.
const STEP_ROWS: usize = 32_768;

/// The same on the processor, where products of few rows stay in the caches.
pub(crate) const HOST_STEP_ROWS: usize = 1024;

/// The image tower composed of candle's operations; a clone shares every matrix.
///
/// # Numerics
/// Matrices, what they multiply and each product are in the tower's number format, with the sums of a product in `f32`. All that is
/// between them and features are in `f32` ([`Block`]). Embedded tokens are in the tower's format.
#[derive(Clone)]
pub(crate) struct ComposedTower {
    config: ClipConfig,
    on: Accelerator,
    /// `[3 · patch², width]`
    patch: Tensor,
    position: Tensor,
    pre: Norm,
    blocks: Vec<Block>,
    post: Norm,
    projection: Matrix,
}

impl ComposedTower {
    pub(crate) fn new(config: ClipConfig, read: VisionWeights, on: Accelerator) -> Result<Self> {
        let vision = &config.vision;
        let eps = vision.encoder.layer_norm_eps;
        let width = vision.encoder.width;
        let depth = 3 * vision.patch_size.pow(2);
        Ok(Self {
            patch: on.put(read.patch, (depth, width))?.to_dtype(on.dtype())?,
            position: on.put(read.position, (1, vision.tokens(), width))?,
            pre: Norm::new(read.pre, eps, &on)?,
            blocks: read.blocks.into_iter().map(|block| Block::new(block, eps, &on)).collect::<Result<_>>()?,
            post: Norm::new(read.post, eps, &on)?,
            projection: Matrix::new(read.projection, width, &on)?,
            on,
            config,
        })
    }

    /// The device that the tower runs on.
    pub(crate) fn device(&self) -> &Accelerator {
        &self.on
    }

    /// Puts updates on the device once; they are then added at any scaling, without another copy.
    pub(crate) fn upload(&self, updates: &Arrangement<'_>) -> Result<PlacedUpdates> {
        factors::place(updates, &self.on)
    }

    pub(crate) fn patched(&self, updates: &PlacedUpdates, scaling: f32) -> Result<Self> {
        let mut tower = self.clone();
        for (id, parts) in updates {
            let exact = factors::added(tower.matrix(*id).exact(), parts, scaling, &self.on)?;
            let matrix = Matrix::of(exact, &self.on)?;
            match *id {
                TowerMatrix::Projection => tower.projection = matrix,
                TowerMatrix::Block(layer, kind) => tower.blocks[layer].linear_mut(kind).matrix = matrix,
            }
        }
        Ok(tower)
    }

    fn matrix(&self, id: TowerMatrix) -> &Matrix {
        match id {
            TowerMatrix::Projection => &self.projection,
            TowerMatrix::Block(layer, kind) => &self.blocks[layer].linear(kind).matrix,
        }
    }

    /// Images of one forward.
    fn step(&self) -> usize {
        let rows = if self.on.device().is_cpu() { HOST_STEP_ROWS } else { STEP_ROWS };
        (rows / self.config.vision.tokens()).max(1)
    }

    /// Embeds all images into one tensor `[images, tokens, width]` per step.
    pub(crate) fn embed(&self, images: &Images, watch: &Watch<'_>) -> std::result::Result<Vec<Tensor>, ModelError> {
        self.each_step(images, watch, |pixels| self.embed_step(pixels))
    }

    /// Copies the bytes of all images to the device, to be embedded by every forward.
    pub(crate) fn upload_pixels(
        &self,
        images: &Images,
        watch: &Watch<'_>,
    ) -> std::result::Result<Vec<PixelStep>, ModelError> {
        self.each_step(images, watch, |pixels| Ok(pixels.clone()))
    }

    /// Embeds images whose bytes are on the device.
    pub(crate) fn embed_pixels(
        &self,
        steps: &[PixelStep],
        watch: &Watch<'_>,
    ) -> std::result::Result<Vec<Tensor>, ModelError> {
        self.each(steps, watch, |pixels| self.embed_step(pixels))
    }

    /// Projected features `[images, projection]` in `f32`, from embedded tokens. They stay on the device.
    pub(crate) fn features(&self, tokens: &[Tensor], watch: &Watch<'_>) -> std::result::Result<Tensor, ModelError> {
        Ok(self.joined(&self.each(tokens, watch, |tokens| self.features_step(tokens))?)?)
    }

    /// Projected features of images whose bytes are on the device.
    pub(crate) fn features_of_pixels(
        &self,
        steps: &[PixelStep],
        watch: &Watch<'_>,
    ) -> std::result::Result<Tensor, ModelError> {
        let features = |pixels: &PixelStep| self.features_step(&self.embed_step(pixels)?);
        Ok(self.joined(&self.each(steps, watch, features)?)?)
    }

    /// Projected features of images that were not embedded beforehand.
    pub(crate) fn features_of(&self, images: &Images, watch: &Watch<'_>) -> std::result::Result<Tensor, ModelError> {
        let features = |pixels: &PixelStep| self.features_step(&self.embed_step(pixels)?);
        Ok(self.joined(&self.each_step(images, watch, features)?)?)
    }

    /// Does something with each step of images, whose bytes are copied to the device just before.
    fn each_step<T: Send>(
        &self,
        images: &Images,
        watch: &Watch<'_>,
        work: impl Fn(&PixelStep) -> Result<T> + Sync,
    ) -> std::result::Result<Vec<T>, ModelError> {
        let levels = self.on.put(images.levels().as_flattened().to_vec(), 3 * 256)?;
        let channels = self.on.put(vec![0u32, 256, 512], (1, 3, 1))?;
        let starts = (0..images.len()).step_by(self.step());
        let ranges: Vec<Range<usize>> = starts.map(|first| first..(first + self.step()).min(images.len())).collect();
        self.each(&ranges, watch, |range| {
            let count = range.len();
            let pixels: Vec<u8> = range.clone().flat_map(|image| images.pixels(image)).copied().collect();
            let pixels = self.on.put(pixels, (count, images.edge(), images.edge(), 3))?;
            work(&PixelStep { pixels, levels: levels.clone(), channels: channels.clone() })
        })
    }

    /// Does something with each step, unless the caller cancels.
    fn each<S: Step + Sync, T: Send>(
        &self,
        steps: &[S],
        watch: &Watch<'_>,
        work: impl Fn(&S) -> Result<T> + Sync,
    ) -> std::result::Result<Vec<T>, ModelError> {
        let one = |step: &S| {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let done = work(step)?;
            watch.done(step.images());
            Ok(done)
        };
        // Candle runs most of its operations on one thread of the processor.
        if self.on.device().is_cpu() { steps.par_iter().map(one).collect() } else { steps.iter().map(one).collect() }
    }

    /// Makes tokens of bytes, on the device.
    fn embed_step(&self, PixelStep { pixels, levels, channels }: &PixelStep) -> Result<Tensor> {
        let vision = &self.config.vision;
        let width = vision.encoder.width;
        let patch = vision.patch_size;
        let across = vision.image_size / patch;
        let count = pixels.dim(0)?;
        // What is left beside the last whole patch is not looked at.
        let used = across * patch;
        let pixels =
            pixels.narrow(1, 0, used)?.narrow(2, 0, used)?.reshape((count, across, patch, across, patch, 3))?;
        // Each patch channel by channel, as a convolution's weights lie.
        let pixels = pixels.permute([0, 1, 3, 5, 2, 4])?.contiguous()?.reshape((count * across * across, 3, ()))?;
        let places = pixels.to_dtype(DType::U32)?.broadcast_add(channels)?.flatten_all()?;
        let values = levels.index_select(&places, 0)?.reshape((count * across * across, 3 * patch * patch))?;
        let tokens = self.on.product(&values.to_dtype(self.on.dtype())?, &self.patch)?.to_dtype(DType::F32)?;
        let tokens = tokens.reshape((count, across * across, width))?;
        let class = Tensor::zeros((count, 1, width), DType::F32, self.on.device())?;
        let tokens = Tensor::cat(&[&class, &tokens], 1)?.broadcast_add(&self.position)?;
        self.pre.apply(&tokens, self.on.dtype())
    }

    fn joined(&self, features: &[Tensor]) -> Result<Tensor> {
        if features.is_empty() {
            return Tensor::zeros((0, self.config.projection), DType::F32, self.on.device());
        }
        Tensor::cat(features, 0)
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
            *x = self.blocks[layer].apply(x, self.running(false), &mut noted)?;
            for (kind, rows) in noted.rows {
                let rows = rows.flatten_to(D::Minus2)?;
                observation
                    .hand_over(TowerMatrix::Block(layer, kind), InputRows::Device { rows: &rows, on: &self.on })?;
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
            let class = x.narrow(1, 0, 1)?.squeeze(D::Minus2)?.to_dtype(DType::F32)?;
            let rows = InputRows::Device { rows: &self.post.apply(&class, DType::F32)?, on: &self.on };
            observation.hand_over(TowerMatrix::Projection, rows)?;
        }
        Ok(())
    }

    fn running(&self, pooled: bool) -> Running<'_> {
        Running { config: &self.config.vision.encoder, on: &self.on, pooled }
    }

    fn features_step(&self, tokens: &Tensor) -> Result<Tensor> {
        let mut x = tokens.clone();
        for (n, block) in self.blocks.iter().enumerate() {
            x = block.apply(&x, self.running(n + 1 == self.blocks.len()), &mut ())?;
        }
        let pooled = x.narrow(1, 0, 1)?.squeeze(D::Minus2)?.to_dtype(DType::F32)?;
        let normed = self.post.apply(&pooled, self.on.dtype())?;
        let features = self.projection.apply(&normed, &self.on)?.to_dtype(DType::F32)?;
        features.broadcast_add(&overflows(&pooled)?)
    }

    /// The numbers of all tokens, one after the other.
    pub(crate) fn flat(&self, steps: &[Tensor]) -> Result<Vec<f32>> {
        let parts = steps.iter().map(|tensor| self.on.take_back(tensor));
        Ok(parts.collect::<Result<Vec<Vec<f32>>>>()?.concat())
    }
}

/// For each row 0, or NaN where its squares overflow in `f32`: a norm makes zeros of such a row, as if it held nothing.
pub(crate) fn overflows(rows: &Tensor) -> Result<Tensor> {
    rows.to_dtype(DType::F32)?.sqr()?.sum_keepdim(D::Minus1)? * 0.0
}
