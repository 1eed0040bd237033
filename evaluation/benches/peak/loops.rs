//! Loops of multiply-adds in registers.

use jobs::Precision;
use std::{
    arch::x86_64::{
        __m512bh, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps,
    },
    hint::black_box,
};

/// Sums that do not wait for each other.
const SUMS: usize = 24;

/// Steps of one run: some 0.1 s.
const STEPS: usize = 4_000_000;

/// A loop in this precision, which returns its number of operations; `None` if the processor lacks the instructions.
pub(crate) fn of(precision: Precision) -> Option<fn() -> f64> {
    match precision {
        Precision::F32 => is_x86_feature_detected!("avx512f").then_some(single),
        Precision::Bf16 => {
            let has_both = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
            has_both.then_some(pairs)
        }
        Precision::F16 => None,
    }
}

fn single() -> f64 {
    #[expect(unsafe_code, reason = "a function for instructions that not every processor has")]
    // SAFETY: `of` hands this function out only where the processor has them.
    unsafe {
        add_numbers();
    }
    (STEPS * SUMS * 16 * 2) as f64
}

fn pairs() -> f64 {
    #[expect(unsafe_code, reason = "a function for instructions that not every processor has")]
    // SAFETY: `of` hands this function out only where the processor has them.
    unsafe {
        add_pairs();
    }
    (STEPS * SUMS * 32 * 2) as f64
}

#[target_feature(enable = "avx512f")]
fn add_numbers() {
    let x = _mm512_set1_ps(black_box(0.5));
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, x, x);
        }
    }
    for sum in sums {
        black_box(_mm512_reduce_add_ps(sum));
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn add_pairs() {
    let bits = _mm512_set1_ps(black_box(0.5));
    #[expect(unsafe_code, reason = "a register has another type for pairs")]
    // SAFETY: both types are registers of 512 bits, and all bits are valid pairs.
    let x: __m512bh = unsafe { std::mem::transmute(bits) };
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, x, x);
        }
    }
    for sum in sums {
        black_box(_mm512_reduce_add_ps(sum));
    }
}
