//! The private folder of a command.

use super::CommandError;
use serde::Serialize;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder that only this user reads, with places for everything of one run. It is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct CommandFolder {
    folder: TempDir,
}

impl CommandFolder {
    /// Makes the folder.
    pub(crate) fn new() -> Result<Self, CommandError> {
        let folder = tempfile::Builder::new().prefix("bowline-command-").tempdir();
        let folder = folder.map_err(wrong("make a folder in", &std::env::temp_dir()))?;
        let made = Self { folder };
        for path in [made.work(), made.home(), made.temporary()] {
            fs::create_dir(&path).map_err(wrong("make", &path))?;
        }
        Ok(made)
    }

    /// The working folder, with the declared files.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The folder for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Where a model or an adapter is written.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    /// Where the command writes its answer.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.path().join("output.json")
    }

    /// Copies a declared file to its place. The command may change the copy.
    pub(crate) fn place(&self, name: &str, from: &Path) -> Result<(), CommandError> {
        let to = self.work().join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(wrong("make", parent))?;
        }
        fs::copy(from, &to).map_err(wrong("copy", from))?;
        Ok(())
    }

    /// Writes a JSON file beside the working folder, and returns where it is.
    pub(crate) fn describe(&self, name: &str, content: &impl Serialize) -> Result<PathBuf, CommandError> {
        let path = self.folder.path().join(name);
        let file = File::create(&path).map_err(wrong("write", &path))?;
        serde_json::to_writer(&file, content).map_err(|source| wrong("write", &path)(io::Error::other(source)))?;
        Ok(path)
    }
}

fn wrong(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CommandError {
    let path = path.to_owned();
    move |source| CommandError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn declared_files_lie_under_their_names_can_be_run_and_go_with_the_folder() {
        let there = tempfile::tempdir().unwrap();
        let script = there.path().join("script");
        fs::write(&script, "#!/bin/sh").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let folder = CommandFolder::new().unwrap();
        folder.place("deep/eval.sh", &script).unwrap();
        let copy = folder.work().join("deep/eval.sh");
        assert_eq!(fs::read_to_string(&copy).unwrap(), "#!/bin/sh");
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        let private = folder.home().parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(private & 0o077, 0, "nobody else reads it");
        let root = folder.home().parent().unwrap().to_owned();
        drop(folder);
        assert!(!root.exists());
    }
}
