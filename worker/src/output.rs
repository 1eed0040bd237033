use jobs::{Artefact, ArtefactFile, Digest, MergeFacts, TaskScore};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The output of a job: scores of an evaluation, or files.
#[derive(Debug)]
pub enum Output {
    /// The output of an evaluation.
    Scores(Scores),
    /// The output of every other kind. They become an artefact.
    Files(OutputFiles),
}

/// Scores, with facts about the merge.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The scores, in the order of the job's tasks.
    pub scores: Vec<TaskScore>,
    /// Facts about the merge, if there was one.
    pub merge: Option<MergeFacts>,
}

/// Files on this machine that a job wrote, before they are stored. They are deleted when this is dropped.
#[derive(Debug)]
pub struct OutputFiles {
    folder: TempDir,
    artefact: Artefact,
}

impl OutputFiles {
    /// All files below `folder`, with their digests.
    ///
    /// # Errors
    /// A file cannot be read, or has a name that is not Unicode.
    pub fn of(folder: TempDir, facts: BTreeMap<String, f64>) -> io::Result<Self> {
        let mut files = Vec::new();
        describe(folder.path(), folder.path(), &mut files)?;
        files.sort_unstable_by(|one: &ArtefactFile, other| one.name.cmp(&other.name));
        Ok(Self { folder, artefact: Artefact { files, facts } })
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The artefact that the files become.
    pub fn artefact(&self) -> &Artefact {
        &self.artefact
    }
}

fn describe(root: &Path, folder: &Path, files: &mut Vec<ArtefactFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            describe(root, &path, files)?;
        } else {
            let size = fs::metadata(&path)?.len();
            files.push(ArtefactFile {
                name: name_of(root, &path)?,
                digest: Digest::of_reader(File::open(&path)?)?,
                size,
            });
        }
    }
    Ok(())
}

/// The path of a file below `root`, with slashes on every system.
fn name_of(root: &Path, path: &Path) -> io::Result<String> {
    let below: PathBuf = path.strip_prefix(root).map_err(io::Error::other)?.to_owned();
    let parts = below.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>();
    let parts = parts.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the name of a file is not Unicode"))?;
    Ok(parts.join("/"))
}

impl Output {
    /// The scores of an evaluation.
    pub fn scores(self) -> Option<Scores> {
        match self {
            Self::Scores(scores) => Some(scores),
            Self::Files(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_relative_to_their_folder_and_sorted() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("z"), "last").unwrap();
        fs::write(folder.path().join("deep/a"), "first").unwrap();
        let made = OutputFiles::of(folder, BTreeMap::new()).unwrap();
        let files: Vec<_> = made.artefact().files.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(files, [("deep/a", 5), ("z", 4)]);
        assert_eq!(made.artefact().files[1].digest, Digest::of(b"last"));
        let path = made.folder().to_owned();
        drop(made);
        assert!(!path.exists());
    }
}
