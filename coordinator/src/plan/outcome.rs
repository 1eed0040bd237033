use super::{
    baselines::FixedRecipe,
    known::Known,
    replicates::{best_replicate, replicates},
    results::JobStatus,
    searches::{ActiveSearch, Searches},
    subsets::TaskSubsets,
};
use crate::{
    CoordinatorError,
    revision::setup,
    strategy::{Candidate, Choice, PointResult, StrategyError},
};
use jobs::{
    Ensemble, JobId, LearnedMerge, Outcome, Point, Preset, Raced, Recipe, RecipeSpec, Replicates, Row, RowKind,
    RowReplicates, Search, SeedRun, Subject, Sweep,
};
use serde_json::json;
use std::collections::BTreeMap;

/// Makes the table of a sweep. Each number in it is named by the job that holds it.
pub(super) struct OutcomeTable<'a> {
    pub(super) known: &'a Known,
    pub(super) searches: &'a Searches,
    pub(super) baselines: &'a [FixedRecipe],
    pub(super) subsets: &'a TaskSubsets,
}

impl OutcomeTable<'_> {
    /// The table for these choices of the searches.
    pub(super) fn outcome(&self, choices: &[Option<Choice>]) -> Result<Outcome, CoordinatorError> {
        let sweep = self.known.frozen.sweep();
        // A person who ends a search early knows that points are missing.
        let is_cut_short = self.searches.is_cut_short();
        let missing = if is_cut_short { 0 } else { self.missing(choices) };
        Ok(Outcome {
            sweep: sweep.name.clone(),
            revision: self.known.frozen.revision(),
            objective: sweep.objective.clone(),
            goals: sweep.goals.clone(),
            select: sweep.evaluation.select.clone(),
            report: sweep.evaluation.report.clone(),
            tasks: sweep.tasks.iter().map(|task| task.name.clone()).collect(),
            rows: self.rows(choices)?,
            given_denominators: given_denominators(sweep),
            missing,
            ended_early: is_cut_short,
            reference: sweep.reference.clone(),
            variant: sweep.variant.clone(),
            trained: self.known.trained_adapters(),
            setup: sweep.variant.is_some().then(|| setup(&self.known.frozen.manifest(BTreeMap::new()))),
        })
    }

    fn rows(&self, choices: &[Option<Choice>]) -> Result<Vec<Row>, CoordinatorError> {
        let sweep = self.known.frozen.sweep();
        let mut rows = vec![self.row("zero-shot", RowKind::ZeroShot, Some(&Subject::Base))];
        if sweep.has_denominators() {
            rows.push(self.finetuned());
        }
        for (baseline, FixedRecipe { name, recipe, replicates }) in sweep.baselines.iter().zip(self.baselines) {
            let best = self.best_seed(&baseline.recipe, recipe, replicates.as_ref());
            let kind = RowKind::Baseline { spec: best.spec, recipe: best.recipe.clone() };
            rows.push(Row { replicates: best.replicates, ..self.merge(name, kind, &best.recipe) });
        }
        for Ensemble { name, rule } in &sweep.ensembles {
            let kind = RowKind::Ensemble { rule: *rule };
            rows.push(self.row(name, kind, Some(&Subject::Ensemble { rule: *rule })));
        }
        for learned in &sweep.learned {
            rows.push(self.learned(learned));
        }
        for (ActiveSearch { search, .. }, choice) in self.searches.iter().zip(choices) {
            rows.push(self.searched(search, choice.as_ref())?);
        }
        Ok(rows)
    }

    /// The number of search points and learned merges that no machine could evaluate. While there are some, no winner is known.
    ///
    /// Fixed recipes count only if nothing is searched or learned: they were given, and not chosen.
    fn missing(&self, choices: &[Option<Choice>]) -> u64 {
        if choices.is_empty() && self.known.frozen.sweep().learned.is_empty() {
            let select = &self.known.select;
            let fixed = self.baselines.iter();
            let fixed = fixed.flat_map(|baseline| replicates(&baseline.recipe, baseline.replicates.as_ref()));
            return self.known.missing(fixed.map(|replicate| self.known.merge_id(&replicate.recipe, select)));
        }
        let searched = self.searches.iter().zip(choices);
        let jobs = searched.flat_map(|(active, choice)| {
            let of = active.search.replicates.as_ref();
            let points = choice.iter().flat_map(|choice| &choice.points);
            points.flat_map(move |(candidate, result)| self.points(candidate, *result, of)).map(|point| point.job)
        });
        self.known.missing(jobs) + self.known.missing_learned()
    }

    fn row(&self, name: &str, kind: RowKind, subject: Option<&Subject>) -> Row {
        let jobs = self.known.frozen.sweep().splits().into_iter().map(|split| {
            let id = subject.map(|subject| self.known.id_of(subject.clone(), split));
            (split.to_owned(), id.filter(|id| self.succeeded(id)).into_iter().collect())
        });
        Row { name: name.to_owned(), kind, jobs: jobs.collect(), subsets: Vec::new(), replicates: None }
    }

    /// The row of a merge, with its subsets.
    fn merge(&self, name: &str, kind: RowKind, recipe: &Recipe) -> Row {
        let subsets = self.subsets.named(recipe, self.known);
        let row = self.row(name, kind, Some(&Subject::Merge { recipe: Box::new(recipe.clone()) }));
        Row { subsets, ..row }
    }

    /// A recipe with the best of its seeds.
    fn best_seed(&self, spec: &RecipeSpec, recipe: &Recipe, of: Option<&Replicates>) -> BestSeed {
        let best = best_replicate(recipe, of, self.known);
        let replicates = of.filter(|_| best.seed.is_some()).map(|of| {
            let runs = of.of(recipe).into_iter().filter_map(|replicate| {
                let splits = self.known.frozen.sweep().splits().into_iter();
                let jobs = splits.map(|split| (split.to_owned(), self.known.merge_id(&replicate.recipe, split)));
                Some(SeedRun { seed: replicate.seed?, jobs: jobs.filter(|(_, id)| self.succeeded(id)).collect() })
            });
            RowReplicates { key: of.key.clone(), runs: runs.collect() }
        });
        BestSeed { spec: with_seed(spec, of, best.seed), recipe: best.recipe, replicates }
    }

    /// The points of a candidate: one for each of its seeds.
    fn points(&self, candidate: &Candidate, result: PointResult, of: Option<&Replicates>) -> Vec<Point> {
        if of.is_none() {
            let raced = |led| self.known.raced(&candidate.id, led);
            let whole = self.known.value(&candidate.id);
            let Judged { value, raced } = match result {
                PointResult::Value(value) => Judged { value: Some(value), raced: None },
                PointResult::Failed | PointResult::Missing => Judged { value: None, raced: None },
                PointResult::Eliminated => Judged { value: None, raced: raced(false) },
                // Its value is known if it was chosen, or had to be compared.
                PointResult::Leader if whole.is_some() => Judged { value: whole, raced: None },
                PointResult::Leader => match self.known.status(&candidate.id) {
                    // Its evaluation failed where a slice had not.
                    Some(JobStatus::Failed | JobStatus::Missing) => Judged { value: None, raced: None },
                    Some(JobStatus::Done(_)) | None => Judged { value: None, raced: raced(true) },
                },
            };
            let slices = self.known.sorted_slices(&candidate.id);
            return vec![Point { spec: candidate.spec.clone(), job: candidate.id, value, raced, slices }];
        }
        let point = |replicate: jobs::Replicate| {
            let job = self.known.merge_id(&replicate.recipe, &self.known.select);
            Point {
                spec: with_seed(&candidate.spec, of, replicate.seed),
                job,
                value: self.known.value(&job),
                raced: None,
                slices: Vec::new(),
            }
        };
        replicates(&candidate.recipe, of).into_iter().map(point).collect()
    }

    /// The row of a learned merge, with its job on what it was tuned on. It has no jobs if nothing was learned.
    fn learned(&self, learned: &LearnedMerge) -> Row {
        let Some(recipe) = self.known.learned_recipe(learned) else {
            let recipe = Preset::TaskArithmetic.recipe();
            let kind = RowKind::Learned { spec: RecipeSpec::from(&recipe), recipe };
            return self.row(&learned.name, kind, None);
        };
        let subject = Subject::Merge { recipe: Box::new(recipe.clone()) };
        let tuned = self.known.id_of(subject.clone(), &learned.split);
        let kind = RowKind::Learned { spec: RecipeSpec::from(&recipe), recipe };
        let mut row = self.row(&learned.name, kind, Some(&subject));
        if self.succeeded(&tuned) {
            row.jobs.insert(learned.split.clone(), vec![tuned]);
        }
        row
    }

    fn finetuned(&self) -> Row {
        let jobs = self.known.frozen.sweep().splits().into_iter().map(|split| {
            let alone = self.known.measured(split).map(|task| Subject::Adapter { task: task.name.clone() });
            let ids = alone.map(|subject| self.known.id_of(subject, split));
            (split.to_owned(), ids.filter(|id| self.succeeded(id)).collect())
        });
        let name = "fine-tuned".to_owned();
        Row { name, kind: RowKind::Finetuned, jobs: jobs.collect(), subsets: Vec::new(), replicates: None }
    }

    /// The row of a search. It has no jobs if every point failed.
    fn searched(&self, search: &Search, choice: Option<&Choice>) -> Result<Row, CoordinatorError> {
        let of = search.replicates.as_ref();
        let read = choice.into_iter().flat_map(|choice| &choice.points);
        let points = read.flat_map(|(candidate, result)| self.points(candidate, *result, of)).collect();
        let left_out = choice.map(|choice| choice.left_out).unwrap_or_default();
        let Some((Candidate { spec, recipe, .. }, _)) = choice.and_then(|choice| choice.best.as_ref()) else {
            let spec = starting_recipe(search);
            let values = jobs::canonical_json(&spec);
            let recipe = spec.resolve().map_err(|source| StrategyError::Combination {
                search: search.name.clone(),
                values,
                source: Box::new(source),
            })?;
            return Ok(self.row(&search.name, RowKind::Search { spec, recipe, points, left_out }, None));
        };
        let best = self.best_seed(spec, recipe, of);
        let kind = RowKind::Search { spec: best.spec, recipe: best.recipe.clone(), points, left_out };
        Ok(Row { replicates: best.replicates, ..self.merge(&search.name, kind, &best.recipe) })
    }

    fn succeeded(&self, id: &JobId) -> bool {
        matches!(self.known.status(id), Some(JobStatus::Done(_)))
    }
}

/// The recipe that a search starts from. The keys of a portfolio's recipe may have a meaning only with a preset.
fn starting_recipe(search: &Search) -> RecipeSpec {
    let mut spec = search.recipe.clone();
    if spec.resolve().is_err() {
        let presets = search.parameters.iter().filter(|parameter| parameter.key == "preset");
        let mut names = presets.filter_map(|parameter| parameter.values.listed()?.first()?.as_str());
        spec.preset = names.next().map(str::to_owned).or(spec.preset);
    }
    spec
}

/// The value of a point, or how its race ended.
struct Judged {
    value: Option<f64>,
    raced: Option<Raced>,
}

/// A recipe with the seed that is best on the selection split.
struct BestSeed {
    spec: RecipeSpec,
    recipe: Recipe,
    replicates: Option<RowReplicates>,
}

/// The recipe as written with another seed, if there is one.
fn with_seed(spec: &RecipeSpec, of: Option<&Replicates>, seed: Option<u64>) -> RecipeSpec {
    let mut spec = spec.clone();
    if let (Some(of), Some(seed)) = (of, seed) {
        spec.set(&of.key, &json!(seed)).expect("a seed is a whole number");
    }
    spec
}

/// The accuracies of single adapters that the sweep file gives, by split and task.
fn given_denominators(sweep: &Sweep) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut given: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    if !sweep.has_denominators() {
        return given;
    }
    for task in &sweep.tasks {
        for split in sweep.splits() {
            if let Some(accuracy) = task.finetuned.get(split) {
                given.entry(split.to_owned()).or_default().insert(task.name.clone(), *accuracy);
            }
        }
    }
    given
}
