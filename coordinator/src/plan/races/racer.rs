use super::WantedJob;
use crate::{
    plan::known::Known,
    race::{Duel, DuelRules, DuelStep, DuelTerms},
    strategy::{Candidate, PointResults},
};
use jobs::{JobId, Slice};
use std::collections::HashMap;

/// A candidate in a race.
#[derive(Debug)]
pub(super) struct Racer {
    pub(super) candidate: Candidate,
    state: State,
    wanted: Vec<WantedJob>,
    /// How much better it is than the incumbent, by the examples that its duel looked at: an estimate.
    estimate: f64,
}

/// How far a candidate has come.
#[derive(Debug)]
pub(super) enum State {
    /// It is evaluated on all examples.
    Whole,
    /// It is the first one of a search that follows winners: it leads once a first slice shows that it can be evaluated.
    First(Slice),
    Duel(Box<Duel>),
    Decided(Verdict),
}

/// How a race ended for a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is worse than the incumbent.
    Eliminated,
    /// It is better than the incumbent, or not worse by more than the indifference.
    Leader,
    /// Its result on all examples is what counts.
    Whole,
}

impl State {
    /// A duel with the incumbent.
    pub(super) fn duel(challenger: JobId, incumbent: JobId, terms: DuelTerms, rules: &DuelRules) -> Self {
        // Data of which no sequence can be drawn are evaluated whole.
        Duel::new(challenger, incumbent, terms, rules).map_or(Self::Whole, |duel| Self::Duel(Box::new(duel)))
    }

    /// The first candidate.
    pub(super) fn first(id: JobId, terms: DuelTerms, rules: &DuelRules) -> Self {
        Self::first_slice(id, terms, rules).map_or(Self::Whole, Self::First)
    }

    /// The first slice of a candidate in a sequence; `None` if there is none.
    pub(super) fn first_slice(id: JobId, terms: DuelTerms, rules: &DuelRules) -> Option<Slice> {
        let slice = terms.slice(rules, id, 0, rules.slice);
        slice.examples(id).is_ok().then_some(slice)
    }
}

impl Racer {
    pub(super) fn new(candidate: Candidate, state: State) -> Self {
        Self { candidate, state, wanted: Vec::new(), estimate: 0.0 }
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        match &self.state {
            State::Decided(verdict) => Some(*verdict),
            State::Whole | State::First(_) | State::Duel(_) => None,
        }
    }

    /// How much better it is than its incumbent, as far as its duel showed; 0 without a duel.
    pub(super) fn estimate(&self) -> f64 {
        self.estimate
    }

    /// The jobs that it needs.
    pub(super) fn wanted(&self) -> &[WantedJob] {
        &self.wanted
    }

    /// The jobs that it needs next if what it waits for decides nothing: the following slices of its duel.
    pub(super) fn ahead(&self, known: &Known, rules: &DuelRules, others: &HashMap<JobId, Self>) -> Vec<WantedJob> {
        let State::Duel(duel) = &self.state else { return Vec::new() };
        let own = duel.following(rules, self.candidate.id).map(|slice| known.wanted(&self.candidate, Some(slice)));
        let theirs = duel.following(rules, duel.incumbent()).and_then(|slice| {
            let incumbent = others.get(&duel.incumbent())?;
            Some(known.wanted(&incumbent.candidate, Some(slice)))
        });
        own.into_iter().chain(theirs).collect()
    }

    /// Goes on as far as the known results allow. `others` are the other candidates of the search.
    pub(super) fn advance(&mut self, known: &Known, rules: Option<&DuelRules>, others: &HashMap<JobId, Self>) {
        // Nothing that it waits for has ended.
        if !self.wanted.is_empty() && self.wanted.iter().all(|job| known.status(&job.id).is_none()) {
            return;
        }
        self.wanted.clear();
        while self.verdict().is_none() && self.wanted.is_empty() {
            self.step(known, rules, others);
        }
    }

    fn step(&mut self, known: &Known, rules: Option<&DuelRules>, others: &HashMap<JobId, Self>) {
        let id = self.candidate.id;
        match (&mut self.state, rules) {
            (State::Decided(_), _) => {}
            (State::First(slice), _) => {
                // An evaluation on all examples shows the same as the slice.
                if known.has_answers(&id, slice) {
                    self.state = State::Decided(Verdict::Leader);
                } else if let Some(job) = known.answering(&self.candidate, slice.clone()) {
                    self.wanted.push(job);
                } else {
                    self.state = State::Whole;
                }
            }
            (State::Duel(duel), Some(rules)) => {
                let incumbent = duel.incumbent();
                let step = duel.step(rules, known.answers(&id), known.answers(&incumbent));
                self.estimate = duel.estimate();
                match step {
                    DuelStep::Eliminated => self.state = State::Decided(Verdict::Eliminated),
                    DuelStep::Won => self.state = State::Decided(Verdict::Leader),
                    DuelStep::Undecided => self.state = State::Whole,
                    DuelStep::Needs { challenger, incumbent: of_incumbent } => {
                        let other = others.get(&incumbent).map(|other| &other.candidate);
                        let own = challenger.map(|slice| known.answering(&self.candidate, slice));
                        let theirs = of_incumbent.map(|slice| known.answering(other?, slice));
                        let jobs: Option<Vec<WantedJob>> = own.into_iter().chain(theirs).collect();
                        match jobs {
                            Some(jobs) => self.wanted = jobs,
                            None => self.state = State::Whole,
                        }
                    }
                }
            }
            (State::Whole | State::Duel(_), _) => {
                if known.of(&id).is_some() {
                    self.state = State::Decided(Verdict::Whole);
                } else {
                    self.wanted.push(known.wanted(&self.candidate, None));
                }
            }
        }
    }
}
