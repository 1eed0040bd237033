use super::code;

/// Why `doctor`, or a command that begins as it does, found something unsound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorFailure {
    /// The store lacks guarantees that results need.
    #[error("the store {place} {}", unsound(.is_conditional))]
    UnsoundStore { place: String, is_conditional: bool },
    /// A check of `doctor` did not pass.
    #[error("{failed} of {total} checks failed")]
    Checks { failed: usize, total: usize },
}

impl DoctorFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::UnsoundStore { .. } | Self::Checks { .. } => code::UNAVAILABLE,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnsoundStore { is_conditional: false, .. } => Some(
                "`--unconditional-store` uses it all the same: a result may be computed twice and the later one stay, and two runs that \
                 change one sweep at the same time may overwrite each other's revision",
            ),
            Self::UnsoundStore { is_conditional: true, .. } | Self::Checks { .. } => None,
        }
    }
}

fn unsound(is_conditional: &bool) -> &'static str {
    if *is_conditional {
        "does not read, list or delete what was written"
    } else {
        "ignores the condition of a write: two workers could both store a result of one job"
    }
}
