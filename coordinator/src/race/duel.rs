use super::evidence::{Answer, Evidence, Hypothesis, Tally};
use jobs::{Draw, ExampleSequence, Goal, JobId, KnownAnswers, Slice, SliceError, TaskShare};

/// What is the same for all duels of a search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DuelRules {
    /// The distinct examples of the first slice, and the fewest of the others.
    pub(crate) slice: u64,
    /// How the sequences draw from the tasks: the weights are those of the metric.
    pub(crate) tasks: Vec<TaskShare>,
    /// Which way of the metric is better.
    pub(crate) goal: Goal,
    /// A challenger may win without its value.
    pub(crate) follows_winners: bool,
    /// A challenger that is not better by more than this, in units of the metric, may be eliminated as well; and one that is not
    /// worse by more than this may win, if winners are followed.
    pub(crate) indifference: f64,
}

/// Which examples a duel is about, and how sure it has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DuelTerms {
    /// The seed of the sequence.
    pub(crate) seed: u64,
    /// The job that the sequence belongs to.
    pub(crate) sequence_of: JobId,
    /// The evidence at which the duel is decided.
    pub(crate) limit: f64,
}

impl DuelTerms {
    /// The part of the sequence between two numbers of distinct examples, for a model.
    pub(crate) fn slice(&self, rules: &DuelRules, model: JobId, from: u64, to: u64) -> Slice {
        let sequence_of = (self.sequence_of != model).then_some(self.sequence_of);
        Slice { seed: self.seed, sequence_of, from, to, tasks: rules.tasks.clone() }
    }
}

/// The duel of a challenger with an incumbent, as far as it has come.
#[derive(Debug, Clone)]
pub(crate) struct Duel {
    challenger: JobId,
    incumbent: JobId,
    terms: DuelTerms,
    sequence: ExampleSequence,
    tally: Tally,
    /// The evidence that the challenger is not better, and that it is not worse.
    against: Evidence,
    in_favour: Evidence,
    /// The distinct examples up to the last look, and up to the next one.
    from: u64,
    to: u64,
    /// The new examples up to the next look; none if the sequence ends before it.
    draws: Option<Vec<Draw>>,
}

/// What a duel needs, or how it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DuelStep {
    /// Answers to a slice: of the challenger, of the incumbent, or of both.
    Needs {
        /// The slice as a part of a job of the challenger.
        challenger: Option<Slice>,
        /// The slice as a part of a job of the incumbent.
        incumbent: Option<Slice>,
    },
    /// The challenger is worse, or not better by more than the indifference.
    Eliminated,
    /// The challenger is better, or not worse by more than the indifference.
    Won,
    /// The sequence is used up, or a challenger that cannot win leads clearly: the values on all examples decide.
    Undecided,
}

/// The evidence for a challenger at which it leads clearly.
const CLEAR_LEAD: f64 = 20.0;

impl DuelRules {
    /// The size of the slice behind `from` distinct examples: a quarter of what is there, so that a long duel takes few jobs and
    /// at most a quarter more examples than one that looks after each.
    fn next_slice(&self, from: u64) -> u64 {
        self.slice.max(from / 4)
    }

    fn answer(&self, challenger: bool, incumbent: bool) -> Answer {
        if challenger == incumbent {
            return Answer::Tied;
        }
        let is_won = match self.goal {
            Goal::Maximize => challenger,
            Goal::Minimize => incumbent,
        };
        if is_won { Answer::Won } else { Answer::Lost }
    }

    /// Where winners are not followed, a lead only saves time: a challenger that is no better than the margin is better eliminated.
    fn margin_to_win(&self) -> f64 {
        if self.follows_winners { self.indifference } else { 0.0 }
    }
}

impl Duel {
    /// The beginning of a duel.
    ///
    /// # Errors
    /// The rules have tasks of which no sequence can be drawn.
    pub(crate) fn new(
        challenger: JobId,
        incumbent: JobId,
        terms: DuelTerms,
        rules: &DuelRules,
    ) -> Result<Self, SliceError> {
        let sequence = ExampleSequence::new(terms.seed, terms.sequence_of, &rules.tasks)?;
        let mut duel = Self {
            challenger,
            incumbent,
            terms,
            sequence,
            tally: Tally::new(&rules.tasks),
            against: Evidence::new(Hypothesis::BetterBy(rules.indifference)),
            in_favour: Evidence::new(Hypothesis::WorseBy(rules.margin_to_win())),
            from: 0,
            to: 0,
            draws: None,
        };
        duel.look_ahead(rules);
        Ok(duel)
    }

    /// The model that the challenger is compared with.
    pub(crate) fn incumbent(&self) -> JobId {
        self.incumbent
    }

    /// How much better the challenger is on all examples, in units of the metric, by those that were looked at: no more than an estimate.
    pub(crate) fn estimate(&self) -> f64 {
        self.tally.estimate()
    }

    /// The distinct examples up to the last slice that was looked at, or that it waits for.
    #[cfg(test)]
    pub(crate) fn examples(&self) -> u64 {
        self.to
    }

    /// Goes on as far as the answers allow, which are those of the two models. Answers may have been added since the last call, but
    /// not changed.
    pub(crate) fn step(
        &mut self,
        rules: &DuelRules,
        challenger: Option<&KnownAnswers>,
        incumbent: Option<&KnownAnswers>,
    ) -> DuelStep {
        loop {
            let Some(draws) = &self.draws else { return DuelStep::Undecided };
            let answers = |known: Option<&KnownAnswers>| {
                draws.iter().map(|draw| known?.answer(draw.task, draw.example)).collect::<Option<Vec<bool>>>()
            };
            let of_challenger = answers(challenger);
            let of_incumbent = answers(incumbent);
            let (Some(own), Some(others)) = (&of_challenger, &of_incumbent) else {
                let slice = |model| self.terms.slice(rules, model, self.from, self.to);
                return DuelStep::Needs {
                    challenger: of_challenger.is_none().then(|| slice(self.challenger)),
                    incumbent: of_incumbent.is_none().then(|| slice(self.incumbent)),
                };
            };
            for (draw, (own, other)) in draws.iter().zip(own.iter().zip(others)) {
                let answer = rules.answer(*own, *other);
                self.against.bet(&self.tally, answer);
                self.in_favour.bet(&self.tally, answer);
                self.tally.add(draw.task, answer);
            }
            self.against.look(&self.tally);
            self.in_favour.look(&self.tally);
            if self.against.strength() >= self.terms.limit {
                return DuelStep::Eliminated;
            }
            if rules.follows_winners && self.in_favour.strength() >= self.terms.limit {
                return DuelStep::Won;
            }
            // A challenger that cannot win, and whose value will be needed: more slices would only take time. It is evaluated whole,
            // as after a sequence that is used up, which is no decision by evidence.
            if !rules.follows_winners && self.in_favour.strength() >= CLEAR_LEAD {
                return DuelStep::Undecided;
            }
            self.look_ahead(rules);
        }
    }

    /// The slice behind the one that the duel looks at next, for one of its models. `None` if the sequence ends before it.
    pub(crate) fn following(&self, rules: &DuelRules, model: JobId) -> Option<Slice> {
        self.draws.as_ref()?;
        let slice = self.terms.slice(rules, model, self.to, self.to + rules.next_slice(self.to));
        slice.examples(model).is_ok().then_some(slice)
    }

    /// Draws up to the next look.
    fn look_ahead(&mut self, rules: &DuelRules) {
        self.from = self.to;
        self.to = self.from + rules.next_slice(self.from);
        let wanted = (self.to - self.from) as usize;
        let draws: Vec<Draw> = self.sequence.by_ref().filter(|draw| draw.is_new).take(wanted).collect();
        self.draws = (draws.len() == wanted).then_some(draws);
    }
}
