use crate::{mutate::Format, targets};
use jobs::error_chain;
use std::{error::Error, path::Path};

/// A reader, with files that it takes and what must hold of its answers.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is also that of its folder of kept inputs.
    pub name: &'static str,
    /// How its inputs are changed.
    pub format: Format,
    /// Small inputs that it takes.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Writes what the reader needs beside the input into an empty folder.
    pub prepare: fn(&Path),
    /// Puts the input into the folder and reads it: what was read, as a text that differs where it does, or why it was
    /// refused.
    pub read: fn(&Path, &[u8]) -> Result<String, String>,
    /// What every refusal must name: the file, as a rule. Nothing where the caller adds it.
    pub named: &'static str,
}

impl Target {
    /// All targets.
    pub fn all() -> Vec<Self> {
        targets::all()
    }
}

/// Several errors as one text.
pub(crate) fn chains<E: Error>(errors: &[E]) -> String {
    errors.iter().map(|error| error_chain(error)).collect::<Vec<_>>().join("; ")
}
