use super::{attempt::Attempt, base::ImageBase, place};
use crate::{JobError, metrics::Cache};
use evaluation::{DataError, DiskCache, Embedded, Limits, Pictures, Source};
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
        let pictures = Arc::new(self.read_within_budget(attempt, base, task)?);
        let bytes = base.model.embedded_bytes_per_picture().saturating_mul(pictures.len() as u64);
        let needed = bytes.saturating_add(pictures.memory_bytes());
        while self.held_bytes.saturating_add(needed) > self.budget_bytes && self.drop_oldest() {}
        // Until they are embedded, the pictures themselves take their part of the memory.
        let left = self.budget_bytes.saturating_sub(self.held_bytes).saturating_sub(pictures.memory_bytes());
        let embedded = Arc::new(attempt.evaluating(|watch| base.model.embed(&pictures, left, watch))?);
        if embedded.is_held() {
            self.held_bytes += bytes;
            self.sets.put(task.data, Held { embedded: Arc::clone(&embedded), bytes });
        }
        Ok(embedded)
    }
}

/// Bytes that pictures may take while they are read, however small the budget for those that are kept.
const LEAST_BYTES: u64 = 256 << 20;

impl PictureSets {
    /// Reads the task's pictures; sets that are held make room for them.
    fn read_within_budget(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &ImageBase,
        task: &TaskInput,
    ) -> Result<Pictures, JobError> {
        loop {
            let picture_bytes = self.budget_bytes.saturating_sub(self.held_bytes).max(LEAST_BYTES);
            let read = attempt.loading(|attempt| self.read(attempt, base, task, Limits { picture_bytes }));
            // How much the pictures take is known when the first are read, so little is read twice.
            let is_too_large = matches!(&read, Err(JobError::Data { source: DataError::TooLarge { .. }, .. }));
            if !(is_too_large && self.drop_oldest()) {
                return read;
            }
        }
    }

    /// Lets go of the set that was not used for the longest time; false if there is none.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.sets.pop_lru();
        self.held_bytes -= oldest.as_ref().map_or(0, |(_, held)| held.bytes);
        oldest.is_some()
    }

    fn read(
        &self,
        attempt: &mut Attempt<'_>,
        base: &ImageBase,
        task: &TaskInput,
        limits: Limits,
    ) -> Result<Pictures, JobError> {
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
        let read = || Pictures::read_within(&source, &base.preprocess, cache.as_ref(), limits).map_err(wrong);
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
