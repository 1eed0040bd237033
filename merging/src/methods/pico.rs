/// Pico's calibration: how much of every common output direction stays.
///
/// With [B₁ … B_T] = UΣVᵀ and shares sⱼ = σⱼ²/Σσ², direction j is multiplied with αⱼ = 1/(1 + (T − 1)·sⱼ):
/// B̃ₜ = Bₜ + U((α − 1) ∘ UᵀBₜ) = U diag(α) UᵀBₜ. Directions that dominate in all tasks are damped, down to 1/T; others
/// stay. On core matrices with U as left basis, M̃ₜ = diag(α)·Mₜ. Any merge follows; the method then brings the norm of
/// the merge back to the mean norm of the tasks (`normalise`).
///
/// # Shapes
/// `sigma`: singular values of the stacked B, with the scale of each adapter in B; `tasks`: T.
///
/// # Numerics
/// `f64`. B is not invariant under rescaling B by c and A by 1/c: adapters that were trained with other conventions are
/// calibrated differently.
///
/// # Source
/// Pico (arXiv:2604.16826); no code of the authors is public.
///
/// # Examples
/// Two tasks and σ² = (3, 1): s = (¾, ¼), α = (4/7, 4/5).
pub(crate) fn pico(sigma: &[f64], tasks: usize) -> Vec<f64> {
    let total: f64 = sigma.iter().map(|sigma| sigma * sigma).sum();
    let others = tasks.saturating_sub(1) as f64;
    let factor = |sigma: &f64| if total > 0.0 { 1.0 / (1.0 + others * sigma * sigma / total) } else { 1.0 };
    sigma.iter().map(factor).collect()
}

#[cfg(test)]
mod tests {
    use super::pico;

    #[test]
    fn directions_are_damped_by_their_share_of_the_energy() {
        let found = pico(&[3f64.sqrt(), 1.0], 2);
        assert!((found[0] - 4.0 / 7.0).abs() < 1e-15 && (found[1] - 0.8).abs() < 1e-15, "{found:?}");
        assert!((pico(&[5.0], 4)[0] - 0.25).abs() < 1e-15, "the only direction is damped to 1/T");
        assert!((pico(&[5.0, 2.0], 1)[0] - 1.0).abs() < 1e-15, "a task alone stays as it is");
        assert!((pico(&[0.0], 3)[0] - 1.0).abs() < 1e-15);
    }
}
