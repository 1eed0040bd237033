use jobs::{BenchmarkInput, Digest, Meaning, Subject};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use store::BriefResult;

/// What results were measured on, each ground kept once, and how single adapters do there.
///
/// The ground of a job is all of its meaning but the subject.
#[derive(Debug, Default)]
pub(super) struct Grounds {
    known: Vec<Arc<Meaning>>,
    /// Grounds that may be the same, by what is quick to compare.
    alike: HashMap<(Digest, Option<Digest>, usize), Vec<usize>>,
    last: usize,
    /// Accuracies of single adapters, by what was evaluated on what, and then by the adapter.
    own: HashMap<Digest, BTreeMap<Digest, f64>>,
}

impl Grounds {
    /// The ground of a result, whose own accuracy is noted if it is of an adapter alone.
    pub(super) fn of(&mut self, result: &BriefResult) -> usize {
        self.note(result);
        let meaning = &result.ground;
        // Results of a part share their ground: then there is nothing to compare.
        let is_last = |known: &Arc<Meaning>| Arc::ptr_eq(known, meaning) || is_same(known, meaning);
        if self.known.get(self.last).is_some_and(is_last) {
            return self.last;
        }
        let key = (meaning.base, meaning.tasks.first().map(|task| task.data), meaning.adapters.len());
        let alike = self.alike.entry(key).or_default();
        let known = alike.iter().find(|index| is_same(&self.known[**index], meaning));
        self.last = known.copied().unwrap_or_else(|| {
            alike.push(self.known.len());
            self.known.push(Arc::clone(meaning));
            self.known.len() - 1
        });
        self.last
    }

    fn note(&mut self, result: &BriefResult) {
        let BriefResult { subject, ground, scores, .. } = result;
        let (Subject::Adapter { task }, [adapter]) = (subject, &ground.adapters[..]) else { return };
        let Some(score) = scores.iter().find(|score| score.task == *task) else { return };
        if let Some(place) = place(ground, task) {
            self.own.entry(place).or_default().insert(adapter.digest, score.accuracy());
        }
    }

    /// What the adapter of `task` reaches alone on a ground. The base model has no adapters: there it must be clear
    /// which is meant.
    pub(super) fn own_accuracy(&self, ground: usize, task: &str) -> Option<f64> {
        let meaning = &self.known[ground];
        let known = self.own.get(&place(meaning, task)?)?;
        match meaning.adapters.iter().find(|adapter| adapter.task == task) {
            Some(adapter) => known.get(&adapter.digest).copied(),
            None if known.len() == 1 => known.values().next().copied(),
            None => None,
        }
    }

    /// The split of a ground.
    pub(super) fn split(&self, ground: usize) -> &str {
        &self.known[ground].split
    }
}

/// Whether two meanings differ in the subject alone. What a merge knows of the tasks belongs to its recipe.
fn is_same(one: &Meaning, other: &Meaning) -> bool {
    let Meaning { evaluation, base, subject: _, adapters, tasks, benchmark, split, precision, statistics: _, slice } =
        one;
    (evaluation, base, split, precision) == (&other.evaluation, &other.base, &other.split, &other.precision)
        && benchmark == &other.benchmark
        && tasks == &other.tasks
        && adapters == &other.adapters
        && slice == &other.slice
}

/// What `task` is evaluated on: the base model, data, head and benchmark. Joint benchmarks have no own accuracies.
fn place(meaning: &Meaning, task: &str) -> Option<Digest> {
    let input = meaning.tasks.iter().find(|input| input.name == *task)?;
    match &meaning.benchmark {
        BenchmarkInput::PerTask => Some(Digest::of_json(&(meaning.base, input, &meaning.split, meaning.precision))),
        BenchmarkInput::Command(command) => Some(Digest::of_json(&(meaning.base, input, &meaning.split, command))),
        BenchmarkInput::Joint { .. } => None,
    }
}
