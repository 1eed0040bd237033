use super::{UpdateSimilarity, cka};
use crate::{
    Adapter, InputStatistics, LoraModule, Matrix, StatisticsWriter, TaskStatistics,
    align::Factors,
    linalg::ThinQr,
    regmean::tests::{matrix, statistics},
};
use faer::Mat;
use std::collections::BTreeMap;
use tempfile::TempDir;

const OUTPUTS: usize = 6;
const INPUTS: usize = 8;

fn tasks() -> [Factors; 3] {
    [2, 3, 1].map(|rank| Factors { b: matrix(OUTPUTS, rank, rank as u64), at: matrix(INPUTS, rank, 50 + rank as u64) })
}

/// The definition on whole matrices.
fn plain(x: &Mat<f64>, updates: &[Mat<f64>], i: usize, j: usize) -> f64 {
    let centred = |update: &Mat<f64>| {
        let z = x * update.transpose();
        let mean = |col: usize| z.col(col).iter().sum::<f64>() / z.nrows() as f64;
        Mat::from_fn(z.nrows(), z.ncols(), |row, col| z[(row, col)] - mean(col))
    };
    let left = centred(&updates[i]);
    let right = centred(&updates[j]);
    let norm = |a: &Mat<f64>, b: &Mat<f64>| (a.transpose() * b).norm_l2();
    norm(&left, &right).powi(2) / (norm(&left, &left) * norm(&right, &right))
}

#[test]
fn the_gram_matrix_is_all_that_is_needed_of_the_inputs() {
    let x = matrix(40, INPUTS, 9);
    let tasks = tasks();
    let updates: Vec<Mat<f64>> = tasks.iter().map(|task| &task.b * task.at.transpose()).collect();
    let found = cka(&tasks.each_ref().map(Some), &statistics(&x));
    for i in 0..3 {
        for j in 0..3 {
            let want = plain(&x, &updates, i, j);
            assert!((found[(i, j)] - want).abs() < 1e-10, "{i} {j}: {} against {want}", found[(i, j)]);
        }
    }
}

#[test]
fn a_common_basis_changes_nothing_and_another_update_does() {
    let inputs = statistics(&matrix(40, INPUTS, 9));
    let tasks = tasks();
    let before = cka(&tasks.each_ref().map(Some), &inputs);
    let turn = ThinQr::new(matrix(OUTPUTS, OUTPUTS, 33)).q();
    let turned = tasks.each_ref().map(|task| Factors { b: turn.transpose() * &task.b, at: task.at.clone() });
    let after = cka(&turned.each_ref().map(Some), &inputs);
    assert!((&before - &after).norm_l2() < 1e-10);
    let other = cka(&[Some(&tasks[0]), Some(&Factors { b: matrix(OUTPUTS, 3, 70), at: tasks[1].at.clone() })], &inputs);
    assert!((other[(0, 1)] - before[(0, 1)]).abs() > 1e-6);
}

#[test]
fn a_task_without_an_update_is_like_none() {
    let inputs = statistics(&matrix(40, INPUTS, 9));
    let found = cka(&[Some(&tasks()[0]), None], &inputs);
    for ([row, col], expected) in [([0, 0], 1.0), ([0, 1], 0.0), ([1, 1], 0.0)] {
        assert!((found[(row, col)] - expected).abs() < 1e-12, "{row}, {col}");
    }
}

/// An adapter whose update of `m` is the diagonal matrix of these numbers.
fn diagonal(name: &str, entries: [f32; 2]) -> Adapter {
    let module = LoraModule {
        source: "m".to_owned(),
        lora_b: Matrix::new(2, 2, vec![entries[0], 0.0, 0.0, entries[1]]),
        lora_a: Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]),
        scale: 1.0,
    };
    Adapter { name: name.to_owned(), modules: BTreeMap::from([("m".to_owned(), module)]), ..Adapter::default() }
}

/// The statistics of a task with these inputs of `m`.
fn written(task: &str, folder: &TempDir, x: &Mat<f64>) -> TaskStatistics {
    let folder = folder.path().join(task);
    std::fs::create_dir(&folder).unwrap();
    let mut writer = StatisticsWriter::new(&folder);
    writer.layer(0, &[statistics(x)]).unwrap();
    writer.finish(x.nrows() as u64).unwrap();
    TaskStatistics::open(task, &folder).unwrap()
}

#[test]
fn similarity_before_and_after_an_alignment_is_what_one_computes_by_hand() {
    // Both tasks see ±(1, 0) and ±(0, 1): together, the centred Gram matrix is 4·1.
    let folder = TempDir::new().unwrap();
    let x = Mat::from_fn(4, 2, |row, col| [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]][row][col]);
    let statistics = [written("a", &folder, &x), written("b", &folder, &x)];
    // ΔW_a = diag(2, 1), ΔW_b = diag(2, 0); G = 4·1. ‖Z_aᵀZ_b‖² = 16·16, ‖Z_aᵀZ_a‖ = 4·√17, ‖Z_bᵀZ_b‖ = 4·4: CKA = 4/√17.
    // [ΔW_a ΔW_b] has σ = (2√2, 1), V_a = diag(1/√2, 1) and V_b = diag(1/√2, 0): CKA = (1/4) / (√(5/4)·(1/2)) = 1/√5.
    let adapters = [diagonal("a", [2.0, 1.0]), diagonal("b", [2.0, 0.0])];
    let found = UpdateSimilarity::new(&adapters, &statistics).unwrap();
    let [before, after] = [&found.before, &found.after].map(|cells| cells[0][1].unwrap());
    assert!((before - 4.0 / 17f64.sqrt()).abs() < 1e-6, "{before}");
    assert!((after - 1.0 / 5f64.sqrt()).abs() < 1e-6, "{after}");
    assert_eq!(found.before[0][0], Some(1.0));
    assert_eq!(UpdateSimilarity::mean_of_pairs(&found.after), Some(after));
    assert_eq!((found.modules.len(), found.modules[0].inputs), (1, 8));
    assert_eq!((found.examples, found.tasks), (vec![4, 4], vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn inputs_of_several_tasks_are_centred_by_their_common_mean() {
    let of = |values: &[f64]| statistics(&Mat::from_fn(values.len(), 1, |row, _| values[row]));
    let mut pooled: InputStatistics = of(&[1.0, 3.0]);
    pooled.add(&of(&[5.0]));
    // Around the mean 3: 4 + 0 + 4.
    assert!((pooled.centred_gram()[(0, 0)] - 8.0).abs() < 1e-12);
    assert_eq!(pooled.tokens, 3);
}

#[test]
fn tasks_that_update_no_common_weight_have_no_similarity() {
    let folder = TempDir::new().unwrap();
    let x = matrix(9, 2, 4);
    let statistics = [written("a", &folder, &x), written("b", &folder, &x)];
    let mut other = diagonal("b", [1.0, 1.0]);
    let module = other.modules.remove("m").unwrap();
    other.modules.insert("n".to_owned(), module);
    let error = UpdateSimilarity::new(&[diagonal("a", [1.0, 2.0]), other], &statistics).unwrap_err().to_string();
    assert!(error.contains("hold nothing of `n`"), "{error}");
    let empty = Adapter { name: "b".to_owned(), ..Adapter::default() };
    let found = UpdateSimilarity::new(&[diagonal("a", [1.0, 2.0]), empty], &statistics).unwrap();
    assert_eq!(found.before, [[Some(1.0), None], [None, None]]);
    assert_eq!(UpdateSimilarity::mean_of_pairs(&found.before), None);
}
