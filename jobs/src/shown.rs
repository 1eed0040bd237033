//! Text of others, fit to be shown: on a terminal, in a log, in a message.

use std::borrow::Cow;

/// `text` with control characters, and those that turn the direction of writing, as escapes: one line that a terminal
/// shows as it is. The escapes are those of JSON, so that a JSON text stays one.
///
/// # Examples
/// ```
/// assert_eq!(jobs::escaped("a\u{1b}[2J\nb"), "a\\u001b[2J\\nb");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    escaped_but(text, &[])
}

/// The same for a text of several lines, which keeps them, and its tabs.
///
/// # Examples
/// ```
/// assert_eq!(jobs::escaped_lines("a\u{7}\nb"), "a\\u0007\nb");
/// ```
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, &['\n', '\t'])
}

fn escaped_but<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_meant = |c: char| !kept.contains(&c) && (c.is_control() || turns(c));
    if !text.contains(is_meant) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !is_meant(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character turns the direction of what follows, or ends a line where `\n` does not.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with all URLs in it without user, password, and queries that hold a secret.
///
/// A password may hold what should have been escaped in a URL, such as a slash: all up to the last `@` is left out
/// then.
///
/// # Examples
/// ```
/// assert_eq!(jobs::without_credentials("`s3://KEY:SEC/RET@bucket/x` is bad"), "`s3://bucket/x` is bad");
/// assert_eq!(jobs::without_credentials("hf://owner/name@main"), "hf://owner/name@main");
/// ```
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://").map(|at| at + 3) {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\\');
        let end = rest[start..].find(ends).map_or(rest.len(), |length| start + length);
        shown.push_str(&rest[..start]);
        let place = place(&rest[start..end]);
        shown.push_str(without_secret_query(place));
        rest = &rest[end..];
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// What follows `scheme://`, from the host on.
fn place(url: &str) -> &str {
    let authority = url.split(['/', '?', '#']).next().unwrap_or(url);
    if let Some((_, host)) = authority.rsplit_once('@') {
        return &url[authority.len() - host.len()..];
    }
    // A colon is before a port, or else in the middle of user and password.
    let is_port = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let has_password = authority.split_once(':').is_some_and(|(_, rest)| !is_port(rest) && !authority.starts_with('['));
    match url.rsplit_once('@') {
        Some((_, rest)) if has_password => rest,
        _ => url,
    }
}

fn without_secret_query(url: &str) -> &str {
    const SECRETS: [&str; 6] = ["signature", "token", "secret", "password", "credential", "key"];
    match url.split_once('?') {
        Some((before, query)) => {
            let query = query.to_ascii_lowercase();
            if SECRETS.iter().any(|secret| query.contains(secret)) { before } else { url }
        }
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_makes_a_line_is_shown_and_not_done() {
        assert_eq!(escaped("\u{1b}]0;x\u{7}\r\n\t\u{9b}1m\u{202e}"), "\\u001b]0;x\\u0007\\r\\n\\t\\u009b1m\\u202e");
        assert_eq!(escaped_lines("one\n\ttwo\u{1b}\r"), "one\n\ttwo\\u001b\\r");
        assert!(matches!(escaped("Größe λ=0.3 ›"), Cow::Borrowed(_)));
        let json = serde_json::to_string("\u{1b}\u{7f}\u{9b}\u{202e}").unwrap();
        let shown = escaped(&json);
        assert!(!shown.contains(char::is_control));
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), "\u{1b}\u{7f}\u{9b}\u{202e}");
    }

    #[test]
    fn credentials_of_urls_are_left_out_wherever_they_are() {
        for (text, shown) in [
            ("s3://KEY:SECRET@bucket", "s3://bucket"),
            ("s3://KEY:SEC/RET@bucket/a", "s3://bucket/a"),
            ("https://u:SECRET@h", "https://h"),
            ("https://TOKEN@h/x", "https://h/x"),
            ("amqp://u:p@ss:w@h:5672/v", "amqp://h:5672/v"),
            ("http://h:9000/a@b", "http://h:9000/a@b"),
            ("http://[::1]:9000/a@b", "http://[::1]:9000/a@b"),
            ("a=\"http://u:S@h\" b=http://x:S@y c", "a=\"http://h\" b=http://y c"),
            ("{\"url\":\"{\\\"http://u:S@h\\\"}\"}", "{\"url\":\"{\\\"http://h\\\"}\"}"),
            ("https://h/x?X-Amz-Signature=S&a=b next", "https://h/x next"),
            ("https://h/x?list-type=2", "https://h/x?list-type=2"),
            ("hf://datasets/o/n@main/x", "hf://datasets/o/n@main/x"),
            ("no url at all: user:pass@host", "no url at all: user:pass@host"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
