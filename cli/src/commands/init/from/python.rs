//! The arguments of one call in a Python file, where they are plain values. Nothing is executed.

use super::Refused;
use serde_json::{Map, Value, json};

/// What to do with a call that is not simple.
const ADVICE: &str = "write its arguments as JSON, such as {\"adapters\": [\"a\", \"b\"], \"weights\": [1.0, 0.5], \"combination_type\": \
                      \"svd\"}, and name that file";

/// The arguments of the only call of `function`, by name; `order` has the names of those without one.
pub(super) fn arguments(text: &str, function: &str, order: &[&str]) -> Result<Map<String, Value>, Refused> {
    let text = without_comments(text);
    let call = format!("{function}(");
    let calls: Vec<usize> = text.match_indices(&call).map(|(at, _)| at + call.len()).collect();
    let start = match calls.as_slice() {
        [] => return Err(format!("calls no `{function}`")),
        [start] => *start,
        more => return Err(format!("calls `{function}` {} times; {ADVICE}", more.len())),
    };
    let mut reader = Reader { rest: &text[start..] };
    let mut arguments = Map::new();
    let mut place = 0;
    loop {
        if reader.takes(")") {
            return Ok(arguments);
        }
        let name = match reader.keyword() {
            Some(name) => name,
            None => {
                place += 1;
                (*order.get(place - 1).ok_or_else(|| format!("has more than {} arguments; {ADVICE}", order.len()))?)
                    .to_owned()
            }
        };
        let value = reader.value().ok_or_else(|| reader.not_plain(&name))?;
        if arguments.insert(name.clone(), value).is_some() {
            return Err(format!("has the argument `{name}` twice"));
        }
        if !reader.takes(",") && !reader.is_at(")") {
            return Err(reader.not_plain(&name));
        }
    }
}

/// The text without comments. Texts in quotes keep their `#`.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let mut quote = None;
        for c in line.chars() {
            match (quote, c) {
                (None, '#') => break,
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), _) if open == c => quote = None,
                (None | Some(_), _) => {}
            }
            kept.push(c);
        }
        kept.push('\n');
    }
    kept
}

/// Reads literals of Python.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn is_at(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.starts_with(token)
    }

    fn takes(&mut self, token: &str) -> bool {
        let is_at = self.is_at(token);
        if is_at {
            self.rest = &self.rest[token.len()..];
        }
        is_at
    }

    /// The name of an argument before `=`.
    fn keyword(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c: char| !is_name(c)).filter(|end| *end > 0)?;
        let after = self.rest[end..].trim_start().strip_prefix('=').filter(|after| !after.starts_with('='))?;
        let name = self.rest[..end].to_owned();
        self.rest = after;
        Some(name)
    }

    fn value(&mut self) -> Option<Value> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '[' => self.list("[", "]"),
            '(' => self.list("(", ")"),
            quote @ ('"' | '\'') => self.text(quote),
            _ => self.word(),
        }
    }

    fn list(&mut self, open: &str, close: &str) -> Option<Value> {
        let mut items = Vec::new();
        self.takes(open);
        while !self.takes(close) {
            items.push(self.value()?);
            if !self.takes(",") && !self.is_at(close) {
                return None;
            }
        }
        Some(items.into())
    }

    /// A text in one pair of quotes, without escapes.
    fn text(&mut self, quote: char) -> Option<Value> {
        let inner = &self.rest[1..];
        let end = inner.find([quote, '\\', '\n']).filter(|end| inner[*end..].starts_with(quote))?;
        let text = inner[..end].to_owned();
        self.rest = &inner[end + 1..];
        Some(text.into())
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| c == ',' || c == ')' || c == ']' || c.is_whitespace())?;
        let word = &self.rest[..end];
        let value = match word {
            "None" => Value::Null,
            "True" => json!(true),
            "False" => json!(false),
            word if word.chars().all(|c| c.is_ascii_digit()) => json!(word.parse::<u64>().ok()?),
            // Words such as `inf` are names in Python.
            word if word.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) => json!(word.parse::<f64>().ok()?),
            _ => return None,
        };
        self.rest = &self.rest[end..];
        Some(value)
    }

    fn not_plain(&self, name: &str) -> Refused {
        if self.rest.trim().is_empty() {
            return format!("has a call that does not end; {ADVICE}");
        }
        format!("has a call that is not simple: the argument `{name}` is no plain value; {ADVICE}")
    }
}
