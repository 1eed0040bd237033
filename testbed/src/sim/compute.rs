use super::{JobCost, Poison, SimInput, SimulatedDevice, computed, formula::evaluated};
use jobs::{Job, Timings};
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, Write},
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};
use worker::{AttemptContext, Computed, DeviceThread, JobError, Output};

/// How a job is simulated.
#[derive(Debug)]
pub struct Simulation {
    /// How long each job takes, beside the device.
    pub takes: Duration,
    /// The device that each job waits for, if there is one.
    pub device: Option<SimulatedDevice>,
    /// A folder that all workers share, which records attempts.
    pub scratch: PathBuf,
    /// The file that each job reads, if it reads any.
    pub input: Option<SimInput>,
}

/// The time between two checks for a cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

impl Simulation {
    /// Starts the thread that simulates jobs, in place of the one that computes them.
    pub fn start(mut self) -> DeviceThread {
        DeviceThread::start("simulated".to_owned(), BTreeMap::new(), move |job, context| self.compute(job, context))
    }

    fn compute(&mut self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        match Poison::of(evaluated(job)) {
            #[expect(clippy::panic, reason = "this is what is simulated")]
            Some(Poison::Panics) => panic!("simulated: panics"),
            Some(Poison::Hangs) => loop {
                sleep(POLL_INTERVAL);
            },
            Some(Poison::Exhausts) => exhaust(),
            Some(Poison::BadInput) => return Err(bad_input()),
            Some(Poison::FailsTwice) if self.times_tried(job).is_ok_and(|times| times <= 2) => {
                return Err(JobError::Panicked("simulated: fails twice".to_owned()));
            }
            Some(Poison::FailsTwice) | None => {}
        }
        let held = self.input.as_ref().map(SimInput::open).transpose()?;
        let cost = self.device.as_mut().map(|device| device.next(evaluated(job)));
        let processor_time = cost.map_or(self.takes, |cost| self.takes + cost.processor_time);
        pass(processor_time + cost.map_or(Duration::ZERO, |cost| cost.device_time), context)?;
        let mut computed = computed(job);
        computed.timings = cost.map(timings).unwrap_or_default();
        if let Some(held) = held {
            // As late as a real job reads its mapped weights last.
            let word = held.word();
            if let Output::Scores(output) = &mut computed.output {
                output.scores.iter_mut().for_each(|score| score.correct += word);
            }
            held.check()?;
        }
        Ok(computed)
    }

    /// How often the job was tried, with this time, by any worker.
    fn times_tried(&self, job: &Job) -> io::Result<u64> {
        let path = self.scratch.join(format!("{}.tries", job.id()));
        let mut tries = OpenOptions::new().create(true).append(true).open(path)?;
        tries.write_all(b".")?;
        Ok(tries.metadata()?.len())
    }
}

/// Lets time pass, until it is over or the attempt is cancelled.
fn pass(time: Duration, context: &AttemptContext) -> Result<(), JobError> {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        if context.cancellation.is_cancelled() {
            return Err(JobError::Interrupted);
        }
        sleep(left.min(POLL_INTERVAL));
    }
    Ok(())
}

/// Evaluation is the device's part, and merging the processor's.
fn timings(cost: JobCost) -> Timings {
    Timings {
        merge_s: cost.processor_time.as_secs_f64(),
        evaluate_s: cost.device_time.as_secs_f64(),
        ..Timings::default()
    }
}

/// The result of `job` without faults. Poison jobs fail at once and for good.
///
/// # Errors
/// The job is poison that never succeeds.
pub fn undisturbed(job: &Job, _context: &AttemptContext) -> Result<Computed, JobError> {
    match Poison::of(evaluated(job)).and_then(Poison::reason) {
        Some(_) => Err(bad_input()),
        None => Ok(computed(job)),
    }
}

fn bad_input() -> JobError {
    JobError::Incomplete("simulated: bad input".to_owned())
}

/// Takes memory until the process's limit ends it: an allocation that fails aborts. The limit counts what is asked for,
/// so that nothing is written to it.
fn exhaust() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(Vec::<u8>::with_capacity(16 << 20));
        std::hint::black_box(&hoard);
    }
}
