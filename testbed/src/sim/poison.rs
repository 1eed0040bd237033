use jobs::{Meaning, Subject};

/// A job that harms its worker. Its recipe has a scaling that no real search would try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Poison {
    /// Its computation panics.
    Panics,
    /// Its computation never ends, even after its cancellation.
    Hangs,
    /// Its computation takes all memory, and the process dies.
    Exhausts,
    /// Its input is bad.
    BadInput,
    /// Its first two computations fail with a transient failure.
    FailsTwice,
}

impl Poison {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Panics, Self::Hangs, Self::Exhausts, Self::BadInput, Self::FailsTwice];

    /// The kind of a poison job; `None` for a sound job.
    pub fn of(meaning: &Meaning) -> Option<Self> {
        let Subject::Merge { recipe } = &meaning.subject else { return None };
        Self::ALL.into_iter().find(|poison| (poison.scaling() - recipe.scaling).abs() < 0.5)
    }

    /// The name of its row in the sweep's table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panics => "panics",
            Self::Hangs => "hangs",
            Self::Exhausts => "exhausts",
            Self::BadInput => "bad-input",
            Self::FailsTwice => "fails-twice",
        }
    }

    /// The scaling that marks it.
    pub fn scaling(self) -> f64 {
        match self {
            Self::Panics => 1001.0,
            Self::Hangs => 1002.0,
            Self::Exhausts => 1003.0,
            Self::BadInput => 1004.0,
            Self::FailsTwice => 1005.0,
        }
    }

    /// What the record of its final failure says; `None` if it succeeds in the end.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Panics => Some("the computation panicked: simulated: panics"),
            Self::Hangs => Some("the job took longer than its limit"),
            Self::Exhausts => Some("workers took the job and did not settle it"),
            Self::BadInput => Some("the job is not complete: simulated: bad input"),
            Self::FailsTwice => None,
        }
    }
}
