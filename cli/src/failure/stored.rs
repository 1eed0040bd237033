use super::{Failure, code};

/// Why a command about stored sweeps fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredFailure {
    /// The store holds no sweep of that name.
    #[error("the store {store} holds no sweep named `{name}`")]
    NoSweep { name: String, store: String },
    /// The store holds no sweep, or several, and none was named.
    #[error("the store {store} holds {}", several(names))]
    WhichSweep { store: String, names: Vec<String> },
    /// A run of the sweep is active.
    #[error("a run of the sweep `{name}` seems to be active: it reported {age} ago")]
    Running { name: String, age: String },
    /// Another sweep cannot be read, so the shared results are unknown.
    #[error("cannot determine which results the sweep `{name}` shares with the sweep to remove")]
    Shared { name: String, source: Box<Failure> },
    /// A removal needs a confirmation, and there is no terminal.
    #[error("removing the sweep `{name}` needs a confirmation, and standard input is no terminal")]
    NotConfirmed { name: String },
    /// No job of the store, or more than one, has such an id.
    #[error("`{text}` matches {} of the store {store}", of_store(*found))]
    WhichStoredJob { text: String, found: usize, store: String },
    /// A text that is no beginning of an id.
    #[error("`{text}` is no job id: ids are made of the digits 0 to 9 and the letters a to f")]
    NoJobId { text: String },
    /// No failed job, or more than one, has such an id.
    #[error("`{text}` matches {}", matches(*found))]
    WhichJob { text: String, found: usize },
}

impl StoredFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NotConfirmed { .. } => code::USAGE,
            Self::NoSweep { .. }
            | Self::WhichSweep { .. }
            | Self::Running { .. }
            | Self::Shared { .. }
            | Self::WhichStoredJob { .. }
            | Self::NoJobId { .. }
            | Self::WhichJob { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Running { .. } => {
                Some("`bowline cancel` ends it; `--force` removes the sweep anyway, if you know that the run is dead")
            }
            Self::NotConfirmed { .. } => Some("`--yes` confirms"),
            Self::Shared { .. } => Some("without `--results` all results stay, and the sweep can be removed"),
            Self::NoSweep { .. } => {
                Some("`bowline sweeps list` lists the sweeps of the store; `--store` names another one")
            }
            Self::WhichStoredJob { .. } => Some("`--store` names another store"),
            Self::WhichSweep { .. } | Self::NoJobId { .. } | Self::WhichJob { .. } => None,
        }
    }
}

fn matches(found: usize) -> String {
    match found {
        0 => "no failed job".to_owned(),
        found => format!("{found} failed jobs; give more of the id"),
    }
}

fn of_store(found: usize) -> String {
    match found {
        0 => "no job".to_owned(),
        found => format!("{found} jobs (give more of the id)"),
    }
}

fn several(names: &[String]) -> String {
    match names {
        [] => "no sweep".to_owned(),
        names => format!("several sweeps: {}; name one of them", names.join(", ")),
    }
}
