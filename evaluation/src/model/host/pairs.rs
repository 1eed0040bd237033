//! Products of numbers in `bf16`, which lie in pairs of two inputs.
//!
//! A pair is one `u32`: the first input is its upper half, the second its lower half. A processor with AVX512-BF16 adds both products of
//! a pair to a sum in one instruction ([`dot`](super::dot)), and first that of the upper half, as two fused multiply-adds: so sums run over
//! the inputs in their order, like those of products in `f32`.
//!
//! # Numerics
//! A product of two numbers in `bf16` is exact in `f32`; each addition to the sum is rounded to the nearest. Numbers below 2⁻¹²⁶ in magnitude
//! are rounded to zero. The instruction makes zero of products and sums below 2⁻¹²⁶ as well, which the loops here don't: a sum differs by less
//! than 2⁻¹²⁵ for each of its inputs. All else is the same to the last bit. Intel's manual states this order, and tests find it on AMD's Zen 4.

use super::product::{PANEL, Partial, Product, ROWS};
use crate::instructions::arch;
use pulp::{Simd, WithSimd};

/// The bits of the upper half.
const UPPER: u32 = 0xffff_0000;

/// The bits of the sign and of the exponent of a number.
const SIGN: u32 = 0x8000_0000;
const EXPONENT: u32 = 0x7f80_0000;

/// The pair of two inputs in `bf16`, the first in the lower half as files have it, with zeros for numbers below 2⁻¹²⁶ in magnitude.
#[inline(always)]
pub(crate) fn pair_of_file(bits: u32) -> u32 {
    let upper = bits & UPPER;
    let lower = bits << 16;
    let flushed = |number: u32| if number & EXPONENT == 0 { number & SIGN } else { number };
    flushed(lower) | flushed(upper) >> 16
}

/// Pairs of a row of so many inputs: the last one is filled up with zero.
pub(crate) fn pairs_of(inputs: usize) -> usize {
    inputs.div_ceil(2)
}

/// Rounds a number to `bf16`: to the nearest, ties to even. Its bits are the upper half, and the lower half is zero. NaN stays NaN.
#[inline(always)]
pub(crate) fn nearest_bits(x: f32) -> u32 {
    /// Makes NaN of a NaN that has its mark in the lower half alone.
    const QUIET: u32 = 0x0040_0000;
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (if x.is_nan() { bits | QUIET } else { nearest }) & UPPER
}

/// Rounds a number as products take it: as [`nearest_bits`] does, and to zero below 2⁻¹²⁶ in magnitude.
#[inline(always)]
pub(crate) fn rounded_bits(x: f32) -> u32 {
    let nearest = nearest_bits(x);
    if nearest & EXPONENT == 0 { nearest & SIGN } else { nearest }
}

/// The pair of two inputs, each rounded to `bf16`.
#[inline(always)]
pub(crate) fn pair(first: f32, second: f32) -> u32 {
    rounded_bits(first) | rounded_bits(second) >> 16
}

/// Rounds rows of so many numbers to `bf16`, in pairs: `[rows, pairs_of(inputs)]`.
pub(crate) fn round_rows(to: &mut Vec<u32>, from: &[f32], inputs: usize) {
    to.resize(from.len() / inputs * pairs_of(inputs), 0);
    arch().dispatch(|| {
        for (to, from) in to.chunks_exact_mut(pairs_of(inputs)).zip(from.chunks_exact(inputs)) {
            let (whole, rest) = from.as_chunks::<2>();
            to.iter_mut().zip(whole).for_each(|(to, [first, second])| *to = pair(*first, *second));
            if let ([last], Some(to)) = (rest, to.last_mut()) {
                *to = pair(*last, 0.0);
            }
        }
    });
}

/// Rounds a panel `[inputs, PANEL]` to `bf16`, in pairs: `[pairs_of(inputs), PANEL]`.
pub(crate) fn round_panel(to: &mut [u32], from: &[f32]) {
    arch().dispatch(|| {
        for (to, lines) in to.chunks_exact_mut(PANEL).zip(from.chunks(2 * PANEL)) {
            let (first, second) = lines.split_at(PANEL);
            if second.is_empty() {
                to.iter_mut().zip(first).for_each(|(to, first)| *to = pair(*first, 0.0));
            } else {
                to.iter_mut().zip(first).zip(second).for_each(|((to, first), second)| *to = pair(*first, *second));
            }
        }
    });
}

/// The numbers of a panel of pairs: `[inputs, PANEL]`.
pub(crate) fn widen_panel(to: &mut [f32], from: &[u32]) {
    arch().dispatch(|| {
        for (lines, from) in to.chunks_mut(2 * PANEL).zip(from.chunks_exact(PANEL)) {
            let (first, second) = lines.split_at_mut(PANEL);
            first.iter_mut().zip(from).for_each(|(to, pair)| *to = f32::from_bits(pair & UPPER));
            second.iter_mut().zip(from).for_each(|(to, pair)| *to = f32::from_bits(pair << 16));
        }
    });
}

/// Whether products of pairs are computed by the processor's instruction for them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_instruction() -> bool {
    super::dot::Dot::of_processor().is_some()
}

impl Product<'_, u32> {
    /// Computes the product, with the processor's instruction for pairs if it has one.
    pub(crate) fn compute(self) {
        #[cfg(target_arch = "x86_64")]
        if let Some(dot) = super::dot::Dot::of_processor() {
            return dot.product(self);
        }
        arch().dispatch(self);
    }
}

impl Partial<'_, u32> {
    /// Computes the part, with the processor's instruction for pairs if it has one.
    pub(crate) fn compute(self) {
        #[cfg(target_arch = "x86_64")]
        if let Some(dot) = super::dot::Dot::of_processor() {
            return dot.partial(self);
        }
        arch().dispatch(self);
    }
}

impl WithSimd for Product<'_, u32> {
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

impl WithSimd for Partial<'_, u32> {
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

/// `sums = from · panel` for up to `ROWS` rows, on top of what `sums` holds if `KEEP`.
#[inline(always)]
fn sum_rows<S: Simd, const VECTORS: usize, const KEEP: bool>(
    simd: S,
    sums: &mut [[f32; PANEL]],
    from: &[u32],
    panel: &[u32],
) {
    for column in (0..PANEL).step_by(VECTORS * S::U32_LANES) {
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

/// The same for `R` rows and the columns from `column` on that fill `V` registers: widens each pair, and adds its products one by one.
#[inline(always)]
fn sum_tile<S: Simd, const R: usize, const V: usize, const KEEP: bool>(
    simd: S,
    sums: &mut [[f32; PANEL]],
    column: usize,
    from: &[u32],
    panel: &[u32],
) {
    let depth = from.len() / R;
    let rows: [&[u32]; R] = std::array::from_fn(|r| &from[r * depth..(r + 1) * depth]);
    let held = |sums: &[f32; PANEL], v: usize| S::as_simd_f32s(&sums[column..]).0[v];
    let start = |r: usize, v: usize| if KEEP { held(&sums[r], v) } else { simd.splat_f32s(0.0) };
    let mut tile: [[S::f32s; V]; R] = std::array::from_fn(|r| std::array::from_fn(|v| start(r, v)));
    let upper = simd.splat_u32s(UPPER);
    let half = simd.splat_u32s(16);
    for (k, weights) in panel.chunks_exact(PANEL).enumerate().take(depth) {
        let (weights, _) = S::as_simd_u32s(&weights[column..]);
        // One input after the other: there are too few registers for both.
        let first = std::array::from_fn(
            #[inline(always)]
            |v| simd.transmute_f32s_u32s(simd.and_u32s(weights[v], upper)),
        );
        add::<S, R, V>(simd, &mut tile, first, |r| f32::from_bits(rows[r][k] & UPPER));
        let second = std::array::from_fn(
            #[inline(always)]
            |v| simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(weights[v], half)),
        );
        add::<S, R, V>(simd, &mut tile, second, |r| f32::from_bits(rows[r][k] << 16));
    }
    for (sums, tile) in sums.iter_mut().zip(tile) {
        S::as_mut_simd_f32s(&mut sums[column..]).0[..V].copy_from_slice(&tile);
    }
}

/// Adds the products of one input.
#[inline(always)]
fn add<S: Simd, const R: usize, const V: usize>(
    simd: S,
    tile: &mut [[S::f32s; V]; R],
    weights: [S::f32s; V],
    input: impl Fn(usize) -> f32,
) {
    for (r, tile) in tile.iter_mut().enumerate() {
        let x = simd.splat_f32s(input(r));
        for (sum, weight) in tile.iter_mut().zip(weights) {
            *sum = simd.mul_add_e_f32s(x, weight, *sum);
        }
    }
}

#[cfg(test)]
mod tests;
