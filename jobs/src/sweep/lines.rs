//! Where the keys of a sweep file stand.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::fmt;

/// The lines of a sweep file's keys, for messages about what the keys name.
#[derive(Debug, Default)]
pub struct Lines {
    root: Content,
    /// What the command line replaced: what stands in the file is not what is read.
    overridden: Vec<Overridden>,
}

/// A key that the command line gave a value.
#[derive(Debug)]
struct Overridden {
    steps: Vec<Step>,
    value: Content,
}

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// A value of the file, with the lines of what it holds.
#[derive(Debug, Default)]
enum Content {
    #[default]
    Plain,
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Self)>),
}

impl Lines {
    /// Reads the lines of a text that [`Sweep::from_yaml`](crate::Sweep::from_yaml) takes with the same overrides. Of a
    /// text that is no YAML no line is known.
    pub fn of(text: &str, overrides: &[String]) -> Self {
        let options = serde_saphyr::options! { strict_booleans: true };
        let root: Content = serde_saphyr::from_str_with_options(text, options.clone()).unwrap_or_default();
        let overridden = |text: &String| {
            let (path, value) = text.split_once('=')?;
            let value = serde_saphyr::from_str_with_options(value, options.clone()).unwrap_or_default();
            Some(Overridden { steps: root.steps_of(path), value })
        };
        let overridden = overrides.iter().filter_map(overridden).collect();
        Self { root, overridden }
    }

    /// Whether the file or the command line gives the key itself a value.
    pub fn has(&self, key: &str) -> bool {
        let steps = steps(key);
        // The last one is the one that is read.
        let around = self.overridden.iter().rfind(|overridden| steps.starts_with(&overridden.steps));
        let is_given = match around {
            Some(around) => around.value.holds(&steps[around.steps.len()..]),
            None => self.root.holds(&steps),
        };
        is_given || self.overridden.iter().any(|overridden| overridden.steps.starts_with(&steps))
    }

    /// The line, counted from 1, of a key such as `tasks[1].data.source`, or of the nearest key around it. `None` for
    /// what the command line gave, and for what is in no line of its own.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.place(key).map(|place| place.line)
    }

    /// The same with the column.
    pub fn place(&self, key: &str) -> Option<Place> {
        let steps = steps(key);
        if self.overridden.iter().any(|overridden| steps.starts_with(&overridden.steps)) {
            return None;
        }
        let mut content = &self.root;
        let mut place = None;
        for step in &steps {
            let Some((at, inner)) = content.inner(step) else { break };
            content = inner;
            place = Some(at);
        }
        place.filter(|place| place.line > 0)
    }
}

/// Where a key stands in a file; both are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        let number = |number: u64| usize::try_from(number).unwrap_or_default();
        Self { line: number(location.line()), column: number(location.column()) }
    }
}

impl Content {
    /// Whether there is a value at the end of these steps.
    fn holds(&self, steps: &[Step]) -> bool {
        match steps.split_first() {
            None => true,
            Some((first, rest)) => self.inner(first).is_some_and(|(_, inner)| inner.holds(rest)),
        }
    }

    fn inner(&self, step: &Step) -> Option<(Place, &Self)> {
        match (self, step) {
            (Self::Map(entries), Step::Key(key)) => {
                let (key, content) = entries.iter().find(|(name, _)| name.value == *key)?;
                Some((key.referenced.into(), content))
            }
            (Self::List(items), Step::Item(i)) => {
                let item = items.get(*i)?;
                Some((item.referenced.into(), &item.value))
            }
            _ => None,
        }
    }

    /// The steps of an override's path, in which an item of a list goes by its number or its `name`.
    fn steps_of(&self, path: &str) -> Vec<Step> {
        let mut content = Some(self);
        let step = |part: &str| {
            let step = match content {
                Some(Self::List(items)) => {
                    let named = || items.iter().position(|item| item.value.name() == Some(part));
                    Step::Item(part.parse().ok().or_else(named).unwrap_or(usize::MAX))
                }
                _ => Step::Key(part.to_owned()),
            };
            content = content.and_then(|content| content.inner(&step)).map(|(_, inner)| inner);
            step
        };
        path.split('.').map(step).collect()
    }

    fn name(&self) -> Option<&str> {
        match self.inner(&Step::Key("name".to_owned()))? {
            (_, Self::Text(name)) => Some(name),
            _ => None,
        }
    }
}

/// Takes `tasks[1].data` apart.
fn steps(key: &str) -> Vec<Step> {
    let of_part = |part: &str| {
        let mut pieces = part.split('[');
        let name = pieces.next().filter(|name| !name.is_empty()).map(|name| Step::Key(name.to_owned()));
        let items = pieces.filter_map(|item| item.strip_suffix(']')?.parse().ok().map(Step::Item));
        name.into_iter().chain(items).collect::<Vec<_>>()
    };
    key.split('.').flat_map(of_part).collect()
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Content, E> {
        Ok(Content::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Content, E> {
        Ok(Content::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Content, E> {
        Ok(Content::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Content, E> {
        Ok(Content::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Plain)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Content::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: &str = "# words\nname: small\nbase: models/base\ntasks:\n  - name: mnist\n    adapter: adapters/mnist\n    data:\n      \
                         source: data/mnist\n      labels: {0: 1, no: 2}\n  - {name: flags, adapter: x, data: y}\n";

    fn line(key: &str, overrides: &[&str]) -> Option<usize> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Lines::of(SWEEP, &overrides).line(key)
    }

    #[test]
    fn a_key_is_found_in_its_line() {
        let lines = [("base", 3), ("tasks", 4), ("tasks[0]", 5), ("tasks[0].adapter", 6), ("tasks[0].data", 7)];
        let inner = [("tasks[0].data.source", 8), ("tasks[0].data.labels.0", 9), ("tasks[1].adapter", 10)];
        for (key, expected) in lines.into_iter().chain(inner) {
            assert_eq!(line(key, &[]), Some(expected), "{key}");
        }
    }

    #[test]
    fn what_is_not_in_the_file_is_at_the_nearest_key_around_it() {
        assert_eq!(line("tasks[0].data.splits.test", &[]), Some(7));
        assert_eq!(line("tasks[7].data", &[]), Some(4));
        assert_eq!(line("evaluation.select", &[]), None);
        assert_eq!(Lines::of("a: [", &[]).line("a"), None);
    }

    #[test]
    fn what_the_command_line_gives_is_in_no_line() {
        assert_eq!(line("tasks[1].adapter", &["tasks.flags.adapter=z"]), None);
        assert_eq!(line("tasks[0].data.source", &["tasks.0.data=z"]), None);
        assert_eq!(line("tasks[0].adapter", &["tasks.flags.adapter=z"]), Some(6));
    }

    #[test]
    fn a_key_is_given_by_the_file_or_by_the_command_line_and_not_by_a_key_around_it() {
        let has = |key: &str, overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
            Lines::of(SWEEP, &overrides).has(key)
        };
        assert!(has("tasks[0].data.source", &[]) && !has("tasks[1].data.source", &[]) && !has("training.rank", &[]));
        assert!(has("training.rank", &["training.rank=5"]) && has("training", &["training.rank=5"]));
        assert!(has("tasks[1].data.source", &["tasks.flags.data={source: y}"]));
        assert!(!has("tasks[0].data.labels", &["tasks.mnist.data={source: y}"]));
        let both = ["tasks.mnist.data={source: y}", "tasks.mnist.data.labels={0: 1}"];
        assert!(has("tasks[0].data.labels", &both));
    }
}
