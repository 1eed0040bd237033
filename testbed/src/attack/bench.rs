use super::program::Running;
use crate::{Broker, Failure};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};
use tokio::runtime::Runtime;

/// Shared by all cases: the program, the examples and a folder.
#[derive(Debug)]
pub struct Bench {
    /// The binary `bowline`.
    pub program: PathBuf,
    /// The folder `examples` of the checkout.
    pub examples: PathBuf,
    /// The folder for everything that cases write.
    pub folder: PathBuf,
    runtime: Runtime,
    broker: OnceLock<Option<Broker>>,
}

/// A folder of a case.
#[derive(Debug)]
pub(super) struct CaseFolder<'a> {
    bench: &'a Bench,
    folder: PathBuf,
}

/// How long a command may take, unless its case says otherwise.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// Variables that would change what the program does.
const CLEARED: [&str; 12] = [
    "BOWLINE_STORE",
    "BOWLINE_QUEUE",
    "BOWLINE_POOL",
    "BOWLINE_LISTEN",
    "BOWLINE_LOG_FORMAT",
    "BOWLINE_INPUT_CACHE",
    "BOWLINE_CA",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "HF_TOKEN",
];

impl Bench {
    /// A bench that starts its broker for the first case that needs one.
    ///
    /// # Errors
    /// No runtime can be started.
    pub fn new(program: PathBuf, examples: PathBuf, folder: PathBuf) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { program, examples, folder, runtime, broker: OnceLock::new() })
    }

    /// The address of a private broker; `None` if none can be started.
    pub(super) fn broker(&self) -> Option<&str> {
        let start = || self.block_on(Broker::start(&self.folder.join("broker"))).ok().flatten();
        self.broker.get_or_init(start).as_ref().map(Broker::address)
    }

    /// Waits for a client of the broker.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A fresh folder for the case `name`.
    pub(super) fn case_folder(&self, name: &str) -> Result<CaseFolder<'_>, Failure> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(CaseFolder { bench: self, folder })
    }
}

impl CaseFolder<'_> {
    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A path in the examples.
    pub(super) fn example(&self, name: &str) -> PathBuf {
        self.bench.examples.join(name)
    }

    /// Writes a file in the folder, and the folders that it lies in.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content)?;
        Ok(path)
    }

    /// The program with these arguments, in the folder and without any network.
    pub(super) fn bowline(&self, args: &[&str]) -> Command {
        self.prepared(Command::new(&self.bench.program), args)
    }

    /// The program with an address space of at most `mebibytes` MiB.
    pub(super) fn bowline_within(&self, mebibytes: u64, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        // The shell is replaced by the program, so that the process id is the program's.
        command.args(["-c", "ulimit -c 0; ulimit -v \"$1\"; shift; exec \"$@\"", "sh", &(mebibytes << 10).to_string()]);
        command.arg(&self.bench.program);
        self.prepared(command, args)
    }

    fn prepared(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).current_dir(&self.folder);
        for name in CLEARED {
            command.env_remove(name);
        }
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.path("hub")).env("RUST_BACKTRACE", "0");
        command
    }

    /// Starts a command, whose output goes to `NAME.out` and `NAME.err`.
    pub(super) fn start(&self, name: &str, command: &mut Command) -> Result<Running, Failure> {
        Ok(Running::start(name, command, &self.folder)?)
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, args: &[&str]) -> Result<super::program::Ended, Failure> {
        self.start(args.first().unwrap_or(&"bowline"), &mut self.bowline(args))?.finish(LIMIT)
    }
}

/// Copies a folder with its content.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
