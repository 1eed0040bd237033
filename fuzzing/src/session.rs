use crate::{Target, allocator::Measured, cpu};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Bytes that the reading of one input may allocate at once.
pub const MOST_BYTES: usize = 1 << 30;

/// Inputs that may be changed further are kept up to this number and this size.
const POOL: usize = 4000;
const POOLED_BYTES: usize = 64 << 10;

/// Where and why the last panic was.
static PANICKED: Mutex<String> = Mutex::new(String::new());

/// Inputs for one target, and what became of them.
pub struct Session<'a> {
    target: &'a Target,
    folder: &'a Path,
    rng: fastrand::Rng,
    pool: Vec<Vec<u8>>,
    /// Kinds of answers, so that an input with an answer of a new kind is changed further.
    kinds: HashSet<u64>,
}

/// What reading one input came to.
#[derive(Debug)]
pub struct Read {
    /// Whether the input was taken.
    pub is_accepted: bool,
    /// Bytes allocated at once, at the most.
    pub peak_bytes: usize,
    /// Processor time of one reading.
    pub took: Duration,
}

impl<'a> Session<'a> {
    /// Begins in an empty folder. The same seed makes the same inputs, as long as readers answer the same.
    pub fn new(target: &'a Target, folder: &'a Path, seed: u64) -> Self {
        std::panic::set_hook(Box::new(|panic| {
            drop(writeln!(io::stderr(), "{panic}"));
            *PANICKED.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
        (target.prepare)(folder);
        let pool = (target.seeds)();
        Self { target, folder, rng: fastrand::Rng::with_seed(seed), pool, kinds: HashSet::new() }
    }

    /// The inputs that the target takes as they are.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.target.seeds)()
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.rng.choice(&self.pool).cloned().unwrap_or_default();
        for _ in 0..=self.rng.usize(0..3) {
            input = self.target.format.mutate(&mut self.rng, &input, &self.pool);
        }
        input
    }

    /// Reads an input twice.
    ///
    /// # Errors
    /// What must hold does not: a panic, a refusal that does not name the file, another answer at the second time.
    pub fn judge(&mut self, input: &[u8]) -> Result<Read, String> {
        let measured = Measured::begin(MOST_BYTES);
        let before = cpu::used();
        let first = self.answer(input)?;
        let took = cpu::used().saturating_sub(before);
        let peak_bytes = measured.end();
        let again = self.answer(input)?;
        // Of several things that are wrong, libraries name any.
        if first.as_ref().ok() != again.as_ref().ok() {
            return Err(format!("two answers to one input: {} and {}", shown(&first), shown(&again)));
        }
        if let Err(refusal) = &first
            && !refusal.contains(self.target.named)
        {
            return Err(format!("a refusal that does not name `{}`: {refusal}", self.target.named));
        }
        if self.kinds.insert(kind(&first)) && input.len() <= POOLED_BYTES && self.pool.len() < POOL {
            self.pool.push(input.to_vec());
        }
        Ok(Read { is_accepted: first.is_ok(), peak_bytes, took })
    }

    /// Kinds of answers so far.
    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }

    fn answer(&self, input: &[u8]) -> Result<Result<String, String>, String> {
        catch_unwind(AssertUnwindSafe(|| (self.target.read)(self.folder, input)))
            .map_err(|_| PANICKED.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What kind of answer it is: a refusal without numbers and quoted names, or one of some hundred kinds of content.
fn kind(answer: &Result<String, String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match answer {
        Ok(content) => {
            content.hash(&mut hasher);
            return hasher.finish() % 512;
        }
        Err(refusal) => without_names(refusal).hash(&mut hasher),
    }
    hasher.finish()
}

/// A message without what stands in backticks or quotes, and without numbers.
pub(crate) fn without_names(message: &str) -> String {
    let mut quoted = None;
    let outside = message.chars().filter(|c| match quoted {
        Some(end) => {
            if *c == end {
                quoted = None;
            }
            false
        }
        None => {
            if matches!(c, '`' | '"') {
                quoted = Some(*c);
            }
            !c.is_ascii_digit()
        }
    });
    outside.take(200).collect()
}

fn shown(answer: &Result<String, String>) -> String {
    format!("{answer:?}").chars().take(400).collect()
}
