use super::code;
use preflight::CheckError;
use std::path::PathBuf;

/// Why an input of a sweep, of a merge or of a check cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputFailure {
    /// The jobs of a sweep, or a merge, would fail on it.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// An input that an argument names is not there.
    #[error("cannot use `{argument}`")]
    Argument { argument: String, source: inputs::InputError },
    /// The recipe weighs a task that the sweep does not have.
    #[error("the recipe has a weight for `{task}`, which is no task of `{}`", sweep.display())]
    UnknownTask { task: String, sweep: PathBuf },
    /// The adapter is not there yet.
    #[error("the adapter of `{task}` is trained by the sweep, and this command takes adapters that are there")]
    Trained { task: String },
    /// The sweep file has no such variant.
    #[error("`{}` has no variant `{value}`{}", sweep.display(), in_words(values))]
    UnknownVariant { sweep: PathBuf, value: String, values: Vec<String> },
    /// The sweep file has several variants, and the command takes one.
    #[error("`{}` has several variants, and this command takes one{}", sweep.display(), in_words(values))]
    SeveralVariants { sweep: PathBuf, values: Vec<String> },
    /// Adapters are worse on their own tasks than the base without them.
    #[error("{} worse on {} own task than the base without {}: {}", if tasks.len() == 1 { "an adapter is" } else { "adapters are" }, if tasks.len() == 1 { "its" } else { "their" }, if tasks.len() == 1 { "it" } else { "them" }, tasks.join(", "))]
    WeakAdapters { tasks: Vec<String> },
    /// The sweep runs a command, which nobody has allowed.
    #[error(
        "the sweep `{sweep}` evaluates with a command of its own, `{command}`, and commands run only with `--allow-commands`"
    )]
    CommandNotAllowed { sweep: String, command: String },
    /// A command evaluates the tasks, and what was asked for needs models that Bowline runs itself.
    #[error(
        "`{what}` needs models that Bowline runs itself, and a command (`evaluation.command`) evaluates those of the sweep `{sweep}`"
    )]
    OwnEvaluator { what: &'static str, sweep: String },
    /// A head cannot be built or written.
    #[error("cannot make the head of `{task}`")]
    Head { task: String, source: evaluation::HeadError },
    /// Updates have no similarity, for example because a value is no number.
    #[error("the similarity of the updates is no CKA")]
    Similarity { source: jobs::SimilarityError },
    /// A file is not what was hashed any more.
    #[error("an input changed while it was in use")]
    Changed(#[from] files::FileChanged),
}

impl InputFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Check(error) => code::of_input(error.is_retryable()),
            Self::Argument { source, .. } => code::of_input(source.is_retryable()),
            Self::Head { source, .. } => code::of_input(source.is_retryable()),
            // The same command reads the new content of the file.
            Self::Changed(_) => code::UNAVAILABLE,
            Self::CommandNotAllowed { .. } => code::USAGE,
            Self::OwnEvaluator { .. }
            | Self::UnknownTask { .. }
            | Self::Trained { .. }
            | Self::UnknownVariant { .. }
            | Self::SeveralVariants { .. }
            | Self::Similarity { .. }
            | Self::WeakAdapters { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Check(CheckError::Memory { .. }) => {
                Some("`evaluation.precision: bf16` takes less, as do fewer `--threads`; `bowline plan` shows the parts")
            }
            Self::Trained { .. } => Some(
                "`bowline run` trains it; `bowline finetune` writes one adapter to a folder, which a sweep file can name",
            ),
            Self::CommandNotAllowed { .. } => Some(
                "the command runs with your rights: read it and its files, and run the same command with `--allow-commands`; on a \
                 cluster, start workers with it",
            ),
            Self::Changed(_) => Some(
                "nothing is written of what was read; run the same command again when no program writes to the file",
            ),
            Self::WeakAdapters { .. } => Some(
                "look at the order of the head's classes, at `lora_alpha`, and at the base that the adapter was trained on; \
                 a merge of such an adapter says little",
            ),
            Self::SeveralVariants { .. } => Some("choose one with `--variant VALUE`"),
            Self::OwnEvaluator { .. }
            | Self::Check(_)
            | Self::Argument { .. }
            | Self::UnknownTask { .. }
            | Self::UnknownVariant { .. }
            | Self::Similarity { .. }
            | Self::Head { .. } => None,
        }
    }
}

/// The values of the variants of a sweep file, as the end of a message.
fn in_words(values: &[String]) -> String {
    match values {
        [] => "; it has no `variants`".to_owned(),
        values => format!("; its variants are {}", values.join(", ")),
    }
}
