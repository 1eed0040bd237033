//! What is wrong with a text that is no YAML, for people who know nothing of the parser.

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// What the parser says, with line and column, in the words of a file.
pub(super) fn yaml_problem(error: &Error, text: &str) -> String {
    let location = error.location();
    let line = location.map(|location| location.line()).filter(|line| *line > 0);
    let place = match (location, line) {
        (Some(location), Some(line)) => format!("line {line}, column {}: ", location.column()),
        _ => String::new(),
    };
    let source =
        line.and_then(|line| text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)).unwrap_or_default();
    format!("{place}{}{}", what(error.without_snippet()), advice(source))
}

fn what(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` is there twice in one map; take one of the two out")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            "a key is there twice in one map; take one of the two out".to_owned()
        }
        Error::MultipleDocuments { .. } => {
            "a second document begins here; a file has one, without `---` after it".to_owned()
        }
        Error::UnknownAnchor { .. } => "an alias (`*name`) has no anchor (`&name`) before it".to_owned(),
        other => UserMessageFormatter.format_message(other).lines().next().unwrap_or_default().to_owned(),
    }
}

/// What most probably is wrong with a line.
fn advice(line: &str) -> &'static str {
    let before = line.len() - line.trim_start().len();
    if line[..before].contains('\t') {
        "; indent with spaces, not with tabs"
    } else if line.matches('{').count() != line.matches('}').count()
        || line.matches('[').count() != line.matches(']').count()
    {
        "; a bracket is opened or closed once too often in this line, or continues in the next one"
    } else if line.matches('"').count() % 2 == 1 {
        "; a quote is not closed"
    } else {
        ""
    }
}
