use std::{fs, io, path::PathBuf, sync::Arc};
use tempfile::TempDir;

/// The state of a training in a file on this machine. The file is deleted with the last clone.
///
/// A state may have gigabytes: it goes from place to place as a file, and is in memory only while training makes use of it.
#[derive(Debug, Clone)]
pub struct StateFile(Arc<TempDir>);

impl StateFile {
    /// A file in a folder of its own, which the caller writes.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(tempfile::Builder::new().prefix("bowline-state-").tempdir()?)))
    }

    /// Where the file lies.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("state.safetensors")
    }

    /// Deletes the file early: its content was read. A file that stays goes with the last clone.
    pub fn discard(&self) {
        let _ = fs::remove_file(self.path());
    }
}

/// What a leg of a training goes on from.
#[derive(Debug, Clone, Default)]
pub enum LegStart {
    /// Nothing was kept before it. Only the first leg can start so.
    #[default]
    Nothing,
    /// The checkpoint of the leg before.
    LegBefore(StateFile),
    /// What the leg itself kept when it rested.
    Rested(StateFile),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_deleted_with_its_last_clone_or_early() {
        let state = StateFile::new().unwrap();
        let path = state.path();
        fs::write(&path, "state").unwrap();
        let clone = state.clone();
        drop(state);
        assert!(path.exists());
        clone.discard();
        assert!(!path.exists());
        clone.discard();
        fs::write(&path, "state").unwrap();
        drop(clone);
        assert!(!path.exists());
    }
}
