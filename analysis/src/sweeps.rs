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
    /// that older programs kept as sweeps. The name of a sweep file also stands for the sweeps of its variants.
    ///
    /// # Errors
    /// The store is out of reach, there is no sweep of that name, or an outcome that was asked for cannot be read.
    pub async fn open(store: &Store, names: &[String]) -> Result<Self, FrameError> {
        if names.is_empty() {
            return Self::read(store, Self::names(store).await?, true).await;
        }
        let mut asked = Vec::new();
        for name in names {
            asked.extend(Self::asked(store, name).await?);
        }
        Self::read(store, asked, false).await
    }

    /// Reads what the sweeps of exactly these names came to.
    ///
    /// # Errors
    /// As of [`Sweeps::open`].
    pub async fn open_exactly(store: &Store, names: &[String]) -> Result<Self, FrameError> {
        Self::read(store, names.to_vec(), false).await
    }

    async fn read(store: &Store, names: Vec<String>, is_all: bool) -> Result<Self, FrameError> {
        let mut sweeps =
            Self { outcomes: Vec::new(), unfinished: Vec::new(), broken: Vec::new(), names: Vec::new(), is_all };
        for name in names {
            // A sweep that is asked for twice is there once.
            if sweeps.names.iter().any(|(known, _)| *known == name) {
                continue;
            }
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

    /// What the other variants of a sweep's file came to, if their newest revisions have finished. Those with broken documents
    /// are left out.
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
                    // What an earlier revision came to is not what the sweep is.
                    if other.revision >= store.newest_revision(&name).await? {
                        beside.push(other);
                    }
                }
                Ok(_) => {}
                Err(error) if error.is_of_one_object() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(beside)
    }

    /// The sweeps that a name asks for: the sweep of that name, and all variants of the sweep file of that name.
    async fn asked(store: &Store, name: &str) -> Result<Vec<String>, StoreError> {
        let mut variants = Vec::new();
        let beginning = format!("{name}-");
        let sweeps = store.sweeps().await?;
        for sweep in sweeps.iter().filter(|sweep| sweep.starts_with(&beginning)) {
            if Self::is_variant_of(store, sweep, name).await? {
                variants.push(sweep.clone());
            }
        }
        // Without variants, the name is that of a sweep, or wrong.
        let is_sweep = variants.is_empty() || sweeps.iter().any(|sweep| sweep == name);
        Ok(if is_sweep { [vec![name.to_owned()], variants].concat() } else { variants })
    }

    /// Whether the newest manifest of a sweep, or else its outcome, says that it is a variant of that file. A document that is
    /// broken or of a newer program says nothing.
    async fn is_variant_of(store: &Store, sweep: &str, file: &str) -> Result<bool, StoreError> {
        let is_of = |variant: Option<Variant>| variant.is_some_and(|variant| variant.of == file);
        let manifest = store.manifest::<Manifest>(sweep).await;
        if is_of(unless_out_of_reach(manifest)?.and_then(|manifest| manifest.sweep.variant)) {
            return Ok(true);
        }
        let outcome = store.document::<Outcome>(sweep, Outcome::DOCUMENT).await;
        Ok(is_of(unless_out_of_reach(outcome)?.and_then(|outcome| outcome.variant)))
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

/// The document, if it can be read.
fn unless_out_of_reach<T>(document: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match document {
        Err(error @ StoreError::Backend(_)) => Err(error),
        Ok(document) => Ok(document),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
