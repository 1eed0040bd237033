use super::Cache;
use jobs::Digest;
use std::fs::{self, OpenOptions};

impl Cache {
    /// Removes the remains of interrupted downloads, once per process.
    ///
    /// A process that downloads an object holds its lock; a free lock means that no download is active. Best effort:
    /// remaining files cost only disk space.
    pub(super) fn clean(&self) {
        self.cleaned.call_once(|| {
            for entry in fs::read_dir(self.root.join("partial")).into_iter().flatten().flatten() {
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) else {
                    continue;
                };
                let Ok(lock) = OpenOptions::new().write(true).open(self.path("objects", id)) else { continue };
                if lock.try_lock().is_ok() {
                    let _ = fs::remove_file(entry.path());
                }
            }
        });
    }
}
