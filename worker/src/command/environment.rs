//! The variables that a command gets.

use jobs::CommandInput;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::Path,
};

/// The variables of the worker that every command gets: where programs and libraries lie, how texts are read, and which devices
/// there are. All others, secrets among them, only if the sweep names them.
const PASSED: [&str; 8] =
    ["CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TZ"];

/// What a worker that runs commands of sweeps needs to know.
#[derive(Clone, Default)]
pub struct CommandSettings {
    /// The variables of this process.
    pub environment: BTreeMap<OsString, OsString>,
}

impl fmt::Debug for CommandSettings {
    // Values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandSettings").field("variables", &self.environment.len()).finish()
    }
}

/// The variables of one command.
#[derive(Default)]
pub(crate) struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// Those that `command` gets of the worker's, with its own.
    pub(crate) fn of(command: &CommandInput, settings: &CommandSettings) -> Self {
        let mut variables = Self::default();
        let passed = PASSED.into_iter().chain(command.pass.iter().map(String::as_str));
        for name in passed {
            if let Some(value) = settings.environment.get(OsStr::new(name)) {
                variables.set(name, value);
            }
        }
        command.environment.iter().for_each(|(name, value)| variables.set(name, value));
        variables
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.0.insert(name.into(), value.as_ref().to_owned());
    }

    /// Sets a variable unless it has a value.
    pub(crate) fn set_default(&mut self, name: &str, value: &Path) {
        self.0.entry(name.into()).or_insert_with(|| value.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{COMMAND_SEMANTICS, CommandModel, Digest};

    #[test]
    fn a_command_gets_its_own_variables_those_it_names_and_few_others() {
        let environment = [("PATH", "/bin"), ("AWS_SECRET_ACCESS_KEY", "hush"), ("HF_HOME", "/cache"), ("LANG", "C")];
        let settings = CommandSettings {
            environment: environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        };
        let command = CommandInput {
            semantics: COMMAND_SEMANTICS,
            base: Digest::of(b"base"),
            argv: vec!["eval".to_owned()],
            files: BTreeMap::new(),
            environment: BTreeMap::from([("LANG".to_owned(), "de".to_owned()), ("SEED".to_owned(), "7".to_owned())]),
            pass: ["HF_HOME".to_owned(), "MISSING".to_owned()].into(),
            write: CommandModel::Adapter,
        };
        let variables = Variables::of(&command, &settings);
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect();
        assert_eq!(variables, [("HF_HOME", "/cache"), ("LANG", "de"), ("PATH", "/bin"), ("SEED", "7")]);
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
