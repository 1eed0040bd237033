use files::{FilesInUse, MappedFile};
use inputs::InputError;
use jobs::Digest;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};
use worker::JobError;

/// The file that every simulated job reads, as real jobs read the base model. Its content decides the scores.
#[derive(Debug, Clone)]
pub struct SimInput {
    path: PathBuf,
}

/// An input that a job has mapped, as a real job maps the base model, and what it was when it was hashed.
#[derive(Debug)]
pub(super) struct HeldInput {
    map: MappedFile,
    files: FilesInUse,
}

/// What the file adds to the right answers of each task: nothing, unless the file was changed.
const SOUND: u64 = 0;
const CHANGED: u64 = 500;

/// The size of the file: several pages. Each eight bytes hold the same number.
const WORDS: usize = 4096;

impl SimInput {
    /// The input at `path`, which may not be there yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the sound content to a new file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(&self) -> io::Result<()> {
        fs::write(&self.path, content(SOUND))
    }

    /// Overwrites the file with other content of the same size.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn rewrite(&self) -> io::Result<()> {
        self.overwrite(CHANGED)
    }

    /// Cuts the file to half of its size.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn truncate(&self) -> io::Result<()> {
        OpenOptions::new().write(true).open(&self.path)?.set_len((WORDS * size_of::<u64>() / 2) as u64)
    }

    /// Puts another file with other content in its place by renaming.
    ///
    /// # Errors
    /// The file cannot be written or renamed.
    pub fn replace(&self) -> io::Result<()> {
        self.put(CHANGED)
    }

    /// Overwrites the file with the sound content.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn restore(&self) -> io::Result<()> {
        self.overwrite(SOUND)
    }

    /// Puts a file with the sound content in its place by renaming.
    ///
    /// # Errors
    /// The file cannot be written or renamed.
    pub fn put_back(&self) -> io::Result<()> {
        self.put(SOUND)
    }

    /// Maps the file for a job, which was made for the sound content.
    pub(super) fn open(&self) -> Result<HeldInput, JobError> {
        let map = MappedFile::open(&self.path).map_err(|source| self.unusable(source))?;
        let mut files = FilesInUse::default();
        files.add(self.path.clone(), *map.identity());
        let expected = Digest::of(&content(SOUND));
        let found = Digest::of(&map);
        if expected != found {
            // A transient error. `JobError::Changed` blames the machine and is tried again on another one; simulated
            // workers have no machine, so their failure would be permanent at once.
            let changed = "the file was changed after the job was made";
            return Err(self.unusable(io::Error::new(io::ErrorKind::ResourceBusy, changed)));
        }
        Ok(HeldInput { map, files })
    }

    fn unusable(&self, source: io::Error) -> JobError {
        let reference = self.path.display().to_string();
        let file = self.path.clone();
        JobError::Input(InputError::Read { reference, file, source })
    }

    fn overwrite(&self, word: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.write_all(&content(word))
    }

    fn put(&self, word: u64) -> io::Result<()> {
        let aside = self.path.with_extension("new");
        fs::write(&aside, content(word))?;
        fs::rename(&aside, &self.path)
    }
}

impl HeldInput {
    /// What its current content adds to the right answers. Reading a file that was cut short ends the process.
    pub(super) fn word(&self) -> u64 {
        self.map.last_chunk().map_or(SOUND, |word| u64::from_le_bytes(*word))
    }

    /// Fails unless the file is what was hashed, as a real job does before its result is stored.
    pub(super) fn check(&self) -> Result<(), JobError> {
        Ok(self.files.check()?)
    }
}

fn content(word: u64) -> Vec<u8> {
    word.to_le_bytes().repeat(WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_whose_input_changes_has_no_answer_whatever_is_restored_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let input = SimInput::at(folder.path().join("input"));
        input.create().unwrap();
        let held = input.open().unwrap();
        held.check().unwrap();
        assert_eq!(held.word(), SOUND);

        input.rewrite().unwrap();
        assert_eq!(held.word(), CHANGED, "a map is of the file as it is now");
        assert!(input.open().unwrap_err().is_retryable(), "the job is tried again once the file is restored");
        input.restore().unwrap();
        assert_eq!(held.word(), SOUND);
        assert!(held.check().is_err(), "the file was another one in between");

        let held = input.open().unwrap();
        input.replace().unwrap();
        assert!(held.check().is_err() && input.open().is_err());
        input.put_back().unwrap();
        input.open().unwrap().check().unwrap();
    }
}
