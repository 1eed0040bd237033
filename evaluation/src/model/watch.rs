/// How a caller follows long work and ends it early.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// Called after each step with the number of images or texts just finished; on the host from several threads.
    pub progress: Option<&'a (dyn Fn(usize) + Sync)>,
    /// Asked before each step; `true` ends the work with [`ModelError::Cancelled`](crate::ModelError::Cancelled).
    pub cancelled: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl Watch<'_> {
    pub(crate) fn done(&self, count: usize) {
        if let Some(progress) = self.progress {
            progress(count);
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_some_and(|cancelled| cancelled())
    }
}
