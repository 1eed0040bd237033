//! Attention of one text, each head of keys and values shared by several of queries.

use crate::{
    decoder::DecoderConfig,
    model::host::kernels::{View, matmul, softmax},
};

/// What attention reads: queries, keys and values, already turned.
pub(super) struct Heads<'a> {
    pub(super) config: &'a DecoderConfig,
    /// `[queries, heads · head_width]`
    pub(super) queries: &'a [f32],
    /// `[tokens, 2 · kv_heads · head_width]`: a token's values lie right after its keys.
    pub(super) seen: &'a [f32],
    /// The position of the first query; each sees itself and what comes before it.
    pub(super) position: usize,
    /// How many tokens each query sees, itself included, unless it sees all before it.
    pub(super) window: Option<usize>,
}

/// Queries taken at once: bounds the scores of a long text, and leaves out most of what none of them sees.
pub(crate) const QUERIES: usize = 128;

/// Computes `softmax(q · kᵀ / √head_width) · v` for every head.
pub(super) fn attend(to: &mut [f32], from: Heads<'_>, scores: &mut Vec<f32>) {
    let size = QUERIES * from.config.query_width();
    let stride = 2 * from.config.kv_width();
    let parts = to.chunks_mut(size).zip(from.queries.chunks(size)).zip((from.position..).step_by(QUERIES));
    for ((to, queries), position) in parts {
        let end = position + queries.len() / from.config.query_width();
        // What lies before the first query's window, none of them sees.
        let start = from.window.map_or(0, |window| (position + 1).saturating_sub(window));
        let seen = &from.seen[start * stride..end * stride];
        attend_part(to, Heads { queries, position: position - start, seen, ..from }, scores);
    }
}

fn attend_part(to: &mut [f32], from: Heads<'_>, scores: &mut Vec<f32>) {
    let Heads { config, queries, seen, position, window } = from;
    let depth = config.head_width;
    let query_width = config.query_width();
    let kv_width = config.kv_width();
    let count = queries.len() / query_width;
    let tokens = seen.len() / (2 * kv_width);
    let scale = 1.0 / (depth as f32).sqrt();
    scores.resize(count * tokens, 0.0);
    let square = View::dense(count, tokens);
    for head in 0..config.heads {
        let group = head / (config.heads / config.kv_heads);
        let part = |start: usize| View::columns(tokens, 2 * kv_width, start + group * depth, depth);
        let query = View::columns(count, query_width, head * depth, depth);
        matmul((scores, square), false, scale, (queries, query), (seen, part(0).transposed()));
        if let Some(window) = window {
            hide(scores, tokens, position, window);
        }
        softmax(scores, tokens, Some(position + 1));
        matmul((to, query), false, 1.0, (scores, square), (seen, part(kv_width)));
    }
}

/// Hides from each query what lies before its window: the first query is at `position`, and sees `window` tokens.
fn hide(scores: &mut [f32], tokens: usize, position: usize, window: usize) {
    for (row, position) in scores.chunks_exact_mut(tokens).zip(position..) {
        row[..(position + 1).saturating_sub(window)].fill(f32::NEG_INFINITY);
    }
}
