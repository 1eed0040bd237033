//! The private folder of a command.

use super::{CommandError, live::LiveFolder};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder that only this user reads, with places for everything of one run. It is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct CommandFolder {
    folder: TempDir,
    /// Dropped after the folder is deleted.
    _live: LiveFolder,
}

/// What a declared file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is read.
    Read,
    /// It is the program.
    Run,
}

impl CommandFolder {
    /// Makes the folder.
    pub(crate) fn new() -> Result<Self, CommandError> {
        let live = LiveFolder::new();
        // Others of the machine may not read adapters and data.
        let private = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("bowline-command-").permissions(private).tempdir();
        let folder = folder.map_err(wrong("make a folder in", &std::env::temp_dir()))?;
        let made = Self { folder, _live: live };
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
    ///
    /// Modes of the source are no part of the job, and are lost in buckets, so none of them is kept.
    pub(crate) fn place(&self, name: &str, from: &Path, placed: Placed) -> Result<(), CommandError> {
        let to = self.work().join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(wrong("make", parent))?;
        }
        let mode = match placed {
            Placed::Read => 0o600,
            Placed::Run => 0o700,
        };
        let copy = || {
            let mut reader = File::open(from)?;
            let mut writer = OpenOptions::new().write(true).create_new(true).mode(mode).open(&to)?;
            io::copy(&mut reader, &mut writer)
        };
        copy().map_err(wrong("copy", from))?;
        Ok(())
    }

    /// Makes a folder `name` with links to `files`, which lie below `root`, under their names there. A command that writes into it
    /// writes into no folder of somebody else.
    pub(crate) fn link<'a>(
        &self,
        name: &str,
        root: &Path,
        files: impl Iterator<Item = &'a Path>,
    ) -> Result<PathBuf, CommandError> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).map_err(wrong("make", &folder))?;
        for file in files {
            let below = file.strip_prefix(root).map_err(|_| wrong("link", file)(io::ErrorKind::InvalidInput.into()))?;
            let link = folder.join(below);
            if let Some(parent) = link.parent() {
                fs::create_dir_all(parent).map_err(wrong("make", parent))?;
            }
            let target = std::path::absolute(file).map_err(wrong("link", file))?;
            symlink(target, &link).map_err(wrong("link", &link))?;
        }
        Ok(folder)
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

    #[test]
    fn declared_files_lie_under_their_names_whatever_their_modes_were_and_go_with_the_folder() {
        let there = tempfile::tempdir().unwrap();
        let script = there.path().join("script");
        fs::write(&script, "#!/bin/sh").unwrap();
        let folder = CommandFolder::new().unwrap();
        for (mode, placed, name, expected) in
            [(0o644, Placed::Run, "deep/eval.sh", 0o700), (0o4555, Placed::Read, "table.csv", 0o600)]
        {
            fs::set_permissions(&script, fs::Permissions::from_mode(mode)).unwrap();
            folder.place(name, &script, placed).unwrap();
            let copy = folder.work().join(name);
            assert_eq!(fs::read_to_string(&copy).unwrap(), "#!/bin/sh");
            assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o7777, expected, "{name}");
        }
        let private = folder.home().parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(private & 0o077, 0, "nobody else reads it");
        let root = folder.home().parent().unwrap().to_owned();
        drop(folder);
        assert!(!root.exists());
    }

    #[test]
    fn a_folder_of_links_holds_the_files_that_were_named_and_nothing_written_to_it_goes_elsewhere() {
        let there = tempfile::tempdir().unwrap();
        fs::create_dir(there.path().join("deep")).unwrap();
        for name in ["config.json", "deep/more", ".hidden"] {
            fs::write(there.path().join(name), name).unwrap();
        }
        let folder = CommandFolder::new().unwrap();
        let files = ["config.json", "deep/more"].map(|name| there.path().join(name));
        let links = folder.link("base", there.path(), files.iter().map(PathBuf::as_path)).unwrap();
        assert_eq!(fs::read_to_string(links.join("deep/more")).unwrap(), "deep/more");
        assert!(!links.join(".hidden").exists());
        fs::write(links.join("deep/cache"), "").unwrap();
        assert!(!there.path().join("deep/cache").exists());
        drop(folder);
        assert!(files.iter().all(|file| file.exists()), "links are deleted, and not what they lead to");
    }
}
