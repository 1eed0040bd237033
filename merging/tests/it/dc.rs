//! DC-Merge with settings and merges of its cores that no golden has, against the formulas of merge-and-rebase in NumPy.

use crate::{fixtures::root, steps::recipe};
use merging::{Adapter, Aligned, BaseHeader, MergedUpdate};
use serde_json::{Value, json};

const TASKS: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];
const VALUES: &str = "model.layers.2.self_attn.v_proj";
const QUERIES: &str = "model.layers.0.self_attn.q_proj";

fn merged(spec: Value) -> MergedUpdate {
    let nli6 = root().join("examples/nli6");
    let base = BaseHeader::open(&nli6.join("base")).unwrap();
    let adapters = TASKS.map(|task| Adapter::read(task, &nli6.join("adapters").join(task), &base).unwrap());
    let recipe = recipe(spec);
    Aligned::for_recipe(&adapters, &recipe).unwrap().merge(&recipe).unwrap()
}

/// The norm of a merged matrix, and its first three entries.
struct Expected(&'static str, f64, [f64; 3]);

fn check(spec: &Value, expected: [Expected; 2]) {
    let update = merged(spec.clone());
    for Expected(module, norm, first) in expected {
        let found = update.dense(module).unwrap();
        let error = (found.frobenius() / norm - 1.0).abs();
        assert!(error < 1e-5, "{spec}: the norm of {module} is off by {error:e}");
        for (found, expected) in found.data().iter().zip(first) {
            let error = (f64::from(*found) - expected).abs() / norm;
            assert!(error < 1e-6, "{spec}: {module} has {found}, not {expected}");
        }
    }
}

#[test]
fn fewer_directions_of_each_task_and_spectra_as_they_are_follow_their_formula() {
    let spec = json!({"preset": "dc_merge", "cover_rank": 3, "smoothing_rule": "none"});
    let values = Expected(VALUES, 3.302420147427659, [0.0449387361, -0.00175146161, 0.0294187939]);
    let queries = Expected(QUERIES, 5.894991748562028, [0.0379408817, 0.0103268567, 0.0238362524]);
    check(&spec, [values, queries]);
}

#[test]
fn an_average_of_cores_follows_its_formula() {
    let spec = json!({"preset": "dc_merge", "cover_rank": 4, "smoothing": 0.5, "combine": "average", "mask": "none"});
    let values = Expected(VALUES, 0.6933790147626406, [0.00160671981, 0.0155952587, 0.00482724494]);
    let queries = Expected(QUERIES, 1.007853152197574, [0.00410481225, 0.00298753048, 0.000480542695]);
    check(&spec, [values, queries]);
}

#[test]
fn least_squares_of_cores_follow_their_formula() {
    let spec = json!({"preset": "dc_merge", "combine": "gram_merge", "gram": "update_normalised", "ridge": 1e-8});
    let values = Expected(VALUES, 2.022038028507518, [-0.046799202, 0.0483389331, 0.024626251]);
    let queries = Expected(QUERIES, 5.425989068156015, [0.0630625073, -0.0118260205, -0.0379486565]);
    check(&spec, [values, queries]);
}

#[test]
fn pcb_of_cores_with_two_quantiles_follows_its_formula() {
    let spec = json!({
        "preset": "dc_merge", "mask": "none", "combine": "pcb", "clamp": 0.02, "clamp_high": 0.1, "top_share": 0.2,
        "scaling": 1.2,
    });
    let values = Expected(VALUES, 0.9034168292992568, [-0.00524252929, 0.00928044769, -0.00856045392]);
    let queries = Expected(QUERIES, 1.401859292542582, [0.0137978958, 0.0165342631, -0.00181951416]);
    check(&spec, [values, queries]);
}

#[test]
fn cart_of_cores_follows_its_formula() {
    let spec = json!({
        "preset": "dc_merge", "mask": "none", "combine": "cart", "rank_share": 0.5, "residual_scale": 0.5,
    });
    let values = Expected(VALUES, 0.5122324428970119, [-0.00993288443, 0.0150837522, 0.0092225912]);
    let queries = Expected(QUERIES, 0.8640011903944934, [0.00794341179, 0.00213433878, -0.00689582744]);
    check(&spec, [values, queries]);
}
