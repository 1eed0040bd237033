use super::Fault;
use fastrand::Rng;
use std::time::Duration;

/// Faults in a seeded order, each so many times.
#[derive(Debug)]
pub(super) struct Deck {
    random: Rng,
    cards: Vec<Fault>,
}

/// The pauses between faults, in milliseconds.
const PAUSES: std::ops::Range<u64> = 200..1200;

impl Deck {
    /// Deals all of `faults` once before any of them comes again.
    pub(super) fn new(seed: u64, faults: &[Fault], deals: u32) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut cards = Vec::new();
        for _ in 0..deals {
            let mut deal = faults.to_vec();
            random.shuffle(&mut deal);
            cards.append(&mut deal);
        }
        Self { random, cards }
    }

    /// The next fault, and how long to wait for it; `None` after the last.
    pub(super) fn deal(&mut self) -> Option<(Duration, Fault)> {
        let pause = Duration::from_millis(self.random.u64(PAUSES));
        self.cards.pop().map(|fault| (pause, fault))
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
        let deal = |seed| {
            let mut deck = Deck::new(seed, &Fault::ALL, 2);
            std::iter::from_fn(|| deck.deal()).collect::<Vec<_>>()
        };
        assert_eq!(deal(1), deal(1));
        assert_ne!(deal(1), deal(2));
        let mut faults: Vec<_> = deal(3).into_iter().map(|(_, fault)| fault).collect();
        for deal in faults.chunks_mut(Fault::ALL.len()) {
            deal.sort_unstable();
            assert_eq!(deal, Fault::ALL);
        }
        assert_eq!(faults.len(), 2 * Fault::ALL.len());
    }
}
