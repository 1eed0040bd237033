//! TSV-Merge and Iso-C/CTS against their definitions on dense matrices.

use crate::fixtures::{COLUMNS, Kind, ROWS, adapters, dense, distance};
use crate::steps::recipe;
use faer::{Mat, Scale};
use jobs::{Recipe, Space};
use merging::{Adapter, Aligned};
use serde_json::json;

const SHAPE: [usize; 2] = [24, 31];

/// Every space that the methods work in; recipes are computed in the first.
const SPACES: [Space; 3] = [Space::Core, COLUMNS, ROWS];

fn merged(tasks: &[Adapter], preset: &str, space: Space) -> Mat<f64> {
    let recipe = Recipe { space, ..recipe(json!({"preset": preset})) };
    let update = Aligned::new(tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    update.modules["m0"].to_dense().to_f64()
}

fn updates(tasks: &[Adapter]) -> Vec<Mat<f64>> {
    tasks.iter().map(|task| dense(task, "m0", SHAPE)).collect()
}

struct Svd {
    u: Mat<f64>,
    sigma: Vec<f64>,
    v: Mat<f64>,
}

/// The first `count` singular triplets.
fn svd(matrix: &Mat<f64>, count: usize) -> Svd {
    let svd = matrix.thin_svd().unwrap();
    let sigma = svd.S().column_vector().iter().copied().take(count).collect();
    Svd { u: svd.U().get(.., ..count).to_owned(), sigma, v: svd.V().get(.., ..count).to_owned() }
}

fn beside(parts: &[Mat<f64>]) -> Mat<f64> {
    let columns: Vec<_> = parts.iter().flat_map(|part| part.col_iter()).collect();
    Mat::from_fn(parts[0].nrows(), columns.len(), |row, col| columns[col][row])
}

fn polar(matrix: &Mat<f64>) -> Mat<f64> {
    let svd = matrix.thin_svd().unwrap();
    svd.U() * svd.V().transpose()
}

fn recombine(parts: &[Svd], sigma: &[f64]) -> Mat<f64> {
    let u = polar(&beside(&parts.iter().map(|part| part.u.clone()).collect::<Vec<_>>()));
    let v = polar(&beside(&parts.iter().map(|part| part.v.clone()).collect::<Vec<_>>()));
    let scaled = Mat::from_fn(u.nrows(), u.ncols(), |row, col| u[(row, col)] * sigma[col]);
    scaled * v.transpose()
}

#[test]
fn tsv_follows_its_definition_in_every_space() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Rank(5)], &[SHAPE], 11);
    let parts: Vec<_> = updates(&tasks).iter().zip([4, 3, 5]).map(|(update, rank)| svd(update, rank)).collect();
    let sigma: Vec<f64> = parts.iter().flat_map(|part| part.sigma.clone()).collect();
    let expected = recombine(&parts, &sigma);
    for space in SPACES {
        let error = distance(&merged(&tasks, "tsv", space), &expected);
        assert!(error < 1e-5, "{space:?}: {error:e}");
    }
}

#[test]
fn iso_c_follows_its_definition_in_every_space() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Rank(5)], &[SHAPE], 12);
    let sum = updates(&tasks).into_iter().reduce(|left, right| left + right).unwrap();
    let svd = svd(&sum, 12);
    let mean = svd.sigma.iter().sum::<f64>() / 12.0;
    let expected = &svd.u * svd.v.transpose() * Scale(mean);
    for space in SPACES {
        let error = distance(&merged(&tasks, "iso_c", space), &expected);
        assert!(error < 1e-5, "{space:?}: {error:e}");
    }
}

#[test]
fn iso_cts_follows_its_definition_in_every_space() {
    let tasks = adapters(&[Kind::Rank(5), Kind::Rank(5), Kind::Rank(5)], &[SHAPE], 13);
    // Of 15 directions 12 are common; one from each task.
    let updates = updates(&tasks);
    let sum = updates.iter().fold(Mat::zeros(SHAPE[0], SHAPE[1]), |sum: Mat<f64>, update| sum + update);
    let common = svd(&sum, 12);
    let project = &common.u * common.u.transpose();
    let mut parts: Vec<_> = updates.iter().map(|update| svd(&(update - &project * update), 1)).collect();
    parts.push(common);
    let sigma: Vec<f64> = parts.iter().flat_map(|part| part.sigma.clone()).collect();
    let mean = sigma.iter().sum::<f64>() / 15.0;
    let expected = recombine(&parts, &[mean; 15]);
    // On transposes it is another merge.
    for space in [Space::Core, COLUMNS] {
        let error = distance(&merged(&tasks, "iso_cts", space), &expected);
        assert!(error < 1e-5, "{space:?}: {error:e}");
    }
}

#[test]
fn all_spaces_agree_where_adapters_share_directions() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Duplicate, Kind::Deficient(3), Kind::Zero(2)], &[SHAPE], 14);
    for method in ["tsv", "iso_c", "iso_cts"] {
        let core = merged(&tasks, method, Space::Core);
        let error = distance(&merged(&tasks, method, COLUMNS), &core);
        assert!(error < 1e-4, "{method}: {error:e}");
    }
}

#[test]
fn one_task_alone_survives_tsv() {
    let tasks = adapters(&[Kind::Rank(4)], &[SHAPE], 15);
    assert!(distance(&merged(&tasks, "tsv", Space::Core), &updates(&tasks)[0]) < 1e-6);
}

#[test]
fn weights_scale_a_task_before_tsv() {
    let tasks = adapters(&[Kind::Rank(4)], &[SHAPE], 16);
    let recipe = recipe(json!({"preset": "tsv", "weights": {"task0": 3.0}}));
    let update = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    let tripled = &updates(&tasks)[0] * Scale(3.0);
    assert!(distance(&update.modules["m0"].to_dense().to_f64(), &tripled) < 1e-6);
}
