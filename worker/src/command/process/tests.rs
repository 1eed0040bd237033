use super::*;
use std::{cell::Cell, fs, path::Path};

/// A script that the shell runs in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    limits: CommandLimits,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), limits: CommandLimits::default() }
    }

    fn run_until(
        &self,
        script: &str,
        is_cancelled: impl Fn() -> bool,
    ) -> Result<Result<String, Interrupted>, CommandError> {
        let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let mut variables = Variables::default();
        variables.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        variables.set("GIVEN", "given");
        let process = Process { argv: &argv, folder: self.folder.path(), variables: &variables, limits: self.limits };
        process.run(is_cancelled)
    }

    fn run(&self, script: &str) -> Result<String, CommandError> {
        self.run_until(script, || false).map(|ended| ended.unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// Whether the process whose id a script wrote ends: it is gone, or a zombie that nobody has waited for. A signal takes a moment.
fn ends(file: &Path) -> bool {
    let id = fs::read_to_string(file).unwrap();
    let is_alive = || match fs::read_to_string(format!("/proc/{}/stat", id.trim())) {
        Ok(stat) => !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'),
        Err(_) => false,
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive() && Instant::now() < deadline {
        thread::yield_now();
    }
    !is_alive()
}

/// A script that starts a process which would outlive it, and writes down its id.
const CHILD: &str = "sleep 1000 & echo $! > child.tmp; mv child.tmp child; ";

#[test]
fn a_command_runs_in_its_folder_with_its_variables_alone() {
    let bench = Bench::new();
    let printed = bench.run("pwd -P > where; env | cut -d= -f1 | sort; echo $GIVEN").unwrap();
    // The shell sets some of its own.
    assert!(printed.contains("GIVEN") && printed.ends_with("given"), "{printed}");
    assert!(!printed.contains("HOME") && !printed.contains("CARGO"), "{printed}");
    let folder = bench.folder.path().canonicalize().unwrap();
    assert_eq!(Path::new(fs::read_to_string(bench.path("where")).unwrap().trim()), folder);
}

#[test]
fn exit_codes_say_whether_to_try_again() {
    let bench = Bench::new();
    let error = |script: &str| bench.run(script).unwrap_err();
    let failed = error("echo out; echo err >&2; exit 3").to_string();
    assert!(failed.starts_with("the command ended with exit code 3; it printed: "), "{failed}");
    assert!(failed.contains("out") && failed.contains("err"), "{failed}");
    assert!(matches!(error("exit 75"), CommandError::TryAgain { .. }));
    assert!(matches!(error("kill -9 $$"), CommandError::Signal { signal: 9, .. }));
    assert!(matches!(error("kill -6 $$"), CommandError::Signal { signal: 6, .. }));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let argv = ["no-such-program".to_owned()];
    let bench = Bench::new();
    let variables = Variables::default();
    let process = Process { argv: &argv, folder: bench.folder.path(), variables: &variables, limits: bench.limits };
    let error = process.run(|| false).unwrap_err();
    assert_eq!(error.to_string(), "cannot start `no-such-program` of `evaluation.command`");
}

#[test]
fn a_time_out_ends_the_whole_process_group() {
    let mut bench = Bench::new();
    bench.limits.timeout_s = Some(1);
    let error = bench.run(&format!("{CHILD} echo started; wait")).unwrap_err();
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    assert!(error.to_string().ends_with("1 s, and was ended; it printed: started"), "{error}");
    assert!(ends(&bench.path("child")));
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let bench = Bench::new();
    bench.run(CHILD).unwrap();
    assert!(ends(&bench.path("child")));
}

#[test]
fn a_cancelled_job_ends_the_whole_process_group() {
    let bench = Bench::new();
    let child = bench.path("child");
    let looks = Cell::new(0);
    let is_cancelled = || {
        looks.set(looks.get() + 1);
        child.exists()
    };
    assert_eq!(bench.run_until(&format!("{CHILD} wait"), is_cancelled).unwrap(), Err(Interrupted));
    assert!(looks.get() > 0 && ends(&child));
}

#[cfg(target_os = "linux")]
#[test]
fn the_processes_of_a_group_together_hold_no_more_memory_than_they_may() {
    let mut bench = Bench::new();
    bench.limits.memory_bytes = Some(64 << 20);
    // A pipeline of processes, of which one doubles a text to 128 MiB.
    let script = "echo | { x=xxxxxxxxxxxxxxxx; i=0; while [ $i -lt 23 ]; do x=$x$x; i=$((i + 1)); done; sleep 1000; }";
    match bench.run(script).unwrap_err() {
        CommandError::TooMuchMemory { found, limit, .. } => assert!(found > limit && limit == 64 << 20, "{found}"),
        error => panic!("{error}"),
    }
    bench.limits.memory_bytes = Some(1 << 30);
    bench.run("true").unwrap();
}

#[test]
fn a_command_that_prints_without_end_is_not_held_up_and_little_is_kept() {
    let bench = Bench::new();
    let error = bench.run("yes | head -c 5000000; echo the end >&2; exit 1").unwrap_err().to_string();
    assert!(error.len() < 4000, "{}", error.len());
    assert!(error.contains("the last that it printed: …"), "{error}");
}
