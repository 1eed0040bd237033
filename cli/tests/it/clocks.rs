//! Workers whose clocks are wrong.

use crate::{bowline::Place, cluster::runtime};
use jobs::WorkerStatus;
use std::{
    fs::File,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::Store;

#[test]
fn a_worker_is_missing_when_its_heartbeat_is_old_and_not_when_its_clock_is_wrong() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--threads", "1", "--max-time", "0"]).fails(75, &["has used its time limit"]);
    let results = place.path("bowline-results");
    let store = Store::existing_folder(&results).unwrap();
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let put = |name: &str, beat_ms: u64| {
        let status = WorkerStatus { beat_ms, ..WorkerStatus::fresh(name, "cpu", 0) };
        runtime().block_on(store.put_worker(name, &status)).unwrap();
    };
    put("behind", now_ms - 2 * 3_600_000);
    put("ahead-and-dead", now_ms + 24 * 3_600_000);
    let file = File::options().write(true).open(results.join("workers/ahead-and-dead.json")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(120)).unwrap();

    let watched = place.run(&["watch", "small", "--once"]).succeeds().stdout.clone();
    let line = |name: &str| watched.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{watched}"));
    assert!(line("behind").contains("idle; clock 2 h 00 min behind"), "{watched}");
    assert!(line("ahead-and-dead").contains("no heartbeat for 2 min"), "{watched}");
    assert!(watched.contains("1 worker, 0 with a job; 1 missing"), "{watched}");
}
