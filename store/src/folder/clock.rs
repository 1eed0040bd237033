//! The clock that stamps the files of a folder: on a shared file system it is the server's, and not this machine's.

use parking_lot::Mutex;
use std::{
    fs::Metadata,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long a reading is extrapolated by this machine's monotonic clock before another is taken.
const CARRIED: Duration = Duration::from_secs(60);

/// The clock of the file system, read from a new file from time to time. Clones share the readings.
#[derive(Debug, Clone, Default)]
pub(super) struct FileClock(Arc<Mutex<Option<Reading>>>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    file_ms: u64,
    taken: Instant,
}

impl FileClock {
    /// Milliseconds since 1970 by the clock of the file system that holds `temporary`. If no file can be created, the
    /// store is only read, and this machine's own clock is used.
    pub(super) fn now_ms(&self, temporary: &Path) -> u64 {
        let mut last = self.0.lock();
        if let Some(Reading { file_ms, taken }) = *last
            && taken.elapsed() < CARRIED
        {
            return file_ms.saturating_add(millis(taken.elapsed()));
        }
        let taken = Instant::now();
        let Ok(file_ms) = read_off(temporary) else { return ms_of(SystemTime::now()) };
        *last = Some(Reading { file_ms, taken });
        file_ms
    }
}

fn read_off(temporary: &Path) -> io::Result<u64> {
    modified_ms(&tempfile::tempfile_in(temporary)?.metadata()?)
}

/// When a file was last written.
pub(super) fn modified_ms(metadata: &Metadata) -> io::Result<u64> {
    metadata.modified().map(ms_of)
}

fn ms_of(time: SystemTime) -> u64 {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
