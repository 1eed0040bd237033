use super::Fault;
use fastrand::Rng;
use std::time::Duration;

/// Faults in a seeded order, each as often as the others.
#[derive(Debug)]
pub(super) struct FaultSchedule {
    random: Rng,
    faults: Vec<Fault>,
}

/// The pauses between faults, in milliseconds.
const PAUSES: std::ops::Range<u64> = 200..1200;

impl FaultSchedule {
    /// Schedules each of `faults` `repeats` times. All come once before any comes again.
    pub(super) fn new(seed: u64, faults: &[Fault], repeats: u32) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut scheduled = Vec::new();
        for _ in 0..repeats {
            let mut round = faults.to_vec();
            random.shuffle(&mut round);
            scheduled.append(&mut round);
        }
        Self { random, faults: scheduled }
    }

    /// The next fault and the pause before it; `None` after the last.
    pub(super) fn next_fault(&mut self) -> Option<(Duration, Fault)> {
        let pause = Duration::from_millis(self.random.u64(PAUSES));
        self.faults.pop().map(|fault| (pause, fault))
    }

    /// Any number, for the choice of a victim.
    pub(super) fn number(&mut self) -> usize {
        self.random.usize(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_deals_the_same_faults_and_each_as_often() {
        let faults_of = |seed| {
            let mut schedule = FaultSchedule::new(seed, &Fault::ALL, 2);
            std::iter::from_fn(|| schedule.next_fault()).collect::<Vec<_>>()
        };
        assert_eq!(faults_of(1), faults_of(1));
        assert_ne!(faults_of(1), faults_of(2));
        let mut faults: Vec<_> = faults_of(3).into_iter().map(|(_, fault)| fault).collect();
        for round in faults.chunks_mut(Fault::ALL.len()) {
            round.sort_unstable();
            assert_eq!(round, Fault::ALL);
        }
        assert_eq!(faults.len(), 2 * Fault::ALL.len());
    }
}
