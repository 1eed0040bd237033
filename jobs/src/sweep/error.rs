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
    #[error("unknown key `{path}`{}", instead(*.hint, .nearest))]
    UnknownKey {
        /// The key's path.
        path: String,
        /// The valid key that was probably meant.
        nearest: Option<String>,
        /// What a word of papers or other tools is called here.
        hint: Option<&'static str>,
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
    /// Several things are wrong; none of them is one of several again.
    #[error("{}", each_in_a_line(.0))]
    Several(Vec<Self>),
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
            Self::Yaml { .. } | Self::Override { .. } | Self::Several(_) => None,
        }
    }

    /// All that is wrong, one by one.
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }

    /// One error of several: none where there are none, and the only one as it is.
    pub(crate) fn of(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// The error with a path that does not begin with `prefix`, if it is about the form of a file.
    pub(crate) fn without_prefix(self, prefix: &str) -> Self {
        let short = |path: String| path.strip_prefix(prefix).map(str::to_owned).unwrap_or(path);
        match self {
            Self::UnknownKey { path, nearest, hint } => Self::UnknownKey { path: short(path), nearest, hint },
            Self::Shape { path, message } => Self::Shape { path: short(path), message },
            Self::Invalid { path, problem } => Self::Invalid { path: short(path), problem },
            other @ (Self::Yaml { .. }
            | Self::Recipe { .. }
            | Self::Range { .. }
            | Self::Input { .. }
            | Self::Metric { .. }
            | Self::Several(_)
            | Self::Override { .. }) => other,
        }
    }

    pub(crate) fn invalid(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), problem: problem.into() }
    }
}

impl IntoIterator for SweepError {
    type Item = Self;
    type IntoIter = std::vec::IntoIter<Self>;

    /// All that is wrong, one by one.
    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::Several(errors) => errors.into_iter(),
            one => vec![one].into_iter(),
        }
    }
}

fn instead(hint: Option<&str>, nearest: &Option<String>) -> String {
    hint.map_or_else(|| recipe_suggestion(nearest), |hint| format!("; {hint}"))
}

fn each_in_a_line(errors: &[SweepError]) -> String {
    errors.iter().map(|error| crate::error_line(error)).collect::<Vec<_>>().join("\n")
}
