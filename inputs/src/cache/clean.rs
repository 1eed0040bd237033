use super::Cache;
use jobs::Digest;
use std::fs::{self, OpenOptions};

impl Cache {
    /// Removes what downloads left behind that were cut off, once in the life of a process.
    ///
    /// Whoever downloads holds the lock of the object: while it is free, nobody does. Best effort: what stays costs room
    /// only.
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
