use super::*;

fn of(sweep: &str) -> JobSource {
    JobSource::Sweep(sweep.to_owned())
}

fn base(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn offer(sweep: &str, of_base: &str, waiting: u64) -> Offer {
    Offer { source: of(sweep), base: Some(base(of_base)), priority: 0, waiting, consumers: 1, is_full: false }
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

    fn standing(&self) -> Standing<'_> {
        let Self { current, bases, work, may_hold, may_linger, may_await } = self;
        Standing {
            current,
            bases: bases.clone(),
            work,
            may_hold: *may_hold,
            may_linger: *may_linger,
            may_await: *may_await,
        }
    }

    fn chooses(&self, offers: &[Offer]) -> JobSource {
        choose(offers, &self.standing())
    }
}

#[test]
fn a_sweep_that_had_less_of_a_worker_goes_first_however_many_jobs_another_has() {
    let worker = Worker::at("big").worked("big", 40.0).worked("small", 3.0);
    assert_eq!(worker.chooses(&[offer("big", "a", 100_000), offer("small", "a", 1)]), of("small"));
    assert_eq!(worker.chooses(&[offer("big", "a", 100_000), offer("small", "a", 0)]), of("big"));
}

#[test]
fn two_sweeps_of_the_same_size_take_turns_and_not_after_each_job() {
    let offers = [offer("one", "a", 9), offer("two", "a", 9)];
    assert_eq!(Worker::at("one").worked("one", MARGIN).chooses(&offers), of("one"));
    assert_eq!(Worker::at("one").worked("one", MARGIN + 0.1).chooses(&offers), of("two"));
    assert_eq!(Worker::at("two").worked("one", 5.0).worked("two", 6.0).chooses(&offers), of("two"));
}

#[test]
fn a_higher_priority_goes_first_whatever_base_model_is_held() {
    let urgent = Offer { priority: 1, ..offer("urgent", "b", 1) };
    let worker = Worker::at("one").worked("urgent", 100.0);
    assert_eq!(worker.chooses(&[offer("one", "a", 5), urgent.clone()]), of("urgent"));
    // A lower one is not lingered at, and goes on once nothing else waits.
    assert_eq!(worker.chooses(&[offer("one", "a", 5), Offer { waiting: 0, ..urgent }]), of("one"));
}

#[test]
fn a_worker_keeps_to_the_base_model_that_it_holds_until_others_have_waited_for_long() {
    let offers = [offer("one", "a", 5), offer("two", "b", 5)];
    let mut worker = Worker::at("one").worked("one", 50.0);
    assert_eq!(worker.chooses(&offers), of("one"));
    worker.may_hold = false;
    assert_eq!(worker.chooses(&offers), of("two"));
    // With room for both there is nothing to hold on to.
    worker.may_hold = true;
    worker.bases.push(base("b"));
    assert_eq!(worker.chooses(&offers), of("two"));
}

#[test]
fn a_worker_waits_a_moment_for_the_next_job_of_a_search_before_it_loads_another_model() {
    let offers = [offer("one", "a", 0), offer("two", "b", 5)];
    let mut worker = Worker::at("one");
    assert_eq!(worker.chooses(&offers), of("one"));
    worker.may_linger = false;
    assert_eq!(worker.chooses(&offers), of("two"));
    // It does not wait where another sweep has jobs for the model.
    worker.may_linger = true;
    assert_eq!(worker.chooses(&[offer("one", "a", 0), offer("two", "b", 5), offer("three", "a", 1)]), of("three"));
}

#[test]
fn a_sweep_with_enough_workers_is_left_to_them() {
    let full = Offer { is_full: true, ..offer("capped", "a", 5) };
    assert_eq!(Worker::at("capped").chooses(&[full.clone(), offer("other", "a", 1)]), of("other"));
    assert_eq!(Worker::at("capped").chooses(&[full]), JobSource::Pool);
}

#[test]
fn a_worker_without_jobs_stays_where_it_is_and_leaves_a_sweep_that_is_gone() {
    assert_eq!(Worker::at("one").chooses(&[offer("one", "a", 0), offer("two", "a", 0)]), of("one"));
    assert_eq!(Worker::at("gone").chooses(&[offer("two", "a", 0)]), JobSource::Pool);
}

#[test]
fn a_worker_waits_a_moment_for_the_next_job_of_a_search_that_had_less_of_its_time() {
    let offers = [offer("big", "a", 100), offer("small", "a", 0)];
    let at_small =
        |worked| Worker { may_await: true, ..Worker::at("small").worked("big", 10.0).worked("small", worked) };
    assert_eq!(at_small(3.0).chooses(&offers), of("small"));
    assert_eq!(at_small(11.0).chooses(&offers), of("big"), "it had its share");
    assert_eq!(Worker { may_await: false, ..at_small(3.0) }.chooses(&offers), of("big"));
    let urgent = Offer { priority: 1, ..offer("urgent", "a", 1) };
    assert_eq!(at_small(3.0).chooses(&[offers[1].clone(), urgent]), of("urgent"));
}

#[test]
fn one_job_of_a_small_sweep_turns_a_few_workers_of_a_large_pool() {
    let big = Offer { consumers: 100, ..offer("big", "a", 64) };
    let small = Offer { consumers: 0, ..offer("small", "a", 1) };
    let turned = |offers: &[Offer]| {
        (0..100).filter(|chance| turns(offers, &of("big"), &of("small"), f64::from(*chance) / 100.0)).count()
    };
    assert_eq!(turned(&[big.clone(), small.clone()]), 4);
    assert_eq!(turned(&[Offer { consumers: 2, ..big.clone() }, small.clone()]), 100, "all of a small pool");
    assert_eq!(turned(&[Offer { waiting: 0, ..big.clone() }, small]), 100, "an idle worker always turns");
    assert_eq!(turned(&[big, Offer { consumers: 0, ..offer("small", "a", 64) }]), 100, "many jobs need many workers");
}

#[test]
fn only_a_sweep_that_had_less_of_the_worker_or_a_higher_priority_takes_the_place_of_a_job_taken_ahead() {
    let worker = Worker::at("big").worked("big", 10.0).worked("small", 3.0);
    let offers = [offer("big", "a", 9), offer("small", "a", 1)];
    assert!(goes_before(&offers, &of("small"), &worker.standing()));
    let back = Worker { current: of("small"), ..worker };
    assert!(!goes_before(&offers, &of("big"), &back.standing()));
    let urgent = [Offer { priority: 1, ..offer("big", "a", 9) }, offer("small", "a", 1)];
    assert!(goes_before(&urgent, &of("big"), &back.standing()));
}
