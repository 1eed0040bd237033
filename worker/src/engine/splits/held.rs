//! Prepared splits of all sessions, within one budget.

use jobs::Digest;
use lru::LruCache;
use parking_lot::Mutex;
use std::{any::Any, fmt, marker::PhantomData, sync::Arc};

/// The prepared splits that an engine holds, of all of its sessions. A clone is the same.
#[derive(Clone)]
pub(in crate::engine) struct HeldSplits {
    state: Arc<Mutex<State>>,
}

struct State {
    bytes: u64,
    splits: LruCache<Key, Held>,
}

/// The session that prepared a split, and the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    session: Digest,
    data: Digest,
}

struct Held {
    /// Of the type that the session's family takes.
    examples: Arc<dyn Any + Send + Sync>,
    bytes: u64,
}

/// The splits of one session among those of all. They are dropped with it.
pub(super) struct SessionSplits<E> {
    all: HeldSplits,
    session: Digest,
    of: PhantomData<fn() -> E>,
}

impl Default for HeldSplits {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State { bytes: 0, splits: LruCache::unbounded() })) }
    }
}

impl fmt::Debug for HeldSplits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("HeldSplits").field("bytes", &state.bytes).field("splits", &state.splits.len()).finish()
    }
}

impl State {
    /// Drops the split that was not used for the longest time, among those that `may_go`. Returns `false` if there is none.
    fn drop_oldest(&mut self, may_go: impl Fn(&Key, u64) -> bool) -> bool {
        let oldest = self.splits.iter().rev().find(|(key, held)| may_go(key, held.bytes)).map(|(key, _)| *key);
        let dropped = oldest.and_then(|key| self.splits.pop(&key));
        self.bytes -= dropped.as_ref().map_or(0, |held| held.bytes);
        dropped.is_some()
    }
}

impl<E: Send + Sync + 'static> SessionSplits<E> {
    pub(super) fn new(all: HeldSplits, session: Digest) -> Self {
        Self { all, session, of: PhantomData }
    }

    /// Bytes of the splits of all sessions.
    pub(super) fn bytes(&self) -> u64 {
        self.all.state.lock().bytes
    }

    /// How many splits of this session are held.
    pub(super) fn len(&self) -> usize {
        self.all.state.lock().splits.iter().filter(|(key, _)| key.session == self.session).count()
    }

    pub(super) fn get(&self, data: Digest) -> Option<Arc<E>> {
        let mut state = self.all.state.lock();
        let held = state.splits.get(&self.key(data))?;
        Arc::clone(&held.examples).downcast().ok()
    }

    /// Whether a split is held. This is no use of it.
    pub(super) fn has(&self, data: Digest) -> bool {
        self.all.state.lock().splits.contains(&self.key(data))
    }

    pub(super) fn put(&self, data: Digest, examples: &Arc<E>, bytes: u64) {
        let examples: Arc<dyn Any + Send + Sync> = Arc::clone(examples) as _;
        let mut state = self.all.state.lock();
        let before = state.splits.put(self.key(data), Held { examples, bytes });
        state.bytes = state.bytes + bytes - before.map_or(0, |held| held.bytes);
    }

    /// Bytes of this session's splits that are in `own`.
    pub(super) fn own_bytes(&self, is_own: impl Fn(&Digest) -> bool) -> u64 {
        let state = self.all.state.lock();
        let own = state.splits.iter().filter(|(key, _)| key.session == self.session && is_own(&key.data));
        own.map(|(_, held)| held.bytes).sum()
    }

    /// Makes room: drops the split of any session that was not used for the longest time, among those that take any. Returns `false` if
    /// there is none.
    pub(super) fn drop_oldest(&self) -> bool {
        self.all.state.lock().drop_oldest(|_, bytes| bytes > 0)
    }

    /// The same, but keeps the splits of this session that are in `own`.
    pub(super) fn drop_oldest_but(&self, is_own: impl Fn(&Digest) -> bool) -> bool {
        self.all.state.lock().drop_oldest(|key, bytes| bytes > 0 && (key.session != self.session || !is_own(&key.data)))
    }

    /// Drops one of this session's splits that are not in `own`.
    pub(super) fn drop_oldest_here_but(&self, is_own: impl Fn(&Digest) -> bool) -> bool {
        self.all.state.lock().drop_oldest(|key, _| key.session == self.session && !is_own(&key.data))
    }

    fn key(&self, data: Digest) -> Key {
        Key { session: self.session, data }
    }
}

impl<E> Drop for SessionSplits<E> {
    fn drop(&mut self) {
        let mut state = self.all.state.lock();
        while state.drop_oldest(|key, _| key.session == self.session) {}
    }
}

impl<E> fmt::Debug for SessionSplits<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSplits").field("all", &self.all).field("session", &self.session).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    #[test]
    fn sessions_share_one_budget_and_the_split_used_longest_ago_goes_first() {
        let all = HeldSplits::default();
        let first: SessionSplits<u32> = SessionSplits::new(all.clone(), digest("first"));
        let second: SessionSplits<String> = SessionSplits::new(all, digest("second"));
        let data = digest("data");
        first.put(data, &Arc::new(1), 10);
        second.put(data, &Arc::new("two".to_owned()), 20);
        assert_eq!((first.bytes(), second.bytes()), (30, 30));
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_eq!(first.get(data).as_deref(), Some(&1), "each session has its own");
        assert!(second.drop_oldest_but(|_| true), "the other session's is not the own one");
        assert_eq!(first.get(data), None);
        assert!(!second.drop_oldest_but(|_| true) && !first.drop_oldest_here_but(|_| false));
        assert!(second.drop_oldest());
        assert_eq!(second.bytes(), 0);
    }

    #[test]
    fn what_takes_no_memory_is_not_dropped_to_make_room() {
        let all = HeldSplits::default();
        let texts: SessionSplits<u32> = SessionSplits::new(all.clone(), digest("texts"));
        let images: SessionSplits<u32> = SessionSplits::new(all, digest("images"));
        texts.put(digest("a"), &Arc::new(1), 0);
        images.put(digest("b"), &Arc::new(2), 10);
        assert_eq!(images.own_bytes(|data| *data == digest("b")), 10);
        assert!(!images.drop_oldest_but(|data| *data == digest("b")), "texts would make none");
        assert!(images.drop_oldest() && !images.drop_oldest());
        assert_eq!(texts.get(digest("a")).as_deref(), Some(&1));
        assert!(texts.drop_oldest_here_but(|_| false), "their number is bounded all the same");
    }

    #[test]
    fn a_session_that_ends_leaves_nothing_behind() {
        let all = HeldSplits::default();
        let first: SessionSplits<u32> = SessionSplits::new(all.clone(), digest("first"));
        let second: SessionSplits<u32> = SessionSplits::new(all, digest("second"));
        first.put(digest("a"), &Arc::new(1), 10);
        first.put(digest("a"), &Arc::new(3), 15);
        second.put(digest("a"), &Arc::new(2), 5);
        assert_eq!(second.bytes(), 20, "a split that is put again counts once");
        drop(first);
        assert_eq!(second.bytes(), 5);
        assert_eq!(second.get(digest("a")).as_deref(), Some(&2));
    }
}
