use crate::{
    Digest, JobId, JobSpec, RunFacts, Timings,
    result::{ResultFault, check_finite, check_number, check_timings},
    stored::StoredArtefact,
    tune::is_coefficient,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Files that a job made: what comes out of every kind of job but an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Artefact {
    /// The files, in the order of their names.
    pub files: Vec<ArtefactFile>,
    /// Numbers about them, by name, such as `matrices` and `rank` of a merge.
    pub facts: BTreeMap<String, f64>,
}

/// A file of an artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtefactFile {
    /// Its name, with slashes where it lies in a folder.
    pub name: String,
    /// The digest of its content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What a job came to whose output is an artefact: written once, after the files, and the only truth of "done".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredArtefact", try_from = "StoredArtefact")]
pub struct ArtefactResult {
    /// The job's id.
    pub job: JobId,
    /// What was made.
    pub spec: JobSpec,
    /// The files.
    pub artefact: Artefact,
    /// How long the parts took.
    pub timings: Timings,
    /// Who made it, on what.
    pub run: RunFacts,
}

impl Artefact {
    /// The digest of the names and contents of the files: artefacts of the same digest are the same files.
    ///
    /// A folder with these files has it as its digest, where all of them decide what the folder is.
    pub fn digest(&self) -> Digest {
        let files: Vec<_> = self.files.iter().map(|file| (&file.name, file.digest)).collect();
        Digest::of_json(&files)
    }

    /// The size of all files in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&ArtefactFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

impl ArtefactResult {
    /// The newest version of the document. Statistics, and merges with statistics or with newer recipes, are written as
    /// version 2, and all others as version 1.
    pub const VERSION: u32 = 2;

    /// Looks whether this can be what the job came to: files with names that lead out of no folder, each once and in
    /// order, and finite numbers.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self) -> Result<(), ResultFault> {
        let Artefact { files, facts } = &self.artefact;
        if files.is_empty() {
            return Err(ResultFault::NoFiles);
        }
        if let Some(file) = files.iter().find(|file| !is_file_name(&file.name)) {
            return Err(ResultFault::FileName { name: file.name.clone() });
        }
        let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        if !names.into_iter().eq(files.iter().map(|file| file.name.as_str())) {
            return Err(ResultFault::FileOrder);
        }
        for (name, value) in facts {
            let key = format!("facts.{name}");
            // A learned coefficient may take an update away; all other facts are counts and measures.
            if is_coefficient(name) {
                check_finite(&key, *value)?;
            } else {
                check_number(&key, *value)?;
            }
        }
        check_timings(&self.timings)
    }
}

/// Whether a file may have this name: it leads out of no folder and is not hidden.
fn is_file_name(name: &str) -> bool {
    const LONGEST: usize = 255;
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.len() <= LONGEST
            && !part.contains(|c: char| c == '\\' || c.is_control())
    };
    name.split('/').all(is_part)
}

#[cfg(test)]
mod tests;
