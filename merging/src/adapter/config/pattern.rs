//! `alpha_pattern` and `rank_pattern`: regular expressions for the tails of modules' names, with a number each.

use regex::{Regex, RegexBuilder};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use std::fmt;

/// Entries of one pattern. PEFT writes one for each module; a mixture of experts has some ten thousand.
const MOST_ENTRIES: usize = 1 << 15;

/// Entries that are more than a name: each is compiled and kept.
const MOST_EXPRESSIONS: usize = 512;

/// Bytes of a compiled expression.
const MOST_COMPILED_BYTES: usize = 1 << 20;

/// Regular expressions and their numbers, in the order of the file: the first match counts.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// As the file says it.
    text: String,
    tail: Tail,
    value: f64,
}

/// What stands for the tail of a module's name.
#[derive(Debug)]
enum Tail {
    /// A name; where it has `None`, any character may stand. Most entries are names, which need no expression.
    Name(Vec<Option<char>>),
    Expression(Regex),
    /// What cannot be read as an expression.
    Unreadable,
}

impl Pattern {
    /// The first entry that stands for the tail of the module's name, with its number.
    pub(super) fn first_match(&self, module: &str) -> Option<(&str, f64)> {
        let found = self.0.iter().find(|entry| entry.tail.matches(module));
        found.map(|entry| (entry.text.as_str(), entry.value))
    }

    /// The first entry that is no regular expression.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.0.iter().find(|entry| matches!(entry.tail, Tail::Unreadable)).map(|entry| entry.text.as_str())
    }
}

impl Tail {
    fn of(text: &str) -> Self {
        if let Some(name) = name(text) {
            return Self::Name(name);
        }
        let whole = RegexBuilder::new(&format!(r"^(?:.*\.)?(?:{text})$")).size_limit(MOST_COMPILED_BYTES).build();
        whole.map_or(Self::Unreadable, Self::Expression)
    }

    fn matches(&self, module: &str) -> bool {
        match self {
            Self::Name(name) => ends_with(module, name),
            Self::Expression(expression) => expression.is_match(module),
            Self::Unreadable => false,
        }
    }
}

/// The characters of an expression that is a name: letters, digits and so on, dots that stand for any character, and
/// dots with a backslash before them. `None` for other expressions.
fn name(text: &str) -> Option<Vec<Option<char>>> {
    let mut name = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        name.push(match character {
            '.' => None,
            '\\' if characters.next() == Some('.') => Some('.'),
            plain if plain.is_ascii_alphanumeric() || "_-/:".contains(plain) => Some(plain),
            _ => return None,
        });
    }
    Some(name)
}

/// What the expression `^(?:.*\.)?(?:NAME)$` says.
fn ends_with(module: &str, name: &[Option<char>]) -> bool {
    let mut rest = module.chars();
    let is_there = name.iter().rev().all(|wanted| {
        let found = rest.next_back();
        found.is_some_and(|found| wanted.map_or(found != '\n', |wanted| wanted == found))
    });
    let before = rest.as_str();
    is_there && (before.is_empty() || (before.ends_with('.') && !before.contains('\n')))
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Pattern;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from module names to numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pattern, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut expressions = 0;
        while let Some((text, value)) = map.next_entry::<String, f64>()? {
            if entries.len() == MOST_ENTRIES {
                let problem = "a pattern for ranks or alphas has too many entries";
                return Err(A::Error::custom(format!("{problem}: at most {MOST_ENTRIES} are read")));
            }
            let tail = Tail::of(&text);
            expressions += usize::from(!matches!(tail, Tail::Name(_)));
            if expressions > MOST_EXPRESSIONS {
                let problem = "a pattern for ranks or alphas has too many regular expressions";
                let remedy = "write the names of modules in their place";
                return Err(A::Error::custom(format!("{problem}: at most {MOST_EXPRESSIONS} are read; {remedy}")));
            }
            entries.push(Entry { text, tail, value });
        }
        Ok(Pattern(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_the_expressions_that_they_are() {
        for text in ["q", "layers.0.q", r"layers\.0\.q", "a-b", "", ".", r"\.", "q_proj"] {
            let expression = Regex::new(&format!(r"^(?:.*\.)?(?:{text})$")).unwrap();
            let name = name(text).unwrap();
            for module in [
                "q",
                "m.q",
                "mq",
                "layers.0.q",
                "layersx0xq",
                "x.layers.0.q",
                "xlayers.0.q",
                "a-b",
                "z.a-b",
                "",
                ".",
                "a.",
                "..",
                "é",
                "m.é",
                "\n",
                "a\n.q",
                "q_proj",
                "self_attn.q_proj",
            ] {
                assert_eq!(ends_with(module, &name), expression.is_match(module), "`{text}` and `{module:?}`");
            }
        }
        for text in ["q|k", r"\d", "q(", "q*", "[q]", r"a\b", "q?", "^q", "q$", "q{2}"] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn thousands_of_names_are_read_and_thousands_of_expressions_refused() {
        let file = |entry: &dyn Fn(usize) -> String, count: usize| {
            let entries: serde_json::Map<_, _> = (0..count).map(|n| (entry(n), n.into())).collect();
            serde_json::from_value::<Pattern>(entries.into())
        };
        let names = file(&|n| format!("layers.{n}.q_proj"), 3000).unwrap();
        assert_eq!(names.first_match("model.layers.2999.q_proj"), Some(("layers.2999.q_proj", 2999.0)));
        let refused = file(&|n| format!("(a|b){n}"), 3000).unwrap_err().to_string();
        assert!(refused.contains("too many regular expressions: at most 512 are read"), "{refused}");
        let refused = file(&|n| n.to_string(), MOST_ENTRIES + 1).unwrap_err().to_string();
        assert!(refused.contains("too many entries: at most 32768"), "{refused}");
    }

    #[test]
    fn an_expression_that_grows_when_it_is_compiled_is_not_read() {
        let pattern: Pattern = serde_json::from_str(r#"{"((((a{99}){99}){99}){99})": 1}"#).unwrap();
        assert!(pattern.unreadable().is_some());
    }
}
