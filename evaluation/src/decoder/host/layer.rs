//! One layer, over the tokens of a batch.

use super::{
    attention::{Heads, attend},
    head_norm::HeadNorm,
    matrix::{Matrix, Slabs},
    vector,
};
use crate::{
    decoder::{DecoderConfig, module::ModuleKind, rope::Rope, weights::LayerWeights},
    model::host::{kernels::rms_norm, product::Finish},
};
use jobs::Precision;
use std::{ops::Range, sync::Arc};

/// The places of the norms of queries' and of keys' heads.
const QUERIES: usize = 0;
const KEYS: usize = 1;

/// One layer; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct Layer {
    norms: [Arc<[f32]>; 2],
    /// In the order of [`ModuleKind::ALL`].
    linears: [Matrix; 7],
    /// Of queries and of keys.
    head_norms: Option<[HeadNorm; 2]>,
    /// How many tokens each sees, itself included, unless it sees all before it.
    window: Option<usize>,
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Buffers {
    normed: Vec<f32>,
    queries: Vec<f32>,
    /// A token's values lie right after its keys.
    seen: Vec<f32>,
    context: Vec<f32>,
    mlp: Vec<f32>,
    scores: Vec<f32>,
    slabs: Slabs,
}

/// Where the texts of a batch lie among its tokens.
pub(crate) struct Packed<'a> {
    texts: Vec<Range<usize>>,
    rope: &'a Rope,
}

impl<'a> Packed<'a> {
    pub(crate) fn new(lengths: impl Iterator<Item = usize>, rope: &'a Rope) -> Self {
        let mut end = 0;
        let text = |length| {
            end += length;
            end - length..end
        };
        Self { texts: lengths.map(text).collect(), rope }
    }
}

impl Layer {
    pub(crate) fn new(config: &DecoderConfig, n: usize, found: &LayerWeights, precision: Precision) -> Self {
        let norm = |stored| HeadNorm { weight: vector(stored, precision), eps: config.norm_eps };
        Self {
            norms: found.norms.each_ref().map(|norm| vector(norm, precision)),
            linears: found.linears.each_ref().map(|linear| Matrix::new(linear, precision)),
            head_norms: found.head_norms.as_ref().map(|norms| norms.each_ref().map(norm)),
            window: config.window_of(n),
        }
    }

    pub(crate) fn linear_mut(&mut self, kind: ModuleKind) -> &mut Matrix {
        &mut self.linears[kind as usize]
    }

    fn linear(&self, kind: ModuleKind) -> &Matrix {
        &self.linears[kind as usize]
    }

    pub(crate) fn is_widened(&self) -> bool {
        self.linears.iter().any(Matrix::is_widened)
    }

    /// Runs the layer over all tokens, `x` `[tokens, width]`, and calls `note` with the rows that its matrices take;
    /// those that take the same rows are named by the first of them.
    pub(crate) fn apply(
        &self,
        config: &DecoderConfig,
        x: &mut [f32],
        packed: &Packed<'_>,
        own: &mut Buffers,
        note: &mut impl FnMut(ModuleKind, &[f32]),
    ) {
        let rows = x.len() / config.width;
        let width = config.width;
        let query_width = config.query_width();
        self.look(config, x, packed, own);
        note(ModuleKind::Query, &own.normed);
        own.queries.resize(rows * query_width, 0.0);
        own.context.resize(rows * query_width, 0.0);
        let queries = (&mut *own.queries, query_width);
        self.linear(ModuleKind::Query).apply(queries, &own.normed, Finish::Write, &mut own.slabs);
        self.norm_heads(QUERIES, &mut own.queries);
        for text in &packed.texts {
            let range = text.start * query_width..text.end * query_width;
            let queries = &mut own.queries[range.clone()];
            turn(queries, config, query_width, packed.rope, 0);
            let seen = seen_by(&own.seen, config, text);
            attend(
                &mut own.context[range],
                Heads { config, queries, seen, position: 0, window: self.window },
                &mut own.scores,
            );
        }
        note(ModuleKind::Out, &own.context);
        self.linear(ModuleKind::Out).apply((x, width), &own.context, Finish::Add, &mut own.slabs);
        self.mlp(config, x, own, note);
    }

    /// Runs the layer for the last token of each text, `[texts, width]`: nothing reads what it makes of the others.
    pub(crate) fn apply_to_ends(
        &self,
        config: &DecoderConfig,
        x: &[f32],
        packed: &Packed<'_>,
        own: &mut Buffers,
    ) -> Vec<f32> {
        let texts = packed.texts.len();
        let width = config.width;
        let query_width = config.query_width();
        self.look(config, x, packed, own);
        own.queries.resize(texts * query_width, 0.0);
        own.context.resize(texts * query_width, 0.0);
        let queries = (&mut *own.queries, query_width);
        let normed = ends(&own.normed, packed, width);
        self.linear(ModuleKind::Query).apply(queries, &normed, Finish::Write, &mut own.slabs);
        self.norm_heads(QUERIES, &mut own.queries);
        for (n, text) in packed.texts.iter().enumerate() {
            let range = n * query_width..(n + 1) * query_width;
            let position = text.len() - 1;
            let queries = &mut own.queries[range.clone()];
            turn(queries, config, query_width, packed.rope, position);
            let seen = seen_by(&own.seen, config, text);
            attend(
                &mut own.context[range],
                Heads { config, queries, seen, position, window: self.window },
                &mut own.scores,
            );
        }
        let mut ends = ends(x, packed, width);
        self.linear(ModuleKind::Out).apply((&mut ends, width), &own.context, Finish::Add, &mut own.slabs);
        self.mlp(config, &mut ends, own, &mut |_, _| ());
        ends
    }

    /// Norm, keys and values of all tokens.
    fn look(&self, config: &DecoderConfig, x: &[f32], packed: &Packed<'_>, own: &mut Buffers) {
        let rows = x.len() / config.width;
        let kv_width = config.kv_width();
        own.normed.resize(x.len(), 0.0);
        own.seen.resize(rows * 2 * kv_width, 0.0);
        rms_norm(&mut own.normed, x, &self.norms[0], config.norm_eps);
        for (kind, start) in [(ModuleKind::Key, 0), (ModuleKind::Value, kv_width)] {
            let to = (&mut own.seen[start..], 2 * kv_width);
            self.linear(kind).apply(to, &own.normed, Finish::Write, &mut own.slabs);
        }
        for text in &packed.texts {
            let rows = &mut own.seen[text.start * 2 * kv_width..text.end * 2 * kv_width];
            for (row, position) in rows.chunks_exact_mut(2 * kv_width).zip(0..) {
                self.norm_heads(KEYS, &mut row[..kv_width]);
                turn(&mut row[..kv_width], config, kv_width, packed.rope, position);
            }
        }
    }

    /// Sends whole heads of queries or keys through their norm, where the family has one.
    fn norm_heads(&self, which: usize, heads: &mut [f32]) {
        if let Some(norms) = &self.head_norms {
            norms[which].apply(heads);
        }
    }

    fn mlp(&self, config: &DecoderConfig, x: &mut [f32], own: &mut Buffers, note: &mut impl FnMut(ModuleKind, &[f32])) {
        let Buffers { normed, mlp, slabs, .. } = own;
        let rows = x.len() / config.width;
        let width = config.width;
        let mlp_width = config.mlp_width;
        normed.resize(x.len(), 0.0);
        mlp.resize(rows * mlp_width, 0.0);
        rms_norm(normed, x, &self.norms[1], config.norm_eps);
        note(ModuleKind::Gate, normed);
        self.linear(ModuleKind::Gate).apply((&mut *mlp, mlp_width), normed, Finish::Write, slabs);
        self.linear(ModuleKind::Up).apply((&mut *mlp, mlp_width), normed, Finish::Gate, slabs);
        note(ModuleKind::Down, mlp);
        self.linear(ModuleKind::Down).apply((x, width), mlp, Finish::Add, slabs);
    }
}

/// Turns every head of rows `width` wide, the first of them at `position`.
fn turn(rows: &mut [f32], config: &DecoderConfig, width: usize, rope: &Rope, position: usize) {
    for (row, position) in rows.chunks_exact_mut(width).zip(position..) {
        let (cos, sin) = rope.at(position);
        for head in row.chunks_exact_mut(config.head_width) {
            let (first, second) = head.split_at_mut(rope.half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }
}

fn seen_by<'a>(seen: &'a [f32], config: &DecoderConfig, text: &Range<usize>) -> &'a [f32] {
    let stride = 2 * config.kv_width();
    &seen[text.start * stride..text.end * stride]
}

fn ends(x: &[f32], packed: &Packed<'_>, width: usize) -> Vec<f32> {
    packed.texts.iter().flat_map(|text| &x[(text.end - 1) * width..text.end * width]).copied().collect()
}
