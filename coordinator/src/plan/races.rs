//! The races of a search: which candidates duel with whom, and which jobs that takes.

mod racer;
mod results;

pub(super) use results::RacedResults;

use super::{known::Known, results::SearchedPoint};
use crate::{
    race::{DuelRules, DuelTerms},
    strategy::{Candidate, PointResult, PointResults, RaceForm, Scan, Ties},
};
use jobs::{Digest, JobId, Meaning, Racing, RecipeSpec, Subject};
use racer::{Racer, State, Verdict};
use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
};

/// The races of a search, as far as the known results decide them. It can be rebuilt: see [`crate::race`].
///
/// Candidates enter in the order in which the search proposes them, in rounds. All candidates of a round face the incumbent that was
/// there when the round began. Where the search follows winners, a round is one candidate, the first one needs no value, and a winner
/// is the next incumbent whether its value is known or not; else the first candidate and all that are not eliminated are evaluated on
/// all examples, and the incumbent is the one with the best value.
#[derive(Debug)]
pub(super) struct Races {
    /// The index of the search.
    search: usize,
    racing: Racing,
    form: RaceForm,
    /// The evidence at which a duel is decided.
    limit: f64,
    rules: Option<DuelRules>,
    /// The sequence of the current scan, if the search has scans.
    sequence: Option<ScanSequence>,
    racers: HashMap<JobId, Racer>,
    /// The candidates of the current round, in order.
    round: Vec<JobId>,
    incumbent: Option<JobId>,
    /// Candidates whose values the search or the end of a round needs.
    completing: Vec<JobId>,
    /// Candidates that lost their duels. Of these no more than the id is kept.
    eliminated: HashSet<JobId>,
    /// How much better candidates are than the first one, where the search follows winners: by what the races showed, or by values.
    gains: HashMap<JobId, f64>,
    /// Those whose answers may be forgotten, since the last call of [`take_settled`](Self::take_settled).
    settled: Vec<Settled>,
}

/// A candidate of a grid or random search whose race is over, or that is not the incumbent any more.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) id: JobId,
    pub(super) spec: RecipeSpec,
    /// The incumbent that it raced against, if it has just done so.
    pub(super) by: Option<JobId>,
    /// It was eliminated; else it has a value, or its evaluation has failed.
    pub(super) is_lost: bool,
    /// It is the incumbent now.
    pub(super) is_incumbent: bool,
}

/// The examples of a scan.
#[derive(Debug, Clone, Copy)]
struct ScanSequence {
    scan: Scan,
    seed: u64,
    /// The first candidate of the scan: the sequence is its own.
    first: JobId,
}

/// A job that a race needs.
#[derive(Debug, Clone)]
pub(super) struct WantedJob {
    pub(super) id: JobId,
    pub(super) meaning: Meaning,
    /// The candidate whose model is evaluated.
    pub(super) candidate: JobId,
}

impl Races {
    /// The races of the search with the index `search`, which has this form of them.
    pub(super) fn new(search: usize, racing: Racing, form: RaceForm) -> Self {
        Self {
            search,
            limit: form.duels as f64 / racing.error_rate,
            racing,
            form,
            rules: None,
            sequence: None,
            racers: HashMap::new(),
            round: Vec::new(),
            incumbent: None,
            completing: Vec::new(),
            eliminated: HashSet::new(),
            gains: HashMap::new(),
            settled: Vec::new(),
        }
    }

    /// Whether a candidate may enter the round.
    pub(super) fn has_room(&self) -> bool {
        let most = if self.form.follows_leaders || self.incumbent.is_none() { 1 } else { self.racing.round as usize };
        self.round.len() < most
    }

    /// Takes a candidate into the round: one of a scan, if the search has scans.
    pub(super) fn enter(&mut self, candidate: Candidate, scan: Option<Scan>, known: &Known) {
        if self.rules.is_none() {
            self.rules = known.task_shares().map(|tasks| self.rules_for(tasks, known));
        }
        let id = candidate.id;
        if let Some(scan) = scan.filter(|scan| self.sequence.is_none_or(|sequence| sequence.scan != *scan)) {
            self.sequence = Some(ScanSequence { scan, seed: seed_of(self.racing.seed, scan), first: id });
        }
        let terms = self.terms(id, scan);
        let point = SearchedPoint { search: self.search, point: id };
        let state = match (&self.rules, self.incumbent) {
            (Some(_), Some(incumbent)) if known.is_raced_out(point, &incumbent) => State::Decided(Verdict::Eliminated),
            (Some(_), Some(incumbent)) if known.is_whole(point, &incumbent) => State::Whole,
            (Some(rules), Some(incumbent)) => State::duel(id, incumbent, terms, rules),
            (Some(rules), None) if self.form.follows_leaders => State::first(id, terms, rules),
            (_, _) => State::Whole,
        };
        self.racers.insert(id, Racer::new(candidate, state));
        self.round.push(id);
    }

    /// The terms of the duels of a candidate. The points of a scan share a sequence, others have their own.
    fn terms(&self, candidate: JobId, scan: Option<Scan>) -> DuelTerms {
        let shared = self.sequence.filter(|sequence| scan == Some(sequence.scan));
        let seed = shared.map_or(self.racing.seed, |sequence| sequence.seed);
        let sequence_of = shared.map_or(candidate, |sequence| sequence.first);
        DuelTerms { seed, sequence_of, limit: self.limit }
    }

    fn rules_for(&self, tasks: Vec<jobs::TaskShare>, known: &Known) -> DuelRules {
        DuelRules {
            slice: self.racing.slice_of(tasks.iter().map(|task| task.examples).sum()),
            tasks,
            goal: known.frozen.sweep().objective.goal,
            follows_winners: self.form.follows_leaders,
            indifference: self.racing.indifference,
        }
    }

    /// Asks for the value of a candidate.
    pub(super) fn complete(&mut self, candidate: JobId) {
        if !self.completing.contains(&candidate) {
            self.completing.push(candidate);
        }
    }

    /// Decides what the known results decide, and ends the round if all of it is decided and it has no room.
    pub(super) fn advance(&mut self, known: &Known) {
        for id in &self.round.clone() {
            let Some(mut racer) = self.racers.remove(id) else { continue };
            racer.advance(known, self.rules.as_ref(), &self.racers);
            if racer.verdict() == Some(Verdict::Eliminated) {
                self.eliminated.insert(*id);
                if !self.form.follows_leaders {
                    let spec = racer.candidate.spec.clone();
                    let lost = Settled { id: *id, spec, by: self.incumbent, is_lost: true, is_incumbent: false };
                    self.settled.push(lost);
                }
                // An indifferent race may eliminate a point that is ahead. It is no better all the same.
                let gain = self.incumbent_gain() + racer.estimate().min(0.0);
                self.note_gain(*id, gain);
            } else {
                self.racers.insert(*id, racer);
            }
        }
        if !self.round.is_empty() && !self.has_room() {
            self.end_round(known);
        }
    }

    /// Ends the round if all of it is decided; whether it did. An incumbent without a value is evaluated first where it has to be
    /// compared with a candidate that has one.
    pub(super) fn end_round(&mut self, known: &Known) -> bool {
        let verdicts: Option<Vec<Verdict>> = self.round.iter().map(|id| self.verdict(id)).collect();
        let Some(verdicts) = verdicts else { return false };
        let mut incumbent = self.incumbent;
        let ties = self.form.ties;
        let stays = |ordering: Ordering| match ties {
            Ties::First => ordering.is_le(),
            Ties::Last => ordering.is_lt(),
        };
        for (id, verdict) in self.round.clone().iter().zip(verdicts) {
            match verdict {
                Verdict::Eliminated => {}
                Verdict::Leader => incumbent = Some(*id),
                Verdict::Whole => match (known.of(id), incumbent) {
                    (Some(PointResult::Value(_)), None) => incumbent = Some(*id),
                    (Some(PointResult::Value(value)), Some(old)) => match known.of(&old) {
                        Some(PointResult::Value(old)) if stays(known.compare(value, old)) => {}
                        Some(_) => incumbent = Some(*id),
                        None => {
                            self.complete(old);
                            return false;
                        }
                    },
                    (_, _) => {}
                },
            }
        }
        // A resumed plan knows the values of those that are no incumbents, and needs no answers of theirs. A search that follows leaders
        // keeps its answers: it has few points, and its leaders have no values.
        if self.form.follows_leaders {
            self.round.clone().iter().for_each(|id| self.note_whole_or_leading(*id, known));
        } else {
            let whole = |id: &JobId, by| {
                let spec = self.racers.get(id)?.candidate.spec.clone();
                Some(Settled { id: *id, spec, by, is_lost: false, is_incumbent: incumbent == Some(*id) })
            };
            let all = self.round.iter().filter(|id| !self.eliminated.contains(*id));
            let of_round = all.filter_map(|id| whole(id, self.incumbent));
            let old = self.incumbent.and_then(|old| whole(&old, None));
            let settled: Vec<Settled> = of_round.chain(old).collect();
            self.settled.extend(settled);
        }
        self.incumbent = incumbent;
        self.round.clear();
        true
    }

    /// Notes how good a candidate is that is not eliminated: a leader is better than the incumbent whatever the estimate says.
    fn note_whole_or_leading(&mut self, id: JobId, known: &Known) {
        let Some(racer) = self.racers.get(&id) else { return };
        let of_incumbent = self.incumbent_gain();
        let leading = self.incumbent.map_or(0.0, |_| (of_incumbent + racer.estimate()).max(of_incumbent.next_up()));
        let value_of_incumbent = self.incumbent.and_then(|incumbent| known.of(&incumbent));
        let gain = match (racer.verdict(), known.of(&id), value_of_incumbent) {
            (Some(Verdict::Leader), _, _) => leading,
            (Some(Verdict::Whole), Some(PointResult::Value(value)), Some(PointResult::Value(other))) => {
                of_incumbent + known.gain_over(value, other)
            }
            // The first point with a value, or the first after an incumbent that has none.
            (Some(Verdict::Whole), Some(PointResult::Value(_)), _) => leading,
            (_, _, _) => return,
        };
        self.note_gain(id, gain);
    }

    fn note_gain(&mut self, id: JobId, gain: f64) {
        if self.form.follows_leaders && gain.is_finite() {
            self.gains.insert(id, gain);
        }
    }

    fn incumbent_gain(&self) -> f64 {
        self.incumbent.and_then(|incumbent| self.gain(&incumbent)).unwrap_or(0.0)
    }

    /// How much better a candidate is than the first one that raced: see [`PointResults::raced_gain`].
    pub(super) fn gain(&self, id: &JobId) -> Option<f64> {
        self.gains.get(id).copied()
    }

    /// The jobs that the races need now, of which some may have been issued.
    pub(super) fn wanted(&self, known: &Known) -> Vec<WantedJob> {
        let open = self.round.iter().filter_map(|id| self.racers.get(id));
        let open = open.flat_map(|racer| racer.wanted().iter().cloned());
        let completing = self.completing.iter().filter(|id| known.of(id).is_none());
        let whole = completing.filter_map(|id| Some(known.wanted(&self.racers.get(id)?.candidate, None)));
        open.chain(whole).collect()
    }

    /// The jobs that the races may need next: the following slices of duels, and the first slices of the points that may enter next,
    /// which are `candidates` of the scan. No race reads their results before it wants them.
    pub(super) fn ahead(&self, candidates: &[Candidate], scan: Option<Scan>, known: &Known) -> Vec<WantedJob> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let open = self.round.iter().filter_map(|id| self.racers.get(id));
        let following = open.flat_map(|racer| racer.ahead(known, rules, &self.racers));
        // A scan of which no candidate has entered has no sequence yet.
        let has_begun = scan.is_none() || scan == self.sequence.map(|sequence| sequence.scan);
        let first = candidates.iter().filter(|_| has_begun).filter_map(|candidate| {
            let slice = State::first_slice(candidate.id, self.terms(candidate.id, scan), rules)?;
            Some(known.wanted(candidate, Some(slice)))
        });
        let all = following.chain(first);
        all.filter(|job| job.meaning.slice.as_ref().is_some_and(|slice| !known.has_answers(&job.candidate, slice)))
            .collect()
    }

    /// The evaluation of a candidate on all examples.
    pub(super) fn whole(&self, candidate: &JobId, known: &Known) -> Option<WantedJob> {
        self.candidate(candidate).map(|candidate| known.wanted(candidate, None))
    }

    /// The candidates that have entered.
    pub(super) fn candidates(&self) -> impl Iterator<Item = JobId> {
        self.racers.keys().chain(&self.eliminated).copied()
    }

    /// The candidates whose answers the search needs no more, since the last call.
    pub(super) fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// Whether a candidate races now, or is the one that the others face.
    pub(super) fn holds(&self, candidate: &JobId) -> bool {
        self.incumbent == Some(*candidate) || self.round.contains(candidate)
    }

    /// The candidate of a job that the races want.
    pub(super) fn candidate(&self, id: &JobId) -> Option<&Candidate> {
        self.racers.get(id).map(|racer| &racer.candidate)
    }

    fn verdict(&self, id: &JobId) -> Option<Verdict> {
        if self.eliminated.contains(id) {
            return Some(Verdict::Eliminated);
        }
        self.racers.get(id)?.verdict()
    }
}

/// The seed of the sequence of a scan: another one for each seed and scan.
fn seed_of(seed: u64, scan: Scan) -> u64 {
    let digest = Digest::of_json(&("scan", seed, scan.0));
    digest.as_bytes()[..8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

impl Known {
    /// The job whose result has the answers to a slice: the slice, or, if it ended without them, the evaluation on all examples,
    /// so that a resumed plan, which may know that evaluation, decides the same. `None` if that one ended without them as well.
    fn answering(&self, candidate: &Candidate, slice: jobs::Slice) -> Option<WantedJob> {
        let is_open = |job: &WantedJob| self.status(&job.id).is_none();
        let slice = Some(self.wanted(candidate, Some(slice))).filter(is_open);
        slice.or_else(|| Some(self.wanted(candidate, None)).filter(is_open))
    }

    /// The job of a candidate on all examples or on a slice.
    fn wanted(&self, candidate: &Candidate, slice: Option<jobs::Slice>) -> WantedJob {
        let subject = Subject::Merge { recipe: Box::new(candidate.recipe.clone()) };
        let meaning = Meaning { slice, ..self.frozen.meaning(subject, &self.select) };
        WantedJob { id: meaning.id(), meaning, candidate: candidate.id }
    }
}
