use crate::SweepError;

/// What is wrong with a file so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<SweepError>);

impl Findings {
    /// The value, or nothing and one more finding.
    pub(super) fn take<T>(&mut self, checked: Result<T, SweepError>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(error) => {
                self.extend(error);
                None
            }
        }
    }

    /// Adds errors, each of them once.
    pub(super) fn extend(&mut self, errors: impl IntoIterator<Item = SweepError>) {
        for error in errors {
            if !self.0.iter().any(|known| known.to_string() == error.to_string()) {
                self.0.push(error);
            }
        }
    }

    /// Fails if there are any.
    pub(super) fn end(self) -> Result<(), SweepError> {
        SweepError::of(self.0).map_or(Ok(()), Err)
    }
}
