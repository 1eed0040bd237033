//! Coefficients of the directions that all tasks share (TARA-B).

use super::*;
use evaluation::{ClipBase, Delta, DeviceChoice, GradientTower, Limits, ModelFamily, Sequences, SplitSource, Watch};
use jobs::{CoefficientBasis, DataFiles, DataSpec, InputRef, Precision, Recipe, RecipeSpec, Rows};
use merging::{Adapter, Aligned, BaseHeader, TaskFactors};
use serde_json::json;

const SHARED: &str =
    "objective: agreement, per: direction, basis: knots, start: 0.4, rate: 0.01, steps: 3, examples: 8";

fn adapters(tasks: &[&str]) -> Vec<Adapter> {
    let mini8 = root().join("examples/mini8");
    let base = BaseHeader::open(&mini8.join("base")).unwrap();
    tasks.iter().map(|task| Adapter::read(task, &mini8.join("adapters").join(task), &base).unwrap()).collect()
}

#[test]
fn every_task_has_a_coefficient_for_each_shared_direction() {
    let made = compute(SHARED).unwrap();
    let learned = learned(&made);
    assert!(learned.weights.is_empty() && learned.losses.is_sorted_by(|a, b| a > b), "{:?}", learned.losses);
    let aligned = Aligned::new(&adapters(&TASKS), CoefficientBasis::Knots.space()).unwrap();
    for (index, task) in TASKS.into_iter().enumerate() {
        let factors = aligned.task_factors(index);
        assert_eq!(learned.layer_weights[task].len(), factors.len());
        for TaskFactors { module, a, .. } in factors {
            assert_eq!(learned.layer_weights[task][&module].numbers().len(), a.rows(), "{task} {module}");
        }
    }
    // They are part of a recipe, whose merge is an adapter.
    let spec = json!({"space": "knots", "combine": "sum", "layer_weights": learned.layer_weights});
    let recipe: Recipe = serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap();
    let merged = aligned.merge(&recipe).unwrap();
    assert!(recipe.is_low_rank() && merged.modules.values().all(|matrix| matrix.rank() <= Some(64)));
}

#[test]
fn a_shared_basis_without_coefficients_of_directions_is_refused() {
    let error = compute_with("per: direction", |settings| {
        settings.basis = CoefficientBasis::Knots;
        settings.per = CoefficientScope::Layer;
    });
    let text = jobs::error_chain(&error.unwrap_err());
    assert!(text.contains("`basis` is knots, expected left out, or beside `per: direction`"), "{text}");
}

/// Some images of a task, as the first block of the tower takes them.
fn sequences(base: &ClipBase, task: &str) -> Sequences {
    let file = root().join("examples/mini8/data").join(task).join("validation-00000-of-00001.parquet");
    let files = DataFiles::Parquet(vec![file]);
    let rows = Rows::First { count: 3, of: Box::new(Rows::All) };
    let spec = DataSpec {
        source: InputRef::Path(PathBuf::from("data")),
        image_column: "image".to_owned(),
        label_column: "label".to_owned(),
        text: None,
        splits: BTreeMap::new(),
    };
    let source = SplitSource { files: &files, spec: &spec, rows: &rows, cache: None };
    let split = base.read(&source, Limits::default()).unwrap();
    let examples = base.prepare(split, u64::MAX, &Watch::default()).unwrap();
    base.sequences(&examples, &Watch::default()).unwrap()
}

/// A smooth loss of features, and its gradient.
fn loss(features: &[f64]) -> (f64, Vec<f64>) {
    let weight = |n: usize| ((n * 31 + 7) % 17) as f64 / 17.0 - 0.4;
    let value = features.iter().enumerate().map(|(n, f)| weight(n) * f + f * f / 2.0).sum();
    (value, features.iter().enumerate().map(|(n, f)| weight(n) + f).collect())
}

#[test]
fn gradients_by_coefficients_of_shared_directions_are_the_finite_differences() {
    let folder = root().join("examples/mini8/base");
    let aligned = Aligned::new(&adapters(&TASKS[..2]), CoefficientBasis::Knots.space()).unwrap();
    let factors = [0, 1].map(|task| aligned.task_factors(task));
    fn delta(factors: &TaskFactors) -> (&str, Delta<'_>) {
        (&factors.module, Delta::LowRank { b: factors.b.data(), a: factors.a.data(), rank: factors.a.rows() })
    }
    let deltas: Vec<Vec<_>> = factors.iter().map(|task| task.iter().map(delta).collect()).collect();
    let tower = GradientTower::<f64>::open_clip(&folder).unwrap().with_tasks(&deltas).unwrap();
    let base = ClipBase::open(&folder, DeviceChoice::Cpu, Precision::F32).unwrap();
    let sequences = sequences(&base, "mnist");
    let all: Vec<usize> = (0..sequences.len()).collect();
    let scale = |module: usize, direction: usize| 0.2 + 0.05 * ((module * 5 + direction * 3) % 7) as f64;
    let mut gradients: Vec<Vec<f64>> = tower.modules().iter().map(|module| vec![0.0; module.directions()]).collect();
    assert!(gradients.iter().all(|directions| directions.len() == 2 * 32), "both tasks have all of the 32 directions");
    let scales = tower.scales(scale);
    for group in tower.groups(&sequences, &all) {
        let recorded = tower.record(&sequences, group, &scales);
        let (_, by_features) = loss(recorded.features());
        recorded.backward(&by_features, &scales, &mut |module| {
            let sums = &mut gradients[module.module];
            let rows = module.projected.chunks_exact(sums.len()).zip(module.pulled.chunks_exact(sums.len()));
            rows.for_each(|(p, g)| sums.iter_mut().zip(p).zip(g).for_each(|((sum, p), g)| *sum += *p * *g));
        });
    }
    let largest = gradients.iter().flatten().fold(0.0, |top: f64, x| top.max(x.abs()));
    for (module, direction) in [(0, 0), (0, 33), (5, 7), (11, 40), (17, 1), (23, 63)] {
        let moved = |by: f64| -> f64 {
            let scales = tower.scales(|m, d| scale(m, d) + if (m, d) == (module, direction) { by } else { 0.0 });
            let groups = tower.groups(&sequences, &all);
            groups.iter().map(|group| loss(tower.record(&sequences, group, &scales).features()).0).sum()
        };
        let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
        let off = (difference - gradients[module][direction]).abs();
        assert!(off <= 1e-4 * largest, "{module} {direction}: {} against {difference}", gradients[module][direction]);
    }
}
