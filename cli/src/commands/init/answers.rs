//! What the command line gives, and questions on a terminal for the rest.

use crate::{
    args,
    failure::{Failure, InitFailure},
    sweep_file::absolute,
};
use jobs::{HubKind, InputRef, is_name};
use std::path::{Path, PathBuf};

/// Puts a question to a person; `None` where nobody can be asked.
pub(super) type Ask<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// A task and an input of it, as the command line has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) task: String,
    pub(super) input: Written,
}

/// An input as the command line names it, and as the drafted file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// What the drafted file says: relative paths are taken from its folder.
    pub(super) text: String,
    /// What is read now.
    pub(super) reference: InputRef,
}

/// The folders that relative paths are taken from.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    /// That of the command.
    pub(super) current: PathBuf,
    /// That of the drafted file.
    pub(super) draft: PathBuf,
}

impl Folders {
    pub(super) fn of(out: &Path) -> Result<Self, Failure> {
        let draft = absolute(out.parent().unwrap_or(Path::new("")))?;
        Ok(Self { current: absolute(Path::new(""))?, draft })
    }

    /// Reads the reference that `argument` gives.
    pub(super) fn written(&self, argument: &'static str, text: &str, kind: HubKind) -> Result<Written, Failure> {
        let text = text.trim();
        let reference = InputRef::parse(text, &self.current, kind).map_err(|_| Failure::Argument {
            argument,
            value: text.to_owned(),
            expected: "a folder or file, `hf://owner/name[@revision]` or `s3://bucket/folder`",
        })?;
        let text = match reference.as_path() {
            Some(path) if self.current != self.draft => {
                path.strip_prefix(&self.draft).unwrap_or(path).to_string_lossy().into_owned()
            }
            Some(_) | None => text.to_owned(),
        };
        Ok(Written { text, reference })
    }
}

/// What a file that is translated says of inputs.
#[derive(Debug, Clone, Default)]
pub(super) struct Translation {
    pub(super) base: Option<String>,
    /// As `NAME=PLACE`.
    pub(super) adapters: Vec<String>,
}

/// What is drafted from.
pub(super) struct Answers<'a> {
    pub(super) folders: Folders,
    args: &'a args::Init,
    /// The base and the adapters of a file that is translated, where the command line names none.
    of_file: Translation,
    data: Vec<Named>,
    heads: Vec<Named>,
}

impl<'a> Answers<'a> {
    /// Reads the command line, and refuses what is no answer.
    pub(super) fn of(args: &'a args::Init, folders: Folders, of_file: Translation) -> Result<Self, Failure> {
        let data = named_all(&folders, "--data", &args.data, HubKind::Dataset)?;
        let heads = named_all(&folders, "--head", &args.heads, HubKind::Model)?;
        Ok(Self { folders, args, of_file, data, heads })
    }

    /// The base.
    pub(super) fn base(&self, ask: &mut Ask<'_>) -> Result<Written, Failure> {
        let given = match self.args.base.as_ref().or(self.of_file.base.as_ref()) {
            Some(base) => base.clone(),
            None => answer(ask, "Base model (a folder, or hf://owner/name): ", "the base model", "--base DIR")?,
        };
        self.folders.written("--base", &given, HubKind::Model)
    }

    /// The adapters with the names of their tasks; at least one.
    pub(super) fn adapters(&self, ask: &mut Ask<'_>) -> Result<Vec<Named>, Failure> {
        let mut given = self.args.adapters.clone();
        if given.is_empty() {
            given.clone_from(&self.of_file.adapters);
        }
        if given.is_empty() {
            let question = "Adapter of a task, as NAME=DIR (an empty line ends the list): ";
            while let Some(line) = ask(question).map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()) {
                given.push(line);
            }
        }
        let adapters = named_all(&self.folders, "--adapter", &given, HubKind::Model)?;
        if adapters.is_empty() {
            return Err(missing("an adapter for each task", "--adapter NAME=DIR"));
        }
        let known = || adapters.iter().map(|adapter| adapter.task.clone()).collect();
        let others = [("--data", &self.data), ("--head", &self.heads)];
        for (argument, named) in others {
            let is_unknown = |of: &&Named| adapters.iter().all(|adapter| adapter.task != of.task);
            if let Some(Named { task, .. }) = named.iter().find(is_unknown) {
                return Err(InitFailure::UnknownTask { argument, task: task.clone(), known: known() }.into());
            }
        }
        Ok(adapters)
    }

    /// The data set of a task, if the command line names one.
    pub(super) fn given_data(&self, task: &str) -> Option<Written> {
        self.data.iter().find(|named| named.task == task).map(|named| named.input.clone())
    }

    /// The data set of a task.
    pub(super) fn data(&self, task: &str, ask: &mut Ask<'_>) -> Result<Written, Failure> {
        if let Some(data) = self.given_data(task) {
            return Ok(data);
        }
        let question = format!("Data set of `{task}` (a folder, or hf://owner/name): ");
        let given =
            answer(ask, &question, &format!("the data set of the task `{task}`"), &format!("--data {task}=PATH"))?;
        self.folders.written("--data", &given, HubKind::Dataset)
    }

    /// The head of a task, if the command line names one.
    pub(super) fn head(&self, task: &str) -> Option<Written> {
        self.heads.iter().find(|named| named.task == task).map(|named| named.input.clone())
    }

    /// The head of a task that nothing else makes one for; `why` says what it is missing for.
    pub(super) fn needed_head(&self, task: &str, why: &str, ask: &mut Ask<'_>) -> Result<Written, Failure> {
        let question = format!("Head of `{task}`, a safetensors file ({why}): ");
        let what = format!("the head of the task `{task}` ({why})");
        let given = answer(ask, &question, &what, &format!("--head {task}=FILE"))?;
        self.folders.written("--head", &given, HubKind::Model)
    }

    /// The name of the sweep: as given, or that of the folder of the draft with the method of the search.
    pub(super) fn name(&self, method: &str) -> Result<String, Failure> {
        if let Some(name) = &self.args.name {
            check_name("the sweep", name)?;
            return Ok(name.clone());
        }
        let folder = self.folders.draft.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = folder.chars().map(plain).take(80).collect();
        let name = name.trim_start_matches(['.', '-']);
        let method = method.replace('_', "-");
        Ok(if is_name(name) { format!("{name}-{method}") } else { method })
    }
}

fn answer(ask: &mut Ask<'_>, question: &str, what: &str, flag: &str) -> Result<String, Failure> {
    let given = ask(question).map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    given.ok_or_else(|| missing(what, flag))
}

fn missing(what: &str, flag: &str) -> Failure {
    InitFailure::Missing { what: what.to_owned(), flag: flag.to_owned() }.into()
}

fn check_name(of: &'static str, name: &str) -> Result<(), Failure> {
    if is_name(name) { Ok(()) } else { Err(InitFailure::Name { of, name: name.to_owned() }.into()) }
}

fn named_all(
    folders: &Folders,
    argument: &'static str,
    given: &[String],
    kind: HubKind,
) -> Result<Vec<Named>, Failure> {
    let mut named: Vec<Named> = Vec::with_capacity(given.len());
    for text in given {
        let wrong = || Failure::Argument { argument, value: text.clone(), expected: "of the form NAME=PATH" };
        let (task, input) = text.split_once('=').filter(|(task, _)| !task.is_empty()).ok_or_else(wrong)?;
        check_name("a task", task)?;
        if named.iter().any(|other| other.task == task) {
            return Err(InitFailure::Twice { argument, task: task.to_owned() }.into());
        }
        named.push(Named { task: task.to_owned(), input: folders.written(argument, input, kind)? });
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn init(args: &[&str]) -> args::Init {
        let args = [&["bowline", "init"][..], args].concat();
        let Command::Init(init) = Args::try_parse_from(args).unwrap().command else { panic!("it is `init`") };
        init
    }

    fn folders() -> Folders {
        Folders { current: "/home/me/work".into(), draft: "/home/me/work".into() }
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        let args = init(&["--data", "a=data/a"]);
        let answers = Answers::of(&args, folders(), Translation::default()).unwrap();
        let mut lines = ["models/base", "a=adapters/a", "b=hf://owner/b", "", "data/b"].into_iter();
        let mut ask = |_: &str| lines.next().map(str::to_owned);
        assert_eq!(answers.base(&mut ask).unwrap().text, "models/base");
        let adapters = answers.adapters(&mut ask).unwrap();
        assert_eq!(adapters.iter().map(|named| named.task.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(answers.data("a", &mut ask).unwrap().text, "data/a");
        assert_eq!(answers.data("b", &mut ask).unwrap().text, "data/b");
    }

    #[test]
    fn without_a_terminal_the_flag_is_named() {
        let args = init(&["--adapter", "a=x"]);
        let answers = Answers::of(&args, folders(), Translation::default()).unwrap();
        let message = answers.base(&mut |_| None).unwrap_err().to_string();
        assert_eq!(message, "the base model is missing: give it with `--base DIR`");
        let message = answers.data("a", &mut |_| None).unwrap_err().to_string();
        assert!(message.contains("`--data a=PATH`"), "{message}");
    }

    #[test]
    fn arguments_that_are_no_answers_are_refused() {
        let fails = |args: &[&str]| {
            let args = init(args);
            match Answers::of(&args, folders(), Translation::default()) {
                Ok(answers) => answers.adapters(&mut |_| None).unwrap_err().to_string(),
                Err(failure) => failure.to_string(),
            }
        };
        assert!(fails(&["--adapter", "x"]).contains("not of the form NAME=PATH"));
        assert!(fails(&["--adapter", "a=x", "--adapter", "a=y"]).contains("names the task `a` twice"));
        assert!(fails(&["--adapter", "a=x", "--data", "b=y"]).contains("of which there is no adapter"));
        assert!(fails(&["--adapter", "a b=x"]).contains("`a b` cannot be the name of a task"));
        assert!(fails(&[]).contains("an adapter for each task is missing"));
        assert!(fails(&["--adapter", "a=ftp://x"]).contains("`--adapter` is `ftp://x`"));
    }

    #[test]
    fn paths_are_those_of_the_folder_of_the_draft() {
        let folders = Folders { current: "/home/me".into(), draft: "/home/me/sweeps".into() };
        let text = |text: &str| folders.written("--base", text, HubKind::Model).unwrap().text;
        assert_eq!(text("sweeps/base"), "base");
        assert_eq!(text("models/base"), "/home/me/models/base");
        assert_eq!(text("hf://owner/base"), "hf://owner/base");
    }
}
