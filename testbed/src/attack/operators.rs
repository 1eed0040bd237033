//! Closed pipes and closed terminals.

use super::{Case, bench::LIMIT, cluster::Cluster, ensure, sweeps};
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

pub(super) const CLOSED_PIPE: Case = Case {
    name: "closed-pipe",
    about: "`watch | head -1` and `watch --json | head -1` of a running sweep: they end within seconds",
    run: |bench| {
        let case = bench.case_folder("closed-pipe")?;
        let sweep = sweeps::images(&case, "small", 200)?;
        let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
        let run = ["run", sweep, "--threads", "1", "--store", "store"];
        let mut running = case.start("run", &mut case.bowline(&run))?;
        let progress = case.path("store/sweeps/small/progress.json");
        running.wait_until(LIMIT, || progress.exists())?;
        let mut seen = Vec::new();
        for more in [&["--json"][..], &[]] {
            let args = [&["watch", "small", "--store", "store", "--interval", "1"], more].concat();
            let mut command = case.bowline(&args);
            let mut watch = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let output = watch.stdout.take().ok_or("no pipe")?;
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            // Dropping the reader closes the pipe.
            let start = Instant::now();
            let ended = loop {
                match watch.try_wait()? {
                    Some(status) => break Some(status),
                    None if start.elapsed() > END_TIMEOUT => break None,
                    None => sleep(Duration::from_millis(50)),
                }
            };
            if ended.is_none() {
                watch.kill()?;
                watch.wait()?;
            }
            let status = ended.ok_or_else(|| format!("{args:?} goes on without a reader"))?;
            seen.push(format!("{} with {status}", args.join(" ")));
        }
        Ok(format!("ended after one line: {}", seen.join("; ")))
    },
};

pub(super) const HANGUP: Case = Case {
    name: "hangup",
    about: "SIGHUP to a worker and a run: the worker returns its job and ends with 0, the run with 75, and the sweep resumes",
    run: |bench| {
        let case = bench.case_folder("hangup")?;
        let sweep = sweeps::images(&case, "small", 40)?;
        let root = case.example("mini8").display().to_string();
        let mut cluster = Cluster::start(bench, &case, 1, &["--root", &root])?;
        let mut running = cluster.run("run", &sweep)?;
        let store = cluster.store();
        running.wait_until(LIMIT, || sweeps::scores(&store).is_ok_and(|scores| scores.len() >= 3))?;
        let worker = cluster.replace(0)?;
        worker.signal("HUP")?;
        worker.finish(LIMIT)?.ends_with(&[0])?;
        running.signal("HUP")?;
        running.finish(LIMIT)?.ends_with(&[75])?;
        let mut again = cluster.run("again", &sweep)?;
        cluster.supervise_until(LIMIT, |_| Ok(again.ended()?.is_some()))?;
        again.finish(LIMIT)?.ends_with(&[0])?;
        let logs = cluster.stop(LIMIT)?.concat();
        ensure(!logs.contains("a worker lost a job"), || "the hang-up counts as a loss of the job".to_owned())?;
        Ok("the worker ended with 0, the run with 75, no job was lost, and the same command went on to the end"
            .to_owned())
    },
};

/// How long a command may run without a reader.
const END_TIMEOUT: Duration = Duration::from_secs(15);
