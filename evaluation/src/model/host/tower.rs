use super::{
    encoder::{Encoder, Norm, Scratch, Shape},
    kernels::{View, axpy, matmul},
    linear::Operands,
};
use crate::images::Images;
use crate::model::{
    ClipConfig, ModelError, Watch,
    patch::{TowerMatrix, Updates},
    weights::VisionWeights,
};
use crate::observe::{InputRows, Observation};
use rayon::prelude::*;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Rows of one step: enough for the product kernels, few enough for a core's cache.
pub(crate) const STEP_ROWS: usize = 204;

/// The image tower on the processor; a clone shares every matrix.
///
/// # Numerics
/// With operands in `bf16`, the rows that go through the linear layers of blocks, and their matrices, are rounded to it, but for the few
/// rows of the last block after its keys and values. All else is in `f32`: patch embedding, products and their biases, queries, keys, values and attention, the stream of tokens, norms and projection.
#[derive(Clone)]
pub(crate) struct HostTower {
    config: ClipConfig,
    encoder: Encoder,
    /// `[3 · patch², width]`
    patch: Arc<[f32]>,
    /// The class embedding plus its position, then the positions of the patches: `[tokens, width]`.
    position: Arc<[f32]>,
    pre: Norm,
    post: Norm,
    /// `[width, projection]`
    projection: Arc<Vec<f32>>,
}

impl HostTower {
    pub(crate) fn new(config: ClipConfig, operands: Operands, read: VisionWeights) -> Self {
        let eps = config.vision.encoder.layer_norm_eps;
        Self {
            config,
            encoder: Encoder::new(config.vision.encoder, operands, read.blocks),
            patch: read.patch.into(),
            position: read.position.into(),
            pre: Norm::new(read.pre, eps),
            post: Norm::new(read.post, eps),
            projection: read.projection.into(),
        }
    }

    pub(crate) fn patched(&self, updates: &Updates, scaling: f32) -> Self {
        let mut tower = self.clone();
        for (id, delta) in updates {
            match *id {
                TowerMatrix::Block(layer, kind) => tower.encoder.update(layer, kind, scaling, delta),
                TowerMatrix::Projection => tower.projection = Arc::new(axpy(&tower.projection, scaling, delta)),
            }
        }
        tower
    }

    /// Images that one thread takes through the layers at once.
    pub(crate) fn step(&self) -> usize {
        (STEP_ROWS / self.config.vision.tokens()).max(1)
    }

    /// Embeds all images: `[images, tokens, width]`.
    pub(crate) fn embed(&self, images: &Images, watch: &Watch<'_>) -> Result<Vec<f32>, ModelError> {
        let size = self.config.vision.tokens() * self.config.vision.encoder.width;
        let mut tokens = vec![0.0; images.len() * size];
        let step = self.step();
        self.steps(tokens.par_chunks_mut(step * size), watch, |n, tokens, buffer, _| {
            self.embed_step(tokens, images, n * step, buffer);
            tokens.len() / size
        })?;
        Ok(tokens)
    }

    /// Projected features `[images, projection]`, from embedded tokens.
    pub(crate) fn features(&self, tokens: &[f32], watch: &Watch<'_>) -> Result<Vec<f32>, ModelError> {
        let size = self.config.vision.tokens() * self.config.vision.encoder.width;
        let width = self.config.projection;
        let mut features = vec![0.0; tokens.len() / size * width];
        let step = self.step();
        let steps = features.par_chunks_mut(step * width);
        self.steps(steps, watch, |n, to, buffer, scratch| {
            let images = to.len() / width;
            let from = n * step * size;
            buffer.clear();
            buffer.extend_from_slice(&tokens[from..from + images * size]);
            self.features_step(to, buffer, scratch);
            images
        })?;
        Ok(features)
    }

    /// Projected features of images that were not embedded beforehand.
    pub(crate) fn features_of(&self, images: &Images, watch: &Watch<'_>) -> Result<Vec<f32>, ModelError> {
        let size = self.config.vision.tokens() * self.config.vision.encoder.width;
        let width = self.config.projection;
        let mut features = vec![0.0; images.len() * width];
        let step = self.step();
        let steps = features.par_chunks_mut(step * width);
        self.steps(steps, watch, |n, to, buffer, scratch| {
            let count = to.len() / width;
            let mut tokens = std::mem::take(buffer);
            tokens.resize(count * size, 0.0);
            self.embed_step(&mut tokens, images, n * step, &mut scratch.patches);
            self.features_step(to, &mut tokens, scratch);
            *buffer = tokens;
            count
        })?;
        Ok(features)
    }

    /// Runs one block over `x` `[images, tokens, width]`, all tokens of all images.
    pub(crate) fn run_layer(
        &self,
        layer: usize,
        x: &mut [f32],
        observation: &mut Observation<'_, TowerMatrix>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError> {
        let tokens = self.config.vision.tokens();
        let width = self.config.vision.encoder.width;
        let rows = self.step() * tokens;
        let mut steps: Vec<&mut [f32]> = x.chunks_mut(rows * width).collect();
        observation.run(&mut steps, rows, |x, scratch: &mut Scratch, note| {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let mut note = |kind, rows: &[f32]| note(TowerMatrix::Block(layer, kind), rows);
            self.encoder.run_block(layer, x, tokens, scratch, &mut note);
            watch.done(x.len() / (tokens * width));
            Ok(())
        })
    }

    /// Hands over what the projection takes of `x` `[images, tokens, width]`: one row for each image.
    pub(crate) fn observe_projection(
        &self,
        x: &[f32],
        observation: &mut Observation<'_, TowerMatrix>,
    ) -> Result<(), ModelError> {
        let tokens = self.config.vision.tokens();
        let width = self.config.vision.encoder.width;
        let pooled: Vec<f32> = x.chunks_exact(tokens * width).flat_map(|image| &image[..width]).copied().collect();
        let mut normed = vec![0.0; pooled.len()];
        self.post.apply(&mut normed, &pooled);
        observation.hand_over(TowerMatrix::Projection, InputRows::Host(vec![&normed]))
    }

    /// Runs `work` on every step, one thread each, and stops early if asked.
    fn steps<'a>(
        &self,
        steps: impl IndexedParallelIterator<Item = &'a mut [f32]>,
        watch: &Watch<'_>,
        work: impl Fn(usize, &mut [f32], &mut Vec<f32>, &mut Buffers) -> usize + Sync,
    ) -> Result<(), ModelError> {
        let stopped = AtomicBool::new(false);
        steps.enumerate().with_max_len(1).for_each_init(Default::default, |(own, buffer), (n, to)| {
            if stopped.load(Ordering::Relaxed) || watch.is_cancelled() {
                stopped.store(true, Ordering::Relaxed);
            } else {
                watch.done(work(n, to, buffer, own));
            }
        });
        if stopped.into_inner() { Err(ModelError::Cancelled) } else { Ok(()) }
    }

    fn embed_step(&self, tokens: &mut [f32], images: &Images, first: usize, patches: &mut Vec<f32>) {
        let vision = &self.config.vision;
        let width = vision.encoder.width;
        let count = vision.patches();
        let depth = 3 * vision.patch_size.pow(2);
        patches.resize(count * depth, 0.0);
        for (n, tokens) in tokens.chunks_exact_mut(vision.tokens() * width).enumerate() {
            images.write_patches(first + n, vision.patch_size, patches);
            tokens.copy_from_slice(&self.position);
            let to = (&mut tokens[width..], View::dense(count, width));
            matmul(to, true, 1.0, (patches, View::dense(count, depth)), (&self.patch, View::dense(depth, width)));
            let raw = tokens.to_vec();
            self.pre.apply(tokens, &raw);
        }
    }

    fn features_step(&self, to: &mut [f32], tokens: &mut [f32], own: &mut Buffers) {
        let width = self.config.vision.encoder.width;
        let count = to.len() / self.config.projection;
        own.pooled.resize(count * width, 0.0);
        own.normed.resize(count * width, 0.0);
        own.pool.resize(count, 0);
        let shape = Shape { tokens: self.config.vision.tokens(), pool: &own.pool, causal: false };
        self.encoder.pooled(&mut own.pooled, tokens, shape, &mut own.scratch);
        self.post.apply(&mut own.normed, &own.pooled);
        let projection = View::dense(width, self.config.projection);
        let to = (to, View::dense(count, self.config.projection));
        matmul(to, false, 1.0, (&own.normed, View::dense(count, width)), (&self.projection, projection));
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    patches: Vec<f32>,
    pooled: Vec<f32>,
    normed: Vec<f32>,
    /// The class token of each image: always token 0.
    pool: Vec<usize>,
}
