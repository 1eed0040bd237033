//! Which files of a folder decide, by their names alone: the same for folders, the hub's cache and the hub itself.
//!
//! Names are relative to the folder, with `/` between parts.

mod split;

pub(crate) use split::{NoSplit, SplitFiles, find_split};

/// What a folder lacks, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lack(pub(crate) String);

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

/// The files of a model: `config.json`, the weights, and what prepares its inputs.
pub(crate) fn model_files(names: &[String]) -> Result<Vec<String>, Lack> {
    let mut files = vec![required(names, "config.json")?];
    files.extend(weights(names)?);
    let prepares = |name: &&String| **name == "preprocessor_config.json" || TOKENIZER.contains(&name.as_str());
    files.extend(names.iter().filter(prepares).cloned());
    files.sort_unstable();
    Ok(files)
}

/// An index with its shards, or one file, or else every safetensors file: a repository often holds the same weights
/// several times, and nobody wants to fetch them all.
fn weights(names: &[String]) -> Result<Vec<String>, Lack> {
    const INDEX: &str = "model.safetensors.index.json";
    let top = |name: &&String| !name.contains('/') && name.ends_with(".safetensors");
    if names.iter().any(|name| name == INDEX) {
        let shards: Vec<_> = names.iter().filter(top).filter(|name| name.starts_with("model-")).cloned().collect();
        complete(&shards)?;
        if shards.is_empty() {
            return Err(Lack(format!("`model-….safetensors` that `{INDEX}` speaks of")));
        }
        return Ok([vec![INDEX.to_owned()], shards].concat());
    }
    if let Ok(single) = required(names, "model.safetensors") {
        return Ok(vec![single]);
    }
    let all: Vec<_> = names.iter().filter(top).cloned().collect();
    complete(&all)?;
    if all.is_empty() { Err(Lack("`*.safetensors`".to_owned())) } else { Ok(all) }
}

/// The files of an adapter: its configuration and its weights, safetensors if there are both forms.
pub(crate) fn adapter_files(names: &[String]) -> Result<Vec<String>, Lack> {
    let config = required(names, "adapter_config.json")?;
    let weights = required(names, "adapter_model.safetensors")
        .or_else(|_| required(names, "adapter_model.bin"))
        .map_err(|_| Lack("`adapter_model.safetensors` or `adapter_model.bin`".to_owned()))?;
    Ok(vec![config, weights])
}

fn required(names: &[String], name: &str) -> Result<String, Lack> {
    names.iter().find(|there| *there == name).cloned().ok_or_else(|| Lack(format!("`{name}`")))
}

/// Checks that of files named `…-00001-of-00003…` all are there.
fn complete(names: &[String]) -> Result<(), Lack> {
    for name in names {
        let Some((before, count, after)) = shard(name) else { continue };
        let there = names.iter().filter(|other| shard(other) == Some((before, count, after))).count();
        if there < count {
            return Err(Lack(format!("more than {there} of the {count} files `{before}-…-of-{count:05}{after}`")));
        }
    }
    Ok(())
}

/// Takes `a-00001-of-00003.b` apart into `a`, 3 and `.b`.
fn shard(name: &str) -> Option<(&str, usize, &str)> {
    let (before, after) = name.rsplit_once("-of-")?;
    let (before, number) = before.rsplit_once('-')?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    number.parse::<usize>().ok()?;
    Some((before, after[..digits].parse().ok()?, &after[digits..]))
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
        assert_eq!(model_files(&there).unwrap(), ["config.json", "model.safetensors", "vocab.json"]);
        let odd = names(&["config.json", "open_clip.safetensors", "onnx/model.safetensors"]);
        assert_eq!(model_files(&odd).unwrap(), ["config.json", "open_clip.safetensors"]);
    }

    #[test]
    fn a_sharded_model_needs_every_shard() {
        let index = "model.safetensors.index.json";
        let (one, two) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
        assert_eq!(model_files(&names(&["config.json", index, one, two])).unwrap().len(), 4);
        let lack = model_files(&names(&["config.json", index, one])).unwrap_err();
        assert_eq!(lack.0, "more than 1 of the 2 files `model-…-of-00002.safetensors`");
        assert!(model_files(&names(&["config.json", index])).is_err());
    }

    #[test]
    fn safetensors_go_before_pickle_and_what_lacks_is_said() {
        let both = names(&["adapter_config.json", "adapter_model.bin", "adapter_model.safetensors"]);
        assert_eq!(adapter_files(&both).unwrap(), ["adapter_config.json", "adapter_model.safetensors"]);
        assert_eq!(adapter_files(&both[..2]).unwrap()[1], "adapter_model.bin");
        let lack = adapter_files(&both[..1]).unwrap_err();
        assert_eq!(lack.0, "`adapter_model.safetensors` or `adapter_model.bin`");
        assert_eq!(adapter_files(&both[1..]).unwrap_err().0, "`adapter_config.json`");
        assert_eq!(model_files(&both).unwrap_err().0, "`config.json`");
    }
}
