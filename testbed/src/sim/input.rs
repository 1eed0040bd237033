use inputs::InputError;
use jobs::Digest;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use worker::JobError;

/// The file that every simulated job reads, as real jobs read the base model. Its content decides the scores.
#[derive(Debug, Clone)]
pub struct SimInput {
    path: PathBuf,
}

/// An input that a job has opened and holds, as a real job holds a mapping of the base model.
#[derive(Debug)]
pub(super) struct HeldInput {
    path: PathBuf,
    file: File,
}

/// What the file adds to the right answers of each task: nothing, unless the file was changed.
const SOUND: u64 = 0;
const CHANGED: u64 = 500;

/// The size of the file; each eight bytes hold the same number.
const WORDS: usize = 512;

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

    /// Opens the file for a job, which was made for the sound content.
    pub(super) fn open(&self) -> Result<HeldInput, JobError> {
        let mut read = Vec::new();
        let opened = File::open(&self.path).and_then(|mut file| file.read_to_end(&mut read).map(|_| file));
        let file = opened.map_err(|source| unusable(&self.path, source))?;
        let (expected, found) = (Digest::of(&content(SOUND)), Digest::of(&read));
        if expected != found {
            let place = self.path.display().to_string();
            return Err(JobError::Changed { place, expected: expected.short(), found: found.short() });
        }
        Ok(HeldInput { path: self.path.clone(), file })
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
    /// What it adds to the right answers, by the content that it has now.
    ///
    /// # Errors
    /// The file is shorter than it was, or cannot be read.
    pub(super) fn word(&self) -> Result<u64, JobError> {
        let mut word = [0; size_of::<u64>()];
        let read = self.file.read_exact_at(&mut word, ((WORDS - 1) * size_of::<u64>()) as u64);
        read.map_err(|source| unusable(&self.path, source))?;
        Ok(u64::from_le_bytes(word))
    }
}

fn unusable(path: &Path, source: io::Error) -> JobError {
    JobError::Input(InputError::Read { reference: path.display().to_string(), file: path.to_owned(), source })
}

fn content(word: u64) -> Vec<u8> {
    word.to_le_bytes().repeat(WORDS)
}
