use crate::{Metrics, metrics::Cache};
use jobs::Digest;
use lru::LruCache;
use std::{fmt, num::NonZeroUsize, sync::Arc};

/// A cache of the last few values, by the digest of what they were made from.
pub(super) struct Recent<V> {
    values: LruCache<Digest, Arc<V>>,
    cache: Cache,
    metrics: Metrics,
}

impl<V> Recent<V> {
    /// Keeps the `capacity` values that were used last, at least one. Lookups are counted under `cache`.
    pub(super) fn new(capacity: usize, cache: Cache, metrics: &Metrics) -> Self {
        let values = LruCache::new(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN));
        Self { values, cache, metrics: metrics.clone() }
    }

    /// Drops all values.
    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// The value of `key`, made by `make` unless it is cached.
    pub(super) fn get_or_make<E>(&mut self, key: Digest, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let found = self.values.get(&key);
        self.metrics.looked_up(self.cache, found.is_some());
        if let Some(value) = found {
            return Ok(Arc::clone(value));
        }
        // The oldest value is dropped first: memory may not hold one more.
        if self.values.len() == self.values.cap().get() {
            self.values.pop_lru();
        }
        let value = Arc::new(make()?);
        self.values.put(key, Arc::clone(&value));
        Ok(value)
    }
}

impl<V> fmt::Debug for Recent<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recent").field(&self.values.len()).finish()
    }
}
