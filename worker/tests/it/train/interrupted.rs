//! Trainings that stop early, whose legs rest, and whose workers are killed between and within legs.

use super::*;
use std::time::Duration;
use worker::Limits;

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
        loop {
            tokio::select! {
                biased;
                done = &mut computing => return done,
                () = tokio::task::yield_now() => {}
            }
            if context.steps_made().map_or(0, |made| made.made - made.first) >= self.steps {
                self.reached.notify_one();
                std::future::pending::<()>().await;
            }
        }
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

    /// What legs have kept of themselves between attempts.
    fn kept(&self) -> usize {
        fs::read_dir(self.root.join("checkpoints")).map_or(0, Iterator::count)
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
    async fn first_rest(&self, leg: &Job) -> String {
        self.queue.publish(leg, "tests").await.unwrap();
        assert!(self.resting().run_one().await.unwrap());
        jobs::Checkpoint::read(leg.id(), &self.store.checkpoint(&leg.id()).await.unwrap().unwrap()).unwrap()
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
    for state in [of_other_run, of_other_leg, "no state".to_owned(), "AAAA".to_owned()] {
        let bench = Bench::new();
        let jobs = legs(&images(&bench.inputs, STOPPED), "flags");
        let checkpoint = jobs::Checkpoint::new(jobs[0].id(), state);
        bench.store.put_checkpoint(&jobs[0].id(), checkpoint.to_json()).await.unwrap();
        bench.queue.publish(&jobs[0], "tests").await.unwrap();
        assert!(bench.resting().run_one().await.unwrap());
        assert!(bench.is_done(&jobs[0]).await, "it could rest for ever");
        bench.work(&jobs[1..]).await;
        expect_undisturbed(&bench, &jobs).await;
    }
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
    bench.store.put_checkpoint(&jobs[0].id(), b"{}".to_vec()).await.unwrap();
    bench.work(&jobs[..1]).await;
    assert_eq!(bench.kept(), 0);
    // A worker that was late wrote it again.
    bench.store.put_checkpoint(&jobs[0].id(), b"{}".to_vec()).await.unwrap();
    bench.work(&jobs[1..2]).await;
    assert_eq!(bench.kept(), 0);
}
