//! Inputs as far as they can be checked without fetching them.

use super::Check;
use crate::{CheckError, problems::Place};
use inputs::{InputError, Inputs, ListedData, Listing, Outline};
use jobs::{DataSpec, InputRef, error_line};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const HUB: &str = "the hub";
const BUCKETS: &str = "the bucket's server";

/// An input that a run fetches.
#[derive(Debug, Clone, Serialize)]
pub struct Download {
    /// The input.
    pub input: String,
    /// How many files of it are not on this machine; `None` if its host is unreachable.
    pub files: Option<usize>,
    /// Their bytes.
    pub bytes: Option<u64>,
}

/// Where inputs are read, and what was found.
pub(super) struct Sources<'a> {
    inputs: &'a Inputs,
    /// The files to fetch, with their sizes, by input.
    files: BTreeMap<String, BTreeMap<String, u64>>,
    /// Inputs in the order in which they are named.
    order: Vec<String>,
    /// Hosts that do not answer, so that they are not asked again.
    away: BTreeSet<&'static str>,
    unchecked: Vec<String>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(inputs: &'a Inputs) -> Self {
        Self { inputs, files: BTreeMap::new(), order: Vec::new(), away: BTreeSet::new(), unchecked: Vec::new() }
    }

    pub(super) fn inputs(&self) -> &'a Inputs {
        self.inputs
    }

    /// Records what could not be checked.
    pub(super) fn leave(&mut self, what: String) {
        if !self.unchecked.contains(&what) {
            self.unchecked.push(what);
        }
    }

    /// What is to be fetched, and what could not be checked.
    pub(super) fn finish(self) -> (Vec<Download>, Vec<String>) {
        let download = |input: &String| match self.files.get(input) {
            Some(files) => {
                Download { input: input.clone(), files: Some(files.len()), bytes: Some(files.values().sum()) }
            }
            None => Download { input: input.clone(), files: None, bytes: None },
        };
        (self.order.iter().map(download).collect(), self.unchecked)
    }

    fn add_missing(&mut self, listing: &Listing) {
        let input = listing.reference.to_string();
        for file in listing.missing() {
            self.named(&input);
            self.files.entry(input.clone()).or_default().insert(file.name.clone(), file.bytes);
        }
    }

    fn named(&mut self, input: &String) {
        if !self.order.contains(input) {
            self.order.push(input.clone());
        }
    }

    /// Records an input that is unavailable now, and why.
    fn out_of_reach(&mut self, input: String, why: &str) {
        self.leave(format!("`{input}`: {why}"));
        self.named(&input);
    }
}

/// The host of an input, by name.
fn host(reference: &InputRef) -> Option<&'static str> {
    match reference {
        InputRef::Path(_) | InputRef::Artefact(_) => None,
        InputRef::Hub(_) => Some(HUB),
        InputRef::S3(_) => Some(BUCKETS),
    }
}

impl Check<'_> {
    /// A model, adapter or file as far as it can be read from here. Otherwise the reason is kept: the input is wrong,
    /// or unreachable, or has no header.
    pub(super) fn look(
        &mut self,
        place: &Place,
        reference: &InputRef,
        list: impl FnOnce(&Inputs) -> Result<Listing, InputError>,
    ) -> Option<Outline> {
        let listing = self.ask(place, reference, list)?;
        self.sources.add_missing(&listing);
        let outline = self.ask(place, reference, |inputs| inputs.outline(&listing))?;
        match outline.left_out().first() {
            // Without it, only its absence could be reported.
            Some(name) => {
                self.sources.leave(format!("`{reference}`: `{name}` has no header that describes its content"));
                None
            }
            None => Some(outline),
        }
    }

    /// The files of an input, none of which is read.
    pub(super) fn listed(
        &mut self,
        place: &Place,
        reference: &InputRef,
        list: impl FnOnce(&Inputs) -> Result<Listing, InputError>,
    ) {
        if let Some(listing) = self.ask(place, reference, list) {
            self.sources.add_missing(&listing);
        }
    }

    /// A split of a data set, likewise.
    pub(super) fn look_at_data(
        &mut self,
        place: &Place,
        spec: &DataSpec,
        split: &str,
    ) -> Option<(ListedData, Outline)> {
        let listed = self.ask(place, &spec.source, |inputs| inputs.list_data(spec, split))?;
        self.sources.add_missing(&listed.listing);
        let outline = self.ask(place, &spec.source, |inputs| inputs.outline(&listed.listing))?;
        Some((listed, outline))
    }

    fn ask<T>(
        &mut self,
        place: &Place,
        reference: &InputRef,
        what: impl FnOnce(&Inputs) -> Result<T, InputError>,
    ) -> Option<T> {
        let host = host(reference);
        if let Some(host) = host.filter(|host| self.sources.away.contains(host)) {
            self.sources.out_of_reach(reference.to_string(), &format!("{host} is out of reach"));
            return None;
        }
        let error = match what(self.sources.inputs) {
            Ok(found) => return Some(found),
            Err(error) => error,
        };
        match &error {
            InputError::Unreachable { source, .. } => self.away(HUB, reference, source),
            InputError::Bucket { source, .. } if error.is_retryable() => self.away(BUCKETS, reference, source),
            // Not the input's fault, or over in a moment. The job that needs the input reports it.
            InputError::Outline { .. } => self.sources.leave(format!("`{reference}`: {}", error_line(&error))),
            InputError::Missing { .. }
            | InputError::NotA { .. }
            | InputError::Lacks { .. }
            | InputError::NoSplit { .. }
            | InputError::Twice { .. }
            | InputError::LfsPointer { .. }
            | InputError::CutOffDownload { .. }
            | InputError::Holds { .. }
            | InputError::Rule { .. }
            | InputError::Read { .. }
            | InputError::OtherRows { .. }
            | InputError::Malformed { .. }
            | InputError::NotAllowed { .. }
            | InputError::Outside { .. }
            | InputError::NoBuckets { .. }
            | InputError::NoArtefacts { .. }
            | InputError::NoObjects { .. }
            | InputError::Bucket { .. }
            | InputError::Replaced { .. }
            | InputError::CutOff { .. }
            | InputError::Cache { .. }
            | InputError::Offline { .. }
            | InputError::Partial { .. }
            | InputError::Hub { .. } => {
                if host.is_some() && error.is_retryable() {
                    self.sources.out_of_reach(reference.to_string(), &error_line(&error));
                } else {
                    self.problems.push(place, None, &CheckError::SweepInput(error));
                }
            }
        }
        None
    }

    /// Records that a host does not answer.
    fn away(&mut self, host: &'static str, reference: &InputRef, why: &dyn std::error::Error) {
        self.sources.away.insert(host);
        self.sources.out_of_reach(reference.to_string(), &format!("{host} is out of reach: {}", error_line(why)));
    }
}
