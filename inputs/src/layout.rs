//! Selects the files of a folder that influence results, by their names alone: the same for folders, the cache of the
//! hub and the hub itself.
//!
//! Names are relative to the folder, with `/` between parts.

mod split;

use crate::decides::{NEW_PROCESSOR, OLD_PROCESSOR};
use jobs::WeightIndex;
pub(crate) use split::{DataKind, NoSplit, SplitFiles, find_split, folders_with_splits, is_within, splits};

/// A description of a file that a folder lacks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MissingFile(pub(crate) String);

const TOKENIZER: [&str; 8] = [
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// The index of a model whose weights are in shards.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// The same of files of `torch.save`.
pub(crate) const PICKLED_INDEX: &str = "pytorch_model.bin.index.json";

/// The files of a model: `config.json`, the weights, and what prepares its inputs.
///
/// The weights are `model.safetensors` if it is there, or else [`INDEX`] with `shards`, the files that it names;
/// without these `pytorch_model.bin`, or [`PICKLED_INDEX`] with its shards. An index has to be read for them, so this
/// is asked twice of a model in shards: first without any, and then with all.
pub(crate) fn model_files(names: &[String], shards: &[String]) -> Result<Vec<String>, MissingFile> {
    let mut files = vec![required(names, "config.json")?];
    let kinds = ["model.safetensors", INDEX, "pytorch_model.bin", PICKLED_INDEX];
    let weights = kinds.into_iter().find(|kind| names.iter().any(|name| name == kind));
    let weights =
        weights.ok_or_else(|| MissingFile(format!("`model.safetensors` or `{INDEX}`, nor `pytorch_model.bin`")))?;
    files.push(weights.to_owned());
    if weights == INDEX || weights == PICKLED_INDEX {
        for shard in shards {
            let lack = |MissingFile(name): MissingFile| MissingFile(format!("{name} that `{weights}` names"));
            files.push(required(names, shard).map_err(lack)?);
        }
    }
    let prepares =
        |name: &&String| [OLD_PROCESSOR, NEW_PROCESSOR].contains(&name.as_str()) || TOKENIZER.contains(&name.as_str());
    files.extend(names.iter().filter(prepares).cloned());
    files.sort_unstable();
    Ok(files)
}

/// The shards in the text of an [`INDEX`], sorted.
pub(crate) fn shards(index: &[u8]) -> serde_json::Result<Vec<String>> {
    Ok(WeightIndex::from_json(index)?.shards().into_iter().map(str::to_owned).collect())
}

/// The files of an adapter: its configuration and its weights, safetensors if there are both forms.
pub(crate) fn adapter_files(names: &[String]) -> Result<Vec<String>, MissingFile> {
    let config = required(names, "adapter_config.json")
        .map_err(|MissingFile(lack)| MissingFile(lack + &adapters_nearby(names)))?;
    let weights = required(names, "adapter_model.safetensors")
        .or_else(|_| required(names, "adapter_model.bin"))
        .map_err(|_| MissingFile("`adapter_model.safetensors` or `adapter_model.bin`".to_owned()))?;
    Ok(vec![config, weights])
}

/// All files of a folder, which may not be empty, and of which none may lie too deep to be listed.
pub(crate) fn all_files(names: &[String]) -> Result<Vec<String>, MissingFile> {
    if names.is_empty() {
        return Err(MissingFile("any file".to_owned()));
    }
    match names.iter().find(|name| name.ends_with('/')) {
        Some(folder) => Err(MissingFile(format!(
            "files that can be listed in its folder `{folder}`: it is empty, or its files lie more than three folders deep"
        ))),
        None => Ok(names.to_vec()),
    }
}

/// The files of a task's statistics: their index, and a file for each layer.
pub(crate) fn statistics_files(names: &[String]) -> Result<Vec<String>, MissingFile> {
    let index = required(names, "statistics.json")?;
    let is_layer = |name: &&String| name.starts_with("layer-") && name.ends_with(".safetensors");
    Ok(names.iter().filter(is_layer).cloned().chain([index]).collect())
}

/// A hint: where the adapter is, if the reference is one level too high, or if another tool wrote it.
fn adapters_nearby(names: &[String]) -> String {
    let folders: Vec<_> = names.iter().filter_map(|name| name.strip_suffix("/adapter_config.json")).collect();
    let foreign = names.iter().find(|name| name.ends_with("pytorch_lora_weights.safetensors"));
    match (folders.as_slice(), foreign) {
        ([], None) => String::new(),
        ([], Some(file)) => {
            format!(", but `{file}`, which diffusers writes: save the adapter with PEFT's `save_pretrained`")
        }
        ([folder], _) => format!(", but `{folder}/` has one: name that folder"),
        ([first, .., last], _) => {
            format!(", but {} folders in it have one, `{first}/` to `{last}/`: name one of them", folders.len())
        }
    }
}

fn required(names: &[String], name: &str) -> Result<String, MissingFile> {
    names.iter().find(|there| *there == name).cloned().ok_or_else(|| MissingFile(format!("`{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_model_is_its_configuration_weights_and_preprocessing() {
        let there = names(&["README.md", "config.json", "model.safetensors", "model.fp16.safetensors", "vocab.json"]);
        assert_eq!(model_files(&there, &[]).unwrap(), ["config.json", "model.safetensors", "vocab.json"]);
        let odd = names(&["config.json", "open_clip.safetensors", "onnx/model.safetensors"]);
        let lack = model_files(&odd, &[]).unwrap_err();
        assert_eq!(lack.0, "`model.safetensors` or `model.safetensors.index.json`, nor `pytorch_model.bin`");
    }

    #[test]
    fn pickled_weights_are_a_model_where_there_are_no_others() {
        let there = names(&["config.json", "pytorch_model.bin"]);
        assert_eq!(model_files(&there, &[]).unwrap(), ["config.json", "pytorch_model.bin"]);
        let both = names(&["config.json", "model.safetensors", "pytorch_model.bin"]);
        assert_eq!(model_files(&both, &[]).unwrap(), ["config.json", "model.safetensors"]);
        let shards = names(&["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]);
        let there = [names(&["config.json", PICKLED_INDEX]), shards.clone()].concat();
        assert_eq!(model_files(&there, &shards).unwrap().len(), 4);
        let lack = model_files(&there[..3], &shards).unwrap_err();
        assert_eq!(lack.0, "`pytorch_model-00002-of-00002.bin` that `pytorch_model.bin.index.json` names");
    }

    #[test]
    fn an_adapter_in_a_folder_below_is_named() {
        let lack = |there: &[&str]| adapter_files(&names(there)).unwrap_err().0;
        assert_eq!(
            lack(&["README.md", "task1/adapter_config.json", "task1/adapter_model.safetensors"]),
            "`adapter_config.json`, but `task1/` has one: name that folder"
        );
        assert_eq!(
            lack(&["a/adapter_config.json", "b/adapter_config.json"]),
            "`adapter_config.json`, but 2 folders in it have one, `a/` to `b/`: name one of them"
        );
        assert!(lack(&["pytorch_lora_weights.safetensors"]).contains("diffusers"));
    }

    #[test]
    fn a_model_in_shards_is_its_index_and_the_shards_that_it_names() {
        let index =
            br#"{"metadata": {"total_size": 8}, "weight_map": {"b": "two.safetensors", "a": "one.safetensors"}}"#;
        let shards = shards(index).unwrap();
        assert_eq!(shards, ["one.safetensors", "two.safetensors"]);
        let there = names(&["config.json", INDEX, "one.safetensors", "three.safetensors", "two.safetensors"]);
        let wanted = ["config.json", INDEX, "one.safetensors", "two.safetensors"];
        assert_eq!(model_files(&there, &shards).unwrap(), wanted);
        let lack = model_files(&there[..4], &shards).unwrap_err();
        assert_eq!(lack.0, "`two.safetensors` that `model.safetensors.index.json` names");
    }

    #[test]
    fn one_file_of_weights_goes_before_an_index() {
        let there = names(&["config.json", "model.safetensors", INDEX, "one.safetensors"]);
        let wanted = ["config.json", "model.safetensors"];
        assert_eq!(model_files(&there, &names(&["one.safetensors"])).unwrap(), wanted);
    }

    #[test]
    fn safetensors_go_before_pickle_and_what_lacks_is_said() {
        let both = names(&["adapter_config.json", "adapter_model.bin", "adapter_model.safetensors"]);
        assert_eq!(adapter_files(&both).unwrap(), ["adapter_config.json", "adapter_model.safetensors"]);
        assert_eq!(adapter_files(&both[..2]).unwrap()[1], "adapter_model.bin");
        let lack = adapter_files(&both[..1]).unwrap_err();
        assert_eq!(lack.0, "`adapter_model.safetensors` or `adapter_model.bin`");
        assert_eq!(adapter_files(&both[1..]).unwrap_err().0, "`adapter_config.json`");
        assert_eq!(model_files(&both, &[]).unwrap_err().0, "`config.json`");
    }
}
