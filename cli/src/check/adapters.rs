//! Adapters against the base.

use super::{Check, base::Base, problems::Place};
use crate::failure::Failure;
use jobs::{InputRef, Task};
use merging::Adapter;

impl Check<'_> {
    /// Reads the adapter at `reference` and matches it to the base.
    pub(super) fn adapter(
        &mut self,
        place: &Place,
        task: &Task,
        reference: &InputRef,
        base: Option<&Base>,
    ) -> Option<Adapter> {
        let place = place.at("adapter");
        let files = self.look(&place, reference, |inputs| inputs.list_adapter(reference))?;
        let Some(header) = base.and_then(|base| base.header.as_ref()) else {
            self.sources.leave(format!("`{reference}` against the base, which could not be looked at"));
            return None;
        };
        let read = match files.is_whole() {
            true => Adapter::read(&task.name, files.path(), header),
            false
                if files.path().join("adapter_model.bin").exists()
                    || !files.path().join("adapter_model.safetensors").exists() =>
            {
                self.sources
                    .leave(format!("`{reference}`: weights in `adapter_model.bin`, which has no header to read"));
                return None;
            }
            false => {
                self.sources.leave(format!("`{reference}`: the numbers of its tensors"));
                Adapter::outline(&task.name, files.path(), header)
            }
        };
        let read = read.map_err(|source| Failure::Adapter { name: task.name.clone(), source: Box::new(source) });
        let adapter = self.right(&place, &files, read)?;
        if let Some(outline) = base.and_then(|base| base.outline.as_ref()) {
            let checked =
                adapter.modules.keys().try_for_each(|module| outline.check_module(module)).map_err(|source| {
                    Failure::AdapterModule { name: task.name.clone(), place: reference.to_string(), source }
                });
            self.right(&place, &files, checked)?;
        }
        Some(adapter)
    }
}
