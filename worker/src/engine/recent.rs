use jobs::Digest;
use lru::LruCache;
use std::{fmt, num::NonZeroUsize, sync::Arc};

/// The last few values by the digest of what they were made from.
pub(super) struct Recent<V>(LruCache<Digest, Arc<V>>);

impl<V> Recent<V> {
    /// Keeps the `capacity` values that were used last; at least one.
    pub(super) fn new(capacity: usize) -> Self {
        Self(LruCache::new(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN)))
    }

    /// The value of `key`, made by `make` unless it is here.
    pub(super) fn get_or_make<E>(&mut self, key: Digest, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some(value) = self.0.get(&key) {
            return Ok(Arc::clone(value));
        }
        // The oldest goes first: two at a time need not fit.
        if self.0.len() == self.0.cap().get() {
            self.0.pop_lru();
        }
        let value = Arc::new(make()?);
        self.0.put(key, Arc::clone(&value));
        Ok(value)
    }
}

impl<V> fmt::Debug for Recent<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recent").field(&self.0.len()).finish()
    }
}
