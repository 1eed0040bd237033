//! Half-width numbers as bits: widened without branches, so that loops over them become vector instructions.

use crate::instructions::arch;

/// A half-width format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Bf16,
    F16,
}

impl Half {
    /// Rounds a number to this format: to the nearest, ties to even.
    pub(crate) fn narrow(self, x: f32) -> u16 {
        match self {
            Self::Bf16 => ::half::bf16::from_f32(x).to_bits(),
            Self::F16 => ::half::f16::from_f32(x).to_bits(),
        }
    }

    /// Widens numbers; the value stays.
    pub(crate) fn widen(self, to: &mut [f32], from: &[u16]) {
        let numbers = to.iter_mut().zip(from);
        arch().dispatch(|| match self {
            Self::Bf16 => numbers.for_each(|(to, x)| *to = bf16(*x)),
            Self::F16 => numbers.for_each(|(to, x)| *to = f16(*x)),
        });
    }

    /// Rounds numbers to this format and widens them again.
    pub(crate) fn round(self, values: &mut [f32]) {
        for x in values {
            *x = match self {
                Self::Bf16 => bf16(self.narrow(*x)),
                Self::F16 => f16(self.narrow(*x)),
            };
        }
    }
}

/// A bfloat16 is the upper half of a float.
#[inline(always)]
pub(super) fn bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Exponent and mantissa move to their places; a product puts the exponent right, for subnormal numbers as well.
#[inline(always)]
pub(super) fn f16(bits: u16) -> f32 {
    /// 2^112, the difference of the exponents' offsets.
    const REBASE: f32 = f32::from_bits((127 + 112) << 23);
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * REBASE).to_bits();
    let special = magnitude | 0x7f80_0000;
    f32::from_bits(sign | if magnitude < 0x0f80_0000 { finite } else { special })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_widens_to_its_value() {
        for bits in 0..=u16::MAX {
            let same = |got: f32, want: f32| got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(same(bf16(bits), ::half::bf16::from_bits(bits).to_f32()), "bf16 {bits:#x}");
            assert!(same(f16(bits), ::half::f16::from_bits(bits).to_f32()), "f16 {bits:#x}: {}", f16(bits));
        }
    }

    #[test]
    fn rounding_goes_to_the_nearest_and_keeps_what_fits() {
        let mut values = [1.0, 1.001, -3.0, 1e-8];
        Half::F16.round(&mut values);
        assert_eq!(values.map(f32::to_bits), [1.0, 1.000_976_6, -3.0, 0.0f32].map(f32::to_bits));
        Half::Bf16.round(&mut values);
        assert_eq!(values.map(f32::to_bits), [1.0, 1.0, -3.0, 0.0f32].map(f32::to_bits));
    }
}
