//! One block, forward with a tape and backward along it.

use super::{
    activation::Curve,
    attention::{Heads, Seen, SeenGradients},
    branch::Branch,
    linear::{BackwardStep, Linear, ModuleGradient, Projected},
    norm::Norm,
    turn,
};
use crate::{BlockShape, decoder::Rope, model::host::real::Real};
use std::ops::Range;

/// A block of any family: attention and an MLP, each behind a norm and beside a residual.
#[derive(Clone)]
pub(super) struct Block<T> {
    pub(super) heads: Heads,
    pub(super) norms: [Norm<T>; 2],
    pub(super) query: Linear<T>,
    pub(super) key: Linear<T>,
    pub(super) value: Linear<T>,
    pub(super) out: Linear<T>,
    /// Of queries and of keys, head by head.
    pub(super) head_norms: Option<[Norm<T>; 2]>,
    /// The first matrix of the MLP; with a gate, the one that is not gated.
    pub(super) up: Linear<T>,
    /// What goes through the activation and multiplies `up`; without it, `up` goes through the activation.
    pub(super) gate: Option<Linear<T>>,
    pub(super) down: Linear<T>,
    pub(super) curve: Curve,
}

/// How the rows of a group of examples are to be read.
pub(super) struct Layout {
    /// The rows of each example.
    pub(super) examples: Vec<Range<usize>>,
    /// The row of each example whose output is wanted.
    pub(super) pooled: Vec<usize>,
    /// Where each example lies among the pooled rows.
    pub(super) singles: Vec<Range<usize>>,
    /// The angles of positions, where the family turns queries and keys.
    pub(super) rope: Option<Rope>,
}

/// What a block computed, as far as the backward needs it.
pub(super) struct Tape<T> {
    /// True if only the pooled rows came out.
    is_pooled: bool,
    x: Vec<T>,
    normed: Vec<T>,
    /// The rows of `normed` that queries were made of, where these are not all.
    asked: Option<Vec<T>>,
    /// Before their norm and before they were turned.
    raw_queries: Vec<T>,
    raw_keys: Vec<T>,
    queries: Vec<T>,
    keys: Vec<T>,
    values: Vec<T>,
    /// Example by example `[heads, queries, tokens]`.
    shares: Vec<T>,
    context: Vec<T>,
    middle: Vec<T>,
    inner_normed: Vec<T>,
    up: Vec<T>,
    gate: Vec<T>,
    inner: Vec<T>,
    seen: ProjectedRows<T>,
}

/// The inputs of each matrix as its directions see them.
struct ProjectedRows<T> {
    query: Projected<T>,
    key: Projected<T>,
    value: Projected<T>,
    out: Projected<T>,
    up: Projected<T>,
    gate: Projected<T>,
    down: Projected<T>,
}

/// What a backward pass goes with.
pub(super) struct Pass<'a, T> {
    pub(super) layout: &'a Layout,
    pub(super) branch: &'a Branch<'a, T>,
    pub(super) see: &'a mut dyn FnMut(ModuleGradient<'_, T>),
}

impl<T: Real> Block<T> {
    /// Runs the block over all tokens; with `is_pooled`, only the pooled row of each example comes out.
    pub(super) fn forward(
        &self,
        x: Vec<T>,
        is_pooled: bool,
        layout: &Layout,
        branch: &Branch<'_, T>,
    ) -> (Vec<T>, Tape<T>) {
        let width = self.query.inputs();
        let normed = self.norms[0].forward(&x);
        let asked = is_pooled.then(|| gather(&normed, &layout.pooled, width));
        let (raw_queries, query) = self.query.forward(asked.as_deref().unwrap_or(&normed), is_pooled, branch);
        let (raw_keys, key) = self.key.forward(&normed, false, branch);
        let (values, value) = self.value.forward(&normed, false, branch);
        let queries = self.turned(0, &raw_queries, is_pooled, layout);
        let keys = self.turned(1, &raw_keys, false, layout);
        let mut context = vec![T::ZERO; queries.len()];
        let mut shares = Vec::new();
        for example in 0..layout.examples.len() {
            let (to, seen) = self.seen(example, is_pooled, layout, [&queries, &keys, &values]);
            self.heads.forward(&mut context[to], seen, &mut shares);
        }
        let (mut middle, out) = self.out.forward(&context, is_pooled, branch);
        let residual = if is_pooled { &gather(&x, &layout.pooled, width) } else { &x };
        add(&mut middle, residual);
        let inner_normed = self.norms[1].forward(&middle);
        let (up, up_seen) = self.up.forward(&inner_normed, is_pooled, branch);
        let gated = self.gate.as_ref().map(|gate| gate.forward(&inner_normed, is_pooled, branch));
        let (gate, gate_seen) = gated.unwrap_or_default();
        let inner =
            if self.gate.is_some() { product(&self.curve.forward(&gate), &up) } else { self.curve.forward(&up) };
        let (mut y, down) = self.down.forward(&inner, is_pooled, branch);
        add(&mut y, &middle);
        let seen = ProjectedRows { query, key, value, out, up: up_seen, gate: gate_seen, down };
        let tape = Tape {
            is_pooled,
            x,
            normed,
            asked,
            raw_queries,
            raw_keys,
            queries,
            keys,
            values,
            shares,
            context,
            middle,
            inner_normed,
            up,
            gate,
            inner,
            seen,
        };
        (y, tape)
    }

    /// The gradient by what the block took, given that by what it gave; `None` if it is not wanted.
    pub(super) fn backward(
        &self,
        deltas: Vec<T>,
        tape: &Tape<T>,
        is_wanted: bool,
        pass: &mut Pass<'_, T>,
    ) -> Option<Vec<T>> {
        let by_middle = self.mlp_backward(deltas, tape, pass);
        self.attention_backward(by_middle, tape, is_wanted, pass)
    }

    fn mlp_backward(&self, mut deltas: Vec<T>, tape: &Tape<T>, pass: &mut Pass<'_, T>) -> Vec<T> {
        let examples = if tape.is_pooled { &pass.layout.singles } else { &pass.layout.examples };
        let mut by_inner = vec![T::ZERO; tape.inner.len()];
        let step = BackwardStep { inputs: &tape.inner, deltas: &deltas, projected: &tape.seen.down, examples };
        self.down.backward(Some(&mut by_inner), step, pass.branch, pass.see);
        let mut by_normed = vec![T::ZERO; tape.inner_normed.len()];
        if let Some(gate) = &self.gate {
            let mut by_gate = product(&by_inner, &tape.up);
            self.curve.backward(&mut by_gate, &tape.gate);
            let inputs = &tape.inner_normed;
            let projected = &tape.seen.gate;
            let step = BackwardStep { inputs, deltas: &by_gate, projected, examples };
            gate.backward(Some(&mut by_normed), step, pass.branch, pass.see);
            by_inner = product(&by_inner, &self.curve.forward(&tape.gate));
        } else {
            self.curve.backward(&mut by_inner, &tape.up);
        }
        let step = BackwardStep { inputs: &tape.inner_normed, deltas: &by_inner, projected: &tape.seen.up, examples };
        self.up.backward(Some(&mut by_normed), step, pass.branch, pass.see);
        self.norms[1].backward(&mut deltas, &by_normed, &tape.middle);
        deltas
    }

    fn attention_backward(
        &self,
        by_middle: Vec<T>,
        tape: &Tape<T>,
        is_wanted: bool,
        pass: &mut Pass<'_, T>,
    ) -> Option<Vec<T>> {
        let layout = pass.layout;
        let asked_examples = if tape.is_pooled { &layout.singles } else { &layout.examples };
        let mut by_context = vec![T::ZERO; tape.context.len()];
        let inputs = &tape.context;
        let projected = &tape.seen.out;
        let step = BackwardStep { inputs, deltas: &by_middle, projected, examples: asked_examples };
        self.out.backward(Some(&mut by_context), step, pass.branch, pass.see);
        let [by_queries, by_keys, by_values] = self.seen_backward(&by_context, tape, layout);
        let width = self.query.inputs();
        let asked = tape.asked.as_deref().unwrap_or(&tape.normed);
        let mut by_asked = vec![T::ZERO; asked.len()];
        let mut by_normed = vec![T::ZERO; tape.normed.len()];
        let to = is_wanted.then_some(&mut *by_asked);
        let projected = &tape.seen.query;
        let examples = asked_examples;
        let step = BackwardStep { inputs: asked, deltas: &by_queries, projected, examples };
        self.query.backward(to, step, pass.branch, pass.see);
        let parts = [(&self.key, &by_keys, &tape.seen.key), (&self.value, &by_values, &tape.seen.value)];
        for (linear, deltas, projected) in parts {
            let to = is_wanted.then_some(&mut *by_normed);
            let step = BackwardStep { inputs: &tape.normed, deltas, projected, examples: &layout.examples };
            linear.backward(to, step, pass.branch, pass.see);
        }
        if !is_wanted {
            return None;
        }
        let mut by_x = vec![T::ZERO; tape.x.len()];
        if tape.is_pooled {
            scatter(&mut by_normed, &by_asked, &layout.pooled, width);
            scatter(&mut by_x, &by_middle, &layout.pooled, width);
        } else {
            add(&mut by_normed, &by_asked);
            by_x = by_middle;
        }
        self.norms[0].backward(&mut by_x, &by_normed, &tape.x);
        Some(by_x)
    }

    /// The gradients by queries, keys and values as the matrices gave them.
    fn seen_backward(&self, by_context: &[T], tape: &Tape<T>, layout: &Layout) -> [Vec<T>; 3] {
        let [mut by_queries, mut by_keys, mut by_values] =
            [&tape.queries, &tape.keys, &tape.values].map(|part| vec![T::ZERO; part.len()]);
        let mut shares = &*tape.shares;
        let kv_width = self.heads.kv_width();
        for (example, rows) in layout.examples.iter().enumerate() {
            let parts = [&*tape.queries, &tape.keys, &tape.values];
            let (range, seen) = self.seen(example, tape.is_pooled, layout, parts);
            let kv = rows.start * kv_width..rows.end * kv_width;
            let count = range.len() / self.heads.head_width * rows.len();
            let (own, others) = shares.split_at(count);
            shares = others;
            let to = SeenGradients {
                queries: &mut by_queries[range.clone()],
                keys: &mut by_keys[kv.clone()],
                values: &mut by_values[kv],
            };
            self.heads.backward(to, &by_context[range], seen, own);
        }
        let by_queries = self.turned_back(0, by_queries, &tape.raw_queries, tape.is_pooled, layout);
        let by_keys = self.turned_back(1, by_keys, &tape.raw_keys, false, layout);
        [by_queries, by_keys, by_values]
    }

    /// One example's part of the queries, and what its attention reads.
    fn seen<'a>(
        &self,
        example: usize,
        is_pooled: bool,
        layout: &Layout,
        [queries, keys, values]: [&'a [T]; 3],
    ) -> (Range<usize>, Seen<'a, T>) {
        let query_width = self.heads.query_width();
        let kv_width = self.heads.kv_width();
        let rows = &layout.examples[example];
        let (asked, position) =
            if is_pooled { (example..example + 1, layout.pooled[example] - rows.start) } else { (rows.clone(), 0) };
        let range = asked.start * query_width..asked.end * query_width;
        let kv = rows.start * kv_width..rows.end * kv_width;
        let seen = Seen { queries: &queries[range.clone()], keys: &keys[kv.clone()], values: &values[kv], position };
        (range, seen)
    }

    /// Queries (0) or keys (1) after their norm and rotation, where the family has these.
    fn turned(&self, which: usize, raw: &[T], is_pooled: bool, layout: &Layout) -> Vec<T> {
        let mut turned = match &self.head_norms {
            Some(norms) => norms[which].forward(raw),
            None => raw.to_vec(),
        };
        if let Some(rope) = &layout.rope {
            turn::forward(&mut turned, self.width_of(which), rope, layout.positions(is_pooled));
        }
        turned
    }

    /// The gradient by queries (0) or keys (1) before their norm and rotation.
    fn turned_back(&self, which: usize, mut deltas: Vec<T>, raw: &[T], pooled: bool, layout: &Layout) -> Vec<T> {
        if let Some(rope) = &layout.rope {
            turn::backward(&mut deltas, self.width_of(which), rope, layout.positions(pooled));
        }
        let Some(norms) = &self.head_norms else { return deltas };
        let mut by_raw = vec![T::ZERO; raw.len()];
        norms[which].backward(&mut by_raw, &deltas, raw);
        by_raw
    }

    fn width_of(&self, which: usize) -> usize {
        if which == 0 { self.heads.query_width() } else { self.heads.kv_width() }
    }
}

impl<T: Real> Block<T> {
    /// The shapes of a tower of `layers` such blocks.
    pub(super) fn shape(&self, layers: usize) -> BlockShape {
        BlockShape {
            layers,
            width: self.query.inputs(),
            query_width: self.heads.query_width(),
            kv_width: self.heads.kv_width(),
            heads: self.heads.heads,
            mlp_width: self.up.outputs(),
            is_gated: self.gate.is_some(),
        }
    }
}

impl Layout {
    /// The position in its example of every row, or of every pooled row.
    fn positions(&self, is_pooled: bool) -> Box<dyn Iterator<Item = usize> + '_> {
        if is_pooled {
            Box::new(self.pooled.iter().zip(&self.examples).map(|(row, example)| row - example.start))
        } else {
            Box::new(self.examples.iter().flat_map(|example| 0..example.len()))
        }
    }
}

fn add<T: Real>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += *x);
}

fn product<T: Real>(a: &[T], b: &[T]) -> Vec<T> {
    a.iter().zip(b).map(|(a, b)| *a * *b).collect()
}

/// The given rows.
pub(super) fn gather<T: Real>(x: &[T], rows: &[usize], width: usize) -> Vec<T> {
    rows.iter().flat_map(|row| &x[row * width..(row + 1) * width]).copied().collect()
}

/// Adds rows to those that they were gathered from.
fn scatter<T: Real>(to: &mut [T], from: &[T], rows: &[usize], width: usize) {
    for (from, row) in from.chunks_exact(width).zip(rows) {
        add(&mut to[row * width..(row + 1) * width], from);
    }
}
