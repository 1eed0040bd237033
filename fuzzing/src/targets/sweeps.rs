//! Sweep files, recipes, published figures, and messages of the queue.

use super::{examples, nothing};
use crate::{Format, Target};
use jobs::{Lines, PublishedFigures, RecipeSpec, Sweep, error_chain};
use serde_json::Value;
use std::path::Path;

const SWEEPS: [&str; 7] = [
    "mini8/knots-ties",
    "mini8/joint",
    "mini8/compare",
    "nli6/iso-c",
    "nli6/tsv",
    "knots-paper/table-4-joint",
    "knots-mini8/figure-4",
];

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "sweep",
            format: Format::Yaml,
            seeds: || SWEEPS.iter().flat_map(|name| both(&examples::file(&format!("examples/{name}.yaml")))).collect(),
            prepare: nothing,
            read: |_, input| {
                let text = String::from_utf8_lossy(input);
                let _ = Lines::of(&text, &[]).line("tasks");
                let sweeps = Sweep::all_from_yaml(&text, Path::new("/folder"), &[]);
                let told = |sweep: &Sweep| {
                    let recipes: Vec<_> = sweep.baselines.iter().map(|baseline| format!("{baseline:?}")).collect();
                    format!("{} {:?} {recipes:?} {:?}", sweep.name, sweep.notes(), sweep.splits())
                };
                Ok(sweeps.map_err(|error| error_chain(&error))?.iter().map(told).collect())
            },
            // The command line names the file.
            named: "",
        },
        Target {
            name: "recipe",
            format: Format::Yaml,
            seeds: || {
                let mut seeds = both(&examples::file("examples/mini8/recipes/knots-ties.yaml"));
                seeds.push(
                    br#"{"preset":"dare_ties","density":0.5,"seed":3,"weights":{"a":0.5},"scaling":1.0}"#.to_vec(),
                );
                seeds.push(
                    br#"{"space":"knots","trim":{"density":0.5,"scope":"matrix"},"elect":"sum","combine":"mean"}"#
                        .to_vec(),
                );
                seeds
            },
            prepare: nothing,
            read: |_, input| {
                let spec =
                    RecipeSpec::from_yaml(&String::from_utf8_lossy(input)).map_err(|error| error_chain(&error))?;
                let recipe = spec.resolve().map_err(|error| format!("a recipe that is read is refused: {error}"))?;
                Ok(format!("{recipe:?} {:?}", spec.notes()))
            },
            named: "",
        },
        published(),
        Target {
            name: "message",
            format: Format::Json,
            seeds: || vec![queue::message_body(&queue::contract::job(1), "mini8")],
            prepare: nothing,
            read: |_, input| queue::read_message(input, &queue::contract::job(1)).map(|job| format!("{job:?}")),
            named: "",
        },
    ]
}

/// Published figures, in a file of their own.
fn published() -> Target {
    Target {
        name: "published",
        format: Format::Yaml,
        seeds: || {
            let file = |table: u8| examples::file(&format!("examples/knots-paper/published/table-{table}.yaml"));
            (1..=4).flat_map(|table| both(&file(table))).collect()
        },
        prepare: nothing,
        read: |_, input| {
            let text = String::from_utf8_lossy(input);
            let _ = jobs::reference_file(&text, &[]);
            let figures = PublishedFigures::from_yaml(&text).map_err(|error| error_chain(&error))?;
            Ok(format!("{figures:?} {}", figures.source.in_words()))
        },
        // The command line names the file.
        named: "",
    }
}

/// A file of YAML as it is, and the same as JSON, of which more is changed with sense.
fn both(yaml: &[u8]) -> Vec<Vec<u8>> {
    let tree = serde_saphyr::from_str::<Value>(&String::from_utf8_lossy(yaml));
    let json = tree.map(|tree| tree.to_string().into_bytes());
    [yaml.to_vec()].into_iter().chain(json.ok()).collect()
}
