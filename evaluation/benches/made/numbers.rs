//! Made-up weights.

use candle_core::{Device, Tensor};

/// Repeatable numbers in ±`scale`.
pub(crate) fn numbers(shape: &[usize], scale: f32, seed: &mut u32) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((*seed >> 8) as f32 / 8_388_608.0 - 1.0) * scale
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
