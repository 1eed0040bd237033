use super::*;
use async_trait::async_trait;
use queue::{Delivery, QueueError};
use std::sync::atomic::{AtomicU32, Ordering};
use store::testing::MemoryBackend;
use tokio::sync::Notify;

/// A consumer that notes where it is to take jobs from; what waits is as the test says.
#[derive(Debug)]
struct Fake {
    waiting: Mutex<HashMap<JobSource, Backlog>>,
    source: Mutex<JobSource>,
    looks: AtomicU32,
    announced: Mutex<Vec<String>>,
    has_announced: Notify,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            source: Mutex::new(JobSource::Pool),
            looks: AtomicU32::new(0),
            announced: Mutex::default(),
            has_announced: Notify::new(),
        }
    }
}

impl Fake {
    fn waits(&self, sweep: &str, waiting: u64, consumers: u64) {
        self.waiting.lock().insert(of(sweep), Backlog { waiting, consumers });
    }

    fn announces(&self, sweep: &str) {
        self.announced.lock().push(sweep.to_owned());
        self.has_announced.notify_one();
    }
}

#[async_trait]
impl JobConsumer for Fake {
    async fn next(&self) -> Result<Option<Delivery>, QueueError> {
        std::future::pending().await
    }

    fn take_from(&self, source: &JobSource) {
        self.source.lock().clone_from(source);
    }

    fn source(&self) -> JobSource {
        self.source.lock().clone()
    }

    async fn announced_sweeps(&self) -> Vec<String> {
        loop {
            let sweeps = std::mem::take(&mut *self.announced.lock());
            if !sweeps.is_empty() {
                return sweeps;
            }
            self.has_announced.notified().await;
        }
    }

    async fn backlog(&self, sources: &[JobSource]) -> Option<Vec<Option<Backlog>>> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let waiting = self.waiting.lock();
        Some(sources.iter().map(|source| waiting.get(source).copied()).collect())
    }
}

fn of(sweep: &str) -> JobSource {
    JobSource::Sweep(sweep.to_owned())
}

fn base(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// A worker of pool `a40` that holds one base model, and what it looks at.
struct Bench {
    selector: QueueSelector,
    store: Store,
    main: Fake,
    ahead: Fake,
}

impl Bench {
    fn new() -> Self {
        let store = Store::new(MemoryBackend::new());
        let selector = QueueSelector::new(store.clone(), "a40".to_owned(), 1);
        Self { selector, store, main: Fake::default(), ahead: Fake::default() }
    }

    async fn enter(&self, entry: PoolEntry) {
        self.store.put_pool_entry("a40", &entry.sweep, &entry).await.unwrap();
    }

    /// Enters a sweep as a program of a later version does.
    async fn enter_newer(&self, sweep: &str) {
        let mut entry = serde_json::to_value(PoolEntry::new(sweep, base("a"))).unwrap();
        entry["version"] = (PoolEntry::VERSION + 1).into();
        self.store.put_pool_entry("a40", sweep, &entry).await.unwrap();
    }

    /// Follows for so long; where jobs are taken from then.
    async fn after(&self, time: Duration) -> JobSource {
        let running = self.selector.run(&self.main, Some(&self.ahead));
        assert!(timeout(time, running).await.is_err(), "it goes on for ever");
        self.main.source()
    }

    async fn computes(&self, sweep: &str, of_base: &str, time: Duration) {
        self.selector.job_started(sweep, Some(base(of_base)));
        self.after(time).await;
        self.selector.job_ended(sweep, time, Duration::ZERO);
    }
}

const MOMENT: Duration = Duration::from_millis(1500);

#[tokio::test(start_paused = true)]
async fn a_worker_takes_jobs_of_a_sweep_once_the_store_names_it_and_its_queue_holds_some() {
    let bench = Bench::new();
    assert_eq!(bench.after(MOMENT).await, JobSource::Pool);
    bench.enter(PoolEntry::new("one", base("a"))).await;
    assert_eq!(bench.after(MOMENT).await, JobSource::Pool, "there is no queue yet");
    bench.main.waits("one", 3, 0);
    assert_eq!((bench.after(MOMENT).await, bench.ahead.source()), (of("one"), of("one")));
    bench.store.remove_pool_entry("a40", "one").await.unwrap();
    assert_eq!(bench.after(LIST_EVERY * 2).await, JobSource::Pool);
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_looks_at_the_queues_once_a_second() {
    let bench = Bench::new();
    bench.enter(PoolEntry::new("one", base("a"))).await;
    bench.main.waits("one", 0, 0);
    bench.after(Duration::from_secs(60)).await;
    let looks = bench.main.looks.load(Ordering::Relaxed);
    assert!((55..=61).contains(&looks), "{looks} looks in a minute");
}

#[tokio::test(start_paused = true)]
async fn one_worker_loads_two_base_models_once_each_for_two_searches_of_a_minute() {
    let bench = Bench::new();
    let sweeps = [("one", "a"), ("two", "b")];
    for (sweep, of_base) in sweeps {
        bench.enter(PoolEntry::new(sweep, base(of_base))).await;
        bench.main.waits(sweep, 1, 0);
    }
    // A search has one job at a time, and publishes the next one a second after the last is done.
    let mut left = HashMap::from([(of("one"), 20), (of("two"), 20)]);
    let mut loaded = Vec::new();
    bench.after(MOMENT).await;
    while left.values().any(|left| *left > 0) {
        let source = bench.main.source();
        let Some((sweep, of_base)) = sweeps.into_iter().find(|(sweep, _)| of(sweep) == source) else {
            panic!("no jobs come from {source:?}");
        };
        let jobs = left.get_mut(&source).unwrap();
        if *jobs == 0 {
            bench.after(Duration::from_secs(1)).await;
            continue;
        }
        *jobs -= 1;
        if loaded.last() != Some(&of_base) {
            loaded.push(of_base);
        }
        bench.main.waits(sweep, 0, 0);
        bench.computes(sweep, of_base, Duration::from_millis(1500)).await;
        bench.after(Duration::from_secs(1)).await;
        bench.main.waits(sweep, u64::from(left[&source] > 0), 0);
    }
    assert_eq!(loaded, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_base_model_is_let_go_after_a_minute_in_which_others_waited() {
    let bench = Bench::new();
    for (sweep, of_base) in [("one", "a"), ("two", "b")] {
        bench.enter(PoolEntry::new(sweep, base(of_base))).await;
    }
    bench.main.waits("one", 1000, 0);
    bench.after(MOMENT).await;
    bench.computes("one", "a", MOMENT).await;
    bench.main.waits("two", 1, 0);
    bench.computes("one", "a", MIN_HOLD / 2).await;
    assert_eq!(bench.main.source(), of("one"));
    bench.computes("one", "a", MIN_HOLD).await;
    assert_eq!(bench.main.source(), of("two"));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_with_as_many_workers_as_it_may_have_gets_no_further_one() {
    let bench = Bench::new();
    bench.enter(PoolEntry { max_workers: Some(2), ..PoolEntry::new("one", base("a")) }).await;
    bench.main.waits("one", 9, 2);
    assert_eq!(bench.after(MOMENT).await, JobSource::Pool);
    bench.main.waits("one", 9, 1);
    assert_eq!(bench.after(MOMENT).await, of("one"));
    assert_eq!(bench.ahead.source(), JobSource::Pool, "a worker counts once");
    bench.main.waits("one", 9, 2);
    assert_eq!(bench.after(Duration::from_secs(60)).await, of("one"), "it is one of the two");
}

#[tokio::test(start_paused = true)]
async fn workers_beyond_the_maximum_leave_a_sweep_although_jobs_wait_in_its_queue() {
    let bench = Bench::new();
    bench.enter(PoolEntry { max_workers: Some(2), ..PoolEntry::new("one", base("a")) }).await;
    bench.main.waits("one", 9, 1);
    assert_eq!(bench.after(MOMENT).await, of("one"));
    // Fifty workers joined at the same time.
    bench.main.waits("one", 9, 50);
    assert_eq!(bench.after(Duration::from_secs(30)).await, JobSource::Pool);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_a_version_that_cannot_be_read_is_passed_over() {
    let bench = Bench::new();
    bench.enter_newer("new").await;
    bench.main.waits("new", 9, 0);
    assert_eq!(bench.after(MOMENT).await, JobSource::Pool);
}

#[tokio::test(start_paused = true)]
async fn announcements_of_a_sweep_that_is_known_or_cannot_be_read_do_not_list_the_sweeps_again() {
    let bench = Bench::new();
    bench.enter(PoolEntry::new("one", base("a"))).await;
    bench.enter_newer("new").await;
    bench.after(MIN_SELECT_PAUSE).await;
    let listed = bench.selector.state().listed;
    assert!(listed.is_some());
    for sweep in ["one", "new"] {
        bench.main.announces(sweep);
        bench.after(MIN_SELECT_PAUSE * 3).await;
        assert_eq!(bench.selector.state().listed, listed, "{sweep}");
    }
    bench.main.announces("two");
    bench.after(SELECT_EVERY).await;
    assert_ne!(bench.selector.state().listed, listed);
}

#[tokio::test(start_paused = true)]
async fn many_announcements_do_not_make_a_worker_select_all_the_time() {
    let bench = Bench::new();
    bench.enter(PoolEntry::new("one", base("a"))).await;
    let announcements = async {
        loop {
            bench.main.announces("one");
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = bench.after(Duration::from_secs(2)) => {}
        () = announcements => {}
    }
    let looks = bench.main.looks.load(Ordering::Relaxed);
    assert!((20..=41).contains(&looks), "{looks} looks in two seconds");
}

#[tokio::test(start_paused = true)]
async fn sweeps_that_ended_are_forgotten() {
    let bench = Bench::new();
    bench.enter_newer("new").await;
    for sweep in ["one", "two"] {
        bench.enter(PoolEntry::new(sweep, base("a"))).await;
    }
    bench.after(MOMENT).await;
    bench.computes("one", "a", Duration::from_secs(1)).await;
    assert!(bench.selector.state().skipped.contains("new"));
    for sweep in ["one", "new"] {
        bench.store.remove_pool_entry("a40", sweep).await.unwrap();
    }
    bench.computes("two", "a", HALF_LIFE * 8).await;
    let state = bench.selector.state();
    assert_eq!(state.work.keys().collect::<Vec<_>>(), [&of("two")]);
    assert!(state.skipped.is_empty());
}

/// A worker that computes a job of a large sweep, while a small sweep has just started.
async fn busy_beside_a_new_sweep() -> Bench {
    let bench = Bench::new();
    bench.enter(PoolEntry::new("large", base("a"))).await;
    bench.main.waits("large", 1000, 2);
    bench.after(MOMENT).await;
    bench.computes("large", "a", LIST_EVERY * 3).await;
    bench.selector.job_started("large", Some(base("a")));
    bench.enter(PoolEntry::new("small", base("a"))).await;
    bench.main.waits("small", 1, 0);
    bench
}

#[tokio::test(start_paused = true)]
async fn a_busy_worker_switches_to_a_new_sweep_as_soon_as_it_is_announced() {
    let bench = busy_beside_a_new_sweep().await;
    assert_eq!(bench.after(SELECT_EVERY * 2).await, of("large"), "it does not know the small one");
    bench.main.announces("small");
    assert_eq!((bench.after(SELECT_EVERY).await, bench.ahead.source()), (of("small"), of("small")));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_taken_ahead_is_returned_for_a_sweep_that_had_less_of_the_worker_and_not_otherwise() {
    let bench = busy_beside_a_new_sweep().await;
    let is_preempted = async |sweep| timeout(Duration::from_millis(1), bench.selector.preempted(sweep)).await.is_ok();
    assert!(!is_preempted("large").await);
    bench.main.announces("small");
    bench.after(SELECT_EVERY).await;
    assert!(is_preempted("large").await && !is_preempted("small").await);
    // A worker has taken the only job of the small sweep. A job of it that waits for the device here stays.
    bench.main.waits("small", 0, 0);
    assert_eq!(bench.after(SELECT_EVERY * 2).await, of("large"));
    assert!(!is_preempted("small").await && !is_preempted("large").await);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_taken_ahead_stays_once_the_queue_that_went_first_is_deleted() {
    let bench = busy_beside_a_new_sweep().await;
    let is_preempted = async |sweep| timeout(Duration::from_millis(1), bench.selector.preempted(sweep)).await.is_ok();
    bench.main.announces("small");
    assert_eq!(bench.after(SELECT_EVERY).await, of("small"));
    assert!(is_preempted("large").await);
    // The small sweep ended: its queue is gone, and the consumer takes from the pool. The large one has no more jobs.
    bench.main.waits("large", 0, 0);
    bench.main.waiting.lock().remove(&of("small"));
    bench.main.take_from(&JobSource::Pool);
    assert_eq!(bench.after(SELECT_EVERY * 2).await, JobSource::Pool);
    assert!(!is_preempted("large").await);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_worker_waits_for_a_search_counts_as_work_for_it() {
    let bench = Bench::new();
    for sweep in ["large", "small"] {
        bench.enter(PoolEntry::new(sweep, base("a"))).await;
    }
    bench.main.waits("large", 1000, 2);
    bench.after(MOMENT).await;
    bench.computes("large", "a", Duration::from_secs(4)).await;
    // Its coordinator takes much longer than its jobs.
    let mut steps = 0;
    loop {
        bench.main.waits("small", 1, 0);
        assert_eq!(bench.after(SELECT_EVERY * 2).await, of("small"));
        bench.main.waits("small", 0, 0);
        bench.computes("small", "a", Duration::from_millis(1)).await;
        if bench.after(SELECT_EVERY / 2).await != of("small") {
            break;
        }
        steps += 1;
        assert!(steps < 100, "the large sweep waits for ever");
    }
    // Four seconds, in steps of half a second.
    assert!((6..=10).contains(&steps), "{steps} steps");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_runs_no_commands_takes_no_jobs_of_sweeps_that_do() {
    for allows in [false, true] {
        let bench = Bench::new();
        let bench = Bench { selector: bench.selector.allowing_commands(allows), ..bench };
        bench.enter(PoolEntry { runs_commands: true, ..PoolEntry::new("own", base("a")) }).await;
        bench.main.waits("own", 10, 0);
        let expected = if allows { of("own") } else { JobSource::Pool };
        assert_eq!(bench.after(MOMENT).await, expected, "{allows}");
        assert_eq!(bench.selector.state().skipped.contains("own"), !allows);
    }
}
