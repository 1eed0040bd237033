//! Activations with their derivatives.

use crate::{
    instructions::arch,
    model::{Activation, host::real::Real},
};

/// The activation of an MLP.
#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    QuickGelu,
    Gelu,
    Silu,
}

impl From<Activation> for Curve {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::QuickGelu => Self::QuickGelu,
            Activation::Gelu => Self::Gelu,
        }
    }
}

/// A value of the activation and its derivative there.
struct Point<T> {
    value: T,
    slope: T,
}

impl Curve {
    /// The activation of every number.
    pub(super) fn forward<T: Real>(self, from: &[T]) -> Vec<T> {
        let mut to = vec![T::ZERO; from.len()];
        arch().dispatch(|| match self {
            Self::QuickGelu => each(&mut to, from, |to, x| *to = swish(x, T::of(1.702)).value),
            Self::Silu => each(&mut to, from, |to, x| *to = swish(x, T::ONE).value),
            Self::Gelu => each(&mut to, from, |to, x| *to = gelu(x).value),
        });
        to
    }

    /// Multiplies `deltas` by the derivative at `from`.
    pub(super) fn backward<T: Real>(self, deltas: &mut [T], from: &[T]) {
        arch().dispatch(|| match self {
            Self::QuickGelu => each(deltas, from, |delta, x| *delta *= swish(x, T::of(1.702)).slope),
            Self::Silu => each(deltas, from, |delta, x| *delta *= swish(x, T::ONE).slope),
            Self::Gelu => each(deltas, from, |delta, x| *delta *= gelu(x).slope),
        });
    }
}

#[inline(always)]
fn each<T: Real>(to: &mut [T], from: &[T], work: impl Fn(&mut T, T)) {
    to.iter_mut().zip(from).for_each(|(to, x)| work(to, *x));
}

/// `x · σ(b x)`, whose derivative is `σ + b x σ (1 − σ)`.
#[inline(always)]
fn swish<T: Real>(x: T, b: T) -> Point<T> {
    let sigmoid = T::ONE / (T::ONE + (-(b * x)).exp());
    Point { value: x * sigmoid, slope: sigmoid + b * x * sigmoid * (T::ONE - sigmoid) }
}

/// `x · Φ(x)`, whose derivative is `Φ(x) + x φ(x)`. Φ is good to 1e-7, as in the towers.
#[inline(always)]
fn gelu<T: Real>(x: T) -> Point<T> {
    let half = T::of(0.5);
    let share = half * (T::ONE + erf(x * T::of(std::f64::consts::FRAC_1_SQRT_2)));
    let density = (-(half * x * x)).exp() * T::of(0.398_942_280_401_432_7);
    Point { value: x * share, slope: share + x * density }
}

/// The error function (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
fn erf<T: Real>(x: T) -> T {
    let a = x.abs();
    let t = T::ONE / (T::ONE + T::of(0.327_591_1) * a);
    let mut p = T::of(1.061_405_429);
    for term in [-1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592] {
        p = p * t + T::of(term);
    }
    (T::ONE - p * t * (-(a * a)).exp()).copysign(x)
}
