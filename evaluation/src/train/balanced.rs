//! Batches in which every class has the same share.

use crate::tune::shuffled;

/// What the orders of classes and of the examples of a class are keyed by, in place of a task: other numbers than those of
/// batches without regard to classes.
const CLASSES: usize = usize::MAX;

/// The examples of each class that has any.
pub(super) struct ExamplesByClass(Vec<Vec<usize>>);

/// The order of the examples of a class in one pass over them.
struct Pass {
    number: usize,
    order: Vec<usize>,
}

impl ExamplesByClass {
    /// Those of a split, of whose examples these are the classes.
    pub(super) fn of(classes: &[usize]) -> Self {
        let count = classes.iter().max().map_or(0, |last| last + 1);
        let mut by_class = vec![Vec::new(); count];
        classes.iter().enumerate().for_each(|(example, class)| by_class[*class].push(example));
        by_class.retain(|examples| !examples.is_empty());
        Self(by_class)
    }

    /// The examples of a step of `size`, counted from 0.
    ///
    /// Every c draws, c being the number of classes, take one example of each class, in an order of their own. The draws of a class
    /// go pass after pass over its examples, each pass in an order of its own. An example of a small class is drawn more often.
    ///
    /// # Numerics
    /// Orders are keyed by seed, class and pass, so that a step has the same examples on every machine.
    pub(super) fn batch(&self, step: usize, size: usize, seed: u64) -> Vec<usize> {
        let Self(by_class) = self;
        let count = by_class.len();
        let mut taken = Vec::with_capacity(size);
        let mut round = Pass { number: usize::MAX, order: Vec::new() };
        let mut passes: Vec<Option<Pass>> = by_class.iter().map(|_| None).collect();
        for place in step * size..(step + 1) * size {
            let draw = place / count;
            if round.number != draw {
                round = Pass { number: draw, order: shuffled(count, seed, CLASSES, draw) };
            }
            let class = round.order[place % count];
            let examples = &by_class[class];
            let number = draw / examples.len();
            let pass = passes[class].take().filter(|pass| pass.number == number);
            let pass = pass
                .unwrap_or_else(|| Pass { number, order: shuffled(examples.len(), seed, CLASSES - 1 - class, number) });
            taken.push(examples[pass.order[draw % examples.len()]]);
            passes[class] = Some(pass);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_class_without_examples_has_no_share() {
        let by_class = ExamplesByClass::of(&[4, 4, 1, 4]);
        assert_eq!(by_class.0, [vec![2], vec![0, 1, 3]]);
        let step = by_class.batch(0, 4, 7);
        assert_eq!(step.iter().filter(|example| **example == 2).count(), 2);
    }

    #[test]
    fn orders_depend_on_the_seed_and_on_the_pass() {
        let classes: Vec<usize> = (0..60).map(|example| example % 3).collect();
        let by_class = ExamplesByClass::of(&classes);
        assert_ne!(by_class.batch(0, 60, 1), by_class.batch(0, 60, 2));
        assert_ne!(by_class.batch(0, 60, 1), by_class.batch(1, 60, 1));
    }

    proptest! {
        #[test]
        fn classes_have_equal_shares_and_each_pass_takes_every_example_of_a_class_once(
            classes in prop::collection::vec(0usize..5, 1..40),
            size in 1usize..12,
            seed in any::<u64>(),
        ) {
            let by_class = ExamplesByClass::of(&classes);
            let steps = 60usize.div_ceil(size);
            let drawn: Vec<usize> = (0..steps).flat_map(|step| by_class.batch(step, size, seed)).collect();
            for whole in drawn.chunks_exact(by_class.0.len()) {
                let mut seen: Vec<usize> = whole.iter().map(|example| classes[*example]).collect();
                seen.sort_unstable();
                seen.dedup();
                prop_assert_eq!(seen.len(), by_class.0.len(), "one of each class in turn");
            }
            for examples in &by_class.0 {
                let own: Vec<usize> = drawn.iter().copied().filter(|example| examples.contains(example)).collect();
                for pass in own.chunks_exact(examples.len()) {
                    let mut pass = pass.to_vec();
                    pass.sort_unstable();
                    prop_assert_eq!(&pass, examples);
                }
            }
            let whole = by_class.batch(0, steps * size, seed);
            prop_assert_eq!(&drawn, &whole, "the size of a step changes no order");
        }
    }
}
