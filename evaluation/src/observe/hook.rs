use candle_core::Tensor;

/// Sees what passes through the matrices of a composed layer.
pub(crate) trait Hook<S> {
    /// `x` is what the matrices of a site take.
    fn takes(&mut self, _site: S, _x: &Tensor) {}
}

/// Sees nothing.
impl<S> Hook<S> for () {}

/// Keeps what some sites take.
pub(crate) struct Noted<'a, S> {
    /// Whether a site is of interest.
    pub(crate) wants: &'a dyn Fn(S) -> bool,
    /// What was seen.
    pub(crate) rows: Vec<(S, Tensor)>,
}

impl<S: Copy> Hook<S> for Noted<'_, S> {
    fn takes(&mut self, site: S, x: &Tensor) {
        if (self.wants)(site) {
            self.rows.push((site, x.clone()));
        }
    }
}
