//! Forged messages beside a running sweep.

use super::{
    Case,
    bench::{Bench, CaseFolder, LIMIT},
    cluster::{Cluster, frozen},
    ensure, sweeps,
};
use crate::Failure;
use jobs::{Digest, HubKind, HubRef, InputRef, Job, JobSpec, Meaning, S3Ref, SplitRule, Subject};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(super) const NAMES: Case = Case {
    name: "forged-names",
    about: "jobs of sweeps with invalid names, and messages without jobs: no worker ends, and the running sweep finishes",
    run: |bench| {
        let case = bench.case_folder("forged-names")?;
        let names = ["../x", "", "..", "a/b", ".h", "a\nb", "a\0b", &"n".repeat(300)];
        beside_a_sweep(bench, &case, Allowed::NoEnd, |cluster, sweep| {
            let jobs = jobs(sweep, 3)?;
            for name in names {
                cluster.publish(name, &jobs)?;
            }
            for body in
                ["", "null", "{}", r#"{"version": 1}"#, r#"{"version": 1, "sweep": "small", "job": {"version": 1}}"#]
            {
                cluster.publish_raw(body.as_bytes())?;
            }
            cluster.publish_raw("[".repeat(100_000).as_bytes())?;
            Ok((3 * names.len() + 6) as u64)
        })
    },
};

pub(super) const UNKNOWN: Case = Case {
    name: "unknown-sweeps",
    about: "jobs of sweeps that the store does not hold: each is dead-lettered after its losses, no worker ends",
    run: |bench| {
        let case = bench.case_folder("unknown-sweeps")?;
        beside_a_sweep(bench, &case, Allowed::NoEnd, |cluster, sweep| {
            for name in ["no-such-sweep", "removed", "of-another-store", "small-2"] {
                cluster.publish(name, &jobs(sweep, 2)?)?;
            }
            Ok(8)
        })
    },
};

pub(super) const PLACES: Case = Case {
    name: "forged-places",
    about: "jobs that name files outside of every root, by `..`, absolute hub paths, buckets: none is read or shown",
    run: |bench| {
        let case = bench.case_folder("forged-places")?;
        let secret = case.write("outside/secret.json", format!("\"{SECRET}\""))?;
        let forged = beside_a_sweep(bench, &case, Allowed::Ends, |cluster, sweep| {
            let forged = leaks(&jobs(sweep, 1)?[0], &secret);
            cluster.publish("small", &forged)?;
            Ok(forged.len() as u64)
        })?;
        let digest = Digest::of(&fs::read(&secret)?).short();
        let leaks = search(&case.path("store"), &[SECRET, &digest])?;
        ensure(leaks.is_empty(), || format!("the store shows the file outside: {leaks:?}"))?;
        Ok(format!("{forged}; neither content nor digest of the file outside is in the store"))
    },
};

const POINTS: u32 = 60;
const WORKERS: usize = 3;
const SECRET: &str = "TOPSECRET-OUTSIDE";

/// Whether workers may end by themselves: after three different unreadable jobs in a row, the worker may be the cause.
#[derive(Clone, Copy, PartialEq)]
enum Allowed {
    NoEnd,
    Ends,
}

/// Runs a sweep on three workers, publishes forged messages at the same time, and checks that both are settled.
fn beside_a_sweep(
    bench: &Bench,
    case: &CaseFolder<'_>,
    allowed: Allowed,
    forge: impl Fn(&Cluster<'_>, &Path) -> Result<u64, Failure>,
) -> Result<String, Failure> {
    let sweep = sweeps::images(case, "small", POINTS)?;
    let mut cluster = start(bench, case)?;
    let mut running = cluster.run("run", &sweep)?;
    let manifest = case.path("store/sweeps/small/manifest.json");
    running.wait_until(LIMIT, || manifest.exists())?;
    let forged = forge(&cluster, &sweep)?;
    cluster.supervise_until(LIMIT, |_| Ok(running.ended()?.is_some()))?;
    running.finish(LIMIT)?.ends_with(&[0])?;
    cluster.supervise_until_empty(LIMIT)?;
    let restarts = cluster.restarts();
    let parked = cluster.waiting()?.dead_letters;
    ensure(restarts == 0 || allowed == Allowed::Ends, || format!("workers ended {restarts} times"))?;
    ensure(parked >= 1, || "no message was dead-lettered".to_owned())?;
    let logs = cluster.stop(LIMIT)?.concat();
    ensure(!logs.contains("panicked"), || "a worker panicked".to_owned())?;
    let stored = sweeps::scores(&case.path("store"))?.len();
    Ok(format!(
        "{forged} forged, {parked} parked, {WORKERS} workers ended {restarts} times, and {stored} results of the sweep beside them"
    ))
}

fn start<'a>(bench: &'a Bench, case: &'a CaseFolder<'a>) -> Result<Cluster<'a>, Failure> {
    let root = case.example("mini8").display().to_string();
    Cluster::start(bench, case, WORKERS, &["--root", &root, "--max-losses", "2", "--attempts", "2"])
}

/// Jobs as the sweep's coordinator might make them, over inputs of other digests.
fn jobs(sweep: &Path, count: usize) -> Result<Vec<Job>, Failure> {
    let frozen = frozen(sweep)?;
    let subjects = [
        Subject::Base,
        Subject::Adapter { task: "flags".to_owned() },
        Subject::Adapter { task: "optdigits".to_owned() },
    ];
    Ok(subjects.into_iter().take(count).map(|subject| frozen.job(frozen.meaning(subject, "validation"))).collect())
}

/// Copies of `job`, each with one input at a forbidden location.
fn leaks(job: &Job, secret: &Path) -> Vec<Job> {
    let hub = |path: String| {
        InputRef::Hub(HubRef {
            kind: HubKind::Dataset,
            repository: "owner/name".to_owned(),
            revision: None,
            path: Some(path),
        })
    };
    let up: PathBuf = ["..", "..", "..", "..", ".."].iter().collect();
    let absolute = secret.display().to_string();
    let places = [
        hub(format!("{}{absolute}", up.display())),
        hub(absolute.clone()),
        InputRef::Path(secret.to_owned()),
        InputRef::Path(Path::new("/proc/self/environ").to_owned()),
        InputRef::S3(S3Ref { bucket: "evil".to_owned(), key: format!("{}{absolute}", up.display()) }),
    ];
    let mut forged = Vec::new();
    for (number, case) in places.into_iter().enumerate() {
        // Each one has an id of its own.
        let mut base = Job::new(with_base(job.spec(), format!("base {number}")), job.places.clone());
        base.places.base = case.clone();
        forged.push(base);
        let mut rows = Job::new(with_base(job.spec(), format!("rows {number}")), job.places.clone());
        for data in rows.places.data.values_mut() {
            let rule = SplitRule { indices: Some(case.clone()), ..SplitRule::default() };
            data.splits.insert("validation".to_owned(), rule);
        }
        forged.push(rows);
    }
    forged
}

/// The same evaluation of another base.
fn with_base(spec: &JobSpec, base: String) -> JobSpec {
    match spec {
        JobSpec::Evaluate(meaning) => Meaning { base: Digest::of(base.as_bytes()), ..meaning.clone() }.into(),
        spec @ (JobSpec::Write(_)
        | JobSpec::Statistics(_)
        | JobSpec::Layerwise(_)
        | JobSpec::Tune(_)
        | JobSpec::Train(_)) => spec.clone(),
    }
}

/// The files below `folder` that hold one of `words`.
fn search(folder: &Path, words: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(search(&path, words)?);
        } else {
            let content = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            found.extend(words.iter().any(|word| content.contains(word)).then_some(path));
        }
    }
    Ok(found)
}
