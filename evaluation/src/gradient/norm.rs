//! Norms of rows and their vector–Jacobian products.

use crate::{instructions::arch, model::host::real::Real};
use std::sync::Arc;

/// A layer norm, or an RMS norm if it has no shift. Rows may be whole tokens or single heads.
#[derive(Clone)]
pub(super) struct Norm<T> {
    weight: Arc<[T]>,
    /// The shift of a layer norm; an RMS norm has none, and does not subtract the mean.
    bias: Option<Arc<[T]>>,
    eps: T,
}

/// What a row is moved and multiplied by.
struct Spread<T> {
    mean: T,
    inverse: T,
}

impl<T: Real> Norm<T> {
    pub(super) fn new(weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Self {
        let turn = |values: &[f32]| values.iter().map(|x| T::of(f64::from(*x))).collect();
        Self { weight: turn(weight), bias: bias.map(turn), eps: T::of(f64::from(eps)) }
    }

    /// Numbers of a row.
    pub(super) fn width(&self) -> usize {
        self.weight.len()
    }

    /// The normed rows.
    pub(super) fn forward(&self, from: &[T]) -> Vec<T> {
        let mut to = vec![T::ZERO; from.len()];
        let width = self.weight.len();
        arch().dispatch(|| {
            for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
                let Spread { mean, inverse } = self.spread(from);
                to.iter_mut().zip(from).zip(&*self.weight).for_each(|((t, x), w)| *t = (*x - mean) * inverse * *w);
                if let Some(bias) = &self.bias {
                    to.iter_mut().zip(&**bias).for_each(|(t, b)| *t += *b);
                }
            }
        });
        to
    }

    /// Adds to `to` the gradient of the loss by the rows `from`, given `deltas`, that by the normed rows.
    ///
    /// With x̂ = (x − μ)/σ and g = δ ∘ w, it is (g − mean(g) − x̂ · mean(g ∘ x̂)) / σ; an RMS norm has no mean(g).
    pub(super) fn backward(&self, to: &mut [T], deltas: &[T], from: &[T]) {
        let width = self.weight.len();
        let share = T::of(1.0 / width as f64);
        arch().dispatch(|| {
            let rows = to.chunks_exact_mut(width).zip(deltas.chunks_exact(width)).zip(from.chunks_exact(width));
            for ((to, deltas), from) in rows {
                let Spread { mean, inverse } = self.spread(from);
                let mut level = T::ZERO;
                let mut along = T::ZERO;
                for ((delta, x), w) in deltas.iter().zip(from).zip(&*self.weight) {
                    let gradient = *delta * *w;
                    level += gradient;
                    along += gradient * (*x - mean) * inverse;
                }
                let level = if self.bias.is_some() { level * share } else { T::ZERO };
                let along = along * share;
                for (((t, delta), x), w) in to.iter_mut().zip(deltas).zip(from).zip(&*self.weight) {
                    *t += (*delta * *w - level - (*x - mean) * inverse * along) * inverse;
                }
            }
        });
    }

    /// A row whose squares overflow gets NaN, as in the towers: its norm would be zeros, as if it held nothing.
    #[inline(always)]
    fn spread(&self, row: &[T]) -> Spread<T> {
        let share = T::of(1.0 / row.len() as f64);
        let mean = if self.bias.is_some() { sum(row, |x| x) * share } else { T::ZERO };
        let square = sum(row, |x| (x - mean) * (x - mean)) * share + self.eps;
        let inverse = if square.is_finite() { T::ONE / square.sqrt() } else { T::of(f64::NAN) };
        Spread { mean, inverse }
    }
}

#[inline(always)]
fn sum<T: Real>(values: &[T], f: impl Fn(T) -> T) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::ZERO; LANES];
    let chunks = values.chunks_exact(LANES);
    let mut total = T::ZERO;
    for x in chunks.remainder() {
        total += f(*x);
    }
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    for lane in lanes {
        total += lane;
    }
    total
}
