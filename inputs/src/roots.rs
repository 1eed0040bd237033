#[cfg(test)]
mod tests;

use crate::InputError;
use jobs::InputRef;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders below which paths may be read.
#[derive(Debug)]
pub(crate) struct Roots(Option<Vec<PathBuf>>);

impl Roots {
    pub(crate) fn new(roots: Option<Vec<PathBuf>>) -> Self {
        Self(roots)
    }

    /// Fails if one of `paths`, which `reference` leads to, lies outside once links and `..` are followed. What lies
    /// below `cache` is inside: it was fetched.
    ///
    /// Of a path that does not exist, the existing part is checked: the error reveals nothing about files outside.
    pub(crate) fn check(
        &self,
        reference: &InputRef,
        cache: Option<&Path>,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<(), InputError> {
        let Some(roots) = &self.0 else { return Ok(()) };
        // A root that does not exist has nothing below it.
        let all = roots.iter().map(PathBuf::as_path).chain(cache);
        let resolved: Vec<PathBuf> = all.filter_map(|root| fs::canonicalize(root).ok()).collect();
        let is_outside = |path: &PathBuf| {
            let path = existing(path);
            !path.is_some_and(|path| resolved.iter().any(|root| path.starts_with(root)))
        };
        match paths.into_iter().find(is_outside) {
            None => Ok(()),
            Some(path) => Err(InputError::Outside { reference: reference.to_string(), path, roots: roots.clone() }),
        }
    }
}

/// The longest part of `path` that is there, without links.
fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|path| fs::canonicalize(path).ok())
}
