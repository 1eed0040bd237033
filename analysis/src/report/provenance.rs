use crate::columns::Columns;
use crate::{Frame, Summary};
use jobs::{Manifest, Method};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where the numbers of a sweep come from: inputs with their digests, programs, seeds, devices, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// What is worth knowing, as a name and a text each.
    pub facts: Vec<(&'static str, String)>,
    /// When the first result was ready: milliseconds since 1970, UTC.
    pub first_ms: Option<u64>,
    /// When the last one was.
    pub last_ms: Option<u64>,
    /// The inputs, by what they are.
    pub inputs: Vec<ProvenInput>,
}

/// An input of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenInput {
    /// What it is: `base`, `adapters.mnist`, `data.mnist.test`, `heads.mnist`.
    pub name: String,
    /// The BLAKE3 digest of its content.
    pub digest: String,
    /// Where it was; `None` for what lies within another input.
    pub place: Option<String>,
    /// The commit that a place on the hub was resolved to.
    pub commit: Option<String>,
}

impl Provenance {
    /// The provenance of a sweep, from its results and, if it can be read, its manifest.
    pub fn of(manifest: Option<&Manifest>, frame: &Frame, summary: &Summary) -> Self {
        let columns = Columns(frame.table());
        let rows = columns.rows_of(&summary.sweep);
        let finished: Vec<u64> = {
            let times = columns.numbers("finished_ms");
            rows.iter().filter_map(|row| Some(times[*row]? as u64)).collect()
        };
        let mut facts = manifest.map(of_manifest).unwrap_or_default();
        facts.extend(of_results(columns, &rows));
        let reference = summary.reference.as_ref();
        facts.extend(reference.map(|reference| ("Published figures", reference.source.in_words())));
        Self {
            facts,
            first_ms: finished.iter().min().copied(),
            last_ms: finished.iter().max().copied(),
            inputs: manifest.map(inputs).unwrap_or_default(),
        }
    }
}

fn of_manifest(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let sweep = &manifest.sweep;
    let has_own = sweep.searches.iter().any(|search| search.trials.is_some());
    let own = if has_own { " that has no number of its own" } else { "" };
    let method = match sweep.method {
        Method::Linear => "linear: one parameter after the other, each up to the first drop".to_owned(),
        Method::Grid => "grid: every combination of values".to_owned(),
        Method::Bracket => {
            "bracket: one parameter after the other, each by a few points around the best value".to_owned()
        }
        Method::Portfolio => "portfolio: every preset once, and the best three refined".to_owned(),
        Method::Tpe { trials, seed } => format!("tpe: {trials} points for each search{own}, seed {seed}"),
        Method::CmaEs { trials, seed } => format!("cma_es: at most {trials} points for each search{own}, seed {seed}"),
        Method::Random { trials, seed } => format!("random: {trials} draws for each search{own}, seed {seed}"),
    };
    let versions = manifest.versions.iter().map(|(name, version)| format!("{name} {version}"));
    let mut facts = vec![("Search", method), ("Frozen by", versions.collect::<Vec<_>>().join(", "))];
    if manifest.revision > 1 {
        facts.push(("Revision", revision(manifest)));
    }
    facts
}

/// Changes that are listed one by one.
const TOLD: usize = 10;

/// The number of the revision, and in what it differs from the one before.
fn revision(manifest: &Manifest) -> String {
    let Manifest { revision, changes, .. } = manifest;
    let told: Vec<String> = changes.iter().take(TOLD).map(ToString::to_string).collect();
    let more = changes.len().saturating_sub(TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{revision}; other than revision {}: {}{more}", revision - 1, told.join("; "))
}

fn of_results(columns: Columns<'_>, rows: &[usize]) -> Vec<(&'static str, String)> {
    let counted = |name: &str| {
        let mut counts = BTreeMap::<&str, u64>::new();
        let texts = columns.texts(name);
        rows.iter().filter_map(|row| texts[*row]).for_each(|text| *counts.entry(text).or_default() += 1);
        counts
    };
    let seeds: BTreeSet<u64> = {
        let seeds = columns.numbers("seed");
        rows.iter().filter_map(|row| Some(seeds[*row]? as u64)).collect()
    };
    let workers = counted("worker").len();
    let mut facts = Vec::new();
    let mut tell = |name, text: String| {
        if !text.is_empty() {
            facts.push((name, text))
        }
    };
    tell("Computed by", versions(counted("versions").into_keys()));
    tell(
        "Jobs with results",
        format!("{}, by {workers} {}", rows.len(), if workers == 1 { "worker" } else { "workers" }),
    );
    tell("Devices", listed(counted("device").into_iter().map(|(device, jobs)| format!("{device}: {jobs}"))));
    tell("Precision", listed(counted("precision").into_keys().map(str::to_owned)));
    tell("Seeds of drops", listed(seeds.iter().map(u64::to_string)));
    facts
}

/// A list that a line has room for.
fn listed(texts: impl ExactSizeIterator<Item = String>) -> String {
    const MOST: usize = 12;
    let more = texts.len().saturating_sub(MOST);
    let list = texts.take(MOST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// The versions of programs, each once: those of results of different workers may differ.
fn versions<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let read = |text: &str| serde_json::from_str::<BTreeMap<String, String>>(text).unwrap_or_default();
    let all: BTreeSet<String> = texts.flat_map(read).map(|(name, version)| format!("{name} {version}")).collect();
    listed(all.into_iter())
}

fn inputs(manifest: &Manifest) -> Vec<ProvenInput> {
    let places = places(manifest);
    // Data have a digest for each split, and one place.
    let place = |name: &str| {
        let parent = || name.rsplit_once('.').and_then(|(parent, _)| places.get(parent));
        places.get(name).or_else(parent).cloned()
    };
    let commit = |name: &str| {
        let parent = || name.rsplit_once('.').and_then(|(parent, _)| manifest.commits.get(parent));
        manifest.commits.get(name).or_else(parent).cloned()
    };
    let input = |(name, digest): (&String, &jobs::Digest)| ProvenInput {
        name: name.clone(),
        digest: digest.to_string(),
        place: place(name),
        commit: commit(name),
    };
    manifest.digests.iter().map(input).collect()
}

fn places(manifest: &Manifest) -> BTreeMap<String, String> {
    let sweep = &manifest.sweep;
    let of_task = |task: &jobs::Task| {
        let head = match &task.head {
            Some(jobs::HeadSpec::File(place) | jobs::HeadSpec::Adapter(place)) => {
                Some((format!("heads.{}", task.name), place.to_string()))
            }
            Some(jobs::HeadSpec::Prompts { .. }) | None => None,
        };
        let adapter = (format!("adapters.{}", task.name), task.adapter.to_string());
        let data = task.data.as_ref().map(|data| (format!("data.{}", task.name), data.source.to_string()));
        [Some(adapter), data, head].into_iter().flatten().collect::<Vec<_>>()
    };
    let base = ("base".to_owned(), sweep.base.to_string());
    let files = sweep.evaluation.benchmark.command().into_iter().flat_map(|command| &command.files);
    let files = files.map(|(name, place)| (format!("command.{name}"), place.to_string()));
    let whole = sweep.evaluation.benchmark.command().map(|_| ("base.files".to_owned(), sweep.base.to_string()));
    std::iter::once(base).chain(whole).chain(files).chain(sweep.tasks.iter().flat_map(of_task)).collect()
}
