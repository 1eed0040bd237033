use candle_core::{DType, Result, Tensor, Var};

/// Sees what passes through the matrices of a composed layer.
pub(crate) trait Hook<S> {
    /// `x` is what the matrices of a site take.
    fn takes(&mut self, _site: S, _x: &Tensor) {}

    /// `y` is what a matrix makes of `x`; what is returned takes its place.
    ///
    /// # Errors
    /// The device fails.
    fn makes(&mut self, _matrix: S, _x: &Tensor, y: Tensor) -> Result<Tensor> {
        Ok(y)
    }
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

/// Adds zeros to what some matrices make: the gradient of the zeros is that of the outputs.
pub(crate) struct Probes<'a, S> {
    /// The matrices.
    pub(crate) matrices: &'a [S],
    /// What they took, and the zeros.
    pub(crate) passed: Vec<Passed<S>>,
}

/// What a matrix took, and the zeros that were added to what it made.
pub(crate) struct Passed<S> {
    pub(crate) matrix: S,
    /// `[examples, tokens, inputs]`
    pub(crate) x: Tensor,
    /// `[examples, tokens, outputs]`
    pub(crate) probe: Var,
}

impl<S> Passed<S> {
    /// The same under another name of the matrix.
    pub(crate) fn renamed<T>(self, name: impl FnOnce(S) -> T) -> Passed<T> {
        Passed { matrix: name(self.matrix), x: self.x, probe: self.probe }
    }
}

impl<S: Copy + PartialEq> Hook<S> for Probes<'_, S> {
    fn makes(&mut self, matrix: S, x: &Tensor, y: Tensor) -> Result<Tensor> {
        if !self.matrices.contains(&matrix) {
            return Ok(y);
        }
        let probe = Var::zeros(y.shape(), DType::F32, y.device())?;
        let probed = (&y + probe.as_tensor().to_dtype(y.dtype())?)?;
        self.passed.push(Passed { matrix, x: x.detach(), probe });
        Ok(probed)
    }
}
