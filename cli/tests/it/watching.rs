//! What a worker and a run show of themselves: probes in every state, numbers beside the run's own counts, spans at a
//! collector, logs in JSON.

use crate::{
    bowline::mini8,
    cluster::{Cluster, runtime},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value as AnyValue, trace::v1::Span,
};
use prost::Message;
use queue::{JobConsumer, JobPublisher, RabbitQueue, RabbitSettings, proxy::Proxy};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, sleep},
    time::{Duration, Instant},
};

/// How long something that must happen may take on a machine that does much else.
const TIME_LIMIT: Duration = Duration::from_secs(90);

/// A process that shows itself at an address.
pub(crate) struct Shown {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Shown {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let lines = Arc::default();
        let stderr = child.stderr.take().unwrap();
        let kept: Arc<Mutex<Vec<String>>> = Arc::clone(&lines);
        thread::spawn(move || BufReader::new(stderr).lines().for_each(|line| kept.lock().unwrap().push(line.unwrap())));
        Self { child, lines }
    }

    pub(crate) fn address(&self) -> String {
        let line =
            until("it listens", || self.lines.lock().unwrap().iter().find(|line| line.contains("/readyz")).cloned());
        let (_, rest) = line.split_once("http://").unwrap();
        rest.split_once(": ").unwrap().0.to_owned()
    }

    /// The status and the body, or `None` if no process listens.
    pub(crate) fn ask(&self, path: &str) -> Option<(u16, String)> {
        ask(&self.address(), path)
    }

    fn metrics(&self) -> Metrics {
        let (status, text) = self.ask("/metrics").unwrap();
        assert!(status == 200 && text.ends_with("# EOF\n"), "{status} {text}");
        Metrics::read(&text)
    }

    fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn ends_well(&mut self) -> Vec<String> {
        let code = until("it ends", || self.child.try_wait().unwrap());
        let lines = self.lines.lock().unwrap().clone();
        assert_eq!(code.code(), Some(0), "{lines:#?}");
        lines
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Numbers by name and labels, as Prometheus reads them.
#[derive(Debug)]
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(name, n)| (name.to_owned(), n.parse().unwrap()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn sum(&self, prefix: &str) -> f64 {
        self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum()
    }
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < TIME_LIMIT, "{what}: not within {TIME_LIMIT:?}");
        sleep(Duration::from_millis(20));
    }
}

fn settles(shown: &Shown, path: &str, status: u16, word: &str) {
    until(&format!("{path} says {status} {word}"), || {
        shown.ask(path).filter(|(code, body)| *code == status && body.trim_end() == word).map(drop)
    });
}

#[test]
fn a_worker_answers_probes_in_every_state_of_its_life() {
    let Some(cluster) = Cluster::new("probes") else { return };
    let runtime = runtime();
    let broker_host = cluster.amqp.rsplit_once('@').unwrap().1;
    let s3_host = cluster.s3.strip_prefix("http://").unwrap();
    let (broker, s3) = runtime.block_on(async {
        (Proxy::before(broker_host).await.unwrap(), Proxy::before(s3_host.trim_end_matches('/')).await.unwrap())
    });
    let users = cluster.amqp.rsplit_once('@').unwrap().0;
    broker.go_down();
    let mut command = cluster.command(&["worker", "--pool", &cluster.name, "--root", mini8().to_str().unwrap()]);
    command.env("BOWLINE_QUEUE", format!("{users}@{}", broker.address()));
    command.env("AWS_ENDPOINT_URL", format!("http://{}", s3.address()));
    let mut worker = Shown::start(command);

    settles(&worker, "/readyz", 503, "starting");
    settles(&worker, "/healthz", 200, "ok");
    let probe = |path: &str| cluster.run(&["probe", &format!("http://{}{path}", worker.address())]);
    probe("/readyz").fails(69, &["/readyz: starting"]);
    assert_eq!(probe("/healthz").succeeds().stdout, "ok\n");
    assert!((worker.metrics().get("bowline_worker_state{state=\"starting\"}") - 1.0).abs() < 0.1);

    broker.come_up();
    settles(&worker, "/readyz", 200, "ok");
    broker.go_down();
    settles(&worker, "/readyz", 503, "the broker is out of reach");
    assert!(worker.metrics().get("bowline_broker_in_reach") < 0.5);
    settles(&worker, "/healthz", 200, "ok");
    broker.come_up();
    settles(&worker, "/readyz", 200, "ok");
    assert!(worker.metrics().get("bowline_broker_reconnects_total") > 0.5);

    // A job whose result the store takes its time to take: in hand for as long as we want.
    let mut running = cluster.command(&["run", "sweep.yaml", "--pool", &cluster.name]).spawn().unwrap();
    until("a job is in hand", || (worker.metrics().get("bowline_worker_state{state=\"busy\"}") > 0.5).then_some(()));
    s3.pause();
    settles(&worker, "/readyz", 200, "ok");
    worker.terminate();
    settles(&worker, "/readyz", 503, "draining");
    settles(&worker, "/healthz", 200, "ok");
    s3.resume();
    worker.ends_well();
    let _ = running.kill();
    let _ = running.wait();
}

#[test]
fn a_sweep_on_a_cluster_is_counted_and_its_jobs_are_traced_from_end_to_end() {
    let Some(cluster) = Cluster::new("counted") else { return };
    let collector = Collector::start();
    let traced = |args: &[&str]| {
        let mut command = cluster.command(&[args, &["--pool", &cluster.name]].concat());
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
        command
    };
    let root = mini8();
    let own = ["worker", "--threads", "1", "--log-format", "json", "--root", root.to_str().unwrap()];
    let mut workers: Vec<Shown> = (0..2).map(|_| Shown::start(traced(&own))).collect();
    let mut run = Shown::start(traced(&["run", "sweep.yaml", "--json"]));
    // While it runs, its own endpoint shows its progress.
    until("jobs are done", || {
        let (_, text) = run.ask("/metrics")?;
        let metrics = Metrics::read(&text);
        let published = metrics.get("bowline_sweep_published_total{sweep=\"small\"}");
        let done = metrics.get("bowline_sweep_jobs{sweep=\"small\",state=\"done\"}");
        let bound = metrics.get("bowline_sweep_jobs{sweep=\"small\",state=\"bound\"}");
        (done > 0.5 && published >= done && bound >= done).then_some(())
    });
    run.ends_well();
    let mut printed = String::new();
    run.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let evaluations = summary["counts"]["run"].as_f64().unwrap();
    // The winner is written by a job that no number of the sweep counts.
    let run_jobs = evaluations + 1.0;

    let store = cluster.store();
    let results = runtime().block_on(async { store.results().await.unwrap().collect().await.unwrap() });
    let examples: u64 = results.iter().flat_map(|result| &result.as_ref().unwrap().scores).map(|score| score.n).sum();
    let counted: Vec<Metrics> = workers.iter().map(Shown::metrics).collect();
    let all = |name: &str| counted.iter().map(|metrics| metrics.get(name)).sum::<f64>();
    // One worker may be quick enough for all jobs. Each that evaluates loads the model once.
    let evaluated = "bowline_job_phase_seconds_count{phase=\"evaluate\"}";
    let evaluating = counted.iter().filter(|metrics| metrics.get(evaluated) > 0.5).count();
    let settled = counted.iter().map(|metrics| metrics.sum("bowline_jobs_settled_total")).sum::<f64>();
    for (what, found, expected) in [
        ("done", all("bowline_jobs_settled_total{outcome=\"done\"}"), run_jobs),
        ("jobs timed", all("bowline_job_seconds_count"), run_jobs),
        ("stored", all("bowline_job_phase_seconds_count{phase=\"store\"}"), run_jobs),
        ("evaluated", all(evaluated), evaluations),
        ("examples", all("bowline_examples_total{kind=\"image\"}"), examples as f64),
        ("waits", all("bowline_queue_wait_seconds_count"), settled),
        ("models", all("bowline_cache_lookups_total{cache=\"model\",outcome=\"miss\"}"), evaluating as f64),
    ] {
        assert!((found - expected).abs() < 0.5, "{what}: {found} is shown, {expected} is right\n{counted:#?}");
    }
    for worker in &workers {
        worker.terminate();
    }
    for worker in &mut workers {
        looks_like_json(&worker.ends_well());
    }
    check_traces(&collector.spans(), run_jobs as usize);
}

#[test]
fn a_worker_leaves_a_job_of_another_version_to_others_and_says_so() {
    let Some(cluster) = Cluster::new("versions") else { return };
    let root = mini8();
    let own = ["worker", "--pool", &cluster.name, "--name", "w", "--threads", "1", "--root", root.to_str().unwrap()];
    let mut worker = Shown::start(cluster.command(&own));
    cluster.run(&["run", "sweep.yaml", "--pool", &cluster.name]).succeeds();
    let store = cluster.store();
    let runtime = runtime();
    let mut settings = RabbitSettings::new(cluster.amqp.parse().unwrap());
    settings.pool = cluster.name.parse().unwrap();
    let own = queue::contract::job(1);
    let mut meaning = own.spec().as_evaluation().unwrap().clone();
    meaning.evaluation += 1;
    let later = jobs::Job::new(meaning, own.places);
    let queue = runtime.block_on(async {
        let queue = RabbitQueue::connect(settings).await.unwrap();
        queue.publish(&later, "another").await.unwrap();
        queue
    });
    until("it is left", || (worker.metrics().get("bowline_jobs_left_to_others") > 0.5).then_some(()));
    // It is counted when the broker has confirmed it, a moment later.
    let deferred = "bowline_jobs_settled_total{outcome=\"deferred\"}";
    until("it is counted", || (worker.metrics().get(deferred) > 0.5).then_some(()));
    until("the warning is printed", || {
        let watched = cluster.run(&["watch", "small", "--once"]).succeeds().stdout.clone();
        watched.contains("leaves 1 to workers of another version").then_some(())
    });
    worker.terminate();
    let said = worker.ends_well().join("\n");
    assert!(said.contains("the job's evaluation is of semantics 2, while this Bowline computes semantics 1"), "{said}");

    // The worker of that version: it takes the job as it was published.
    let consumer = {
        let _runtime = runtime.enter();
        queue.consumer().unwrap()
    };
    runtime.block_on(async {
        let delivery = tokio::time::timeout(TIME_LIMIT, consumer.next()).await.expect("it comes").unwrap().unwrap();
        assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&later, 1, 0));
        delivery.ack().await.unwrap();
        consumer.close().await;
        assert!(store.jobs_with_failures().await.unwrap().is_empty(), "nothing has failed");
    });
}

/// Every line is an event, and those of jobs say of which.
fn looks_like_json(lines: &[String]) {
    let read = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let events: Vec<serde_json::Value> = lines.iter().map(read).collect();
    for event in &events {
        assert!(
            event["timestamp"].is_string() && event["level"].is_string() && event["message"].is_string(),
            "{event}"
        );
    }
    let said = |word: &str| events.iter().find(|event| event["message"].as_str().unwrap().contains(word));
    assert!(said("waiting for jobs").is_some() && said("the worker ends").is_some(), "{events:#?}");
    let done = said("job done").expect("it has done a job");
    let span = &done["spans"][0];
    assert!(span["sweep"] == "small" && span["attempt"] == 1 && span["job"].as_str().unwrap().len() == 12, "{done}");
}

/// A collector of spans that keeps what it is sent.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<(String, Span)>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || while collect(&mut stream.as_ref().unwrap(), &kept).is_some() {});
            }
        });
        Self { url, received }
    }

    /// The spans, each with the service that sent it.
    fn spans(&self) -> Vec<(String, Span)> {
        self.received.lock().unwrap().clone()
    }
}

/// Takes one request in; `None` at the end of the connection.
fn collect(stream: &mut &TcpStream, kept: &Mutex<Vec<(String, Span)>>) -> Option<()> {
    let mut reader = BufReader::new(*stream);
    let mut length = 0;
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("protobuf");
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let service = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
        let Some(AnyValue::StringValue(service)) = service.value.unwrap().value else { panic!("no text") };
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        kept.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}

/// Each job has a trace of its own that leads from the run through a worker.
fn check_traces(spans: &[(String, Span)], jobs: usize) {
    let named = |name: &str| spans.iter().filter(|(_, span)| span.name == name).collect::<Vec<_>>();
    let published = named("publish");
    let taken = named("job");
    assert_eq!((published.len(), taken.len()), (jobs, jobs));
    let mut evaluations = 0;
    for (service, job) in &taken {
        assert_eq!(service, "bowline-worker");
        let (from, publish) = published.iter().find(|(_, span)| span.span_id == job.parent_span_id).expect("published");
        assert_eq!((from.as_str(), &publish.trace_id), ("bowline", &job.trace_id));
        let within = |name: &str| {
            let inside = |span: &Span| span.trace_id == job.trace_id && span.parent_span_id == job.span_id;
            spans.iter().filter(|(_, span)| span.name == name && inside(span)).count()
        };
        assert_eq!(within("store"), 1, "{job:?}");
        evaluations += usize::from(within("evaluate") >= 1);
        let start = job.start_time_unix_nano;
        let end = job.end_time_unix_nano;
        assert!(publish.start_time_unix_nano <= start && start < end, "{publish:?} {job:?}");
    }
    assert_eq!(evaluations, jobs - 1, "all but the one that writes");
    assert!(!named("align").is_empty() && !named("merge").is_empty() && !named("load").is_empty());
    let traces: std::collections::BTreeSet<_> = published.iter().map(|(_, span)| &span.trace_id).collect();
    assert_eq!(traces.len(), jobs, "a trace for each job");
}
