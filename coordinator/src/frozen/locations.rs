//! Where the inputs of a sweep are.

use super::training::TrainedTasks;
use jobs::{Benchmark, CommandLocations, HeadSpec, HubRef, InputLocations, InputRef, JointHeadSpec, Sweep, Task};
use std::collections::BTreeMap;

/// Where the inputs of `sweep` are. Adapters that it trains are artefacts.
pub(super) fn locations(sweep: &Sweep, commits: &BTreeMap<String, String>, training: &TrainedTasks) -> InputLocations {
    let named = |task: &Task| task.name.clone();
    let data = |task: &Task| {
        let mut data = task.data.clone()?;
        data.source = pinned(&data.source, commits);
        data.splits.values_mut().for_each(|rule| {
            rule.indices = rule.indices.as_ref().map(|indices| pinned(indices, commits));
        });
        Some((named(task), data))
    };
    let adapter = |task: &Task| match training.adapter(&task.name) {
        Some(job) => Some(InputRef::Artefact(job)),
        None => task.adapter.given().map(|adapter| pinned(adapter, commits)),
    };
    let head = |task: &Task| match training.head(&task.name) {
        Some(job) => Some(HeadSpec::Adapter(InputRef::Artefact(job))),
        None => task.head.as_ref().map(|head| pinned_head(head, commits)),
    };
    let joint = match &sweep.evaluation.benchmark {
        Benchmark::Joint { files: Some(files) } => {
            Some(JointHeadSpec { head: pinned(&files.head, commits), map: pinned(&files.map, commits) })
        }
        Benchmark::Joint { files: None } | Benchmark::PerTask | Benchmark::Command(_) => None,
    };
    let command = sweep.evaluation.benchmark.command().map(|command| CommandLocations {
        files: command.files.iter().map(|(name, file)| (name.clone(), pinned(file, commits))).collect(),
        limits: command.limits,
    });
    // A joint head from files replaces the heads of the tasks.
    let heads = sweep.tasks.iter().filter(|_| joint.is_none());
    InputLocations {
        base: pinned(&sweep.base, commits),
        adapters: sweep.tasks.iter().filter_map(|task| Some((named(task), adapter(task)?))).collect(),
        data: sweep.tasks.iter().filter_map(data).collect(),
        heads: heads.filter_map(|task| Some((named(task), head(task)?))).collect(),
        joint,
        slices: Vec::new(),
        command,
    }
}

/// A head with its hub reference at the resolved commit.
pub(super) fn pinned_head(head: &HeadSpec, commits: &BTreeMap<String, String>) -> HeadSpec {
    match head {
        HeadSpec::File(file) => HeadSpec::File(pinned(file, commits)),
        HeadSpec::Adapter(adapter) => HeadSpec::Adapter(pinned(adapter, commits)),
        prompts @ HeadSpec::Prompts { .. } => prompts.clone(),
    }
}

/// A hub reference at its resolved commit.
fn pinned(reference: &InputRef, commits: &BTreeMap<String, String>) -> InputRef {
    match reference {
        InputRef::Hub(hub) => match commits.get(&reference.to_string()) {
            Some(commit) => InputRef::Hub(HubRef { revision: Some(commit.clone()), ..hub.clone() }),
            None => reference.clone(),
        },
        InputRef::Path(_) | InputRef::S3(_) | InputRef::Artefact(_) => reference.clone(),
    }
}
