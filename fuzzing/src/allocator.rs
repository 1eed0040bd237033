//! Counts the bytes that the process has allocated, and refuses more than it may.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The system's allocator with a count, a peak and a ceiling. What libraries in C allocate is not counted.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one hands all calls on as they are")]
// SAFETY: every call goes to the system's allocator with the arguments that the caller vouches for; a null pointer
// means that there is no memory, as the trait says.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !reserve(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's layout.
        let pointer = unsafe { System.alloc(layout) };
        release_unless(pointer, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !reserve(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's layout.
        let pointer = unsafe { System.alloc_zeroed(layout) };
        release_unless(pointer, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's pointer, which came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = size.saturating_sub(layout.size());
        if !reserve(grown) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's pointer and layout.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if !moved.is_null() {
            LIVE.fetch_sub(layout.size().saturating_sub(size), Relaxed);
        }
        release_unless(moved, grown)
    }
}

fn reserve(bytes: usize) -> bool {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if live > CEILING.load(Relaxed) {
        LIVE.fetch_sub(bytes, Relaxed);
        return false;
    }
    PEAK.fetch_max(live, Relaxed);
    true
}

fn release_unless(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() {
        LIVE.fetch_sub(bytes, Relaxed);
    }
    pointer
}

/// Counts what is allocated from here on.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    before: usize,
}

impl Measured {
    /// Begins to count. Allocations that would bring the process more than `most` bytes above what it has now fail,
    /// which ends the process unless the caller reserved with `try_reserve`.
    pub fn begin(most: usize) -> Self {
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        CEILING.store(before.saturating_add(most), Relaxed);
        Self { before }
    }

    /// Lifts the ceiling, and says how many bytes were allocated at once since the beginning, at the most.
    pub fn end(self) -> usize {
        CEILING.store(usize::MAX, Relaxed);
        PEAK.load(Relaxed).saturating_sub(self.before)
    }
}
