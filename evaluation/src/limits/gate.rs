//! Memory that several threads share while they decode.

use std::sync::{Condvar, Mutex, PoisonError};

/// Lets threads take memory as long as all together stay within a capacity.
///
/// A thread that holds a share must not wait for another one, nor for a task of the same thread pool.
pub(crate) struct Gate {
    capacity: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

/// Bytes that one thread may use until this is dropped.
pub(crate) struct Share<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    pub(crate) fn new(capacity: u64) -> Self {
        Self { capacity, taken: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until `bytes` are free. A request above the capacity waits until no other share is held.
    pub(crate) fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.capacity);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |taken: &mut u64| *taken > self.capacity - bytes;
        let mut taken = self.freed.wait_while(taken, is_full).unwrap_or_else(PoisonError::into_inner);
        *taken += bytes;
        Share { gate: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.gate.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    #[test]
    fn threads_hold_no_more_than_the_capacity_together() {
        let gate = Gate::new(10);
        let held = AtomicU64::new(0);
        let most = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for bytes in [3, 4, 5, 6, 10, 1, 2, 99] {
                let gate = &gate;
                let held = &held;
                let most = &most;
                scope.spawn(move || {
                    for _ in 0..100 {
                        let share = gate.take(bytes);
                        most.fetch_max(held.fetch_add(bytes.min(10), SeqCst) + bytes.min(10), SeqCst);
                        held.fetch_sub(bytes.min(10), SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 10);
    }
}
