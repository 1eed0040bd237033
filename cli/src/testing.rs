//! Inputs of tests that change while they are in use.

use crate::failure::Failure;
use jobs::error_line;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder of the project's examples.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A copy of an input, of which one file is going to change.
pub(crate) struct ChangedFile {
    copy: TempDir,
    name: &'static str,
}

impl ChangedFile {
    /// Copies the files of a folder of the project.
    pub(crate) fn in_copy_of(folder: &str, name: &'static str) -> Self {
        let copy = TempDir::new().unwrap();
        for entry in fs::read_dir(example(folder)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        Self { copy, name }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.copy.path().to_owned()
    }

    /// Overwrites the last bytes of the file in place: its size stays.
    pub(crate) fn change(&self) {
        let path = self.copy.path().join(self.name);
        let mut content = fs::read(&path).unwrap();
        content.iter_mut().rev().take(4).for_each(|byte| *byte ^= 1);
        File::options().write(true).open(&path).unwrap().write_all(&content).unwrap();
    }

    /// Whether `failure` says that the file has changed.
    pub(crate) fn is_named_in(&self, failure: &Failure) -> bool {
        error_line(failure).contains(&format!("{}` has changed since it was hashed", self.name))
    }
}
