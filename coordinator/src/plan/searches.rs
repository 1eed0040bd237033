mod ahead;
mod shared;

use super::{
    best::BestRead,
    issued::{IssuedJobs, SearchPoint},
    job::{Phase, PlannedJob},
    known::Known,
    races::{RacedResults, Races, WantedJob},
    replicates::{Groups, ReplicatedResults, of_group, replicates},
    results::JobStatus,
};
use crate::{
    CoordinatorError,
    strategy::{Candidate, Choice, NextPoint, PointResult, Ranking, SearchState, StrategyError, Ties},
};
use jobs::{JobId, Meaning, Parameter, RecipeSpec, Replicate, Search, Subject, Sweep};
use shared::SharedPoints;
use std::collections::{HashSet, VecDeque};

/// The searches of a sweep.
#[derive(Debug)]
pub(super) struct Searches {
    all: Vec<ActiveSearch>,
    /// The points that several searches may race.
    shared: SharedPoints,
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
    /// The jobs of each point, if the search has replicates.
    groups: Groups,
    /// Replicates of the last requested point that are not issued yet.
    waiting: VecDeque<WaitingReplicate>,
    /// The races of its points, if the sweep races.
    races: Option<Races>,
}

/// A requested point with one of its seeds.
#[derive(Debug)]
struct WaitingReplicate {
    candidate: Candidate,
    replicate: Replicate,
}

/// Where a search puts the jobs that it needs.
pub(super) struct Issue<'a> {
    pub(super) known: &'a Known,
    pub(super) issued: &'a mut IssuedJobs,
    pub(super) jobs: &'a mut Vec<PlannedJob>,
    /// The largest number of jobs.
    pub(super) limit: usize,
    /// Evaluations that are not issued since what they merge by cannot be made, with how they end.
    pub(super) lost: &'a mut Vec<(JobId, JobStatus)>,
}

impl Searches {
    /// The searches of `sweep`, each at its beginning.
    pub(super) fn new(sweep: &Sweep) -> Result<Self, StrategyError> {
        let ties = if sweep.evaluation.benchmark.is_joint() { Ties::First } else { Ties::Last };
        let seeks_trade_offs = !sweep.goals.is_empty();
        let ranking = Ranking { objective: sweep.objective.clone(), seeks_trade_offs, ties };
        let active = |(index, search): (usize, &Search)| {
            let state = SearchState::new(search, sweep.method_of(search), ranking.clone())?;
            let races = |racing| Races::new(index, racing, state.race_form());
            let races = sweep.racing.clone().map(races);
            Ok(ActiveSearch {
                search: search.clone(),
                state,
                choice: None,
                groups: Groups::new(),
                waiting: VecDeque::new(),
                races,
            })
        };
        let all = sweep.searches.iter().enumerate().map(active).collect::<Result<_, StrategyError>>()?;
        Ok(Self { all, shared: SharedPoints::default(), best: None, ends_early: false, is_cut_short: false })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveSearch> {
        self.all.iter()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.all[index].search.name
    }

    /// The largest number of evaluations of all searches.
    pub(super) fn bound(&self) -> u64 {
        let of = |search: &ActiveSearch| {
            let seeds = search.search.replicates.as_ref().map_or(1, |replicates| replicates.count);
            search.state.bound().saturating_mul(seeds.into())
        };
        self.all.iter().fold(0u64, |sum, search| sum.saturating_add(of(search)))
    }

    pub(super) fn have_chosen(&self) -> bool {
        self.all.iter().all(|search| search.choice.is_some())
    }

    /// The points that have entered a race.
    pub(super) fn raced_points(&self) -> HashSet<JobId> {
        self.all.iter().filter_map(|search| search.races.as_ref()).flat_map(Races::candidates).collect()
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
            None => {
                let read = BestRead::new(known, search.results(known, search.groups.clone()), None);
                search.state.so_far(&RacedResults { results: &read, races: search.races.as_ref() }).map(Some)
            }
        });
        choices.collect()
    }

    /// The value of a point of which a job has this value; `None` if other seeds of the point have none yet.
    pub(super) fn point_value(&self, known: &Known, point: &SearchPoint, value: f64) -> Option<f64> {
        let Some(jobs) = self.all[point.search].groups.get(&point.point) else { return Some(value) };
        match of_group(jobs, known)? {
            PointResult::Value(mean) => Some(mean),
            PointResult::Failed | PointResult::Missing | PointResult::Eliminated | PointResult::Leader => None,
        }
    }

    /// Whether `value` is better than every value that searches have read. If so, it is the best from now on.
    pub(super) fn improve_best(&mut self, known: &Known, value: f64) -> bool {
        known.improve(&mut self.best, value)
    }

    /// Issues the searches' next points, until there are as many jobs as are wanted.
    pub(super) fn issue(&mut self, mut issue: Issue<'_>) -> Result<(), CoordinatorError> {
        for (index, search) in self.all.iter_mut().enumerate() {
            let groups = std::mem::take(&mut search.groups);
            let read = BestRead::new(issue.known, search.results(issue.known, groups), self.best);
            if self.ends_early {
                self.is_cut_short |= search.end(index, &read, &mut issue)?;
            } else {
                search.issue(index, &read, &mut issue)?;
            }
            self.best = read.best();
            search.groups = read.into_results().into_groups();
        }
        Ok(())
    }
}

impl ActiveSearch {
    /// The results of its points.
    fn results<'a>(&self, known: &'a Known, groups: Groups) -> ReplicatedResults<'a> {
        ReplicatedResults::new(known, self.search.replicates.clone(), groups)
    }

    fn issue(&mut self, index: usize, read: &BestRead<'_>, issue: &mut Issue<'_>) -> Result<(), CoordinatorError> {
        if let Some(races) = self.races.take() {
            let races = self.race(races, read, issue.known)?;
            if self.choice.is_none() {
                races.wanted(issue.known).into_iter().for_each(|job| issue.raced(index, &self.search, &races, job));
            }
            self.races = Some(races);
            return Ok(());
        }
        while self.choice.is_none() && issue.jobs.len() < issue.limit {
            if let Some(waiting) = self.waiting.pop_front() {
                issue.replicate(index, &self.search, waiting);
                continue;
            }
            match self.state.next(read)? {
                NextPoint::Wait => break,
                NextPoint::Done(choice) => self.choice = Some(*choice),
                NextPoint::Evaluate(candidate) | NextPoint::Complete(candidate) => {
                    let all = replicates(&candidate.recipe, self.search.replicates.as_ref());
                    let waiting = |replicate| WaitingReplicate { candidate: (*candidate).clone(), replicate };
                    self.waiting.extend(all.into_iter().map(waiting));
                }
            }
        }
        Ok(())
    }

    /// Lets the search propose candidates, and their races decide, as far as the known results lead.
    fn race(&mut self, mut races: Races, read: &BestRead<'_>, known: &Known) -> Result<Races, CoordinatorError> {
        while self.choice.is_none() {
            races.advance(known);
            if !races.has_room() {
                break;
            }
            match self.state.next(&RacedResults { results: read, races: Some(&races) })? {
                NextPoint::Evaluate(candidate) => races.enter(*candidate, self.state.scan(), known),
                NextPoint::Complete(candidate) => races.complete(candidate.id),
                NextPoint::Wait => break,
                NextPoint::Done(choice) => self.choice = Some(*choice),
            }
        }
        Ok(races)
    }

    /// Ends the search with what is known; whether this cut the search short. If the best point of a race has no value yet, its
    /// evaluation is issued first.
    fn end(&mut self, index: usize, read: &BestRead<'_>, issue: &mut Issue<'_>) -> Result<bool, CoordinatorError> {
        if self.choice.is_some() {
            return Ok(false);
        }
        // The races of a resumed search have not begun: the known results decide them first.
        if let Some(races) = self.races.take() {
            let races = self.race(races, read, issue.known)?;
            let results = RacedResults { results: read, races: Some(&races) };
            let leader = self.state.leader(&results).filter(|_| self.choice.is_none());
            let whole = leader.and_then(|leader| races.whole(&leader.id, issue.known));
            if let Some(job) = whole {
                issue.raced(index, &self.search, &races, job);
                self.races = Some(races);
                return Ok(false);
            }
            self.races = Some(races);
        }
        let read = &RacedResults { results: read, races: self.races.as_ref() };
        let whole = match self.choice.take() {
            Some(choice) => Some(choice),
            None => match self.state.next(read)? {
                NextPoint::Done(choice) => Some(*choice),
                NextPoint::Evaluate(_) | NextPoint::Complete(_) | NextPoint::Wait => None,
            },
        };
        // A search that ended without a best point, since one is missing, chooses among the others when it is ended by a person.
        let whole = whole.filter(|choice| choice.best.is_some());
        let is_cut_short = whole.is_none();
        self.choice = Some(whole.map_or_else(|| self.state.best_known(read), Ok)?);
        Ok(is_cut_short)
    }
}

impl Issue<'_> {
    /// Issues a job of a race, unless there are enough jobs or its result is known.
    fn raced(&mut self, index: usize, search: &Search, races: &Races, wanted: WantedJob) {
        let WantedJob { id, meaning, candidate } = wanted;
        if self.known.status(&id).is_none() && self.loses(id, &meaning) {
            return;
        }
        let Some(candidate) = races.candidate(&candidate).filter(|_| self.jobs.len() < self.limit) else { return };
        if self.known.status(&id).is_some() {
            return;
        }
        if self.issued.issue(id) {
            let mut label = point_label(search, &candidate.spec);
            if let Some(slice) = &meaning.slice {
                label = format!("{label} examples {}-{}", slice.from + 1, slice.to);
            }
            let mut job = self.known.frozen.job(meaning);
            job.places.slices = self.known.slices(&candidate.id).to_vec();
            self.jobs.push(PlannedJob { id, job, phase: Phase::Search, label });
            self.issued.request(id, SearchPoint { search: index, spec: candidate.spec.clone(), point: candidate.id });
        }
    }

    /// Notes an evaluation that can never be issued; whether it is one.
    fn loses(&mut self, id: JobId, meaning: &Meaning) -> bool {
        let status = self.known.without_statistics(meaning);
        self.lost.extend(status.map(|status| (id, status)));
        status.is_some()
    }

    /// Issues a point of a search with one of its seeds, unless its result is known.
    fn replicate(&mut self, index: usize, search: &Search, waiting: WaitingReplicate) {
        let WaitingReplicate { candidate: Candidate { spec, id: point, .. }, replicate } = waiting;
        let subject = Subject::Merge { recipe: Box::new(replicate.recipe) };
        let meaning = self.known.frozen.meaning(subject, &self.known.select);
        let id = meaning.id();
        // Another search may have computed some seeds of the point.
        if self.known.status(&id).is_some() || self.loses(id, &meaning) {
            return;
        }
        if self.issued.issue(id) {
            let label = format!("{}{}", point_label(search, &spec), seed_label(search, replicate.seed));
            let job = self.known.frozen.job(meaning);
            self.jobs.push(PlannedJob { id, job, phase: Phase::Search, label });
        }
        // The search waits for the job even if another part of the sweep has issued it.
        self.issued.request(id, SearchPoint { search: index, spec, point });
    }
}

/// The seed of a replicate as the end of its label; nothing if there are no replicates.
fn seed_label(search: &Search, seed: Option<u64>) -> String {
    match (&search.replicates, seed) {
        (Some(replicates), Some(seed)) => format!(" {}={seed}", replicates.key),
        _ => String::new(),
    }
}

/// What a recipe has at a key, written or of its preset; `None` if the key says nothing there.
fn value_at(spec: &RecipeSpec, key: &str) -> Option<serde_json::Value> {
    let flat = serde_json::to_value(spec).ok()?;
    if let Some(task) = key.strip_prefix("weights.") {
        return flat.get("weights")?.get(task).cloned();
    }
    if let Some(of_layer) = key.strip_prefix("layer_weights.") {
        let (task, layer) = of_layer.rsplit_once('.')?;
        return flat.get("layer_weights")?.get(task)?.get(layer).cloned();
    }
    // The preset supplies the values that the search has not set yet.
    let of_preset = || {
        let whole = RecipeSpec::from(&spec.resolve().ok()?);
        serde_json::to_value(whole).ok()?.get(key).cloned()
    };
    flat.get(key).cloned().or_else(of_preset)
}

/// The search's name with the values of its parameters.
fn point_label(search: &Search, spec: &RecipeSpec) -> String {
    let mut label = search.name.clone();
    for Parameter { key, .. } in &search.parameters {
        let value = value_at(spec, key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        label = format!("{label} {key}={}", value.unwrap_or_default());
    }
    for (key, number) in numbers_beside_parameters(search, spec) {
        label = format!("{label} {key}={number}");
    }
    label
}

/// The numbers that a search has set itself, other than those of its recipe: a portfolio refines λ and other keys, which are none
/// of its parameters.
fn numbers_beside_parameters(search: &Search, spec: &RecipeSpec) -> Vec<(String, f64)> {
    let written = search.recipe.numbers();
    let is_parameter = |key: &str| {
        let of_all_tasks = key.split_once('.').map_or(key, |(of_all_tasks, _)| of_all_tasks);
        search.parameters.iter().any(|parameter| parameter.key == key || parameter.key == of_all_tasks)
    };
    let is_new = |key: &str, number: f64| written.get(key).is_none_or(|written| written.total_cmp(&number).is_ne());
    spec.numbers().into_iter().filter(|(key, number)| is_new(key, *number) && !is_parameter(key)).collect()
}
