//! The folder `best/` of a sweep, and the mark that says what it is a copy of.

use crate::failure::{Failure, FileFailure};
use jobs::{ArtefactResult, Digest, JobId, Outcome, Recipe, RecipeSpec, WriteSpec, known_version};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};
use store::Store;

const FOLDER: &str = "best";
/// The recipe, ready for `--recipe`.
const RECIPE: &str = "best/recipe.json";
/// The mark of the folder. It is written last, and deleted first.
const MARK: &str = "best/merge.json";
/// The file that makes a folder an adapter.
const CONFIG: &str = "adapter_config.json";

/// The version of the mark that is written now.
const VERSION: u32 = 3;

/// What the files of the folder were made from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    #[serde(deserialize_with = "known_version::<_, 1, VERSION>")]
    version: u32,
    /// The revision of the sweep.
    revision: u32,
    /// Of the recipe, the base and the adapters: an adapter that was mended makes another merge of the same recipe.
    merge: Digest,
    /// The job whose artefact the files are a copy of, but for what the card says of the sweep. Older programs wrote
    /// them by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artefact: Option<JobId>,
}

/// The place of a sweep's chosen merge in the store.
pub(super) struct Kept<'a> {
    store: &'a Store,
    sweep: &'a str,
    mark: Mark,
}

impl<'a> Kept<'a> {
    /// That of the merge that `spec` writes, as `artefact` if it is low-rank.
    pub(super) fn of(
        store: &'a Store,
        outcome: &'a Outcome,
        spec: &WriteSpec,
        artefact: Option<&ArtefactResult>,
    ) -> Self {
        let merge = Digest::of_json(&(spec.base, &spec.adapters, &spec.recipe));
        let artefact = artefact.map(|result| result.job);
        let mark = Mark { version: VERSION, revision: outcome.revision, merge, artefact };
        Self { store, sweep: &outcome.sweep, mark }
    }

    /// Whether the store holds this merge already, whole.
    pub(super) async fn is_there(&self) -> Result<bool, Failure> {
        match self.store.document::<Mark>(self.sweep, MARK).await {
            Ok(mark) => Ok(mark.as_ref() == Some(&self.mark)),
            Err(error @ store::StoreError::Backend(_)) => Err(error.into()),
            // An unreadable mark is not this one.
            Err(_) => Ok(false),
        }
    }

    /// Replaces the files in the folder by those of the winner and its recipe. After an interruption, the folder is no
    /// adapter, or has no mark and is written again.
    pub(super) async fn replace(&self, winner: Winner<'_>) -> Result<(), Failure> {
        let Self { store, sweep, mark } = self;
        clear(store, sweep).await?;
        if let Some(folder) = winner.files {
            keep(store, sweep, folder).await?;
        }
        store.put_document(sweep, RECIPE, &RecipeSpec::from(winner.recipe)).await?;
        Ok(store.put_document(sweep, MARK, mark).await?)
    }
}

/// What is kept.
pub(super) struct Winner<'a> {
    pub(super) recipe: &'a Recipe,
    /// The folder of its files, if it is low-rank.
    pub(super) files: Option<&'a Path>,
}

/// The job whose artefact the winner of `sweep` is a copy of, if that is recorded.
pub(super) async fn artefact_of(store: &Store, sweep: &str) -> Result<Option<JobId>, Failure> {
    match store.document::<Mark>(sweep, MARK).await {
        Ok(mark) => Ok(mark.and_then(|mark| mark.artefact)),
        Err(error @ store::StoreError::Backend(_)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Deletes the files in the folder: first the mark, then the configuration that makes the folder an adapter.
pub(super) async fn clear(store: &Store, sweep: &str) -> Result<(), Failure> {
    let mut names = store.artefacts(sweep, Some(FOLDER)).await?;
    names.sort_by_key(|name| match name.as_str() {
        MARK => 0,
        name if name.ends_with(CONFIG) => 1,
        _ => 2,
    });
    for name in names {
        store.delete_document(sweep, &name).await?;
    }
    Ok(())
}

/// Copies the files of a finished folder into the store; the configuration last, since it makes the folder an adapter.
async fn keep(store: &Store, sweep: &str, folder: &Path) -> Result<(), Failure> {
    let wrong = |source| Failure::File(FileFailure::Read { what: "merge", path: folder.to_owned(), source });
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        names.push(entry.map_err(wrong)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by_key(|name| name == CONFIG);
    for name in names {
        store.put_sweep_file(sweep, &format!("{FOLDER}/{name}"), &folder.join(&name)).await?;
    }
    Ok(())
}
