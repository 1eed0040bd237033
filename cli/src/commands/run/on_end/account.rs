use super::Words;
use crate::failure::Failure;
use analysis::{Counts, Summary, fixed};
use serde_json::{Value, json};

/// The version of the document that a webhook gets.
const VERSION: u32 = 1;

/// The state of a run, for the notifications about its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(super) sweep: String,
    /// The revision; `None` if the run ended before it was known.
    revision: Option<u32>,
    counts: Counts,
    winner: Option<Winner>,
}

/// The row that a sweep chose.
#[derive(Debug, Clone, PartialEq)]
struct Winner {
    name: String,
    /// The objective's value on the selection split.
    value: Option<f64>,
    metric: Value,
    recipe: Value,
}

impl Account {
    /// Only the sweep of the run is known.
    pub(crate) fn of(sweep: &str) -> Self {
        Self { sweep: sweep.to_owned(), ..Self::default() }
    }

    /// The run is of this revision, and has counted these jobs so far.
    pub(crate) fn update(&mut self, revision: u32, counts: Counts) {
        self.revision = Some(revision);
        self.counts = counts;
    }

    /// The sweep has come to its end.
    pub(crate) fn concludes(&mut self, summary: &Summary) {
        self.revision = Some(summary.revision);
        self.counts = summary.counts.unwrap_or(self.counts);
        self.winner = summary.best().map(|row| Winner {
            name: row.name.clone(),
            value: row.value,
            metric: in_json(&summary.objective.metric),
            recipe: in_json(&row.recipe),
        });
    }

    /// The document that says how the run ended.
    pub(super) fn in_json(&self, ended: &Result<(), Failure>) -> Value {
        let Words { word, exit_code, message } = Words::of(ended);
        let winner = self.winner.as_ref().map(|Winner { name, value, metric, recipe }| {
            json!({"name": name, "value": value, "metric": metric, "recipe": recipe})
        });
        json!({
            "version": VERSION,
            "sweep": self.sweep,
            "revision": self.revision,
            "ended": word,
            "exit_code": exit_code,
            "message": message,
            "counts": self.counts,
            "winner": winner,
            "text": self.text(word, &message),
        })
    }

    /// The same in a line, which chats show as it is.
    fn text(&self, word: &str, message: &str) -> String {
        let Counts { run, reused, failed } = self.counts;
        let chosen = self.winner.as_ref().map(|winner| match winner.value {
            Some(value) => format!("; chosen: {} {}", winner.name, fixed(value, 4)),
            None => format!("; chosen: {}", winner.name),
        });
        let message = if message.is_empty() { String::new() } else { format!(" ({message})") };
        let chosen = chosen.unwrap_or_default();
        format!("{}: {word}{message}; {run} jobs run, {reused} reused, {failed} failed{chosen}", self.sweep)
    }
}

fn in_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("what a summary holds is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_a_winner_is_told_with_what_was_counted() {
        let mut account = Account::of("small");
        account.update(2, Counts { run: 1, reused: 6, failed: 1 });
        let document = account.in_json(&Err(Failure::Run(crate::failure::RunFailure::Cancelled)));
        assert_eq!(document["counts"], json!({"run": 1, "reused": 6, "failed": 1}));
        assert_eq!(
            (&document["ended"], &document["exit_code"], &document["revision"]),
            (&json!("cancelled"), &json!(75), &json!(2))
        );
        assert_eq!(document["winner"], Value::Null);
        assert_eq!(document["text"], "small: cancelled (the sweep was cancelled); 1 jobs run, 6 reused, 1 failed");
    }
}
