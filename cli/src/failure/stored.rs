use super::{Failure, code};

/// Why a command about sweeps that a store holds cannot do as told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredFailure {
    /// The store holds no sweep of that name.
    #[error("the store {store} holds no sweep named `{name}`")]
    NoSweep { name: String, store: String },
    /// The store holds no sweep, or several, and none was named.
    #[error("the store {store} holds {}", several(names))]
    WhichSweep { store: String, names: Vec<String> },
    /// A run of the sweep is at work.
    #[error("a run of the sweep `{name}` seems to be at work: it was heard of {heard} ago")]
    AtWork { name: String, heard: String },
    /// What another sweep shares cannot be told.
    #[error("cannot tell which results the sweep `{name}` shares with the one to be removed")]
    Shared { name: String, source: Box<Failure> },
    /// A question needs an answer, and nobody is there to give it.
    #[error("nobody can be asked whether to remove the sweep `{name}`")]
    NobodyToAsk { name: String },
    /// No failed job, or several, have such an id.
    #[error("`{text}` is the beginning of the id of {} failed jobs", if *found == 0 { "no".to_owned() } else { found.to_string() })]
    WhichJob { text: String, found: usize },
}

impl StoredFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NobodyToAsk { .. } => code::USAGE,
            Self::NoSweep { .. }
            | Self::WhichSweep { .. }
            | Self::AtWork { .. }
            | Self::Shared { .. }
            | Self::WhichJob { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::AtWork { .. } => {
                Some("`bowline cancel` ends it; `--force` removes the sweep all the same, if you know that it is dead")
            }
            Self::NobodyToAsk { .. } => Some("`--yes` says that it may go"),
            Self::Shared { .. } => Some("without `--results` all results stay, and the sweep can be removed"),
            Self::NoSweep { .. } | Self::WhichSweep { .. } | Self::WhichJob { .. } => None,
        }
    }
}

fn several(names: &[String]) -> String {
    match names {
        [] => "no sweep".to_owned(),
        names => format!("several sweeps: {}; name one of them", names.join(", ")),
    }
}
