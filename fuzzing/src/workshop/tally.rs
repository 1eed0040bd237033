use serde::{Deserialize, Serialize};

/// What became of the inputs of one target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Inputs, each of which was read twice.
    pub inputs: u64,
    /// Those that were taken.
    pub accepted: u64,
    /// Kinds of answers.
    pub kinds: u64,
    /// Inputs of which something did not hold, without those that ended the process.
    pub broken: u64,
    /// Children that an input ended: aborts, signals, time that ran out.
    pub deaths: u64,
    /// The most bytes that one reading allocated at once.
    pub peak_bytes: u64,
    /// The most processor time of one reading, in milliseconds.
    pub slowest_ms: u64,
}

impl Tally {
    /// Adds what another child did.
    pub fn add(&mut self, other: Self) {
        self.inputs += other.inputs;
        self.accepted += other.accepted;
        self.kinds = self.kinds.max(other.kinds);
        self.broken += other.broken;
        self.deaths += other.deaths;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
    }

    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.broken == 0 && self.deaths == 0
    }
}
