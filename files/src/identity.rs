use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    thread,
    time::{Duration, SystemTime},
};

/// File systems stamp files with a clock that advances in steps of up to ten milliseconds.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// Which file it is, and when it was last written to.
///
/// The time of the last change of its attributes is part of it. Programs cannot set that time, so a file that was
/// written to differs even if its size and its time of modification were restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: Timestamp,
    changed: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timestamp {
    seconds: i64,
    nanoseconds: i64,
}

impl FileIdentity {
    /// The identity in the metadata of a file or of its handle.
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: Timestamp { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() },
            changed: Timestamp { seconds: metadata.ctime(), nanoseconds: metadata.ctime_nsec() },
        }
    }

    /// Device and inode: the file itself, whatever its content.
    pub fn inode(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What differs from the identity that the file had before; `None` if it is the same.
    pub fn change_since(&self, before: &Self) -> Option<Change> {
        if self == before {
            return None;
        }
        Some(if self.inode() != before.inode() {
            Change::Replaced
        } else if self.size != before.size {
            Change::Resized { before: before.size, after: self.size }
        } else if self.modified != before.modified {
            Change::Written
        } else {
            Change::Touched
        })
    }

    /// Waits until every later write to the file is stamped with another time than it has now: at most one step of the
    /// clock.
    pub fn wait_for_clock(&self) {
        let nanoseconds = u32::try_from(self.changed.nanoseconds).unwrap_or(0);
        let seconds = u64::try_from(self.changed.seconds).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        // A time in the future is of another machine's clock.
        let Ok(age) = SystemTime::now().duration_since(changed) else { return };
        if let Some(rest) = CLOCK_STEP.checked_sub(age) {
            thread::sleep(rest);
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another file has its name.
    Replaced,
    /// It has another size.
    Resized {
        /// Bytes that it had.
        before: u64,
        /// Bytes that it has.
        after: u64,
    },
    /// It was written to, and its size is the same.
    Written,
    /// Size and time of modification are the same, and the time of change is not: attributes, names or links were
    /// changed, or it was written to by a program that then restored the time of modification.
    Touched,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced => write!(f, "another file has taken its place"),
            Self::Resized { before, after } => write!(f, "it had {before} bytes, and has {after}"),
            Self::Written => write!(f, "it was written to"),
            Self::Touched => write!(f, "its time of change (ctime) is another"),
        }
    }
}

/// A file is not, or cannot be shown to be, what was hashed.
#[derive(Debug, thiserror::Error)]
pub enum FileChanged {
    /// It is another, or has another content.
    #[error("`{}` has changed since it was hashed: {change}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What became of it.
        change: Change,
    },
    /// It cannot be looked at any more.
    #[error("`{}`, which was hashed, cannot be opened again", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, time::UNIX_EPOCH};

    #[test]
    fn a_file_that_is_written_to_has_another_identity_whatever_is_restored_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let then = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            File::options().append(true).open(&path).unwrap().set_modified(then).unwrap();
            FileIdentity::of(&fs::metadata(&path).unwrap())
        };
        let before = write(b"first");
        assert_eq!(before.change_since(&before), None);
        before.wait_for_clock();
        assert_eq!(write(b"other").change_since(&before), Some(Change::Touched));
        assert_eq!(write(b"longer").change_since(&before), Some(Change::Resized { before: 5, after: 6 }));
        fs::write(&path, b"fifth").unwrap();
        assert_eq!(FileIdentity::of(&fs::metadata(&path).unwrap()).change_since(&before), Some(Change::Written));
        fs::write(folder.path().join("new"), b"fifth").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(FileIdentity::of(&fs::metadata(&path).unwrap()).change_since(&before), Some(Change::Replaced));
    }
}
