/// What decides that two updates point the same way or opposite ways, where they are interpolated linearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collinear {
    /// |cos θ| above 0.9995: mergekit's `slerp`.
    Cosine,
    /// |sin θ| below 1e-8: mergekit's `nuslerp`.
    Sine,
}

/// The inner products of two vectors with themselves and with each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    pub(crate) first: f64,
    pub(crate) second: f64,
    pub(crate) product: f64,
}

/// The coefficients of two updates on the arc between them.
///
/// With θ the angle between the two, the merge is (sin((1 − t)θ)·x₁ + sin(tθ)·x₂)/sin θ. Lengths are not equalised: at
/// t = 0 it is x₁, at t = 1 it is x₂. Collinear updates are interpolated linearly, (1 − t)·x₁ + t·x₂, and so are two
/// of which one is 0.
///
/// # Shapes
/// `pair` of two whole matrices, or of two rows of them (mergekit's `nuslerp` without `flatten`); `position` t in
/// [0, 1], for NuSLERP w₂/(w₁ + w₂).
///
/// # Numerics
/// `f64`. Inner products do not depend on the basis if it is orthonormal, so whole matrices have the same merge in
/// every space; rows do not.
///
/// # Source
/// SLERP (Shoemake 1985) as in mergekit, whose `slerp` takes a zero update as orthogonal.
///
/// # Examples
/// Orthogonal vectors at t = 0.5 have the coefficients √½ and √½.
pub(crate) fn slerp(pair: Pair, position: f64, collinear: Collinear) -> [f64; 2] {
    let linear = [1.0 - position, position];
    let norms = (pair.first.max(0.0) * pair.second.max(0.0)).sqrt();
    if norms <= 0.0 {
        return linear;
    }
    let cosine = (pair.product / norms).clamp(-1.0, 1.0);
    let angle = cosine.acos();
    let sine = angle.sin();
    let is_collinear = match collinear {
        Collinear::Cosine => cosine.abs() > 0.9995,
        Collinear::Sine => sine.abs() < 1e-8,
    };
    if is_collinear { linear } else { linear.map(|share| (share * angle).sin() / sine) }
}

#[cfg(test)]
mod tests {
    use super::{Collinear, Pair, slerp};
    use proptest::prelude::*;

    fn is_close(found: [f64; 2], expected: [f64; 2]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12)
    }

    #[test]
    fn orthogonal_updates_meet_in_the_middle_of_the_arc() {
        let pair = Pair { first: 4.0, second: 9.0, product: 0.0 };
        let half = 0.5f64.sqrt();
        assert!(is_close(slerp(pair, 0.5, Collinear::Cosine), [half, half]));
        assert!(is_close(slerp(pair, 0.0, Collinear::Sine), [1.0, 0.0]));
        assert!(is_close(slerp(pair, 1.0, Collinear::Sine), [0.0, 1.0]));
    }

    #[test]
    fn collinear_and_zero_updates_are_interpolated_linearly() {
        let same = Pair { first: 4.0, second: 4.0, product: 4.0 };
        let opposite = Pair { first: 4.0, second: 4.0, product: -4.0 };
        let zero = Pair { first: 4.0, second: 0.0, product: 0.0 };
        for pair in [same, opposite, zero] {
            assert!(is_close(slerp(pair, 0.25, Collinear::Cosine), [0.75, 0.25]));
            assert!(is_close(slerp(pair, 0.25, Collinear::Sine), [0.75, 0.25]));
        }
    }

    proptest! {
        #[test]
        fn updates_of_one_length_keep_it(angle in 0.1f64..3.0, position in 0.0f64..=1.0) {
            let cosine = angle.cos();
            let [first, second] = slerp(Pair { first: 1.0, second: 1.0, product: cosine }, position, Collinear::Sine);
            let squared = first * first + second * second + 2.0 * first * second * cosine;
            prop_assert!((squared - 1.0).abs() < 1e-9);
        }
    }
}
