//! All problems of the inputs of a sweep.

use crate::CheckError;
use inputs::Outline;
use jobs::{Lines, Sweep, Task};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// The most problems that are shown. More usually have one cause.
const SHOWN: usize = 20;

/// The place in the sweep file that a problem is about.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    key: String,
    task: Option<String>,
}

impl Place {
    /// A key beside the tasks.
    pub(crate) fn key(key: &str) -> Self {
        Self { key: key.to_owned(), task: None }
    }

    /// The task with this number.
    pub(crate) fn of_task(i: usize, task: &Task) -> Self {
        Self { key: format!("tasks[{i}]"), task: Some(task.name.clone()) }
    }

    /// A key in it.
    pub(crate) fn at(&self, key: &str) -> Self {
        Self { key: format!("{}.{key}", self.key), task: self.task.clone() }
    }

    /// The key of its adapter, which variants of the sweep file may name.
    pub(crate) fn adapter(&self, sweep: &Sweep) -> Self {
        let key = self.task.as_ref().map(|task| sweep.adapter_key(task));
        Self { key: key.unwrap_or_else(|| self.key.clone()), task: self.task.clone() }
    }

    /// The key's path in the file.
    pub(crate) fn path(&self) -> &str {
        &self.key
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key in the sweep file, such as `tasks[1].adapter`.
    key: String,
    /// Its line there, unless the command line gave it.
    line: Option<usize>,
    /// The task that it belongs to.
    task: Option<String>,
    /// What is wrong.
    message: String,
    /// Why, cause by cause.
    causes: Vec<String>,
    #[serde(skip)]
    may_pass: bool,
}

/// The sweep file that a sweep came from: problems name its keys with their lines.
#[derive(Debug)]
pub struct SweepLines {
    /// The file.
    pub path: PathBuf,
    /// Where its keys stand.
    pub lines: Lines,
}

/// All that is wrong with the inputs of a sweep.
#[derive(Debug)]
pub struct Problems {
    sweep: SweepLines,
    found: Vec<Problem>,
}

impl Problems {
    /// None as yet.
    pub(crate) fn of(file: SweepLines) -> Self {
        Self { sweep: file, found: Vec::new() }
    }

    /// Adds one. Files of an outline are called by the input's name.
    pub(crate) fn push(&mut self, place: &Place, outline: Option<&Outline>, error: &CheckError) {
        let named = |text: String| outline.map_or(text.clone(), |outline| outline.named(&text));
        let problem = Problem {
            key: place.key.clone(),
            line: self.sweep.lines.line(&place.key),
            task: place.task.clone(),
            message: named(error.to_string()),
            causes: jobs::causes(error).map(|cause| named(cause.to_string())).collect(),
            may_pass: error.is_retryable(),
        };
        self.take(problem);
    }

    /// Whether the sweep file or the command line gives the key a value.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.sweep.lines.has(key)
    }

    /// Adds those of another variant of the same sweep file.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.found.into_iter().for_each(|problem| self.take(problem));
        self
    }

    /// Both splits of a data set fail on the same missing folder, which is told once.
    fn take(&mut self, problem: Problem) {
        let is_known = |known: &Problem| (&known.message, &known.causes) == (&problem.message, &problem.causes);
        if !self.found.iter().any(is_known) {
            self.found.push(problem);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// One by one.
    pub fn list(&self) -> &[Problem] {
        &self.found
    }

    /// Those of the whole sweep first, then those of each task.
    fn by_task(&self) -> impl Iterator<Item = &Problem> {
        let mut tasks: Vec<&Option<String>> = vec![&None];
        for problem in &self.found {
            if !tasks.contains(&&problem.task) {
                tasks.push(&problem.task);
            }
        }
        tasks.into_iter().flat_map(|task| self.found.iter().filter(move |problem| problem.task == *task))
    }

    /// Whether all of them may pass without a person doing anything.
    pub fn may_pass(&self) -> bool {
        self.found.iter().all(|problem| problem.may_pass)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match self.found.len() {
            1 => "a problem".to_owned(),
            count => format!("{count} problems"),
        };
        write!(f, "the inputs of `{}` have {count}", self.sweep.path.display())?;
        let mut before = None;
        for problem in self.by_task().take(SHOWN) {
            match &problem.task {
                task if before == Some(task) => {}
                Some(task) => write!(f, "\n\ntask `{task}`")?,
                None => writeln!(f)?,
            }
            before = Some(&problem.task);
            write!(f, "\n{problem}")?;
        }
        match self.found.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "  line {line}, `{}`: {}", self.key, self.message)?,
            None => write!(f, "  `{}`: {}", self.key, self.message)?,
        }
        self.causes.iter().try_for_each(|cause| write!(f, "\n    caused by: {cause}"))
    }
}
