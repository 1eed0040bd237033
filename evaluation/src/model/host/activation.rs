//! Elementwise functions that compilers turn into vector instructions: no calls, no branches.

/// OpenAI's activation, `x · σ(1.702 x)`.
#[inline(always)]
pub(crate) fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// `x · σ(x)`
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// `x · Φ(x)`
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    x * (0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)))
}

/// `e^x` to about two units in the last place: 2^n by its bits, the rest by a polynomial on ±ln 2 / 2. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let mantissa = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    mantissa * f32::from_bits(exponent)
}

/// The error function to 2e-7 (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = ((((1.061_405_4 * t - 1.453_152) * t) + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6;
    (1.0 - p * t * exp(-a * a)).copysign(x)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_exponential_follows_the_library_one() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 3e-7 * exact, "exp({x}) = {} against {exact}", exp(x));
        }
        assert!(exp(f32::NAN).is_nan() || exp(f32::NAN) > 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn activations_take_their_textbook_values() {
        for (x, want) in [(-3.0, -0.018_069_5), (0.0, 0.0), (1.0, 0.845_795_7), (20.0, 20.0)] {
            assert!((quick_gelu(x) - want).abs() < 2e-6, "{} against {want}", quick_gelu(x));
        }
        for (x, want) in [(-3.0, -0.142_277_6), (0.0, 0.0), (1.0, 0.731_058_6), (20.0, 20.0)] {
            assert!((silu(x) - want).abs() < 2e-6, "{} against {want}", silu(x));
        }
        for (x, want) in [(-3.0, -0.004_049_7), (0.0, 0.0), (1.0, 0.841_344_7), (20.0, 20.0)] {
            assert!((gelu(x) - want).abs() < 2e-6, "{} against {want}", gelu(x));
        }
    }
}
