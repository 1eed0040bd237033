//! Losses of one example's logits, with their gradients.

/// A loss and its gradient by the logits.
pub(crate) struct Loss {
    pub(crate) value: f64,
    pub(crate) by_logits: Vec<f64>,
}

/// What an example's predictions are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Nothing: predictions should be sure.
    Sure,
    /// These shares of the classes.
    Shares(&'a [f64]),
    /// This class.
    Class(usize),
}

/// The softmax of logits; minus infinity, a masked class, has the share 0.
pub(crate) fn shares(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut shares: Vec<f64> = logits.iter().map(|logit| (logit - top).exp()).collect();
    let total: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
    shares
}

/// log Σ exp of logits; NaN if one of them is.
fn log_sum_exp(logits: &[f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logits.iter().map(|logit| (logit - top).exp()).sum::<f64>().ln()
}

/// The loss of one example.
///
/// Sure: the entropy H = −Σ p log p, whose gradient is −p (log p + H). Shares q: −Σ q log p, whose gradient is p − q. A class is
/// the shares that are 1 there.
///
/// # Numerics
/// Of shares and classes, log p is the logit less the logarithm of the sum of exponentials: it stays true where p itself is 0 in
/// `f64`. A logit that is NaN makes the loss NaN.
pub(crate) fn loss(logits: &[f64], target: Target<'_>) -> Loss {
    let shares = shares(logits);
    match target {
        Target::Sure => {
            // A share of 0 adds nothing to a sum of p log p, and its logarithm must not make NaN of it. The product with a share
            // that is NaN is NaN.
            let log = |share: f64| share.max(f64::MIN_POSITIVE).ln();
            let entropy = -shares.iter().map(|p| p * log(*p)).sum::<f64>();
            let by_logits = shares.iter().map(|p| -p * (log(*p) + entropy)).collect();
            Loss { value: entropy, by_logits }
        }
        Target::Shares(wanted) => {
            let total = log_sum_exp(logits);
            // A class that is not wanted adds nothing, not even where it is masked and its logarithm infinite.
            let asked = wanted.iter().zip(logits).filter(|(q, _)| **q > 0.0);
            let value = asked.map(|(q, logit)| q * (total - logit)).sum::<f64>();
            let by_logits = shares.iter().zip(wanted).map(|(p, q)| p - q).collect();
            Loss { value, by_logits }
        }
        Target::Class(class) => {
            let value = log_sum_exp(logits) - logits[class];
            let by_logits = shares.iter().enumerate().map(|(n, p)| p - if n == class { 1.0 } else { 0.0 }).collect();
            Loss { value, by_logits }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_of_losses_are_the_finite_differences() {
        let logits = [0.3, -1.2, 2.0, f64::NEG_INFINITY, 0.9];
        let wanted = [0.1, 0.2, 0.3, 0.0, 0.4];
        for target in [Target::Sure, Target::Shares(&wanted), Target::Class(1)] {
            let exact = loss(&logits, target);
            for n in [0, 1, 2, 4] {
                let moved = |by: f64| {
                    let mut logits = logits;
                    logits[n] += by;
                    loss(&logits, target).value
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((difference - exact.by_logits[n]).abs() < 1e-8, "{target:?} {n}");
            }
            assert!(exact.by_logits[3].abs() < 1e-300, "a masked class has no gradient");
        }
    }

    #[test]
    fn losses_take_their_textbook_values() {
        let even = [0.0; 4];
        assert!((loss(&even, Target::Sure).value - 4.0_f64.ln()).abs() < 1e-12);
        assert!((loss(&even, Target::Class(2)).value - 4.0_f64.ln()).abs() < 1e-12);
        assert!(loss(&[800.0, 0.0], Target::Sure).value.abs() < 1e-12, "a sure prediction has no entropy");
        for target in [Target::Sure, Target::Class(0), Target::Class(1), Target::Shares(&[0.0, 1.0])] {
            assert!(loss(&[f64::NAN, 0.0], target).value.is_nan(), "{target:?}");
        }
    }

    #[test]
    fn a_loss_beyond_the_smallest_share_is_told_as_it_is() {
        let far = [0.0, 5000.0, f64::NEG_INFINITY];
        assert!((loss(&far, Target::Class(0)).value - 5000.0).abs() < 1e-9);
        assert!((loss(&far, Target::Shares(&[0.5, 0.5, 0.0])).value - 2500.0).abs() < 1e-9);
    }
}
