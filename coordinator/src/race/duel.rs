use super::evidence::{Counts, against, against_margin};
use jobs::{Draw, ExampleSequence, Goal, JobId, KnownAnswers, Slice, SliceError, TaskShare};
use std::iter::Peekable;

/// What is the same for all duels of a search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DuelRules {
    /// The seed of the sequences.
    pub(crate) seed: u64,
    /// The distinct examples of the first slice, and the fewest of the others.
    pub(crate) slice: u64,
    /// How the sequences draw from the tasks: the weights are those of the metric.
    pub(crate) tasks: Vec<TaskShare>,
    /// Which way of the metric is better.
    pub(crate) goal: Goal,
    /// The evidence at which a challenger is eliminated.
    pub(crate) to_eliminate: f64,
    /// The evidence at which a challenger wins, if winners are followed.
    pub(crate) to_win: Option<f64>,
    /// A challenger that is not better by more than this, in units of the metric, may be eliminated as well.
    pub(crate) indifference: f64,
}

/// The duel of a challenger with an incumbent, as far as it has come.
#[derive(Debug, Clone)]
pub(crate) struct Duel {
    challenger: JobId,
    sequence: Peekable<ExampleSequence>,
    counts: Counts,
    /// The distinct examples up to the last look, and up to the next one.
    from: u64,
    to: u64,
    /// The draws up to the next look; none if the sequence ends before it.
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
    /// The challenger is better.
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

    fn eliminates(&self, counts: Counts) -> bool {
        let whole: f64 = self.tasks.iter().map(|task| task.weight).sum();
        let evidence = if self.indifference > 0.0 {
            against_margin(counts, (self.indifference / whole).min(1.0))
        } else {
            against(counts)
        };
        evidence >= self.to_eliminate
    }

    /// Whether a challenger that cannot win leads so clearly that its value will be needed: more slices would only take time. It is
    /// evaluated whole, as after a sequence that is used up, which is no decision by evidence.
    fn ends_for(&self, counts: Counts) -> bool {
        self.to_win.is_none() && against(counts.exchanged()) >= CLEAR_LEAD
    }

    fn promotes(&self, counts: Counts) -> bool {
        self.to_win.is_some_and(|limit| against(counts.exchanged()) >= limit)
    }
}

impl Duel {
    /// The beginning of a duel.
    ///
    /// # Errors
    /// The rules have tasks of which no sequence can be drawn.
    pub(crate) fn new(challenger: JobId, rules: &DuelRules) -> Result<Self, SliceError> {
        let sequence = ExampleSequence::new(rules.seed, challenger, &rules.tasks)?.peekable();
        let mut duel = Self { challenger, sequence, counts: Counts::default(), from: 0, to: 0, draws: None };
        duel.look_ahead(rules);
        Ok(duel)
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
                let slice = |sequence_of| self.slice(rules, sequence_of);
                return DuelStep::Needs {
                    challenger: of_challenger.is_none().then(|| slice(None)),
                    incumbent: of_incumbent.is_none().then(|| slice(Some(self.challenger))),
                };
            };
            for (own, other) in own.iter().zip(others) {
                self.counts.count(*own, *other, rules.goal);
            }
            if rules.eliminates(self.counts) {
                return DuelStep::Eliminated;
            }
            if rules.promotes(self.counts) {
                return DuelStep::Won;
            }
            if rules.ends_for(self.counts) {
                return DuelStep::Undecided;
            }
            self.look_ahead(rules);
        }
    }

    /// The slice behind the one that the duel looks at next, as a part of a job of the challenger, or, with the challenger as
    /// `sequence_of`, of the incumbent. `None` if the sequence ends before it.
    pub(crate) fn following(&self, rules: &DuelRules, sequence_of: Option<JobId>) -> Option<Slice> {
        self.draws.as_ref()?;
        let to = self.to + rules.next_slice(self.to);
        let slice = Slice { from: self.to, to, ..self.slice(rules, sequence_of) };
        slice.examples(self.challenger).is_ok().then_some(slice)
    }

    fn slice(&self, rules: &DuelRules, sequence_of: Option<JobId>) -> Slice {
        Slice { seed: rules.seed, sequence_of, from: self.from, to: self.to, tasks: rules.tasks.clone() }
    }

    /// Draws up to the next look: until a draw needs an example that is not in its slice.
    fn look_ahead(&mut self, rules: &DuelRules) {
        self.from = self.to;
        self.to = self.from + rules.next_slice(self.from);
        let mut draws = Vec::new();
        let mut reached = self.from;
        while let Some(draw) = self.sequence.next_if(|draw| !draw.is_new || reached < self.to) {
            reached += u64::from(draw.is_new);
            draws.push(draw);
        }
        self.draws = (reached == self.to).then_some(draws);
    }
}

impl Counts {
    fn count(&mut self, challenger: bool, incumbent: bool, goal: Goal) {
        let is_won = match goal {
            Goal::Maximize => challenger,
            Goal::Minimize => incumbent,
        };
        if challenger == incumbent {
            self.ties += 1;
        } else if is_won {
            self.wins += 1;
        } else {
            self.losses += 1;
        }
    }
}
