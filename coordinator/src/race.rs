//! Races: whether one model is better than another, decided on as few examples as the difference allows.
//!
//! A *duel* is between a challenger and an incumbent. Both answer the distinct examples of a random sequence
//! ([`ExampleSequence`](jobs::ExampleSequence)), slice by slice, and after each slice the [evidence](evidence) is held against
//! a limit. The challenger is eliminated, or it wins, or the values on all examples decide: once the examples are used up, or where
//! winning is no end and it leads clearly.
//!
//! # Why this is sound
//! What a duel decides about is the difference θ of the metric on the whole split: a fixed number, once both models are fixed. The
//! examples are drawn without replacement, so that the evidence against a true hypothesis about θ is a supermartingale that begins
//! at 1. By Ville's inequality it ever reaches `1 / a` with a probability of at most `a`, whenever one looks and however often. Of
//! the two decisions of a duel at most one is against the values, so that each has the whole of `a`.
//!
//! For this the sequence has to be fresh given all that led to the pair: a search proposes candidates, and makes incumbents, by what it
//! learned in earlier races. Three ways lead there:
//!
//! - **A sequence for each candidate** (grid and random searches), keyed by its job, in which no earlier race took part. A
//!   candidate faces exactly one incumbent, which is evaluated on all examples. Of at most K candidates, each duel has `a = α / K`.
//! - **A sequence for each scan** of a linear search, keyed by the number of the scan, in which no earlier scan took part. What may
//!   happen within a scan is known when it begins: its V values, of which each faces the best point of the scans before or the value
//!   before it. These are fewer than 2V pairs. Each pair has a duel on the same sequence, whether it is fought or not, so that it does
//!   not matter that earlier duels of the scan decide which ones are. With K values in all scans together, each pair has
//!   `a = α / 2K`. The next challenger of a winner finds the answers of the winner there, and its own are used twice.
//!
//! - **A sequence for each scan of a bracket**. Which values a scan compares depends on estimates from the very same sequence, so that
//!   any two of its V values may meet, and each of them the best point of the scans before: `V(V + 1) / 2` pairs, fixed when the scan
//!   begins. With K of them in all scans together, each pair has `a = α / K`. The estimates decide nothing: they say where the next
//!   point lies and when a scan ends, and a point is better than another one only by a duel or by the values on all examples. Of two
//!   equal points either may be taken.
//!
//! By the union bound, the probability that any duel of a search is decided against the values is at most α.
//!
//! # Why the order of results does not matter
//! The incumbent of a round is fixed when the round begins: it is the best candidate of all earlier rounds. A duel looks at fixed
//! places of its sequence, and at each it reads answers, which are a function of the model. Which slices were computed, in
//! which order, and whether an answer comes from a slice or from an evaluation on all examples, changes nothing. So the evidence
//! decides, and a resumed plan that reads the same results decides the same.

mod duel;
mod evidence;
#[cfg(test)]
mod replay;

pub(crate) use duel::{Duel, DuelRules, DuelStep, DuelTerms};
