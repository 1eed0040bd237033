use super::{attempt::Attempt, base::ImageBase, place};
use crate::{JobError, metrics::Cache};
use evaluation::{DiskCache, Embedded, Pictures, Source};
use jobs::{Digest, TaskInput};
use lru::LruCache;
use std::{path::PathBuf, sync::Arc};

/// Embedded pictures of the tasks that the last jobs used, within a budget of memory.
#[derive(Debug)]
pub(super) struct PictureSets {
    budget_bytes: u64,
    held_bytes: u64,
    sets: LruCache<Digest, Held>,
    cache: Option<PathBuf>,
}

struct Held {
    embedded: Arc<Embedded>,
    bytes: u64,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl PictureSets {
    pub(super) fn new(budget_bytes: u64, cache: Option<PathBuf>) -> Self {
        Self { budget_bytes, held_bytes: 0, sets: LruCache::unbounded(), cache }
    }

    /// The task's pictures on the split of the job, read and embedded at first use.
    pub(super) fn get(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &ImageBase,
        task: &TaskInput,
    ) -> Result<Arc<Embedded>, JobError> {
        let held = self.sets.get(&task.data);
        attempt.metrics.looked(Cache::Data, held.is_some());
        if let Some(held) = held {
            return Ok(Arc::clone(&held.embedded));
        }
        let pictures = Arc::new(attempt.loading(|attempt| self.read(attempt, base, task))?);
        let bytes = base.model.embedded_bytes_per_picture().saturating_mul(pictures.len() as u64);
        while self.held_bytes.saturating_add(bytes) > self.budget_bytes
            && let Some((_, oldest)) = self.sets.pop_lru()
        {
            self.held_bytes -= oldest.bytes;
        }
        let left = self.budget_bytes.saturating_sub(self.held_bytes);
        let embedded = Arc::new(attempt.evaluating(|watch| base.model.embed(&pictures, left, watch))?);
        if embedded.is_held() {
            self.held_bytes += bytes;
            self.sets.put(task.data, Held { embedded: Arc::clone(&embedded), bytes });
        }
        Ok(embedded)
    }
}

impl PictureSets {
    fn read(&self, attempt: &mut Attempt<'_>, base: &ImageBase, task: &TaskInput) -> Result<Pictures, JobError> {
        let job = attempt.job;
        let spec = place(&job.places.data, task, "data")?;
        let located = attempt.inputs.expecting(task.data).data(spec, &job.meaning.split)?;
        attempt.note_commit(&spec.source, located.commit);
        attempt.unchanged(&spec.source, located.digest, task.data)?;
        let source = Source {
            files: &located.files,
            image_column: &spec.image_column,
            label_column: &spec.label_column,
            rows: &located.rows,
        };
        let digest = task.data.to_string();
        let cache = self.cache.as_deref().map(|folder| DiskCache { folder, digest: &digest });
        let wrong = |source| JobError::Data { task: task.name.clone(), split: job.meaning.split.clone(), source };
        let read = || Pictures::read(&source, &base.preprocess, cache.as_ref()).map_err(wrong);
        let pictures = attempt.read(&located.files_in_use, read)?;
        let absent = pictures.absent_classes();
        if !absent.is_empty() {
            let task = &task.name;
            let split = &job.meaning.split;
            tracing::warn!(%task, %split, classes = absent.join(", "), "the split has no picture of some classes");
        }
        Ok(pictures)
    }
}
