//! Adapters against the base.

use super::{Check, Computing, base::Base};
use crate::{CheckError, problems::Place};
use inputs::Outline;
use jobs::{InputRef, Task};
use merging::{Adapter, Origin};
use std::collections::BTreeMap;

/// The largest weights that a coordinator reads. In memory they take two to three times as much. Workers check larger
/// ones.
const LARGEST_ELSEWHERE: u64 = 64 << 20;

/// What is kept of an adapter that was read: its factors are large.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) task: String,
    /// The base's modules that it adapts, with the rank of each update.
    pub(super) ranks: BTreeMap<String, usize>,
    /// The shape of the head that it brings, if that is one matrix.
    pub(super) head: Option<[usize; 2]>,
    /// Its statement of origin.
    pub(super) origin: Origin,
}

impl Check<'_> {
    /// Reads the adapter at `reference` and matches it to the base.
    pub(super) fn adapter(
        &mut self,
        place: &Place,
        task: &Task,
        reference: &InputRef,
        base: Option<&Base>,
    ) -> Option<Seen> {
        let place = place.adapter(self.sweep);
        let files = self.look(&place, reference, |inputs| inputs.list_adapter(reference))?;
        let Some(header) = base.and_then(|base| base.header.as_ref()) else {
            self.sources.leave(format!("`{reference}` against the base, which could not be looked at"));
            return None;
        };
        if self.is_left(&files) {
            self.sources.leave(format!("`{reference}`: large weights, which are left to the workers"));
            return None;
        }
        if !files.is_whole() {
            self.sources.leave(format!("`{reference}`: the numbers of its tensors"));
        }
        let read = if files.is_whole() && base.is_some_and(Base::is_whole) {
            Adapter::read(&task.name, files.path(), header)
        } else {
            Adapter::outline(&task.name, files.path(), header)
        };
        let read = read.map_err(|source| CheckError::Adapter { name: task.name.clone(), source: Box::new(source) });
        let adapter = self.right(&place, &files, read)?;
        if self.sweep.evaluation.benchmark.command().is_some() {
            let has_none = adapter.saved.is_empty();
            let headless = if has_none { Ok(()) } else { Err(CheckError::CommandHead { task: task.name.clone() }) };
            self.right(&place, &files, headless)?;
        }
        if let Some(outline) = base.and_then(|base| base.outline.as_ref()) {
            let checked = adapter.modules.keys().try_for_each(|module| outline.check_module(module));
            let checked = checked.map_err(|source| CheckError::AdapterModule {
                name: task.name.clone(),
                place: reference.to_string(),
                source,
            });
            self.right(&place, &files, checked)?;
        }
        Some(Seen {
            task: task.name.clone(),
            head: adapter.head.as_ref().map(|head| head.shape()),
            origin: adapter.origin(),
            ranks: adapter.modules.into_iter().map(|(name, module)| (name, module.lora_a.rows())).collect(),
        })
    }

    /// Whether checking the weights is left to workers.
    fn is_left(&self, files: &Outline) -> bool {
        let weights = ["adapter_model.safetensors", "adapter_model.bin"].map(|name| files.path().join(name).metadata());
        let bytes = weights.into_iter().flatten().map(|file| file.len()).max();
        files.is_whole() && matches!(self.computing, Computing::Elsewhere) && bytes > Some(LARGEST_ELSEWHERE)
    }
}
