use crate::progress::{LINES_EVERY, Progress};
use evaluation::{Evaluation, TrainStep};
use std::time::{Duration, Instant};

/// What people see while an adapter is trained.
pub(super) struct TrainProgress {
    progress: Progress,
    start: Instant,
    /// The step that this call started from.
    first: usize,
    steps: usize,
    examples_per_step: usize,
    unit: &'static str,
    last_line: Option<Instant>,
}

impl TrainProgress {
    pub(super) fn start(task: &str, first: usize, steps: usize, examples_per_step: usize, unit: &'static str) -> Self {
        let progress = Progress::start();
        progress.phase(&format!("training `{task}`"));
        Self { progress, start: Instant::now(), first, steps, examples_per_step, unit, last_line: None }
    }

    /// Shows a step that was made; `done` counts from 1.
    pub(super) fn step(&mut self, done: usize, made: &TrainStep) {
        self.progress.position(done as u64, self.steps as u64);
        let text = self.text(done, made);
        self.progress.message(&text);
        let is_due = self.last_line.is_none_or(|last| last.elapsed() >= LINES_EVERY) || done == self.steps;
        if is_due && !self.progress.is_bar() {
            self.progress.line(&format!("step {done}/{}: {text}", self.steps));
            self.last_line = Some(Instant::now());
        }
    }

    /// Shows an evaluation of early stopping.
    pub(super) fn evaluated(&self, made: &Evaluation) {
        let Evaluation { steps, correct, n, loss } = made;
        self.progress
            .line(&format!("after step {steps}: {correct} of {n} right on the validation split, loss {loss:.4}"));
    }

    fn text(&self, done: usize, made: &TrainStep) -> String {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        let pace = (done - self.first) as f64 / seconds;
        let left = Duration::from_secs(((self.steps - done) as f64 / pace).ceil() as u64);
        let examples = pace * self.examples_per_step as f64;
        format!(
            "loss {:.4}, rate {:.2e}, {examples:.0} {}/s, {} left",
            made.loss,
            made.rate,
            self.unit,
            humantime::format_duration(left)
        )
    }
}
