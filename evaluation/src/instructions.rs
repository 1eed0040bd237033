//! Which vector instructions the loops on the processor use.

use pulp::Arch;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_WITHOUT_AVX512: AtomicBool = AtomicBool::new(false);

/// Keeps the loops of this process from AVX-512 from now on, as on a processor with AVX2 alone: to see what that changes.
///
/// Linear layers give the same numbers to the last bit, because each of their sums runs over the inputs in order; in `bf16`, but for numbers
/// below 2⁻¹²⁶ in magnitude, which AVX512-BF16 takes as zero. The small products of attention and of updates come from the crate
/// `gemm`, which chooses its instructions itself.
pub fn without_avx512() {
    IS_WITHOUT_AVX512.store(true, Ordering::Relaxed);
}

/// Undoes [`without_avx512`], for tests that share a process with others.
#[cfg(test)]
pub(crate) fn with_avx512() {
    IS_WITHOUT_AVX512.store(false, Ordering::Relaxed);
}

/// The vector instructions that the last bits of a model's numbers may depend on, as results name them.
///
/// `avx512-bf16` is AVX-512 with products of pairs in `bf16`, unless [`without_avx512`] was called. `avx512` and `avx2` sum the small
/// products of attention in other orders, whatever was called. `sse2` is a processor of this kind without AVX2. Elsewhere it is the kind of
/// the processor, such as `aarch64`.
pub fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if crate::model::host::pairs::has_instruction() {
            "avx512-bf16"
        } else if is_x86_feature_detected!("avx512f") {
            "avx512"
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            "avx2"
        } else {
            "sse2"
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH
    }
}

/// Whether [`without_avx512`] was called.
#[cfg(target_arch = "x86_64")]
pub(crate) fn is_without_avx512() -> bool {
    IS_WITHOUT_AVX512.load(Ordering::Relaxed)
}

/// The instructions of the loops: the best that the processor has, unless [`without_avx512`] was called.
#[inline]
pub(crate) fn arch() -> Arch {
    if IS_WITHOUT_AVX512.load(Ordering::Relaxed) { narrower() } else { Arch::new() }
}

#[cfg(target_arch = "x86_64")]
fn narrower() -> Arch {
    pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3)
}

#[cfg(not(target_arch = "x86_64"))]
fn narrower() -> Arch {
    Arch::new()
}
