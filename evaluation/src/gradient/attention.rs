//! Attention of one sequence, and its vector–Jacobian product.

use crate::{
    instructions::arch,
    model::host::{
        kernels::{View, matmul},
        real::Real,
    },
};

/// The sizes of attention, and what tokens see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` heads of queries.
    pub(super) kv_heads: usize,
    pub(super) head_width: usize,
    /// True if a token sees only itself and those before it.
    pub(super) causal: bool,
    /// How many tokens each sees, itself included, unless it sees all before it.
    pub(super) window: Option<usize>,
}

/// Queries, keys and values of one sequence, each head by head in a row.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a, T> {
    pub(super) queries: &'a [T],
    pub(super) keys: &'a [T],
    pub(super) values: &'a [T],
    /// The position of the first query.
    pub(super) position: usize,
}

/// Where the gradients by queries, keys and values are added to.
pub(super) struct SeenGradients<'a, T> {
    pub(super) queries: &'a mut [T],
    pub(super) keys: &'a mut [T],
    pub(super) values: &'a mut [T],
}

impl Heads {
    pub(super) fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    pub(super) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Writes `softmax(q · kᵀ / √head_width) · v` to `to`, and appends the shares `[heads, queries, tokens]` to
    /// `shares`.
    pub(super) fn forward<T: Real>(&self, to: &mut [T], seen: Seen<'_, T>, shares: &mut Vec<T>) {
        let (count, tokens) = self.sizes(seen);
        let square = View::dense(count, tokens);
        for head in 0..self.heads {
            let start = shares.len();
            shares.resize(start + count * tokens, T::ZERO);
            let scores = &mut shares[start..];
            let query = self.query(count, head);
            let key = self.key(tokens, head);
            let keys = (seen.keys, key.transposed());
            matmul((&mut *scores, square), false, self.scale(), (seen.queries, query), keys);
            self.softmax(scores, tokens, seen.position);
            matmul((&mut *to, query), false, T::ONE, (&*scores, square), (seen.values, key));
        }
    }

    /// Adds the gradients by queries, keys and values, given `deltas`, that by the context.
    ///
    /// With shares P: dV = Pᵀ δ, dP = δ Vᵀ, dS = P ∘ (dP − rowsum(P ∘ dP)), dQ = dS K / √d, dK = dSᵀ Q / √d.
    pub(super) fn backward<T: Real>(&self, to: SeenGradients<'_, T>, deltas: &[T], seen: Seen<'_, T>, shares: &[T]) {
        let (count, tokens) = self.sizes(seen);
        let square = View::dense(count, tokens);
        let mut by_shares = vec![T::ZERO; count * tokens];
        for (head, shares) in shares.chunks_exact(count * tokens).enumerate() {
            let query = self.query(count, head);
            let key = self.key(tokens, head);
            let shares_of = (shares, square.transposed());
            matmul((&mut *to.values, key), true, T::ONE, shares_of, (deltas, query));
            matmul((&mut by_shares, square), false, T::ONE, (deltas, query), (seen.values, key.transposed()));
            softmax_backward(&mut by_shares, shares, tokens);
            let scores = (&*by_shares, square);
            matmul((&mut *to.queries, query), true, self.scale(), scores, (seen.keys, key));
            let turned = (&*by_shares, square.transposed());
            matmul((&mut *to.keys, key), true, self.scale(), turned, (seen.queries, query));
        }
    }

    fn sizes<T>(&self, seen: Seen<'_, T>) -> (usize, usize) {
        (seen.queries.len() / self.query_width(), seen.keys.len() / self.kv_width())
    }

    fn scale<T: Real>(&self) -> T {
        T::of(1.0 / (self.head_width as f64).sqrt())
    }

    fn query(&self, count: usize, head: usize) -> View {
        View::columns(count, self.query_width(), head * self.head_width, self.head_width)
    }

    fn key(&self, tokens: usize, head: usize) -> View {
        let group = head / (self.heads / self.kv_heads);
        View::columns(tokens, self.kv_width(), group * self.head_width, self.head_width)
    }

    fn softmax<T: Real>(&self, scores: &mut [T], tokens: usize, position: usize) {
        arch().dispatch(|| {
            for (row, position) in scores.chunks_exact_mut(tokens).zip(position..) {
                let end = if self.causal { (position + 1).min(tokens) } else { tokens };
                let start = self.window.map_or(0, |window| (position + 1).saturating_sub(window));
                let (row, later) = row.split_at_mut(end);
                let (before, row) = row.split_at_mut(start);
                before.fill(T::ZERO);
                later.fill(T::ZERO);
                softmax_row(row);
            }
        });
    }
}

#[inline(always)]
fn softmax_row<T: Real>(row: &mut [T]) {
    let top = row.iter().fold(T::LEAST, |top, x| if *x > top { *x } else { top });
    let mut total = T::ZERO;
    for x in &mut *row {
        *x = (*x - top).exp();
        total += *x;
    }
    let inverse = T::ONE / total;
    row.iter_mut().for_each(|x| *x *= inverse);
}

/// Turns the gradient by shares into that by scores.
fn softmax_backward<T: Real>(gradients: &mut [T], shares: &[T], tokens: usize) {
    arch().dispatch(|| {
        for (row, shares) in gradients.chunks_exact_mut(tokens).zip(shares.chunks_exact(tokens)) {
            let mut along = T::ZERO;
            row.iter().zip(shares).for_each(|(gradient, share)| along += *gradient * *share);
            row.iter_mut().zip(shares).for_each(|(gradient, share)| *gradient = (*gradient - along) * *share);
        }
    });
}
