//! What the parts of a sweep wait for, and what each plans once it waits no longer.

use super::{Course, Phase, Planned, PlannedJob, Wanted};
use crate::{CoordinatorError, strategy::Candidate};
use jobs::{Outcome, Recipe, RowKind, WriteFormat};
use std::collections::VecDeque;

/// What is to be known before a part of a sweep can be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// What the metric is measured by.
    Denominators,
    /// What every search has chosen.
    Choices,
    /// What everything that is evaluated has come to.
    Evaluations,
}

impl Phase {
    /// All parts, in the order in which their jobs are handed out where nothing keeps them apart.
    const ALL: [Self; 5] = [Self::References, Self::Search, Self::Baselines, Self::Report, Self::Write];

    fn needs(self) -> Needs {
        match self {
            Self::References => Needs::Nothing,
            // They wait for the adapters where the metric is normalised.
            Self::Search | Self::Baselines => Needs::Denominators,
            Self::Report => Needs::Choices,
            Self::Write => Needs::Evaluations,
        }
    }
}

impl Course {
    /// Hands out what is ready, at most up to `limit` jobs.
    pub(super) fn hand_out(&mut self, wanted: &mut Vec<Wanted>, limit: usize) -> Result<(), CoordinatorError> {
        for phase in Phase::ALL {
            if !self.has(phase.needs())? {
                continue;
            }
            if phase == Phase::Search {
                self.search(wanted, limit)?;
            } else {
                if !self.plans.contains_key(&phase) {
                    let plan = self.plan(phase)?;
                    self.plans.insert(phase, plan);
                }
                self.take(wanted, limit, phase);
            }
        }
        Ok(())
    }

    /// Whether nothing is left to be wanted or answered.
    pub(super) fn is_over(&self) -> bool {
        self.is_evaluated() && self.plans.get(&Phase::Write).is_some_and(VecDeque::is_empty)
    }

    /// Whether everything that is evaluated is answered.
    fn is_evaluated(&self) -> bool {
        let is_handed_out = |phase| self.plans.get(&phase).is_some_and(VecDeque::is_empty);
        self.open == 0
            && self.has_chosen()
            && [Phase::References, Phase::Baselines, Phase::Report].into_iter().all(is_handed_out)
    }

    fn has(&self, needs: Needs) -> Result<bool, CoordinatorError> {
        match needs {
            Needs::Nothing => Ok(true),
            Needs::Denominators => self.known.has_denominators(),
            Needs::Choices => Ok(self.has_chosen()),
            Needs::Evaluations => Ok(self.is_evaluated()),
        }
    }

    fn has_chosen(&self) -> bool {
        self.searches.iter().all(|running| running.choice.is_some())
    }

    fn plan(&self, phase: Phase) -> Result<VecDeque<Planned>, CoordinatorError> {
        let select = &self.known.select;
        Ok(match phase {
            Phase::References => self.known.references(select).collect(),
            Phase::Baselines => {
                let planned = |(name, recipe): &(String, Recipe)| Planned::merge(name, recipe, select);
                self.baselines.iter().map(planned).collect()
            }
            Phase::Report => self.plan_report(),
            Phase::Write => self.plan_write()?.into_iter().collect(),
            // Its jobs follow from each other.
            Phase::Search => VecDeque::new(),
        })
    }

    /// The jobs on the report split: none if it is the one that was searched on.
    fn plan_report(&self) -> VecDeque<Planned> {
        let report = &self.known.report;
        if *report == self.known.select {
            return VecDeque::new();
        }
        let best = self.searches.iter().filter_map(|running| {
            let (Candidate { recipe, .. }, _) = running.choice.as_ref()?.best.as_ref()?;
            Some((&running.search.name, recipe))
        });
        let merges = best.chain(self.baselines.iter().map(|(name, recipe)| (name, recipe)));
        let on_report =
            |(name, recipe): (&String, &Recipe)| Planned::merge(&format!("{name} on {report}"), recipe, report);
        self.known.references(report).chain(merges.map(on_report)).collect()
    }

    /// The job that writes the winner, if there is one that an adapter can hold.
    fn plan_write(&self) -> Result<Option<Planned>, CoordinatorError> {
        if !self.writes {
            return Ok(None);
        }
        let outcome = self.outcome()?;
        let Some(Winner { name, recipe }) = self.winner(&outcome).filter(|winner| winner.recipe.is_low_rank()) else {
            return Ok(None);
        };
        let job = PlannedJob::Write { recipe: recipe.clone(), format: WriteFormat::Adapter };
        Ok(Some(Planned { job, label: format!("write {name}"), artefacts: Vec::new() }))
    }

    /// The row of the best value on the selection split: of the searches, or of the fixed recipes where nothing is
    /// searched.
    ///
    /// None while points are missing: a recipe of which nothing is known may be better than all others.
    fn winner<'a>(&self, outcome: &'a Outcome) -> Option<Winner<'a>> {
        if outcome.missing > 0 {
            return None;
        }
        let is_searched = outcome.rows.iter().any(|row| matches!(row.kind, RowKind::Search { .. }));
        let mut best: Option<(Winner<'a>, f64)> = None;
        for row in &outcome.rows {
            let recipe = match &row.kind {
                RowKind::Search { recipe, .. } if is_searched => recipe,
                RowKind::Baseline { recipe, .. } if !is_searched => recipe,
                RowKind::Search { .. } | RowKind::Baseline { .. } | RowKind::ZeroShot | RowKind::Finetuned => continue,
            };
            let jobs = row.jobs.get(&outcome.select).into_iter().flatten();
            let Some(value) = jobs.filter_map(|job| self.known.value(job)).next() else { continue };
            if best.as_ref().is_none_or(|(_, best)| outcome.objective.compare(value, *best).is_gt()) {
                best = Some((Winner { name: &row.name, recipe }, value));
            }
        }
        best.map(|(winner, _)| winner)
    }

    /// What is planned of a part, up to the limit. Left out is what was wanted before, and left for later what needs
    /// artefacts that are not there.
    fn take(&mut self, wanted: &mut Vec<Wanted>, limit: usize, phase: Phase) {
        let Some(mut plan) = self.plans.remove(&phase) else { return };
        let mut waiting = VecDeque::new();
        while wanted.len() < limit
            && let Some(planned) = plan.pop_front()
        {
            if !planned.artefacts.iter().all(|job| self.known.has_artefact(job)) {
                waiting.push_back(planned);
                continue;
            }
            let job = planned.job.of(&self.known.frozen);
            let id = job.id();
            if self.known.standing(&id).is_none() && self.issued.insert(id) {
                self.open += 1;
                if phase == Phase::Write {
                    self.written.insert(id);
                }
                wanted.push(Wanted { id, job, phase, label: planned.label });
            }
        }
        waiting.append(&mut plan);
        self.plans.insert(phase, waiting);
    }
}

/// The recipe that the sweep chose.
struct Winner<'a> {
    name: &'a str,
    recipe: &'a Recipe,
}
