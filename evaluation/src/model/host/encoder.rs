use super::{
    kernels::{View, layer_norm, matmul, softmax},
    linear::{Linear, Operands, Rows},
    product::Finish,
};
use crate::model::{
    EncoderConfig,
    patch::BlockMatrix,
    weights::{BlockWeights, LinearWeights, NormWeights},
};
use std::{ops::Range, sync::Arc};

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

#[derive(Clone)]
struct Block {
    norm1: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

/// A transformer encoder; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct Encoder {
    config: EncoderConfig,
    operands: Operands,
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
    /// Rows in `bf16`.
    pairs: Vec<u32>,
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

/// The keys and values of all sequences: a token's row holds its values right after its keys, which begin at `start`.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    values: &'a [f32],
    start: usize,
    stride: usize,
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
    pub(crate) fn new(config: EncoderConfig, operands: Operands, blocks: Vec<BlockWeights>) -> Self {
        let norm = |read| Norm::new(read, config.layer_norm_eps);
        let third = |n| third(config.width, n);
        let part = |read: &LinearWeights, columns| Linear::new(operands, &read.weight, &read.bias, columns);
        let whole = |read: LinearWeights| part(&read, 0..read.bias.len());
        let block = |read: BlockWeights| Block {
            norm1: norm(read.norm1),
            query: part(&read.qkv, third(0)),
            key: part(&read.qkv, third(1)),
            value: part(&read.qkv, third(2)),
            out: whole(read.out),
            norm2: norm(read.norm2),
            fc1: whole(read.fc1),
            fc2: whole(read.fc2),
        };
        Self { config, operands, blocks: blocks.into_iter().map(block).collect() }
    }

    /// Adds `scaling · delta` to a matrix of a block.
    pub(crate) fn update(&mut self, layer: usize, kind: BlockMatrix, scaling: f32, delta: &[f32]) {
        let block = &mut self.blocks[layer];
        let width = self.config.width;
        match kind {
            BlockMatrix::Qkv => {
                for (n, part) in [&mut block.query, &mut block.key, &mut block.value].into_iter().enumerate() {
                    part.update(scaling, delta, third(width, n));
                }
            }
            BlockMatrix::Out => block.out.update(scaling, delta, 0..width),
            BlockMatrix::Fc1 => block.fc1.update(scaling, delta, 0..self.config.mlp_width),
            BlockMatrix::Fc2 => block.fc2.update(scaling, delta, 0..width),
        }
    }

    /// Runs the blocks over `x` `[sequences · tokens, width]` and leaves the wanted rows `[sequences, width]` in `to`.
    ///
    /// The last block computes queries, attention output and MLP for the wanted rows alone: nothing reads the others. These few rows
    /// stay in `f32`, whatever the operands are: it takes little time.
    pub(crate) fn pooled(&self, to: &mut [f32], x: &mut [f32], shape: Shape<'_>, scratch: &mut Scratch) {
        let width = self.config.width;
        if let Some((last, blocks)) = self.blocks.split_last() {
            blocks.iter().for_each(|block| self.block(block, self.operands, x, shape, scratch, &mut |_, _| ()));
            self.last(last, to, x, shape, scratch);
        } else {
            gather(to, x, shape, width);
        }
    }

    /// Runs one block over all rows of `x`, the last one as well, and calls `note` with the rows that each of its
    /// matrices is about to take.
    pub(crate) fn run_block(
        &self,
        layer: usize,
        x: &mut [f32],
        tokens: usize,
        scratch: &mut Scratch,
        note: &mut impl FnMut(BlockMatrix, &[f32]),
    ) {
        let shape = Shape { tokens, pool: &[], causal: false };
        // As `last` computes it for the wanted rows.
        let operands = if layer + 1 == self.blocks.len() { Operands::F32 } else { self.operands };
        self.block(&self.blocks[layer], operands, x, shape, scratch, note);
    }

    /// Runs a block over all rows; `operands` are those of its matrices but keys and values.
    fn block(
        &self,
        block: &Block,
        operands: Operands,
        x: &mut [f32],
        shape: Shape<'_>,
        scratch: &mut Scratch,
        note: &mut impl FnMut(BlockMatrix, &[f32]),
    ) {
        let width = self.config.width;
        let tokens = shape.tokens;
        let rows = x.len() / width;
        let Scratch { normed, qkv, context, scores, pairs, .. } = scratch;
        grow(normed, rows * width);
        grow(context, rows * width);
        grow(qkv, rows * 3 * width);
        block.norm1.apply(normed, x);
        note(BlockMatrix::Qkv, normed);
        let taken = Rows::new(operands, normed, width, pairs);
        block.query.apply(qkv, 3 * width, taken, Finish::Write);
        let taken = Rows::new(self.operands, normed, width, pairs);
        block.key.apply(&mut qkv[width..], 3 * width, taken, Finish::Write);
        block.value.apply(&mut qkv[2 * width..], 3 * width, taken, Finish::Write);
        for (n, context) in context.chunks_exact_mut(tokens * width).enumerate() {
            let start = n * tokens * 3 * width;
            let queries = Queries { values: qkv, start, stride: 3 * width, count: tokens, position: 0 };
            let seen = Tokens { values: qkv, start: start + width, stride: 3 * width };
            self.attend(context, &queries, seen, shape, scores);
        }
        note(BlockMatrix::Out, context);
        block.out.apply(x, width, Rows::new(operands, context, width, pairs), Finish::Add);
        self.mlp(block, x, operands, scratch, note);
    }

    fn last(&self, block: &Block, to: &mut [f32], x: &[f32], shape: Shape<'_>, scratch: &mut Scratch) {
        let width = self.config.width;
        let tokens = shape.tokens;
        let rows = x.len() / width;
        let sequences = shape.pool.len();
        let Scratch { normed, qkv, context, scores, pooled, query, pairs, .. } = scratch;
        grow(normed, rows * width);
        grow(qkv, rows * 2 * width);
        grow(context, sequences * width);
        grow(pooled, sequences * width);
        grow(query, sequences * width);
        block.norm1.apply(normed, x);
        let taken = Rows::new(self.operands, normed, width, pairs);
        block.key.apply(qkv, 2 * width, taken, Finish::Write);
        block.value.apply(&mut qkv[width..], 2 * width, taken, Finish::Write);
        gather(pooled, normed, shape, width);
        block.query.apply(query, width, Rows::new(Operands::F32, pooled, width, pairs), Finish::Write);
        for (n, context) in context.chunks_exact_mut(width).enumerate() {
            let queries = Queries { values: query, start: n * width, stride: width, count: 1, position: shape.pool[n] };
            let seen = Tokens { values: qkv, start: n * tokens * 2 * width, stride: 2 * width };
            self.attend(context, &queries, seen, shape, scores);
        }
        gather(to, x, shape, width);
        block.out.apply(to, width, Rows::new(Operands::F32, context, width, pairs), Finish::Add);
        self.mlp(block, to, Operands::F32, scratch, &mut |_, _| ());
    }

    fn mlp(
        &self,
        block: &Block,
        x: &mut [f32],
        operands: Operands,
        scratch: &mut Scratch,
        note: &mut impl FnMut(BlockMatrix, &[f32]),
    ) {
        let rows = x.len() / self.config.width;
        let Scratch { normed, mlp, pairs, .. } = scratch;
        let width = self.config.width;
        let mlp_width = self.config.mlp_width;
        grow(normed, x.len());
        grow(mlp, rows * mlp_width);
        block.norm2.apply(normed, x);
        note(BlockMatrix::Fc1, normed);
        let taken = Rows::new(operands, normed, width, pairs);
        block.fc1.apply(mlp, mlp_width, taken, Finish::Activate(self.config.activation));
        note(BlockMatrix::Fc2, mlp);
        block.fc2.apply(x, width, Rows::new(operands, mlp, mlp_width, pairs), Finish::Add);
    }

    /// Attention of one sequence, head by head: `softmax(q · kᵀ / √d) · v`.
    fn attend(&self, to: &mut [f32], queries: &Queries<'_>, seen: Tokens<'_>, shape: Shape<'_>, scores: &mut Vec<f32>) {
        let width = self.config.width;
        let heads = self.config.heads;
        let tokens = shape.tokens;
        let depth = width / heads;
        let scale = 1.0 / (depth as f32).sqrt();
        grow(scores, queries.count * tokens);
        let square = View::dense(queries.count, tokens);
        for head in 0..heads {
            let part = |offset: usize| View {
                start: seen.start + offset + head * depth,
                rows: tokens,
                columns: depth,
                row_stride: seen.stride,
                column_stride: 1,
            };
            let query = View {
                start: queries.start + head * depth,
                rows: queries.count,
                columns: depth,
                row_stride: queries.stride,
                column_stride: 1,
            };
            matmul((scores, square), false, scale, (queries.values, query), (seen.values, part(0).transposed()));
            softmax(scores, tokens, shape.causal.then_some(queries.position + 1));
            let to = (&mut *to, View::columns(queries.count, width, head * depth, depth));
            matmul(to, false, 1.0, (scores, square), (seen.values, part(width)));
        }
    }
}

/// Columns of queries, keys or values in the matrix that holds all three.
fn third(width: usize, n: usize) -> Range<usize> {
    n * width..(n + 1) * width
}

fn gather(to: &mut [f32], x: &[f32], shape: Shape<'_>, width: usize) {
    for (n, (to, position)) in to.chunks_exact_mut(width).zip(shape.pool).enumerate() {
        let row = n * shape.tokens + position;
        to.copy_from_slice(&x[row * width..(row + 1) * width]);
    }
}

/// Sets a buffer's length. The old content stays, and the caller overwrites it.
fn grow(buffer: &mut Vec<f32>, length: usize) {
    buffer.resize(length, 0.0);
}
