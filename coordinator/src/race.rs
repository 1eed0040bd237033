//! Races: whether one model is better than another, decided on as few examples as the difference allows.
//!
//! A *duel* is between a challenger and an incumbent. Both answer the examples of a random sequence that belongs to the challenger
//! ([`ExampleSequence`](jobs::ExampleSequence)), slice by slice, and after each slice the [evidence](evidence) is held against
//! a limit. The challenger is eliminated, or it wins, or the values on all examples decide: once the examples are used up, or where
//! winning is no end and it leads clearly.
//!
//! # Why this is sound
//! What a duel decides about is the difference θ of the metric on the whole split: a fixed number, once both models are fixed. Draws
//! of the sequence are independent, with replacement, and have the mean θ / W, so that under θ ≥ 0 the evidence against the
//! challenger is a supermartingale that begins at 1. By Ville's inequality it ever reaches `1 / α_k` with a probability of at most
//! `α_k`, whenever one looks and however often. For this the draws have to be fresh given all that led to the pair: a search proposes
//! candidates, and makes incumbents, by what it learned in earlier races. Therefore each candidate has a sequence of its own, keyed by
//! its job, in which no earlier race took part, and it faces exactly one incumbent. One sequence for all candidates would be shared
//! with the past, and bias the test.
//!
//! A search of at most K candidates gives each duel `α_k = α / K`, half of it to either side if it follows winners. By the union bound,
//! the probability that any of its duels is decided against the truth is at most α.
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

pub(crate) use duel::{Duel, DuelRules, DuelStep};
