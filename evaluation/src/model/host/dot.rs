//! The instruction of AVX512-BF16 for products of [pairs](super::pairs).

use super::product::{PANEL, Partial, Product, ROWS};
use crate::instructions::is_without_avx512;
use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps, _mm512_setzero_ps};

/// Columns of one register.
const LANES: usize = 16;

/// Registers of a line of a panel.
const VECTORS: usize = PANEL / LANES;

/// Exists only on a processor with the instruction.
#[derive(Clone, Copy)]
pub(super) struct Dot {
    /// Keeps others from making one.
    _found: (),
}

impl Dot {
    /// The instruction, if the processor has it and [`without_avx512`](crate::without_avx512) was not called.
    pub(super) fn of_processor() -> Option<Self> {
        if is_without_avx512() { None } else { Self::found() }
    }

    /// The instruction, if the processor has it.
    pub(super) fn found() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma");
        has_all.then_some(Self { _found: () })
    }

    pub(super) fn product(self, product: Product<'_, u32>) {
        #[expect(unsafe_code, reason = "a function for instructions that not every processor has")]
        // SAFETY: a `Dot` exists only where the processor has all of them.
        unsafe {
            run_product(product);
        }
    }

    pub(super) fn partial(self, partial: Partial<'_, u32>) {
        #[expect(unsafe_code, reason = "a function for instructions that not every processor has")]
        // SAFETY: a `Dot` exists only where the processor has all of them.
        unsafe {
            run_partial(partial);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
fn run_product(product: Product<'_, u32>) {
    product.run(|sums, from, panel| sum_rows::<false>(sums, from, panel));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
fn run_partial(partial: Partial<'_, u32>) {
    partial.run(|sums, from, slab| sum_rows::<true>(sums, from, slab));
}

/// A line of a panel, register by register.
type Line = [[u32; LANES]; VECTORS];

/// `sums = from · panel` for up to `ROWS` rows, on top of what `sums` holds if `KEEP`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
fn sum_rows<const KEEP: bool>(sums: &mut [[f32; PANEL]], from: &[u32], panel: &[u32]) {
    let panel = panel.as_chunks::<LANES>().0.as_chunks::<VECTORS>().0;
    match from.len() / panel.len() {
        1 => sum_tile::<1, KEEP>(sums, from, panel),
        2 => sum_tile::<2, KEEP>(sums, from, panel),
        3 => sum_tile::<3, KEEP>(sums, from, panel),
        4 => sum_tile::<4, KEEP>(sums, from, panel),
        5 => sum_tile::<5, KEEP>(sums, from, panel),
        _ => sum_tile::<ROWS, KEEP>(sums, from, panel),
    }
}

/// The same for `R` rows. With all of them, 24 of 32 registers hold sums.
///
/// There are no closures here: one that has the instructions is not inlined into a function of the standard library, which has not.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
fn sum_tile<const R: usize, const KEEP: bool>(sums: &mut [[f32; PANEL]], from: &[u32], panel: &[Line]) {
    let depth = panel.len();
    let mut rows = [from; R];
    for (row, own) in rows.iter_mut().zip(from.chunks_exact(depth)) {
        *row = own;
    }
    let mut tile = [[_mm512_setzero_ps(); VECTORS]; R];
    if KEEP {
        for (tile, sums) in tile.iter_mut().zip(&*sums) {
            for (sum, held) in tile.iter_mut().zip(sums.as_chunks::<LANES>().0) {
                *sum = numbers(held);
            }
        }
    }
    for (k, [first, second, third, fourth]) in panel.iter().enumerate() {
        let weights = [pairs(first), pairs(second), pairs(third), pairs(fourth)];
        for (tile, row) in tile.iter_mut().zip(rows) {
            let x = same(row[k]);
            for (sum, weights) in tile.iter_mut().zip(weights) {
                *sum = _mm512_dpbf16_ps(*sum, x, weights);
            }
        }
    }
    for (sums, tile) in sums.iter_mut().zip(tile) {
        for (to, sum) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(tile) {
            store(to, sum);
        }
    }
}

// These four are copies of values: a build with debug assertions would check the addresses of the instructions that load and store.

#[target_feature(enable = "avx512f")]
fn numbers(from: &[f32; LANES]) -> __m512 {
    #[expect(unsafe_code, reason = "a register has a type of its own")]
    // SAFETY: 16 numbers have the bytes of a register, and all bits are valid.
    unsafe {
        std::mem::transmute(*from)
    }
}

#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32; LANES], from: __m512) {
    #[expect(unsafe_code, reason = "a register has a type of its own")]
    // SAFETY: a register has the bytes of 16 numbers, and all bits are valid.
    unsafe {
        *to = std::mem::transmute::<__m512, [f32; LANES]>(from);
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(from: &[u32; LANES]) -> __m512bh {
    #[expect(unsafe_code, reason = "a register has a type of its own")]
    // SAFETY: 16 pairs have the bytes of a register, and all bits are valid.
    unsafe {
        std::mem::transmute(*from)
    }
}

/// The same pair in all lanes.
#[target_feature(enable = "avx512f,avx512bf16")]
fn same(pair: u32) -> __m512bh {
    pairs(&[pair; LANES])
}
