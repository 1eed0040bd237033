//! Which texts go through the model together.

use super::DecoderConfig;
use crate::{ModelError, TextProblem, Texts};

/// What a batch may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Tokens, padding included.
    pub(crate) tokens: usize,
    /// Pairs of tokens of one text, summed over the texts: what attention holds.
    pub(crate) pairs: usize,
    /// True if texts are padded to the longest of their batch.
    pub(crate) padded: bool,
}

/// Puts texts into batches, the longest first, so that texts of like length share one. A text too long for the budget
/// is a batch of its own.
pub(crate) fn batches(texts: &Texts, budget: Budget) -> Vec<Vec<usize>> {
    let length = |text: &usize| texts.ids(*text).len();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|text| std::cmp::Reverse(length(text)));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    let mut pairs = 0;
    let mut longest = 0;
    for text in order {
        let own = length(&text);
        let cost = if budget.padded { longest } else { own };
        match batches.last_mut() {
            Some(batch) if tokens + cost <= budget.tokens && pairs + cost * cost <= budget.pairs => batch.push(text),
            _ => {
                batches.push(vec![text]);
                (tokens, pairs, longest) = (0, 0, own);
            }
        }
        let cost = if budget.padded { longest } else { own };
        (tokens, pairs) = (tokens + cost, pairs + cost * cost);
    }
    batches
}

/// Refuses texts that the model cannot take.
pub(crate) fn check(texts: &Texts, config: &DecoderConfig) -> Result<(), ModelError> {
    for text in 0..texts.len() {
        let ids = texts.ids(text);
        let positions = config.positions;
        let vocabulary = config.vocabulary;
        let refuse = |problem| Err(ModelError::Text { text, problem });
        if ids.is_empty() {
            return refuse(TextProblem::Empty);
        }
        if ids.len() > positions {
            return refuse(TextProblem::TooLong { tokens: ids.len(), positions });
        }
        if let Some(token) = ids.iter().copied().find(|id| *id as usize >= vocabulary) {
            return refuse(TextProblem::Token { token, vocabulary });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lengths: &[usize]) -> Texts {
        Texts::new(lengths.iter().map(|length| (vec![0; *length], 0)))
    }

    #[test]
    fn texts_of_like_length_share_a_batch() {
        let texts = texts(&[2, 5, 3, 5, 12, 1]);
        let budget = Budget { tokens: 10, pairs: usize::MAX, padded: true };
        assert_eq!(batches(&texts, budget), [vec![4], vec![1, 3], vec![2, 0, 5]]);
        let packed = Budget { padded: false, ..budget };
        assert_eq!(batches(&texts, packed), [vec![4], vec![1, 3], vec![2, 0, 5]]);
        let few = Budget { pairs: 30, ..budget };
        assert_eq!(batches(&texts, few), [vec![4], vec![1], vec![3], vec![2, 0, 5]]);
    }
}
