/// The assumed width of a terminal, in columns.
pub(crate) const WIDTH: usize = 120;

/// `line` wrapped to [`WIDTH`]. Lines after the first are indented.
pub(crate) fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        let columns = word.chars().count();
        if width > 0 && width + 1 + columns > WIDTH {
            text += "\n    ";
            width = 4;
        } else if !text.is_empty() {
            text.push(' ');
            width += 1;
        }
        text += word;
        width += columns;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_between_words() {
        let text = wrapped("word ".repeat(60).trim_end());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH) && text.lines().count() == 3, "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")), "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
        assert_eq!(wrapped("short"), "short");
    }
}
