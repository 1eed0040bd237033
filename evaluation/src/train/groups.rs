//! How the examples of a step are divided over threads.

use std::ops::Range;

/// Tokens that a thread takes through the tower at once, about.
pub(super) const ROWS: usize = 256;

/// Groups are a multiple of this many, so that a few threads have equal work.
const MULTIPLE: usize = 4;

/// Examples of a step that go through the tower together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Their places in the step.
    pub(super) places: Range<usize>,
    /// Tokens of those before.
    pub(super) tokens_before: usize,
}

/// Divides the examples of a step into groups of like numbers of tokens, or of `size` examples each. Groups depend on the
/// examples alone, whatever the number of threads.
pub(super) fn groups(tokens_of: impl Fn(usize) -> usize, batch: &[usize], size: Option<usize>) -> Vec<Group> {
    let tokens: usize = batch.iter().map(|example| tokens_of(*example)).sum();
    let count = tokens.div_ceil(ROWS).next_multiple_of(MULTIPLE).clamp(1, batch.len().max(1));
    let mut groups: Vec<Group> = Vec::new();
    let mut before = 0;
    for (place, example) in batch.iter().enumerate() {
        let is_full = match (size, groups.last()) {
            (Some(size), Some(last)) => last.places.len() >= size,
            (None, Some(_)) => before * count >= groups.len() * tokens,
            (_, None) => true,
        };
        match groups.last_mut() {
            Some(group) if !is_full => group.places.end = place + 1,
            _ => groups.push(Group { places: place..place + 1, tokens_before: before }),
        }
        before += tokens_of(*example);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lengths: &[usize], size: Option<usize>) -> Vec<usize> {
        let batch: Vec<usize> = (0..lengths.len()).collect();
        let groups = groups(|example| lengths[example], &batch, size);
        let mut end = 0;
        for group in &groups {
            assert_eq!(group.places.start, end, "groups follow each other");
            assert_eq!(group.tokens_before, lengths[..end].iter().sum::<usize>());
            end = group.places.end;
        }
        assert_eq!(end, lengths.len());
        groups.iter().map(|group| group.places.len()).collect()
    }

    #[test]
    fn groups_have_like_numbers_of_tokens() {
        assert_eq!(sizes(&[17; 64], None), [8; 8]);
        assert_eq!(sizes(&[100, 100, 100, 900], None), [3, 1]);
        assert_eq!(sizes(&[5, 5], None), [1, 1]);
        assert!(sizes(&[], None).is_empty());
    }

    #[test]
    fn a_micro_batch_has_so_many_examples() {
        assert_eq!(sizes(&[17; 10], Some(4)), [4, 4, 2]);
    }
}
