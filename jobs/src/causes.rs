//! The causes of an error: the only place that follows `source()`.

use std::{error::Error, iter::successors};

/// The causes of an error, from its source to the innermost one. The error itself is not among them.
pub fn causes<'a>(error: &'a (dyn Error + 'a)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

/// The messages of an error and its causes, outermost first.
pub fn error_messages(error: &dyn Error) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    messages.extend(causes(error).map(ToString::to_string));
    messages
}

/// The messages of an error and its causes in one line, separated by `: `.
pub fn error_chain(error: &dyn Error) -> String {
    error_messages(error).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file `a` cannot be read")]
    struct Unreadable(#[source] std::io::Error);

    #[test]
    fn a_chain_names_each_cause_once_and_the_outermost_error_first() {
        let error = Unreadable(std::io::Error::other("the disk is gone"));
        assert_eq!(error_chain(&error), "the file `a` cannot be read: the disk is gone");
        assert_eq!(error_messages(&error), ["the file `a` cannot be read", "the disk is gone"]);
        assert_eq!(causes(&error).count(), 1);
    }
}
