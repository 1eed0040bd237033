//! The end of what a command prints.

use jobs::{escaped, without_credentials};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    io::Read,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// The most bytes that are kept.
const KEPT: usize = 4096;

/// The most characters that a message shows.
const SHOWN: usize = 1500;

/// Keeps the last bytes of both streams of a command, in the order in which they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    is_cut: bool,
}

impl Tail {
    /// Reads a stream to its end on a thread of its own. However much comes, it never fills up.
    pub(super) fn follow(&self, mut stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let tail = self.clone();
        thread::spawn(move || {
            let mut piece = [0; 8192];
            loop {
                match stream.read(&mut piece) {
                    Ok(0) => return,
                    Ok(read) => tail.add(&piece[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        })
    }

    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock();
        kept.bytes.extend(bytes);
        let beyond = kept.bytes.len().saturating_sub(KEPT);
        kept.is_cut |= beyond > 0;
        kept.bytes.drain(..beyond);
    }

    /// In words, on one line.
    pub(super) fn in_words(&self) -> String {
        let kept = self.0.lock();
        let bytes: Vec<u8> = kept.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let text = without_credentials(text.trim());
        if text.is_empty() {
            return "it printed nothing".to_owned();
        }
        let beyond = text.chars().count().saturating_sub(SHOWN);
        let shown: String = text.chars().skip(beyond).collect();
        let lead = if kept.is_cut || beyond > 0 { "the last that it printed: …" } else { "it printed: " };
        format!("{lead}{}", escaped(&shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_a_command_prints_little_is_kept_and_shown_on_one_line() {
        let tail = Tail::default();
        let text = "x".repeat(100_000) + "\n\u{1b}[2Jbad news\n";
        tail.follow(std::io::Cursor::new(text.into_bytes())).join().unwrap();
        assert_eq!(tail.0.lock().bytes.len(), KEPT);
        let words = tail.in_words();
        assert!(words.starts_with("the last that it printed: …xxx"), "{words}");
        assert!(words.ends_with(r"x\n\u001b[2Jbad news"), "{words}");
        assert!(words.chars().count() < SHOWN + 60, "{words}");
    }

    #[test]
    fn a_short_text_is_shown_whole_and_none_is_said() {
        let tail = Tail::default();
        assert_eq!(tail.in_words(), "it printed nothing");
        tail.add(b"  amqp://user:hush@host failed\n");
        assert_eq!(tail.in_words(), "it printed: amqp://host failed");
    }
}
