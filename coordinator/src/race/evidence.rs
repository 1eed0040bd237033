//! How strongly the answers so far speak against a challenger.

/// The answers to draws of a sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Only the incumbent was right.
    pub(crate) losses: u64,
    /// Only the challenger was right.
    pub(crate) wins: u64,
    /// Both were right, or none.
    pub(crate) ties: u64,
}

impl Counts {
    /// The same with the two models exchanged.
    pub(crate) fn exchanged(self) -> Self {
        Self { losses: self.wins, wins: self.losses, ties: self.ties }
    }
}

/// The likelihood ratio of `p`, the share of losses among the draws that differ, uniform on [½, 1], against ½.
///
/// With b losses and c wins, n = b + c,
/// `E = 2ⁿ · 2 ∫_{½}^{1} pᵇ (1 − p)ᶜ dp = Σ_{i ≤ b} C(n + 1, i) / ((n + 1) · C(n, b))`.
///
/// Under any difference in favour of the challenger it is a supermartingale in the draws, which begins at 1.
///
/// # Numerics
/// A sum of b + 1 terms, each of which is a product and a quotient of the one before: the same on every machine. It is infinite where
/// it exceeds the largest `f64`.
///
/// # Source
/// Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat. 1970: mixtures of likelihood ratios.
pub(crate) fn against(Counts { losses, wins, .. }: Counts) -> f64 {
    let n = (losses + wins) as f64;
    // C(n + 1, i) / C(n, b), from i = b down.
    let mut term = (n + 1.0) / (n + 1.0 - losses as f64);
    let mut sum = term;
    for i in (1..=losses).rev() {
        term *= i as f64 / (n + 2.0 - i as f64);
        sum += term;
    }
    sum / (n + 1.0)
}

/// The number of bets in [`against_margin`], and what they are divided by: the largest is 0.8.
const BETS: u32 = 20;
const BET_PARTS: f64 = 25.0;

/// The evidence that the challenger is not better by more than a margin: the mean over κ ∈ {1, …, 20} / 25 of
/// `(1 + κ(1 + m))ᵇ (1 + κm)ᶻ (1 − κ(1 − m))ᶜ`, for b losses, z ties, c wins and the margin m in units of one draw.
///
/// If the mean of a draw is at least m, each factor has a mean of at most 1, so that this is a supermartingale that begins at 1.
///
/// # Numerics
/// In logarithms. The margin lies in [0, 1].
///
/// # Source
/// Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (arXiv:2010.09686).
pub(crate) fn against_margin(Counts { losses, wins, ties }: Counts, margin: f64) -> f64 {
    let bet = |part: u32| {
        let bet = f64::from(part) / BET_PARTS;
        let of_losses = losses as f64 * (bet * (1.0 + margin)).ln_1p();
        let of_ties = ties as f64 * (bet * margin).ln_1p();
        let of_wins = wins as f64 * (-bet * (1.0 - margin)).ln_1p();
        (of_losses + of_ties + of_wins).exp()
    };
    (1..=BETS).map(bet).sum::<f64>() / f64::from(BETS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(losses: u64, wins: u64) -> Counts {
        Counts { losses, wins, ties: 0 }
    }

    /// The integral by Simpson's rule.
    fn integral(Counts { losses, wins, .. }: Counts) -> f64 {
        let steps = 20_000;
        let at = |step: u32| {
            let p = 0.5 + 0.5 * f64::from(step) / f64::from(steps);
            ((2.0 * p).ln() * losses as f64).exp() * (2.0 * (1.0 - p)).powi(wins as i32)
        };
        let weight = |step: u32| {
            if step == 0 || step == steps {
                1.0
            } else if step % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        (0..=steps).map(|step| weight(step) * at(step)).sum::<f64>() * 2.0 * 0.5 / f64::from(steps) / 3.0
    }

    #[test]
    fn the_closed_form_is_the_integral() {
        assert!((against(counts(0, 0)) - 1.0).abs() < 1e-15);
        assert!((against(counts(1, 0)) - 1.5).abs() < 1e-15);
        assert!((against(counts(0, 1)) - 0.5).abs() < 1e-15);
        for (losses, wins) in [(3, 2), (20, 5), (7, 30), (60, 60), (200, 150)] {
            let found = against(counts(losses, wins));
            let expected = integral(counts(losses, wins));
            assert!((found / expected - 1.0).abs() < 1e-6, "{losses} {wins}: {found} {expected}");
        }
    }

    #[test]
    fn overwhelming_evidence_is_infinite_and_no_evidence_is_no_number_below_0() {
        assert!(against(counts(100_000, 10)).is_infinite());
        assert!(against(counts(10, 100_000)) < 1e-4 && against(counts(10, 100_000)) > 0.0);
        assert!(against_margin(counts(100_000, 0), 0.1).is_infinite());
    }

    proptest! {
        /// What makes Ville's inequality hold: the mean after one more draw is at most the value before.
        #[test]
        fn both_are_supermartingales(losses in 0u64..300, wins in 0u64..300, ties in 0u64..300, margin in 0.0..0.3f64) {
            let now = Counts { losses, wins, ties };
            let lost = Counts { losses: losses + 1, ..now };
            let won = Counts { wins: wins + 1, ..now };
            prop_assert!((against(lost) + against(won)) / 2.0 <= against(now) * (1.0 + 1e-9));
            // Draws of the mean `margin`, with a third of ties.
            let tied = Counts { ties: ties + 1, ..now };
            let share_won = 1.0 / 3.0 + margin / 2.0;
            let share_lost = 1.0 / 3.0 - margin / 2.0;
            let value = |counts| against_margin(counts, margin);
            let next = value(won) * share_won + value(lost) * share_lost + value(tied) / 3.0;
            prop_assert!(next <= value(now) * (1.0 + 1e-9));
        }

        #[test]
        fn a_margin_speaks_against_the_challenger(losses in 0u64..50, wins in 0u64..50, ties in 0u64..300) {
            let counts = Counts { losses, wins, ties };
            prop_assert!(against_margin(counts, 0.05) >= against_margin(counts, 0.0));
        }
    }
}
