//! Examples as the first block takes them.

use std::ops::Range;

/// The states of the tokens of examples, before the first block: what no update reaches.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// `[tokens of all, width]`
    states: Vec<f32>,
    /// The tokens of each example.
    tokens: Vec<Range<usize>>,
    width: usize,
}

impl Sequences {
    /// Takes the states of examples that lie one after the other.
    pub(crate) fn new(states: Vec<f32>, lengths: impl IntoIterator<Item = usize>, width: usize) -> Self {
        let mut end = 0;
        let example = |length| {
            end += length;
            end - length..end
        };
        let tokens = lengths.into_iter().map(example).collect();
        Self { states, tokens, width }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// True without examples.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens of one example.
    pub fn tokens(&self, example: usize) -> usize {
        self.tokens[example].len()
    }

    /// The states of one example, `[tokens, width]`.
    pub(super) fn states(&self, example: usize) -> &[f32] {
        let Range { start, end } = self.tokens[example];
        &self.states[start * self.width..end * self.width]
    }

    /// Divides examples into groups of about `rows` tokens, in their order: a group depends on nothing but the
    /// examples.
    pub(super) fn groups<'a>(&self, examples: &'a [usize], rows: usize) -> Vec<&'a [usize]> {
        let mut groups = Vec::new();
        let mut start = 0;
        let mut held = 0;
        for (place, example) in examples.iter().enumerate() {
            let own = self.tokens(*example);
            if held > 0 && held + own > rows {
                groups.push(&examples[start..place]);
                (start, held) = (place, 0);
            }
            held += own;
        }
        if start < examples.len() {
            groups.push(&examples[start..]);
        }
        groups
    }
}
