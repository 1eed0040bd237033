use super::code;
use merging::OutputError;
use std::path::PathBuf;

/// Why adapters cannot be merged, or the merge cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeFailure {
    /// The merge is not possible.
    #[error("cannot merge")]
    Merge(#[from] merging::MergeError),
    /// The updates cannot be compared by the inputs of their modules.
    #[error("cannot compare the updates")]
    Inputs(#[from] merging::InputMergeError),
    /// The adapters cannot be merged by statistics.
    #[error("cannot merge")]
    ByStatistics(#[source] merging::InputMergeError),
    /// Statistics cannot be read.
    #[error("cannot use the statistics of `{task}`")]
    Statistics {
        /// The task.
        task: String,
        /// What is wrong with them.
        source: merging::StatisticsError,
    },
    /// Statistics are not those of the merge.
    #[error("cannot use the statistics of `{task}` in `{}`: {problem}", .folder.display())]
    OtherStatistics {
        /// The task.
        task: String,
        /// The folder.
        folder: PathBuf,
        /// In what they are others.
        problem: String,
    },
    /// The merge cannot be written.
    #[error("cannot write the merge")]
    Output(#[from] OutputError),
}

impl MergeFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Merge(_)
            | Self::Inputs(_)
            | Self::ByStatistics(_)
            | Self::Statistics { .. }
            | Self::OtherStatistics { .. } => code::BAD_INPUT,
            Self::Output(OutputError::Io { .. }) => code::UNAVAILABLE,
            Self::Output(OutputError::Base(error)) => code::of_input(evaluation::may_pass(error)),
            Self::Output(
                OutputError::Exists { .. }
                | OutputError::Unnamed { .. }
                | OutputError::NotLowRank { .. }
                | OutputError::Serialise { .. }
                | OutputError::OtherBase { .. }
                | OutputError::Overflow { .. }
                | OutputError::NoConvergence { .. },
            ) => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Output(OutputError::NotLowRank { .. }) => {
                Some("`--rank N` cuts it to a rank and says what is lost; `--format full` writes the whole model")
            }
            Self::Merge(merging::MergeError::NeedsStatistics) => Some(
                "`--statistics NAME=DIR` names those of each task that a run has measured, `artefacts/JOB/DIGEST` in its store",
            ),
            Self::OtherStatistics { .. } => Some(
                "`artefact.json` beside each folder `artefacts/JOB/DIGEST` names the task, the adapter and the settings in its `spec`",
            ),
            Self::Merge(_) | Self::Inputs(_) | Self::ByStatistics(_) | Self::Statistics { .. } | Self::Output(_) => {
                None
            }
        }
    }
}
