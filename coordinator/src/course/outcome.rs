use super::{Course, known::Standing};
use crate::{
    CoordinatorError,
    strategy::{Candidate, Choice, Evaluation, StrategyError},
};
use jobs::{JobId, Outcome, Point, Row, RowKind, Search, Subject};
use std::collections::BTreeMap;

impl Course {
    /// What the sweep has come to by now: of searches that are not over, what the points known so far would make them choose.
    /// Jobs without a result are missing in the rows.
    ///
    /// # Errors
    /// A search that puts values together that describe no merge.
    pub fn so_far(&self) -> Result<Outcome, CoordinatorError> {
        let choices = self.searches.iter().map(|running| match &running.choice {
            Some(choice) => Ok(Some(choice.clone())),
            None => running.walk.so_far(&self.known).map(Some),
        });
        self.table(&choices.collect::<Result<Vec<_>, _>>()?)
    }

    /// The table of the sweep, each number as the job that holds it.
    pub(super) fn outcome(&self) -> Result<Outcome, CoordinatorError> {
        self.table(&self.searches.iter().map(|running| running.choice.clone()).collect::<Vec<_>>())
    }

    /// The table for these choices of the searches.
    fn table(&self, choices: &[Option<Choice>]) -> Result<Outcome, CoordinatorError> {
        let sweep = self.known.frozen.sweep();
        let mut rows = vec![self.row("zero-shot", RowKind::ZeroShot, Some(&Subject::Base))];
        if sweep.has_denominators() {
            rows.push(self.finetuned());
        }
        for (baseline, (name, recipe)) in sweep.baselines.iter().zip(&self.baselines) {
            let kind = RowKind::Baseline { spec: baseline.recipe.clone(), recipe: recipe.clone() };
            rows.push(self.row(name, kind, Some(&Subject::Merge { recipe: recipe.clone() })));
        }
        for (running, choice) in self.searches.iter().zip(choices) {
            rows.push(self.searched(&running.search, choice.as_ref())?);
        }
        let mut given_denominators: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for (task, split) in
            sweep.tasks.iter().flat_map(|task| sweep.splits().into_iter().map(move |split| (task, split)))
        {
            if let Some(accuracy) = task.finetuned.get(split).filter(|_| sweep.has_denominators()) {
                given_denominators.entry(split.to_owned()).or_default().insert(task.name.clone(), *accuracy);
            }
        }
        Ok(Outcome {
            version: Outcome::VERSION,
            sweep: sweep.name.clone(),
            revision: self.known.frozen.revision(),
            objective: sweep.objective.clone(),
            select: sweep.evaluation.select.clone(),
            report: sweep.evaluation.report.clone(),
            tasks: sweep.tasks.iter().map(|task| task.name.clone()).collect(),
            // Whoever ends a search early knows that not all was looked at.
            missing: if self.is_cut_short { 0 } else { self.missing(choices) },
            ended_early: self.is_cut_short,
            rows,
            given_denominators,
        })
    }

    /// The points of searches that no machine could evaluate, without which no winner is known. Fixed recipes were given, not
    /// chosen: they count only where nothing is searched.
    fn missing(&self, choices: &[Option<Choice>]) -> u64 {
        let select = &self.known.frozen.sweep().evaluation.select;
        let points = choices.iter().flatten().flat_map(|choice| &choice.points).map(|(candidate, _)| candidate.id);
        let fixed = self.baselines.iter().map(|(_, recipe)| {
            let subject = Subject::Merge { recipe: recipe.clone() };
            self.known.id_of(subject, select)
        });
        if choices.is_empty() { self.known.missing(fixed) } else { self.known.missing(points) }
    }

    fn row(&self, name: &str, kind: RowKind, subject: Option<&Subject>) -> Row {
        let jobs = self.known.frozen.sweep().splits().into_iter().map(|split| {
            let id = subject.map(|subject| self.known.id_of(subject.clone(), split));
            (split.to_owned(), id.filter(|id| self.succeeded(id)).into_iter().collect())
        });
        Row { name: name.to_owned(), kind, jobs: jobs.collect() }
    }

    fn finetuned(&self) -> Row {
        let jobs = self.known.frozen.sweep().splits().into_iter().map(|split| {
            let alone = self.known.measured(split).map(|task| Subject::Adapter { task: task.name.clone() });
            let ids = alone.map(|subject| self.known.id_of(subject, split));
            (split.to_owned(), ids.filter(|id| self.succeeded(id)).collect())
        });
        Row { name: "fine-tuned".to_owned(), kind: RowKind::Finetuned, jobs: jobs.collect() }
    }

    /// The row of a search; one without any job if every point failed.
    fn searched(&self, search: &Search, choice: Option<&Choice>) -> Result<Row, CoordinatorError> {
        let points = choice.into_iter().flat_map(|choice| &choice.points).map(|(candidate, evaluation)| Point {
            spec: candidate.spec.clone(),
            job: candidate.id,
            value: match evaluation {
                Evaluation::Value(value) => Some(*value),
                Evaluation::Failed | Evaluation::Missing => None,
            },
        });
        let points = points.collect();
        let left_out = choice.map(|choice| choice.left_out).unwrap_or_default();
        let Some((Candidate { spec, recipe, .. }, _)) = choice.and_then(|choice| choice.best.as_ref()) else {
            let spec = search.recipe.clone();
            let values = jobs::canonical_json(&spec);
            let recipe = spec.resolve().map_err(|source| StrategyError::Combination {
                search: search.name.clone(),
                values,
                source: Box::new(source),
            })?;
            return Ok(self.row(&search.name, RowKind::Search { spec, recipe, points, left_out }, None));
        };
        let kind = RowKind::Search { spec: spec.clone(), recipe: recipe.clone(), points, left_out };
        Ok(self.row(&search.name, kind, Some(&Subject::Merge { recipe: recipe.clone() })))
    }

    fn succeeded(&self, id: &JobId) -> bool {
        matches!(self.known.standing(id), Some(Standing::Scored(_)))
    }
}
