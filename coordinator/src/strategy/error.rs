use jobs::{Recipe, RecipeError, RecipeSpec};

/// Why a search cannot continue.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StrategyError {
    /// Values that are valid one by one do not fit together.
    #[error("the search `{search}` combines values that describe no merge: {values}")]
    Combination {
        /// The search.
        search: String,
        /// The keys and values.
        values: String,
        /// Why they do not fit together.
        source: Box<RecipeError>,
    },
    /// A continuous range in a method that needs a list of values.
    #[error("the search `{search}` needs a list of values for `{key}`: give the range a `step`")]
    Continuous {
        /// The search.
        search: String,
        /// The parameter.
        key: String,
    },
    /// Values without an order in a method that needs numbers.
    #[error("the search `{search}` needs numbers for `{key}`, and `{value}` is none")]
    Unordered {
        /// The search.
        search: String,
        /// The parameter.
        key: String,
        /// The value.
        value: String,
    },
    /// A portfolio of something that is no preset.
    #[error("the portfolio `{search}` needs names of presets, and `{preset}` is none")]
    Preset {
        /// The search.
        search: String,
        /// The name.
        preset: String,
    },
    /// A list in a method that moves through whole ranges.
    #[error(
        "the search `{search}` needs a whole range for `{key}`, not a list of values: give `min` and `max` without a `step`"
    )]
    Listed {
        /// The search.
        search: String,
        /// The parameter.
        key: String,
    },
    /// The number of combinations overflows.
    #[error("the search `{search}` has more than 2^63 combinations")]
    Endless {
        /// The search.
        search: String,
    },
}

/// The recipe that `spec` describes, or the error that names the values.
pub(super) fn resolve(search: &str, spec: &RecipeSpec) -> Result<Recipe, StrategyError> {
    spec.resolve().map_err(|source| combination(search, spec, source))
}

/// The error of values that do not fit together.
pub(super) fn combination(search: &str, spec: &RecipeSpec, source: RecipeError) -> StrategyError {
    StrategyError::Combination {
        search: search.to_owned(),
        values: jobs::canonical_json(spec),
        source: Box::new(source),
    }
}
