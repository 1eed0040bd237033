use crate::terminal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

/// How often a line tells how far a training has come, where there is no terminal.
pub(crate) const LINES_EVERY: Duration = Duration::from_secs(10);

/// A progress bar on a terminal, and plain lines elsewhere. It writes to standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    beside: Mutex<Beside>,
}

/// The texts beside the bar.
#[derive(Debug, Default)]
struct Beside {
    message: String,
    step: Option<String>,
}

impl Progress {
    /// Starts a bar without a total.
    pub(crate) fn start() -> Self {
        if !stderr().is_terminal() || terminal::is_json() || terminal::is_quiet() {
            return Self { bar: None, beside: Mutex::default() };
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_bar} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.expect("the template is valid"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar: Some(bar), beside: Mutex::default() }
    }

    /// Shows the name of the current phase.
    pub(crate) fn phase(&self, name: &str) {
        match &self.bar {
            Some(bar) => bar.set_prefix(name.to_owned()),
            None => terminal::note(format_args!("{name} …")),
        }
    }

    /// Shows how many jobs are done, out of at most `total`.
    pub(crate) fn position(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
    }

    /// Whether there is a bar.
    pub(crate) fn is_bar(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows a text beside the bar.
    pub(crate) fn message(&self, text: &str) {
        self.beside.lock().message = text.to_owned();
        self.show_beside();
    }

    /// Shows how far the job in hand has come, before the other text beside the bar.
    pub(crate) fn step(&self, text: Option<String>) {
        let mut beside = self.beside.lock();
        if beside.step != text {
            beside.step = text;
            drop(beside);
            self.show_beside();
        }
    }

    fn show_beside(&self) {
        if let Some(bar) = &self.bar {
            let Beside { message, step } = &*self.beside.lock();
            let texts = step.iter().chain(Some(message).filter(|message| !message.is_empty()));
            bar.set_message(texts.map(String::as_str).collect::<Vec<_>>().join(", "));
        }
    }

    /// Prints a line above the bar.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::note(text)),
            None => terminal::note(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
