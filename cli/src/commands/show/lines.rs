//! A job in lines, for people.

use crate::clock::{date, span};
use jobs::{
    AdapterInput, ArtefactResult, ByteSize, Digest, FailureRecord, JobId, JobResult, JobSpec, Meaning, RunFacts,
    Subject, Timings, TrainLeg,
};

/// The columns of a line's name.
const NAME: usize = 12;

/// The lines of a job. Texts of others in them are escaped when they are printed.
pub(super) struct Lines(Vec<String>);

impl Lines {
    pub(super) fn of(job: JobId) -> Self {
        Self(vec![format!("job {job}")])
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.0
    }

    fn line(&mut self, name: &str, text: impl AsRef<str>) {
        self.0.push(format!("  {name:<NAME$} {}", jobs::escaped(text.as_ref())).trim_end().to_owned());
    }

    /// An evaluation.
    pub(super) fn result(&mut self, result: &JobResult) {
        self.meaning(&result.meaning);
        for score in &result.scores {
            let interval = score.interval();
            let text = format!(
                "{:>5.1} %, {} of {} (95 %: {:.1} to {:.1})",
                score.accuracy() * 100.0,
                score.correct,
                score.n,
                interval.low * 100.0,
                interval.high * 100.0
            );
            self.line(&score.task, text);
        }
        if result.scores.len() > 1 {
            self.line("mean", format!("{:>5.1} %", jobs::mean_accuracy(&result.scores) * 100.0));
        }
        if let Some(merge) = &result.merge {
            let rank = merge.rank.map(|rank| format!(", rank {rank}")).unwrap_or_default();
            self.line("merge", format!("{} matrices{rank}", merge.matrices));
        }
        self.computed(&result.timings, &result.run);
    }

    /// A job whose output is files.
    pub(super) fn artefact(&mut self, result: &ArtefactResult, place: &str) {
        self.spec(&result.spec);
        let files = &result.artefact.files;
        let count = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
        self.line("files", format!("{place}: {count}, {}", size(result.artefact.size())));
        for file in files {
            self.line("", format!("{} ({})", file.name, size(file.size)));
        }
        for (name, value) in &result.artefact.facts {
            self.line("", format!("{name} = {value}"));
        }
        self.computed(&result.timings, &result.run);
    }

    /// A job that has failed attempts and no result.
    pub(super) fn unfinished(&mut self, failure: &FailureRecord) {
        self.spec(&failure.spec);
        self.line("result", if failure.is_final { "none: it failed for good" } else { "none yet" });
    }

    pub(super) fn failures(&mut self, failures: &[FailureRecord]) {
        for failure in failures {
            let text = format!(
                "attempt {} on {}, {} UTC: {}",
                failure.attempt,
                failure.worker,
                date(failure.failed_ms),
                failure.errors.join(": ")
            );
            self.line("failed", text);
        }
    }

    pub(super) fn uses(&mut self, uses: impl Iterator<Item = String>) {
        let uses: Vec<String> = uses.collect();
        if uses.is_empty() {
            self.line("used by", "no sweep of this store that has finished");
        }
        for (i, text) in uses.iter().enumerate() {
            self.line(if i == 0 { "used by" } else { "" }, text);
        }
    }

    fn spec(&mut self, spec: &JobSpec) {
        match spec {
            JobSpec::Evaluate(meaning) => self.meaning(meaning),
            JobSpec::Statistics(spec) => {
                let text = format!(
                    "{} of `{}` over {} examples of `{}`",
                    spec.what.name(),
                    spec.adapter.task,
                    spec.examples,
                    spec.split
                );
                self.line("measures", text);
            }
            JobSpec::Layerwise(spec) => {
                self.line("merges", format!("layer by layer over examples of `{}`", spec.split));
                self.line("settings", jobs::canonical_json(&spec.settings));
            }
            JobSpec::Tune(spec) => {
                self.line("learns", format!("coefficients on examples of `{}`", spec.split));
                self.line("settings", jobs::canonical_json(&spec.settings));
            }
            JobSpec::Train(spec) => {
                let TrainLeg { first, end, from: _ } = &spec.leg;
                self.line(
                    "trains",
                    format!("the adapter of `{}` on `{}`, steps {} to {end}", spec.task, spec.training.name, first + 1),
                );
                self.line("settings", jobs::canonical_json(&spec.settings));
                self.line("base", format!("sha256 {}", spec.base.short()));
            }
            JobSpec::Write(spec) => {
                self.line("writes", format!("the merge as {}", spec.format.name()));
                self.line("recipe", jobs::canonical_json(&spec.recipe));
            }
        }
    }

    fn meaning(&mut self, meaning: &Meaning) {
        let tasks: Vec<&str> = meaning.tasks.iter().map(|task| task.name.as_str()).collect();
        let slice = if meaning.slice.is_some() { "a part of " } else { "" };
        let on = format!("on {slice}`{}` of {}", meaning.split, tasks.join(", "));
        match &meaning.subject {
            Subject::Base => self.line("evaluates", format!("the base {on}")),
            Subject::Adapter { task } => self.line("evaluates", format!("the adapter of `{task}` alone {on}")),
            Subject::Merge { recipe } => {
                self.line("evaluates", format!("a merge {on}"));
                self.line("recipe", jobs::canonical_json(recipe));
            }
            Subject::Ensemble { rule } => {
                self.line("evaluates", format!("all adapters together ({}) {on}", jobs::canonical_json(rule)));
            }
        }
        self.inputs(meaning.base, &meaning.adapters);
    }

    fn inputs(&mut self, base: Digest, adapters: &[AdapterInput]) {
        self.line("base", format!("sha256 {}", base.short()));
        let named: Vec<String> =
            adapters.iter().map(|adapter| format!("{} {}", adapter.task, adapter.digest.short())).collect();
        if !named.is_empty() {
            self.line("adapters", named.join(", "));
        }
    }

    /// How long it took, where and with what.
    fn computed(&mut self, timings: &Timings, run: &RunFacts) {
        let Timings { load_s, align_s, merge_s, evaluate_s } = timings;
        let parts =
            format!("load {load_s:.1} s, align {align_s:.1} s, merge {merge_s:.1} s, evaluate {evaluate_s:.1} s");
        self.line("time", format!("{} ({parts})", span(timings.total_s())));
        let attempt = if run.attempt > 1 { format!(", attempt {}", run.attempt) } else { String::new() };
        self.line("computed", format!("by {} on {}, {} UTC{attempt}", run.worker, run.device, date(run.finished_ms)));
        let versions: Vec<String> = run.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        self.line("versions", versions.join(", "));
        for (input, commit) in &run.commits {
            self.line("commit", format!("{input}: {commit}"));
        }
    }
}

/// A size; a small one in bytes.
fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { ByteSize(bytes).to_string() }
}
