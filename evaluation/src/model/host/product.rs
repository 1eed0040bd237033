//! Products with matrices that lie in panels, on one thread.

use super::activation::{gelu, quick_gelu, silu};
use crate::model::Activation;
use pulp::{Simd, WithSimd};

/// Columns of one panel: four vector registers of AVX-512, two tiles or more of anything else.
pub(crate) const PANEL: usize = 64;

/// Rows of one tile: with four vectors of columns, 24 of 32 registers hold sums; with two, 12 of 16.
pub(super) const ROWS: usize = 6;

/// Bytes of panels that go over all rows before the next ones do: they stay in a core's second cache.
const GROUP_BYTES: usize = 512 << 10;

pub(crate) const NO_BIAS: [f32; PANEL] = [0.0; PANEL];

/// What becomes of a product.
#[derive(Clone, Copy)]
pub(crate) enum Finish {
    /// It replaces what was there.
    Write,
    /// It is added to what was there.
    Add,
    /// It goes through the activation, and replaces what was there.
    Activate(Activation),
    /// What was there goes through SiLU and is multiplied by it.
    Gate,
}

/// Finishes `to` with `bias + from · matrix`. Row `r` of `to` lies at `r · stride`.
///
/// The elements are numbers in `f32`, or [pairs](super::pairs) of inputs in `bf16`.
pub(crate) struct Product<'a, T> {
    /// Panel after panel, each `[depth, PANEL]`; the last is filled up with zeros.
    pub(crate) panels: &'a [T],
    /// Elements of a row of `from`.
    pub(crate) depth: usize,
    pub(crate) outputs: usize,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) to: &'a mut [f32],
    pub(crate) stride: usize,
    /// `[rows, depth]`
    pub(crate) from: &'a [T],
    pub(crate) finish: Finish,
}

impl WithSimd for Product<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run(
                #[inline(always)]
                |sums, from, panel| sum_rows::<S, 4, false>(simd, sums, from, panel),
            );
        } else {
            self.run(
                #[inline(always)]
                |sums, from, panel| sum_rows::<S, 2, false>(simd, sums, from, panel),
            );
        }
    }
}

impl<T> Product<'_, T> {
    /// Goes over the rows once for each group of panels, a few rows at a time; `sum` makes the sums of these rows and one panel.
    /// It has to be inlined, or its vector instructions become calls.
    #[inline(always)]
    pub(super) fn run(self, sum: impl Fn(&mut [[f32; PANEL]], &[T], &[T])) {
        let Self { panels, depth, outputs, bias, .. } = self;
        let size = depth * PANEL;
        let group = (GROUP_BYTES / size_of::<T>() / size).max(1);
        let mut sums = [[0.0; PANEL]; ROWS];
        for (panels, first) in panels.chunks(group * size).zip((0..).step_by(group * PANEL)) {
            for (to, from) in self.to.chunks_mut(ROWS * self.stride).zip(self.from.chunks(ROWS * depth)) {
                for (panel, start) in panels.chunks_exact(size).zip((first..).step_by(PANEL)) {
                    let columns = start..outputs.min(start + PANEL);
                    let bias = bias.map_or(&NO_BIAS[..columns.len()], |bias| &bias[columns.clone()]);
                    sum(&mut sums, from, panel);
                    for (to, (sums, _)) in to.chunks_mut(self.stride).zip(sums.iter().zip(from.chunks(depth))) {
                        self.finish.row(&mut to[columns.clone()], sums, bias);
                    }
                }
            }
        }
    }
}

/// A part of a product, for matrices too deep to stay in a cache or not at hand as a whole: adds `from · slab` to
/// `sums`.
///
/// Sums run over the inputs in their order, so that any division into slabs gives the same numbers as one [`Product`].
pub(crate) struct Partial<'a, T> {
    /// `[rows, PANEL]`
    pub(crate) sums: &'a mut [[f32; PANEL]],
    /// `[rows, depth]`
    pub(crate) from: &'a [T],
    /// `[depth, PANEL]`
    pub(crate) slab: &'a [T],
}

impl WithSimd for Partial<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run(
                #[inline(always)]
                |sums, from, slab| sum_rows::<S, 4, true>(simd, sums, from, slab),
            );
        } else {
            self.run(
                #[inline(always)]
                |sums, from, slab| sum_rows::<S, 2, true>(simd, sums, from, slab),
            );
        }
    }
}

impl<T> Partial<'_, T> {
    /// Goes over the rows, a few at a time; `sum` adds to the sums of these, and has to be inlined.
    #[inline(always)]
    pub(super) fn run(self, sum: impl Fn(&mut [[f32; PANEL]], &[T], &[T])) {
        let Self { sums, from, slab } = self;
        let depth = slab.len() / PANEL;
        for (sums, from) in sums.chunks_mut(ROWS).zip(from.chunks(ROWS * depth)) {
            sum(sums, from, slab);
        }
    }
}

impl Finish {
    /// Finishes one row of a panel's columns.
    #[inline(always)]
    pub(crate) fn row(self, to: &mut [f32], sums: &[f32; PANEL], bias: &[f32]) {
        let items = to.iter_mut().zip(sums).zip(bias);
        match self {
            Self::Write => items.for_each(|((to, sum), bias)| *to = sum + bias),
            Self::Add => items.for_each(|((to, sum), bias)| *to += sum + bias),
            Self::Activate(Activation::QuickGelu) => items.for_each(|((to, sum), bias)| *to = quick_gelu(sum + bias)),
            Self::Gate => items.for_each(|((to, sum), bias)| *to = silu(*to) * (sum + bias)),
            Self::Activate(Activation::Gelu) => items.for_each(|((to, sum), bias)| *to = gelu(sum + bias)),
        }
    }
}

/// `sums = from · panel` for up to `ROWS` rows, on top of what `sums` holds if `KEEP`.
#[inline(always)]
fn sum_rows<S: Simd, const VECTORS: usize, const KEEP: bool>(
    simd: S,
    sums: &mut [[f32; PANEL]],
    from: &[f32],
    panel: &[f32],
) {
    for column in (0..PANEL).step_by(VECTORS * S::F32_LANES) {
        match from.len() / (panel.len() / PANEL) {
            1 => sum_tile::<S, 1, VECTORS, KEEP>(simd, sums, column, from, panel),
            2 => sum_tile::<S, 2, VECTORS, KEEP>(simd, sums, column, from, panel),
            3 => sum_tile::<S, 3, VECTORS, KEEP>(simd, sums, column, from, panel),
            4 => sum_tile::<S, 4, VECTORS, KEEP>(simd, sums, column, from, panel),
            5 => sum_tile::<S, 5, VECTORS, KEEP>(simd, sums, column, from, panel),
            _ => sum_tile::<S, ROWS, VECTORS, KEEP>(simd, sums, column, from, panel),
        }
    }
}

/// The same for `R` rows and the columns from `column` on that fill `V` registers.
#[inline(always)]
fn sum_tile<S: Simd, const R: usize, const V: usize, const KEEP: bool>(
    simd: S,
    sums: &mut [[f32; PANEL]],
    column: usize,
    from: &[f32],
    panel: &[f32],
) {
    let depth = from.len() / R;
    let rows: [&[f32]; R] = std::array::from_fn(|r| &from[r * depth..(r + 1) * depth]);
    let held = |sums: &[f32; PANEL], v: usize| S::as_simd_f32s(&sums[column..]).0[v];
    let start = |r: usize, v: usize| if KEEP { held(&sums[r], v) } else { simd.splat_f32s(0.0) };
    let mut tile: [[S::f32s; V]; R] = std::array::from_fn(|r| std::array::from_fn(|v| start(r, v)));
    for (k, weights) in panel.chunks_exact(PANEL).enumerate().take(depth) {
        let (weights, _) = S::as_simd_f32s(&weights[column..]);
        for (tile, row) in tile.iter_mut().zip(rows) {
            let x = simd.splat_f32s(row[k]);
            for (sum, weight) in tile.iter_mut().zip(&weights[..V]) {
                *sum = simd.mul_add_e_f32s(x, *weight, *sum);
            }
        }
    }
    for (sums, tile) in sums.iter_mut().zip(tile) {
        S::as_mut_simd_f32s(&mut sums[column..]).0[..V].copy_from_slice(&tile);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use pulp::x86::{V3, V4};

    /// A product of ragged rows and columns with these instructions.
    fn made(finish: Finish, run: impl FnOnce(Product<'_, f32>)) -> Vec<f32> {
        let rows = 11;
        let inputs = 77;
        let outputs = 150_usize;
        let number = |n: usize| (n as f32 * 0.37).sin();
        let panels: Vec<f32> = (0..inputs * outputs.next_multiple_of(PANEL)).map(number).collect();
        let from: Vec<f32> = (0..rows * inputs).map(|n| number(n + 3)).collect();
        let bias: Vec<f32> = (0..outputs).map(|n| number(n + 5)).collect();
        let mut to: Vec<f32> = (0..rows * outputs).map(|n| number(n + 7)).collect();
        let bias = Some(&*bias);
        run(Product {
            panels: &panels,
            depth: inputs,
            outputs,
            bias,
            to: &mut to,
            stride: outputs,
            from: &from,
            finish,
        });
        to
    }

    #[test]
    fn avx2_and_avx512_give_the_same_numbers_to_the_last_bit() {
        let (Some(narrow), Some(wide)) = (V3::try_new(), V4::try_new()) else {
            println!("skipped: this processor has no AVX-512, or no AVX2");
            return;
        };
        let activations = [Activation::QuickGelu, Activation::Gelu].map(Finish::Activate);
        for finish in [Finish::Write, Finish::Add, Finish::Gate].into_iter().chain(activations) {
            let narrow = made(finish, |product| Simd::vectorize(narrow, product));
            let wide = made(finish, |product| Simd::vectorize(wide, product));
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
            assert_eq!(bits(narrow), bits(wide));
        }
    }
}
