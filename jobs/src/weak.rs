use std::fmt;

/// An adapter that does worse on its own task than the base model without it.
///
/// Such an adapter was trained for another base, was damaged, or loads as something else than what was trained. A
/// search over its merges costs time and says little.
#[derive(Debug, Clone, PartialEq)]
pub struct WeakAdapter {
    /// The task.
    pub task: String,
    /// The split that both accuracies are of.
    pub split: String,
    /// The accuracy of the adapter alone, in [0, 1].
    pub finetuned: f64,
    /// Whether that accuracy was given in the sweep file instead of measured.
    pub is_given: bool,
    /// The accuracy of the base model, in [0, 1].
    pub zero_shot: f64,
}

impl fmt::Display for WeakAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, split, .. } = self;
        let finetuned = 100.0 * self.finetuned;
        let zero_shot = 100.0 * self.zero_shot;
        if self.is_given {
            return write!(
                f,
                "the accuracy that is given for the adapter of `{task}`, {finetuned:.1} %, is below the base's own on \
                 `{split}`, {zero_shot:.1} %"
            );
        }
        write!(
            f,
            "the adapter of `{task}` is worse on its own task than the base without it: {finetuned:.1} % against \
             {zero_shot:.1} % on `{split}`; was it trained on this base?"
        )
    }
}
