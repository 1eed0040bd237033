//! Methods without a golden, on nli6: against values that NumPy gives for their definitions, and against laws.

use super::{
    distance,
    golden::{Weight, goldens},
    ties::sum,
};
use crate::{
    align::Factors,
    linalg::{self, ThinSvd},
    methods::{InnerProducts, Lego, RobustMerge, lego, model_stock, pico, robust_merge},
};
use faer::Mat;

fn v_proj() -> Weight {
    let golden = goldens("sce").into_iter().find(|golden| golden.text("/fixture") == "nli6").unwrap();
    golden.weights().remove("model.layers.2.self_attn.v_proj").unwrap()
}

fn update(factors: &Factors) -> Mat<f64> {
    linalg::product(factors.b.as_ref(), factors.at.transpose())
}

fn assert_starts_with(found: &Mat<f64>, norm: f64, first: [f64; 3]) {
    assert!((found.norm_l2() / norm - 1.0).abs() < 1e-9, "{} {norm}", found.norm_l2());
    assert!((0..3).all(|col| (found[(0, col)] - first[col]).abs() < 1e-8), "{found:?}");
}

#[test]
fn robust_merge_follows_its_definition() {
    let weight = v_proj();
    let merged = |settings| update(&robust_merge(&weight.references(), &[1.0; 6], settings).unwrap());
    let published = merged(RobustMerge { density: 0.2, distinct: 0.2 });
    assert_starts_with(&published, 0.5773895724915765, [0.01863276, 0.00217614, 0.00010279]);
    let undistinguished = merged(RobustMerge { density: 0.3, distinct: 1.0 });
    assert_starts_with(&undistinguished, 0.6712709207354249, [0.01763727, 0.00978616, 0.00802965]);
}

#[test]
fn a_weight_of_zero_leaves_a_task_out_of_robust_merge() {
    let weight = v_proj();
    let mut tasks = weight.references();
    let settings = RobustMerge { density: 0.2, distinct: 0.2 };
    let with = robust_merge(&tasks, &[1.0, 1.0, 0.0, 1.0, 1.0, 1.0], settings).unwrap();
    tasks.remove(2);
    let without = robust_merge(&tasks, &[1.0; 5], settings).unwrap();
    assert!(distance(&update(&with), &update(&without)) < 1e-14);
}

#[test]
fn model_stock_follows_the_mean_cosine() {
    let coefficient = model_stock(&InnerProducts::of_matrices(&v_proj().updates()));
    assert!((coefficient - 0.1089133965213095).abs() < 1e-12, "{coefficient}");
}

#[test]
fn picos_calibration_of_factors_is_a_scaling_of_core_rows() {
    let weight = v_proj();
    let [rows, _] = weight.shape();
    let stacked = linalg::side_by_side(rows, weight.factors.iter().map(|factors| factors.b.as_ref()));
    let svd = ThinSvd::new(stacked.as_ref()).unwrap().above(1e-12);
    let mut damped = svd.u.clone();
    linalg::scale_columns(&mut damped, &pico(&svd.sigma, weight.factors.len()));
    let merged = damped * (svd.u.transpose() * sum(&weight.updates()));
    assert_starts_with(&merged, 2.0979646017015328, [0.0101205, 0.05232654, 0.02010897]);
}

#[test]
fn lego_of_as_many_groups_as_directions_is_the_sum() {
    let weight = v_proj();
    let merged = lego(&weight.factors, Lego { rank: 96, seed: 1 }, "v_proj");
    assert!(distance(&update(&merged), &sum(&weight.updates())) < 1e-12);
}

#[test]
fn lego_has_the_rank_that_it_is_asked_for_and_follows_its_seed() {
    let weight = v_proj();
    let merged = |seed| update(&lego(&weight.factors, Lego { rank: 16, seed }, "v_proj"));
    let first = merged(1);
    assert_eq!(ThinSvd::new(first.as_ref()).unwrap().above(1e-10).sigma.len(), 16);
    assert!(distance(&merged(1), &first) < 1e-300);
    assert!(distance(&merged(2), &first) > 0.01);
}
