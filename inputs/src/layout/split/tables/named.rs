//! Names of files that do not say how many files there are.

/// Words in the names of files that are copies of a split.
const OF_A_GENERATION: [&str; 10] = ["all", "backup", "bak", "copy", "full", "new", "old", "orig", "original", "tmp"];

/// Compressions that writers name before the ending.
const COMPRESSIONS: [&str; 7] = [".snappy", ".zstd", ".zst", ".gzip", ".gz", ".lz4", ".brotli"];

/// The length of `01234567-89ab-cdef-0123-456789abcdef`.
const UUID: usize = 36;

/// The numbers in a file's name, and the name without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    /// What files of one generation have in common: one name, and the UUID of one write.
    stem: String,
    /// Without zeros before them.
    numbers: Vec<String>,
}

impl Numbers {
    /// Takes `part-00001-<uuid>-c000` apart into `part-#-<uuid>-c#` and 1 and 0; `None` without a number that is a
    /// word by itself.
    pub(super) fn of(stem: &str) -> Option<Self> {
        let mut found = Self { stem: String::new(), numbers: Vec::new() };
        let mut rest = stem;
        while let Some(first) = rest.chars().next() {
            let word = match uuid(rest) {
                Some(uuid) => uuid,
                None if first.is_alphanumeric() => {
                    &rest[..rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())]
                }
                None => &rest[..first.len_utf8()],
            };
            found.add(word);
            rest = &rest[word.len()..];
        }
        (!found.numbers.is_empty()).then_some(found)
    }

    fn add(&mut self, word: &str) {
        // Spark counts the files of a partition as `c000`, `c001`.
        let (before, digits) = match word.strip_prefix('c') {
            Some(count) if count.len() == 3 => ("c", count),
            _ => ("", word),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.stem.push_str(word);
            return;
        }
        self.stem.push_str(before);
        self.stem.push('#');
        self.numbers.push(digits.trim_start_matches('0').to_owned());
    }

    /// Whether two files may be parts of one split: of one generation, and not the same part.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.stem == other.stem && self.numbers != other.numbers
    }

    /// Whether there is one number alone.
    pub(super) fn is_one(&self) -> bool {
        self.numbers.len() == 1
    }
}

/// The UUID that a text begins with.
fn uuid(text: &str) -> Option<&str> {
    let uuid = text.get(..UUID)?;
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (0..).zip(uuid.bytes()).all(fits).then_some(uuid)
}

/// The number at the end of a name, what is before it, and the compression that may follow.
pub(super) fn number_at_end(stem: &str) -> Option<(&str, &str, &str)> {
    let named = COMPRESSIONS.iter().find_map(|compression| stem.strip_suffix(compression)).unwrap_or(stem);
    let before = named.trim_end_matches(|c: char| c.is_ascii_digit());
    (before.len() < named.len()).then_some((before, &named[before.len()..], &stem[named.len()..]))
}

/// Whether a name says that its file is a copy of a split, such as `test-old`, `test (copy)` or `test-v2`.
pub(super) fn is_of_a_generation(stem: &str) -> bool {
    let is_version = |word: &str| {
        word.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let words = stem.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.into_iter().any(|word| OF_A_GENERATION.contains(&word.as_str()) || is_version(&word))
}
