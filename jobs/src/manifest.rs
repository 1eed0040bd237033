use crate::{Digest, Sweep, stored::StoredManifest};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// A revision of a sweep as it was frozen when it began.
///
/// A sweep has one revision until the meaning of its file or its inputs change; each change makes another revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredManifest", from = "StoredManifest")]
pub struct Manifest {
    /// The number of the revision, from 1.
    pub revision: u32,
    /// When it began: milliseconds since 1970, UTC, by the coordinator's clock. Older programs did not record it.
    pub begun_ms: Option<u64>,
    /// The changes since the revision before; empty for the first one.
    pub changes: Vec<Change>,
    /// The sweep.
    pub sweep: Sweep,
    /// Digests of its inputs, by what they are: `base`, `adapters.mnist`, `data.mnist.test`, `heads.mnist`.
    pub digests: BTreeMap<String, Digest>,
    /// The commits that hub inputs were resolved to, by input.
    pub commits: BTreeMap<String, String>,
    /// Versions of the programs involved, by name.
    pub versions: BTreeMap<String, String>,
}

impl Manifest {
    /// The newest version of the document. Sweeps with published figures, subsets of the tasks, replicates, races, a variant or newer
    /// search methods are written as version 4, others with statistics or with newer recipes as version 3, and all others as version 2.
    /// Version 1 is read as well.
    pub const VERSION: u32 = 4;

    /// Whether an older `bowline evaluate` wrote it, which stored each evaluation as a sweep of its own.
    pub fn is_evaluation(&self) -> bool {
        let Sweep { name, evaluation, searches, baselines, .. } = &self.sweep;
        Self::is_name_of_evaluation(name)
            && searches.is_empty()
            && evaluation.select == evaluation.report
            && baselines.iter().all(|baseline| baseline.name == "recipe")
    }

    /// Whether an older `bowline evaluate` gave sweeps such names.
    pub fn is_name_of_evaluation(name: &str) -> bool {
        let is_hex = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
        name.strip_prefix("evaluate-").is_some_and(|digest| digest.len() == 12 && digest.chars().all(is_hex))
    }
}

/// One thing in which a revision of a sweep differs from the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A key of the sweep has another value.
    Value {
        /// The key, with names in place of the numbers of a list: `searches.knots_ties.scaling.max`,
        /// `tasks.mnist.finetuned.test`.
        key: String,
        /// The value before, as it is written; `None` if there was none.
        from: Option<String>,
        /// The value now; `None` if there is none.
        to: Option<String>,
    },
    /// Something with a name was added: a task, a search, a baseline.
    Added {
        /// Its key, such as `tasks.mnist`.
        key: String,
    },
    /// Something with a name was removed.
    Removed {
        /// Its key.
        key: String,
    },
    /// An input has other content, under the same name in the sweep file.
    Content {
        /// What it is, as in [`Manifest::digests`].
        input: String,
        /// Its digest before.
        from: Option<Digest>,
        /// Its digest now.
        to: Option<Digest>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        match self {
            Self::Value { key, from, to } => write!(f, "`{key}`: {} → {}", said(from), said(to)),
            Self::Added { key } => write!(f, "`{key}`: added"),
            Self::Removed { key } => write!(f, "`{key}`: taken away"),
            Self::Content { input, .. } => write!(f, "{}: other content", input_in_words(input)),
        }
    }
}

/// The name of an input for people.
fn input_in_words(input: &str) -> String {
    // Names of splits have no dots, and those of tasks may.
    let of_data =
        |rest: &str| rest.rsplit_once('.').map(|(task, split)| format!("data of task `{task}`, split `{split}`"));
    match input.split_once('.') {
        Some(("adapters", task)) => format!("adapter of task `{task}`"),
        Some(("heads", task)) => format!("head of task `{task}`"),
        Some(("data", rest)) => of_data(rest).unwrap_or_else(|| format!("data of task `{rest}`")),
        _ if input == "base" => "base model".to_owned(),
        _ if input == "base.files" => "files of the base model".to_owned(),
        _ if input.starts_with("joint") => "joint head".to_owned(),
        _ => format!("`{input}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_said_key_by_key() {
        let value = |from: Option<&str>, to: Option<&str>| Change::Value {
            key: "searches.ties.scaling.max".to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        let content = |input: &str| Change::Content { input: input.to_owned(), from: None, to: Some(Digest::of(b"x")) };
        let said = [
            value(Some("1.0"), Some("2.0")),
            value(None, Some("2.0")),
            Change::Added { key: "tasks.mnist".to_owned() },
            content("base"),
            content("data.a.b.test"),
            content("adapters.mnist"),
            content("heads.mnist"),
            content("joint.map"),
        ];
        let said: Vec<String> = said.iter().map(Change::to_string).collect();
        assert_eq!(
            said,
            [
                "`searches.ties.scaling.max`: 1.0 → 2.0",
                "`searches.ties.scaling.max`: not set → 2.0",
                "`tasks.mnist`: added",
                "base model: other content",
                "data of task `a.b`, split `test`: other content",
                "adapter of task `mnist`: other content",
                "head of task `mnist`: other content",
                "joint head: other content",
            ]
        );
    }

    #[test]
    fn a_sweep_with_a_name_that_a_person_chose_is_no_evaluation() {
        for name in
            ["evaluate", "evaluate-me", "evaluate-f714f81f8e0", "evaluate-F714F81F8E0E", "evaluate-f714f81f8e0e-2"]
        {
            assert!(!Manifest::is_name_of_evaluation(name), "{name}");
        }
        assert!(Manifest::is_name_of_evaluation("evaluate-f714f81f8e0e"));
    }
}
