use super::{GramMerge, GramOptions, GramSums, GramTask, Singular};
use crate::{InputStatistics, align::Factors};
use faer::{Mat, Side, linalg::solvers::Solve};

/// Numbers in [-1, 1) without structure.
pub(crate) fn matrix(rows: usize, cols: usize, seed: u64) -> Mat<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    Mat::from_fn(rows, cols, |_, _| next())
}

/// The statistics of inputs `[n, width]`.
pub(crate) fn statistics(x: &Mat<f64>) -> InputStatistics {
    let gram = x.transpose() * x;
    let entries: Vec<f64> =
        (0..gram.nrows()).flat_map(|row| gram.row(row).iter().copied().collect::<Vec<_>>()).collect();
    let sum = (0..x.ncols()).map(|col| x.col(col).iter().sum()).collect();
    InputStatistics::new(vec!["m".to_owned()], x.nrows() as u64, sum, &entries)
}

/// The limit of recipes with `gram: inputs`.
const NOISE: f64 = 1e5;

const SHAPE: [usize; 2] = [5, 7];
const EXACT: GramOptions = GramOptions { off_diagonal: 1.0, ridge: 0.0 };

fn merge([outputs, inputs]: [usize; 2], tasks: &[GramTask<'_>], options: GramOptions) -> Result<GramMerge, Singular> {
    let mut sums = GramSums::new(inputs, options);
    tasks.iter().for_each(|task| sums.add(task));
    sums.solve(outputs)
}

fn factors(rank: usize, seed: u64) -> Factors {
    Factors { b: matrix(SHAPE[0], rank, seed), at: matrix(SHAPE[1], rank, seed + 100) }
}

fn update(factors: &Factors) -> Mat<f64> {
    &factors.b * factors.at.transpose()
}

fn dense(merged: &GramMerge) -> Mat<f64> {
    &merged.b * &merged.a
}

#[track_caller]
fn close(left: &Mat<f64>, right: &Mat<f64>, tolerance: f64) {
    let off = (left - right).norm_l2() / right.norm_l2().max(1e-300);
    assert!(off <= tolerance, "{off:e}");
}

#[test]
fn the_factored_form_is_the_formula_on_whole_weights() {
    let base = matrix(SHAPE[0], SHAPE[1], 1);
    let tasks = [factors(2, 2), factors(3, 3)];
    let inputs = [statistics(&matrix(30, SHAPE[1], 4)), statistics(&matrix(20, SHAPE[1], 5))];
    let options = GramOptions { off_diagonal: 0.9, ridge: 0.0 };
    let weights = [1.0, 0.5];
    let parts: Vec<_> =
        (0..2).map(|n| GramTask { factors: Some(&tasks[n]), inputs: &inputs[n], weight: weights[n] }).collect();
    let merged = merge(SHAPE, &parts, options).unwrap();
    assert_eq!((merged.b.ncols(), merged.a.nrows()), (5, 5));
    let mut left = Mat::<f64>::zeros(SHAPE[0], SHAPE[1]);
    let mut sum = Mat::<f64>::zeros(SHAPE[1], SHAPE[1]);
    for n in 0..2 {
        let gram = inputs[n].weighed_gram(0.9, weights[n]);
        left += (&base + update(&tasks[n])) * &gram;
        sum += gram;
    }
    let whole = sum.llt(Side::Lower).unwrap().solve(left.transpose()).transpose().to_owned();
    close(&(&base + dense(&merged)), &whole, 1e-12);
}

#[test]
fn one_task_and_equal_tasks_stay_what_they_are() {
    let task = factors(2, 7);
    let inputs = [statistics(&matrix(30, SHAPE[1], 8)), statistics(&matrix(40, SHAPE[1], 9))];
    let part = |n: usize| GramTask { factors: Some(&task), inputs: &inputs[n], weight: 1.0 };
    close(&dense(&merge(SHAPE, &[part(0)], EXACT).unwrap()), &update(&task), 1e-10);
    close(&dense(&merge(SHAPE, &[part(0), part(1)], EXACT).unwrap()), &update(&task), 1e-10);
}

#[test]
fn without_the_entries_off_the_diagonal_columns_are_weighted_means() {
    let tasks = [factors(2, 2), factors(3, 3)];
    let inputs = [statistics(&matrix(30, SHAPE[1], 4)), statistics(&matrix(20, SHAPE[1], 5))];
    let parts: Vec<_> =
        (0..2).map(|n| GramTask { factors: Some(&tasks[n]), inputs: &inputs[n], weight: 1.0 }).collect();
    let merged = merge(SHAPE, &parts, GramOptions { off_diagonal: 0.0, ridge: 0.0 }).unwrap();
    let grams = inputs.each_ref().map(|inputs| inputs.weighed_gram(0.0, 1.0));
    let want = Mat::from_fn(SHAPE[0], SHAPE[1], |row, col| {
        let own = |n: usize| update(&tasks[n])[(row, col)] * grams[n][(col, col)];
        (own(0) + own(1)) / (grams[0][(col, col)] + grams[1][(col, col)])
    });
    close(&dense(&merged), &want, 1e-12);
}

#[test]
fn a_task_without_an_update_pulls_towards_the_base() {
    let task = factors(2, 7);
    let inputs = statistics(&matrix(30, SHAPE[1], 8));
    let parts = [
        GramTask { factors: Some(&task), inputs: &inputs, weight: 1.0 },
        GramTask { factors: None, inputs: &inputs, weight: 1.0 },
    ];
    close(&dense(&merge(SHAPE, &parts, EXACT).unwrap()), &(update(&task) * 0.5), 1e-10);
}

#[test]
fn a_singular_sum_is_refused_and_a_ridge_makes_it_regular() {
    let task = factors(2, 7);
    // Fewer tokens than inputs: the Gram matrix has no inverse.
    let inputs = statistics(&matrix(3, SHAPE[1], 8));
    let parts = [GramTask { factors: Some(&task), inputs: &inputs, weight: 1.0 }];
    let exact = merge(SHAPE, &parts, EXACT);
    assert!(exact.is_err() || exact.unwrap().quality.condition > NOISE);
    let zero = statistics(&Mat::zeros(3, SHAPE[1]));
    let nothing = [GramTask { factors: Some(&task), inputs: &zero, weight: 1.0 }];
    assert_eq!(merge(SHAPE, &nothing, EXACT).unwrap_err(), Singular);
    let merged = merge(SHAPE, &parts, GramOptions { off_diagonal: 1.0, ridge: 1e-3 }).unwrap();
    assert!(merged.quality.condition < NOISE, "{:e}", merged.quality.condition);
}

#[test]
fn the_condition_number_is_estimated() {
    let inputs = statistics(&Mat::from_fn(7, 7, |row, col| if row == col { 10f64.powi(-(row as i32)) } else { 0.0 }));
    let task = factors(2, 7);
    let parts = [GramTask { factors: Some(&task), inputs: &inputs, weight: 1.0 }];
    let condition = merge(SHAPE, &parts, EXACT).unwrap().quality.condition;
    assert!((condition / 1e12 - 1.0).abs() < 0.01, "{condition:e}");
}

#[test]
fn the_residual_is_small_where_the_system_is_well_conditioned_and_tells_noise_where_it_is_not() {
    let task = factors(2, 7);
    let residual = |inputs: &InputStatistics, options| {
        let parts = [GramTask { factors: Some(&task), inputs, weight: 1.0 }];
        merge(SHAPE, &parts, options).map(|merged| merged.quality.residual)
    };
    let well = statistics(&matrix(30, SHAPE[1], 8));
    assert!(residual(&well, EXACT).unwrap() < 1e-13);
    // Columns that differ in their tenth digit: the inverse is of the size of 1e20.
    let nearly = Mat::from_fn(30, SHAPE[1], |row, col| {
        let common = matrix(30, 1, 8)[(row, 0)];
        common + 1e-8 * matrix(30, SHAPE[1], 9)[(row, col)]
    });
    let ill = statistics(&nearly);
    assert!(residual(&ill, EXACT).is_ok_and(|residual| residual > 1e-10) || residual(&ill, EXACT).is_err());
    assert!(residual(&ill, GramOptions { off_diagonal: 0.9, ridge: 0.0 }).unwrap() < 1e-12);
    let nothing = Factors { b: Mat::zeros(SHAPE[0], 2), at: Mat::zeros(SHAPE[1], 2) };
    let parts = [GramTask { factors: Some(&nothing), inputs: &well, weight: 1.0 }];
    assert_eq!(merge(SHAPE, &parts, EXACT).unwrap().quality.residual.to_bits(), 0, "nothing is wanted");
}

#[test]
fn the_largest_module_alone_decides_what_a_merge_by_inputs_takes() {
    let regmean = jobs::Preset::Regmean.recipe();
    let wide = 14336u64 * 14336 * super::GRAM_ENTRY_BYTES;
    assert_eq!(crate::working_memory(&regmean, [[4096, 14336], [4096, 4096]]), wide);
    let small = 192u64 * 192 * super::GRAM_ENTRY_BYTES;
    assert_eq!(crate::working_memory(&regmean, [[64, 192]; 3]), 3 * small);
}
