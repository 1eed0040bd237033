//! Who makes the winner of a sweep.

use crate::{
    bowline::{Place, mini8},
    cluster::runtime,
};
use serde_json::Value;
use std::{
    env, fs, io,
    path::Path,
    process::{self, Command},
    thread::sleep,
    time::Duration,
};
use store::testing::{HttpFault, HttpFaults, S3Server};

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        return fs::copy(from, to).map(drop);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Run and worker reach the bucket by a server each, and have a cache each. When all inputs are looked at and jobs
/// wait, the run's cache goes away, and its server refuses every input from then on.
#[test]
fn a_run_on_a_cluster_opens_neither_base_nor_adapters_after_it_has_looked_at_them() {
    #[expect(clippy::disallowed_methods, reason = "tests learn of their servers from the environment")]
    let Ok(amqp) = env::var("BOWLINE_TEST_AMQP_URL") else {
        println!("skipped: BOWLINE_TEST_AMQP_URL is not set");
        return;
    };
    let place = Place::new();
    let folder = place.path("s3");
    let sweep = fs::read_to_string(place.path("sweep.yaml")).unwrap();
    place.write("sweep.yaml", sweep.replace(mini8().to_str().unwrap(), "s3://bucket/mini8"));
    for part in ["base", "adapters/optdigits", "adapters/mnist", "data/optdigits", "data/mnist", "heads"] {
        copy(&mini8().join(part), &folder.join("bucket/mini8").join(part)).unwrap();
    }
    let runtime = runtime();
    let of_run = HttpFaults::none();
    let servers = [of_run.clone(), HttpFaults::none()];
    let servers = servers.map(|faults| runtime.block_on(S3Server::start(&folder, faults)).unwrap());
    let pool = format!("winner-{}", process::id());
    let command = |args: &[&str], server: &S3Server, cache: &str| -> Command {
        let mut command = place.command(&[args, &["--pool", &pool, "--threads", "1"]].concat());
        command.env("BOWLINE_INPUT_CACHE", place.path(cache));
        command.env("BOWLINE_QUEUE", &amqp).env("BOWLINE_STORE", "s3://bucket/results");
        command.env("AWS_ENDPOINT_URL", server.endpoint()).env("AWS_REGION", "us-east-1");
        // Those of the server of tests.
        command.env("AWS_ACCESS_KEY_ID", "bowline").env("AWS_SECRET_ACCESS_KEY", "correct-horse-battery-staple");
        command
    };
    let mut run = command(&["run", "sweep.yaml"], &servers[0], "cache of the run").spawn().unwrap();
    let progress = folder.join("bucket/results/sweeps/small/progress.json");
    let waits = || -> Option<bool> {
        let progress: Value = serde_json::from_slice(&fs::read(&progress).ok()?).ok()?;
        Some(progress["outstanding"].as_u64()? > 0)
    };
    while waits() != Some(true) {
        if run.try_wait().unwrap().is_some() {
            let ended = run.wait_with_output().unwrap();
            unreachable!("the run waits for workers: {}", String::from_utf8_lossy(&ended.stderr));
        }
        sleep(Duration::from_millis(20));
    }
    fs::remove_dir_all(place.path("cache of the run")).unwrap();
    of_run.strike(u32::MAX, "", "/mini8", HttpFault::Answers(403, "AccessDenied"));

    let mut worker = command(&["worker"], &servers[1], "cache of the worker").spawn().unwrap();
    let ended = run.wait_with_output().unwrap();
    assert!(Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap().success());
    worker.wait().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(of_run.struck(), 0, "the run asked for an input");
    assert!(!place.path("cache of the run").exists(), "the run fetched an input");
    let best = folder.join("bucket/results/sweeps/small/best");
    assert!(best.join("adapter_model.safetensors").exists() && best.join("merge.json").exists());
}
