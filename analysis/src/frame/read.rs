use super::{Frame, FrameError, flat::Named, rows::Rows};
use crate::Problem;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use futures_util::{StreamExt, stream};
use jobs::{ExampleCounts, JobId, Outcome, Row, RowKind, RowReplicates};
use store::{BriefResult, Revision, Store, StoreError};

/// Results that are read one by one are asked for in such numbers.
const BATCH: usize = 1024;
/// Parts that are read and decoded ahead.
const AHEAD: usize = 3;

/// A sweep to read.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its revision: what lies in the parts of others is not of it.
    pub revision: u32,
    /// What it came to, unless it has not finished: then only what is in compacted parts is known to be of it.
    pub outcome: Option<&'a Outcome>,
}

impl<'a> Sweep<'a> {
    /// One that came to `outcome`.
    pub fn of(outcome: &'a Outcome) -> Self {
        Self { name: &outcome.sweep, revision: outcome.revision, outcome: Some(outcome) }
    }
}

impl Frame {
    /// The results of several sweeps, one after the other: what lies in compacted parts, and what the outcome names
    /// besides. A job is there once for each sweep, in the row of the table that names it first.
    ///
    /// Accuracies are normalised by those of the same adapters on the same data, or by those that the sweep was given.
    ///
    /// # Errors
    /// The store is out of reach. What cannot be read or is missing is no such error, but among the
    /// [`problems`](Self::problems).
    pub async fn of_sweeps(store: &Store, sweeps: &[Sweep<'_>]) -> Result<Self, FrameError> {
        Self::read(store, sweeps, false).await
    }

    /// The results of `sweeps`, and then those of the store that none of them names.
    ///
    /// # Errors
    /// As [`of_sweeps`](Self::of_sweeps).
    pub async fn of_store(store: &Store, sweeps: &[Sweep<'_>]) -> Result<Self, FrameError> {
        Self::read(store, sweeps, true).await
    }

    /// Reads once, and again if results of a sweep contradict each other: only beside all others shows which is wrong.
    async fn read(store: &Store, sweeps: &[Sweep<'_>], is_all: bool) -> Result<Self, FrameError> {
        let mut reader = Reader::new(store, &[]);
        reader.read(sweeps, is_all).await?;
        if reader.said.iter().all(ExampleCounts::agree) {
            return Self::build(reader.rows, reader.problems);
        }
        let said = reader.said;
        let mut reader = Reader::new(store, &said);
        reader.read(sweeps, is_all).await?;
        Self::build(reader.rows, reader.problems)
    }
}

struct Reader<'a> {
    store: &'a Store,
    rows: Rows,
    problems: Vec<Problem>,
    /// For each sweep, its jobs with a row or with a reported problem.
    seen: Vec<HashSet<JobId>>,
    /// For each sweep, the example counts of its results.
    said: Vec<ExampleCounts>,
    /// The same from a first reading, where that found contradictions.
    before: &'a [ExampleCounts],
}

/// The row and split that name a job.
type Place<'a> = (&'a str, &'a str);

impl<'a> Reader<'a> {
    fn new(store: &'a Store, before: &'a [ExampleCounts]) -> Self {
        Self { store, rows: Rows::default(), problems: Vec::new(), seen: Vec::new(), said: Vec::new(), before }
    }

    async fn read(&mut self, sweeps: &[Sweep<'_>], is_all: bool) -> Result<(), StoreError> {
        for sweep in sweeps {
            self.said.push(ExampleCounts::default());
            self.sweep(sweep).await?;
        }
        if is_all {
            self.rest().await?;
        }
        Ok(())
    }

    async fn sweep(&mut self, sweep: &Sweep<'_>) -> Result<(), StoreError> {
        let places = sweep.outcome.map(places).unwrap_or_default();
        self.rows.begin(sweep.outcome.map(|outcome| outcome.given_denominators.clone()).unwrap_or_default());
        let mut seen = HashSet::new();
        let revision = Revision::of(sweep.name, sweep.revision);
        let is_whole = self.parts(revision, &places, &mut seen).await?;
        let mut rest: HashSet<JobId> = places.keys().copied().collect();
        if !is_whole {
            // Their results have objects of their own.
            rest.extend(self.store.compacted_jobs(revision).await?.jobs);
        }
        let mut rest: Vec<JobId> = rest.difference(&seen).copied().collect();
        rest.sort_unstable();
        for batch in rest.chunks(BATCH) {
            for (job, found) in batch.iter().zip(self.store.results_of(batch).await) {
                let place = places.get(job);
                match found {
                    Ok(Some(result)) => {
                        let row = place.map(|place| place.0);
                        let taken = self.take(&result.into(), Named { sweep: Some(sweep.name), row }, &mut seen);
                        if let Err(source) = taken {
                            self.problems.push(Problem::at(sweep.name, *job, place.copied(), Some(source)));
                            seen.insert(*job);
                        }
                    }
                    Ok(None) => self.problems.push(Problem::at(sweep.name, *job, place.copied(), None)),
                    Err(source) => {
                        self.skip(source, |source| Problem::at(sweep.name, *job, place.copied(), Some(source)))?;
                        seen.insert(*job);
                    }
                }
            }
        }
        let not_named = seen.iter().filter(|job| !places.contains_key(job)).count() as u64;
        let left_out = sweep.outcome.map(left_out).unwrap_or_default();
        if not_named < left_out {
            self.problems.push(Problem::Untold { sweep: sweep.name.to_owned(), jobs: left_out - not_named });
        }
        self.seen.push(seen);
        Ok(())
    }

    /// Takes in what the parts of a sweep hold; `false` if something in them cannot be read.
    async fn parts(
        &mut self,
        revision: Revision<'_>,
        places: &HashMap<JobId, Place<'_>>,
        seen: &mut HashSet<JobId>,
    ) -> Result<bool, StoreError> {
        let sweep = revision.sweep;
        let before = self.problems.len();
        let store = self.store.clone();
        let numbers = self.store.parts(revision).await?;
        let mut parts =
            stream::iter(numbers.into_iter().map(|number| store.part_in_brief(revision, number))).buffered(AHEAD);
        while let Some(part) = parts.next().await {
            let results = match part {
                Ok(results) => results.unwrap_or_default(),
                Err(error) => vec![Err(error)],
            };
            for result in results {
                match result {
                    Ok(result) => {
                        let row = places.get(&result.job).map(|place| place.0);
                        // The object of its own is asked then.
                        if let Err(source) = self.take(&result, Named { sweep: Some(sweep), row }, seen) {
                            self.problems.push(Problem::Part { sweep: sweep.to_owned(), source });
                        }
                    }
                    Err(source) => self.skip(source, |source| Problem::Part { sweep: sweep.to_owned(), source })?,
                }
            }
        }
        Ok(self.problems.len() == before)
    }

    /// Takes in what no sweep named.
    async fn rest(&mut self) -> Result<(), StoreError> {
        self.rows.begin(Default::default());
        let all = self.store.jobs_with_results().await?;
        let is_seen = |job: &JobId| self.seen.iter().any(|seen| seen.contains(job));
        let mut rest: Vec<JobId> = all.into_iter().filter(|job| !is_seen(job)).collect();
        rest.sort_unstable();
        for batch in rest.chunks(BATCH) {
            for found in self.store.results_of(batch).await {
                match found {
                    // What was deleted since it was listed is not there any more.
                    Ok(None) => {}
                    // A slice is a part of an evaluation, and none itself.
                    Ok(Some(result)) if result.meaning.slice.is_some() => {}
                    Ok(Some(result)) => self.rows.push(&result.into(), Named::default()),
                    Err(source) => self.skip(source, |source| Problem::Listed { source })?,
                }
            }
        }
        Ok(())
    }

    /// Adds a result, unless another part has it as well.
    ///
    /// # Errors
    /// It contradicts most others of the sweep, and is not added.
    fn take(&mut self, result: &BriefResult, named: Named<'_>, seen: &mut HashSet<JobId>) -> Result<(), StoreError> {
        // A slice is a part of an evaluation, and none itself.
        if result.ground.slice.is_some() {
            return Ok(());
        }
        let sweep = self.said.len().saturating_sub(1);
        if let Some(before) = self.before.get(sweep) {
            let checked = before.check(&result.ground, &result.scores);
            checked.map_err(|fault| Store::refuse(&result.job, fault))?;
        }
        if seen.insert(result.job) {
            if let Some(said) = self.said.get_mut(sweep) {
                said.add(&result.ground, &result.scores);
            }
            self.rows.push(result, named);
        }
        Ok(())
    }

    /// Broken results are reported and skipped. An unreachable store is an error.
    fn skip(&mut self, error: StoreError, problem: impl FnOnce(StoreError) -> Problem) -> Result<(), StoreError> {
        match error {
            StoreError::Backend(_) => Err(error),
            error => {
                self.problems.push(problem(error));
                Ok(())
            }
        }
    }
}

/// How many results there are at least that the outcome does not name: those of the search that leaves out most, for
/// searches may share their points.
fn left_out(outcome: &Outcome) -> u64 {
    let of_row = |row: &Row| match &row.kind {
        RowKind::Search { left_out, .. } => left_out.points.saturating_sub(left_out.failed),
        _ => 0,
    };
    outcome.rows.iter().map(of_row).max().unwrap_or_default()
}

/// The row and split that name each job: the first ones do.
fn places(outcome: &Outcome) -> HashMap<JobId, Place<'_>> {
    let mut places = HashMap::new();
    for row in &outcome.rows {
        let named = row.jobs.iter().flat_map(|(split, jobs)| jobs.iter().map(move |job| (*job, split.as_str())));
        let points = if let RowKind::Search { points, .. } = &row.kind { points.as_slice() } else { &[] };
        // A failed point has no result, and that is known.
        let points = points.iter().filter(|point| point.value.is_some());
        for (job, split) in named.chain(points.map(|point| (point.job, outcome.select.as_str()))) {
            places.entry(job).or_insert((row.name.as_str(), split));
        }
    }
    // After all rows: the merge of all tasks, and an adapter alone, are named by their own rows.
    for row in &outcome.rows {
        for (split, job) in row.replicates.iter().flat_map(RowReplicates::jobs) {
            places.entry(job).or_insert((row.name.as_str(), split));
        }
        for job in row.subsets.iter().filter_map(|subset| subset.job) {
            places.entry(job).or_insert((row.name.as_str(), outcome.report.as_str()));
        }
    }
    places
}
