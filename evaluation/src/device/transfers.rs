use std::sync::atomic::{AtomicU64, Ordering};

/// What went to a device, came back and was multiplied there, since a base was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransferCounts {
    /// Bytes from the processor to the device.
    pub up_bytes: u64,
    /// Bytes from the device to the processor.
    pub down_bytes: u64,
    /// How often the processor copied something back, and waited for it. Copies to the device may wait as well, and do not count.
    pub synchronisations: u64,
    /// Floating-point operations of matrix products: 2·m·k·n each. Other operations are not counted.
    pub flops: u64,
}

impl TransferCounts {
    /// What was counted after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            up_bytes: self.up_bytes - earlier.up_bytes,
            down_bytes: self.down_bytes - earlier.down_bytes,
            synchronisations: self.synchronisations - earlier.synchronisations,
            flops: self.flops - earlier.flops,
        }
    }
}

impl std::ops::Add for TransferCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up_bytes: self.up_bytes + other.up_bytes,
            down_bytes: self.down_bytes + other.down_bytes,
            synchronisations: self.synchronisations + other.synchronisations,
            flops: self.flops + other.flops,
        }
    }
}

/// Counts, from any thread.
#[derive(Debug, Default)]
pub(super) struct TransferCounter {
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    synchronisations: AtomicU64,
    flops: AtomicU64,
}

impl TransferCounter {
    pub(super) fn up(&self, bytes: u64) {
        self.up_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a copy to the processor, which waits for it.
    pub(super) fn down(&self, bytes: u64) {
        self.down_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.synchronisations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn multiplied(&self, flops: u64) {
        self.flops.fetch_add(flops, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> TransferCounts {
        TransferCounts {
            up_bytes: self.up_bytes.load(Ordering::Relaxed),
            down_bytes: self.down_bytes.load(Ordering::Relaxed),
            synchronisations: self.synchronisations.load(Ordering::Relaxed),
            flops: self.flops.load(Ordering::Relaxed),
        }
    }
}
