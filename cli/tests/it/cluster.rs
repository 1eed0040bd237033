//! Sweeps over RabbitMQ and S3, with every process a real one. Skipped, in print, where `BOWLINE_TEST_AMQP_URL` or
//! `BOWLINE_TEST_S3_URL` is not set.

use crate::{
    axes::{SEARCH, ranks},
    bad_input::write_images_with_a_damaged_one,
    bowline::{Place, Ran, mini8},
};
use std::{
    collections::BTreeMap,
    env,
    io::{Read, Write},
    net::TcpStream,
    process::{self, Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};
use store::{S3Credentials, S3Settings, Store};

/// A broker, a bucket, and a pool of workers of its own.
pub(crate) struct Cluster {
    pub(crate) place: Place,
    pub(crate) amqp: String,
    pub(crate) s3: String,
    pub(crate) name: String,
    workers: Vec<Child>,
}

/// The word that stands for a skipped test.
const SKIPPED: &str = "skipped: BOWLINE_TEST_AMQP_URL and BOWLINE_TEST_S3_URL are not both set";

impl Cluster {
    /// `None` where there are no servers.
    pub(crate) fn new(name: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "the environment names the servers of tests")]
        let url = |name: &str| env::var(name).ok();
        let amqp = url("BOWLINE_TEST_AMQP_URL");
        let s3 = url("BOWLINE_TEST_S3_URL");
        let (Some(amqp), Some(s3)) = (amqp, s3) else {
            println!("{SKIPPED}");
            return None;
        };
        let name = format!("{name}-{}", process::id());
        make_bucket(&s3, &name);
        Some(Self { place: Place::new(), amqp, s3, name, workers: Vec::new() })
    }

    fn store_url(&self) -> String {
        format!("s3://{}/sweeps", self.name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.env("BOWLINE_QUEUE", &self.amqp).env("BOWLINE_STORE", self.store_url());
        command.env("AWS_ENDPOINT_URL", &self.s3).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "hush-hush-hush");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        let ran = Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.stderr.contains("hush-hush-hush") && !ran.stderr.contains("guest:guest"), "{}", ran.stderr);
        ran
    }

    fn start_worker(&mut self, args: &[&str]) {
        let name = format!("w{}", self.workers.len());
        let mini8 = mini8();
        let own =
            ["worker", "--pool", &self.name, "--name", &name, "--threads", "1", "--root", mini8.to_str().unwrap()];
        let worker = self.command(&[&own, args].concat()).spawn().unwrap();
        self.workers.push(worker);
    }

    /// Asks all workers to end, and says what they printed.
    fn stop_workers(&mut self) -> Vec<String> {
        for worker in &self.workers {
            assert!(Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap().success());
        }
        let ended = std::mem::take(&mut self.workers).into_iter().map(|worker| {
            let output = worker.wait_with_output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(0), "{stderr}");
            stderr
        });
        ended.collect()
    }

    pub(crate) fn store(&self) -> Store {
        let settings = S3Settings {
            endpoint: Some(self.s3.clone()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(S3Credentials::new("test", "test")),
            ..S3Settings::default()
        };
        runtime().block_on(Store::open(&self.store_url().parse().unwrap(), &settings)).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Makes a bucket on a server that asks for no signature.
fn make_bucket(endpoint: &str, name: &str) {
    let host =
        endpoint.strip_prefix("http://").expect("the S3 server of tests speaks plain HTTP").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("PUT /{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What decides, of every result of a store: its job, what was computed, and what it came to.
fn decisive(store: &Store) -> BTreeMap<String, String> {
    let results = runtime().block_on(async { store.results().await.unwrap().collect().await.unwrap() });
    let results = results.into_iter().map(Result::unwrap);
    results.map(|result| (result.job.to_string(), jobs::canonical_json(&(result.meaning, result.scores)))).collect()
}

/// The values of both parameters in `examples/mini8/knots-ties.yaml`.
const SCANNED_VALUES: usize = 15;

#[test]
fn three_workers_over_broker_and_bucket_come_to_what_one_process_does() {
    let Some(mut cluster) = Cluster::new("mini8") else { return };
    let sweep = mini8().join("knots-ties.yaml");
    let sweep = sweep.to_str().unwrap();
    for _ in 0..3 {
        cluster.start_worker(&[]);
    }
    let pool = cluster.name.clone();
    let spread = cluster.run(&["run", sweep, "--pool", &pool, "--json"]).succeeds().json();
    let watched = cluster.run(&["watch", "mini8-knots-ties", "--once", "--json"]).succeeds().json();
    assert_eq!(watched["progress"]["ended"], "finished");
    assert_eq!(watched["workers"].as_array().unwrap().len(), 3, "{watched}");
    for stderr in cluster.stop_workers() {
        assert!(stderr.contains("waiting for jobs") && stderr.contains("the worker ends"), "{stderr}");
    }

    let alone = cluster.place.run(&["run", sweep, "--store", "alone", "--json"]).succeeds().json();
    assert_eq!(spread["rows"], alone["rows"]);
    let of_one = decisive(&Store::existing_folder(cluster.place.path("alone")).unwrap());
    assert!(of_one.len() > 20, "{}", of_one.len());
    let of_three = decisive(&cluster.store());
    let same: BTreeMap<String, String> = of_three
        .iter()
        .filter(|(job, _)| of_one.contains_key(*job))
        .map(|(job, of)| (job.clone(), of.clone()))
        .collect();
    assert_eq!(same, of_one);
    // Workers that were idle beside the linear search may have evaluated values of its scans that it passed over, and nothing else.
    let rows = alone["rows"].as_array().unwrap();
    let read = rows.iter().find_map(|row| row["search"]["points"].as_u64()).unwrap() as usize;
    let ahead: Vec<&String> = of_three.iter().filter(|(job, _)| !of_one.contains_key(*job)).map(|(_, of)| of).collect();
    assert!(ahead.len() <= SCANNED_VALUES - read, "{} ahead, {read} read", ahead.len());
    for of in ahead {
        assert!(of.contains("\"kind\":\"knots\"") && of.contains("\"split\":\"validation\""), "{of}");
    }

    // Nothing is left to do, and no worker is running.
    let again = cluster.run(&["run", sweep, "--pool", &pool, "--json"]).succeeds().json();
    assert_eq!(again["counts"]["run"], 0);
    assert_eq!(again["rows"], spread["rows"]);
}

#[test]
fn variants_run_over_broker_and_bucket_to_the_tables_of_one_process() {
    let Some(mut cluster) = Cluster::new("variants") else { return };
    let ranks = ranks(SEARCH);
    cluster.place.write("ranks.yaml", ranks);
    let adapters = mini8().join("../../testdata/mini8/adapters_r4").canonicalize().unwrap();
    for _ in 0..2 {
        cluster.start_worker(&["--root", adapters.to_str().unwrap()]);
    }
    let pool = cluster.name.clone();
    let spread = cluster.run(&["run", "ranks.yaml", "--pool", &pool, "--json"]).succeeds().json();
    let [small, large] = spread.as_array().unwrap().as_slice() else { panic!("two summaries: {spread}") };
    assert_eq!((&small["variant"]["value"], &large["variant"]["value"]), (&4.into(), &16.into()));
    assert_eq!(large["counts"]["reused"], 1, "the base is the same: {}", large["counts"]);
    for stderr in cluster.stop_workers() {
        assert!(stderr.contains("the worker ends"), "{stderr}");
    }

    let alone = cluster.place.run(&["run", "ranks.yaml", "--store", "alone", "--json"]).succeeds().json();
    for (one, other) in spread.as_array().unwrap().iter().zip(alone.as_array().unwrap()) {
        assert_eq!(one["rows"], other["rows"]);
    }
    let of_one = decisive(&Store::existing_folder(cluster.place.path("alone")).unwrap());
    assert_eq!(decisive(&cluster.store()), of_one);

    // Nothing is left to do, and no worker is running. One variant alone is the same sweep.
    let again = cluster.run(&["run", "ranks.yaml", "--variant", "16", "--pool", &pool, "--json"]).succeeds().json();
    assert_eq!((&again["counts"]["run"], &again["rows"]), (&0.into(), &large["rows"]));
}

#[test]
fn a_worker_that_may_read_nothing_spoils_no_sweep_and_takes_no_job_when_it_comes_back() {
    let Some(mut cluster) = Cluster::new("roots") else { return };
    let pool = cluster.name.clone();
    let elsewhere = cluster.place.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let worker = ["worker", "--pool", &pool, "--root", elsewhere.to_str().unwrap()];
    let refusing = cluster.command(&worker).spawn().unwrap();
    // It may read nothing: after three jobs it is gone, and no job has failed for good.
    let mut running = cluster.command(&["run", "sweep.yaml", "--pool", &pool]).spawn().unwrap();
    let output = refusing.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("failed because of this worker") && stderr.contains("--root"), "{stderr}");
    assert!(running.try_wait().unwrap().is_none(), "the sweep goes on");

    // Started again it takes no job, and none has failed for good.
    let refusing = cluster.command(&worker).spawn().unwrap();
    let output = refusing.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("this one waits") && stderr.contains("1 job failed because of this worker"), "{stderr}");
    let listed = cluster.run(&["failures", "list", "small"]).succeeds().stdout.clone();
    assert!(listed.contains("no job has failed"), "{listed}");
    assert!(running.try_wait().unwrap().is_none(), "the sweep waits");

    cluster.start_worker(&["--idle-exit", "60"]);
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn jobs_that_failed_are_listed_and_retried_when_asked() {
    let Some(mut cluster) = Cluster::new("retry") else { return };
    let pool = cluster.name.clone();
    write_images_with_a_damaged_one(&cluster.place);
    let images = cluster.place.path("images");
    cluster.start_worker(&["--idle-exit", "60", "--root", images.to_str().unwrap()]);
    let run = ["run", "sweep.yaml", "--pool", &pool, "--brake", "0", "-o", "tasks.mnist.data=images"];
    cluster.run(&run).fails(65, &["normalise by", "--retry-failed"]);
    let listed = cluster.run(&["failures", "list", "small", "--json"]).succeeds().json();
    let job = listed[0]["example"].as_str().unwrap();
    let shown = cluster.run(&["failures", "show", &job[..12]]).succeeds().stdout.clone();
    assert!(shown.contains("for good"), "{shown}");
    cluster.run(&["failures", "retry", "small"]).succeeds();
    let listed = cluster.run(&["failures", "list", "small"]).succeeds().stdout.clone();
    assert!(listed.contains("no job has failed") || listed.contains("for instance"), "{listed}");
}

#[test]
fn a_cancelled_sweep_ends_its_coordinator_and_waits_until_that_is_taken_back() {
    let Some(mut cluster) = Cluster::new("cancel") else { return };
    let pool = cluster.name.clone();
    let mut running = cluster.command(&["run", "sweep.yaml", "--pool", &pool]).spawn().unwrap();
    let start = Instant::now();
    while cluster.run(&["watch", "small", "--once"]).code != Some(0) {
        assert!(start.elapsed() < Duration::from_secs(60) && running.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(200));
    }
    cluster.run(&["cancel", "small"]).succeeds();
    assert_eq!(running.wait().unwrap().code(), Some(75));
    cluster.run(&["run", "sweep.yaml", "--pool", &pool]).fails(75, &["was cancelled", "cancel --undo"]);
    cluster.run(&["cancel", "small", "--undo"]).succeeds();
    cluster.start_worker(&[]);
    cluster.run(&["run", "sweep.yaml", "--pool", &pool]).succeeds();
    cluster.stop_workers();
}

#[test]
fn a_wrong_address_or_right_is_told_at_once_and_never_with_its_password() {
    let Some(cluster) = Cluster::new("wrong") else { return };
    let host = cluster.amqp.rsplit_once('@').unwrap().1.to_owned();
    let with = |queue: &str| {
        let output = cluster.command(&["worker", "--queue", queue, "--outage-limit", "2"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("hunter2"), "{stderr}");
        Ran { code: output.status.code(), stdout: String::new(), stderr }
    };
    with("http://user:hunter2@host").fails(2, &["amqp"]);
    with(&format!("amqp://guest:hunter2@{host}")).fails(69, &["refused user `guest`"]);
    with(&format!("amqp://guest:guest@{host}/nowhere")).fails(69, &["nowhere"]);

    let store = |url: &str| cluster.run(&["status", "--store", url]);
    store("s3://no-such-bucket-here/x").fails(69, &["no-such-bucket-here"]);
    store("gs://bucket/x").fails(2, &["s3://bucket/prefix"]);
    let unreachable = cluster.run(&["status", "--s3-endpoint", "http://user:hunter2@127.0.0.1:1"]);
    unreachable.fails(69, &["127.0.0.1:1"]);
    assert!(!unreachable.stderr.contains("hunter2"), "{}", unreachable.stderr);
}
