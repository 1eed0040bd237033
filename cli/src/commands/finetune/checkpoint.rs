use crate::failure::{Failure, FinetuneFailure};
use evaluation::{TrainState, Trainer};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file beside the output in which the state of a run is kept until it ends.
pub(super) struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    pub(super) fn beside(out: &Path) -> Self {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(".checkpoint");
        Self { path: out.with_file_name(name) }
    }

    /// The state that an interrupted run left, if there is one.
    pub(super) fn last(&self, run: &str, trainer: &Trainer) -> Result<Option<TrainState>, Failure> {
        let path = || self.path.clone();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FinetuneFailure::CheckpointFile { what: "read", path: path(), source }.into()),
        };
        let state = TrainState::from_bytes(&bytes, run)
            .map_err(|source| FinetuneFailure::Checkpoint { path: path(), source })?;
        trainer.check_state(&state).map_err(|source| FinetuneFailure::State { path: path(), source })?;
        Ok(Some(state))
    }

    /// Keeps a state in the place of an earlier one; whenever the process ends, one of the two is there whole.
    pub(super) fn keep(&self, run: &str, state: &TrainState) -> Result<(), Failure> {
        let bytes =
            state.to_bytes(run).map_err(|source| FinetuneFailure::Checkpoint { path: self.path.clone(), source })?;
        self.write(&bytes)
            .map_err(|source| FinetuneFailure::CheckpointFile { what: "write", path: self.path.clone(), source }.into())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // One name: a write that was killed leaves at most one file, which the next one replaces.
        let mut name = self.path.clone().into_os_string();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        // The new name is safe from a loss of power only once the folder is.
        File::open(folder)?.sync_all()
    }

    /// Removes the file after the adapter is written. It would do no harm, and so an error is none.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "the checkpoint was not removed");
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
