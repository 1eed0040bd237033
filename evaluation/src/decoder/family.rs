//! The differences of a family of decoders from the others: its settings, their defaults, and the parts of its layers.
//!
//! A family is one file: the keys of its `config.json` that others do not have or read otherwise, its defaults, and
//! what follows from its settings for the layers. All else is the same code for all of them.

mod llama;
mod mistral;
mod qwen2;
mod qwen3;
mod window;

pub use window::SlidingWindow;

use super::config::{Check, Typed};
use crate::{ModelError, settings::Keys};

/// What `model_type` may be, as messages quote it.
pub(crate) const TYPES: &str = "llama`, `mistral`, `qwen2` or `qwen3";

/// The families that can be evaluated.
pub(crate) const ALL: [&Family; 4] = [&llama::FAMILY, &mistral::FAMILY, &qwen2::FAMILY, &qwen3::FAMILY];

/// A family of decoders.
#[derive(Debug)]
pub(crate) struct Family {
    /// What `config.json` calls it.
    pub(crate) model_type: &'static str,
    /// What people call it.
    pub(crate) name: &'static str,
    /// The keys of `config.json` that it has beside those that all families share. Its own come first.
    pub(crate) keys: Keys,
    /// What holds for settings that are left out.
    pub(crate) defaults: Defaults,
    /// Reads what its layers have beside those of other families.
    pub(super) parts: fn(&Typed, Check<'_>, usize) -> Result<Parts, ModelError>,
}

/// The settings that families have different defaults for, as in transformers.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub(crate) mlp_width: usize,
    /// `None` means as many as query heads.
    pub(crate) kv_heads: Option<usize>,
    /// `None` means the width over the number of query heads.
    pub(crate) head_width: Option<usize>,
    pub(crate) vocabulary: usize,
    pub(crate) positions: usize,
}

/// The parts of a family's layers that not all families have.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) biases: Biases,
    pub(super) norms_heads: bool,
    pub(super) window: Option<SlidingWindow>,
}

/// Which linear layers add a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Biases {
    /// Those of queries, keys and values.
    pub inputs: bool,
    /// The one after attention.
    pub output: bool,
    /// The three of the MLP.
    pub mlp: bool,
}

/// The family that `config.json` names, if it is one of these.
pub(crate) fn named(model_type: &str) -> Option<&'static Family> {
    ALL.into_iter().find(|family| family.model_type == model_type)
}
