use super::kernels::{View, activate, add_rows, fill_rows, layer_norm, matmul, softmax};
use crate::model::{
    EncoderConfig,
    patch::Site,
    weights::{BlockWeights, LinearWeights, NormWeights},
};
use std::sync::Arc;

/// A layer norm.
#[derive(Clone)]
pub(crate) struct Norm {
    weight: Arc<[f32]>,
    bias: Arc<[f32]>,
    eps: f32,
}

impl Norm {
    pub(crate) fn new(read: NormWeights, eps: f32) -> Self {
        Self { weight: read.weight.into(), bias: read.bias.into(), eps }
    }

    pub(crate) fn apply(&self, to: &mut [f32], from: &[f32]) {
        layer_norm(to, from, &self.weight, &self.bias, self.eps);
    }
}

/// A linear layer, its matrix stored `[inputs, outputs]`.
#[derive(Clone)]
struct Linear {
    weight: Arc<Vec<f32>>,
    bias: Arc<[f32]>,
}

impl Linear {
    fn new(read: LinearWeights) -> Self {
        Self { weight: read.weight.into(), bias: read.bias.into() }
    }

    fn view(&self) -> View {
        View::dense(self.weight.len() / self.bias.len(), self.bias.len())
    }

    /// `to = bias + from · weight`
    fn apply(&self, to: &mut [f32], from: &[f32]) {
        fill_rows(to, &self.bias);
        self.add(to, from);
    }

    /// `to += bias + from · weight`
    fn add_to(&self, to: &mut [f32], from: &[f32]) {
        add_rows(to, &self.bias);
        self.add(to, from);
    }

    fn add(&self, to: &mut [f32], from: &[f32]) {
        let view = self.view();
        let rows = to.len() / view.columns;
        let to = (to, View::dense(rows, view.columns));
        matmul(to, true, 1.0, (from, View::dense(rows, view.rows)), (&self.weight, view));
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

/// A transformer encoder; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct Encoder {
    config: EncoderConfig,
    blocks: Vec<Block>,
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    context: Vec<f32>,
    mlp: Vec<f32>,
    scores: Vec<f32>,
    pooled: Vec<f32>,
    query: Vec<f32>,
}

/// How the rows of one step are to be read: `sequences` of `tokens` rows each.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) tokens: usize,
    /// The row of each sequence whose output is wanted.
    pub(crate) pool: &'a [usize],
    /// True if a token sees only itself and those before it.
    pub(crate) causal: bool,
}

/// The queries of one sequence: where they lie, how many, and the position of the first.
struct Queries<'a> {
    values: &'a [f32],
    start: usize,
    stride: usize,
    count: usize,
    position: usize,
}

impl Encoder {
    pub(crate) fn new(config: EncoderConfig, blocks: Vec<BlockWeights>) -> Self {
        let norm = |read| Norm::new(read, config.layer_norm_eps);
        let block = |read: BlockWeights| Block {
            norm1: norm(read.norm1),
            qkv: Linear::new(read.qkv),
            out: Linear::new(read.out),
            norm2: norm(read.norm2),
            fc1: Linear::new(read.fc1),
            fc2: Linear::new(read.fc2),
        };
        Self { config, blocks: blocks.into_iter().map(block).collect() }
    }

    /// The matrix of a block that an update may replace.
    pub(crate) fn matrix(&mut self, layer: usize, site: Site) -> &mut Arc<Vec<f32>> {
        let block = &mut self.blocks[layer];
        match site {
            Site::Qkv => &mut block.qkv.weight,
            Site::Out => &mut block.out.weight,
            Site::Fc1 => &mut block.fc1.weight,
            Site::Fc2 => &mut block.fc2.weight,
        }
    }

    /// Runs the blocks over `x` `[sequences · tokens, width]` and leaves the wanted rows `[sequences, width]` in `to`.
    ///
    /// The last block computes queries, attention output and MLP for the wanted rows alone: nothing reads the others.
    pub(crate) fn pooled(&self, to: &mut [f32], x: &mut [f32], shape: Shape<'_>, scratch: &mut Scratch) {
        let width = self.config.width;
        if let Some((last, blocks)) = self.blocks.split_last() {
            blocks.iter().for_each(|block| self.block(block, x, shape, scratch));
            self.last(last, to, x, shape, scratch);
        } else {
            gather(to, x, shape, width);
        }
    }

    fn block(&self, block: &Block, x: &mut [f32], shape: Shape<'_>, scratch: &mut Scratch) {
        let (width, tokens) = (self.config.width, shape.tokens);
        let rows = x.len() / width;
        let Scratch { normed, qkv, context, scores, .. } = scratch;
        grow(normed, rows * width);
        grow(context, rows * width);
        grow(qkv, rows * 3 * width);
        block.norm1.apply(normed, x);
        block.qkv.apply(qkv, normed);
        for (n, context) in context.chunks_exact_mut(tokens * width).enumerate() {
            let start = n * tokens * 3 * width;
            let queries = Queries { values: qkv, start, stride: 3 * width, count: tokens, position: 0 };
            self.attend(context, &queries, (qkv, start), shape, scores);
        }
        block.out.add_to(x, context);
        self.mlp(block, x, scratch);
    }

    fn last(&self, block: &Block, to: &mut [f32], x: &[f32], shape: Shape<'_>, scratch: &mut Scratch) {
        let (width, tokens) = (self.config.width, shape.tokens);
        let (rows, sequences) = (x.len() / width, shape.pool.len());
        let Scratch { normed, qkv, context, scores, pooled, query, .. } = scratch;
        grow(normed, rows * width);
        grow(qkv, rows * 3 * width);
        grow(context, sequences * width);
        grow(pooled, sequences * width);
        grow(query, sequences * width);
        block.norm1.apply(normed, x);
        fill_rows(qkv, &block.qkv.bias);
        let weight = block.qkv.weight.as_slice();
        let part = |rows, start, columns| View::columns(rows, 3 * width, start, columns);
        let keys_and_values = (qkv.as_mut_slice(), part(rows, width, 2 * width));
        let from = (normed.as_slice(), View::dense(rows, width));
        matmul(keys_and_values, true, 1.0, from, (weight, part(width, width, 2 * width)));
        gather(pooled, normed, shape, width);
        fill_rows(query, &block.qkv.bias[..width]);
        let dense = View::dense(sequences, width);
        matmul((query, dense), true, 1.0, (pooled, dense), (weight, part(width, 0, width)));
        for (n, context) in context.chunks_exact_mut(width).enumerate() {
            let queries = Queries { values: query, start: n * width, stride: width, count: 1, position: shape.pool[n] };
            self.attend(context, &queries, (qkv, n * tokens * 3 * width), shape, scores);
        }
        gather(to, x, shape, width);
        block.out.add_to(to, context);
        self.mlp(block, to, scratch);
    }

    fn mlp(&self, block: &Block, x: &mut [f32], scratch: &mut Scratch) {
        let rows = x.len() / self.config.width;
        let Scratch { normed, mlp, .. } = scratch;
        grow(normed, x.len());
        grow(mlp, rows * self.config.mlp_width);
        block.norm2.apply(normed, x);
        block.fc1.apply(mlp, normed);
        activate(mlp, self.config.activation);
        block.fc2.add_to(x, mlp);
    }

    /// Attention of one sequence, head by head: `softmax(q · kᵀ / √d) · v`.
    fn attend(
        &self,
        to: &mut [f32],
        queries: &Queries<'_>,
        (qkv, start): (&[f32], usize),
        shape: Shape<'_>,
        scores: &mut Vec<f32>,
    ) {
        let (width, heads, tokens) = (self.config.width, self.config.heads, shape.tokens);
        let depth = width / heads;
        let scale = 1.0 / (depth as f32).sqrt();
        grow(scores, queries.count * tokens);
        let square = View::dense(queries.count, tokens);
        for head in 0..heads {
            let part = |third: usize| View {
                start: start + third * width + head * depth,
                rows: tokens,
                columns: depth,
                row_stride: 3 * width,
                column_stride: 1,
            };
            let query = View {
                start: queries.start + head * depth,
                rows: queries.count,
                columns: depth,
                row_stride: queries.stride,
                column_stride: 1,
            };
            matmul((scores, square), false, scale, (queries.values, query), (qkv, part(1).transposed()));
            softmax(scores, tokens, shape.causal.then_some(queries.position + 1));
            let to = (&mut *to, View::columns(queries.count, width, head * depth, depth));
            matmul(to, false, 1.0, (scores, square), (qkv, part(2)));
        }
    }
}

fn gather(to: &mut [f32], x: &[f32], shape: Shape<'_>, width: usize) {
    for (n, (to, position)) in to.chunks_exact_mut(width).zip(shape.pool).enumerate() {
        let row = n * shape.tokens + position;
        to.copy_from_slice(&x[row * width..(row + 1) * width]);
    }
}

/// Sets a buffer's length; what it held stays, and is overwritten by whoever asked.
fn grow(buffer: &mut Vec<f32>, length: usize) {
    buffer.resize(length, 0.0);
}
