//! Tokenised texts: read once, kept as token ids.

/// The texts of one split as token ids, with their labels.
///
/// Nothing is padded: a model lays them out as it likes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// The ids of all texts, one after the other.
    ids: Vec<u32>,
    /// Where each text ends in `ids`.
    ends: Vec<usize>,
    labels: Vec<u32>,
}

impl Texts {
    /// Takes texts as token ids, each with its label.
    pub fn new(texts: impl IntoIterator<Item = (Vec<u32>, u32)>) -> Self {
        let mut all = Self::default();
        for (ids, label) in texts {
            all.ids.extend(ids);
            all.ends.push(all.ids.len());
            all.labels.push(label);
        }
        all
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without texts.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The token ids of one text.
    pub fn ids(&self, text: usize) -> &[u32] {
        let start = text.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ids[start..self.ends[text]]
    }

    /// Number of tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The class of each text.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}
