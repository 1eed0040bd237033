//! The tokens that a post-processor puts around texts.

use crate::tokenizing::BoundedTokenizer;
use tokenizers::Encoding;

/// A text that every tokenizer has a token for.
const SAMPLE: &str = "a";

/// The special tokens around a text, and between the two of a pair.
pub(super) struct Surroundings {
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
    between: Vec<String>,
    pair: [Vec<String>; 2],
}

impl Surroundings {
    /// Of the tokenizer in the text of a `tokenizer.json`; `None` if that is damaged or does not take a text apart.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let tokenizer = BoundedTokenizer::from_bytes(text).ok()?;
        let plain = tokens(&tokenizer.encode(SAMPLE, None, false).ok()?);
        let single = tokens(&tokenizer.encode(SAMPLE, None, true).ok()?);
        let pair = tokens(&tokenizer.encode(SAMPLE, Some(SAMPLE), true).ok()?);
        if plain.is_empty() {
            return None;
        }
        let [before, after] = around(&single, &plain)?;
        let [first, rest] = around(&pair, &plain)?;
        let [between, last] = around(&rest, &plain)?;
        Some(Self { before, after, between, pair: [first, last] })
    }

    /// Whether each text, also one of a pair, begins with the first of these tokens and ends with the second, and no
    /// other token is added.
    pub(super) fn are(&self, [begin, end]: &[Option<String>; 2]) -> bool {
        let list = |tokens: &[&Option<String>]| tokens.iter().filter_map(|token| (*token).clone()).collect::<Vec<_>>();
        let is = |found: &[String], wanted: &[&Option<String>]| found == list(wanted);
        let single = is(&self.before, &[begin]) && is(&self.after, &[end]);
        single && is(&self.pair[0], &[begin]) && is(&self.between, &[end, begin]) && is(&self.pair[1], &[end])
    }

    /// What is put where, for people.
    pub(super) fn in_words(&self) -> String {
        let list = |tokens: &[String]| match tokens {
            [] => "nothing".to_owned(),
            tokens => format!("`{}`", tokens.join(" ")),
        };
        let before = list(&self.before);
        let after = list(&self.after);
        let between = list(&self.between);
        format!("puts {before} before a text, {after} after it, and {between} between the two of a pair")
    }
}

fn tokens(encoding: &Encoding) -> Vec<String> {
    encoding.get_tokens().to_vec()
}

/// What stands before and after the first place of `part` in `whole`.
fn around(whole: &[String], part: &[String]) -> Option<[Vec<String>; 2]> {
    let start = whole.windows(part.len()).position(|window| window == part)?;
    Some([whole[..start].to_vec(), whole[start + part.len()..].to_vec()])
}
