//! What follows from an error of the store, wherever it comes up.

use super::code;
use store::StoreError;

pub(super) fn code_of(error: &StoreError) -> u8 {
    match error {
        StoreError::Backend(_) => code::UNAVAILABLE,
        StoreError::Key(_)
        | StoreError::Corrupt { .. }
        | StoreError::Version { .. }
        | StoreError::Mislabelled { .. }
        | StoreError::Fault { .. }
        | StoreError::OtherName { .. }
        | StoreError::Misplaced { .. }
        | StoreError::NoFile { .. }
        | StoreError::Altered { .. }
        | StoreError::Resized { .. }
        | StoreError::Part { .. }
        | StoreError::Encode { .. } => code::BAD_INPUT,
        StoreError::File { .. } => code::UNAVAILABLE,
    }
}

pub(super) fn hint_of(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Corrupt { key, .. } if key.is_manifest() => Some(
            "`bowline sweeps remove NAME` takes away what is kept of the sweep but for its results; `bowline run` then makes it anew",
        ),
        StoreError::Version { key, .. } if key.is_manifest() => {
            Some("use the program that wrote it, or give the sweep another name (`name` in its file, or `-o name=…`)")
        }
        StoreError::Corrupt { .. } | StoreError::Version { .. } => {
            Some("remove the object to have it made anew, or use the program that wrote it")
        }
        StoreError::OtherName { .. } => {
            Some("a sweep's folder has the sweep's name; give the folder that name again, or remove the object")
        }
        StoreError::NoFile { .. } | StoreError::Altered { .. } | StoreError::Resized { .. } => {
            Some("`bowline run --repair` has the file made anew")
        }
        StoreError::File { .. } => Some("`TMPDIR` names the folder for temporary files; it may be full"),
        StoreError::Backend(_)
        | StoreError::Key(_)
        | StoreError::Mislabelled { .. }
        | StoreError::Fault { .. }
        | StoreError::Misplaced { .. }
        | StoreError::Part { .. }
        | StoreError::Encode { .. } => None,
    }
}
