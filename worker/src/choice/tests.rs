use super::*;

fn of(sweep: &str) -> JobSource {
    JobSource::Sweep(sweep.to_owned())
}

fn base(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn queue(sweep: &str, of_base: &str, waiting: u64) -> QueueState {
    QueueState { source: of(sweep), base: Some(base(of_base)), priority: 0, waiting, consumers: 1, is_full: false }
}

/// A worker at `current` with the base model `a`, whose recent time was divided so.
struct Worker {
    current: JobSource,
    bases: Vec<Digest>,
    work: HashMap<JobSource, f64>,
    may_hold: bool,
    may_linger: bool,
    may_await: bool,
}

impl Worker {
    fn at(current: &str) -> Self {
        let bases = vec![base("a")];
        Self { current: of(current), bases, work: HashMap::new(), may_hold: true, may_linger: true, may_await: false }
    }

    fn worked(mut self, sweep: &str, seconds: f64) -> Self {
        self.work.insert(of(sweep), seconds);
        self
    }

    fn situation(&self) -> Situation<'_> {
        let Self { current, bases, work, may_hold, may_linger, may_await } = self;
        Situation {
            current,
            bases: bases.clone(),
            work,
            may_hold: *may_hold,
            may_linger: *may_linger,
            may_await: *may_await,
        }
    }

    fn chooses(&self, queues: &[QueueState]) -> JobSource {
        choose(queues, &self.situation())
    }
}

#[test]
fn a_sweep_that_had_less_of_a_worker_goes_first_however_many_jobs_another_has() {
    let worker = Worker::at("big").worked("big", 40.0).worked("small", 3.0);
    assert_eq!(worker.chooses(&[queue("big", "a", 100_000), queue("small", "a", 1)]), of("small"));
    assert_eq!(worker.chooses(&[queue("big", "a", 100_000), queue("small", "a", 0)]), of("big"));
}

#[test]
fn two_sweeps_of_the_same_size_take_turns_and_not_after_each_job() {
    let queues = [queue("one", "a", 9), queue("two", "a", 9)];
    assert_eq!(Worker::at("one").worked("one", MARGIN).chooses(&queues), of("one"));
    assert_eq!(Worker::at("one").worked("one", MARGIN + 0.1).chooses(&queues), of("two"));
    assert_eq!(Worker::at("two").worked("one", 5.0).worked("two", 6.0).chooses(&queues), of("two"));
}

#[test]
fn a_higher_priority_goes_first_whatever_base_model_is_held() {
    let urgent = QueueState { priority: 1, ..queue("urgent", "b", 1) };
    let worker = Worker::at("one").worked("urgent", 100.0);
    assert_eq!(worker.chooses(&[queue("one", "a", 5), urgent.clone()]), of("urgent"));
    // A lower one is not lingered at, and goes on once nothing else waits.
    assert_eq!(worker.chooses(&[queue("one", "a", 5), QueueState { waiting: 0, ..urgent }]), of("one"));
}

#[test]
fn a_worker_keeps_to_the_base_model_that_it_holds_until_others_have_waited_for_long() {
    let queues = [queue("one", "a", 5), queue("two", "b", 5)];
    let mut worker = Worker::at("one").worked("one", 50.0);
    assert_eq!(worker.chooses(&queues), of("one"));
    worker.may_hold = false;
    assert_eq!(worker.chooses(&queues), of("two"));
    // With room for both there is nothing to hold on to.
    worker.may_hold = true;
    worker.bases.push(base("b"));
    assert_eq!(worker.chooses(&queues), of("two"));
}

#[test]
fn a_worker_waits_a_moment_for_the_next_job_of_a_search_before_it_loads_another_model() {
    let queues = [queue("one", "a", 0), queue("two", "b", 5)];
    let mut worker = Worker::at("one");
    assert_eq!(worker.chooses(&queues), of("one"));
    worker.may_linger = false;
    assert_eq!(worker.chooses(&queues), of("two"));
    // It does not wait where another sweep has jobs for the model.
    worker.may_linger = true;
    assert_eq!(worker.chooses(&[queue("one", "a", 0), queue("two", "b", 5), queue("three", "a", 1)]), of("three"));
}

#[test]
fn a_sweep_with_enough_workers_is_left_to_them() {
    let full = QueueState { is_full: true, ..queue("capped", "a", 5) };
    assert_eq!(Worker::at("capped").chooses(&[full.clone(), queue("other", "a", 1)]), of("other"));
    assert_eq!(Worker::at("capped").chooses(&[full]), JobSource::Pool);
}

#[test]
fn a_worker_without_jobs_stays_where_it_is_and_leaves_a_sweep_that_is_gone() {
    assert_eq!(Worker::at("one").chooses(&[queue("one", "a", 0), queue("two", "a", 0)]), of("one"));
    assert_eq!(Worker::at("gone").chooses(&[queue("two", "a", 0)]), JobSource::Pool);
}

#[test]
fn a_worker_waits_a_moment_for_the_next_job_of_a_search_that_had_less_of_its_time() {
    let queues = [queue("big", "a", 100), queue("small", "a", 0)];
    let at_small =
        |worked| Worker { may_await: true, ..Worker::at("small").worked("big", 10.0).worked("small", worked) };
    assert_eq!(at_small(3.0).chooses(&queues), of("small"));
    assert_eq!(at_small(11.0).chooses(&queues), of("big"), "it had its share");
    assert_eq!(Worker { may_await: false, ..at_small(3.0) }.chooses(&queues), of("big"));
    let urgent = QueueState { priority: 1, ..queue("urgent", "a", 1) };
    assert_eq!(at_small(3.0).chooses(&[queues[1].clone(), urgent]), of("urgent"));
}

#[test]
fn one_job_of_a_small_sweep_switches_a_few_workers_of_a_large_pool() {
    let big = QueueState { consumers: 100, ..queue("big", "a", 64) };
    let small = QueueState { consumers: 0, ..queue("small", "a", 1) };
    let switched = |queues: &[QueueState]| {
        (0..100).filter(|chance| may_switch(queues, &of("big"), &of("small"), f64::from(*chance) / 100.0)).count()
    };
    assert_eq!(switched(&[big.clone(), small.clone()]), 4);
    assert_eq!(switched(&[QueueState { consumers: 2, ..big.clone() }, small.clone()]), 100, "all of a small pool");
    assert_eq!(switched(&[QueueState { waiting: 0, ..big.clone() }, small]), 100, "an idle worker always switches");
    assert_eq!(
        switched(&[big, QueueState { consumers: 0, ..queue("small", "a", 64) }]),
        100,
        "many jobs need many workers"
    );
}

#[test]
fn only_a_sweep_that_had_less_of_the_worker_or_a_higher_priority_takes_the_place_of_a_job_taken_ahead() {
    let worker = Worker::at("big").worked("big", 10.0).worked("small", 3.0);
    let queues = [queue("big", "a", 9), queue("small", "a", 1)];
    assert!(goes_before(&queues, &of("small"), &worker.situation()));
    let back = Worker { current: of("small"), ..worker };
    assert!(!goes_before(&queues, &of("big"), &back.situation()));
    let urgent = [QueueState { priority: 1, ..queue("big", "a", 9) }, queue("small", "a", 1)];
    assert!(goes_before(&urgent, &of("big"), &back.situation()));
}
