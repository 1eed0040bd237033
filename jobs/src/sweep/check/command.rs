//! A command that evaluates models.

use super::reference;
use crate::{
    Benchmark, CommandLimits, CommandModel, CommandSpec, HubKind, InputRef, SweepError, is_file_name, is_variable_name,
    sweep::file::EvaluationFile,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The ends of the names of scripts. One that is no declared file would not be part of the id of a job.
const SCRIPTS: [&str; 7] = [".py", ".sh", ".pl", ".rb", ".jl", ".js", ".R"];

/// What variables that say what is evaluated begin with.
const OWN: &str = "BOWLINE_";

/// The keys of `evaluation` that are about a command.
pub(super) struct CommandKeys {
    argv: Option<Vec<String>>,
    files: Option<Value>,
    environment: Option<Map<String, Value>>,
    pass: Option<Vec<String>>,
    write: Option<CommandModel>,
    timeout: Option<Value>,
    memory: Option<Value>,
}

impl CommandKeys {
    /// Takes them out of the file.
    pub(super) fn take(file: &mut EvaluationFile) -> Self {
        Self {
            argv: file.command.take(),
            files: file.files.take(),
            environment: file.environment.take(),
            pass: file.pass.take(),
            write: file.write.take(),
            timeout: file.timeout.take(),
            memory: file.memory.take(),
        }
    }

    /// The command, if there is one.
    pub(super) fn check(self, folder: &Path) -> Result<Option<Benchmark>, SweepError> {
        let Self { argv, files, environment, pass, write, timeout, memory } = self;
        let Some(argv) = argv else {
            let keys = [
                ("files", files.is_some()),
                ("environment", environment.is_some()),
                ("pass", pass.is_some()),
                ("write", write.is_some()),
                ("timeout", timeout.is_some()),
                ("memory", memory.is_some()),
            ];
            return match keys.into_iter().find(|(_, is_there)| *is_there) {
                Some((key, _)) => Err(invalid(key, "has no effect without `evaluation.command`")),
                None => Ok(None),
            };
        };
        let files = files.map(|files| check_files(files, folder)).transpose()?.unwrap_or_default();
        check_argv(&argv, &files)?;
        let environment = check_environment(environment.unwrap_or_default())?;
        let pass = check_pass(pass.unwrap_or_default(), &environment)?;
        let timeout_s = timeout.map(|timeout| seconds(&timeout)).transpose()?;
        let memory_bytes = memory.map(|memory| bytes(&memory)).transpose()?;
        let limits = CommandLimits { timeout_s, memory_bytes };
        let write = write.unwrap_or_default();
        Ok(Some(Benchmark::Command(Box::new(CommandSpec { argv, files, environment, pass, write, limits }))))
    }
}

fn invalid(key: &str, problem: impl Into<String>) -> SweepError {
    SweepError::invalid(format!("evaluation.{key}"), problem)
}

fn check_argv(argv: &[String], files: &BTreeMap<String, InputRef>) -> Result<(), SweepError> {
    if argv.first().is_none_or(String::is_empty) {
        return Err(invalid("command", "names no program; write it and its arguments, such as `[python3, eval.py]`"));
    }
    for (i, word) in argv.iter().enumerate() {
        let key = format!("command[{i}]");
        if word.contains('\0') {
            return Err(invalid(&key, "has a character that no argument can have"));
        }
        let is_script = SCRIPTS.iter().any(|end| word.ends_with(end));
        // A program of the machine has a path from the root, or a bare name that `PATH` leads to.
        let is_local = i == 0 && word.contains('/') && !word.starts_with('/');
        let name = word.strip_prefix("./").unwrap_or(word);
        if (is_script || is_local) && !files.contains_key(name) {
            let problem = format!(
                "is `{word}`, which is not among `evaluation.files`: the command runs in a folder with these files alone, and their \
                 contents are part of the id of every job; add it there"
            );
            return Err(invalid(&key, problem));
        }
    }
    Ok(())
}

/// A list of paths from the folder of the sweep file, or a map from names to references.
fn check_files(files: Value, folder: &Path) -> Result<BTreeMap<String, InputRef>, SweepError> {
    let mut checked = BTreeMap::new();
    match files {
        Value::Array(names) => {
            for (i, name) in names.into_iter().enumerate() {
                let key = format!("files[{i}]");
                let Value::String(name) = name else { return Err(invalid(&key, "is no path")) };
                if !is_file_name(&name) || name.contains("://") {
                    let problem = format!(
                        "is `{name}`, which is no path below the folder of the sweep file; give it a name of its own: \
                         `files: {{NAME: {name}}}`"
                    );
                    return Err(invalid(&key, problem));
                }
                let input = reference(&format!("evaluation.{key}"), &name, folder, HubKind::Dataset)?;
                if checked.insert(name.clone(), input).is_some() {
                    return Err(invalid(&key, format!("is `{name}` a second time")));
                }
            }
        }
        Value::Object(entries) => {
            for (name, place) in entries {
                let key = format!("files.{name}");
                if !is_file_name(&name) {
                    let problem =
                        "is no name of a file in the command's working folder: write a relative path with `/`";
                    return Err(invalid(&key, problem));
                }
                let Value::String(place) = place else { return Err(invalid(&key, "is no reference to a file")) };
                let input = reference(&format!("evaluation.{key}"), &place, folder, HubKind::Dataset)?;
                checked.insert(name, input);
            }
        }
        _ => return Err(invalid("files", "is neither a list of paths nor a map from names to references")),
    }
    match nested(&checked) {
        Some((outer, inner)) => {
            Err(invalid("files", format!("has `{outer}` as a file, and as the folder of `{inner}`")))
        }
        None => Ok(checked),
    }
}

/// A file that would have to be a folder as well.
fn nested(files: &BTreeMap<String, InputRef>) -> Option<(&str, &str)> {
    let is_inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let names = || files.keys().map(String::as_str);
    names().find_map(|outer| Some((outer, names().find(|inner| is_inside(outer, inner))?)))
}

fn check_environment(variables: Map<String, Value>) -> Result<BTreeMap<String, String>, SweepError> {
    let mut checked = BTreeMap::new();
    for (name, value) in variables {
        let key = format!("environment.{name}");
        check_variable(&key, &name)?;
        let value = match value {
            Value::String(text) if !text.contains('\0') => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(invalid(&key, "is neither a text nor a number; put it in quotes")),
        };
        checked.insert(name, value);
    }
    Ok(checked)
}

fn check_pass(names: Vec<String>, environment: &BTreeMap<String, String>) -> Result<BTreeSet<String>, SweepError> {
    let mut checked = BTreeSet::new();
    for (i, name) in names.into_iter().enumerate() {
        let key = format!("pass[{i}]");
        check_variable(&key, &name)?;
        if environment.contains_key(&name) {
            return Err(invalid(&key, format!("is `{name}`, to which `evaluation.environment` gives a value")));
        }
        if !checked.insert(name.clone()) {
            return Err(invalid(&key, format!("is `{name}` a second time")));
        }
    }
    Ok(checked)
}

fn check_variable(key: &str, name: &str) -> Result<(), SweepError> {
    if !is_variable_name(name) {
        return Err(invalid(key, "is no name of a variable: use letters, digits and `_`, and no digit first"));
    }
    if name.starts_with(OWN) {
        return Err(invalid(key, "begins with `BOWLINE_`: these variables tell the command what to evaluate"));
    }
    Ok(())
}

const TIME_UNITS: [(&str, f64); 4] = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
const MEMORY_UNITS: [(&str, f64); 6] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("MB", 1e6),
    ("GB", 1e9),
];

/// The most that a limit can be: a year, or a petabyte.
const MOST_SECONDS: f64 = 3.2e7;
const MOST_BYTES: f64 = 1e15;

/// Whole seconds from 1 on.
fn seconds(value: &Value) -> Result<u64, SweepError> {
    let wrong =
        || invalid("timeout", format!("is {value}; write seconds, or a number with a unit, such as `30m` or `2h`"));
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => with_unit(text, &TIME_UNITS),
        _ => None,
    };
    whole(number, MOST_SECONDS).ok_or_else(wrong)
}

/// Whole bytes from 1 on.
fn bytes(value: &Value) -> Result<u64, SweepError> {
    let wrong = || invalid("memory", format!("is {value}; write a number with a unit, such as `8GiB` or `500MB`"));
    whole(value.as_str().and_then(|text| with_unit(text, &MEMORY_UNITS)), MOST_BYTES).ok_or_else(wrong)
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let start = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number = &text[..start];
    let unit = &text[start..];
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    // As the schema has it: no sign, no exponent.
    let number = number.trim();
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    number.parse::<f64>().ok().map(|number| number * factor)
}

fn whole(number: Option<f64>, most: f64) -> Option<u64> {
    number.map(f64::ceil).filter(|number| (1.0..=most).contains(number)).map(|number| number as u64)
}
