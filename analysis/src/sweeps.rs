use crate::{Frame, FrameError, Sweep};
use jobs::{Manifest, Outcome};
use store::{Store, StoreError};

/// Sweeps of a store.
#[derive(Debug)]
pub struct Sweeps {
    /// What they came to: those that have finished, in the order in which they were asked for.
    pub outcomes: Vec<Outcome>,
    /// Those that have not.
    pub unfinished: Vec<String>,
    /// Those of which that cannot be told, with what is wrong with their documents; only where all were asked for.
    pub broken: Vec<(String, StoreError)>,
    names: Vec<String>,
    is_all: bool,
}

impl Sweeps {
    /// Reads what these sweeps came to; all of the store if none is named.
    ///
    /// # Errors
    /// The store is out of reach, there is no sweep of that name, or an outcome that was asked for cannot be read.
    pub async fn open(store: &Store, names: &[String]) -> Result<Self, FrameError> {
        let is_all = names.is_empty();
        let mut asked: Vec<String> = Vec::new();
        for name in if is_all { store.sweeps().await? } else { names.to_vec() } {
            // A sweep that is asked for twice is there once.
            if !asked.contains(&name) {
                asked.push(name);
            }
        }
        let mut sweeps =
            Self { outcomes: Vec::new(), unfinished: Vec::new(), broken: Vec::new(), names: asked, is_all };
        for name in &sweeps.names {
            let outcome = match store.document::<Outcome>(name, Outcome::DOCUMENT).await {
                // One broken document does not hide the other sweeps.
                Err(error) if is_all && error.is_of_one_object() => {
                    sweeps.broken.push((name.clone(), error));
                    continue;
                }
                outcome => outcome?,
            };
            match outcome {
                Some(outcome) => sweeps.outcomes.push(outcome),
                None if is_all || store.manifest::<Manifest>(name).await?.is_some() => {
                    sweeps.unfinished.push(name.clone())
                }
                None => return Err(FrameError::NoSweep { name: name.clone(), store: store.place() }),
            }
        }
        Ok(sweeps)
    }

    /// Takes in what a sweep that has not finished came to so far; the frame then names the rows of its jobs as well.
    ///
    /// Who knows how searches go can tell: the coordinator.
    pub fn add(&mut self, so_far: Outcome) {
        let place = |sweep: &String| self.names.iter().position(|name| name == sweep);
        let at = self.outcomes.partition_point(|outcome| place(&outcome.sweep) < place(&so_far.sweep));
        self.outcomes.insert(at, so_far);
    }

    /// Their results; where all sweeps were asked for, those that no sweep names as well.
    ///
    /// # Errors
    /// The store is out of reach.
    pub async fn frame(&self, store: &Store) -> Result<Frame, FrameError> {
        let outcome = |name: &String| self.outcomes.iter().find(|outcome| outcome.sweep == *name);
        let sweeps: Vec<_> = self.names.iter().map(|name| Sweep { name, outcome: outcome(name) }).collect();
        match self.is_all {
            true => Frame::of_store(store, &sweeps).await,
            false => Frame::of_sweeps(store, &sweeps).await,
        }
    }
}
