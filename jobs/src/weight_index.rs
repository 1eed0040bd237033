//! The index of a model whose weights lie in several files.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The content of a `model.safetensors.index.json` or `pytorch_model.bin.index.json`: which file holds which tensor.
///
/// Whether such a file may lie where it is named is for the caller to check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WeightIndex {
    /// The file of each tensor.
    #[serde(rename = "weight_map")]
    pub files: BTreeMap<String, String>,
}

impl WeightIndex {
    /// Reads the text of an index. Keys beside `weight_map` say nothing that is needed.
    ///
    /// # Errors
    /// It is no JSON of this form.
    pub fn from_json(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// The names of all files, each once, sorted.
    pub fn shards(&self) -> Vec<&str> {
        self.files.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_each_shard_once() {
        let text = br#"{"metadata": {"total_size": 8}, "weight_map": {"a": "two", "b": "one", "c": "two"}}"#;
        let index = WeightIndex::from_json(text).unwrap();
        assert_eq!(index.shards(), ["one", "two"]);
        assert_eq!(index.files["c"], "two");
        assert!(WeightIndex::from_json(br#"{"weight_map": ["one"]}"#).is_err());
    }
}
