//! Trainings that stop early, whose legs rest, and whose workers are killed between and within legs.

use super::*;
use queue::JobConsumer;
use std::{pin::Pin, time::Duration};
use worker::{Limits, SelfTest, StateFile};

/// Computes until the attempt has made so many steps of its leg; the outcome if it ends before.
async fn until_steps<F: Future>(
    mut computing: Pin<&mut F>,
    context: &AttemptContext,
    steps: usize,
) -> Option<F::Output> {
    loop {
        tokio::select! {
            biased;
            done = &mut computing => return Some(done),
            () = tokio::task::yield_now() => {}
        }
        if context.steps_made().map_or(0, |made| made.made - made.first) >= steps {
            return None;
        }
    }
}

/// A worker that is killed in each leg as soon as it has made so many steps of it: with 0, before the first one.
#[derive(Debug)]
struct Killed {
    device: Arc<dyn Compute>,
    steps: usize,
    /// Told when that is so.
    reached: Arc<Notify>,
}

#[async_trait]
impl Compute for Killed {
    async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        let computing = self.device.compute(job, context);
        tokio::pin!(computing);
        if let Some(done) = until_steps(computing.as_mut(), context, self.steps).await {
            return done;
        }
        self.reached.notify_one();
        std::future::pending().await
    }

    fn device(&self) -> String {
        "killed".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

impl Bench {
    /// A worker whose legs rest after every step, and after every part of an evaluation.
    fn resting(&self) -> Worker {
        self.worker(Arc::clone(&self.device)).with_limits(Limits { rest: Some(Duration::ZERO), ..Limits::default() })
    }

    /// Has a worker take the job in the queue, and kills it once it has made so many steps. Whether it had done the job by then.
    async fn kill_after(&self, steps: usize) -> bool {
        let reached = Arc::new(Notify::new());
        let device = Arc::clone(&self.device);
        let killed = self.worker(Arc::new(Killed { device, steps, reached: Arc::clone(&reached) }));
        tokio::select! {
            done = killed.run_one() => done.unwrap(),
            () = reached.notified() => false,
        }
    }

    async fn is_done(&self, job: &Job) -> bool {
        self.store.artefact_result(&job.id()).await.unwrap().is_some()
    }

    /// How many states legs have kept of themselves between attempts.
    fn kept(&self) -> usize {
        let Ok(jobs) = fs::read_dir(self.root.join("checkpoints")) else { return 0 };
        let names = |folder: &Path| -> Vec<String> {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        jobs.map(|job| job.unwrap().path())
            .map(|path| if path.is_dir() { names(&path) } else { vec!["text".to_owned()] })
            .map(|names| names.len() - usize::from(names.len() > 1 && names.contains(&"rested.json".to_owned())))
            .sum()
    }
}

/// Three legs with steps, and two that hand the state on.
const STOPPED: &str = EARLY;

/// The digest and the facts of the adapter that a training ends in without any interruption.
async fn undisturbed(training: &str) -> (Digest, BTreeMap<String, f64>) {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, training), "flags");
    bench.work(&jobs).await;
    let last = bench.store.artefact_result(&jobs.last().unwrap().id()).await.unwrap().unwrap();
    (last.artefact.digest(), last.artefact.facts)
}

async fn expect_undisturbed(bench: &Bench, jobs: &[Job]) {
    let (digest, facts) = undisturbed(STOPPED).await;
    let last = bench.store.artefact_result(&jobs.last().unwrap().id()).await.unwrap().unwrap();
    assert_eq!((last.artefact.digest(), &last.artefact.facts), (digest, &facts));
    assert!(facts["steps"] < 9.0 && facts["kept_step"] < facts["steps"], "training stopped early: {facts:?}");
    assert_eq!((bench.checkpoints(jobs), bench.kept()), (vec![false; jobs.len()], 0), "nothing is left");
    assert!(bench.queue.dead_letters().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_that_rests_after_every_step_and_part_of_an_evaluation_ends_in_the_same_bits() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    let worker = bench.resting();
    let mut attempts = Vec::new();
    for job in &jobs {
        bench.queue.publish(job, "tests").await.unwrap();
        let mut count = 0;
        while !bench.is_done(job).await {
            assert!(worker.run_one().await.unwrap());
            count += 1;
            assert!(bench.kept() <= 1, "each state takes the place of the one before");
        }
        attempts.push(count);
    }
    // Each of two steps is an attempt, each evaluation takes two of them, and the last attempt finds all of it done.
    assert_eq!(attempts[0], 7, "{attempts:?}");
    assert_eq!(attempts[3], 1, "a leg that hands the state on makes nothing");
    expect_undisturbed(&bench, &jobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_training_whose_workers_are_killed_between_and_within_legs_stops_at_the_same_step_with_the_same_adapter() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    let mut kills = 0;
    for job in &jobs {
        bench.queue.publish(job, "tests").await.unwrap();
        // Before the first step, between two steps, and after a rest in the middle of the leg.
        for steps in [0, 1] {
            if !bench.is_done(job).await && !bench.kill_after(steps).await {
                kills += 1;
            }
        }
        if !bench.is_done(job).await {
            assert!(bench.resting().run_one().await.unwrap());
            if !bench.is_done(job).await && !bench.kill_after(1).await {
                kills += 1;
            }
        }
        while !bench.is_done(job).await {
            assert!(bench.worker(Arc::clone(&bench.device)).run_one().await.unwrap());
        }
        let chain = bench.checkpoints(&jobs).into_iter().filter(|has| *has).count();
        assert!(chain <= 1 && bench.kept() == 0, "one checkpoint between legs");
    }
    assert!(kills >= 7, "{kills}");
    expect_undisturbed(&bench, &jobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_training_goes_on_after_all_workers_and_their_queue_are_gone() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.work(&jobs[..1]).await;
    bench.queue.publish(&jobs[1], "tests").await.unwrap();
    assert!(bench.resting().run_one().await.unwrap());
    assert_eq!((bench.checkpoints(&jobs[..1]), bench.kept()), (vec![true], 1));
    // Only the store is left: another queue, and other processes.
    let after = Bench { queue: MemoryQueue::new(), ..bench };
    after.work(&jobs[1..]).await;
    expect_undisturbed(&after, &jobs).await;
}

impl Bench {
    /// What the leg keeps in its first rest.
    async fn first_rest(&self, leg: &Job) -> Vec<u8> {
        self.queue.publish(leg, "tests").await.unwrap();
        assert!(self.resting().run_one().await.unwrap());
        let file = StateFile::new().unwrap();
        assert!(self.store.get_rested(&leg.id(), &file.path()).await.unwrap());
        fs::read(file.path()).unwrap()
    }

    /// Makes the store hold this as what the leg kept.
    async fn keep(&self, leg: &Job, state: &[u8]) {
        let file = StateFile::new().unwrap();
        fs::write(file.path(), state).unwrap();
        self.store.put_rested(&leg.id(), &file.path()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_leg_kept_is_not_used_if_it_is_of_another_run_or_leg_or_damaged_and_the_leg_then_rests_no_more() {
    let other = Bench::new();
    let of_other_run = {
        let seeded = legs(&images(&other.inputs, &format!("{STOPPED}, seed: 7")), "flags");
        other.first_rest(&seeded[0]).await
    };
    let other = Bench::new();
    let same = legs(&images(&other.inputs, STOPPED), "flags");
    other.work(&same[..1]).await;
    let of_other_leg = other.first_rest(&same[1]).await;
    for state in [of_other_run, of_other_leg, b"no state".to_vec(), Vec::new()] {
        let bench = Bench::new();
        let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
        bench.keep(&jobs[0], &state).await;
        bench.queue.publish(&jobs[0], "tests").await.unwrap();
        assert!(bench.resting().run_one().await.unwrap());
        assert!(bench.is_done(&jobs[0]).await, "it could rest for ever");
        bench.work(&jobs[1..]).await;
        expect_undisturbed(&bench, &jobs).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_leg_kept_is_not_used_if_the_store_has_lost_it_and_the_leg_then_rests_no_more() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.first_rest(&jobs[0]).await;
    let folder = bench.root.join(format!("checkpoints/{}", jobs[0].id()));
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "safetensors") {
            fs::remove_file(entry).unwrap();
        }
    }
    assert!(bench.resting().run_one().await.unwrap());
    assert!(bench.is_done(&jobs[0]).await, "it could rest for ever");
    bench.work(&jobs[1..]).await;
    expect_undisturbed(&bench, &jobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_programs_kept_as_text_is_ignored_and_goes_with_the_leg() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    let text = jobs::Checkpoint::new(jobs[0].id(), "AAAA".to_owned());
    bench.store.put_checkpoint(&jobs[0].id(), text.to_json()).await.unwrap();
    bench.first_rest(&jobs[0]).await;
    assert_eq!(bench.kept(), 2, "it rests as without that text");
    while !bench.is_done(&jobs[0]).await {
        assert!(bench.resting().run_one().await.unwrap());
    }
    bench.work(&jobs[1..]).await;
    expect_undisturbed(&bench, &jobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_with_a_state_of_its_own_does_not_need_the_checkpoint_of_the_leg_before() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.work(&jobs[..1]).await;
    bench.first_rest(&jobs[1]).await;
    fs::remove_dir_all(bench.root.join(format!("artefacts/{}", jobs[0].id()))).unwrap();
    assert!(bench.worker(Arc::clone(&bench.device)).run_one().await.unwrap());
    assert!(bench.is_done(&jobs[1]).await);
    bench.work(&jobs[2..]).await;
    expect_undisturbed(&bench, &jobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_whose_sweep_is_cancelled_leaves_nothing_that_it_kept() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.first_rest(&jobs[0]).await;
    let cancellation = jobs::Cancellation::new(1, false, 0);
    bench.store.put_document("tests", jobs::Cancellation::DOCUMENT, &cancellation).await.unwrap();
    assert!(bench.worker(Arc::clone(&bench.device)).run_one().await.unwrap());
    assert_eq!((bench.is_done(&jobs[0]).await, bench.kept()), (false, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_that_is_found_to_be_done_leaves_nothing_that_it_kept() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.work(&jobs[..1]).await;
    // Its worker was killed after it stored the leg.
    bench.keep(&jobs[0], b"state").await;
    bench.work(&jobs[..1]).await;
    assert_eq!(bench.kept(), 0);
    // A worker that was late wrote it again.
    bench.keep(&jobs[0], b"state").await;
    bench.work(&jobs[1..2]).await;
    assert_eq!(bench.kept(), 0);
}

/// Waits until an attempt has made this many steps of its leg, then stops its worker or lets its time run out, and has it go on.
#[derive(Debug)]
struct Watched {
    device: Arc<dyn Compute>,
    /// Told once an attempt has made a step.
    stepped: Arc<Notify>,
}

#[async_trait]
impl Compute for Watched {
    async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        let computing = self.device.compute(job, context);
        tokio::pin!(computing);
        if let Some(done) = until_steps(computing.as_mut(), context, 1).await {
            return done;
        }
        self.stepped.notify_one();
        computing.await
    }

    fn device(&self) -> String {
        "watched".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

impl Bench {
    /// A worker that is told when an attempt has made a step.
    fn watched(&self, limits: Limits) -> (Worker, Arc<Notify>) {
        let stepped = Arc::new(Notify::new());
        let device = Arc::clone(&self.device);
        let watched = Watched { device, stepped: Arc::clone(&stepped) };
        (self.worker(Arc::new(watched)).with_limits(limits), stepped)
    }
}

/// One leg of all steps, which does not end before it is stopped.
const LONG: &str =
    "steps: 3000, checkpoint_steps: 3000, batch: 8, rank: 2, rate: 0.001, schedule: constant, augmentation: none";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_to_stop_keeps_the_steps_that_it_has_made_since_the_last_rest() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, LONG), "flags");
    bench.queue.publish(&jobs[0], "tests").await.unwrap();
    let mut made = 0;
    for _ in 0..2 {
        // Without a limit a leg never rests by itself.
        let (worker, stepped) = bench.watched(Limits::default());
        let ended = worker.run_until(std::future::pending(), stepped.notified()).await.unwrap();
        assert_eq!(ended, worker::WorkerEnd::Stopped);
        let file = StateFile::new().unwrap();
        assert!(bench.store.get_rested(&jobs[0].id(), &file.path()).await.unwrap());
        let state = evaluation::TrainState::from_bytes(&fs::read(file.path()).unwrap(), &run_of(&jobs[0])).unwrap();
        assert!(state.steps() > made, "{} after {made}", state.steps());
        made = state.steps();
    }
    assert_eq!(bench.kept(), 1);
    let delivery = bench.queue.next().await.unwrap().unwrap();
    assert_eq!((delivery.attempt(), delivery.losses()), (1, 0));
    delivery.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_to_stop_returns_its_leg_as_it_was_if_the_store_refuses_the_state() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, LONG), "flags");
    bench.queue.publish(&jobs[0], "tests").await.unwrap();
    bench.queue.next().await.unwrap().unwrap().retry(Duration::ZERO).await.unwrap();
    let (worker, stepped) = bench.watched(Limits::default());
    let told = async {
        stepped.notified().await;
        // A file lies where the folder should be made.
        fs::write(bench.root.join("checkpoints"), "").unwrap();
    };
    assert_eq!(worker.run_until(std::future::pending(), told).await.unwrap(), worker::WorkerEnd::Stopped);
    let delivery = bench.queue.next().await.unwrap().unwrap();
    assert_eq!((delivery.attempt(), delivery.losses()), (2, 0));
    delivery.ack().await.unwrap();
}

/// A machine on which everything is well.
#[derive(Debug)]
struct Fit;

impl SelfTest for Fit {
    fn run(&self, _: &Job) -> Result<(), JobError> {
        Ok(())
    }
}

/// A device that fails.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Compute for Broken {
    async fn compute(&self, _: &Job, _: &AttemptContext) -> Result<Computed, JobError> {
        Err(JobError::Panicked("broken".to_owned()))
    }

    fn device(&self) -> String {
        "broken".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_and_failures_before_a_rest_do_not_count_after_it() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.queue.publish(&jobs[0], "tests").await.unwrap();
    for _ in 0..3 {
        let limits = Limits { back_off: Duration::ZERO, ..Limits::default() };
        let broken = bench.worker(Arc::new(Broken)).with_limits(limits);
        for _ in 0..2 {
            assert!(broken.run_one().await.unwrap());
        }
        assert_eq!(bench.store.failures(&jobs[0].id()).await.unwrap().len(), 2);
        assert!(bench.resting().run_one().await.unwrap());
        assert_eq!(bench.store.failures(&jobs[0].id()).await.unwrap().len(), 0);
        assert_eq!(bench.kept(), 1);
    }
    assert!(bench.queue.dead_letters().is_empty(), "six failures, two in a row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_of_a_cancelled_sweep_keeps_its_state_where_another_sweep_of_the_pool_may_want_it() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
    bench.first_rest(&jobs[0]).await;
    let cancellation = jobs::Cancellation::new(1, false, 0);
    bench.store.put_document("tests", jobs::Cancellation::DOCUMENT, &cancellation).await.unwrap();
    bench.store.put_pool_entry("cpu", "tests", &1).await.unwrap();
    bench.store.put_pool_entry("cpu", "other", &1).await.unwrap();
    let in_pool = || {
        let machine = worker::Machine::new("m".to_owned(), Arc::new(Fit)).in_pool("cpu");
        bench.worker(Arc::clone(&bench.device)).on_machine(machine)
    };
    assert!(in_pool().run_one().await.unwrap());
    assert_eq!(bench.kept(), 1);
    bench.store.remove_pool_entry("cpu", "other").await.unwrap();
    bench.queue.publish(&jobs[0], "tests").await.unwrap();
    assert!(in_pool().run_one().await.unwrap());
    assert_eq!(bench.kept(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_whose_time_runs_out_keeps_the_steps_that_it_has_made_and_fails_only_without_any() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, LONG), "flags");
    bench.queue.publish(&jobs[0], "tests").await.unwrap();
    // It would rest only after an hour. A first turn prepares the base and the splits, and the next ones have time for a step.
    let limits = |wall_clock| Limits {
        wall_clock: Some(wall_clock),
        rest: Some(Duration::from_secs(3600)),
        back_off: Duration::ZERO,
        ..Limits::default()
    };
    let mut turns = 0;
    while bench.kept() == 0 {
        turns += 1;
        assert!(turns < 100, "no turn has kept its steps");
        let worker = bench.worker(Arc::clone(&bench.device)).with_limits(limits(Duration::from_secs(turns)));
        assert!(worker.run_one().await.unwrap());
        let delivery = bench.queue.next().await.unwrap().expect("it goes on");
        let (attempt, has_kept) = (delivery.attempt(), bench.kept() > 0);
        assert!(!has_kept || attempt == 1, "a turn with steps counts as no attempt: {attempt}");
        delivery.rest().await.unwrap();
    }
    assert!(bench.queue.dead_letters().is_empty());
    let (worker, _) = bench.watched(limits(Duration::ZERO));
    assert!(worker.run_one().await.unwrap());
    let failures = bench.store.failures(&jobs[0].id()).await.unwrap();
    let last = failures.last().unwrap().as_ref().unwrap();
    assert!(last.errors[0].contains("took longer than its limit"), "{:?}", last.errors);
    assert_eq!(bench.kept(), 1, "what it kept before stays");
}

/// What decides the training that a job is a leg of.
fn run_of(job: &Job) -> String {
    let JobSpec::Train(spec) = job.spec() else { unreachable!("it trains") };
    spec.run().to_string()
}
