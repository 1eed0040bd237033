use textwrap::{Options, WordSeparator, WordSplitter};

/// The assumed width of a terminal, in columns.
pub const WIDTH: usize = 120;

/// `line` wrapped to so many columns. Lines after the first are indented. A longer word stays whole: it may be a path.
pub(crate) fn wrapped(line: &str, width: usize) -> String {
    let options = Options::new(width)
        .subsequent_indent("    ")
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(line, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_between_words() {
        let text = wrapped("word ".repeat(60).trim_end(), WIDTH);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH) && text.lines().count() == 3, "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")), "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
        assert_eq!(wrapped("short", WIDTH), "short");
        // Each takes two columns.
        assert_eq!(wrapped(&["漢字"; 30].join(" "), WIDTH).lines().count(), 2);
    }
}
