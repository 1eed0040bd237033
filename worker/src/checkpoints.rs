use std::{fmt, sync::Arc};

/// What a long job keeps of itself while it is computed, so that a later attempt continues from there.
///
/// Clones share what is kept.
#[derive(Clone, Default)]
pub struct Checkpoints {
    last: Option<Arc<str>>,
    keep: Option<Arc<dyn Fn(String) + Send + Sync>>,
}

impl Checkpoints {
    /// Continues from `last`, what an earlier attempt kept, if there is any. What the job keeps is given to `keep`, which does
    /// not block.
    pub fn new(last: Option<String>, keep: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { last: last.map(Into::into), keep: Some(Arc::new(keep)) }
    }

    /// What an earlier attempt kept.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Keeps the state of the job, in place of what was kept before.
    pub fn keep(&self, state: String) {
        if let Some(keep) = &self.keep {
            keep(state);
        }
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints").field("has_last", &self.last.is_some()).finish_non_exhaustive()
    }
}
