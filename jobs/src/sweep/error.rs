use crate::{InputRefError, MetricError, RangeError, RecipeError, recipe_suggestion};

/// Why a text is not a sweep. Every variant names the key by its path, such as `tasks[2].head`.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The text is not YAML.
    #[error("not valid YAML: {message}")]
    Yaml {
        /// What the parser says, with line and column.
        message: String,
    },
    /// A key that nothing reads.
    #[error("unknown key `{path}`{}", recipe_suggestion(.nearest))]
    UnknownKey {
        /// The key's path.
        path: String,
        /// The valid key that was probably meant.
        nearest: Option<String>,
    },
    /// A value of the wrong type, or a key that is missing.
    #[error("`{path}`: {message}")]
    Shape {
        /// The path of the value.
        path: String,
        /// What was expected.
        message: String,
    },
    /// A value that cannot be, by itself or beside others.
    #[error("`{path}` {problem}")]
    Invalid {
        /// The path of the value.
        path: String,
        /// The rest of the sentence.
        problem: String,
    },
    /// A recipe, or a value that a parameter puts into one, is wrong.
    #[error("`{path}` does not describe a merge")]
    Recipe {
        /// The path of the recipe or value.
        path: String,
        /// What is wrong with it.
        source: RecipeError,
    },
    /// A parameter's range has no values.
    #[error("`{path}` is not a range")]
    Range {
        /// The path of the parameter.
        path: String,
        /// What is wrong with it.
        source: RangeError,
    },
    /// An input's reference is wrong.
    #[error("`{path}` does not name an input")]
    Input {
        /// The path of the value.
        path: String,
        /// What is wrong with it.
        source: InputRefError,
    },
    /// The metric is none.
    #[error("`{path}` does not name a metric")]
    Metric {
        /// The path of the value.
        path: String,
        /// What is wrong with it.
        source: MetricError,
    },
    /// An override on the command line is not `key=value`, or leads nowhere.
    #[error("the override `{text}` {problem}")]
    Override {
        /// The override as written.
        text: String,
        /// The rest of the sentence.
        problem: String,
    },
}

impl SweepError {
    /// The path of the key that it is about, if it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { path, .. }
            | Self::Shape { path, .. }
            | Self::Invalid { path, .. }
            | Self::Recipe { path, .. }
            | Self::Range { path, .. }
            | Self::Input { path, .. }
            | Self::Metric { path, .. } => Some(path),
            Self::Yaml { .. } | Self::Override { .. } => None,
        }
    }

    pub(crate) fn invalid(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), problem: problem.into() }
    }
}
