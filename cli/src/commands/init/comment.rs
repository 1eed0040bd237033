//! Comments of drafted files.

/// The widest line.
const WIDTH: usize = 100;

/// A text as lines of comment, broken between words.
pub(super) fn comment(indent: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = format!("{indent}#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > indent.len() + 1 {
            lines.push_str(&line);
            lines.push('\n');
            line = format!("{indent}#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

/// A word of a command line, in quotes if a shell would read it as something else.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./@:=+,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_comment_is_broken_between_words_and_a_line_break_makes_no_yaml() {
        let text = format!("{}\nname: other", "word ".repeat(30));
        let comment = comment("  ", &text);
        assert!(comment.lines().all(|line| line.starts_with("  # ") && line.chars().count() <= WIDTH), "{comment}");
        assert_eq!(comment.lines().count(), 2);
    }

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        assert_eq!(shell_word("a=hf://owner/name@main"), "a=hf://owner/name@main");
        assert_eq!(shell_word("my models/it's"), r"'my models/it'\''s'");
    }
}
