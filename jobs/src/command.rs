//! Evaluations by a command of the user: what is run, and what decides its numbers.

use crate::{Digest, InputRef, OtherSemantics};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The version of what a command is given and of how its answer is read. It grows when the same command would be handed other
/// files or variables, or when the same answer would be read as other scores.
pub const COMMAND_SEMANTICS: u32 = 1;

/// What a model is written as for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandModel {
    /// A PEFT adapter where the merge is low-rank, and a whole model where it is not.
    #[default]
    Adapter,
    /// The base with the merge added to its weights.
    Model,
}

impl CommandModel {
    /// Its name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adapter => "adapter",
            Self::Model => "model",
        }
    }
}

/// How much a command may take. No result depends on it; a command that takes more has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLimits {
    /// Seconds after which it is ended; `None` means the worker's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// Bytes that its processes may hold together; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// The command of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Files that lie in its working folder, by their names there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, InputRef>,
    /// Variables that it gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Variables of the worker that it gets as well, by their names. Their values are no part of any identity.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pass: BTreeSet<String>,
    /// What it gets the model as.
    pub write: CommandModel,
    /// How much it may take.
    #[serde(default)]
    pub limits: CommandLimits,
}

/// All of a command that decides its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandInput {
    /// [`COMMAND_SEMANTICS`] when it was made.
    pub semantics: u32,
    /// The content of the whole folder of the base. A program may read any file of it, such as a template of chats, which the
    /// digest of a model for Bowline's own evaluations leaves out.
    pub base: Digest,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The contents of its files, by their names in its working folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest>,
    /// Variables that it gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The names of the variables of the worker that it gets as well.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pass: BTreeSet<String>,
    /// What it gets the model as.
    pub write: CommandModel,
}

/// Where a worker finds the files of a command, and how much it may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLocations {
    /// Its files, by their names in its working folder.
    pub files: BTreeMap<String, InputRef>,
    /// How much it may take.
    pub limits: CommandLimits,
}

impl CommandSpec {
    /// What decides the numbers, with the digests of the whole folder of the base and of the files by their names.
    pub fn input(&self, base: Digest, files: BTreeMap<String, Digest>) -> CommandInput {
        let Self { argv, files: _, environment, pass, write, limits: _ } = self;
        CommandInput {
            semantics: COMMAND_SEMANTICS,
            base,
            argv: argv.clone(),
            files,
            environment: environment.clone(),
            pass: pass.clone(),
            write: *write,
        }
    }
}

impl CommandInput {
    /// What stands for the data of a task in a job's meaning: the contents of what the sweep file names, if it names something.
    ///
    /// The command itself cuts splits, so that two splits, or two tasks, of the same files are different data.
    pub fn data_digest(contents: Option<Digest>, task: &str, split: &str) -> Digest {
        Digest::of_json(&("command", contents, task, split))
    }

    /// Whether this version of the program runs the command as it was meant.
    ///
    /// # Errors
    /// It is of another version of [`COMMAND_SEMANTICS`].
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        if self.semantics == COMMAND_SEMANTICS {
            return Ok(());
        }
        Err(OtherSemantics { part: "command", job: self.semantics, ours: COMMAND_SEMANTICS })
    }
}

/// Whether `name` can be that of a file in the working folder of a command: a relative path with slashes that stays inside.
pub fn is_file_name(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= 1000 && !name.contains(['\0', '\\']) && name.split('/').all(is_part)
}

/// Whether `name` can be that of a variable which a command gets. Those that begin with `BOWLINE_` say what is evaluated.
pub fn is_variable_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CommandSpec {
        CommandSpec {
            argv: vec!["python".to_owned(), "eval.py".to_owned()],
            files: BTreeMap::from([("eval.py".to_owned(), InputRef::Path("/sweeps/eval.py".into()))]),
            environment: BTreeMap::from([("SEED".to_owned(), "1".to_owned())]),
            pass: BTreeSet::new(),
            write: CommandModel::Adapter,
            limits: CommandLimits::default(),
        }
    }

    fn input(spec: &CommandSpec, content: &[u8]) -> CommandInput {
        let files = spec.files.keys().map(|name| (name.clone(), Digest::of(content))).collect();
        spec.input(Digest::of(b"base"), files)
    }

    #[test]
    fn what_decides_the_numbers_of_a_command_changes_its_identity_and_limits_and_places_do_not() {
        let id = |input: &CommandInput| Digest::of_json(input);
        let usual = input(&spec(), b"print(1)");
        let mut changes = vec![input(&spec(), b"print(2)")];
        let changed: [fn(&mut CommandSpec); 5] = [
            |spec| spec.argv.push("--fast".to_owned()),
            |spec| drop(spec.environment.insert("SEED".to_owned(), "2".to_owned())),
            |spec| {
                spec.pass.insert("HF_HOME".to_owned());
            },
            |spec| spec.write = CommandModel::Model,
            |spec| drop(spec.files.insert("more.py".to_owned(), InputRef::Path("/sweeps/more.py".into()))),
        ];
        changes.extend(changed.into_iter().map(|change| {
            let mut other = spec();
            change(&mut other);
            input(&other, b"print(1)")
        }));
        changes.push(CommandInput { base: Digest::of(b"another template"), ..usual.clone() });
        for changed in &changes {
            assert_ne!(id(changed), id(&usual), "{changed:?}");
        }
        let mut elsewhere = spec();
        elsewhere.limits = CommandLimits { timeout_s: Some(1), memory_bytes: Some(1) };
        elsewhere.files.insert("eval.py".to_owned(), InputRef::Path("/other/eval.py".into()));
        assert_eq!(id(&input(&elsewhere, b"print(1)")), id(&usual));
    }

    #[test]
    fn splits_and_tasks_of_the_same_files_are_different_data() {
        let contents = Some(Digest::of(b"data"));
        let usual = CommandInput::data_digest(contents, "mnli", "test");
        assert_ne!(CommandInput::data_digest(contents, "mnli", "validation"), usual);
        assert_ne!(CommandInput::data_digest(contents, "rte", "test"), usual);
        assert_ne!(CommandInput::data_digest(None, "mnli", "test"), usual);
    }

    #[test]
    fn names_of_files_stay_inside_the_folder() {
        for name in ["eval.py", "prompts/one.txt", ".hidden", "a..b"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", "/eval.py", "../eval.py", "a/../b", "a//b", "a/", ".", "a\\b", "a\0"] {
            assert!(!is_file_name(name), "{name}");
        }
        assert!(is_variable_name("HF_HOME") && is_variable_name("_x1"));
        assert!(!is_variable_name("1A") && !is_variable_name("A=B") && !is_variable_name(""));
    }
}
