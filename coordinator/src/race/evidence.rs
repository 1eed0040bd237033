//! How strongly the answers so far speak against a challenger, or for it.

use jobs::TaskShare;

/// The answers of two models to distinct examples of a random sequence, as far as they differ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tally {
    tasks: Vec<TaskTally>,
    /// The sum of the weights of the tasks.
    whole: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct TaskTally {
    /// What one example counts in the metric.
    weight: f64,
    /// All examples.
    all: u64,
    /// The examples that are left.
    left: u64,
    /// The examples that only the challenger was right on, less those that only the incumbent was right on.
    net: i64,
}

impl Tally {
    /// No answers yet to the examples of these tasks.
    pub(crate) fn new(tasks: &[TaskShare]) -> Self {
        let task = |share: &TaskShare| TaskTally {
            weight: share.weight / share.examples as f64,
            all: if share.weight > 0.0 { share.examples } else { 0 },
            left: if share.weight > 0.0 { share.examples } else { 0 },
            net: 0,
        };
        Self { tasks: tasks.iter().map(task).collect(), whole: tasks.iter().map(|share| share.weight).sum() }
    }

    /// Adds the answers to a new example of a task.
    pub(crate) fn add(&mut self, task: usize, answer: Answer) {
        let task = &mut self.tasks[task];
        task.left -= 1;
        task.net += answer.sign();
    }

    /// How much better the challenger is by the examples so far, in units of the metric.
    fn net(&self) -> f64 {
        self.tasks.iter().map(|task| task.weight * task.net as f64).sum()
    }

    /// How much better the challenger is on all examples, if each task goes on as its examples so far. A task of which no example was
    /// answered counts as tied.
    pub(crate) fn estimate(&self) -> f64 {
        let seen = self.tasks.iter().filter(|task| task.left < task.all);
        seen.map(|task| task.weight * task.all as f64 * task.net as f64 / (task.all - task.left) as f64).sum()
    }

    /// What all examples that are left count in the metric.
    fn left(&self) -> f64 {
        self.tasks.iter().map(|task| task.weight * task.left as f64).sum()
    }
}

/// Whose answer to an example is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The challenger's alone.
    Won,
    /// The incumbent's alone.
    Lost,
    /// Both are, or none.
    Tied,
}

impl Answer {
    fn sign(self) -> i64 {
        match self {
            Self::Won => 1,
            Self::Lost => -1,
            Self::Tied => 0,
        }
    }
}

/// The hypothesis that evidence is collected against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Hypothesis {
    /// The challenger is better by this much or more, in units of the metric.
    BetterBy(f64),
    /// The challenger is worse by this much or more.
    WorseBy(f64),
}

/// The evidence against a hypothesis about the difference θ of two models on all examples.
///
/// Of θ ≥ m: let S be the part of θ that is known, R what all examples that are left count, and x ∈ {1, 0, −1} the next answer,
/// won, tied or lost. If θ ≥ m, the mean of x is at least `μ = (m − S) / R`, since the next new example of the sequence is one of those
/// that are left, each in proportion to what it counts. So a bet of κ on x < μ, which multiplies a stake by `1 + κ(μ − x)`, gains
/// nothing on average, and the evidence is the mean of twenty stakes that begin at 1 and bet
/// `κ = min(j/25 · W/R, 0.9 / (1 − μ))` with j from 1 to 20 and W the sum of all weights. It is a supermartingale. Under
/// θ ≤ −m all signs are exchanged.
///
/// Where not even the best answers to all that is left could make the hypothesis true, the evidence is infinite.
///
/// # Why these bets
/// A stake grows fastest for the bet that is the mean advantage divided by the share of answers that differ. Towards the end of the
/// split, μ grows against a challenger that is behind like 1/R, and so does the best bet.
///
/// # Numerics
/// Sums, products and quotients of `f64`: the same on every machine. Weights are counted from whole numbers, so that
/// no rounding adds up; differences below 10⁻⁹ of all weights count as none.
///
/// # Source
/// Waudby-Smith and Ramdas, "Confidence sequences for sampling without replacement" (NeurIPS 2020, arXiv:2006.04347), and
/// "Estimating means of bounded random variables by betting" (arXiv:2010.09686). The unequal weights of tasks are ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evidence {
    hypothesis: Hypothesis,
    stakes: [f64; BETS],
    is_impossible: bool,
}

/// The number of bets, what they are divided by, and the largest share of a stake that an answer may take.
const BETS: usize = 20;
const BET_PARTS: f64 = 25.0;
const MOST_LOST: f64 = 0.9;

/// The share of all weights below which a difference is rounding.
const ROUNDING: f64 = 1e-9;

impl Evidence {
    pub(crate) fn new(hypothesis: Hypothesis) -> Self {
        Self { hypothesis, stakes: [1.0; BETS], is_impossible: false }
    }

    /// Takes the next answer, to an example of which `tally` does not know yet.
    pub(crate) fn bet(&mut self, tally: &Tally, answer: Answer) {
        let missing = self.missing(tally);
        let left = tally.left();
        let x = self.sign() * answer.sign() as f64;
        let mean = (missing / left).clamp(-1.0, 1.0);
        let most = MOST_LOST / (1.0 - mean);
        for (place, stake) in self.stakes.iter_mut().enumerate() {
            let bet = (place + 1) as f64 / BET_PARTS * tally.whole / left;
            *stake *= 1.0 + bet.min(most) * (mean - x);
        }
    }

    /// Looks at the answers so far, of which `tally` knows all.
    pub(crate) fn look(&mut self, tally: &Tally) {
        self.is_impossible |= self.missing(tally) > tally.left() + ROUNDING * tally.whole;
    }

    /// How strong it is.
    pub(crate) fn strength(&self) -> f64 {
        if self.is_impossible { f64::INFINITY } else { self.stakes.iter().sum::<f64>() / BETS as f64 }
    }

    /// What the examples that are left have to bring in for the hypothesis.
    fn missing(&self, tally: &Tally) -> f64 {
        match self.hypothesis {
            Hypothesis::BetterBy(margin) => margin - tally.net(),
            Hypothesis::WorseBy(margin) => margin + tally.net(),
        }
    }

    fn sign(&self) -> f64 {
        match self.hypothesis {
            Hypothesis::BetterBy(_) => 1.0,
            Hypothesis::WorseBy(_) => -1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWERS: [Answer; 3] = [Answer::Won, Answer::Lost, Answer::Tied];

    fn evidence(hypothesis: Hypothesis, tally: &mut Tally, answers: &[Answer]) -> f64 {
        let mut evidence = Evidence::new(hypothesis);
        for answer in answers {
            evidence.bet(tally, *answer);
            tally.add(0, *answer);
            evidence.look(tally);
        }
        evidence.strength()
    }

    fn one_task(examples: u64) -> Tally {
        Tally::new(&[TaskShare { examples, weight: 1.0 }])
    }

    #[test]
    fn an_estimate_weighs_the_difference_in_each_task_by_what_the_task_counts() {
        let shares = [(100, 0.5), (200, 0.25), (50, 0.25)];
        let mut tally = Tally::new(&shares.map(|(examples, weight)| TaskShare { examples, weight }));
        assert!(tally.estimate().abs() < f64::EPSILON);
        [Answer::Won, Answer::Tied].into_iter().for_each(|answer| tally.add(0, answer));
        let of_second = [Answer::Lost, Answer::Tied, Answer::Tied, Answer::Tied];
        of_second.into_iter().for_each(|answer| tally.add(1, answer));
        // A half of 0.5, and a quarter of 0.25 against it.
        assert!((tally.estimate() - (0.25 - 0.0625)).abs() < 1e-12, "{}", tally.estimate());
    }

    #[test]
    fn one_answer_moves_the_stakes_as_the_formula_says() {
        // W/R = 1, μ = 0: the bets are 1/25 to 20/25, of the mean 0.42.
        let lost = evidence(Hypothesis::BetterBy(0.0), &mut one_task(1000), &[Answer::Lost]);
        assert!((lost - 1.42).abs() < 1e-12, "{lost}");
        let won = evidence(Hypothesis::BetterBy(0.0), &mut one_task(1000), &[Answer::Won]);
        assert!((won - 0.58).abs() < 1e-12, "{won}");
        let tied = evidence(Hypothesis::BetterBy(0.0), &mut one_task(1000), &[Answer::Tied]);
        assert!((tied - 1.0).abs() < 1e-12, "{tied}");
        // With μ = 0.1 the mean of the bets is what is gained by a tenth.
        let tied = evidence(Hypothesis::BetterBy(0.1), &mut one_task(1000), &[Answer::Tied]);
        assert!((tied - 1.042).abs() < 1e-12, "{tied}");
    }

    #[test]
    fn what_the_rest_cannot_change_is_certain_and_not_before() {
        let answers = |lost: usize| [vec![Answer::Lost; lost], vec![Answer::Tied; 5]].concat();
        // Four examples are left, and five are missing for a tie.
        let certain = evidence(Hypothesis::BetterBy(0.0), &mut one_task(14), &answers(5));
        assert!(certain.is_infinite());
        let open = evidence(Hypothesis::BetterBy(0.0), &mut one_task(15), &answers(5));
        assert!(open.is_finite(), "five are left, and a tie is as good");
        let equal = evidence(Hypothesis::BetterBy(0.0), &mut one_task(5), &answers(0));
        assert!(equal.is_finite(), "equal models refute nothing, also at the end");
    }

    #[test]
    fn both_sides_are_the_same_with_signs_exchanged() {
        let answers = [Answer::Lost, Answer::Tied, Answer::Lost, Answer::Won, Answer::Lost];
        let exchanged = answers.map(|answer| match answer {
            Answer::Won => Answer::Lost,
            Answer::Lost => Answer::Won,
            Answer::Tied => Answer::Tied,
        });
        let against = evidence(Hypothesis::BetterBy(0.02), &mut one_task(50), &answers);
        let in_favour = evidence(Hypothesis::WorseBy(0.02), &mut one_task(50), &exchanged);
        assert!((against - in_favour).abs() < 1e-12);
    }

    /// The examples that are left, by task and answer.
    fn difference(tally: &Tally, left: &[[u64; 3]]) -> f64 {
        let of_task = |(task, left): (&TaskTally, &[u64; 3])| {
            let sum: i64 = ANSWERS.iter().zip(left).map(|(answer, count)| answer.sign() * *count as i64).sum();
            task.weight * (task.net + sum) as f64
        };
        tally.tasks.iter().zip(left).map(of_task).sum()
    }

    proptest! {
        /// What makes Ville's inequality hold: if the hypothesis is true of the examples that are there, the mean over the next
        /// example is at most the value before.
        #[test]
        fn it_is_a_supermartingale_whatever_is_left(
            seen in prop::collection::vec((0usize..2, 0usize..3), 0..60),
            left in prop::array::uniform2(prop::array::uniform3(0u64..20)),
            weights in prop::array::uniform2(0.1..3.0f64),
            slack in 0.0..0.2f64,
            is_better: bool,
        ) {
            let count = |task: usize| {
                left[task].iter().sum::<u64>() + seen.iter().filter(|(of, _)| *of == task).count() as u64
            };
            prop_assume!(count(0) > 0 && count(1) > 0 && left.iter().flatten().sum::<u64>() > 0);
            let shares = [0, 1].map(|task| TaskShare { examples: count(task), weight: weights[task] });
            let mut tally = Tally::new(&shares);
            let mut whole = tally.clone();
            seen.iter().for_each(|(task, answer)| whole.add(*task, ANSWERS[*answer]));
            let theta = difference(&whole, &left);
            // A hypothesis that is true, with some slack.
            let hypothesis =
                if is_better { Hypothesis::BetterBy(theta - slack) } else { Hypothesis::WorseBy(-theta - slack) };
            let mut evidence = Evidence::new(hypothesis);
            for (task, answer) in &seen {
                evidence.bet(&tally, ANSWERS[*answer]);
                tally.add(*task, ANSWERS[*answer]);
                evidence.look(&tally);
            }
            prop_assert!(evidence.strength().is_finite(), "a true hypothesis is never impossible");
            let mut mean = 0.0;
            for (task, left) in left.iter().enumerate() {
                for (answer, count) in ANSWERS.iter().zip(left) {
                    let mut next = evidence.clone();
                    next.bet(&tally, *answer);
                    prop_assert!(next.stakes.iter().all(|stake| *stake >= 0.0));
                    mean += tally.tasks[task].weight * *count as f64 / tally.left() * next.strength();
                }
            }
            prop_assert!(mean <= evidence.strength() * (1.0 + 1e-9), "{mean} {}", evidence.strength());
        }
    }
}
