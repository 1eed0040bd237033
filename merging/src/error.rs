use jobs::Space;

/// Why adapters cannot be aligned or merged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there are no adapters to merge")]
    NoAdapters,
    /// Two adapters bear one name, so that weights and masks could not tell them apart.
    #[error("two adapters are named `{task}`")]
    SameName {
        /// The name.
        task: String,
    },
    /// Two adapters give one weight different shapes.
    #[error(
        "`{module}` of the adapter `{task}` updates a weight of shape {found:?}, other adapters one of {expected:?}"
    )]
    Shape {
        /// The base's module.
        module: String,
        /// The adapter that differs.
        task: String,
        /// Its shape.
        found: [usize; 2],
        /// The shape in the adapters before it.
        expected: [usize; 2],
    },
    /// The iteration for singular values did not converge.
    #[error("the singular value decomposition of `{module}` does not converge")]
    NoConvergence {
        /// The base's module.
        module: String,
    },
    /// The recipe works in another space than the alignment.
    #[error("the recipe works in the space {recipe:?}, but the adapters are aligned in {aligned:?}")]
    OtherSpace {
        /// The recipe's space.
        recipe: Space,
        /// The alignment's space.
        aligned: Space,
    },
    /// The recipe weighs a task that is not there.
    #[error("the recipe has a weight for `{task}`, which is none of the merged tasks: {}", .tasks.join(", "))]
    UnknownTask {
        /// The task.
        task: String,
        /// The merged tasks.
        tasks: Vec<String>,
    },
    /// The recipe weighs a part of an update that is not there.
    #[error(
        "the recipe has a weight for `{part}` of `{task}`, which is neither the number of a layer nor the name of a module that the \
         adapters update, such as `{example}`"
    )]
    UnknownPart {
        /// The task.
        task: String,
        /// What the recipe names.
        part: String,
        /// A module.
        example: String,
    },
    /// The recipe weighs parts of updates in a merge that has no weights for them.
    #[error("the recipe has weights for parts of updates, which `{method}` in `{}` does not take", space.name())]
    PartWeights {
        /// The combination.
        method: &'static str,
        /// The space.
        space: jobs::Space,
    },
    /// The recipe weighs another number of directions than an adapter has.
    #[error(
        "the recipe weighs {found} directions of `{module}` of `{task}`, and there are {expected}: the list needs as many numbers as \
         the adapter has ranks there, and in `knots` as many as the directions that all tasks share"
    )]
    Directions {
        /// The task.
        task: String,
        /// The base's module.
        module: String,
        /// The numbers of the list.
        found: usize,
        /// The rank of the adapter there.
        expected: usize,
    },
    /// More tasks update a weight than TSV-Merge can give a direction of their own.
    #[error(
        "`tsv` gives each task a direction of its own, and {tasks} tasks update `{module}`, which has {directions}: merge fewer \
         adapters, or use another method"
    )]
    TooFewDirections {
        /// The base's module.
        module: String,
        /// How many tasks update it.
        tasks: usize,
        /// Its directions: the smaller side of the weight.
        directions: usize,
    },
    /// More tasks update a weight than DC-Merge can give a direction of their own.
    #[error(
        "the space `dc` gives each task a direction of its own, and {tasks} tasks update `{module}`, which has {directions}: \
         merge fewer adapters, or use another space"
    )]
    TooFewDirectionsInDc {
        /// The base's module.
        module: String,
        /// How many tasks update it.
        tasks: usize,
        /// Its directions: the smaller side of the weight.
        directions: usize,
    },
    /// The combination is defined for another number of tasks.
    #[error("`{method}` merges {expected} tasks, and there are {found}: {}", .tasks.join(", "))]
    TaskCount {
        /// The combination.
        method: &'static str,
        /// How many it merges.
        expected: usize,
        /// How many there are.
        found: usize,
        /// The merged tasks.
        tasks: Vec<String>,
    },
    /// Weights that say where a mean lies leave no place for it.
    #[error(
        "the weights of `{method}` have to be 0 or more, and not all 0, because they say where between the updates the \
         merge lies: found {found:?}"
    )]
    MeanWeights {
        /// The combination.
        method: &'static str,
        /// The weights of the tasks.
        found: Vec<f64>,
    },
    /// The weights of a least-squares merge leave nothing to minimise, or no smallest sum.
    #[error(
        "`gram_merge` multiplies the squared errors of the tasks by their weights, which have to be 0 or more, and not all 0: \
         found {found:?}"
    )]
    GramWeights {
        /// The weights of the tasks.
        found: Vec<f64>,
    },
    /// A method adds up factors of adapters with different ranks.
    #[error(
        "`{method}` adds up the factors of adapters, and those of `{module}` have different ranks: {}; use adapters of one \
         rank, or another method",
        .ranks.iter().map(|(task, rank)| format!("{task} {rank}")).collect::<Vec<_>>().join(", ")
    )]
    FactorRanksDiffer {
        /// The combination.
        method: &'static str,
        /// The base's module.
        module: String,
        /// The rank of each task.
        ranks: Vec<(String, usize)>,
    },
    /// The tasks' updates of a weight have different ranks, so that no mean of their bases is defined.
    #[error(
        "`core_geodesic` takes the mean of bases of one rank, and the adapters update `{module}` with ranks {}: zero \
         updates count as rank 0; use another space",
        .ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
    )]
    RanksDiffer {
        /// The base's module.
        module: String,
        /// The ranks of the adapters there, by task.
        ranks: Vec<usize>,
    },
    /// A matrix-wise method was asked for on the entries of the `full` space.
    #[error("a combination of whole matrices needs the space `core` or `knots` after a drop or a trim")]
    MatrixWiseInFull,
    /// The recipe merges by statistics, and there are none.
    #[error(
        "the recipe merges by statistics of the tasks' own models (`gram: inputs`, `combine: fisher`), which are measured on data of \
         the tasks: `bowline run` does that, for a sweep with this recipe"
    )]
    NeedsStatistics,
}
