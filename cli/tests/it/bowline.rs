use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A folder to run `bowline` in, with a small sweep file over real inputs.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that it failed as it should: with this exit code, all of these words, and no panic.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }

    pub(crate) fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// The two smallest tasks of mini8, and a search of two points.
const SWEEP: &str = "
name: small
base: MINI8/base
tasks:
  - {name: optdigits, adapter: MINI8/adapters/optdigits, data: MINI8/data/optdigits, head: MINI8/heads/optdigits.safetensors}
  - {name: mnist, adapter: MINI8/adapters/mnist, data: MINI8/data/mnist, head: MINI8/heads/mnist.safetensors}
evaluation: {benchmark: per_task, select: validation, report: validation}
method: linear
recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}
parameters:
  scaling: {values: [0.4, 0.6]}
";

pub(crate) fn mini8() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8").canonicalize().unwrap()
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let sweep = SWEEP.replace("MINI8", mini8().to_str().unwrap());
        fs::write(folder.path().join("sweep.yaml"), sweep).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
        // No test goes to the network, whatever the machine's cache holds.
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.path("hub"));
        command.args(args).current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Self::ran(self.command(args))
    }

    /// Runs a command that could ask the hub, which does not answer.
    pub(crate) fn run_online(&self, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", "http://127.0.0.1:9");
        Self::ran(command)
    }

    pub(crate) fn ran(mut command: Command) -> Ran {
        let output = command.output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Results in the default store.
    pub(crate) fn results(&self) -> usize {
        let Ok(folders) = fs::read_dir(self.path("bowline-results/results")) else { return 0 };
        folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
    }
}
