//! What a GPU keeps of a sweep over images between jobs, computed from headers.

use evaluation::ImageResidency;
use jobs::ByteSize;
use serde::Serialize;

/// How many examples a split of a task has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitSize {
    pub(crate) task: String,
    pub(crate) split: String,
    pub(crate) examples: u64,
}

/// What a model of images and its data take on a GPU.
#[derive(Debug, Clone)]
pub struct DeviceData {
    pub(crate) model: ImageResidency,
    /// Bytes of the updates of the last merges.
    pub(crate) updates: u64,
    /// The splits that are evaluated, in the order of the tasks within each.
    pub(crate) splits: Vec<SplitSize>,
}

/// What a GPU keeps of a split of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldAs {
    /// The tokens of its images: jobs send nothing.
    Tokens,
    /// The bytes of its images: jobs send nothing, and embed them again.
    Pixels,
    /// Nothing: every job sends the images.
    Nothing,
}

/// One split of a task on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldSplit {
    /// The task.
    pub task: String,
    /// The split.
    pub split: String,
    /// Its images.
    pub images: u64,
    /// What is kept of them.
    pub held_as: HeldAs,
    /// The bytes of that.
    pub bytes: u64,
}

/// What stays on a GPU between the jobs of a sweep, with so much memory for data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Residency {
    /// The memory for data.
    pub data_memory_bytes: u64,
    /// The base model, which is beside that.
    pub base_bytes: u64,
    /// The adapted matrices of one model, beside that as well.
    pub adapted_bytes: u64,
    /// The updates of the last merges, mostly as factors, beside that as well.
    pub update_bytes: u64,
    /// The data, task by task within each split.
    pub splits: Vec<HeldSplit>,
    /// The splits that are dropped when jobs of a later one need the memory.
    pub dropped: Vec<String>,
}

impl DeviceData {
    /// What stays with so much memory for data once jobs of all tasks have run: such a job goes through all tasks of one split, keeps each
    /// as tokens or else as pixels if it fits beside what it has kept, and drops another split for it, but nothing of its own.
    ///
    /// Jobs of single adapters that ran before may have left other forms, and splits for tuning, statistics and training come on top.
    pub fn within(&self, data_memory_bytes: u64) -> Residency {
        let mut splits: Vec<HeldSplit> = Vec::new();
        let mut dropped = Vec::new();
        let mut held = 0;
        for name in self.names() {
            let before = held;
            let mut own = 0;
            for SplitSize { task, split, examples } in self.splits.iter().filter(|size| size.split == name) {
                let fits = |bytes: u64| u64::saturating_add(own, bytes) <= data_memory_bytes;
                let tokens = examples.saturating_mul(self.model.tokens);
                let pixels = examples.saturating_mul(self.model.pixels);
                let (held_as, bytes) = if fits(tokens) {
                    (HeldAs::Tokens, tokens)
                } else if fits(pixels) {
                    (HeldAs::Pixels, pixels)
                } else {
                    (HeldAs::Nothing, 0)
                };
                own += bytes;
                splits.push(HeldSplit { task: task.clone(), split: split.clone(), images: *examples, held_as, bytes });
            }
            held = u64::saturating_add(held, own);
            if held > data_memory_bytes && before > 0 {
                dropped.extend(splits.iter().map(|held| held.split.clone()).filter(|split| *split != name));
                held = own;
            }
        }
        dropped.dedup();
        let ImageResidency { base, adapted, .. } = self.model;
        let update_bytes = self.updates;
        Residency { data_memory_bytes, base_bytes: base, adapted_bytes: adapted, update_bytes, splits, dropped }
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for size in &self.splits {
            if !names.contains(&size.split.as_str()) {
                names.push(&size.split);
            }
        }
        names
    }
}

impl Residency {
    /// In words, line by line.
    pub fn in_words(&self) -> Vec<String> {
        let memory = ByteSize(self.data_memory_bytes);
        let base = ByteSize(self.base_bytes);
        let adapted = ByteSize(self.adapted_bytes);
        let updates = ByteSize(self.update_bytes);
        let mut lines = vec![format!(
            "on a GPU with {memory} for data: base {base}, adapted matrices {adapted} and updates of the last merges {updates} beside it (about, \
             for merges of all tasks)"
        )];
        let mut names: Vec<&str> = self.splits.iter().map(|split| split.split.as_str()).collect();
        names.dedup();
        for name in names {
            lines.push(format!("  `{name}`: {}", self.split_in_words(name)));
        }
        if !self.dropped.is_empty() {
            let names: Vec<String> = self.dropped.iter().map(|name| format!("`{name}`")).collect();
            lines.push(format!("  {} makes room for what comes after it, as far as needed", names.join(", ")));
        }
        lines
    }

    fn split_in_words(&self, name: &str) -> String {
        let of =
            |held_as: HeldAs| self.splits.iter().filter(move |split| split.split == name && split.held_as == held_as);
        let mut parts = Vec::new();
        for (held_as, what) in [(HeldAs::Tokens, "stay as tokens"), (HeldAs::Pixels, "stay as pixels")] {
            let images: u64 = of(held_as).map(|split| split.images).sum();
            let bytes: u64 = of(held_as).map(|split| split.bytes).sum();
            if images > 0 {
                parts.push(format!("{images} images {what}, {}", ByteSize(bytes)));
            }
        }
        let sent: Vec<&str> = of(HeldAs::Nothing).map(|split| split.task.as_str()).collect();
        if !sent.is_empty() {
            let images: u64 = of(HeldAs::Nothing).map(|split| split.images).sum();
            parts.push(format!("every job sends {images} images ({})", sent.join(", ")));
        }
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> DeviceData {
        let model = ImageResidency { base: 1 << 20, adapted: 2 << 20, tokens: 100, pixels: 60 };
        let size =
            |task: &str, split: &str, examples| SplitSize { task: task.to_owned(), split: split.to_owned(), examples };
        let splits = vec![size("a", "validation", 10), size("b", "validation", 20), size("a", "test", 30)];
        DeviceData { model, updates: 3 << 20, splits }
    }

    fn held(bytes: u64) -> Vec<HeldAs> {
        data().within(bytes).splits.into_iter().map(|split| split.held_as).collect()
    }

    #[test]
    fn splits_stay_as_tokens_or_pixels_as_far_as_they_fit_beside_those_of_their_job() {
        use HeldAs::{Nothing, Pixels, Tokens};
        assert_eq!(held(6000), [Tokens, Tokens, Tokens]);
        assert!(data().within(6000).dropped.is_empty(), "all fit at once");
        assert_eq!(data().within(5999).dropped, ["validation"], "the other split's data make room");
        assert_eq!(held(3000), [Tokens, Tokens, Tokens]);
        assert_eq!(held(2999), [Tokens, Pixels, Pixels]);
        assert_eq!(held(1000), [Tokens, Nothing, Nothing]);
        assert_eq!(held(0), [Nothing, Nothing, Nothing]);
    }

    #[test]
    fn a_person_reads_what_stays_what_is_sent_and_what_makes_room() {
        assert_eq!(
            data().within(2200).in_words(),
            [
                "on a GPU with 1 MiB for data: base 1 MiB, adapted matrices 2 MiB and updates of the last merges 3 MiB beside it (about, for merges \
                 of all tasks)",
                "  `validation`: 10 images stay as tokens, 1 MiB; 20 images stay as pixels, 1 MiB",
                "  `test`: 30 images stay as pixels, 1 MiB",
                "  `validation` makes room for what comes after it, as far as needed",
            ]
        );
        assert!(data().within(1000).in_words()[1].ends_with("every job sends 20 images (b)"));
    }
}
