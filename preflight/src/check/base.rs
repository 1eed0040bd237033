//! The base model, from its configuration and headers.

use super::Check;
use crate::{CheckError, problems::Place};
use evaluation::{Configuration, ExampleKind, ModelKind};
use jobs::{Benchmark, HeadSpec, Task};
use merging::BaseHeader;
use std::path::Path;

/// A base as far as it could be read.
pub(super) struct Base {
    files: inputs::Outline,
    /// What adapters are matched to.
    pub(super) header: Option<BaseHeader>,
    /// What evaluation makes of it.
    pub(super) outline: Option<Box<dyn Configuration>>,
}

impl Base {
    /// Where its files can be read. The numbers of its weights may be missing there.
    pub(super) fn folder(&self) -> &Path {
        self.files.path()
    }

    /// Whether the numbers of its weights are there.
    pub(super) fn is_whole(&self) -> bool {
        self.files.is_whole()
    }

    /// Records a problem of one of its files.
    pub(super) fn wrong(&self, check: &mut Check<'_>, place: &Place, failure: &CheckError) {
        check.problems.push(place, Some(&self.files), failure);
    }
}

impl Check<'_> {
    /// Checks the base: its kind, its configuration, and the names and shapes of its weights.
    pub(super) fn base(&mut self) -> Option<Base> {
        let sweep = self.sweep;
        let place = Place::key("base");
        let files = self.look(&place, &sweep.base, |inputs| inputs.list_model(&sweep.base))?;
        if sweep.evaluation.benchmark.command().is_some() {
            // A command evaluates models of any family. What merges need is in the headers.
            let header = BaseHeader::open(files.path()).map_err(CheckError::Base);
            let header = self.right(&place, &files, header);
            return Some(Base { files, header, outline: None });
        }
        let kind = match ModelKind::of(files.path()) {
            Ok(kind) => kind,
            Err(error) => {
                self.problems.push(&place, Some(&files), &CheckError::Model(error));
                return None;
            }
        };
        // The base reads what the tasks have: images or texts, which a sweep file does not mix.
        let is_wrong = |task: &&Task| task.text().is_some() != (kind.reads() == ExampleKind::Texts);
        if let Some(task) = sweep.tasks.iter().find(is_wrong) {
            let failure = CheckError::Kind { base: sweep.base.to_string(), kind, task: task.name.clone() };
            self.problems.push(&place, None, &failure);
            return None;
        }
        let outline = evaluation::outline(files.path()).map_err(CheckError::Model);
        let outline = self.right(&place, &files, outline);
        let header = BaseHeader::open(files.path()).map_err(CheckError::Base);
        // Problems of the weights were reported already if the outline could not be read.
        let header = if outline.is_some() { self.right(&place, &files, header) } else { header.ok() };
        if outline.is_some()
            && let Some(notes) = self.right(&place, &files, evaluation::notes(files.path()).map_err(CheckError::Model))
        {
            self.notes.extend(notes);
        }
        Some(Base { files, header, outline })
    }

    /// Records an error as a problem.
    pub(super) fn right<T>(
        &mut self,
        place: &Place,
        files: &inputs::Outline,
        found: Result<T, CheckError>,
    ) -> Option<T> {
        found.inspect_err(|failure| self.problems.push(place, Some(files), failure)).ok()
    }

    /// Checks the text tower if heads are made from prompts.
    pub(super) fn text_tower(&mut self, base: &Base) {
        let has_prompts = |task: &Task| matches!(task.head, Some(HeadSpec::Prompts { .. }));
        let is_made = !matches!(self.sweep.evaluation.benchmark, Benchmark::Joint { files: Some(_) });
        let has_text_tower = base.outline.as_ref().is_some_and(|outline| outline.has_text_tower());
        if is_made && has_text_tower && self.sweep.tasks.iter().any(has_prompts) {
            let checked = evaluation::TextModel::check(base.folder()).map_err(CheckError::Model);
            if self.right(&Place::key("base"), &base.files, checked).is_some() {
                self.notes.extend(evaluation::TextModel::note(base.folder()));
            }
        }
    }
}
