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

/// The messages of an error and its causes in one line for people, with control characters escaped and without
/// credentials.
pub fn error_line(error: &dyn Error) -> String {
    crate::escaped(&crate::without_credentials(&error_chain(error))).into_owned()
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

    #[test]
    fn an_error_line_is_one_line_without_control_characters_and_credentials() {
        let error = Unreadable(std::io::Error::other("`https://user:hush@host/x` says \u{1b}[2J\nerror: forged"));
        let line = "the file `a` cannot be read: `https://host/x` says \\u001b[2J\\nerror: forged";
        assert_eq!(error_line(&error), line);
    }
}
