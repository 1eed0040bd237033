use crate::{AutoMapping, SavedTensor};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How the adapters name and store what they update; a merged adapter does the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layout {
    pub(crate) target_modules: Option<Vec<String>>,
    pub(crate) task_type: Option<String>,
    pub(crate) auto_mapping: Option<AutoMapping>,
    /// What all adapters that name a base call it.
    pub(crate) base_model: Option<String>,
    /// The revision of that.
    pub(crate) revision: Option<String>,
    /// The tensors of the tasks' own heads, by task, of those that have one. They are never merged.
    pub(crate) heads: Arc<Vec<(String, BTreeMap<String, SavedTensor>)>>,
    /// The base's modules whose weight is stored as `[in, out]`.
    pub(crate) fan_in_fan_out: BTreeSet<String>,
}
