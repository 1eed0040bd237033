//! What the parts of a `tokenizer.json` make of a text at most, by their JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Unicode's compatibility decomposition makes at most so many bytes of one: of U+FDFA, 33 bytes of three.
const COMPATIBILITY: u64 = 11;

/// A text of n bytes becomes one of at most `factor · n + extra`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Growth {
    factor: u64,
    extra: u64,
}

impl Growth {
    const NONE: Self = Self { factor: 1, extra: 0 };

    fn by(factor: u64) -> Self {
        Self { factor, extra: 0 }
    }

    /// What at most becomes of `bytes`.
    pub(super) fn of(self, bytes: u64) -> u64 {
        self.factor.saturating_mul(bytes).saturating_add(self.extra)
    }

    fn then(self, next: Self) -> Self {
        Self { factor: self.factor.saturating_mul(next.factor), extra: next.of(self.extra) }
    }
}

/// What a normaliser makes of a text.
pub(super) fn of_normaliser(normaliser: &Value) -> Growth {
    if let Some(all) = normaliser["normalizers"].as_array() {
        return all.iter().map(of_normaliser).fold(Growth::NONE, Growth::then);
    }
    if let Some(content) = normaliser["content"].as_str() {
        return of_replace(&normaliser["pattern"], content.len() as u64);
    }
    if let Some(prepended) = normaliser["prepend"].as_str() {
        return Growth { factor: 1, extra: prepended.len() as u64 };
    }
    if let Some(map) = normaliser["precompiled_charsmap"].as_str() {
        return Growth::by(longest_replacement(map));
    }
    Growth::by(match normaliser["type"].as_str() {
        None if normaliser.is_null() => 1,
        Some("Strip" | "StripAccents" | "Nmt") => 1,
        Some("Lowercase" | "ByteLevel") => 2,
        Some("NFC" | "NFD") => 3,
        // Spaces around CJK characters, decomposition and lower case.
        Some("BertNormalizer" | "Bert") => 12,
        _ => COMPATIBILITY,
    })
}

fn of_replace(pattern: &Value, content: u64) -> Growth {
    match pattern["String"].as_str().map(|pattern| pattern.len() as u64) {
        Some(length) if length > 0 => Growth::by(content.div_ceil(length).max(1)),
        // Whatever matches nothing matches before each byte and at the end.
        _ => Growth { factor: content.saturating_add(1), extra: content },
    }
}

/// The longest text in a map of SentencePiece: after the length of a trie and the trie, texts that end in zeros.
fn longest_replacement(map: &str) -> u64 {
    let Ok(map) = STANDARD.decode(map) else { return 1 };
    let length = map.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let texts = map.get(length.saturating_add(4)..).unwrap_or_default();
    texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or(0).max(1) as u64
}

/// A normaliser that is no sequence of others.
pub(super) enum Step {
    /// Replaces a text, which can be counted.
    Replace { pattern: String, content: u64 },
    /// Anything else.
    Other(Growth),
}

impl Step {
    pub(super) fn of(normaliser: &Value) -> Self {
        let pattern = normaliser["pattern"]["String"].as_str().filter(|pattern| !pattern.is_empty());
        match (pattern, normaliser["content"].as_str()) {
            (Some(pattern), Some(content)) => {
                Self::Replace { pattern: pattern.to_owned(), content: content.len() as u64 }
            }
            _ => Self::Other(of_normaliser(normaliser)),
        }
    }

    /// Bytes that the text has at most after this step.
    pub(super) fn grown(&self, text: &str) -> u64 {
        match self {
            Self::Replace { pattern, content } => {
                let matches = text.matches(pattern.as_str()).count() as u64;
                (text.len() as u64).saturating_add(matches.saturating_mul(*content))
            }
            Self::Other(growth) => growth.of(text.len() as u64),
        }
    }
}

/// Bytes that pre-tokenisers make of one.
pub(super) fn of_pre_tokeniser(pre_tokeniser: &Value) -> u64 {
    if let Some(all) = pre_tokeniser["pretokenizers"].as_array() {
        return all.iter().map(of_pre_tokeniser).fold(1, u64::saturating_mul);
    }
    match pre_tokeniser["type"].as_str() {
        Some("ByteLevel") => 2,
        // A space becomes a character of up to four bytes.
        Some("Metaspace") => 4,
        _ => 1,
    }
}

/// How often a post-processor repeats a text of one or of a pair.
pub(super) fn copies(post_processor: &Value) -> u64 {
    if let Some(all) = post_processor["processors"].as_array() {
        return all.iter().map(copies).fold(1, u64::saturating_mul);
    }
    let texts = |template: &str, id: &str| {
        let pieces = post_processor[template].as_array().into_iter().flatten();
        pieces.filter(|piece| piece["Sequence"]["id"] == id).count() as u64
    };
    let most =
        [("single", "A"), ("single", "B"), ("pair", "A"), ("pair", "B")].map(|(template, id)| texts(template, id));
    most.into_iter().max().unwrap_or(1).max(1)
}

/// Bytes that the contents of tokens come to that are normalised.
pub(super) fn of_added_tokens(tokens: &Value, growth: Growth) -> u64 {
    let tokens = tokens.as_array().into_iter().flatten().filter(|token| token["normalized"] == true);
    let grown = tokens.map(|token| growth.of(token["content"].as_str().unwrap_or_default().len() as u64));
    grown.fold(0, u64::saturating_add)
}
