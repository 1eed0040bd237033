use crate::{MergeError, StatisticsError};

/// Why a merge by statistics of the tasks' own models is not possible.
#[derive(Debug, thiserror::Error)]
pub enum InputMergeError {
    /// The recipe does not fit the adapters.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The recipe is of another kind.
    #[error("the recipe merges by the adapters alone, and has no use for statistics")]
    OtherRecipe,
    /// Statistics cannot be read.
    #[error("the statistics of `{task}` cannot be used")]
    Statistics {
        /// The task.
        task: String,
        /// What is wrong with them.
        source: StatisticsError,
    },
    /// There are no statistics of a task.
    #[error("the merge needs statistics of the model of `{task}`, and has no statistics of that task")]
    NoStatistics {
        /// The task.
        task: String,
    },
    /// A task's statistics do not hold a module that other adapters update.
    #[error(
        "the statistics of `{task}` hold nothing of `{module}`, which adapters of other tasks update: merge adapters that \
         update the same modules, or use a method without `gram: inputs`"
    )]
    NoInputs {
        /// The task.
        task: String,
        /// The base's module.
        module: String,
    },
    /// A task's statistics do not hold the information of a module that other adapters update.
    #[error(
        "the statistics of `{task}` hold no Fisher information of `{module}`, which adapters of other tasks update: merge adapters \
         that update the same modules, or use a method without `combine: fisher`"
    )]
    NoFisher {
        /// The task.
        task: String,
        /// The base's module.
        module: String,
    },
    /// The information of a weight has another shape than the weight.
    #[error(
        "the Fisher information of `{module}` in the statistics of `{task}` has shape {found:?}, and the weight has {expected:?}"
    )]
    FisherShape {
        /// The task.
        task: String,
        /// The base's module.
        module: String,
        /// The shape in the statistics.
        found: [usize; 2],
        /// The shape of the weight.
        expected: [usize; 2],
    },
    /// A merge was made layer by layer for other tasks.
    #[error("`{task}` and `{other}` name two merges that were made layer by layer, and a merge of all tasks is one")]
    SeveralSolutions {
        /// A task.
        task: String,
        /// A task with another merge.
        other: String,
    },
    /// A merge that was made layer by layer does not have a module.
    #[error("the merge that was made layer by layer holds nothing of `{module}`, which an adapter updates")]
    NoSolution {
        /// The base's module.
        module: String,
    },
    /// A merge that was made layer by layer does not fit the adapters.
    #[error(
        "the merge that was made layer by layer has shape {found:?} for `{module}`, and the adapters' ranks and inputs make {expected:?}"
    )]
    SolutionShape {
        /// The base's module.
        module: String,
        /// The shape that was made.
        found: [usize; 2],
        /// The sum of the ranks, and the inputs of the module.
        expected: [usize; 2],
    },
    /// The inputs of a module have another width than the module.
    #[error(
        "the inputs of `{module}` in the statistics of `{task}` have {found} numbers, and the module takes {expected}"
    )]
    Width {
        /// The task.
        task: String,
        /// The base's module.
        module: String,
        /// Numbers of an input in the statistics.
        found: usize,
        /// Columns of the weight.
        expected: usize,
    },
    /// The sum of the Gram matrices has no inverse.
    #[error(
        "the sum of the Gram matrices of the inputs of `{module}` has no inverse: lower `off_diagonal` (0.9 is usual), set a \
         `ridge` (0.001, say), or take more `examples`"
    )]
    Singular {
        /// The base's module.
        module: String,
    },
}
