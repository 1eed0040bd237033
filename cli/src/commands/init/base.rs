//! The base model and the adapters, as far as a draft needs to know them.

use super::answers::{Named, Written};
use crate::failure::{Failure, InputFailure};
use evaluation::{Configuration, ModelError, ModelKind};
use inputs::{Inputs, Outline};
use merging::{Adapter, BaseHeader};
use preflight::CheckError;

/// Bytes of weights above which only presets are tried that merge in small bases.
const LARGE_BYTES: u64 = 2 << 30;

/// A base model.
pub(super) struct Base {
    pub(super) written: Written,
    pub(super) header: BaseHeader,
    /// What evaluation makes of it.
    pub(super) evaluated: Evaluated,
    bytes: u64,
    /// Holds the files while they are read.
    _outline: Outline,
}

/// Whether Bowline evaluates models of the base's family.
pub(super) enum Evaluated {
    Yes(Box<dyn Configuration>),
    /// The `model_type` of its configuration, which may be empty.
    No(String),
}

impl Base {
    pub(super) fn look(inputs: &Inputs, written: Written) -> Result<Self, Failure> {
        let failed = |source| InputFailure::Argument { argument: written.text.clone(), source };
        let listing = inputs.list_model(&written.reference).map_err(failed)?;
        let outline = inputs.outline(&listing).map_err(failed)?;
        let evaluated = match ModelKind::of(outline.path()) {
            Ok(_) => Evaluated::Yes(evaluation::configuration(outline.path())?),
            Err(ModelError::ModelType { found, .. }) => Evaluated::No(found),
            Err(error) => return Err(error.into()),
        };
        let header = BaseHeader::open(outline.path())?;
        let bytes = listing.files.iter().map(|file| file.bytes).sum();
        Ok(Self { written, header, evaluated, bytes, _outline: outline })
    }

    pub(super) fn is_large(&self) -> bool {
        self.bytes > LARGE_BYTES
    }
}

/// An adapter.
pub(super) struct LookedAdapter {
    pub(super) task: String,
    pub(super) written: Written,
    /// Rank and matrices in words.
    pub(super) summary: String,
    /// Classes of the head that it brings, if that is one matrix.
    pub(super) head_classes: Option<usize>,
    /// Whether it brings a head of any form.
    pub(super) has_head: bool,
    pub(super) origin: merging::Origin,
}

impl LookedAdapter {
    pub(super) fn look(inputs: &Inputs, named: Named, base: &BaseHeader) -> Result<Self, Failure> {
        let Named { task, input: written } = named;
        let failed = |source| InputFailure::Argument { argument: written.text.clone(), source };
        let listing = inputs.list_adapter(&written.reference).map_err(failed)?;
        let outline = inputs.outline(&listing).map_err(failed)?;
        let adapter = Adapter::outline(&task, outline.path(), base)
            .map_err(|source| CheckError::Adapter { name: task.clone(), source: Box::new(source) })?;
        let ranks: std::collections::BTreeSet<usize> = adapter.modules.values().map(|module| module.rank()).collect();
        let ranks: Vec<String> = ranks.iter().map(ToString::to_string).collect();
        let words = if ranks.len() == 1 { "rank" } else { "ranks" };
        let summary = format!("LoRA of {words} {} on {} matrices", ranks.join(", "), adapter.modules.len());
        let head_classes = adapter.head.as_ref().map(|head| head.shape()[0]);
        let has_head = adapter.head.is_some() || !adapter.saved.is_empty();
        Ok(Self { task, written, summary, head_classes, has_head, origin: adapter.origin() })
    }
}
