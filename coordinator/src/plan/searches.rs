use super::{
    best::BestRead,
    issued::{IssuedJobs, SearchPoint},
    job::{Phase, PlannedJob},
    known::Known,
};
use crate::{
    CoordinatorError,
    strategy::{Candidate, Choice, NextPoint, Ranking, SearchState, StrategyError, Ties},
};
use jobs::{Benchmark, Parameter, RecipeSpec, Search, Subject, Sweep};

/// The searches of a sweep.
#[derive(Debug)]
pub(super) struct Searches {
    all: Vec<ActiveSearch>,
    /// The best value of all points that searches have read.
    best: Option<f64>,
    /// The searches end now, with the results that are known.
    ends_early: bool,
    /// A search was not over when it ended early.
    is_cut_short: bool,
}

/// A search, and its choice once it is over.
#[derive(Debug)]
pub(super) struct ActiveSearch {
    pub(super) search: Search,
    state: SearchState,
    pub(super) choice: Option<Choice>,
}

impl Searches {
    /// The searches of `sweep`, each at its beginning.
    pub(super) fn new(sweep: &Sweep) -> Result<Self, StrategyError> {
        let ties = if sweep.evaluation.benchmark == Benchmark::PerTask { Ties::Last } else { Ties::First };
        let ranking = Ranking { objective: sweep.objective.clone(), ties };
        let active = |search: &Search| {
            let state = SearchState::new(search, sweep.method, ranking.clone())?;
            Ok(ActiveSearch { search: search.clone(), state, choice: None })
        };
        let all = sweep.searches.iter().map(active).collect::<Result<_, StrategyError>>()?;
        Ok(Self { all, best: None, ends_early: false, is_cut_short: false })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveSearch> {
        self.all.iter()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.all[index].search.name
    }

    /// The largest number of points of all searches.
    pub(super) fn bound(&self) -> u64 {
        self.all.iter().fold(0u64, |sum, search| sum.saturating_add(search.state.bound()))
    }

    pub(super) fn have_chosen(&self) -> bool {
        self.all.iter().all(|search| search.choice.is_some())
    }

    pub(super) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// Ends the searches at the next call of [`issue`](Self::issue).
    pub(super) fn end_early(&mut self) {
        self.ends_early = true;
    }

    /// The choices of the searches that are over.
    pub(super) fn choices(&self) -> Vec<Option<Choice>> {
        self.all.iter().map(|search| search.choice.clone()).collect()
    }

    /// The choices of all searches. A search that is not over chooses among the points that are known.
    pub(super) fn choices_so_far(&self, known: &Known) -> Result<Vec<Option<Choice>>, StrategyError> {
        let choices = self.all.iter().map(|search| match &search.choice {
            Some(choice) => Ok(Some(choice.clone())),
            None => search.state.so_far(known).map(Some),
        });
        choices.collect()
    }

    /// Whether `value` is better than every value that searches have read. If so, it is the best from now on.
    pub(super) fn improve_best(&mut self, known: &Known, value: f64) -> bool {
        known.improve(&mut self.best, value)
    }

    /// Issues the searches' next points, until `jobs` has `limit` jobs.
    pub(super) fn issue(
        &mut self,
        known: &Known,
        issued: &mut IssuedJobs,
        jobs: &mut Vec<PlannedJob>,
        limit: usize,
    ) -> Result<(), CoordinatorError> {
        let read = BestRead::new(known, self.best);
        if self.ends_early {
            for search in &mut self.all {
                self.is_cut_short |= search.end(&read)?;
            }
        }
        for (index, search) in self.all.iter_mut().enumerate() {
            while search.choice.is_none() && jobs.len() < limit {
                match search.state.next(&read)? {
                    NextPoint::Wait => break,
                    NextPoint::Done(choice) => search.choice = Some(*choice),
                    NextPoint::Evaluate(candidate) => {
                        let Candidate { spec, recipe, id } = *candidate;
                        if issued.issue(id) {
                            let label = point_label(&search.search, &spec);
                            let meaning =
                                known.frozen.meaning(Subject::Merge { recipe: Box::new(recipe) }, &known.select);
                            let job = known.frozen.job(meaning);
                            jobs.push(PlannedJob { id, job, phase: Phase::Search, label });
                        }
                        // The search waits for the job even if another part of the sweep has issued it.
                        issued.request(id, SearchPoint { search: index, spec });
                    }
                }
            }
        }
        self.best = read.best();
        Ok(())
    }
}

impl ActiveSearch {
    /// Ends the search with what is known; whether this cut the search short.
    fn end(&mut self, read: &BestRead<'_>) -> Result<bool, StrategyError> {
        if self.choice.is_some() {
            return Ok(false);
        }
        match self.state.next(read)? {
            NextPoint::Done(choice) if choice.best.is_some() => {
                self.choice = Some(*choice);
                Ok(false)
            }
            // A search that ended without a best point, since one is missing, chooses among the others when it is
            // ended by a person.
            NextPoint::Done(_) | NextPoint::Evaluate(_) | NextPoint::Wait => {
                self.choice = Some(self.state.best_known(read)?);
                Ok(true)
            }
        }
    }
}

/// The search's name with the values of its parameters.
fn point_label(search: &Search, spec: &RecipeSpec) -> String {
    let flat = serde_json::to_value(spec).unwrap_or_default();
    // The preset supplies the values that the search has not set yet.
    let of_preset = |key: &str| {
        let whole = RecipeSpec::from(&spec.resolve().ok()?);
        serde_json::to_value(whole).ok()?.get(key).cloned()
    };
    let value = |key: &str| match key.strip_prefix("weights.") {
        Some(task) => flat.get("weights").and_then(|weights| weights.get(task)).cloned(),
        None => flat.get(key).cloned().or_else(|| of_preset(key)),
    };
    let mut label = search.name.clone();
    for Parameter { key, .. } in &search.parameters {
        let value = value(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        label = format!("{label} {key}={}", value.unwrap_or_default());
    }
    label
}
