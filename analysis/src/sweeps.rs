use crate::{Frame, FrameError, Sweep};
use jobs::{Manifest, Outcome, Variant};
use store::{Store, StoreError};

/// Sweeps of a store.
#[derive(Debug)]
pub struct Sweeps {
    /// What they came to: those whose newest revision has finished, in the order in which they were asked for.
    pub outcomes: Vec<Outcome>,
    /// Those whose newest revision has not.
    pub unfinished: Vec<String>,
    /// Sweeps whose documents are broken, each with its error. Filled only if all sweeps were requested.
    pub broken: Vec<(String, StoreError)>,
    /// The names with the newest revisions.
    names: Vec<(String, u32)>,
    is_all: bool,
}

impl Sweeps {
    /// Reads what these sweeps came to; all of the store if none is named, but for the evaluations of single recipes
    /// that older programs kept as sweeps.
    ///
    /// # Errors
    /// The store is out of reach, there is no sweep of that name, or an outcome that was asked for cannot be read.
    pub async fn open(store: &Store, names: &[String]) -> Result<Self, FrameError> {
        let is_all = names.is_empty();
        let mut asked: Vec<String> = Vec::new();
        for name in if is_all { Self::names(store).await? } else { names.to_vec() } {
            let sweeps = if is_all { vec![name] } else { Self::asked(store, name).await? };
            for name in sweeps {
                // A sweep that is asked for twice is there once.
                if !asked.contains(&name) {
                    asked.push(name);
                }
            }
        }
        let mut sweeps =
            Self { outcomes: Vec::new(), unfinished: Vec::new(), broken: Vec::new(), names: Vec::new(), is_all };
        for name in asked {
            let newest = store.newest_revision(&name).await?;
            let outcome = match store.document::<Outcome>(&name, Outcome::DOCUMENT).await {
                // One broken document does not hide the other sweeps.
                Err(error) if is_all && error.is_of_one_object() => {
                    sweeps.names.push((name.clone(), newest));
                    sweeps.broken.push((name, error));
                    continue;
                }
                outcome => outcome?,
            };
            // What an earlier revision came to is not what the sweep is.
            match outcome.filter(|outcome| outcome.revision >= newest) {
                Some(outcome) => {
                    sweeps.names.push((name, outcome.revision));
                    sweeps.outcomes.push(outcome);
                }
                None if newest > 0 => {
                    sweeps.names.push((name.clone(), newest));
                    sweeps.unfinished.push(name);
                }
                None => return Err(FrameError::NoSweep { name, store: store.place() }),
            }
        }
        Ok(sweeps)
    }

    /// The names of the sweeps of a store, without the evaluations of single recipes that older programs kept as
    /// sweeps.
    ///
    /// # Errors
    /// The store is out of reach.
    pub async fn names(store: &Store) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for name in store.sweeps().await? {
            let is_evaluation = Manifest::is_name_of_evaluation(&name)
                && matches!(store.manifest::<Manifest>(&name).await, Ok(Some(manifest)) if manifest.is_evaluation());
            if !is_evaluation {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// What the other variants of a sweep's file came to, as far as they have finished. Those with broken documents are
    /// left out.
    ///
    /// # Errors
    /// The store is out of reach.
    pub async fn beside(store: &Store, outcome: &Outcome) -> Result<Vec<Outcome>, StoreError> {
        let Some(variant) = &outcome.variant else { return Ok(Vec::new()) };
        let beginning = Variant::beginning(&variant.of, &variant.key);
        let mut beside = Vec::new();
        for name in store.sweeps().await? {
            if name == outcome.sweep || !name.starts_with(&beginning) {
                continue;
            }
            match store.document::<Outcome>(&name, Outcome::DOCUMENT).await {
                Ok(Some(other)) if other.variant.as_ref().is_some_and(|other| other.is_beside(variant)) => {
                    beside.push(other);
                }
                Ok(_) => {}
                Err(error) if error.is_of_one_object() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(beside)
    }

    /// The sweeps that a name asks for: the sweep of that name, or else all variants of the sweep file of that name.
    async fn asked(store: &Store, name: String) -> Result<Vec<String>, StoreError> {
        if store.newest_revision(&name).await? > 0 {
            return Ok(vec![name]);
        }
        let mut variants = Vec::new();
        for sweep in store.sweeps().await?.into_iter().filter(|sweep| sweep.starts_with(&format!("{name}-"))) {
            let manifest = store.manifest::<Manifest>(&sweep).await;
            let of = manifest.ok().flatten().and_then(|manifest| manifest.sweep.variant);
            if of.is_some_and(|variant| variant.of == name) {
                variants.push(sweep);
            }
        }
        // A sweep of an older program may be without revisions.
        Ok(if variants.is_empty() { vec![name] } else { variants })
    }

    /// Takes in what a sweep that has not finished came to so far; the frame then names the rows of its jobs as well.
    ///
    /// Only the coordinator knows how searches continue.
    pub fn add(&mut self, so_far: Outcome) {
        let place = |sweep: &String| self.names.iter().position(|(name, _)| name == sweep);
        let at = self.outcomes.partition_point(|outcome| place(&outcome.sweep) < place(&so_far.sweep));
        self.outcomes.insert(at, so_far);
    }

    /// Their results; where all sweeps were asked for, those that no sweep names as well.
    ///
    /// # Errors
    /// The store is out of reach.
    pub async fn frame(&self, store: &Store) -> Result<Frame, FrameError> {
        let outcome = |name: &String| self.outcomes.iter().find(|outcome| outcome.sweep == *name);
        let sweeps: Vec<_> = self
            .names
            .iter()
            .map(|(name, revision)| Sweep { name, revision: *revision, outcome: outcome(name) })
            .collect();
        if self.is_all { Frame::of_store(store, &sweeps).await } else { Frame::of_sweeps(store, &sweeps).await }
    }
}
