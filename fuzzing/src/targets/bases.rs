//! Base models as merging sees them, and heads.

use super::{adapters, examples, nothing, put};
use crate::{Format, Target};
use evaluation::Head;
use jobs::error_chain;
use merging::BaseHeader;
use serde_json::json;
use std::path::Path;

const WEIGHTS: &str = "
    a.weight 4 6
    b.weight 2
    c.weight 1 1 1";

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "base-tensors",
            format: Format::Safetensors,
            seeds: || vec![weights()],
            prepare: nothing,
            read: |folder, input| {
                put(folder, "model.safetensors", input);
                base(folder)
            },
            named: "model.safetensors",
        },
        Target {
            name: "base-pickle",
            format: Format::Pickle,
            seeds: || vec![adapters::archived(), adapters::legacy()],
            prepare: nothing,
            read: |folder, input| {
                put(folder, "pytorch_model.bin", input);
                base(folder)
            },
            named: "pytorch_model.bin",
        },
        Target {
            name: "base-index",
            format: Format::Json,
            seeds: || {
                let index = json!({"metadata": {"total_size": 108}, "weight_map": {"a.weight": "x.safetensors", "b.weight": "y.safetensors"}});
                vec![index.to_string().into_bytes(), examples::file("examples/nli6/base/model.safetensors.index.json")]
            },
            prepare: |folder| {
                put(folder, "x.safetensors", weights());
                put(folder, "y.safetensors", weights());
            },
            read: |folder, input| {
                put(folder, "model.safetensors.index.json", input);
                base(folder)
            },
            // The index, or the shard that it names.
            named: "",
        },
        head(),
    ]
}

fn head() -> Target {
    Target {
        name: "head",
        format: Format::Safetensors,
        seeds: || {
            let named = json!({
                "__metadata__": {"classes": "[\"cat\",\"dog\"]"}, "weight": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
            });
            vec![
                examples::tensors(&examples::shapes("weight 5 3")),
                crate::mutate::safetensors_file(named.to_string().as_bytes(), &[0; 12]),
            ]
        },
        prepare: nothing,
        read: |folder, input| {
            put(folder, "head.safetensors", input);
            let head = Head::read(&folder.join("head.safetensors")).map_err(|error| error_chain(&error))?;
            Ok(format!("{head:?}"))
        },
        named: "head.safetensors",
    }
}

fn weights() -> Vec<u8> {
    examples::tensors(&examples::shapes(WEIGHTS))
}

/// Every tensor lies in its file, whole.
fn base(folder: &Path) -> Result<String, String> {
    let base = BaseHeader::open(folder).map_err(|error| error_chain(&error))?;
    for (name, tensor) in base.tensors() {
        let length = std::fs::metadata(folder.join(&tensor.file)).map_or(0, |metadata| metadata.len());
        let end = tensor.offset_bytes.checked_add(tensor.len_bytes);
        let elements = tensor.shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
        let bytes = elements.and_then(|count| count.checked_mul(tensor.dtype.bitsize())).map(|bits| bits as u64 / 8);
        assert!(end.is_some_and(|end| end <= length), "`{name}` ends at {end:?} of {length} bytes");
        assert_eq!(bytes, Some(tensor.len_bytes), "bytes of `{name}`, of shape {:?}", tensor.shape);
    }
    Ok(format!("{:?}", base.tensors()))
}
