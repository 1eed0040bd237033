//! The tokenizer of a base for texts.

use super::{Check, base::Base};
use crate::{CheckError, problems::Place};
use evaluation::{PairTokenizer, TextLimits};
use jobs::Task;

impl Check<'_> {
    /// Checks that the tokenizer is there and leaves room for texts, and notes what else a person should know.
    pub(super) fn tokenizer(&mut self, base: &Base, limits: TextLimits) {
        let tokenizer = match PairTokenizer::open(&base.folder().join("tokenizer.json"), None) {
            Ok(tokenizer) => tokenizer,
            Err(error) => {
                return base.wrong(self, &Place::key("base"), &CheckError::Tokenizer(error));
            }
        };
        let longest = |task: &Task| task.text()?.max_length;
        for (i, task) in self.sweep.tasks.iter().enumerate() {
            if let Err(source) = tokenizer.check_room(longest(task)) {
                let place = Place::of_task(i, task).at("data.max_length");
                base.wrong(self, &place, &CheckError::Texts { task: task.name.clone(), source });
            }
        }
        if let Err(unknown) = tokenizer.check_vocabulary(limits.vocabulary) {
            self.notes.push(format!("{unknown} A text with such a token fails its job."));
        }
        let is_cut = |task: &&Task| longest(task).is_some_and(|length| length as usize > limits.positions);
        let cut: Vec<String> = self.sweep.tasks.iter().filter(is_cut).map(|task| format!("`{}`", task.name)).collect();
        if !cut.is_empty() {
            self.notes.push(format!(
                "the base takes {} tokens (`max_position_embeddings` in its `config.json`), less than `max_length` of {}: \
                 longer texts are cut there",
                limits.positions,
                cut.join(", ")
            ));
        }
    }
}
